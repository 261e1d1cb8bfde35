// Protects sessions of DTLS 1.3 between two ends of this package: that they open, carry messages, change their keys and
// close, and that everything a session tells is there. Where this Node has none, asking for it says what it takes.
import { expect } from 'chai';
import { constants, createPublicKey, randomBytes } from 'node:crypto';
import { connect, createSecureContext, createServer, createSocket, DTLSError, features, type DTLSSocket } from '../../lib/index';
import { createAuthority } from '../helpers/certificates';
import { describe13, DTLS13, UP_TO_DTLS13 } from '../helpers/dtls13';
import {
  certificate,
  clientFailure,
  closeEverything,
  dial,
  ending,
  failure,
  listen,
  messages,
  next,
  open,
  openOn,
  openPsk,
  ORDERLY,
  PSK,
  PSK_CLIENT,
  PSK_SERVER,
  withCertificate,
  type Pair,
} from '../helpers/pair';
import { skip } from '../helpers/peers';
import { thrown } from '../helpers/thrown';
import { Relay } from '../helpers/relay';

const open13 = async (server = {}, client = {}): Promise<Pair> =>
  open(await withCertificate({ ...DTLS13, ...server }), { ...DTLS13, ...client });

async function echo({ client, peer }: Pick<Pair, 'client' | 'peer'>, message = randomBytes(100)): Promise<void> {
  const there = messages(peer, 1);
  client.send(message);
  expect((await there)[0]).to.deep.equal(message);
  const back = messages(client, 1);
  peer.send(message);
  expect((await back)[0]).to.deep.equal(message);
}

describe('DTLS 1.3, where it is missing', () => {
  before(function () {
    if (features.dtls13 !== false) skip(this, 'this OpenSSL has DTLS 1.3');
  });

  it('is refused with a reason, and not among the versions', () => {
    expect(features.versions).to.not.include('DTLSv1.3');
    expect(features.dtls13Missing).to.match(/^OpenSSL \d.*lacks/);
    const error = thrown(() => createSecureContext(DTLS13));
    expect(error).to.be.instanceOf(DTLSError).with.property('code', 'ERR_DTLS_UNSUPPORTED');
    expect(error.hint).to.include(features.dtls13Missing).and.include('Node 22');
    expect(thrown(() => createServer({ ...UP_TO_DTLS13, ...PSK_SERVER })).code).to.equal('ERR_DTLS_UNSUPPORTED');
  });
});

