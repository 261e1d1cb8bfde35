// Protects resumption by session id: newSession and resumeSession as in tls, with the store of a
// fleet; that a session from a store is bound to what a ticket is bound to; what becomes of a
// handshake whose store fails, is mixed up, answers twice, too late or never. And that a session of a
// pre-shared key is resumed only while its identity has that key, by ticket and by id, and under no other identity.
import { expect } from 'chai';
import { constants, randomBytes } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import type { ConnectOptions, DTLSServer, DTLSSocket, ServerOptions } from '../../lib/index';
import { createAuthority } from '../helpers/certificates';
import { patience } from '../helpers/patience';
import { cleanupAfterEach, requirePrograms, temporaryFiles } from '../helpers/peers';
import { startRedis } from '../helpers/redis';
import {
  clientFailure,
  closeEverything,
  dial,
  failure,
  listen,
  messages,
  next,
  openOn,
  PSK,
  PSK_CLIENT,
  PSK_SERVER,
  withCertificate,
  type Pair,
} from '../helpers/pair';

const BY_ID = { secureOptions: constants.SSL_OP_NO_TICKET };
const BOTH = [true, true];
const NEITHER = [false, false];
/** Another identity, as long as that of PSK. */
const TWIN = 'device-2';
const reused = ({ client, peer }: Pair): boolean[] => [client.isSessionReused(), peer.isSessionReused()];

/** A store in this process; what it was asked. */
class Store {
  readonly sessions = new Map<string, Buffer>();
  readonly asked: string[] = [];

  serve(server: DTLSServer): DTLSServer {
    server.on('newSession', (id, session, callback) => {
      this.sessions.set(id.toString('hex'), session);
      setImmediate(callback);
    });
    server.on('resumeSession', (id, callback) => {
      this.asked.push(id.toString('hex'));
      setImmediate(() => {
        callback(null, this.sessions.get(id.toString('hex')));
      });
    });
    return server;
  }
}

async function kept(server: DTLSServer, options: Partial<ConnectOptions>): Promise<Buffer> {
  const { client } = await openOn(server, options);
  const session = client.getSession();
  client.close();
  await next(client, 'close');
  if (session === undefined) throw new Error('the session cannot be resumed');
  return session;
}

/** How a client's handshake ends on both sides, when it does not succeed. */
async function refused(server: DTLSServer, options: Partial<ConnectOptions>): Promise<Error & { code: string; cause?: unknown }> {
  const error = clientFailure(server);
  const client = await dial(server, options);
  client.on('error', () => undefined);
  const result = await error;
  client.destroy();
  return result;
}

