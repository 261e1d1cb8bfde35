/**
 * Protects: that a server which closes ends every session in good order, in whatever state it or they are.
 */
import { expect } from 'chai';
import { createServer, type DatagramReceiver } from '../../lib/index';
import { Link, Wire } from '../helpers/link';
import {
  closeEverything,
  dial,
  dialTo,
  ending,
  failure,
  listen,
  next,
  openOn,
  ORDERLY,
  PSK_CLIENT,
  PSK_SERVER,
  within,
} from '../helpers/pair';
import { patience } from '../helpers/patience';

describe('endings a server', () => {
  afterEach(closeEverything);

  it('that closes tells every session', async () => {
    const server = await listen(PSK_SERVER);
    const pairs = [await openOn(server, PSK_CLIENT), await openOn(server, PSK_CLIENT)];
    const ends = pairs.flatMap(({ client, peer }) => [ending(client), ending(peer)]);
    const order: string[] = [];
    for (const { peer } of pairs) peer.on('close', () => order.push('session'));
    server.on('close', () => order.push('server'));
    const called = new Promise<Error | undefined>((resolve) => server.close(resolve));
    expect(server.listening).to.be.false;
    expect(await within(called, "close's callback")).to.equal(undefined);
    for (const end of await Promise.all(ends)) expect(end).to.deep.equal(ORDERLY);
    expect(order).to.deep.equal(['session', 'session', 'server']);
    expect(server.address()).to.equal(null);
    expect(server.stats.handshakesCompleted).to.equal(2);
  });

  it('that closes during handshakes', async () => {
    let asked: () => void = () => undefined;
    const waiting = new Promise<void>((resolve) => (asked = resolve));
    const server = await listen({
      pskCallback: () => {
        asked();
        return new Promise(() => undefined);
      },
    });
    const client = await dial(server, { ...PSK_CLIENT, retransmission: { initial: patience(30) } });
    const end = failure(client);
    await within(waiting, 'the question');
    const [socket] = [...server.sessions];
    if (socket === undefined) throw new Error('no session');
    const atServer = ending(socket);
    server.close();
    await next(server, 'close');
    expect(await atServer).to.deep.equal(ORDERLY);
    expect((await end).code).to.equal('ERR_DTLS_ALERT_CLOSE_NOTIFY');
  });

  it('that closes before it listens', async () => {
    const server = createServer(PSK_SERVER);
    const closed = next(server, 'close');
    server.listen(0, '127.0.0.1');
    server.close();
    await closed;
    expect(server.address()).to.equal(null);
  });

  it('that never listened, or has closed, says so', async () => {
    const server = createServer(PSK_SERVER);
    const outcome = (): Promise<Error | undefined> =>
      within(new Promise((resolve) => server.close(resolve)), "close's callback");
    expect(await outcome()).to.have.property('code', 'ERR_SERVER_NOT_RUNNING');
    server.listen(0, '127.0.0.1');
    await next(server, 'listening');
    expect(await outcome()).to.equal(undefined);
    expect(await outcome()).to.have.property('code', 'ERR_SERVER_NOT_RUNNING');
  });

  it('that closes in its own handlers', async () => {
    for (const event of ['connection', 'secureConnection'] as const) {
      const server = await listen(PSK_SERVER);
      const client = await dial(server, { ...PSK_CLIENT, retransmission: { initial: 20 } });
      const end = ending(client);
      server.on(event, () => {
        server.close();
      });
      await next(server, 'close');
      const { errors } = await end;
      // Told so in the middle of its handshake, or afterwards that nobody is there any more.
      for (const error of errors) {
        expect(error.code).to.be.oneOf(['ECONNREFUSED', 'ERR_DTLS_ALERT_CLOSE_NOTIFY']);
      }
    }
  });

  it('that closes while more hellos have come in than become events at once ends all of them', async () => {
    const [near, far] = Wire.pair();
    const hellos: Buffer[] = [];
    let receiver: DatagramReceiver | undefined;
    far.start = (given) => {
      receiver = given;
    };
    far.send = (_datagrams, _peer, done) => {
      if (done !== undefined) process.nextTick(done, null);
      return true;
    };
    near.send = (datagrams) => {
      hellos.push(...datagrams.map((datagram) => Buffer.from(datagram)));
      return true;
    };
    const none = { maxSessions: 0, maxSessionsPerHost: 0, maxPendingHandshakes: 0, maxPendingHandshakesPerHost: 0 };
    const server = await listen({ ...PSK_SERVER, ...none, transport: far, cookieExchange: false });
    const client = dialTo({ ...PSK_CLIENT, host: 'wire', port: 1, transport: near });
    for (const end = Date.now() + patience(2000); hellos.length === 0 && Date.now() < end; ) await new Promise(setImmediate);
    client.destroy();
    const [hello] = hellos;
    if (hello === undefined || receiver === undefined) throw new Error('no hello');
    server.once('connection', () => {
      server.close();
    });
    const closed = next(server, 'close');
    // A pass has room for 4096 records, and each of these makes two at least.
    for (let host = 0; host < 2500; ++host) receiver.receive(hello, { address: `host ${String(host)}`, port: 5, family: 'IPv4' });
    await closed;
    expect([...server.sessions]).to.deep.equal([]);
    expect(server.stats.handshakesStarted).to.equal(2500);
  });

  it("whose transport the user closes ends its sessions, and itself", async () => {
    const server = await listen(PSK_SERVER);
    const link = await Link.bound();
    const { client } = await openOn(server, { ...PSK_CLIENT, transport: link });
    const error = failure(client);
    link.receiver.closed();
    expect(await error).to.include({ code: 'ERR_DTLS_TRANSPORT_CLOSED', category: 'io' });
  });
});
