/**
 * Protects: that clients and a server share a socket, one of the package's, one of the user's or a transport of
 * the user's own, and that each datagram finds its session there.
 */
import * as dgram from 'node:dgram';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import { createServer, DTLSError, type DatagramTransport, type DTLSSocket } from '../../lib/index';
import { boundSocket, converse } from '../helpers/exchange';
import { Link, Wire } from '../helpers/link';
import {
  certificate,
  closeEverything,
  dial,
  dialTo,
  failure,
  listen,
  messages,
  next,
  openOn,
  openPsk,
  portOf,
  PSK_CLIENT,
  PSK_SERVER,
  withCertificate,
  within,
} from '../helpers/pair';
import { thrown } from '../helpers/thrown';

describe('handshake transports', () => {
  afterEach(closeEverything);

  it('many clients on one port of a server', async () => {
    const server = await listen(PSK_SERVER);
    const pairs = new Map<string, DTLSSocket>();
    server.on('secureConnection', (socket) => {
      socket.on('message', (message) => {
        pairs.set(message.toString(), socket);
        socket.send(`to ${message.toString()}`);
      });
    });
    const answers = await Promise.all(
      Array.from({ length: 40 }, async (_, index) => {
        const client = await dial(server, PSK_CLIENT);
        const answer = messages(client, 1);
        client.send(`client ${index}`);
        return (await answer)[0]?.toString();
      }),
    );
    expect(answers).to.deep.equal(answers.map((_, index) => `to client ${index}`));
    expect(new Set(pairs.values()).size).to.equal(40);
    expect([...server.sessions]).to.have.length(40);
    const count = await new Promise<number>((resolve) => {
      server.getConnections((_, sessions) => {
        resolve(sessions);
      });
    });
    expect(count).to.equal(40);
  });

  it('several clients on one dgram.Socket of the user\'s', async () => {
    const socket = await boundSocket();
    const server = await listen(PSK_SERVER);
    const servers = [server, await listen(PSK_SERVER)];
    const pairs = await Promise.all(
      servers.map((each) => openOn(each, { ...PSK_CLIENT, transport: socket })),
    );
    for (const { peer } of pairs) expect(peer.remotePort).to.equal(socket.address().port);
    await Promise.all(pairs.map((pair) => converse(pair)));
    const closed = pairs.map(({ client }) => next(client, 'close'));
    for (const { client } of pairs) client.close();
    await Promise.all(closed);
    // It is the user's: still bound, and usable for another session.
    const again = await openOn(server, { ...PSK_CLIENT, transport: socket });
    await converse(again);
    await again.client[Symbol.asyncDispose]();
    socket.close();
    await once(socket, 'close');
  });

  it('a server on a dgram.Socket that the user has bound', async () => {
    const socket = await boundSocket();
    const server = await listen({ ...PSK_SERVER, transport: socket });
    expect(portOf(server)).to.equal(socket.address().port);
    await converse(await openOn(server, PSK_CLIENT));
    await server[Symbol.asyncDispose]();
    expect(socket.address().port).to.be.above(0);
    expect(socket.listenerCount('message')).to.equal(0);
    expect(socket.listenerCount('error')).to.equal(0);
    socket.close();
    await once(socket, 'close');
  });

  it('a server on a dgram.Socket that is being bound listens when it is', async () => {
    const socket = dgram.createSocket('udp4');
    socket.bind(0, '127.0.0.1');
    const server = await listen({ ...PSK_SERVER, transport: socket });
    expect(portOf(server)).to.equal(socket.address().port);
    await converse(await openOn(server, PSK_CLIENT));
    await server[Symbol.asyncDispose]();
    for (const event of ['listening', 'error', 'close']) expect(socket.listenerCount(event), event).to.equal(0);
    socket.close();
    await once(socket, 'close');
  });

  it('a dgram.Socket whose bind fails, or that is closed meanwhile, is an error of the server', async () => {
    const taken = await boundSocket();
    const late = dgram.createSocket('udp4');
    const failed = once(late, 'error');
    const server = createServer({ ...PSK_SERVER, transport: late });
    late.bind(taken.address().port, '127.0.0.1');
    const refused = next(server, 'error');
    server.listen();
    expect((await refused)[0]).to.be.instanceOf(DTLSError).and.include({ code: 'EADDRINUSE', category: 'io' });
    await failed;
    late.close();
    const gone = dgram.createSocket('udp4');
    const other = createServer({ ...PSK_SERVER, transport: gone });
    gone.bind(0, '127.0.0.1');
    const ended = next(other, 'error');
    other.listen();
    gone.close();
    expect((await ended)[0]).to.include({ code: 'ERR_DTLS_TRANSPORT_NOT_BOUND', category: 'usage' });
    taken.close();
    await once(taken, 'close');
  });

  it('a dgram.Socket that is not bound, or closed, is refused with what to do', async () => {
    const unbound = dgram.createSocket('udp4');
    for (const args of [[], [5684]] as [number?][]) {
      const error = thrown(() => createServer({ ...PSK_SERVER, transport: unbound }).listen(...args));
      expect(error).to.include({ code: 'ERR_DTLS_TRANSPORT_NOT_BOUND', category: 'usage' });
      expect(error.hint).to.include('bind()');
    }
    // dgram binds it with the first datagram that it sends.
    const server = await listen(PSK_SERVER);
    const { client } = await openOn(server, { ...PSK_CLIENT, transport: unbound });
    await client[Symbol.asyncDispose]();
    const bound = createServer({ ...PSK_SERVER, transport: unbound });
    unbound.close();
    await once(unbound, 'close');
    for (const refused of [
      () => bound.listen(),
      () => createServer({ ...PSK_SERVER, transport: unbound }),
      () => dialTo({ ...PSK_CLIENT, host: '127.0.0.1', port: 5684, transport: unbound }),
    ]) {
      const error = thrown(refused);
      expect(error).to.include({ code: 'ERR_DTLS_TRANSPORT_NOT_BOUND', category: 'usage' });
      expect(error.message).to.include('closed');
      expect(error.hint).to.match(/^Bind another one/);
    }
  });

  it("a transport of the user's own that has no address is a typed error", () => {
    const broken = {
      start: () => undefined,
      send: () => true,
      close: (done: () => void) => { done(); },
      address: () => { throw Object.assign(new Error('getsockname EBADF'), { code: 'EBADF', errno: -9, syscall: 'getsockname' }); },
    };
    const error = thrown(() => createServer({ ...PSK_SERVER, transport: broken }).listen(5684));
    expect(error).to.include({ code: 'EBADF', category: 'io' });
    expect(error.hint).to.include('bind');
  });

  it("a transport of the user's own that cannot be started is an error of whoever brought it, who is not left open", async () => {
    const noDevice = (): never => {
      throw Object.assign(new Error('no candidates'), { code: 'ENODEV' });
    };
    const noError = (): never => {
      // eslint-disable-next-line @typescript-eslint/only-throw-error -- anybody may throw anything
      throw 'no candidates';
    };
    for (const [start, code] of [[noDevice, 'ENODEV'], [noError, 'ERR_DTLS_IO']] as const) {
      const address = (): AddressInfo => ({ address: '10.0.0.1', port: 5684, family: 'IPv4' });
      const link = { start, send: () => true, close: (done: () => void) => { done(); }, address };
      const server = createServer({ ...PSK_SERVER, transport: link });
      for (let times = 0; times < 2; ++times) {
        const failed = next(server, 'error');
        server.listen();
        const [error] = await failed;
        expect(error).to.be.instanceOf(DTLSError).and.include({ code, category: 'io', message: 'no candidates' });
      }
      const refused = new Promise((resolve) => server.close(resolve));
      expect(await refused).to.have.property('code', 'ERR_SERVER_NOT_RUNNING');

      const client = dialTo({ ...PSK_CLIENT, host: '10.0.0.2', port: 5684, transport: link });
      const closed = new Promise((resolve) => client.once('close', resolve));
      expect(await failure(client)).to.include({ code, category: 'io', message: 'no candidates' });
      await within(closed, 'close');
    }
  });

  it('a dgram.Socket that its owner closes while much waits in it ends its sessions, and nothing else', async () => {
    /** Takes what is sent when it is told to, as a slow network does, and gives up the rest when it closes, as Node's does. */
    class Slow extends dgram.Socket {
      slow = false;
      readonly #waiting: { readonly size: number; readonly done: (error: Error | null) => void }[] = [];
      override send(...args: unknown[]): void {
        const [datagram, done] = [args[0], args.at(-1)] as [Buffer, (error: Error | null) => void];
        if (this.slow) this.#waiting.push({ size: datagram.length, done });
        else (super.send as (...all: unknown[]) => void).apply(this, args);
      }
      override getSendQueueSize(): number {
        return this.#waiting.reduce((sum, { size }) => sum + size, super.getSendQueueSize());
      }
      override close(callback?: () => void): this {
        super.close(callback);
        setImmediate(() => {
          const canceled = Object.assign(new Error('send ECANCELED'), { code: 'ECANCELED' });
          for (const { done } of this.#waiting.splice(0)) done(canceled);
        });
        return this;
      }
    }
    const socket = new (Slow as unknown as new (type: string) => Slow)('udp4');
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    const { client } = await openOn(await listen(PSK_SERVER), { ...PSK_CLIENT, transport: socket });
    socket.slow = true;
    const told: Promise<Error | null>[] = [];
    while (!client.writableNeedDrain) told.push(new Promise((resolve) => client.send(Buffer.alloc(16_000), resolve)));
    const ended = failure(client);
    socket.close();
    expect(await ended).to.include({ code: 'ERR_DTLS_TRANSPORT_CLOSED' });
    for (const error of await Promise.all(told)) expect(error).to.include({ code: 'ECANCELED' });
  });

  it('a server and clients on the same dgram.Socket', async () => {
    const socket = await boundSocket();
    const server = await listen({ ...PSK_SERVER, transport: socket });
    const other = await listen(PSK_SERVER);
    const incoming = await openOn(server, PSK_CLIENT);
    const outgoing = await openOn(other, { ...PSK_CLIENT, transport: socket });
    await converse(incoming);
    await converse(outgoing);
    await server[Symbol.asyncDispose]();
    await converse(outgoing);
    await outgoing.client[Symbol.asyncDispose]();
    socket.close();
    await once(socket, 'close');
  });

  it('a socket that has closed neither keeps a transport that others use, nor lets it go', async () => {
    const calls: string[] = [];
    const near: DatagramTransport = Object.assign(await Link.bound(), {
      ref: () => calls.push('ref'),
      unref: () => calls.push('unref'),
    });
    const server = await listen(PSK_SERVER);
    const first = await openOn(server, { ...PSK_CLIENT, transport: near });
    const served = await listen({ ...PSK_SERVER, transport: near });
    const closed = next(first.client, 'close');
    first.client.close();
    await closed;
    first.client.unref().ref();
    expect(calls).to.deep.equal([]);
    served.unref();
    expect(calls).to.deep.equal(['unref']);
    const ended = next(served, 'close');
    served.close();
    await ended;
  });

  it('only one server on a transport', async () => {
    const socket = await boundSocket();
    await listen({ ...PSK_SERVER, transport: socket });
    const second = createServer({ ...PSK_SERVER, transport: socket });
    const failed = next(second, 'error');
    second.listen();
    expect((await failed)[0].code).to.equal('ERR_SERVER_ALREADY_LISTEN');
    await closeEverything();
    socket.close();
    await once(socket, 'close');
  });

  it('a server that has closed says nothing any more to the one that comes after it on a transport', async () => {
    const socket = await boundSocket();
    const other = await listen(PSK_SERVER);
    // A client keeps the transport between the two.
    const outgoing = await openOn(other, { ...PSK_CLIENT, transport: socket });
    const before = await listen({ ...(await withCertificate()), transport: socket });
    await before[Symbol.asyncDispose]();
    const server = await listen({ ...(await withCertificate()), transport: socket });
    before.setSecureContext(await certificate({ commonName: 'before' }));
    before.addContext('localhost', await certificate({ commonName: 'before' }));
    before.busy = true;
    const incoming = await openOn(server);
    expect(incoming.client.getPeerX509Certificate()?.subject).to.equal('CN=localhost');
    expect(server.stats.hellosWhileBusy).to.equal(0);
    await outgoing.client[Symbol.asyncDispose]();
    await closeEverything();
    socket.close();
    await once(socket, 'close');
  });

  it('a transport of the user\'s own, on both sides', async () => {
    const near = await Link.bound();
    const far = await Link.bound();
    const server = await listen({ ...PSK_SERVER, transport: far });
    const client = dialTo({
      ...PSK_CLIENT,
      host: '127.0.0.1',
      port: far.address().port,
      transport: near,
    });
    const [[peer]] = await Promise.all([
      next(server, 'secureConnection'),
      next(client, 'secureConnect'),
    ]);
    expect(client.localPort).to.equal(near.address().port);
    await converse({ client, peer });
    await client[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
    expect([near.started, far.started, near.closed, far.closed]).to.deep.equal([1, 1, 1, 1]);
  });

  it('that delivers from within send, on both sides', async () => {
    const [near, far] = Wire.pair();
    const server = await listen({ ...PSK_SERVER, transport: far });
    const client = dialTo({ ...PSK_CLIENT, host: 'wire', port: 1, transport: near });
    const [[peer]] = await Promise.all([
      next(server, 'secureConnection'),
      next(client, 'secureConnect'),
    ]);
    peer.on('message', (message) => peer.send(message));
    let rounds = 0;
    const done = new Promise<void>((resolve) => {
      client.on('message', (message) => {
        if (++rounds === 1000) resolve();
        else client.send(message);
      });
    });
    client.send('round and round');
    await within(done, 'a thousand rounds');
    const closed = next(peer, 'close');
    client.close();
    await closed;
  });

  it('that calls back from within send has nobody called back within their own call', async () => {
    const [near, far] = Wire.pair();
    for (const wire of [near, far]) {
      const send = wire.send.bind(wire);
      wire.send = (datagrams, peer, done) => {
        const more = send(datagrams, peer);
        done?.(null);
        return more;
      };
    }
    const server = await listen({ ...PSK_SERVER, transport: far });
    const client = dialTo({ ...PSK_CLIENT, host: 'wire', port: 1, transport: near });
    await next(client, 'secureConnect');
    let returned = false;
    const called = new Promise<boolean>((resolve) => {
      client.send('message', () => {
        resolve(returned);
      });
    });
    returned = true;
    expect(await within(called, "send's callback")).to.be.true;
    let packetReturned = false;
    const packet = new Promise<boolean>((resolve) => {
      server.sendPacket(Buffer.of(0, 1), { address: 'wire', port: 1 }, () => {
        resolve(packetReturned);
      });
    });
    packetReturned = true;
    expect(await within(packet, "sendPacket's callback")).to.be.true;
    const writer = client.toWeb().writable.getWriter();
    await within(writer.write('chunk'), 'a write to be over');
    await client[Symbol.asyncDispose]();
  });

  it("that fails from within send is the server's error when the call has returned", async () => {
    const [, far] = Wire.pair();
    const broken = Object.assign(new Error('broken'), { code: 'EBADF' });
    const start = far.start.bind(far);
    far.start = (receiver) => {
      start(receiver);
      far.send = (_datagrams, _peer, done) => {
        receiver.error(broken);
        if (done !== undefined) process.nextTick(done, null);
        return true;
      };
    };
    const server = await listen({ ...PSK_SERVER, transport: far });
    const events: string[] = [];
    const failed = new Promise<void>((resolve) => {
      server.on('error', ({ code }) => {
        events.push(code);
        resolve();
      });
    });
    server.sendPacket(Buffer.of(0, 1), { address: 'wire', port: 1 });
    events.push('returned');
    await within(failed, "'error'");
    expect(events).to.deep.equal(['returned', 'EBADF']);
  });

  it('without a cookie exchange where the transport has validated the peer', async () => {
    const { server, client, peer } = await openPsk({ cookieExchange: false });
    await converse({ client, peer });
    expect(server.stats).to.include({ cookiesSent: 0, handshakesCompleted: 1 });
  });

  it('that loses every datagram once', async () => {
    const server = await listen(await withCertificate({ retransmission: { initial: 30 } }));
    const link = await Link.bound();
    let sent = 0;
    link.outgoing = (datagram) => (sent++ % 2 === 0 ? [] : [datagram]);
    const client = await dial(server, { transport: link, retransmission: { initial: 20 } });
    const repeated: string[] = [];
    client.on('handshake', (event) => {
      if (event.retransmit) repeated.push(event.message);
    });
    const [[peer]] = await Promise.all([
      next(server, 'secureConnection'),
      next(client, 'secureConnect'),
    ]);
    link.outgoing = (datagram) => [datagram];
    await converse({ client, peer });
    expect(repeated).to.include('client_hello');
    expect(client.stats.retransmissions).to.equal(repeated.length);
  });
});