describe('session store', () => {
  afterEach(closeEverything);

  it('has sessions resumed by their id, on every server of a fleet', async () => {
    const store = new Store();
    const options = await withCertificate();
    const [one, other] = [store.serve(await listen(options)), store.serve(await listen(options))];
    const first = await openOn(one, BY_ID);
    expect(reused(first)).to.deep.equal(NEITHER);
    expect(first.client.getTLSTicket()).to.equal(undefined);
    expect(store.sessions.size).to.equal(1);
    expect(store.asked).to.deep.equal([]);
    const session = first.client.getSession();
    for (const server of [other, one]) {
      const again = await openOn(server, { ...BY_ID, session });
      expect(reused(again)).to.deep.equal(BOTH);
      expect(again.client.getPeerX509Certificate()?.subject).to.equal('CN=localhost');
      const there = messages(again.peer, 1);
      again.client.send('there');
      expect(String((await there)[0])).to.equal('there');
    }
    expect(store.asked).to.deep.equal([...store.sessions.keys(), ...store.sessions.keys()]);
    expect(store.sessions.size).to.equal(1);
  });

  it('is not asked, nor told, where there are tickets', async () => {
    const store = new Store();
    const server = store.serve(await listen(await withCertificate()));
    const session = await kept(server, {});
    expect(reused(await openOn(server, { session }))).to.deep.equal(BOTH);
    expect([store.sessions.size, store.asked.length]).to.deep.equal([0, 0]);
  });

  it('counts from the moment that somebody listens for its events', async () => {
    const server = await listen(await withCertificate());
    const session = await kept(server, BY_ID);
    expect(reused(await openOn(server, { ...BY_ID, session }))).to.deep.equal(NEITHER);
    const store = new Store();
    store.serve(server);
    const later = await kept(server, BY_ID);
    expect(reused(await openOn(server, { ...BY_ID, session: later }))).to.deep.equal(BOTH);
  });

  it('has the session wait until it is stored: messages wait with it', async () => {
    const server = await listen(await withCertificate());
    const stored: (() => void)[] = [];
    server.on('newSession', (_id, _session, callback) => stored.push(callback));
    const secure: DTLSSocket[] = [];
    const received: string[] = [];
    server.on('secureConnection', (socket) => {
      secure.push(socket);
      socket.on('message', (message) => received.push(message.toString()));
    });
    const client = await dial(server, BY_ID);
    await next(client, 'secureConnect');
    client.send('early');
    await setTimeout(50);
    expect([stored.length, secure.length]).to.deep.equal([1, 0]);
    const [callback] = stored;
    const opened = next(server, 'secureConnection');
    callback?.();
    callback?.(); // as in tls: only the first counts
    await opened;
    await setTimeout(20);
    expect([secure.length, ...received]).to.deep.equal([1, 'early']);
  });

  it('gives a full handshake for what it does not know, or has broken or mixed up', async () => {
    const store = new Store();
    const server = store.serve(await listen(await withCertificate()));
    const session = await kept(server, BY_ID);
    await kept(server, BY_ID);
    const [[id, data] = ['', Buffer.alloc(0)], [, another] = ['', Buffer.alloc(0)]] = [...store.sessions];
    const answers = [undefined, Buffer.alloc(0), data.subarray(0, 40), randomBytes(100), another,
      Buffer.concat([data, Buffer.alloc(1)])];
    for (const answer of answers) {
      if (answer === undefined) store.sessions.delete(id);
      else store.sessions.set(id, answer);
      expect(reused(await openOn(server, { ...BY_ID, session }))).to.deep.equal(NEITHER);
    }
    store.sessions.set(id, data);
    expect(reused(await openOn(server, { ...BY_ID, session }))).to.deep.equal(BOTH);
  });

  it('binds sessions to the rules of the server, as tickets are', async () => {
    const store = new Store();
    const { certificatePem: ca } = await createAuthority();
    const lax = store.serve(await listen(await withCertificate()));
    const strict = store.serve(await listen(await withCertificate({ requestCert: true, ca })));
    const session = await kept(lax, BY_ID);
    const error = await refused(strict, { ...BY_ID, session });
    expect(error.code).to.equal('ERR_DTLS_PEER_CERTIFICATE_MISSING');
    expect(store.asked).to.have.length(1);
  });

  describe('that fails', () => {
    const failures: [string, Parameters<typeof listen>[0], (server: DTLSServer) => void, RegExp][] = [
      ['with an error', {}, (server) => {
        server.on('resumeSession', (_id, callback) => { callback(new Error('store is down')); });
      }, /store is down/],
      ['by throwing', {}, (server) => {
        server.on('resumeSession', () => { throw new Error('store is down'); });
      }, /store is down/],
      ['with something else than a session', {}, (server) => {
        server.on('resumeSession', (_id, callback) => {
          callback(null, 'session' as unknown as Buffer);
        });
      }, /must be a Buffer/],
    ];
    for (const [how, options, break_, cause] of failures) {
      it(`${how} ends the handshake on both sides, and only that one`, async () => {
        const server = new Store().serve(await listen({ ...(await withCertificate()), ...options }));
        const session = await kept(server, BY_ID);
        server.removeAllListeners('resumeSession');
        break_(server);
        const error = clientFailure(server);
        const client = await dial(server, { ...BY_ID, session });
        const theirs = failure(client);
        expect((await error).code).to.equal('ERR_DTLS_SESSION_CALLBACK');
        expect(String((await error).cause)).to.match(cause);
        expect((await theirs).code).to.equal('ERR_DTLS_ALERT_INTERNAL_ERROR');
        expect(reused(await openOn(server, BY_ID))).to.deep.equal(NEITHER);
      });
    }

    it('to store ends the session', async () => {
      const server = await listen(await withCertificate());
      server.on('newSession', () => {
        throw new Error('store is full');
      });
      const error = clientFailure(server);
      const client = await dial(server, BY_ID);
      const closed = next(client, 'close');
      expect((await error).code).to.equal('ERR_DTLS_SESSION_CALLBACK');
      expect(String((await error).cause)).to.match(/store is full/);
      expect(await closed).to.deep.equal([false]); // close_notify
    });

    it('to store in time ends the session, and the client hears of it', async () => {
      const server = await listen(await withCertificate({ handshakeTimeout: patience(400) }));
      server.on('newSession', () => undefined);
      const error = clientFailure(server);
      const client = await dial(server, BY_ID);
      const closed = next(client, 'close');
      expect((await error).code).to.equal('ERR_DTLS_LOOKUP_TIMEOUT');
      expect(await closed).to.deep.equal([false]); // close_notify
    });

    it('to answer holds nobody up but that handshake, until its deadline', async () => {
      const server = new Store().serve(await listen(await withCertificate({ handshakeTimeout: patience(400) })));
      const session = await kept(server, BY_ID);
      server.removeAllListeners('resumeSession');
      const late: (() => void)[] = [];
      server.on('resumeSession', (_id, callback) => late.push(callback));
      const error = clientFailure(server);
      const client = await dial(server, { ...BY_ID, session });
      client.on('error', () => undefined);
      expect(reused(await openOn(server, BY_ID))).to.deep.equal(NEITHER);
      expect((await error).code).to.equal('ERR_DTLS_LOOKUP_TIMEOUT');
      client.destroy();
      await next(client, 'close');
      late[0]?.(); // the socket has gone
      late[0]?.();
    });

    it('to confirm a new session ends it at the deadline', async () => {
      const server = await listen(await withCertificate({ handshakeTimeout: patience(400) }));
      const late: (() => void)[] = [];
      server.on('newSession', (_id, _session, callback) => late.push(callback));
      const error = clientFailure(server);
      const client = await dial(server, BY_ID);
      client.on('error', () => undefined);
      expect((await error).code).to.equal('ERR_DTLS_LOOKUP_TIMEOUT');
      late[0]?.();
    });

    it('by answering twice ends the session', async () => {
      const store = new Store();
      const server = store.serve(await listen(await withCertificate()));
      const session = await kept(server, BY_ID);
      server.removeAllListeners('resumeSession');
      server.on('resumeSession', (_id, callback) => {
        callback(null, null);
        callback(null, null);
      });
      const error = await refused(server, { ...BY_ID, session });
      expect(error.code).to.equal('ERR_MULTIPLE_CALLBACK');
    });
  });
});

