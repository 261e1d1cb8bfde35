/**
 * Protects: what libraries over node:dgram count on, who know nothing of DTLS. The callback of `send` says of a peer
 * what it would say over UDP, so that one that has left ends no program; a socket that is not waited for sends what
 * it was given; `lookup` is asked what dgram asks; errors have dgram's fields; queues tell what waits; classes extend.
 */
import { expect } from 'chai';
import dgram from 'node:dgram';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { getSystemErrorName } from 'node:util';
import { createSocket, DTLSError, SecureDgramSocket, type DTLSSocket, type PeerInfo, type SocketDtlsOptions } from '../../lib/index';
import { run } from '../helpers/child';
import { certificate, within } from '../helpers/pair';
import { skip } from '../helpers/peers';
import { thrown } from '../helpers/thrown';
import { both, same } from './both';
import {
  bound, closeSockets, codeOf, KEY, peerErrorOf, PSK, QUICK, received, secure, sent, track, type Outcome,
} from './support';

const sessionsOf = (socket: { sessions: Iterable<DTLSSocket> }): DTLSSocket[] => [...socket.sessions];

/** What the callback of a send to a peer that was there, and is not any more, says; `peerError` says the code. */
async function afterLeaving(
  socket: SecureDgramSocket,
  peer: SecureDgramSocket,
  leave: () => Promise<unknown>,
): Promise<{ outcome: Outcome; code: string | undefined }> {
  const { port } = peer.address();
  await leave();
  const failed = peerErrorOf(socket);
  const outcome = await sent(socket, 'late', { port, address: '127.0.0.1' });
  return { outcome, code: await failed };
}

describe('createSocket: connect and disconnect', () => {
  afterEach(closeSockets);

  for (const implicit of [true, false]) {
    it(`messages pass after disconnect, and after another connect, on ${implicit ? 'no port' : 'a port of the system\'s choice'} before`, async () => {
      const server = await bound(secure());
      const client = secure();
      if (!implicit) {
        client.bind(0);
        await once(client, 'listening');
      }
      const failures: unknown[] = [];
      for (const socket of [server, client]) socket.on('peerError', (error) => failures.push(error));
      server.on('message', (message, { port, address }) => {
        server.send(`re ${message.toString()}`, port, address);
      });
      const answerTo = async (text: string, send: () => void): Promise<string> => {
        const answer = received(client);
        send();
        return (await answer).text === `re ${text}` ? text : 'another';
      };
      const { port } = server.address();
      const connected = async (): Promise<void> => {
        client.connect(port, '127.0.0.1');
        await within(once(client, 'connect'), 'connect');
      };
      await connected();
      expect(await answerTo('1', () => { client.send('1'); })).to.equal('1');
      const own = client.address().port;
      client.disconnect();
      expect(client.address().port).to.equal(own);
      expect(await answerTo('2', () => { client.send('2', port, '127.0.0.1'); })).to.equal('2');
      const another = await bound(secure());
      const arrival = received(another);
      await sent(client, 'other', another);
      expect((await arrival).info.port).to.equal(own);
      await connected();
      expect(await answerTo('3', () => { client.send('3'); })).to.equal('3');
      client.disconnect();
      expect(await answerTo('4', () => { client.send('4', port, '127.0.0.1'); })).to.equal('4');
      expect(client.address().port).to.equal(own);
      expect(client.stats.handshakesCompleted).to.equal(2);
      expect(failures).to.deep.equal([]);
    });
  }

  it('sessions end with the reason where the port cannot be kept, and the next message begins anew', async function () {
    if (process.platform !== 'linux') skip(this, 'only Linux takes the port back');
    const server = await bound(secure());
    const client = secure();
    client.bind(0);
    await once(client, 'listening');
    const { port } = server.address();
    client.connect(port, '127.0.0.1');
    await within(once(client, 'connect'), 'connect');
    const arrival = received(server);
    client.send('1');
    await arrival;
    // A connected socket has one address only, and its port is free on all others.
    const other = track(dgram.createSocket('udp4'));
    other.bind(client.address().port, '127.0.0.2');
    await once(other, 'listening');
    const failed = once(client, 'peerError');
    client.disconnect();
    const [error] = (await within(failed, 'peerError')) as [DTLSError];
    expect(error).to.include({ code: 'EADDRINUSE', category: 'io', syscall: 'bind' });
    expect(error.hint).to.include('disconnect()');
    const again = received(server);
    expect(await sent(client, '2', server)).to.deep.equal({ bytes: 1 });
    expect((await again).text).to.equal('2');
  });
});

