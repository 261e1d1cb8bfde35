// Protects what a server's `peers` may answer, and when: each option counts for that peer alone, names and protocols go on
// beside it, and what throws, rejects, is nonsense, comes late or never refuses the peer and is told, once.
import { expect } from 'chai';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';
import { createSecureContext, type DTLSServer, type Peer, type PeerOptions, type ServerOptions } from '../../lib/index';
import { createAuthority } from '../helpers/certificates';
import { describeVersions } from '../helpers/dtls13';
import { clientHello } from '../helpers/hello';
import { closeStrangers, stranger, stun } from '../helpers/packets';
import { thrown } from '../helpers/thrown';
import {
  certificate,
  clientFailure,
  closeEverything,
  dial,
  failure,
  listen,
  next,
  openOn,
  portOf,
  PSK,
  PSK_CLIENT,
  within,
  withCertificate,
} from '../helpers/pair';
import { fingerprintOf, inTurn, NOBODYS, withoutRules } from '../helpers/peer-rules';

describeVersions('answers of peers', (only, is13) => {
  afterEach(async () => {
    closeStrangers();
    await closeEverything();
  });

  const serve = async (peers: NonNullable<ServerOptions['peers']>, options: ServerOptions = {}): Promise<DTLSServer> =>
    listen(await withCertificate({ ...only, peers, ...options }));

  it('pre-shared keys count for their peer alone', async () => {
    const server = await listen({ ...only, peers: inTurn({ psk: PSK }, { psk: { identity: 'another', psk: PSK.psk } }) });
    const { peer } = await openOn(server, { ...PSK_CLIENT, ...only });
    expect(peer.pskIdentity).to.equal(PSK.identity);
    const refused = clientFailure(server);
    const client = await dial(server, { ...PSK_CLIENT, ...only });
    await failure(client);
    if (!is13) expect((await refused).code).to.equal('ERR_DTLS_PSK_IDENTITY_UNKNOWN');
    else expect((await refused).category).to.equal('protocol');
  });

  it('requestCert and rejectUnauthorized count for their peer alone', async () => {
    const server = await serve(inTurn({}, { requestCert: true }, { requestCert: true, rejectUnauthorized: false }));
    const open = await openOn(server, only);
    expect(open.peer.authorizationError).to.equal(null);
    const refused = clientFailure(server);
    const client = await dial(server, only);
    await Promise.all([failure(client), refused]);
    const tolerated = await openOn(server, only);
    expect(tolerated.peer.authorized).to.equal(false);
    expect(tolerated.peer.authorizationError).to.be.a('string');
  });

  it("fingerprints have a certificate asked for, whatever the server's own rules say of that", async () => {
    const { cert, key } = await certificate();
    const server = await serve(() => ({ peerFingerprints: NOBODYS }), { requestCert: false });
    const refused = clientFailure(server);
    const client = await dial(server, { cert, key, ...only });
    await failure(client);
    expect((await refused).code).to.equal('ERR_DTLS_FINGERPRINT');
  });

  it('fingerprints count for their peer alone, also in one context and beside the same options', async () => {
    const [mine, other] = [await certificate({ commonName: 'mine' }), await certificate({ commonName: 'other' })];
    const secureContext = createSecureContext({ ...(await certificate()), ...only });
    const server = await serve(inTurn(...[mine, other, mine].map((one) => ({ secureContext, peerFingerprints: fingerprintOf(one) }))));
    const asMine = { cert: mine.cert, key: mine.key, ...only };
    await openOn(server, asMine);
    const refused = clientFailure(server);
    await failure(await dial(server, asMine));
    expect((await refused).code).to.equal('ERR_DTLS_FINGERPRINT');
    await openOn(server, asMine);
  });

  it("an authority takes the place of the server's fingerprints, and a certificate is demanded as they had it", async () => {
    const ofAnother = await createAuthority('an authority of this answer');
    const [known, ofAuthority] = [await certificate({ commonName: 'known', clientAuth: true }), await ofAnother.issue({ commonName: 'device', clientAuth: true })];
    const { cert, key } = await certificate();
    const server = await serve(() => ({ cert, key, ca: ofAuthority.ca }), { peerFingerprints: fingerprintOf(known) });
    const { peer } = await openOn(server, { cert: ofAuthority.cert, key: ofAuthority.key, ...only });
    expect(peer.authorized).to.equal(true);
    for (const [credentials, code] of [
      [{ cert: known.cert, key: known.key }, /^(UNABLE|SELF_SIGNED|DEPTH_ZERO)_/],
      [{}, /^ERR_DTLS_PEER_CERTIFICATE_MISSING$/],
    ] as const) {
      const refused = clientFailure(server);
      await failure(await dial(server, { ...credentials, ...only }));
      expect((await refused).code).to.match(code);
    }
    expect(server.stats).to.include({ handshakesCompleted: 1, handshakesFailed: 2 });
  });

  it('idleTimeout and handshakeTimeout count for their peer alone', async () => {
    const server = await serve(inTurn({ idleTimeout: 80 }, {}));
    const idle = await openOn(server, only);
    const ended = next(idle.peer, 'error'); // while the other one opens, on a machine that is busy
    const other = await openOn(server, only);
    const [error] = await ended;
    expect(error.code).to.equal('ERR_DTLS_IDLE_TIMEOUT');
    expect(other.peer.readyState).to.equal('open');
  });

  it('SRTP profiles and protocols count for their peer alone', async () => {
    const server = await serve(inTurn({ srtpProfiles: ['SRTP_AEAD_AES_256_GCM'], ALPNProtocols: ['one'] }, { ALPNCallback: () => 'two' }, {}), {
      ALPNProtocols: ['three'],
    });
    const client = { ...only, srtpProfiles: ['SRTP_AEAD_AES_128_GCM', 'SRTP_AEAD_AES_256_GCM'] as const, ALPNProtocols: ['one', 'two', 'three'] };
    const agreed: unknown[] = [];
    for (let i = 0; i < 3; i += 1) {
      const { peer } = await openOn(server, client);
      agreed.push([peer.getSrtp()?.profile, peer.alpnProtocol]);
    }
    expect(agreed).to.deep.equal([['SRTP_AEAD_AES_256_GCM', 'one'], [undefined, 'two'], [undefined, 'three']]);
  });

  it("a name's certificate is shown, and its rules count beneath those of the peer", async () => {
    const named = await certificate({ commonName: 'named', dnsNames: ['named.example'] });
    const server = await serve(inTurn({}, { requestCert: false }));
    server.addContext('named.example', { cert: named.cert, key: named.key, ca: (await certificate()).ca, requestCert: true });
    const refused = clientFailure(server);
    const demanded = await dial(server, { ...only, servername: 'named.example' });
    await Promise.all([failure(demanded), refused]);
    const { client } = await openOn(server, { ...only, servername: 'named.example' });
    expect(client.getPeerX509Certificate()?.subject).to.equal('CN=named');
  });

  it('names are not looked at where the rules have credentials: nobody comes round them by asking for one', async () => {
    const [own, named] = [await certificate({ commonName: 'own' }), await certificate({ commonName: 'named', dnsNames: ['named.example'] })];
    const rules = { cert: own.cert, key: own.key };
    const server = await serve(inTurn({ ...rules, peerFingerprints: NOBODYS }, rules));
    server.addContext('named.example', { cert: named.cert, key: named.key, ca: named.ca, requestCert: true });
    const client = { ...only, servername: 'named.example', rejectUnauthorized: false };
    const refused = clientFailure(server);
    await failure(await dial(server, { ...client, cert: own.cert, key: own.key }));
    expect((await refused).code).to.equal('ERR_DTLS_FINGERPRINT');
    const pair = await openOn(server, client);
    expect(pair.client.getPeerX509Certificate()?.subject).to.equal('CN=own');
  });

  it('SNICallback is not asked where the rules have credentials: whom they trust is not whom a name trusts', async () => {
    const other = await createAuthority('another authority');
    const own = await certificate({ commonName: 'own', clientAuth: true });
    const named = await other.issue({ commonName: 'named', dnsNames: ['named.example'], clientAuth: true });
    const trusting = { cert: own.cert, key: own.key, ca: own.ca };
    const rules = [{ ...trusting, requestCert: true }, { secureContext: createSecureContext({ ...trusting, ...only }), requestCert: true }];
    const server = await serve(inTurn(...rules, ...rules), {
      SNICallback: () => createSecureContext({ cert: named.cert, key: named.key, ca: named.ca, ...only }),
    });
    const client = { ...only, servername: 'named.example', rejectUnauthorized: false };
    while (server.stats.handshakesFailed < rules.length) {
      const refused = clientFailure(server);
      await failure(await dial(server, { ...client, cert: named.cert, key: named.key }));
      expect((await refused).category).to.equal('certificate');
    }
    while (server.stats.handshakesCompleted < rules.length) {
      const pair = await openOn(server, { ...client, cert: own.cert, key: own.key });
      expect(pair.peer.authorized).to.equal(true);
      expect(pair.client.getPeerX509Certificate()?.subject).to.equal('CN=own');
    }
  });

  it('SNICallback goes on, and does not loosen what the peer has to prove', async () => {
    const [own, named] = [await certificate(), await certificate({ commonName: 'named', dnsNames: ['named.example'] })];
    const asked: unknown[] = [];
    const server = await serve(inTurn({}, { peerFingerprints: NOBODYS }), {
      SNICallback(servername) {
        asked.push(servername);
        return createSecureContext({ cert: named.cert, key: named.key, ...only });
      },
    });
    const { client } = await openOn(server, { ...only, servername: 'named.example' });
    expect(client.getPeerX509Certificate()?.subject).to.equal('CN=named');
    const refused = clientFailure(server);
    const other = await dial(server, { ...only, cert: own.cert, key: own.key, servername: 'named.example' });
    await failure(other);
    expect((await refused).code).to.equal('ERR_DTLS_FINGERPRINT');
    expect(asked).to.deep.equal(['named.example', 'named.example']);
  });

  if (is13) it("a context follows the server's versions where it names none, and is refused where it was made with others", async () => {
    const { cert, key } = await certificate();
    const own = await serve(inTurn({ cert, key }, { secureContext: createSecureContext({ cert, key }) }));
    const { client } = await openOn(own, only);
    expect(client.getProtocol()).to.equal('DTLSv1.3');
    const { error } = await withoutRules(own, only);
    expect(error.cause).to.have.property('code', 'ERR_DTLS_CONFLICTING_OPTIONS');
  });

  if (is13) it('a context with DTLS 1.3 is refused where the server has none, as no client that has both would be served', async () => {
    const { cert, key } = await certificate();
    const given = { cert, key, maxVersion: 'DTLSv1.3' } as const;
    const server = await serve(inTurn({ secureContext: createSecureContext(given) }, given), { maxVersion: 'DTLSv1.2', minVersion: 'DTLSv1.2' });
    for (let i = 0; i < 2; ++i) {
      const { error, client } = await withoutRules(server, { minVersion: 'DTLSv1.2', maxVersion: 'DTLSv1.3' });
      expect(error.cause).to.have.property('code', 'ERR_DTLS_CONFLICTING_OPTIONS');
      expect(error.hint).to.include("createServer() maxVersion: 'DTLSv1.3'");
      expect(client.code).to.equal('ERR_DTLS_NO_RESPONSE');
    }
  });

  it('that have an option of a context and no certificate are told that those of the server do not count', async () => {
    const { cert } = await certificate();
    const server = await serve(() => ({ ca: cert }));
    const { error } = await withoutRules(server, only);
    expect(error.cause).to.have.property('code', 'ERR_DTLS_NO_CREDENTIALS');
    expect(error.message).to.include("have 'ca', and no certificate");
    expect(error.hint).to.include("those of the server do not count");
    // A key is a proof, too.
    const withKey = await serve(() => ({ ca: cert, psk: PSK }));
    const { client } = await openOn(withKey, { ...only, ...PSK_CLIENT, ca: undefined });
    expect(client.authorized).to.equal(true);
  });

  it('that are a context themselves are told what to return', async () => {
    const server = await serve(() => createSecureContext() as unknown as PeerOptions);
    expect((await withoutRules(server, only)).error.hint).to.match(/^Return \{ secureContext \}/);
  });

  describe('that are none', () => {
    const cases: readonly [string, NonNullable<ServerOptions['peers']>, string | undefined][] = [
      ['thrown', () => { throw new Error('no store'); }, undefined],
      ['thrown, and no Error', () => { throw 'no store' as unknown as Error; }, undefined],  
      ['rejected', () => Promise.reject(new Error('no store')), undefined],
      ['a string', () => 'server' as unknown as PeerOptions, 'ERR_INVALID_ARG_TYPE'],
      ['a context', () => createSecureContext() as unknown as PeerOptions, 'ERR_INVALID_ARG_TYPE'],
      ['a Promise of a number', () => Promise.resolve(1 as unknown as PeerOptions), 'ERR_INVALID_ARG_TYPE'],
      ['an option that is no peer\'s', () => ({ cookieExchange: false }) as PeerOptions, 'ERR_DTLS_UNKNOWN_OPTION'],
      ['an option of a wrong value', () => ({ mtu: 1 }), 'ERR_OUT_OF_RANGE'],
      ['a certificate that is none', () => ({ cert: 'x', key: 'y' }), 'ERR_DTLS_INVALID_CERTIFICATE'],
      ['what throws when it is read', () => new Proxy({}, { ownKeys() { throw new Error('not for you'); } }), undefined],
    ];
    for (const [what, peers, cause] of cases) {
      it(`${what}: the peer is refused in silence, and the server hears why`, async () => {
        const server = await serve(peers);
        const { error, peer, client } = await withoutRules(server, only);
        expect(error).to.include({ code: 'ERR_DTLS_PEERS_CALLBACK', category: 'usage', name: 'DTLSError' });
        expect(error.peer).to.equal(peer);
        expect(error.cause).to.be.instanceOf(Error);
        if (cause !== undefined) expect(error.cause).to.have.property('code', cause);
        expect(client.category).to.equal('timeout');
        expect(server.stats.datagramsSent).to.equal(0);
      });
    }

    it('without a listener: one process warning, however many there are', async () => {
      const server = await serve(() => { throw new Error('no store'); });
      const warnings: Error[] = [];
      const onWarning = (warning: Error): void => { warnings.push(warning); };
      process.on('warning', onWarning);
      try {
        for (let i = 0; i < 2; i += 1) await failure(await dial(server, { ...only, handshakeTimeout: 100 }));
        expect(warnings.map((warning) => 'code' in warning && warning.code)).to.deep.equal(['ERR_DTLS_PEERS_CALLBACK']);
        expect(server.stats.peersAsked).to.equal(2);
      } finally {
        process.off('warning', onWarning);
      }
    });
  });

  it('that never come are refusals in the end, and are told', async () => {
    const server = await serve(() => new Promise(() => undefined), { handshakeTimeout: 200 });
    const { error } = await withoutRules(server, { ...only, handshakeTimeout: 400 });
    expect(error).to.include({ code: 'ERR_DTLS_LOOKUP_TIMEOUT', category: 'timeout' });
    expect(server.stats).to.include({ peersAsked: 1, datagramsSent: 0 });
  });

  it('that come late are nobody\'s', async () => {
    const late: ((answer: PeerOptions) => void)[] = [];
    const server = await serve(() => new Promise((resolve) => { late.push(resolve); }), { handshakeTimeout: 100 });
    server.on('peerError', () => undefined);
    const client = await dial(server, { ...only, handshakeTimeout: 400, retransmission: { initial: 5000 } });
    const ended = failure(client);
    await next(server, 'peerError');
    late[0]?.({});
    await ended;
    expect(server.stats).to.include({ handshakesStarted: 0, datagramsSent: 0 });
  });

  for (const settle of ['answer', 'reject', 'never settle'] as const) {
    it(`that ${settle} when the server has closed do nothing`, async () => {
      let settled: ((answer: PeerOptions) => void) | undefined;
      let rejected: ((error: Error) => void) | undefined;
      const errors: unknown[] = [];
      const server = await serve(() => new Promise((resolve, reject) => { [settled, rejected] = [resolve, reject]; }));
      server.on('peerError', (error) => errors.push(error));
      const client = await dial(server, { ...only, handshakeTimeout: 200 });
      const ended = failure(client);
      while (settled === undefined) await wait(2);
      const closed = next(server, 'close');
      server.close();
      await closed;
      if (settle === 'answer') settled({});
      if (settle === 'reject') rejected?.(new Error('too late'));
      await ended;
      expect(errors).to.deep.equal([]);
      expect(server.stats).to.include({ handshakesStarted: 0, datagramsSent: 0 });
    });
  }

  it('come from a function that is called with the peer, and is the method of nothing', async () => {
    const calls: unknown[][] = [];
    const server = await serve(function (this: unknown, ...args: unknown[]) {
      calls.push([this ?? globalThis, ...args]); // code that is not strict has the latter
      return {};
    });
    const { peer } = await openOn(server, only);
    expect(calls).to.have.length(1);
    expect(calls[0]?.[0] === globalThis, 'an object').to.be.true;
    expect(calls[0]?.slice(1)).to.deep.equal([peer.remotePeer]);
  });

  it('may close the server', async () => {
    const server = await serve(() => { server.close(); return {}; });
    const closed = next(server, 'close');
    const client = await dial(server, { ...only, handshakeTimeout: 150 });
    await Promise.all([closed, failure(client)]);
    expect(server.stats.datagramsSent).to.equal(0);
  });

  it('may be of a class of its own with a then method', async () => {
    const server = await serve(() => ({ then: (use: (answer: PeerOptions) => void) => { use({}); } }) as unknown as Promise<PeerOptions>);
    await openOn(server, only);
  });

  it('a refusal counts for a second, and the next repetition is asked about again', async () => {
    let known = false;
    const server = await serve(() => (known ? {} : null));
    const client = await dial(server, { ...only, retransmission: { initial: 100, backoff: 1 } });
    const opened = next(client, 'secureConnect');
    while (server.stats.peersRefused < 3) await wait(5);
    expect(server.stats.peersAsked).to.equal(1);
    known = true;
    await opened;
    expect(server.stats.peersAsked).to.equal(2);
  });

  it('forgetPeer takes a refusal back at once, and an open question', async () => {
    const asked: Peer[] = [];
    const answers: (PeerOptions | null | Promise<PeerOptions>)[] = [null, new Promise(() => undefined), {}];
    const server = await serve((peer) => { asked.push(peer); return answers[asked.length - 1]; });
    const client = await dial(server, { ...only, retransmission: { initial: 60, backoff: 1 } });
    const opened = next(client, 'secureConnect');
    for (const count of [1, 2]) {
      while (asked.length < count) await wait(2);
      const [peer] = asked.slice(-1) as [Peer];
      await wait(0);
      expect(server.forgetPeer(peer)).to.equal(true);
      expect(server.forgetPeer({ address: peer.address, port: peer.port })).to.equal(false);
    }
    await opened;
    expect(asked).to.have.length(3);
  });

  for (const settle of ['never settle', 'reject', 'are nonsense'] as const) {
    it(`forgetPeer ends a question for good: nobody hears of answers that ${settle} afterwards`, async () => {
      const asked: Peer[] = [];
      let late: { resolve: (answer: PeerOptions) => void; reject: (error: Error) => void } | undefined;
      const server = await serve(
        (peer) => (asked.push(peer) > 1 ? {} : new Promise((resolve, reject) => { late = { resolve, reject }; })),
        { handshakeTimeout: 150 },
      );
      const errors: unknown[] = [];
      server.on('peerError', (error) => errors.push(error));
      const client = await dial(server, { ...only, retransmission: { initial: 400 } });
      const opened = next(client, 'secureConnect');
      while (late === undefined) await wait(2);
      const [peer] = asked as [Peer];
      expect(server.forgetPeer(peer)).to.equal(true);
      if (settle === 'reject') late.reject(new Error('of an offer that was dropped'));
      if (settle === 'are nonsense') late.resolve(5 as unknown as PeerOptions);
      await opened; // by the hello that is repeated when the time for an answer has passed
      expect(asked).to.have.length(2);
      expect(errors).to.deep.equal([]);
    });
  }

  it('forgetPeer within the function itself: its answer counts for nobody, and the next hello is asked about', async () => {
    const asked: Peer[] = [];
    const answers = [{}, new Promise<PeerOptions>(() => undefined), {}];
    const server: DTLSServer = await serve(
      (peer) => {
        const answer = answers[asked.push(peer) - 1];
        if (asked.length < 3) expect(server.forgetPeer(peer)).to.equal(true);
        return answer;
      },
      { handshakeTimeout: 100 },
    );
    const errors: unknown[] = [];
    server.on('peerError', (error) => errors.push(error));
    const client = await dial(server, { ...only, retransmission: { initial: 200, backoff: 1 } });
    await next(client, 'secureConnect');
    expect(asked).to.have.length(3);
    expect(errors).to.deep.equal([]);
  });

  it('forgetPeer leaves a question that has yet to be put: a check and the hello behind it came together', async () => {
    const known = new Set<Peer>();
    const server = await serve((peer) => (known.has(peer) ? {} : null));
    const told: boolean[] = [];
    server.on('packet', (_, peer) => {
      known.add(peer);
      told.push(server.forgetPeer(peer)); // where its hello was here first, and was refused
    });
    const peer = await stranger();
    const answered = once(peer, 'message');
    peer.send(stun('a check'), portOf(server), '127.0.0.1');
    peer.send(clientHello({ random: randomBytes(32) }), portOf(server), '127.0.0.1');
    await within(answered, 'an answer to the hello');
    expect(told).to.deep.equal([false]);
    expect(server.stats).to.include({ peersAsked: 1, peersRefused: 0 });
  });

  it('forgetPeer refuses what is no peer, and knows nothing where nobody listens', async () => {
    const server = await serve(() => ({}));
    for (const [peer, code] of [[undefined, 'ERR_INVALID_ARG_TYPE'], [{ address: 'nowhere', port: 1 }, 'ERR_INVALID_IP_ADDRESS'], [{ address: '::1', port: 1e6 }, 'ERR_SOCKET_BAD_PORT']] as const) {
      const error = thrown(() => server.forgetPeer(peer as Peer));
      expect(error.code).to.equal(code);
      expect(`${error.message} ${error.hint ?? ''}`).not.to.match(/sendPacket|any port|packets wait/);
    }
    server.close();
    expect(server.forgetPeer({ address: '127.0.0.1', port: 1 })).to.equal(false);
  });

  it('a peer that begins anew is asked about anew, and its session is another\'s no more', async () => {
    let asked = 0;
    const server = await serve(() => { asked += 1; return {}; });
    const first = await openOn(server, only);
    const { localPort } = first.client;
    first.client.on('error', () => undefined);
    first.client.destroy();
    await within(next(first.client, 'close'), 'the end');
    await openOn(server, { ...only, localPort });
    expect(asked).to.equal(2);
  });

  it("what a listener of peerError throws is an uncaught exception of its program's, and nothing that peers did", async () => {
    const nonsense: [string, () => unknown][] = [['at once', () => 5], ['later', () => Promise.resolve(5)], ['by a Promise that rejects', () => Promise.reject(new Error('no'))]];
    const others = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException');
    try {
      for (const [when, answer] of nonsense) {
        const server = await serve(answer as NonNullable<ServerOptions['peers']>);
        const told: unknown[] = [];
        server.on('peerError', ({ code }) => {
          told.push(code);
          throw new Error('of the listener');
        });
        const uncaught = within(new Promise((resolve) => { process.once('uncaughtException', resolve); }), `what it throws, ${when}`);
        const client = await dial(server, { ...only, handshakeTimeout: 200 });
        const ended = failure(client);
        expect(await uncaught).to.have.property('message', 'of the listener');
        await ended;
        expect(told).to.deep.equal(['ERR_DTLS_PEERS_CALLBACK']);
      }
    } finally {
      for (const other of others) process.on('uncaughtException', other);
    }
  });
});
