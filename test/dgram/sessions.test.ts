/**
 * Protects: what createSocket's sockets do that dgram's do not. The first message to a peer shakes
 * hands with it, nothing is lost or sent in clear meanwhile, every callback hears what became of its
 * message, and two that begin at once end up with one session.
 */
import { expect } from 'chai';
import dgram from 'node:dgram';
import { once } from 'node:events';
import type { DTLSError, DTLSSocket, Peer } from '../../lib/index';
import { createSocket } from '../../lib/index';
import { certificate, within } from '../helpers/pair';
import { createAuthority } from '../helpers/certificates';
import {
  bound,
  closeSockets,
  codeOf,
  KEY,
  PSK,
  QUICK,
  received,
  secure,
  sent,
  track,
  type Received,
} from './support';

const sessionsOf = (socket: { sessions: Iterable<DTLSSocket> }): DTLSSocket[] => [...socket.sessions];

async function messages(socket: dgram.Socket, count: number): Promise<string[]> {
  const all: string[] = [];
  await within(
    new Promise<void>((resolve) => {
      socket.on('message', (message: Buffer) => {
        if (all.push(message.toString()) === count) resolve();
      });
    }),
    `${String(count)} messages`,
  );
  return all;
}

describe('createSocket: sessions', () => {
  afterEach(closeSockets);

  it('shakes hands at the first send, and answers over the same session', async () => {
    const server = await bound(secure());
    const client = secure();
    server.on('message', (message, info) => {
      server.send(`re: ${message.toString()}`, info.port, info.address);
    });
    const answer = received(client);
    const outcome = await sent(client, 'hello', server);
    expect(outcome).to.deep.equal({ bytes: 5 });
    expect((await answer).text).to.equal('re: hello');
    expect(sessionsOf(server)).to.have.length(1);
    expect(sessionsOf(client)).to.have.length(1);
    expect(server.stats.handshakesCompleted).to.equal(1);
    expect(client.stats.handshakesCompleted).to.equal(1);
  });

  it('lets nothing leave in clear', async () => {
    const server = await bound(secure());
    const wire: Buffer[] = [];
    const relay = await bound(track(dgram.createSocket('udp4')));
    let clientPort = 0;
    relay.on('message', (datagram, info) => {
      wire.push(datagram);
      const fromServer = info.port === server.address().port;
      if (!fromServer) clientPort = info.port;
      relay.send(datagram, fromServer ? clientPort : server.address().port, '127.0.0.1');
    });
    const client = secure();
    const arrival = received(server);
    await sent(client, 'a secret that is easy to find', relay);
    expect((await arrival).text).to.equal('a secret that is easy to find');
    expect(Buffer.concat(wire).includes('secret')).to.be.false;
    expect(wire.length).to.be.above(4);
  });

  it('keeps what is sent before the session is open, in order', async () => {
    const server = await bound(secure());
    const client = secure();
    const all = messages(server, 20);
    const { port } = server.address();
    const callbacks: number[] = [];
    for (let i = 0; i < 20; ++i) {
      client.send(`message ${String(i)}`, port, '127.0.0.1', (error) => {
        expect(error).to.equal(null);
        callbacks.push(i);
      });
    }
    expect(await all).to.deep.equal(Array.from({ length: 20 }, (_, i) => `message ${String(i)}`));
    expect(callbacks).to.deep.equal(Array.from({ length: 20 }, (_, i) => i));
  });

  it('copies what waits: the caller may use its memory again', async () => {
    const server = await bound(secure());
    const client = secure();
    const arrival = received(server);
    const memory = Buffer.from('first');
    client.send(memory, server.address().port, '127.0.0.1');
    memory.fill('x');
    expect((await arrival).text).to.equal('first');
  });

  it('says on the callback that the queue is full', async () => {
    const server = await bound(secure());
    const client = secure({ ...PSK, maxQueueSize: 100 });
    const arrival = messages(server, 2);
    const outcomes = await Promise.all([
      sent(client, 'a'.repeat(60), server),
      sent(client, 'b'.repeat(60), server),
      sent(client, 'c'.repeat(40), server),
    ]);
    expect(outcomes.map(codeOf)).to.deep.equal([undefined, 'ERR_DTLS_QUEUE_FULL', undefined]);
    expect((await arrival).map((text) => text[0])).to.deep.equal(['a', 'c']);
  });

  it('says who the peer is', async () => {
    const server = await bound(secure());
    const client = secure();
    const arrival = received(server);
    await sent(client, 'hello', server);
    const { info } = await arrival;
    const { socket, ...rest } = info;
    expect({ ...info }).to.deep.equal({
      address: '127.0.0.1',
      family: 'IPv4',
      port: client.address().port,
      size: 5,
      authorized: true,
      pskIdentity: 'device',
    });
    expect(socket.getCipher()?.name).to.include('PSK');
    expect(JSON.parse(JSON.stringify(info))).to.not.have.property('socket');
    expect(rest.port).to.equal(client.address().port);
  });

  it('reports a peer that cannot be reached on every callback, and begins anew with the next send', async () => {
    const client = secure({ ...PSK, ...QUICK });
    const silent = await bound(track(dgram.createSocket('udp4')));
    const failures: [DTLSError, Peer][] = [];
    client.on('peerError', (error: DTLSError, peer: Peer) => failures.push([error, peer]));
    const where = silent.address();
    const outcomes = await Promise.all([
      sent(client, 'one', silent),
      sent(client, 'two', silent),
      sent(client, 'three', silent),
    ]);
    expect(outcomes.map(codeOf)).to.deep.equal(Array(3).fill('ERR_DTLS_NO_RESPONSE'));
    expect(failures).to.have.length(1);
    expect(failures[0]?.[1]).to.include({ address: '127.0.0.1', port: where.port });
    expect(sessionsOf(client)).to.have.length(0);

    await new Promise<void>((resolve) => silent.close(() => { resolve(); }));
    const server = await bound(secure(), where.port);
    const arrival = received(server);
    expect(await sent(client, 'four', server)).to.deep.equal({ bytes: 4 });
    expect((await arrival).text).to.equal('four');
  });

  it('reports a peer that refuses', async () => {
    const server = await bound(secure({ psk: { identity: 'other', psk: KEY } }));
    const refused = once(server, 'peerError');
    const client = secure({ ...PSK, ...QUICK });
    const outcome = await sent(client, 'hello', server);
    expect(codeOf(outcome)).to.match(/^ERR_DTLS_ALERT_/);
    const [error] = (await refused) as [DTLSError];
    expect(error.code).to.equal('ERR_DTLS_PSK_IDENTITY_UNKNOWN');
  });

  it('never emits error for what a peer does', async () => {
    const server = await bound(secure());
    const client = secure({ psk: { identity: 'device', psk: Buffer.alloc(16) }, ...QUICK });
    const failed = once(client, 'peerError');
    client.send('no callback', server.address().port, '127.0.0.1');
    await within(failed, 'peerError');
    // Neither end has a listener for 'error': it would have thrown.
    expect(client.listenerCount('error') + server.listenerCount('error')).to.equal(0);
  });

  for (const repeat of [1, 2, 3, 4]) {
    it(`settles on one session when both ends begin at once (${String(repeat)})`, async () => {
      const [a, b] = [await bound(secure()), await bound(secure())];
      const [atA, atB] = [messages(a, 2), messages(b, 2)];
      const outcomes = await Promise.all([
        sent(a, 'from a', b),
        sent(b, 'from b', a),
        sent(a, 'from a', b),
        sent(b, 'from b', a),
      ]);
      expect(outcomes).to.deep.equal(Array(4).fill({ bytes: 6 }));
      expect(await atA).to.deep.equal(['from b', 'from b']);
      expect(await atB).to.deep.equal(['from a', 'from a']);
      await within(
        (async () => {
          while (sessionsOf(a).length !== 1 || sessionsOf(b).length !== 1) {
            await new Promise((resolve) => setTimeout(resolve, 5));
          }
        })(),
        'one session at each end',
      );
      expect(sessionsOf(a)[0]?.readyState).to.equal('open');
      expect(sessionsOf(b)[0]?.readyState).to.equal('open');
    });
  }

  describe('roles', () => {
    it('a server begins no session and says so on the callback', async () => {
      const server = await bound(secure({ ...PSK, role: 'server' }));
      const client = await bound(secure());
      expect(codeOf(await sent(server, 'hello', client))).to.equal('ERR_DTLS_NO_SESSION');
      const arrival = received(server);
      await sent(client, 'hello', server);
      await arrival;
      expect(await sent(server, 'answer', client)).to.deep.equal({ bytes: 6 });
    });

    it('a client answers no hello', async () => {
      const only = await bound(secure({ ...PSK, role: 'client' }));
      const other = secure({ ...PSK, ...QUICK });
      expect(codeOf(await sent(other, 'hello', only))).to.equal('ERR_DTLS_NO_RESPONSE');
      expect(sessionsOf(only)).to.have.length(0);
    });

    it('a client and one that is both begin at once', async () => {
      const only = await bound(secure({ ...PSK, role: 'client', ...QUICK, handshakeTimeout: 5000 }));
      const both = await bound(secure({ ...PSK, ...QUICK, handshakeTimeout: 5000 }));
      const [atOnly, atBoth] = [received(only), received(both)];
      const outcomes = await Promise.all([sent(only, 'hello', both), sent(both, 'hello', only)]);
      expect(outcomes).to.deep.equal([{ bytes: 5 }, { bytes: 5 }]);
      await Promise.all([atOnly, atBoth]);
    });

    it('without anything to serve with, a socket is a client', async () => {
      const { certificatePem: ca } = await createAuthority();
      const server = await bound(secure({ ...(await certificate()), role: 'server' }));
      const client = secure({ ca });
      const arrival = received(server);
      await sent(client, 'hello', server);
      const { info } = await arrival;
      expect(info.authorized).to.be.false;
      expect(info.pskIdentity).to.equal(null);
    });

    it('a role that is both asks for certificates: a peer that has none is refused', async () => {
      const { certificatePem: ca } = await createAuthority();
      const both = await bound(secure({ ...(await certificate()), ca }));
      const client = secure({ ca, ...QUICK });
      const refused = once(both, 'peerError');
      // The client believes that it is open until the alert comes: its send may go either way.
      await sent(client, 'hello', both);
      const [error] = (await within(refused, 'peerError')) as [DTLSError];
      expect(error.code).to.equal('ERR_DTLS_PEER_CERTIFICATE_MISSING');
    });

    it('needs something to serve with', () => {
      expect(() => secure({ role: 'server' }))
        .to.throw()
        .with.property('code', 'ERR_DTLS_NO_CREDENTIALS');
      expect(() => secure({ role: 'peer' as never }))
        .to.throw()
        .with.property('code', 'ERR_INVALID_ARG_VALUE');
      expect(() => secure({ ...PSK, transport: 'dgram' } as never))
        .to.throw()
        .with.property('code', 'ERR_DTLS_UNKNOWN_OPTION');
    });
  });

  describe('peers()', () => {
    it('gives options for each peer, also later', async () => {
      const servers = await Promise.all(
        ['one', 'two'].map((identity) => bound(secure({ psk: { identity, psk: KEY } }))),
      );
      const identities = new Map(servers.map((server, i) => [server.address().port, i]));
      const asked: Peer[] = [];
      const client = secure({
        role: 'client',
        peers: async (peer) => {
          asked.push(peer);
          await new Promise((resolve) => setTimeout(resolve, 10));
          return { psk: { identity: ['one', 'two'][identities.get(peer.port) ?? 0] ?? '', psk: KEY } };
        },
      });
      for (const server of servers) {
        const arrival = received(server);
        expect(await sent(client, 'hello', server)).to.deep.equal({ bytes: 5 });
        await arrival;
      }
      expect(asked.map(({ port }) => port)).to.deep.equal([...identities.keys()]);
    });

    it('refuses a peer with null', async () => {
      const client = secure({ ...PSK, peers: () => null });
      const server = await bound(secure());
      expect(codeOf(await sent(client, 'hello', server))).to.equal('ERR_DTLS_NO_SESSION');
      expect(server.stats.datagramsReceived).to.equal(0);
    });

    it('what it throws is the error of the callback', async () => {
      const client = secure({
        ...PSK,
        peers: () => {
          throw new RangeError('not this one');
        },
      });
      const server = await bound(secure());
      const outcome = await sent(client, 'hello', server);
      expect('error' in outcome && outcome.error.message).to.equal('not this one');
    });
  });

  describe('names', () => {
    it('a host name is looked up, asked for, and verified', async () => {
      const { certificatePem: ca } = await createAuthority();
      const server = await bound(secure({ ...(await certificate()), role: 'server' }));
      const client = secure({ ca });
      const { port } = server.address();
      const arrival = received(server);
      const outcome = await sent(client, 'hello', { port, address: 'localhost' });
      expect(outcome).to.deep.equal({ bytes: 5 });
      expect((await arrival).info.socket.servername).to.equal('localhost');
    });

    it('a name that the open session has not proved is not sent to over it', async () => {
      const { certificatePem: ca } = await createAuthority();
      const server = await bound(secure({ ...(await certificate()), role: 'server' }));
      const client = secure(
        { ca },
        {
          lookup: (_host, _options, callback) => {
            callback(null, '127.0.0.1', 4);
          },
        },
      );
      const { port } = server.address();
      expect(await sent(client, 'hello', { port, address: 'localhost' })).to.deep.equal({ bytes: 5 });
      const outcome = await sent(client, 'hello', { port, address: 'bank.example' });
      expect(codeOf(outcome)).to.equal('ERR_TLS_CERT_ALTNAME_INVALID');
      expect(await sent(client, 'hello', { port, address: 'localhost' })).to.deep.equal({ bytes: 5 });
    });

    it('a name that does not resolve is an error of the callback, or else of the socket', async () => {
      const client = secure(PSK, {
        lookup: (host, _options, callback) => {
          if (host === '0.0.0.0') callback(null, host, 4); // bind goes through it, too
          else callback(Object.assign(new Error(`no ${host}`), { code: 'ENOTFOUND' }), '', 4);
        },
      });
      expect(codeOf(await sent(client, 'x', { port: 5684, address: 'nowhere.example' }))).to.equal('ENOTFOUND');
      const failed = once(client, 'error');
      client.send('x', 5684, 'nowhere.example');
      expect(((await within(failed, 'error'))[0] as DTLSError).code).to.equal('ENOTFOUND');
    });
  });

  describe('groups', () => {
    for (const address of ['224.0.1.187', '255.255.255.255', '239.1.2.3']) {
      it(`refuses to send to ${address}`, async () => {
        const client = await bound(secure());
        const outcome = await sent(client, 'hello', { port: 5683, address });
        expect(codeOf(outcome)).to.equal('ERR_DTLS_MULTICAST');
        const failed = once(client, 'error');
        client.send('hello', 5683, address);
        expect(((await within(failed, 'error'))[0] as DTLSError).code).to.equal('ERR_DTLS_MULTICAST');
      });
    }

    it('refuses IPv6 groups', async () => {
      const client = secure(PSK, { type: 'udp6' });
      const outcome = await sent(client, 'hello', { port: 5683, address: 'ff02::fd' });
      expect(codeOf(outcome)).to.equal('ERR_DTLS_MULTICAST');
    });

    it('sends to them in clear when told to; what comes in clear is a packet, no message', async () => {
      const client = await bound(secure({ ...PSK, clearMulticast: true }));
      client.setMulticastInterface('127.0.0.1');
      const member = track(dgram.createSocket({ type: 'udp4', reuseAddr: true }));
      member.bind(0);
      await once(member, 'listening');
      member.addMembership('239.255.77.77', '127.0.0.1');
      const arrival = received(member);
      const { port } = member.address();
      client.send('who is there?', port, '239.255.77.77');
      const { text, info } = await arrival;
      expect(text).to.equal('who is there?');
      client.on('message', () => {
        throw new Error('in clear, as a message');
      });
      const packet = once(client, 'packet');
      member.send('I am', info.port, '127.0.0.1');
      const [clear] = (await within(packet, 'packet')) as [Buffer];
      expect(clear.toString()).to.equal('I am');
    });
  });

  describe('endings', () => {
    it('close tells the peer at once', async () => {
      const server = await bound(secure());
      const client = await bound(secure());
      await sent(client, 'hello', server);
      const [session] = sessionsOf(server);
      const ended = once(session ?? server, 'close');
      client.close();
      expect(() => client.address()).to.throw();
      expect((await within(ended, 'close'))[0]).to.be.false;
      expect(sessionsOf(server)).to.have.length(0);
      expect(client.stats.handshakesCompleted).to.equal(1);
    });

    it('close in a message handler tells the peer, too', async () => {
      const server = await bound(secure());
      const client = await bound(secure());
      server.on('message', () => {
        server.close();
      });
      const outcome = await sent(client, 'hello', server);
      expect(outcome).to.deep.equal({ bytes: 5 });
      const [session] = sessionsOf(client);
      if (session !== undefined) await within(once(session, 'close'), 'close');
    });

    it('close reports to callbacks of what still waits', async () => {
      const client = secure();
      const silent = await bound(track(dgram.createSocket('udp4')));
      const order: string[] = [];
      const outcome = sent(client, 'hello', silent).then((o) => {
        order.push(codeOf(o) ?? 'sent');
      });
      client.close(() => order.push('close'));
      await outcome;
      await new Promise((resolve) => setImmediate(resolve));
      expect(order).to.include.members(['ERR_SOCKET_DGRAM_NOT_RUNNING', 'close']);
    });

    it('a session that the peer ended is made anew by the next send', async () => {
      const server = await bound(secure());
      const client = secure();
      await sent(client, 'one', server);
      const [first] = sessionsOf(client);
      const ended = once(first ?? client, 'close');
      for (const session of sessionsOf(server)) session.close();
      await within(ended, 'close');
      const arrival = received(server);
      expect(await sent(client, 'two', server)).to.deep.equal({ bytes: 3 });
      expect((await arrival).text).to.equal('two');
      expect(client.stats.handshakesCompleted).to.equal(2);
    });

    it('a peer that restarts on the same port is served', async () => {
      const server = await bound(secure());
      server.on('message', (message, info) => {
        server.send(message, info.port, info.address);
      });
      const first = await bound(secure());
      const { port } = first.address();
      await sent(first, 'one', server);
      // It vanishes without a word: its close_notify is lost.
      const gone = once(first, 'close');
      dgram.Socket.prototype.close.call(first);
      await gone;
      const second = await bound(secure(), port);
      const answer = received(second);
      await sent(second, 'two', server);
      expect((await answer).text).to.equal('two');
    });

    it('an abort signal closes, also one that was aborted before', async () => {
      const controller = new AbortController();
      const socket = secure(PSK, { signal: controller.signal });
      const closed = once(socket, 'close');
      controller.abort();
      await within(closed, 'close');
      const late = createSocket({ type: 'udp4', signal: AbortSignal.abort(), dtls: PSK });
      await within(once(late, 'close'), 'close');
    });

    it('a bind that fails fails what waits', async () => {
      const taken = await bound(secure());
      const socket = secure();
      socket.on('error', () => undefined);
      socket.bind(taken.address().port, '127.0.0.1');
      expect(codeOf(await sent(socket, 'hello', taken))).to.equal('EADDRINUSE');
    });
  });

  it('one socket has many peers, of both roles', async () => {
    const hub = await bound(secure());
    const peers = await Promise.all(Array.from({ length: 8 }, () => bound(secure())));
    const got: Received[] = [];
    hub.on('message', (message, info) => {
      got.push({ text: message.toString(), message, info: info });
    });
    await Promise.all(
      peers.map(async (peer, i) => {
        const arrival = i % 2 === 0 ? received(peer) : undefined;
        await (i % 2 === 0 ? sent(hub, `to ${String(i)}`, peer) : sent(peer, `from ${String(i)}`, hub));
        if (arrival !== undefined) expect((await arrival).text).to.equal(`to ${String(i)}`);
      }),
    );
    expect(sessionsOf(hub)).to.have.length(8);
    expect(hub.stats.sessions).to.equal(8);
  });

  it('works over IPv6, whatever the spelling', async function () {
    const server = secure(PSK, { type: 'udp6' });
    server.bind(0, '::1');
    await once(server, 'listening').catch(() => {
      this.skip();
    });
    const client = secure(PSK, { type: 'udp6' });
    const { port } = server.address();
    const arrival = messages(server, 3);
    await sent(client, 'one', { port, address: '::1' });
    await sent(client, 'two', { port, address: '0:0:0:0:0:0:0:1' });
    await new Promise((resolve) => {
      client.send('three', port, resolve);
    });
    expect(await arrival).to.deep.equal(['one', 'two', 'three']);
    expect(sessionsOf(client)).to.have.length(1);
  });

  it('a connected socket sends without an address', async () => {
    const server = await bound(secure());
    const client = secure();
    client.connect(server.address().port, '127.0.0.1');
    await within(once(client, 'connect'), 'connect');
    const arrival = received(server);
    await new Promise((resolve) => {
      client.send('hello', resolve);
    });
    expect((await arrival).text).to.equal('hello');
  });

  it('a connected socket hears at once that nobody listens', async function () {
    if (process.platform !== 'linux') this.skip();
    const nobody = await bound(track(dgram.createSocket('udp4')));
    const { port } = nobody.address();
    await new Promise<void>((resolve) => nobody.close(() => { resolve(); }));
    const client = secure();
    const failed = once(client, 'error');
    client.connect(port, '127.0.0.1');
    await within(once(client, 'connect'), 'connect');
    const outcome = await within(
      new Promise<NodeJS.ErrnoException | null>((resolve) => {
        client.send('hello', resolve);
      }),
      'the callback',
    );
    expect(outcome?.code).to.equal('ECONNREFUSED');
    expect(((await failed)[0] as DTLSError).code).to.equal('ECONNREFUSED');
  });
});