describe('session store of a fleet, in Redis', function () {
  const cleanup = cleanupAfterEach(this);
  const files = temporaryFiles(this);
  before(function () {
    requirePrograms(this, 'redis-server');
  });
  afterEach(closeEverything);

  it('examples/fleet runs by itself, and one server resumes the sessions of the other', async function () {
    this.timeout(patience(30_000)); // a process of its own, that a sanitizer may slow down
    const { client: redis } = await startRedis(cleanup, files);
    const example = cleanup.start('env', [
      `REDIS_URL=unix://${files.file('redis')}.sock`,
      process.execPath,
      'examples/fleet/main.mjs',
    ]);
    expect(await example.ends(patience(25_000))).to.equal(0);
    expect(example.output.trim().split('\n')).to.deep.equal([
      'server A: hello (full handshake)',
      'server B: hello (resumed)',
      'server A: hello (resumed)',
      'server B: hello (resumed)',
    ]);
    const keys = await redis.keys('dtls-session:*');
    expect(keys).to.have.length(1);
    const left = await redis.ttl(keys[0] ?? '');
    expect(left).to.be.within(1, 300);
  });

  it('holds nobody else up while the store does not answer', async () => {
    const { client: redis, server: store } = await startRedis(cleanup, files);
    const server = await listen(await withCertificate());
    server.on('newSession', (id, session, callback) => {
      void redis.set(id.toString('hex'), session.toString('base64')).then(callback);
    });
    server.on('resumeSession', (id, callback) => {
      redis.get(id.toString('hex')).then(
        (found) => {
          callback(null, found === null ? null : Buffer.from(found, 'base64'));
        },
        callback,
      );
    });
    const session = await kept(server, BY_ID);
    store.signal('SIGSTOP');
    const waiting = await dial(server, { ...BY_ID, session });
    let secure = false;
    waiting.once('secureConnect', () => {
      secure = true;
    });
    expect(reused(await openOn(server))).to.deep.equal(NEITHER); // by ticket: needs no store
    expect(secure).to.equal(false);
    const connected = next(waiting, 'secureConnect');
    store.signal('SIGCONT');
    await connected;
    expect(waiting.isSessionReused()).to.equal(true);
  });
});