describe('createSocket: what UDP would swallow', () => {
  afterEach(closeSockets);
  const LOST = { bytes: 4 };
  /** The native socket hears by ICMP that the port is closed. */
  const GONE = ['ERR_DTLS_NO_RESPONSE', 'ECONNREFUSED'];

  const roles: [SocketDtlsOptions['role'], string[]][] = [
    ['server', ['ERR_DTLS_NO_SESSION']],
    ['both', GONE],
  ];
  for (const [role, codes] of roles) {
    it(`a client that has left is no error of a callback, for role '${String(role)}'`, async () => {
      const server = await bound(secure({ ...PSK, ...QUICK, role }));
      const client = await bound(secure({ ...PSK, role: 'client' }));
      const arrival = received(server);
      await sent(client, 'hello', server);
      await arrival;
      const [session] = sessionsOf(server);
      const { outcome, code } = await afterLeaving(server, client, async () => {
        const ended = once(session ?? server, 'close');
        client.close();
        await within(ended, 'the end of the session');
      });
      expect(outcome).to.deep.equal(LOST);
      expect(code).to.be.oneOf(codes);
    });
  }

  it("a server that has left is none, for role 'client'", async () => {
    const server = await bound(secure({ ...PSK, role: 'server' }));
    const client = await bound(secure({ ...PSK, ...QUICK, role: 'client' }));
    await sent(client, 'hello', server);
    const [session] = sessionsOf(client);
    const { outcome, code } = await afterLeaving(client, server, async () => {
      const ended = once(session ?? client, 'close');
      server.close();
      await within(ended, 'the end of the session');
    });
    expect(outcome).to.deep.equal(LOST);
    expect(code).to.be.oneOf(GONE);
  });

  it('one that left without a word, and whose session is given up', async () => {
    const server = await bound(secure({ ...PSK, ...QUICK, idleTimeout: 300 }));
    const client = await bound(secure());
    await sent(client, 'hello', server);
    await received(server).catch(() => undefined);
    const silent = peerErrorOf(server);
    dgram.Socket.prototype.close.call(client);
    // The first goes over the session that is still open, as UDP would send it, too.
    const port = sessionsOf(server)[0]?.remotePort ?? 0;
    expect(await sent(server, 'late', { port, address: '127.0.0.1' })).to.deep.equal(LOST);
    expect(await silent).to.equal('ERR_DTLS_IDLE_TIMEOUT');
    const failed = peerErrorOf(server);
    expect(await sent(server, 'late', { port, address: '127.0.0.1' })).to.deep.equal(LOST);
    expect(await failed).to.be.oneOf(GONE);
    for (const session of sessionsOf(client)) session.close();
  });

  it('a client that has left and then refuses the session that a server begins', async () => {
    const server = await bound(secure({ ...PSK, ...QUICK }));
    const client = await bound(secure({ ...PSK, role: 'client' }));
    const arrival = received(server);
    await sent(client, 'hello', server);
    await arrival;
    const { port } = client.address();
    const [session] = sessionsOf(server);
    const ended = once(session ?? server, 'close');
    client.close();
    await within(ended, 'the end of the session');
    // In its place somebody who knows no such identity.
    await bound(secure({ psk: { identity: 'other', psk: KEY }, role: 'server' }), port);
    await sleep(50); // what ICMP says of the time between them has come
    const failed = peerErrorOf(server);
    expect(await sent(server, 'late', { port, address: '127.0.0.1' })).to.deep.equal(LOST);
    expect(await failed).to.match(/^ERR_DTLS_ALERT_/);
  });

  it('nor are too many messages for one that has left', async () => {
    const server = await bound(secure({ ...PSK, ...QUICK, maxQueueSize: 10 }));
    const client = await bound(secure({ ...PSK, role: 'client' }));
    const arrival = received(server);
    await sent(client, 'hello', server);
    await arrival;
    const { port } = client.address();
    const ended = once(sessionsOf(server)[0] ?? server, 'close');
    client.close();
    await within(ended, 'the end of the session');
    const to = { port, address: '127.0.0.1' };
    const outcomes = await Promise.all([1, 2, 3, 4].map(() => sent(server, 'late', to)));
    expect(outcomes).to.deep.equal([LOST, LOST, LOST, LOST]);
  });

  it('what a peer that came by itself asked to be limited to is no error of a callback either', async () => {
    const server = await bound(secure({ ...PSK, role: 'server' }));
    const client = await bound(secure({ ...PSK, role: 'client', maxFragmentLength: 512 }));
    const arrival = received(server);
    await sent(client, 'hello', server);
    await arrival;
    const failed = peerErrorOf(server);
    expect(await sent(server, Buffer.alloc(600), client)).to.deep.equal({ bytes: 600 });
    expect(await failed).to.equal('ERR_DTLS_MESSAGE_TOO_BIG');
  });

  it('what a callback says and dgram would not say is in peerError, too', async () => {
    const server = await bound(secure());
    const client = secure({ ...PSK, maxQueueSize: 4 });
    for (const [message, code] of [
      ['', 'ERR_DTLS_EMPTY_MESSAGE'],
      ['more than fits', 'ERR_DTLS_QUEUE_FULL'],
    ] as const) {
      const failed = peerErrorOf(client);
      expect(codeOf(await sent(client, message, server))).to.equal(code);
      expect(await failed).to.equal(code);
    }
    const failed = peerErrorOf(client);
    expect(codeOf(await sent(client, 'x', { port: 5684, address: '224.0.1.187' }))).to.equal('ERR_DTLS_MULTICAST');
    expect(await failed).to.equal('ERR_DTLS_MULTICAST');
  });
});

