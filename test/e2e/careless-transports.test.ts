/**
 * Protects: that a transport of the user's which does not keep to the letter of its interface (it calls back twice, with
 * nothing, returns nothing, or throws) has neither events come twice nor anybody wait for ever.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { expect } from 'chai';
import { createServer, DTLSError, type DTLSServer } from '../../lib/index';
import { closeEverything, dialTo, failure, listen, next, portOf, PSK_CLIENT, PSK_SERVER, within } from '../helpers/pair';
import { Link } from '../helpers/link';
import { thrown } from '../helpers/thrown';

/** Some turns of the event loop, in which whatever is called twice would be. */
async function settle(): Promise<void> {
  for (let i = 0; i < 5; ++i) await turn();
}

async function listenOn(link: Link): Promise<DTLSServer> {
  const server = createServer({ ...PSK_SERVER, transport: link });
  server.listen();
  await next(server, 'listening');
  return server;
}

describe('a transport of the user\'s', () => {
  afterEach(closeEverything);

  it('that says twice that it has closed has its server close once', async () => {
    const link = await Link.bound();
    link.close = (done) => {
      link.socket.close(() => {
        done();
        done();
        setImmediate(done);
      });
    };
    const server = await listenOn(link);
    let closed = 0;
    server.on('close', () => (closed += 1));
    server.close();
    await within(next(server, 'close'), 'close');
    await settle();
    expect(closed).to.equal(1);
  });

  it('whose close() throws is let go of all the same, and the error goes to who closed', async () => {
    const link = await Link.bound();
    const reason = new Error('not now');
    link.close = () => {
      throw reason;
    };
    const server = await listenOn(link);
    const closed = next(server, 'close');
    const error = thrown(() => server.close());
    expect(error).to.be.instanceOf(DTLSError).and.include({ category: 'io', cause: reason });
    expect(error.hint).to.contain("'close' of the transport");
    await within(closed, 'close');
    link.socket.close();
  });

  it('whose close() is an async function has closed when that has come to its end', async () => {
    const link = await Link.bound();
    let released = false;
    const close = async (): Promise<void> => {
      await turn();
      released = true;
      link.socket.close();
    };
    Object.assign(link, { close });
    const server = await listenOn(link);
    const closed = next(server, 'close');
    server.close();
    await within(closed, 'close');
    expect(released).to.be.true;
  });

  it('that was closed by somebody else may refuse to be closed again', async () => {
    const link = await Link.bound();
    const server = await listenOn(link);
    const client = dialTo({ ...PSK_CLIENT, host: '127.0.0.1', port: portOf(server) });
    await next(client, 'secureConnect');
    const closed = next(server, 'close');
    link.socket.close(); // a second close() of dgram's throws
    link.receiver.closed();
    await within(closed, 'close');
    expect(link.closed).to.equal(1);
    client.destroy();
  });

  it('that has closed before, and says so as soon as it is started, is an error of a client and of a server', async () => {
    const link = await Link.bound();
    const start = link.start.bind(link);
    link.start = (receiver) => {
      start(receiver);
      receiver.closed();
    };
    const server = createServer({ ...PSK_SERVER, transport: link });
    const refused = next(server, 'error');
    server.listen();
    expect((await within(refused, 'error'))[0]).to.include({ code: 'ERR_DTLS_TRANSPORT_CLOSED', category: 'io' });
    expect(server.listening).to.equal(false);
    const client = dialTo({ ...PSK_CLIENT, host: '127.0.0.1', port: 9, transport: link });
    expect(await within(failure(client), 'error')).to.include({ code: 'ERR_DTLS_TRANSPORT_CLOSED' });
    link.socket.close();
  });

  it('that calls back with nothing has sent', async () => {
    const link = await Link.bound();
    link.send = (datagrams, peer, done) => {
      for (const datagram of datagrams) link.socket.send(datagram, peer.port, peer.address);
      setImmediate(() => (done as (() => void) | undefined)?.());
      return true;
    };
    const server = await listen(PSK_SERVER);
    const client = dialTo({ ...PSK_CLIENT, host: '127.0.0.1', port: portOf(server), transport: link });
    await next(client, 'secureConnect');
    const sent = await within(new Promise((resolve) => client.send('x', resolve)), 'the callback of send');
    expect(sent).to.equal(null);
    const packet = await within(new Promise((resolve) => client.sendPacket(Buffer.of(1, 2), resolve)), 'that of sendPacket');
    expect(packet).to.equal(null);
    await client[Symbol.asyncDispose]();
  });

  it('whose send() returns nothing asks nobody to wait', async () => {
    const link = await Link.bound();
    const send = link.send.bind(link);
    link.send = (...args) => {
      send(...args);
      return undefined as unknown as boolean;
    };
    const server = await listen(PSK_SERVER);
    const client = dialTo({ ...PSK_CLIENT, host: '127.0.0.1', port: portOf(server), transport: link });
    await next(client, 'secureConnect');
    expect(client.send('x')).to.equal(true);
    expect(client.writableNeedDrain).to.equal(false);
    await client[Symbol.asyncDispose]();
  });
});