describe13('DTLS 1.3', () => {
  afterEach(closeEverything);

  it('who asks for 1.3 at least has asked for 1.3', async () => {
    const pair = await open(await withCertificate({ minVersion: 'DTLSv1.3' }), { minVersion: 'DTLSv1.3' });
    expect(pair.client.getProtocol()).to.equal('DTLSv1.3');
  });

  it('is a feature with a name', () => {
    expect(features.dtls13).to.match(/^OpenSSL 3\.\d/);
    expect(features.dtls13Missing).to.equal(undefined);
    expect(features.versions).to.include('DTLSv1.3');
  });

  it('is not spoken unless it is asked for', async () => {
    const { client } = await open(await withCertificate(UP_TO_DTLS13));
    expect(client.getProtocol()).to.equal('DTLSv1.2');
    const { client: other } = await open(await withCertificate(), UP_TO_DTLS13);
    expect(other.getProtocol()).to.equal('DTLSv1.2');
  });

  it('carries messages of every kind of size, in both directions', async () => {
    const pair = await open13();
    for (const size of [1, 2, 15, 16, 17, 255, 1199, 1200, 4096, 16384]) await echo(pair, randomBytes(size));
    for (const socket of [pair.client, pair.peer]) {
      expect(socket.getProtocol()).to.equal('DTLSv1.3');
      expect(socket.getCipher()).to.deep.equal({
        name: 'TLS_AES_128_GCM_SHA256',
        standardName: 'TLS_AES_128_GCM_SHA256',
        version: 'TLSv1.3',
      });
      expect(socket.extendedMasterSecret).to.equal(true);
      expect(socket.isSessionReused()).to.equal(false);
      expect(socket.getFinished()).to.have.length(32);
      expect(socket.maxMessageSize).to.equal(socket.mtu - 22);
    }
    expect(pair.client.getFinished()).to.deep.equal(pair.peer.getPeerFinished());
    expect(pair.peer.getFinished()).to.deep.equal(pair.client.getPeerFinished());
    expect(pair.client.getEphemeralKeyInfo()).to.deep.equal({ type: 'ECDH', name: 'X25519', size: 253 });
    expect(pair.client.authorized).to.equal(true);
    expect(pair.client.getPeerX509Certificate()?.subject).to.equal('CN=localhost');
  });

  it('messages of zeros, which look like padding, are messages', async () => {
    const pair = await open13();
    await echo(pair, Buffer.alloc(50));
  });

  it('closes in order from either side', async () => {
    for (const side of ['client', 'peer'] as const) {
      const pair = await open13();
      const ends = Promise.all([ending(pair.client), ending(pair.peer)]);
      pair[side].close();
      expect(await ends).to.deep.equal([ORDERLY, ORDERLY]);
      await closeEverything();
    }
  });

  for (const suite of [
    'TLS_AES_128_GCM_SHA256',
    'TLS_AES_256_GCM_SHA384',
    'TLS_CHACHA20_POLY1305_SHA256',
    'TLS_AES_128_CCM_SHA256',
    'TLS_AES_128_CCM_8_SHA256',
  ]) {
    it(`has the suite ${suite}`, async () => {
      // A tag of 64 bits is below OpenSSL's security level 1.
      const ciphers = suite.includes('CCM_8') ? `${suite}:@SECLEVEL=0` : suite;
      const pair = await open13({ ciphers }, { ciphers });
      expect(pair.client.getCipher()?.name).to.equal(suite);
      await echo(pair);
    });
  }

  it("the server's order of suites counts, and the client's where it does not mind", async () => {
    const theirs = 'TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384';
    const own = 'TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256';
    const { client } = await open13({ ciphers: own }, { ciphers: theirs });
    expect(client.getCipher()?.name).to.equal('TLS_AES_256_GCM_SHA384');
    const { client: other } = await open13({ ciphers: own, honorCipherOrder: false }, { ciphers: theirs });
    expect(other.getCipher()?.name).to.equal('TLS_CHACHA20_POLY1305_SHA256');
  });

  it('suites of both versions stand in one list', async () => {
    const ciphers = 'TLS_AES_256_GCM_SHA384:ECDHE-ECDSA-CHACHA20-POLY1305';
    const server = await listen(await withCertificate({ ...UP_TO_DTLS13, ciphers }));
    expect((await openOn(server, UP_TO_DTLS13)).client.getCipher()?.name).to.equal('TLS_AES_256_GCM_SHA384');
    expect((await openOn(server)).client.getCipher()?.name).to.equal('ECDHE-ECDSA-CHACHA20-POLY1305');
  });

  it('the security level in a list counts, and one that permits none of its suites is refused', () => {
    const error = thrown(() => createSecureContext({ ...DTLS13, ciphers: 'TLS_AES_128_CCM_8_SHA256' }));
    expect(error).to.have.property('code', 'ERR_DTLS_INVALID_CIPHERS');
    expect(error.hint).to.include("'@SECLEVEL=0'");
    // 192 bits.
    const strict = (suite: string) => () => createSecureContext({ ...DTLS13, ciphers: `${suite}:@SECLEVEL=4`, ecdhCurve: 'P-384' });
    expect(strict('TLS_AES_256_GCM_SHA384')).not.to.throw();
    expect(thrown(strict('TLS_AES_128_GCM_SHA256')).code).to.equal('ERR_DTLS_INVALID_CIPHERS');
  });

  it('each security level has groups where nobody names any', async () => {
    const names: (string | undefined)[] = [];
    for (const level of [1, 2, 3, 4, 5]) {
      const ciphers = `TLS_CHACHA20_POLY1305_SHA256:@SECLEVEL=${level}`;
      const { client } = await openPsk({ ...DTLS13, ciphers }, { ...DTLS13, ciphers });
      names.push(client.getEphemeralKeyInfo()?.name);
    }
    expect(names).to.deep.equal(['X25519', 'X25519', 'X25519', 'secp384r1', 'secp521r1']);
  });

  it('lists of which DTLS 1.3 has nothing, or its security level, are refused with the code of their own', () => {
    const all = 'TLS_CHACHA20_POLY1305_SHA256:ECDHE-ECDSA-CHACHA20-POLY1305';
    for (const [options, code, hint] of [
      [{ ecdhCurve: 'brainpoolP256r1' }, 'ERR_DTLS_INVALID_CURVES', /^DTLS 1.3 can use none of 'ecdhCurve'.*[^)]\.$/],
      [{ ecdhCurve: 'P-256:X25519', ciphers: `${all}:@SECLEVEL=4` }, 'ERR_DTLS_INVALID_CURVES', /security level 4/],
      [{ sigalgs: 'RSA+SHA1' }, 'ERR_DTLS_INVALID_SIGALGS', /^DTLS 1.3 can use none of 'sigalgs'/],
      [{ sigalgs: 'ECDSA+SHA256', ciphers: `${all}:@SECLEVEL=5` }, 'ERR_DTLS_INVALID_SIGALGS', /security level 5/],
      [{ sigalgs: '' }, 'ERR_DTLS_INVALID_SIGALGS', /./],
    ] as const) {
      for (const versions of [DTLS13, UP_TO_DTLS13]) {
        const error = thrown(() => createSecureContext({ ...versions, ...options }));
        expect(error, JSON.stringify(options)).to.include({ code, category: 'usage' });
        expect(error.hint).to.match(hint);
      }
    }
  });

  it('lists that leave a version without anything are refused', () => {
    for (const options of [
      { ...UP_TO_DTLS13, ciphers: 'TLS_AES_128_GCM_SHA256' },
      { ...UP_TO_DTLS13, ciphers: 'TLS_AES_128_CCM_8_SHA256:@SECLEVEL=0' },
      { ...UP_TO_DTLS13, ecdhCurve: 'X25519MLKEM768' },
      { ...DTLS13, ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256' },
    ]) {
      expect(thrown(() => createSecureContext(options)).code).to.equal('ERR_DTLS_CONFLICTING_OPTIONS');
    }
    expect(thrown(() => createSecureContext({ ...DTLS13, ciphers: 'TLS_AES_512_GCM_SHA512' })).code).to.equal(
      'ERR_DTLS_INVALID_CIPHERS',
    );
    expect(thrown(() => createSecureContext({ ...DTLS13, ecdhCurve: 'no-such' })).code).to.equal('ERR_DTLS_INVALID_CURVES');
    expect(thrown(() => createSecureContext({ ...DTLS13, sigalgs: 'no-such' })).code).to.equal('ERR_DTLS_INVALID_SIGALGS');
  });

  for (const group of ['X25519', 'P-256', 'P-384', 'X25519MLKEM768']) {
    it(`exchanges keys by ${group}`, async () => {
      const pair = await open13({ ecdhCurve: group }, { ecdhCurve: group });
      const kind = group.includes('MLKEM') ? { type: 'TLSGroup', name: group } : { type: 'ECDH' };
      expect(pair.client.getEphemeralKeyInfo()).to.include(kind);
      // OpenSSL has another name for it among objects.
      const name = group === 'P-256' ? 'prime256v1' : group === 'P-384' ? 'secp384r1' : group;
      expect([pair.client.getSharedGroup(), pair.peer.getSharedGroup()]).to.deep.equal([name, name]);
      await echo(pair);
    });
  }

  it('a server without cookies asks for another share where it needs one', async () => {
    const pair = await open13({ cookieExchange: false, ecdhCurve: 'P-384' }, { ecdhCurve: 'X25519:P-384' });
    await echo(pair);
  });

  it('without cookies it is one round trip', async () => {
    const pair = await open13({ cookieExchange: false });
    await echo(pair);
    expect(pair.server.stats.cookiesSent).to.equal(0);
  });

  describe('key updates', () => {
    it('of one side, and of both', async () => {
      const pair = await open13();
      await echo(pair);
      for (const peer of [false, true, true, false, true]) {
        for (const socket of [pair.client, pair.peer]) {
          const updated = next(socket === pair.client ? pair.peer : pair.client, 'handshake');
          // The one before may have been an answer to the peer's, which has not been acknowledged yet.
          while (!socket.updateKeys({ peer })) await echo(pair);
          expect((await updated)[0]).to.include({ direction: 'in', message: 'key_update' });
          await echo(pair);
        }
      }
    });

    it('one at a time', async () => {
      const pair = await open13();
      await echo(pair);
      expect(pair.client.updateKeys()).to.equal(true);
      expect(pair.client.updateKeys()).to.equal(false);
      await echo(pair);
      await echo(pair);
      expect(pair.client.updateKeys()).to.equal(true);
    });

    it('are refused where there is no such thing', async () => {
      const { client } = await open(await withCertificate());
      expect(thrown(() => client.updateKeys()).code).to.equal('ERR_DTLS_KEY_UPDATE');
      client.close();
      await next(client, 'close');
      expect(thrown(() => client.updateKeys()).code).to.equal('ERR_DTLS_NOT_OPEN');
      expect(thrown(() => client.updateKeys({ both: true } as never)).code).to.equal('ERR_DTLS_UNKNOWN_OPTION');
    });
  });

  it('exports the same keys on both sides, other ones for other labels and contexts', async () => {
    const { client, peer } = await open13();
    const of = (socket: DTLSSocket, label: string, context?: Buffer): string =>
      socket.exportKeyingMaterial(32, label, context).toString('hex');
    expect(of(client, 'EXPERIMENTAL a')).to.equal(of(peer, 'EXPERIMENTAL a'));
    expect(of(client, 'EXPERIMENTAL a', Buffer.from('x'))).to.equal(of(peer, 'EXPERIMENTAL a', Buffer.from('x')));
    expect(new Set([of(client, 'a'), of(client, 'b'), of(client, 'a', Buffer.from('x'))])).to.have.property('size', 3);
  });

  it('agrees on SRTP', async () => {
    const profiles = { srtpProfiles: ['SRTP_AEAD_AES_128_GCM', 'SRTP_AES128_CM_SHA1_80'] } as const;
    const { client, peer } = await open13({ srtpProfiles: ['SRTP_AES128_CM_SHA1_80'] }, profiles);
    const [ours, theirs] = [client.getSrtp(), peer.getSrtp()];
    expect(ours?.profile).to.equal('SRTP_AES128_CM_SHA1_80');
    expect(ours?.localKey).to.deep.equal(theirs?.remoteKey);
    expect(ours?.remoteSalt).to.deep.equal(theirs?.localSalt);
  });

  it('chooses an application protocol, or says that there is none', async () => {
    const { client, peer } = await open13({ ALPNProtocols: ['coap', 'x'] }, { ALPNProtocols: ['x', 'coap'] });
    expect([client.alpnProtocol, peer.alpnProtocol]).to.deep.equal(['coap', 'coap']);
    const server = await listen(await withCertificate({ ...DTLS13, ALPNProtocols: ['coap'] }));
    const refused = clientFailure(server);
    const refusal = await failure(await dial(server, { ...DTLS13, ALPNProtocols: ['x'] }));
    expect(refusal).to.include({ code: 'ERR_DTLS_ALERT_NO_APPLICATION_PROTOCOL' });
    expect((await refused).code).to.equal('ERR_DTLS_NO_APPLICATION_PROTOCOL');
  });

  it('waits for a server name and its context, and for protocols', async () => {
    const named = await certificate({ commonName: 'other', dnsNames: ['other.example'] });
    const server = await listen(
      await withCertificate({
        ...DTLS13,
        SNICallback: async () => {
          await new Promise((resolve) => setTimeout(resolve, 20));
          return createSecureContext({ cert: named.cert, key: named.key });
        },
        ALPNCallback: ({ protocols }) => Promise.resolve(protocols[0] ?? ''),
      }),
    );
    const { client, peer } = await openOn(server, { ...DTLS13, servername: 'other.example', ALPNProtocols: ['a'] });
    expect(client.getPeerX509Certificate()?.subject).to.equal('CN=other');
    expect(peer.servername).to.equal('other.example');
    expect(client.alpnProtocol).to.equal('a');
  });

  it('a client has said its Finished when it is told to be open, in resumed handshakes, too', async () => {
    const server = await listen(await withCertificate(DTLS13));
    let session: Buffer | undefined;
    for (const resumed of [false, true]) {
      const events: string[] = [];
      const client = await dial(server, { ...DTLS13, ...(session === undefined ? {} : { session }) });
      client.on('handshake', ({ direction, message }) => events.push(`${direction} ${message}`));
      client.on('secureConnect', () => events.push('open'));
      [session] = await next(client, 'session');
      expect(client.isSessionReused()).to.equal(resumed);
      expect(events.slice(-4)).to.deep.equal(['in finished', 'out finished', 'open', 'in new_session_ticket']);
    }
  });

  it('what a client offers is in the error where the server finds nothing in it', async () => {
    const server = await listen(await withCertificate({ ...DTLS13, ciphers: 'TLS_AES_256_GCM_SHA384' }));
    const error = await failure(await dial(server, { ...DTLS13, ciphers: 'TLS_AES_128_CCM_SHA256' }));
    expect(error.message).to.equal('the peer sent the fatal alert handshake_failure: this side offers TLS_AES_128_CCM_SHA256');
  });

  it('heartbeats are refused where DTLS 1.2 is left out', () => {
    for (const make of [
      () => connect({ port: 1, ...DTLS13, heartbeat: { interval: 1000 } }),
      () => connect({ port: 1, secureContext: createSecureContext(DTLS13), heartbeat: true }),
      () => createServer({ psk: PSK, ...DTLS13, heartbeat: true }),
      () => createSocket({ type: 'udp4', dtls: { psk: PSK, ...DTLS13, heartbeat: true } }),
    ]) {
      expect(thrown(make)).to.include({ code: 'ERR_DTLS_CONFLICTING_OPTIONS', category: 'usage' });
    }
    expect(() => createServer({ psk: PSK, ...UP_TO_DTLS13, heartbeat: true })).not.to.throw();
    expect(() => createServer({ psk: PSK, ...DTLS13, heartbeat: false })).not.to.throw();
  });

  it('a context for a name that says its versions has its way', async () => {
    const named = await certificate({ commonName: 'other', dnsNames: ['other.example'] });
    const server = await listen(await withCertificate(DTLS13));
    server.addContext('other.example', createSecureContext({ ...named, minVersion: 'DTLSv1.2' }));
    const refused = clientFailure(server);
    const error = await failure(await dial(server, { ...DTLS13, servername: 'other.example' }));
    expect(error.message).to.include('protocol_version');
    expect((await refused).code).to.equal('ERR_DTLS_VERSION_MISMATCH');
  });

  describe('clients', () => {
    it('with a certificate are authorized', async () => {
      const { cert, key } = await certificate({ commonName: 'device', clientAuth: true });
      const { certificatePem } = await createAuthority();
      const pair = await open13({ requestCert: true, ca: certificatePem }, { cert, key });
      expect(pair.peer.authorized).to.equal(true);
      expect(pair.peer.getPeerX509Certificate()?.subject).to.equal('CN=device');
      await echo(pair);
    });

    it('without one, or with one of another kind, hear that they need it', async () => {
      const { certificatePem: ca } = await createAuthority();
      const sigalgs = 'ECDSA+SHA256';
      const server = await listen(await withCertificate({ ...DTLS13, requestCert: true, ca, sigalgs }));
      const { cert, key } = await certificate({ keyType: 'ed25519', clientAuth: true });
      for (const [own, why] of [
        [{}, 'the server asked for a certificate, and this side has none'],
        [{ cert, key }, 'the server asked for a certificate, and takes none of the kind that this side has'],
      ] as const) {
        const refused = clientFailure(server);
        const error = await failure(await dial(server, { ...DTLS13, ...own }));
        expect(error).to.include({ code: 'ERR_DTLS_ALERT_CERTIFICATE_REQUIRED', alert: 'certificate_required' });
        expect(error.message).to.equal(`the peer sent the fatal alert certificate_required: ${why}`);
        expect(error.hint).to.match(/^The server demands a certificate of its clients and got none/);
        expect((await refused).code).to.equal('ERR_DTLS_PEER_CERTIFICATE_MISSING');
      }
    });

    it('without one are told from the others where none is demanded', async () => {
      const { certificatePem: ca } = await createAuthority();
      const pair = await open13({ requestCert: true, rejectUnauthorized: false, ca }, {});
      expect(pair.peer).to.include({ authorized: false, authorizationError: 'UNABLE_TO_GET_ISSUER_CERT' });
      expect(pair.peer.getPeerX509Certificate()).to.equal(undefined);
      await echo(pair);
    });

    it('that refuse the server say so', async () => {
      const server = await listen(await withCertificate(DTLS13));
      const refused = clientFailure(server);
      const error = await failure(await dial(server, { ...DTLS13, servername: 'elsewhere.example' }));
      expect(error.code).to.equal('ERR_TLS_CERT_ALTNAME_INVALID');
      expect((await refused).code).to.equal('ERR_DTLS_ALERT_BAD_CERTIFICATE');
    });
  });

  describe('pre-shared keys', () => {
    it('stand in for certificates', async () => {
      const pair = await open({ ...PSK_SERVER, ...DTLS13 }, { ...PSK_CLIENT, ...DTLS13 });
      for (const socket of [pair.client, pair.peer]) {
        expect(socket).to.include({ authorized: true, pskIdentity: PSK.identity });
        expect(socket.isSessionReused()).to.equal(false);
      }
      await echo(pair);
    });

    it('are waited for', async () => {
      const later = async <T>(value: T): Promise<T> => {
        await new Promise((resolve) => setTimeout(resolve, 10));
        return value;
      };
      const pair = await open(
        { ...DTLS13, pskCallback: (_, identity) => later(identity === PSK.identity ? PSK.psk : null) },
        { ...DTLS13, pskCallback: () => later(PSK) },
      );
      await echo(pair);
    });

    it('that nobody knows, or that differ, end the handshake', async () => {
      const server = await listen({ ...PSK_SERVER, ...DTLS13 });
      const unknown = clientFailure(server);
      await failure(await dial(server, { ...DTLS13, psk: { identity: 'nobody', psk: PSK.psk } }));
      expect((await unknown).code).to.equal('ERR_DTLS_PSK_IDENTITY_UNKNOWN');
      const other = clientFailure(server);
      await failure(await dial(server, { ...DTLS13, psk: { identity: PSK.identity, psk: Buffer.alloc(16, 1) } }));
      expect((await other).code).to.equal('ERR_DTLS_PSK_MISMATCH');
    });
  });

  it('a client that gave no key, where the server has nothing else, is told so', async () => {
    const server = await listen({ ...PSK_SERVER, ...DTLS13 });
    const client = await dial(server, { ...DTLS13, pskCallback: () => null });
    expect((await failure(client)).code).to.equal('ERR_DTLS_PSK_REQUIRED');
  });

  describe('resumption', () => {
    async function kept(client: DTLSSocket): Promise<Buffer> {
      const [session] = await next(client, 'session');
      return session;
    }

    it('by a ticket, which comes behind the handshake, and by the next one', async () => {
      const server = await listen(await withCertificate(DTLS13));
      const first = await dial(server, DTLS13);
      let session = await kept(first);
      expect(session.equals(first.getSession() ?? Buffer.alloc(0))).to.equal(true);
      expect(first.getTLSTicket()).to.have.length.above(100);
      for (let round = 0; round < 2; ++round) {
        const seen: string[] = [];
        server.once('connection', (socket) => {
          socket.on('handshake', ({ direction, message }) => seen.push(`${direction} ${message}`));
        });
        const accepted = next(server, 'secureConnection');
        const again = await dial(server, { ...DTLS13, session });
        const renewed = kept(again);
        const [peer] = await accepted;
        await echo({ client: again, peer });
        for (const socket of [again, peer]) expect(socket.isSessionReused()).to.equal(true);
        expect(again.authorized).to.equal(true);
        expect(again.getPeerX509Certificate()?.subject).to.equal('CN=localhost');
        expect(seen.slice(0, 4)).to.deep.equal(['in client_hello', 'out server_hello', 'out encrypted_extensions', 'out finished']);
        session = await renewed;
      }
    });

    it('under a pre-shared key, as long as that is the same', async () => {
      let psk = PSK.psk;
      const server = await listen({ ...DTLS13, pskCallback: () => psk });
      const first = await dial(server, { ...DTLS13, ...PSK_CLIENT });
      const session = await kept(first);
      const again = await openOn(server, { ...DTLS13, ...PSK_CLIENT, session });
      expect(again.client.isSessionReused()).to.equal(true);
      expect(again.client.pskIdentity).to.equal(PSK.identity);
      expect(again.peer.authorized).to.equal(true);
      psk = Buffer.from('another key, so that nothing fits');
      await failure(await dial(server, { ...DTLS13, ...PSK_CLIENT, session }));
    });

    it('not in another version, nor by other rules', async () => {
      const server = await listen(await withCertificate(UP_TO_DTLS13));
      const first = await dial(server, UP_TO_DTLS13);
      const session = await kept(first);
      const older = await openOn(server, { session });
      expect([older.client.getProtocol(), older.client.isSessionReused()]).to.deep.equal(['DTLSv1.2', false]);
      const of12 = older.client.getSession();
      const newer = await openOn(server, { ...UP_TO_DTLS13, session: of12 });
      expect([newer.client.getProtocol(), newer.client.isSessionReused()]).to.deep.equal(['DTLSv1.3', false]);
      const others = await openOn(server, { ...UP_TO_DTLS13, session, ecdhCurve: 'P-256' });
      expect(others.client.isSessionReused()).to.equal(false);
    });

    it("not with another certificate of the client's, or none", async () => {
      const authority = await createAuthority();
      const server = await listen(await withCertificate({ ...DTLS13, requestCert: true, rejectUnauthorized: false, ca: authority.certificatePem }));
      const [alice, bob] = await Promise.all(
        ['alice', 'bob'].map(async (commonName) => {
          const { cert, key } = await authority.issue({ commonName, clientAuth: true });
          return { cert, key };
        }),
      );
      const session = await kept(await dial(server, { ...DTLS13, ...alice }));
      for (const [own, resumed, subject] of [[bob, false, 'CN=bob'], [{}, false, undefined], [alice, true, 'CN=alice']] as const) {
        const { client, peer } = await openOn(server, { ...DTLS13, ...own, session });
        expect(client.isSessionReused()).to.equal(resumed);
        expect(peer.getPeerX509Certificate()?.subject).to.equal(subject);
      }
    });

    it('skips no check: what was tolerated is so again, and is not where it must not be', async () => {
      const server = await listen(await withCertificate(DTLS13));
      for (const [options, code] of [
        [{ ca: undefined }, 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY'],
        [{ servername: 'wrong.example' }, 'ERR_TLS_CERT_ALTNAME_INVALID'],
      ] as const) {
        const tolerant = { ...DTLS13, ...options, rejectUnauthorized: false };
        const first = await dial(server, tolerant);
        const session = await kept(first);
        const { client } = await openOn(server, { ...tolerant, session });
        expect([client.isSessionReused(), client.authorized, client.authorizationError]).to.deep.equal([true, false, code]);
        const strict = await dial(server, { ...DTLS13, ...options, session });
        expect((await failure(strict)).code).to.equal(code);
      }
    });

    it('is switched off by SSL_OP_NO_TICKET', async () => {
      const server = await listen(await withCertificate({ ...DTLS13, secureOptions: constants.SSL_OP_NO_TICKET }));
      const { client, peer } = await openOn(server, DTLS13);
      const sessions: Buffer[] = [];
      client.on('session', (session) => sessions.push(session));
      await echo({ client, peer });
      await echo({ client, peer });
      expect(sessions).to.deep.equal([]);
      expect(client.getSession()).to.equal(undefined);
    });

    it('keys of tickets that were replaced open them no more when they are given up', async () => {
      const server = await listen(await withCertificate(DTLS13));
      const session = await kept(await dial(server, DTLS13));
      for (let i = 0; i < 4; ++i) server.setTicketKeys(randomBytes(48));
      expect((await openOn(server, { ...DTLS13, session })).client.isSessionReused()).to.equal(false);
    });
  });

  it('staples what a listener of OCSPRequest gives, and asks about it', async () => {
    const server = await listen(await withCertificate(DTLS13));
    server.on('OCSPRequest', (_certificate, _issuer, callback) => {
      setTimeout(() => { callback(null, Buffer.from('no OCSP response, but bytes')); }, 5);
    });
    const client = await dial(server, { ...DTLS13, requestOCSP: true });
    const [response] = await next(client, 'OCSPResponse');
    expect(String(response)).to.equal('no OCSP response, but bytes');
    await next(client, 'secureConnect');
    const refusing = await dial(server, { ...DTLS13, requestOCSP: true });
    refusing.on('OCSPResponse', () => { throw new Error('no'); });
    expect((await failure(refusing)).code).to.equal('ERR_DTLS_OCSP_RESPONSE');
  });

  it('shows raw public keys', async () => {
    const { key } = await certificate();
    const { key: ofClient } = await certificate({ clientAuth: true });
    const pair = await open(
      { ...DTLS13, key, rawPublicKey: true, requestCert: true, peerPublicKeys: [createPublicKey(ofClient)] },
      { ...DTLS13, key: ofClient, rawPublicKey: true, peerPublicKeys: [createPublicKey(key)] },
    );
    expect([pair.client.authorized, pair.peer.authorized]).to.deep.equal([true, true]);
    await echo(pair);
  });

  it('logs its keys by the names of NSS', async () => {
    const server = await listen(await withCertificate(DTLS13));
    const lines: string[] = [];
    server.on('keylog', (line) => lines.push(String(line).split(' ')[0] ?? ''));
    await openOn(server, DTLS13);
    expect(lines).to.include.members([
      'CLIENT_HANDSHAKE_TRAFFIC_SECRET',
      'SERVER_HANDSHAKE_TRAFFIC_SECRET',
      'CLIENT_TRAFFIC_SECRET_0',
      'SERVER_TRAFFIC_SECRET_0',
      'EXPORTER_SECRET',
    ]);
  });

  it('a restarted client takes the place of its session, and of one of another version', async () => {
    for (const [first, second] of [
      [DTLS13, DTLS13],
      [{}, DTLS13],
      [DTLS13, {}],
    ]) {
      const server = await listen(await withCertificate(UP_TO_DTLS13));
      const { client, peer } = await openOn(server, { ...first, localPort: 0 });
      const port = client.localPort;
      peer.on('error', () => undefined);
      const gone = next(client, 'close');
      client.destroy();
      await gone;
      const accepted = next(server, 'secureConnection');
      const again = await dial(server, { ...second, localPort: port, localAddress: '127.0.0.1' });
      await next(again, 'secureConnect');
      await accepted;
      expect(server.stats).to.include({ badRecords: 0, discardedRecords: 0 });
      await closeEverything();
    }
  });

  it('flights that do not fit the path arrive in smaller pieces, and lost datagrams are repeated', async () => {
    const server = await listen(await withCertificate({ ...DTLS13, retransmission: { initial: 100 } }));
    const relay = await Relay.to((server.address() as { port: number }).port);
    try {
      relay.passes = (datagram) => datagram.length <= 400;
      const client = await dial(server, { ...DTLS13, port: relay.port, retransmission: { initial: 100 } });
      await next(client, 'secureConnect');
      expect(client.mtu).to.be.at.most(1200);
    } finally {
      relay.close();
    }
  });

  it('every datagram of a handshake may be lost once', async () => {
    const server = await listen(await withCertificate({ ...DTLS13, retransmission: { initial: 50 } }));
    for (let lost = 1; lost <= 9; ++lost) {
      const relay = await Relay.to((server.address() as { port: number }).port);
      try {
        let count = 0;
        relay.passes = () => ++count !== lost;
        const accepted = next(server, 'secureConnection');
        const client = await dial(server, { ...DTLS13, port: relay.port, retransmission: { initial: 50 } });
        await next(client, 'secureConnect');
        const [peer] = await accepted;
        relay.passes = () => true;
        await echo({ client, peer });
        client.destroy();
      } finally {
        relay.close();
      }
    }
  });
});
