// Protects resumption: that a session is taken up again by ticket, and that this never skips a check
// that a full handshake would have made: of the server's name and chain, of the client's certificate,
// of its pre-shared key, of the server's rules. Ticket keys and their rotation, bad input.
import { expect } from 'chai';
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';
import { constants, randomBytes } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import {
  connect,
  DEFAULT_CIPHERS,
  createSecureContext,
  createServer,
  type ConnectOptions,
  type DTLSError,
  type DTLSServer,
  type DTLSSocket,
  type ServerOptions,
} from '../../lib/index';
import { createAuthority, type Certificate } from '../helpers/certificates';
import { seededRandom } from '../../lib/lab/index';
import {
  certificate,
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
import { thrown } from '../helpers/thrown';

/** A first session, closed; what its client kept of it. */
async function kept(server: DTLSServer, options: Partial<ConnectOptions> = {}): Promise<Buffer> {
  const { client } = await openOn(server, options);
  const session = client.getSession();
  client.close();
  await next(client, 'close');
  if (session === undefined) throw new Error('the session cannot be resumed');
  return session;
}

const reused = ({ client, peer }: Pair): boolean[] => [client.isSessionReused(), peer.isSessionReused()];
const BOTH = [true, true];
const NEITHER = [false, false];

const pairOf = ({ cert, key }: Certificate): ServerOptions => ({ cert, key });

/** The server's end of a client's session that is open already. */
async function theirs(server: DTLSServer, client: DTLSSocket): Promise<DTLSSocket> {
  const find = (): DTLSSocket | undefined =>
    [...server.sessions].find(
      ({ remotePort, readyState }) => remotePort === client.localPort && readyState === 'open',
    );
  return find() ?? (await next(server, 'secureConnection'))[0];
}

async function echo({ client, peer }: Pick<Pair, 'client' | 'peer'>): Promise<void> {
  const there = messages(peer, 1);
  client.send('there');
  expect(String((await there)[0])).to.equal('there');
  const back = messages(client, 1);
  peer.send('back');
  expect(String((await back)[0])).to.equal('back');
}

describe('resumption', () => {
  afterEach(closeEverything);

  describe('by ticket', () => {
    it('takes up the session of a certificate handshake, both sides the same', async () => {
      const server = await listen(await withCertificate());
      const { client, peer } = await openOn(server);
      expect(reused({ server, client, peer })).to.deep.equal(NEITHER);
      const first = { cipher: client.getCipher(), subject: client.getPeerX509Certificate()?.subject };
      expect(client.getTLSTicket()).to.have.length.above(100);
      expect(peer.getTLSTicket()).to.equal(undefined);
      const session = client.getSession();
      expect(peer.getSession()).to.be.an.instanceOf(Buffer);

      const again = await openOn(server, { session });
      expect(reused(again)).to.deep.equal(BOTH);
      expect(again.client.authorized).to.equal(true);
      expect(again.client.getCipher()).to.deep.equal(first.cipher);
      expect(again.client.getPeerX509Certificate()?.subject).to.equal(first.subject);
      await echo(again);
    });

    it('sends neither certificate nor key exchange', async () => {
      const server = await listen(await withCertificate());
      const session = await kept(server);
      const seen: string[] = [];
      server.on('connection', (socket) => {
        socket.on('handshake', ({ direction, message }) => seen.push(`${direction} ${message}`));
      });
      await openOn(server, { session });
      expect(seen).to.deep.equal([
        'in client_hello',
        'out server_hello',
        'out change_cipher_spec',
        'out finished',
        'in change_cipher_spec',
        'in finished',
      ]);
    });

    it('takes up the session of a pre-shared key, with its identity', async () => {
      const server = await listen(PSK_SERVER);
      const session = await kept(server, PSK_CLIENT);
      const again = await openOn(server, { ...PSK_CLIENT, session });
      expect(reused(again)).to.deep.equal(BOTH);
      for (const socket of [again.client, again.peer]) {
        expect(socket.authorized).to.equal(true);
        expect(socket.pskIdentity).to.equal(PSK.identity);
      }
      await echo(again);
    });

    it('emits the session when there is one to keep', async () => {
      const server = await listen(await withCertificate());
      const client = await dial(server);
      const [emitted] = await next(client, 'session');
      expect(client.readyState).to.equal('open');
      expect(emitted.equals(client.getSession() ?? Buffer.alloc(0))).to.equal(true);

      const again = await dial(server, { session: emitted });
      const sessions: Buffer[] = [];
      again.on('session', (session) => sessions.push(session));
      await next(again, 'secureConnect');
      expect(again.isSessionReused()).to.equal(true);
      expect((again.getSession() ?? Buffer.alloc(0)).equals(emitted)).to.equal(true);
      await echo({ client: again, peer: await theirs(server, again) });
      expect(sessions).to.deep.equal([]);
    });

    it('takes up a client that has shown its certificate', async () => {
      const authority = await createAuthority();
      const own = await authority.issue({ commonName: 'client', clientAuth: true, extraBytes: 3000 });
      const server = await listen(
        await withCertificate({ requestCert: true, ca: authority.certificatePem }),
      );
      const identity = { cert: own.cert, key: own.key };
      const session = await kept(server, identity);
      const again = await openOn(server, { ...identity, session });
      expect(reused(again)).to.deep.equal(BOTH);
      expect(again.peer.authorized).to.equal(true);
      expect(again.peer.getPeerX509Certificate()?.subject).to.equal('CN=client');
    });

    it('takes up a chain with an intermediate authority, again and again', async () => {
      const server = await listen(await certificate({ intermediate: true }).then(pairOf));
      let session = await kept(server);
      for (let round = 0; round < 3; ++round) {
        server.setTicketKeys(randomBytes(48)); // so that each round gets another ticket
        const again = await openOn(server, { session });
        expect(reused(again)).to.deep.equal(BOTH);
        const renewed = again.client.getSession() ?? Buffer.alloc(0);
        expect(renewed.equals(session)).to.equal(false);
        session = renewed;
      }
    });

    it('does without where either side wants none', async () => {
      const noTickets = { secureOptions: constants.SSL_OP_NO_TICKET };
      const server = await listen(await withCertificate(noTickets));
      const { client } = await openOn(server);
      expect(client.getTLSTicket()).to.equal(undefined);
      expect(reused(await openOn(server, { session: client.getSession() }))).to.deep.equal(NEITHER);
      const willing = await listen(await withCertificate());
      const unwilling = await openOn(willing, noTickets);
      expect(unwilling.client.getTLSTicket()).to.equal(undefined);
    });

    it("makes a full handshake when the session is too old, by the server's or by the client's sessionTimeout", async () => {
      const short = await listen(await withCertificate({ sessionTimeout: 1 }));
      const long = await listen(await withCertificate());
      const ofShort = await kept(short);
      const ofLong = await kept(long, { sessionTimeout: 1 });
      const good = await kept(long);
      await setTimeout(2200); // OpenSSL counts whole seconds
      expect(reused(await openOn(short, { session: ofShort }))).to.deep.equal(NEITHER);
      expect(reused(await openOn(long, { session: ofLong, sessionTimeout: 1 }))).to.deep.equal(NEITHER);
      expect(reused(await openOn(long, { session: good }))).to.deep.equal(BOTH);
    });

    it('keeps what it says of a session after its end', async () => {
      const server = await listen(PSK_SERVER);
      const session = await kept(server, PSK_CLIENT);
      const { client } = await openOn(server, { ...PSK_CLIENT, session });
      client.close();
      await next(client, 'close');
      expect(client.isSessionReused()).to.equal(true);
      expect(client.getSession()).to.equal(undefined);
      expect(client.getTLSTicket()).to.equal(undefined);
    });
  });

  describe('ticket keys', () => {
    const keys = randomBytes(48);

    it('open the tickets of every server that has them', async () => {
      const options = await withCertificate({ ticketKeys: keys });
      const [one, other] = [await listen(options), await listen(options)];
      expect(one.getTicketKeys().equals(keys)).to.equal(true);
      const session = await kept(one);
      expect(reused(await openOn(other, { session }))).to.deep.equal(BOTH);
    });

    it("are each server's own, also in a shared context", async () => {
      const secureContext = createSecureContext(pairOf(await certificate()));
      const [one, other] = [await listen({ secureContext }), await listen({ secureContext })];
      expect(one.getTicketKeys()).to.have.length(48);
      expect(one.getTicketKeys().equals(other.getTicketKeys())).to.equal(false);
      const session = await kept(one);
      expect(reused(await openOn(other, { session }))).to.deep.equal(NEITHER);
      expect(reused(await openOn(one, { session }))).to.deep.equal(BOTH);
    });

    it('that were replaced open tickets for two generations, and the tickets are renewed', async () => {
      const server = await listen(await withCertificate({ ticketKeys: keys }));
      const session = await kept(server);
      for (let generation = 1; generation <= 2; ++generation) {
        server.setTicketKeys(randomBytes(48));
        const client = await dial(server, { session });
        const [renewed] = await next(client, 'session');
        expect(client.isSessionReused(), `generation ${generation}`).to.equal(true);
        await theirs(server, client); // a client is open before its server when it resumes
        const again = await openOn(server, { session: renewed });
        expect(reused(again)).to.deep.equal(BOTH);
      }
      server.setTicketKeys(randomBytes(48));
      expect(reused(await openOn(server, { session }))).to.deep.equal(NEITHER);
    });

    it('may be set before and after listening, and come with a new context', async () => {
      const options = await withCertificate();
      const server = createServer(options);
      server.setTicketKeys(keys);
      expect(server.getTicketKeys().equals(keys)).to.equal(true);
      const other = randomBytes(48);
      server.setSecureContext({ cert: options.cert, key: options.key });
      expect(server.getTicketKeys().equals(keys)).to.equal(true);
      server.setSecureContext({ cert: options.cert, key: options.key, ticketKeys: other });
      expect(server.getTicketKeys().equals(other)).to.equal(true);
    });

    it('are copied', async () => {
      const given = Buffer.from(keys);
      const server = createServer(await withCertificate({ ticketKeys: given }));
      given.fill(0);
      expect(server.getTicketKeys().equals(keys)).to.equal(true);
      server.getTicketKeys().fill(0);
      expect(server.getTicketKeys().equals(keys)).to.equal(true);
    });

    it('of another size or type are refused', async () => {
      const options = await withCertificate();
      for (const size of [0, 16, 47, 49, 80]) {
        const wrong = randomBytes(size);
        for (const call of [
          () => createServer({ ...options, ticketKeys: wrong }),
          () => createSecureContext({ ticketKeys: wrong }),
          () => { createServer(options).setTicketKeys(wrong); },
        ]) {
          const error = thrown(call);
          expect(error.code).to.equal('ERR_INVALID_ARG_VALUE');
          expect(error.category).to.equal('usage');
          expect(error.message).to.include(`not ${size}`);
        }
      }
      const text = 'x'.repeat(48) as unknown as Buffer;
      expect(thrown(() => createServer({ ...options, ticketKeys: text })).code).to.equal(
        'ERR_INVALID_ARG_TYPE',
      );
    });
  });

  describe('skips no check of the client', () => {
    const names = { dnsNames: ['localhost', 'one.example', 'two.example'] };

    it('of the name: a session of another name is not offered', async () => {
      const server = await listen(pairOf(await certificate(names)));
      const session = await kept(server, { servername: 'one.example' });
      for (const servername of ['two.example', '', undefined]) {
        expect(reused(await openOn(server, { session, servername }))).to.deep.equal(NEITHER);
      }
      expect(reused(await openOn(server, { session, servername: 'one.example' }))).to.deep.equal(BOTH);
    });

    it('of the identity: checkServerIdentity is asked again, with the certificate', async () => {
      const server = await listen(await withCertificate());
      const session = await kept(server);
      const asked: string[] = [];
      const checkServerIdentity: ConnectOptions['checkServerIdentity'] = (host, { subject }) => {
        asked.push(`${host} ${String(subject.CN)}`);
        return undefined;
      };
      expect(reused(await openOn(server, { session, checkServerIdentity }))).to.deep.equal(BOTH);
      expect(asked).to.deep.equal(['127.0.0.1 localhost']);
    });

    it('of the identity: what it refuses is refused, with the same error', async () => {
      const server = await listen(await withCertificate());
      const session = await kept(server);
      const refusal = Object.assign(new Error('not the one'), { code: 'NOT_THE_ONE' });
      let asked = 0;
      const client = await dial(server, {
        session,
        checkServerIdentity: () => {
          asked += 1;
          return refusal;
        },
      });
      const error = await failure(client);
      expect(error.code).to.equal('NOT_THE_ONE');
      expect(asked).to.equal(2); // about the kept session, then about the server itself
    });

    it('of the identity: one that throws ends like that, too', async () => {
      const server = await listen(await withCertificate());
      const session = await kept(server);
      const client = await dial(server, {
        session,
        checkServerIdentity: () => {
          throw new Error('cannot say');
        },
      });
      expect((await failure(client)).message).to.equal('cannot say');
    });

    it('of the identity: a kept session that is refused does not spoil a good handshake', async () => {
      const server = await listen(await withCertificate());
      const session = await kept(server);
      let asked = 0;
      const pair = await openOn(server, {
        session,
        checkServerIdentity: () => (++asked === 1 ? new Error('the first time') : undefined),
      });
      expect(reused(pair)).to.deep.equal(NEITHER);
      expect(pair.client.authorized).to.equal(true);
      expect(pair.client.authorizationError).to.equal(null);
    });

    it('of the authorities: trust that was withdrawn counts', async () => {
      const server = await listen(await withCertificate());
      const session = await kept(server);
      const { certificatePem: ca } = await createAuthority('another authority');
      const error = await failure(await dial(server, { session, ca }));
      expect(error.category).to.equal('certificate');
      const tolerated = await openOn(server, { session, ca, rejectUnauthorized: false });
      expect(reused(tolerated)).to.deep.equal(NEITHER);
      expect(tolerated.client.authorized).to.equal(false);
    });

    it('of the revocation lists', async () => {
      const server = await listen(await withCertificate());
      const session = await kept(server);
      const keys = (await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, [
        'sign',
        'verify',
      ]));
      const list = await x509.X509CrlGenerator.create({
        issuer: 'CN=another authority',
        signingKey: keys.privateKey,
        signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
        nextUpdate: new Date(Date.now() + 86_400_000),
      });
      const crl = x509.PemConverter.encode(list.rawData, 'X509 CRL');
      const error = await failure(await dial(server, { session, crl }));
      expect(error.code).to.equal('UNABLE_TO_GET_CRL');
    });

    it('of rejectUnauthorized: what was tolerated once is not trusted now', async () => {
      const server = await listen(pairOf(await certificate({ dnsNames: ['other.example'], ipAddresses: [] })));
      const tolerant = { rejectUnauthorized: false };
      const { certificatePem: ca } = await createAuthority('another authority');
      const session = await kept(server, { ...tolerant, ca });
      expect((await failure(await dial(server, { session, ca }))).category).to.equal('certificate');
      const again = await openOn(server, { session, ca, ...tolerant });
      expect(reused(again)).to.deep.equal(BOTH);
      expect(again.client.authorized).to.equal(false);
      expect(again.client.authorizationError).to.be.a('string');
      // The right authority now, but still the wrong name.
      const known = await openOn(server, { session, ...tolerant });
      expect(reused(known)).to.deep.equal(NEITHER);
      expect(known.client.authorized).to.equal(false);
    });

    describe('of a wrong name that is tolerated', () => {
      const tolerant = { rejectUnauthorized: false };
      const wrongName = async (): Promise<DTLSServer> =>
        listen(pairOf(await certificate({ dnsNames: ['other.example'], ipAddresses: [] })));

      it('it resumes, as a wrong chain does, and says of the name what the full handshake said', async () => {
        const server = await wrongName();
        const first = await openOn(server, tolerant);
        const said = [first.client.authorized, first.client.authorizationError];
        expect(said).to.deep.equal([false, 'ERR_TLS_CERT_ALTNAME_INVALID']);
        let session = first.client.getSession();
        for (let i = 0; i < 2; ++i) {
          const again = await openOn(server, { session, ...tolerant });
          expect(reused(again)).to.deep.equal(BOTH);
          expect([again.client.authorized, again.client.authorizationError]).to.deep.equal(said);
          session = again.client.getSession();
        }
      });

      it('not where the unauthorized are rejected', async () => {
        const server = await wrongName();
        const session = await kept(server, tolerant);
        const error = await failure(await dial(server, { session }));
        expect(error.code).to.equal('ERR_TLS_CERT_ALTNAME_INVALID');
      });

      it('not where the name is accepted now: only a full handshake makes it authorized', async () => {
        const server = await wrongName();
        const session = await kept(server, tolerant);
        for (const rejectUnauthorized of [false, true]) {
          const asked: string[] = [];
          const pair = await openOn(server, {
            session,
            rejectUnauthorized,
            checkServerIdentity: (host) => {
              asked.push(host);
              return undefined;
            },
          });
          expect(reused(pair)).to.deep.equal(NEITHER);
          expect([pair.client.authorized, pair.client.authorizationError]).to.deep.equal([true, null]);
          // About the kept session, where that may be resumed at all, and about the server itself.
          expect(asked).to.have.length(rejectUnauthorized ? 1 : 2);
        }
      });

      it('not where it was accepted then', async () => {
        const server = await wrongName();
        const session = await kept(server, { checkServerIdentity: () => undefined });
        const pair = await openOn(server, { session, ...tolerant });
        expect(reused(pair)).to.deep.equal(NEITHER);
        expect(pair.client.authorized).to.equal(false);
        expect(pair.client.authorizationError).to.equal('ERR_TLS_CERT_ALTNAME_INVALID');
      });

      it('and the cause is today\'s', async () => {
        const server = await wrongName();
        const refusing = (code: string): Partial<ConnectOptions> => ({
          ...tolerant,
          checkServerIdentity: () => Object.assign(new Error(code), { code }),
        });
        const session = await kept(server, refusing('THEN'));
        const pair = await openOn(server, { session, ...refusing('NOW') });
        expect(reused(pair)).to.deep.equal(BOTH);
        expect(pair.client.authorizationError).to.equal('NOW');
      });

      it('and a server that does not take the session up is judged by itself', async () => {
        const session = await kept(await wrongName(), tolerant);
        const { cert, key } = await certificate();
        const other = await listen({ cert, key });
        const good = await openOn(other, { session, ...tolerant });
        expect(reused(good)).to.deep.equal(NEITHER);
        expect([good.client.authorized, good.client.authorizationError]).to.deep.equal([true, null]);
        const stranger = await createAuthority('another authority');
        const unknown = await listen(pairOf(await stranger.issue({ commonName: 'x', ipAddresses: ['127.0.0.1'] })));
        const bad = await openOn(unknown, { session, ...tolerant });
        expect(bad.client.authorizationError).to.equal('UNABLE_TO_GET_ISSUER_CERT_LOCALLY');
      });
    });

    for (const [way, by] of [
      ['ticket', {}],
      ['id', { secureOptions: constants.SSL_OP_NO_TICKET }],
    ] as const) {
      it(`of what was tolerated: a session resumed by ${way} says on both sides what the first one said`, async () => {
        const stranger = await createAuthority('another authority');
        const own = await stranger.issue({ commonName: 'client', clientAuth: true });
        const { certificatePem: trusted } = await createAuthority();
        const rejectUnauthorized = false;
        const server = await listen(await withCertificate({ requestCert: true, ca: trusted, rejectUnauthorized }));
        const stored = new Map<string, Buffer>();
        server.on('newSession', (id, session, callback) => {
          stored.set(id.toString('hex'), session);
          callback();
        });
        server.on('resumeSession', (id, callback) => {
          callback(null, stored.get(id.toString('hex')));
        });
        const clients: Partial<ConnectOptions>[] = [
          { cert: own.cert, key: own.key, ca: stranger.certificatePem, rejectUnauthorized, ...by },
          { ca: stranger.certificatePem, rejectUnauthorized, ...by },
        ];
        for (const options of clients) {
          const first = await openOn(server, options);
          const said = [first.client, first.peer].map((socket) => [socket.authorized, socket.authorizationError]);
          expect(said).to.deep.equal([
            // Both send their authority along: each knows its own.
            [false, 'SELF_SIGNED_CERT_IN_CHAIN'],
            [false, options.cert === undefined ? 'UNABLE_TO_GET_ISSUER_CERT' : 'SELF_SIGNED_CERT_IN_CHAIN'],
          ]);
          const again = await openOn(server, { ...options, session: first.client.getSession() });
          expect(reused(again)).to.deep.equal(BOTH);
          expect(
            [again.client, again.peer].map((socket) => [socket.authorized, socket.authorizationError]),
          ).to.deep.equal(said);
        }
        expect(stored.size).to.equal(way === 'id' ? 2 : 0);
      });
    }

    it('of the suites', async () => {
      const server = await listen(await withCertificate());
      const session = await kept(server);
      const pair = await openOn(server, { session, ciphers: 'ECDHE-ECDSA-AES256-GCM-SHA384' });
      expect(reused(pair)).to.deep.equal(NEITHER);
      expect(pair.client.getCipher()?.name).to.equal('ECDHE-ECDSA-AES256-GCM-SHA384');
    });

    it('of the kind of credentials: without pskCallback no session of a pre-shared key', async () => {
      const server = await listen({ ...(await withCertificate()), ...PSK_SERVER });
      const session = await kept(server, { ...PSK_CLIENT, ciphers: 'PSK-AES128-GCM-SHA256' });
      const pair = await openOn(server, { session });
      expect(reused(pair)).to.deep.equal(NEITHER);
      expect(pair.client.pskIdentity).to.equal(null);
      expect(pair.client.getPeerX509Certificate()?.subject).to.equal('CN=localhost');
    });
  });

  describe('skips no check of the client: of the pre-shared key', () => {
    const suites = { ciphers: 'PSK-AES128-GCM-SHA256' };
    const offered = async (now: Partial<ConnectOptions>): Promise<boolean> => {
      const known: Record<string, Buffer> = { [PSK.identity]: PSK.psk, 'device-2': PSK.psk };
      const server = await listen({ pskCallback: (_, identity) => known[String(identity)] ?? null, pskIdentityHint: 'who' });
      const session = await kept(server, { ...suites, ...PSK_CLIENT });
      const client = await dial(server, { ...suites, ...now, session, handshakeTimeout: 1000 });
      const outcome = await new Promise<boolean>((resolve) => {
        client.once('secureConnect', () => { resolve(client.isSessionReused()); });
        client.once('error', () => { resolve(false); });
      });
      client.destroy();
      return outcome;
    };

    it('a session whose identity has another key now is not offered, to a server that knows the old one', async () => {
      expect(await offered({ psk: { identity: PSK.identity, psk: Buffer.from('another key') } })).to.equal(false);
      expect(await offered({ pskCallback: () => Promise.resolve({ ...PSK, psk: Buffer.from('another key') }) })).to.equal(false);
    });

    it('nor one of another identity, or where there is no key any more', async () => {
      expect(await offered({ psk: { identity: 'device-2', psk: PSK.psk } })).to.equal(false);
      expect(await offered({ pskCallback: () => null })).to.equal(false);
    });

    it('a question for its key that is never answered is named, though nothing has been said yet', async () => {
      const server = await listen({ ...PSK_SERVER });
      const session = await kept(server, { ...suites, ...PSK_CLIENT });
      const client = await dial(server, { pskCallback: () => new Promise<never>(() => undefined), ...suites, session, handshakeTimeout: 300 });
      expect((await failure(client)).code).to.equal('ERR_DTLS_LOOKUP_TIMEOUT');
      expect(client.stats.datagramsSent).to.equal(0);
    });

    it('one with the same key is offered, and the key is asked for with the hint of then', async () => {
      const hints: (string | null)[] = [];
      const pskCallback = (hint: string | null): Promise<typeof PSK> => {
        hints.push(hint);
        return Promise.resolve(PSK);
      };
      expect(await offered({ pskCallback })).to.equal(true);
      expect(hints).to.deep.equal(['who']);
    });
  });

  it('a session that was made with the extended master secret is none for a client that has switched it off, and no error', async () => {
    const server = await listen(await withCertificate());
    const session = await kept(server);
    const now = { secureOptions: 1 }; // SSL_OP_NO_EXTENDED_MASTER_SECRET of OpenSSL's ssl.h
    expect(reused(await openOn(server, { ...now, session }))).to.deep.equal(NEITHER);
    expect(reused(await openOn(server, { session }))).to.deep.equal(BOTH);
  });

  it('skips no check of the client: of the security level and the algorithms of signatures and groups', async () => {
    const server = await listen(await withCertificate());
    const session = await kept(server);
    for (const now of [
      { ciphers: `${DEFAULT_CIPHERS}:@SECLEVEL=0` },
      { sigalgs: 'ECDSA+SHA256:ECDSA+SHA384' },
      { ecdhCurve: 'P-256' },
    ]) {
      expect(reused(await openOn(server, { ...now, session }))).to.deep.equal(NEITHER);
      const again = await kept(server, now);
      expect(reused(await openOn(server, { ...now, session: again }))).to.deep.equal(BOTH);
    }
  });

  it("is of the client's own certificate: with another one, or none, the handshake is a full one", async () => {
    const authority = await createAuthority();
    const issue = async (commonName: string, more = {}): Promise<{ cert: string; key: string }> => {
      const { cert, key } = await authority.issue({ commonName, clientAuth: true, ...more });
      return { cert, key };
    };
    const [alice, bob] = [await issue('alice'), await issue('bob')];
    const options = { requestCert: true, rejectUnauthorized: false, ca: authority.certificatePem };
    const server = await listen(await withCertificate(options));
    const session = await kept(server, alice);
    for (const [own, subject] of [[bob, 'CN=bob'], [{}, undefined]] as const) {
      const other = await openOn(server, { ...own, session });
      expect(reused(other)).to.deep.equal(NEITHER);
      expect(other.peer.getPeerX509Certificate()?.subject).to.equal(subject);
    }
    const again = await openOn(server, { ...alice, session });
    expect(reused(again)).to.deep.equal(BOTH);
    expect(again.peer.getPeerX509Certificate()?.subject).to.equal('CN=alice');
    // One that was made without is not taken up with one.
    const nobodys = await kept(server);
    expect(reused(await openOn(server, { ...alice, session: nobodys }))).to.deep.equal(NEITHER);
    expect(reused(await openOn(server, { session: nobodys }))).to.deep.equal(BOTH);
  });

  describe('skips no check of the server', () => {
    const ticketKeys = randomBytes(48);

    it('of the security level, and the algorithms of signatures and groups', async () => {
      for (const strict of [
        { ciphers: `${DEFAULT_CIPHERS}:@SECLEVEL=0` },
        { sigalgs: 'ECDSA+SHA256:ECDSA+SHA384' },
        { ecdhCurve: 'P-256' },
      ]) {
        const [one, other] = (await strictAndLax(strict)) as [DTLSServer, DTLSServer];
        const session = await kept(other);
        expect(reused(await openOn(one, { session }))).to.deep.equal(NEITHER);
        const again = await kept(one);
        expect(reused(await openOn(one, { session: again }))).to.deep.equal(BOTH);
      }
    });

    async function strictAndLax(strict: ServerOptions, lax: ServerOptions = {}): Promise<DTLSServer[]> {
      const common = await withCertificate({ ticketKeys });
      return [await listen({ ...common, ...strict }), await listen({ ...common, ...lax })];
    }

    it('for a certificate: a session that was made without one', async () => {
      const { certificatePem: ca } = await createAuthority();
      const [strict, lax] = (await strictAndLax({ requestCert: true, ca })) as [DTLSServer, DTLSServer];
      const session = await kept(lax);
      const refused = clientFailure(strict);
      const client = await dial(strict, { session });
      client.on('error', () => undefined);
      expect((await refused).code).to.equal('ERR_DTLS_PEER_CERTIFICATE_MISSING');
    });

    it('for a certificate: a session of one that another authority issued', async () => {
      const own = await createAuthority();
      const foreign = await createAuthority('another authority');
      const [strict, lax] = (await strictAndLax(
        { requestCert: true, ca: own.certificatePem },
        { requestCert: true, ca: foreign.certificatePem },
      )) as [DTLSServer, DTLSServer];
      const { cert, key } = await foreign.issue({ commonName: 'client', clientAuth: true });
      const session = await kept(lax, { cert, key });
      const refused = clientFailure(strict);
      const client = await dial(strict, { session, cert, key });
      client.on('error', () => undefined);
      expect((await refused).category).to.equal('certificate');
    });

    it('for a certificate: one that was merely tolerated', async () => {
      const { certificatePem: ca } = await createAuthority();
      const [strict, lax] = (await strictAndLax(
        { requestCert: true, ca },
        { requestCert: true, ca, rejectUnauthorized: false },
      )) as [DTLSServer, DTLSServer];
      const session = await kept(lax);
      const again = await openOn(lax, { session });
      expect(reused(again)).to.deep.equal(BOTH);
      expect(again.peer.authorized).to.equal(false);
      const refused = clientFailure(strict);
      const client = await dial(strict, { session });
      client.on('error', () => undefined);
      expect((await refused).code).to.equal('ERR_DTLS_PEER_CERTIFICATE_MISSING');
    });

    it('for a certificate: one that has expired since', async () => {
      const authority = await createAuthority();
      const own = await authority.issue({
        commonName: 'short-lived',
        clientAuth: true,
        notAfter: new Date(Date.now() + 3000),
      });
      const server = await listen(
        await withCertificate({ requestCert: true, ca: authority.certificatePem }),
      );
      const identity = { cert: own.cert, key: own.key };
      const session = await kept(server, identity);
      expect(reused(await openOn(server, { ...identity, session }))).to.deep.equal(BOTH);
      await setTimeout(4200);
      const refused = clientFailure(server);
      const client = await dial(server, { ...identity, session });
      client.on('error', () => undefined);
      expect((await refused).code).to.equal('CERT_HAS_EXPIRED');
    });

    it('for its session id context', async () => {
      const [one, other] = (await strictAndLax(
        { sessionIdContext: 'one' },
        { sessionIdContext: 'other' },
      )) as [DTLSServer, DTLSServer];
      const session = await kept(one);
      expect(reused(await openOn(other, { session }))).to.deep.equal(NEITHER);
      expect(reused(await openOn(one, { session }))).to.deep.equal(BOTH);
    });
  });

  describe('with bad input', () => {
    it('refuses a session that was cut short, at any length', async () => {
      const server = await listen(await withCertificate());
      const session = await kept(server);
      for (let length = 0; length < session.length; length += 7) {
        const cut = session.subarray(0, length);
        const error = thrown(() => connect({ port: 1, session: cut }));
        expect(error.code, `${length} bytes`).to.equal('ERR_DTLS_INVALID_SESSION');
        expect(error.category).to.equal('usage');
        expect(error.hint).to.be.a('string');
      }
      const longer = Buffer.concat([session, Buffer.alloc(1)]);
      expect(thrown(() => connect({ port: 1, session: longer })).code).to.equal(
        'ERR_DTLS_INVALID_SESSION',
      );
    });

    it('refuses what never was a session of a client here', async () => {
      const server = await listen(await withCertificate());
      const { peer } = await openOn(server);
      const theirs = peer.getSession() ?? Buffer.alloc(0);
      for (const session of [randomBytes(200), theirs]) {
        expect(thrown(() => connect({ port: 1, session })).code).to.equal('ERR_DTLS_INVALID_SESSION');
      }
      const text = 'session' as unknown as Buffer;
      expect(thrown(() => connect({ port: 1, session: text })).code).to.equal('ERR_INVALID_ARG_TYPE');
    });

    it('survives any bit of a session turned over', async () => {
      const server = await listen(PSK_SERVER);
      const session = await kept(server, PSK_CLIENT);
      const random = seededRandom('bit');
      for (let round = 0; round < 40; ++round) {
        const broken = Buffer.from(session);
        const at = Math.floor(random() * broken.length);
        broken.writeUInt8(broken.readUInt8(at) ^ (1 << Math.floor(random() * 8)), at);
        let client: DTLSSocket;
        try {
          client = await dial(server, { ...PSK_CLIENT, session: broken, handshakeTimeout: 300 });
        } catch (error) {
          expect((error as DTLSError).code).to.equal('ERR_DTLS_INVALID_SESSION');
          continue;
        }
        client.on('error', () => undefined);
        await Promise.race([next(client, 'secureConnect'), next(client, 'close')]).catch(() => undefined);
        client.destroy();
      }
    });

    it('wants a sessionTimeout in range', async () => {
      const options = await withCertificate();
      for (const sessionTimeout of [0, -1, 1.5, 604801, NaN]) {
        expect(thrown(() => createServer({ ...options, sessionTimeout })).code).to.equal(
          'ERR_OUT_OF_RANGE',
        );
      }
    });
  });
});