describe('createSocket: as dgram does', () => {
  afterEach(closeSockets);

  for (const open of [false, true]) {
    it(`a socket that is not waited for sends what ${open ? 'it is given over an open session' : 'waits for its handshake'}`, async () => {
      const saw = await Promise.all(
        both.map(async ([name, make]) => {
          const server = await bound(make());
          const texts: string[] = [];
          server.on('message', (message) => texts.push(message.toString()));
          const { code, stdout, stderr } = await run('unref-send.ts', [
            name, String(server.address().port), open ? 'open' : 'new',
          ]);
          expect(stderr).to.equal('');
          // The datagram was sent before the process ended.
          await sleep(50);
          return { code, stdout, texts };
        }),
      );
      expect(saw[0]?.texts).to.include('bye');
      expect(saw[1]).to.deep.equal(saw[0]);
    });
  }

  it('a type in place of the options makes a socket of that type, with a listener, also by new', async () => {
    const listener = (): void => undefined;
    for (const type of ['udp4', 'udp6'] as const) {
      for (const socket of [createSocket(type, listener), new SecureDgramSocket(type, listener)].map(track)) {
        expect(socket).to.be.instanceOf(dgram.Socket).and.have.property('type', type);
        expect(socket.listeners('message')).to.deep.equal([listener]);
      }
    }
    // A client, which trusts whom node:tls trusts.
    const server = await bound(secure({ ...(await certificate()), role: 'server' }));
    const client = track(createSocket('udp4'));
    expect(codeOf(await sent(client, 'x', server))).to.equal('SELF_SIGNED_CERT_IN_CHAIN');
    for (const make of [dgram.createSocket, createSocket]) {
      expect(() => make('udp5' as 'udp4')).to.throw().with.property('code', 'ERR_SOCKET_BAD_TYPE');
    }
  });

  it('lookup is asked about addresses, too, with the same arguments, and may refuse them', () =>
    same(async (make) => {
      const asked: unknown[][] = [];
      const lookup = ((host: string, options: unknown, done: (e: Error | null | undefined, a?: string, f?: number) => void) => {
        asked.push([host, options]);
        if (host === '127.0.0.9') done(Object.assign(new Error('not allowed'), { code: 'EACCES' }));
        else if (host === '127.0.0.8') done(null, 'no address', 4);
        else done(host === 'elsewhere.example' ? undefined : null, host.endsWith('.example') ? '127.0.0.1' : host, 4);
      }) as never;
      const [from, to] = [make({ lookup }), await bound(make())];
      const { port } = to.address();
      const texts: string[] = [];
      to.on('message', (message) => texts.push(message.toString()));
      const send = (address: string | undefined): Promise<unknown> =>
        within(
          new Promise((resolve) => {
            from.send('hello', port, address, (error, bytes) => {
              const { code, syscall } = (error ?? {}) as NodeJS.ErrnoException;
              resolve(error === null ? bytes : { code, syscall });
            });
          }),
          'the callback',
        );
      const outcomes = [];
      for (const address of ['127.0.0.1', undefined, 'elsewhere.example', '127.0.0.9', '127.0.0.8']) outcomes.push(await send(address));
      const failed = once(from, 'error');
      from.send('hello', port, '127.0.0.9');
      const [error] = (await within(failed, 'error')) as [NodeJS.ErrnoException];
      return { outcomes, asked, code: error.code };
    }));

  it('EMSGSIZE has address, port, errno and syscall', () =>
    same(async (make) => {
      const [from, to] = [make(), await bound(make())];
      const outcome = await sent(from, Buffer.alloc(70000), to);
      const { code, errno, syscall, address, port } = (
        'error' in outcome ? outcome.error : {}
      ) as NodeJS.ErrnoException & { address?: string; port?: number };
      return { code, name: getSystemErrorName(errno ?? 0), syscall, address, port: port === to.address().port };
    }));

  it('getSendQueueSize and getSendQueueCount have what waits for a handshake', async () => {
    const server = await bound(secure());
    const client = await bound(secure());
    const arrived = received(server);
    const done = Promise.all([sent(client, 'hello', server), sent(client, 'you', server)]);
    expect([client.getSendQueueSize(), client.getSendQueueCount()]).to.deep.equal([8, 2]);
    await done;
    await arrived;
    expect([client.getSendQueueSize(), client.getSendQueueCount()]).to.deep.equal([0, 0]);
  });

  for (const [where, address] of [
    ['its own address', '127.0.0.1'],
    ['all addresses', '0.0.0.0'],
  ] as const) {
    it(`a socket on ${where} that sends to itself hears at once that it cannot have a session with itself`, async () => {
      const socket = secure();
      socket.bind(0, address);
      await once(socket, 'listening');
      const { port } = socket.address();
      const failed = peerErrorOf(socket);
      const begun = performance.now();
      expect(codeOf(await sent(socket, 'me', { port, address: '127.0.0.1' }))).to.equal('ERR_DTLS_NO_SESSION');
      expect(await failed).to.equal('ERR_DTLS_NO_SESSION');
      expect(performance.now() - begun).to.be.below(1000);
      expect(sessionsOf(socket)).to.have.length(0);
      expect(socket.stats.datagramsSent).to.equal(0);
      // Another socket on the same port elsewhere is somebody else.
      if (address !== '127.0.0.1' || process.platform !== 'linux') return;
      const other = secure();
      other.bind(port, '127.0.0.2');
      await once(other, 'listening');
      const arrival = received(other);
      expect(await sent(socket, 'you', { port, address: '127.0.0.2' })).to.deep.equal({ bytes: 3 });
      expect((await arrival).text).to.equal('you');
    });
  }

  it("'pskCallback' of a client, which would have no effect, is refused, and the hint names 'psk'", () => {
    const error = thrown(() => secure({ role: 'client', pskCallback: () => KEY }));
    expect(error).to.include({ code: 'ERR_DTLS_CONFLICTING_OPTIONS', category: 'usage' });
    expect(error.message).to.include("'pskCallback'").and.include("role: 'client'");
    expect(error.hint).to.include("'psk'");
  });

  it("a socket with 'pskCallback' alone hears at its first send that it has no key of its own, and peers() may give one", async () => {
    const server = await bound(secure());
    const client = secure({ pskCallback: () => KEY });
    const failed = once(client, 'peerError');
    expect(codeOf(await sent(client, 'hello', server))).to.equal('ERR_DTLS_NO_CREDENTIALS');
    const [error] = (await failed) as [DTLSError];
    expect(error.message).to.include("'pskCallback'");
    expect(error.hint).to.include("'psk'").and.include('peers()');
    expect(client.stats.datagramsSent).to.equal(0);
    const knowing = secure({ pskCallback: () => KEY, peers: () => PSK });
    expect(await sent(knowing, 'hello', server)).to.deep.equal({ bytes: 5 });
    const asked = secure({ psk: () => ({ identity: 'device', psk: KEY }) });
    expect(await sent(asked, 'hello', server)).to.deep.equal({ bytes: 5 });
  });

  it('DGRAM_DTLS_TRANSPORT that is no transport is thrown by createSocket', () => {
    const given = process.env.DGRAM_DTLS_TRANSPORT;
    process.env.DGRAM_DTLS_TRANSPORT = 'foo';
    try {
      const error = thrown(() => secure());
      expect(error).to.include({ code: 'ERR_INVALID_ARG_VALUE', category: 'usage' });
      expect(error.message).to.include("DGRAM_DTLS_TRANSPORT cannot be 'foo'");
    } finally {
      if (given === undefined) delete process.env.DGRAM_DTLS_TRANSPORT;
      else process.env.DGRAM_DTLS_TRANSPORT = given;
    }
  });

  it('a class extends SecureDgramSocket as it would dgram.Socket', async () => {
    class Counting extends SecureDgramSocket {
      heard = 0;
      constructor(dtls: SocketDtlsOptions, listener?: (message: Buffer, info: PeerInfo) => void) {
        super({ type: 'udp4', dtls }, listener);
        this.on('message', () => {
          this.heard += 1;
        });
      }
      override close(callback?: () => void): this {
        this.heard = -1;
        return super.close(callback);
      }
    }
    const texts: string[] = [];
    const counting = await bound(track(new Counting(PSK, (message) => texts.push(message.toString()))));
    const arrival = received(counting);
    await sent(secure(), 'hello', counting);
    await arrival;
    expect(counting).to.be.instanceOf(dgram.Socket).and.instanceOf(SecureDgramSocket);
    expect([texts, counting.heard]).to.deep.equal([['hello'], 1]);
    counting.close();
    expect(counting.heard).to.equal(-1);
    expect(() => new Counting({ role: 'server' })).to.throw().with.property('code', 'ERR_DTLS_NO_CREDENTIALS');
    for (const options of [undefined, null, 5] as never[]) {
      expect(() => new SecureDgramSocket(options)).to.throw(DTLSError).with.property('code', 'ERR_INVALID_ARG_TYPE');
    }
  });
});
