/**
 * Protects the interface of servers as net's and tls's users know it: every form of listen and its name in dgram,
 * what address(), listening, sessions and getConnections() say, `busy`, the listeners given to createServer and
 * connect, and a server whose transport somebody else closes.
 */
import dgram from 'node:dgram';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { connect, createServer, DTLSError, DTLSServer, type DTLSSocket } from '../../lib/index';
import {
  closeEverything,
  dial,
  dialTo,
  ending,
  failure,
  listen,
  messages,
  next,
  openOn,
  portOf,
  PSK,
  PSK_CLIENT,
  PSK_SERVER,
  within,
} from '../helpers/pair';

afterEach(closeEverything);

const client = (port: number): DTLSSocket => dialTo({ host: '127.0.0.1', port, ...PSK_CLIENT });

/** Until the condition holds; a failure after five seconds. */
async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + 5000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`waited for ${what}`);
    await sleep(5);
  }
}

describe('listen', () => {
  const forms: [string, (server: DTLSServer, callback: () => void) => unknown, string][] = [
    ['listen(callback)', (server, callback) => server.listen(callback), '::'],
    ['listen(port, callback)', (server, callback) => server.listen(0, callback), '::'],
    ['listen(port, host, callback)', (server, callback) => server.listen(0, '127.0.0.1', callback), '127.0.0.1'],
    ['listen({ port, host }, callback)', (server, callback) => server.listen({ port: 0, host: '127.0.0.1' }, callback), '127.0.0.1'],
    ['listen({}, callback)', (server, callback) => server.listen({}, callback), '::'],
    ['listen({ host: a name }, callback)', (server, callback) => server.listen({ host: 'localhost' }, callback), 'localhost'],
    ['bind(port, host, callback)', (server, callback) => server.bind(0, '127.0.0.1', callback), '127.0.0.1'],
  ];
  for (const [form, call, host] of forms) {
    it(`${form} binds, calls back once, and serves`, async () => {
      const server = createServer(PSK_SERVER);
      try {
        let calls = 0;
        expect([server.listening, server.address()]).to.deep.equal([false, null]);
        const listening = next(server, 'listening');
        expect(call(server, () => (calls += 1))).to.equal(server);
        expect(server.listening).to.equal(false);
        await listening;
        expect([calls, server.listening]).to.deep.equal([1, true]);
        const address = server.address();
        expect(address?.port).to.be.within(1, 65535);
        if (host === 'localhost') expect(address?.address).to.be.oneOf(['127.0.0.1', '::1']);
        // '0.0.0.0' where the machine has no IPv6.
        else expect(address?.address).to.be.oneOf(host === '::' ? ['::', '0.0.0.0'] : [host]);
        expect(address?.family).to.equal(address?.address.includes(':') === true ? 'IPv6' : 'IPv4');
        const to = address?.address === '::1' ? '::1' : '127.0.0.1';
        const accepted = next(server, 'secureConnection');
        const socket = dialTo({ host: to, port: portOf(server), ...PSK_CLIENT });
        await Promise.all([accepted, next(socket, 'secureConnect')]);
        expect(calls).to.equal(1);
      } finally {
        await server[Symbol.asyncDispose]();
      }
    });
  }

  it('takes the port that it is given', async () => {
    const free = dgram.createSocket('udp4');
    free.bind(0, '127.0.0.1');
    await once(free, 'listening');
    const { port } = free.address();
    free.close();
    await once(free, 'close');
    const server = createServer(PSK_SERVER);
    server.listen({ port, host: '127.0.0.1' });
    await next(server, 'listening');
    expect(portOf(server)).to.equal(port);
    await server[Symbol.asyncDispose]();
  });

  it('refuses what is no port and no host', () => {
    const server = createServer(PSK_SERVER);
    for (const [call, code] of [
      [() => server.listen({ port: 65536 }), 'ERR_SOCKET_BAD_PORT'],
      [() => server.listen({ port: 'x' }), 'ERR_SOCKET_BAD_PORT'],
      [() => server.listen({ host: 7 as unknown as string }), 'ERR_INVALID_ARG_TYPE'],
      [() => server.bind(-1), 'ERR_SOCKET_BAD_PORT'],
    ] as const) {
      expect(call).to.throw(DTLSError).with.property('code', code);
    }
    expect(server.listening).to.equal(false);
  });
});