describe('sessions of a pre-shared key', () => {
  afterEach(closeEverything);

  const ways: [string, Partial<ConnectOptions>][] = [['by ticket', {}], ['by id', BY_ID]];
  for (const [way, by] of ways) {
    describe(way, () => {
      /** Its key can be changed, and goes by a Promise. */
      async function server(keys: Map<string, Buffer>, more: ServerOptions = {}): Promise<DTLSServer> {
        return new Store().serve(
          await listen({
            ...more,
            pskCallback: (_socket, identity) => Promise.resolve(keys.get(String(identity))),
          }),
        );
      }

      it('are resumed with their identity', async () => {
        const running = await server(new Map([[PSK.identity, PSK.psk]]));
        const session = await kept(running, { ...PSK_CLIENT, ...by });
        const again = await openOn(running, { ...PSK_CLIENT, ...by, session });
        expect(reused(again)).to.deep.equal(BOTH);
        expect(again.peer.pskIdentity).to.equal(PSK.identity);
        expect(again.client.pskIdentity).to.equal(PSK.identity);
        expect(again.peer.authorized).to.equal(true);
      });

      /** One key for two identities of one length. */
      const twins = (): Map<string, Buffer> => new Map([PSK.identity, TWIN].map((identity) => [identity, PSK.psk]));
      /** A session whose keeper has given it the other identity: OpenSSL's own field stands in front of ours. */
      const altered = (session: Buffer, whose: 'OpenSSL' | 'ours'): Buffer => {
        const copy = Buffer.from(session);
        const at = whose === 'OpenSSL' ? copy.indexOf(PSK.identity) : copy.lastIndexOf(PSK.identity);
        expect(copy.indexOf(PSK.identity)).to.be.above(0).and.below(copy.lastIndexOf(PSK.identity));
        copy.write(TWIN, at);
        return copy;
      };

      it('tell the identity that was verified, whatever a client that kept one made of it', async () => {
        const running = await server(twins());
        const session = altered(await kept(running, { ...PSK_CLIENT, ...by }), 'OpenSSL');
        const again = await openOn(running, { ...PSK_CLIENT, ...by, session });
        expect(reused(again)).to.deep.equal(BOTH);
        expect([again.client.pskIdentity, again.peer.pskIdentity]).to.deep.equal([PSK.identity, PSK.identity]);
      });

      it('are not offered under an identity that whoever kept them gave them, though it has the same key', async () => {
        const running = await server(twins());
        const session = altered(await kept(running, { ...PSK_CLIENT, ...by }), 'ours');
        const again = await openOn(running, { psk: { ...PSK, identity: TWIN }, ...by, session });
        expect(reused(again)).to.deep.equal(NEITHER);
      });

      it('are not resumed when the identity is known no more', async () => {
        const keys = new Map([[PSK.identity, PSK.psk]]);
        const running = await server(keys);
        const session = await kept(running, { ...PSK_CLIENT, ...by });
        keys.clear();
        const error = await refused(running, { ...PSK_CLIENT, ...by, session });
        expect(error.code).to.equal('ERR_DTLS_PSK_IDENTITY_UNKNOWN');
      });

      it('are not resumed when it has another key: the client has to know that one', async () => {
        const keys = new Map([[PSK.identity, PSK.psk]]);
        const running = await server(keys);
        const session = await kept(running, { ...PSK_CLIENT, ...by });
        const psk = randomBytes(16);
        keys.set(PSK.identity, psk);
        const pskCallback = (): { identity: string; psk: Buffer } => ({ identity: PSK.identity, psk });
        const again = await openOn(running, { pskCallback, ...by, session });
        expect(reused(again)).to.deep.equal(NEITHER);
        expect(again.peer.pskIdentity).to.equal(PSK.identity);
      });

      it('are not resumed where pre-shared keys do not count', async () => {
        const ticketKeys = randomBytes(48);
        const common = await withCertificate({ ticketKeys });
        const psk = await server(new Map([[PSK.identity, PSK.psk]]), { ticketKeys });
        const session = await kept(psk, { ...PSK_CLIENT, ...by });
        const without = await listen(common);
        const again = await openOn(without, { ...PSK_CLIENT, ...by, session });
        expect(reused(again)).to.deep.equal(NEITHER);
      });
    });
  }

  it('of a store that has altered them tell the identity that was verified, or are not resumed', async () => {
    for (const [place, outcome] of [['indexOf', BOTH], ['lastIndexOf', NEITHER]] as const) {
      const store = new Store();
      const running = store.serve(await listen({ pskCallback: () => PSK.psk }));
      const session = await kept(running, { ...PSK_CLIENT, ...BY_ID });
      for (const stored of store.sessions.values()) stored.write(TWIN, stored[place](PSK.identity));
      const again = await openOn(running, { ...PSK_CLIENT, ...BY_ID, session });
      expect(reused(again), place).to.deep.equal(outcome);
      expect([again.client.pskIdentity, again.peer.pskIdentity]).to.deep.equal([PSK.identity, PSK.identity]);
    }
  });

  it('need no store, and the client is asked once in each handshake', async () => {
    const running = await listen(PSK_SERVER);
    let asked = 0;
    const pskCallback = (): typeof PSK => {
      asked += 1;
      return PSK;
    };
    const session = await kept(running, { pskCallback });
    expect(reused(await openOn(running, { pskCallback, session }))).to.deep.equal(BOTH);
    expect(asked).to.equal(2);
  });
});
