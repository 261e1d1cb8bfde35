/**
 * Protects: whom a socket of createSocket has sessions with. Its role says who may begin, `peers` what
 * each is spoken to with, and a name is sent to only where it was proved.
 */
import { expect } from 'chai';
import dgram from 'node:dgram';
import { once } from 'node:events';
import type { DTLSError, DTLSServer, DTLSSocket, Peer, SecureDgramSocket } from '../../lib/index';
import { ANONYMOUS, anonymousServer, OPEN_MINDED, pickyServer } from '../helpers/anonymous';
import { certificate, closeEverything, dialTo, listen, next, portOf, within } from '../helpers/pair';
import { createAuthority } from '../helpers/certificates';
import { crafted } from '../helpers/crafted';
import { bound, closeSockets, codeOf, KEY, peerErrorOf, PSK, QUICK, received, secure, sent, track } from './support';

const sessionsOf = (socket: { sessions: Iterable<DTLSSocket> }): DTLSSocket[] => [...socket.sessions];

describe('createSocket: peers', () => {
  afterEach(closeSockets);
  afterEach(closeEverything);

  describe('roles', () => {
    it('a server begins no session and says so by peerError', async () => {
      const server = await bound(secure({ ...PSK, role: 'server' }));
      const client = await bound(secure());
      const failed = peerErrorOf(server);
      server.once('peerError', ({ message, hint }) => {
        expect(message).to.include('may have left');
        expect(hint).to.include('nothing is to be done').and.include("'client'");
      });
      // UDP would lose it without a word, and a server's clients may have left at any time.
      expect(await sent(server, 'hello', client)).to.deep.equal({ bytes: 5 });
      expect(await failed).to.equal('ERR_DTLS_NO_SESSION');
      const arrival = received(server);
      await sent(client, 'hello', server);
      await arrival;
      expect(await sent(server, 'answer', client)).to.deep.equal({ bytes: 6 });
    });

    it('a client answers no hello', async () => {
      const only = await bound(secure({ ...PSK, role: 'client' }));
      const other = secure({ ...PSK, ...QUICK });
      const failed = peerErrorOf(other);
      await sent(other, 'hello', only);
      expect(await failed).to.equal('ERR_DTLS_NO_RESPONSE');
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

    it('a peer of an anonymous suite has no session, whatever the list has', async () => {
      const { certificatePem: ca } = await createAuthority();
      for (const [server, code, alert] of [
        [await anonymousServer(), 'ERR_DTLS_ALERT_HANDSHAKE_FAILURE', 'handshake_failure'],
        [await pickyServer(), 'ERR_DTLS_PEER_UNAUTHENTICATED', 'illegal_parameter'],
      ] as const) {
        server.on('dtlsClientError', () => undefined);
        const client = secure({ ca, ciphers: OPEN_MINDED, ...QUICK });
        const outcome = await sent(client, 'hello', { port: portOf(server), address: '127.0.0.1' });
        expect(codeOf(outcome)).to.equal(code);
        expect('error' in outcome && outcome.error).to.have.property('alert', alert);
        expect(server.stats.handshakesCompleted).to.equal(0);
      }
      const both = await bound(secure({ ...(await certificate()), ca, ciphers: OPEN_MINDED }));
      const refused = once(both, 'peerError');
      const stranger = secure({ ciphers: ANONYMOUS, rejectUnauthorized: false, role: 'client', ...QUICK });
      expect(codeOf(await sent(stranger, 'hello', both))).to.equal('ERR_DTLS_ALERT_HANDSHAKE_FAILURE');
      const [error] = (await within(refused, 'peerError')) as [DTLSError];
      expect(error.code).to.equal('ERR_DTLS_PEER_UNAUTHENTICATED');
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

  describe('limits', () => {
    it('maxSessions counts the sessions that this side begins: ERR_DTLS_TOO_MANY_SESSIONS', async () => {
      const client = secure({ ...PSK, maxSessions: 1 });
      const [first, second] = [await bound(secure()), await bound(secure())];
      expect(await sent(client, 'hello', first)).to.deep.equal({ bytes: 5 });
      expect(codeOf(await sent(client, 'hello', second))).to.equal('ERR_DTLS_TOO_MANY_SESSIONS');
      const ended = once(sessionsOf(client)[0] ?? client, 'close');
      first.close();
      await within(ended, 'the first session to end');
      expect(await sent(client, 'hello', second)).to.deep.equal({ bytes: 5 });
    });

    it('maxPendingHandshakes bounds the handshakes that this side begins at once', async () => {
      const client = secure({ ...PSK, ...QUICK, maxPendingHandshakes: 1 });
      const silent = await bound(track(dgram.createSocket('udp4')));
      const server = await bound(secure());
      const waiting = sent(client, 'hello', silent);
      expect(codeOf(await sent(client, 'hello', server))).to.equal('ERR_DTLS_TOO_MANY_SESSIONS');
      expect(await peerErrorOf(client)).to.equal('ERR_DTLS_NO_RESPONSE');
      expect(await waiting).to.deep.equal({ bytes: 5 });
      expect(await sent(client, 'hello', server)).to.deep.equal({ bytes: 5 });
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
      const told = once(client, 'peerError') as Promise<[DTLSError]>;
      client.send('hello', server.address().port, '127.0.0.1');
      expect((await told)[0].hint).to.match(/'peers' says by null/);
    });

    describe('while it has not answered', () => {
      // A peer that serves on a port, and begins handshakes from the same one.
      async function peerOfBothKinds(): Promise<{ server: DTLSServer; port: number; dial: (to: dgram.Socket) => DTLSSocket }> {
        const transport = await bound(track(dgram.createSocket('udp4')));
        const psk = { identity: 'device', psk: KEY };
        const server = await listen({ psk, transport });
        server.on('secureConnection', (session) => {
          session.on('message', (message) => {
            session.send(`re: ${message.toString()}`);
          });
        });
        const dial = (to: dgram.Socket): DTLSSocket =>
          dialTo({ psk, transport, host: '127.0.0.1', port: to.address().port });
        return { server, port: transport.address().port, dial };
      }

      async function asked(): Promise<{ client: SecureDgramSocket; answer: () => void; asks: () => number }> {
        let asks = 0;
        let answer = (): void => undefined;
        const answered = new Promise<void>((resolve) => {
          answer = resolve;
        });
        const client = await bound(
          secure({
            ...PSK,
            peers: () => {
              asks += 1;
              return answered.then(() => undefined);
            },
          }),
        );
        return { client, answer, asks: () => asks };
      }

      /** The peer begins, and takes it back in the middle of the handshake. */
      async function beginAndGiveUp(dial: (to: dgram.Socket) => DTLSSocket, to: dgram.Socket): Promise<void> {
        const refused = once(to, 'peerError');
        const session = dial(to);
        session.on('error', () => undefined);
        session.on('handshake', ({ message, direction }) => {
          if (message === 'server_hello' && direction === 'in') session.destroy();
        });
        await within(refused, 'peerError');
      }

      it('a peer that begins and gives up ends nothing that waits', async () => {
        const { server, port, dial } = await peerOfBothKinds();
        const { client, answer } = await asked();
        const outcome = sent(client, 'hello', { port, address: '127.0.0.1' });
        await beginAndGiveUp(dial, client);
        expect(client.getSendQueueCount()).to.equal(1);
        const reply = received(client);
        answer();
        expect(await outcome).to.deep.equal({ bytes: 5 });
        expect(await reply).to.have.property('text', 're: hello');
        expect(sessionsOf(client)).to.have.length(1);
        // The next message has the same session, and the socket's end is the session's, for both.
        const again = received(client);
        expect(await sent(client, 'more', { port, address: '127.0.0.1' })).to.deep.equal({ bytes: 4 });
        await again;
        expect(client.stats.handshakesStarted).to.equal(2);
        const [own] = sessionsOf(client);
        const [theirs] = [...server.sessions];
        const ends = [own, theirs].map((session) => once(session ?? client, 'close'));
        client.close();
        await within(Promise.all(ends), 'both ends to close');
      });

      it('a socket that closes begins nothing afterwards', async () => {
        const { server, port, dial } = await peerOfBothKinds();
        const { client, answer } = await asked();
        const outcome = sent(client, 'hello', { port, address: '127.0.0.1' });
        await beginAndGiveUp(dial, client);
        const begun = server.stats.handshakesStarted;
        client.close();
        answer();
        expect(codeOf(await outcome)).to.equal('ERR_SOCKET_DGRAM_NOT_RUNNING');
        await sent(await bound(secure({ ...PSK, role: 'client' })), 'hello', { port, address: '127.0.0.1' });
        expect(server.stats.handshakesStarted).to.equal(begun + 1);
        expect(sessionsOf(client)).to.have.length(0);
      });

      it('a session that the peer has opened makes the handshake needless', async () => {
        const { port, dial } = await peerOfBothKinds();
        const { client, answer, asks } = await asked();
        const outcome = sent(client, 'hello', { port, address: '127.0.0.1' });
        const session = dial(client);
        expect((await next(session, 'message'))[0].toString()).to.equal('hello');
        expect(await outcome).to.deep.equal({ bytes: 5 });
        answer();
        expect(await sent(client, 'more', { port, address: '127.0.0.1' })).to.deep.equal({ bytes: 4 });
        expect((await next(session, 'message'))[0].toString()).to.equal('more');
        expect(client.stats.handshakesStarted).to.equal(1);
        expect(asks()).to.equal(1);
        expect(sessionsOf(client)).to.have.length(1);
      });
    });

    it('an answer that does not come is an error after handshakeTimeout, and takes no place of another peer', async () => {
      const server = await bound(secure());
      const silent = await bound(track(dgram.createSocket('udp4')));
      let answer = (): void => undefined;
      const client = secure({
        ...PSK,
        role: 'client',
        handshakeTimeout: 300,
        maxPendingHandshakes: 1,
        peers: ({ port }) => (port === server.address().port ? undefined : new Promise<undefined>((resolve) => {
          answer = () => { resolve(undefined); };
        })),
      });
      const told = once(client, 'peerError') as Promise<[DTLSError, Peer]>;
      expect(codeOf(await sent(client, 'hello', silent))).to.equal('ERR_DTLS_LOOKUP_TIMEOUT');
      const [error, peer] = await told;
      expect(error).to.include({ code: 'ERR_DTLS_LOOKUP_TIMEOUT', category: 'timeout' });
      expect(peer.port).to.equal(silent.address().port);
      expect(await sent(client, 'hello', server)).to.deep.equal({ bytes: 5 });
      // An answer that comes too late begins nothing.
      answer();
      expect(await sent(client, 'more', server)).to.deep.equal({ bytes: 4 });
      expect(client.stats.handshakesStarted).to.equal(1);
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

    it('the names that the session has proved are one line of the message about another, whatever is in them', async () => {
      const { cert, key, ca } = crafted({ commonNames: ['localhost', '\u202eelpmaxe\nerror: forged'] });
      const server = await bound(secure({ cert, key, role: 'server' }));
      const lookup: NonNullable<dgram.SocketOptions['lookup']> = (_host, _options, callback) => {
        callback(null, '127.0.0.1', 4);
      };
      const client = secure({ ca }, { lookup });
      const { port } = server.address();
      expect(await sent(client, 'hello', { port, address: 'localhost' })).to.deep.equal({ bytes: 5 });
      const outcome = await sent(client, 'hello', { port, address: 'bank.example' });
      expect(codeOf(outcome)).to.equal('ERR_TLS_CERT_ALTNAME_INVALID');
      const message = 'error' in outcome ? outcome.error.message : '';
      expect(message).to.include('\\u202eelpmaxe\\x0aerror: forged').and.not.match(/[\n\u202e]/);
    });

    it('a name is not sent to over a session that a peer began with a pre-shared key, where this side would ask for a certificate', async () => {
      const { certificatePem: ca } = await createAuthority();
      const pskCallback = (_: unknown, identity: string | Buffer): Buffer | null => (identity === 'device' ? KEY : null);
      const peer = await bound(secure({ ...PSK, role: 'client' }));
      const { port } = peer.address();
      for (const [dtls, outcome] of [
        [{ ...(await certificate()), ca, pskCallback }, 'ERR_DTLS_PEER_IDENTITY'],
        [{ ...(await certificate()), ca, pskCallback, ...PSK }, undefined], // it has no names itself
      ] as const) {
        const socket = await bound(secure(dtls));
        const arrival = received(socket);
        await sent(peer, 'hello', socket);
        await arrival;
        const named = await sent(socket, 'to a name', { port, address: 'localhost' });
        expect('error' in named ? codeOf(named) : undefined).to.equal(outcome);
        const answer = received(peer);
        expect(await sent(socket, 'to an address', { port, address: '127.0.0.1' })).to.have.property('bytes');
        await answer;
      }
    });

    it('a check of names that throws refuses that name, and nothing else that waits', async () => {
      const { certificatePem: ca } = await createAuthority();
      const server = await bound(secure({ ...(await certificate()), role: 'server' }));
      const broken = new Error('a broken check');
      const checkServerIdentity = (name: string): undefined => {
        if (name === 'bank.example') throw broken;
        return undefined;
      };
      const client = secure(
        { ca, checkServerIdentity },
        {
          lookup: (_host, _options, callback) => {
            callback(null, '127.0.0.1', 4);
          },
        },
      );
      const { port } = server.address();
      const names = ['localhost', 'bank.example', 'localhost', 'bank.example'];
      // The first three wait for the handshake, the last one finds the session open.
      const outcomes = await Promise.all(names.slice(0, 3).map((address) => sent(client, 'hello', { port, address })));
      outcomes.push(await sent(client, 'hello', { port, address: 'bank.example' }));
      expect([outcomes[0], outcomes[2]]).to.deep.equal([{ bytes: 5 }, { bytes: 5 }]);
      for (const refused of [outcomes[1], outcomes[3]]) {
        expect(refused).to.have.nested.property('error.code', 'ERR_DTLS_PEER_IDENTITY');
        expect(refused).to.have.nested.property('error.cause', broken);
      }
      expect(client.getSendQueueCount()).to.equal(0);
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
});