describe('listeners as arguments', () => {
  it('createServer adds to secureConnection, connect to secureConnect', async () => {
    const seen: string[] = [];
    const server = createServer(PSK_SERVER, (socket) => {
      seen.push(`server ${String(socket.remotePort)}`);
    });
    server.listen(0, '127.0.0.1');
    await next(server, 'listening');
    const options = { host: '127.0.0.1', port: portOf(server), ...PSK_CLIENT };
    const sockets = [
      connect(options, () => seen.push('client')),
      connect(portOf(server), '127.0.0.1', PSK_CLIENT, () => seen.push('client')),
      connect(portOf(server), '127.0.0.1', PSK_CLIENT),
    ];
    for (const socket of sockets) if (socket.connecting) await next(socket, 'secureConnect');
    await until(() => seen.length === 5, 'the listeners');
    expect(seen.filter((it) => it === 'client')).to.have.length(2);
    const ports = sockets.map(({ localPort }) => `server ${String(localPort)}`);
    expect(seen.filter((it) => it !== 'client')).to.have.members(ports);
    // Each once: 'secureConnect' does not come again, and a server's listener stays.
    expect(server.listenerCount('secureConnection')).to.equal(1);
    for (const socket of sockets) await socket[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  });
});

describe('sessions and getConnections', () => {
  const count = (server: DTLSServer): Promise<number> =>
    within(
      new Promise((resolve, reject) => {
        server.getConnections((error, sessions) => {
          if (error === null) resolve(sessions);
          else reject(error);
        });
      }),
      'the number of sessions',
    );

  it('have the handshakes under way, too, and lose what has closed', async () => {
    let answer: ((key: Buffer) => void) | undefined;
    const server = await listen({
      pskCallback: (_, identity) =>
        identity === PSK.identity ? PSK.psk : new Promise<Buffer>((resolve) => (answer = resolve)),
    });
    expect(await count(server)).to.equal(0);
    const open = await openOn(server, PSK_CLIENT);
    const began = next(server, 'connection');
    const waiting = await dial(server, { pskCallback: () => ({ identity: 'slow', psk: PSK.psk }) });
    const [pending] = await began;
    expect([...server.sessions]).to.deep.equal([open.peer, pending]);
    expect(pending.readyState).to.equal('opening');
    expect(await count(server)).to.equal(2);
    const connected = next(waiting, 'secureConnect');
    await until(() => answer !== undefined, 'the question');
    answer?.(PSK.psk);
    await connected;
    const closed = next(open.peer, 'close');
    open.client.close();
    await closed;
    expect([...server.sessions]).to.deep.equal([pending]);
    expect(await count(server)).to.equal(1);
  });
});

describe('a class that extends DTLSServer', () => {
  it('may have methods of its own by any name', async () => {
    const called: string[] = [];
    class Echo extends DTLSServer {
      readonly native = 'its own';
      constructor() {
        super(PSK_SERVER);
        this.on('secureConnection', (socket) => { this.onConnection(socket); });
      }
      onConnection(socket: DTLSSocket): void {
        socket.on('message', (message) => { socket.send(message); });
        called.push('onConnection');
      }
      onSecure(): void { called.push('onSecure'); }
      onClose(): void { called.push('onClose'); }
      onFailure(): void { called.push('onFailure'); }
      onKeylog(): void { called.push('onKeylog'); }
      onPacket(): void { called.push('onPacket'); }
      onTransportClosed(): void { called.push('onTransportClosed'); }
      onClientHello(): void { called.push('onClientHello'); }
      makeSession(): void { called.push('makeSession'); }
      listenOn(): void { called.push('listenOn'); }
      helloQuestions(): void { called.push('helloQuestions'); }
    }
    const server = new Echo();
    server.listen(0, '127.0.0.1');
    await next(server, 'listening');
    const socket = client(portOf(server));
    await next(socket, 'secureConnect');
    const echoes: string[] = [];
    socket.on('message', (message) => { echoes.push(String(message)); });
    socket.send('one');
    socket.send('two');
    await until(() => echoes.includes('two'), 'the echo');
    socket.close();
    server.close();
    await within(once(server, 'close'), 'close of the server');
    expect(echoes).to.deep.equal(['one', 'two']);
    expect(called).to.deep.equal(['onConnection']);
  });

  it('shares no name with what the classes call of one another', () => {
    const socket = client(1);
    socket.on('error', () => undefined);
    // A getter without a setter would throw.
    Object.assign(socket, { peer: 1, role: 'admin', asyncResource: 2, socket: 3, begin: 4, abandon: 5 });
    socket.destroy();
  });
});

describe('busy', () => {
  it('turns new clients away in silence, and lets sessions and handshakes go on', async () => {
    let answer: ((key: Buffer) => void) | undefined;
    const server = await listen({
      pskCallback: (_, identity) =>
        identity === PSK.identity ? PSK.psk : new Promise<Buffer>((resolve) => (answer = resolve)),
    });
    expect(server.busy).to.equal(false);
    const before = await openOn(server, PSK_CLIENT);
    const began = next(server, 'connection');
    const underWay = await dial(server, { pskCallback: () => ({ identity: 'slow', psk: PSK.psk }) });
    const [pending] = await began;
    await until(() => answer !== undefined, 'the question');

    server.busy = true;
    expect(server.busy).to.equal(true);
    const sent = server.stats.datagramsSent;
    const turnedAway = await dial(server, { ...PSK_CLIENT, retransmission: { initial: 30, max: 30 } });
    await until(() => server.stats.hellosWhileBusy >= 2, 'hellos');
    expect(turnedAway.readyState).to.equal('opening');
    expect(server.stats.datagramsSent).to.equal(sent);
    expect([...server.sessions]).to.deep.equal([before.peer, pending]);
    // An open session goes on, and so does the handshake that had begun.
    const heard = messages(before.peer, 1);
    before.client.send('still here');
    expect(String((await heard)[0])).to.equal('still here');
    const connected = next(underWay, 'secureConnect');
    answer?.(PSK.psk);
    await connected;

    // The client tries again by itself, as any client does.
    server.busy = false;
    await next(turnedAway, 'secureConnect');
    expect(server.stats.handshakesCompleted).to.equal(3);
  });

  it('can be set before listen, and is a boolean', async () => {
    const server = createServer(PSK_SERVER);
    server.busy = true;
    server.listen(0, '127.0.0.1');
    await next(server, 'listening');
    const socket = client(portOf(server));
    await until(() => server.stats.hellosWhileBusy > 0, 'a hello');
    expect(socket.readyState).to.equal('opening');
    expect(() => {
      server.busy = 1 as unknown as boolean;
    })
      .to.throw(DTLSError)
      .with.property('code', 'ERR_INVALID_ARG_TYPE');
    expect(server.busy).to.equal(true);
    const end = ending(socket);
    socket.destroy();
    await end;
    await server[Symbol.asyncDispose]();
  });
});

describe('a transport that somebody else closes', () => {
  it('ends the sessions of its server, and the server', async () => {
    const socket = dgram.createSocket('udp4');
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    const server = await listen({ ...PSK_SERVER, transport: socket });
    const { client: other, peer } = await openOn(server, { ...PSK_CLIENT, idleTimeout: 300 });
    const [atServer, closed] = [failure(peer), next(server, 'close')];
    const there = ending(other);
    socket.close();
    expect(await atServer).to.include({ code: 'ERR_DTLS_TRANSPORT_CLOSED', category: 'io' });
    await closed;
    expect([server.listening, [...server.sessions].length]).to.deep.equal([false, 0]);
    await there;
  });
});
