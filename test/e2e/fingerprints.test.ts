// Protects fingerprints: with 'peerFingerprints' a peer's certificate is accepted for its fingerprint
// and for nothing else, on both sides, also when a session is resumed.
import { createHash, X509Certificate } from 'node:crypto';
import { expect } from 'chai';
import { connect, createServer, type PeerFingerprint } from '../../lib/index';
import { createAuthority, selfSigned, type Certificate } from '../helpers/certificates';
import {
  certificate,
  clientFailure,
  closeEverything,
  dial,
  failure,
  listen,
  next,
  open,
  openOn,
  openPsk,
  PSK_CLIENT,
  PSK_SERVER,
} from '../helpers/pair';

afterEach(closeEverything);

type Algorithm = 'sha-256' | 'sha-384' | 'sha-512';

function fingerprintOf({ cert }: Certificate, algorithm: Algorithm = 'sha-256'): string {
  const digest = createHash(algorithm.replace('-', '')).update(new X509Certificate(cert).raw).digest();
  return (digest.toString('hex').match(/../g) ?? []).join(':').toUpperCase();
}

const LONG_AGO = { notBefore: new Date('2001-01-01'), notAfter: new Date('2002-01-01') };

describe('fingerprints', () => {
  let server: Certificate;
  let client: Certificate;

  before(async () => {
    // Self-signed, for no name, and long expired: as little as a certificate can be.
    server = await selfSigned({ commonName: 'one', ...LONG_AGO });
    client = await selfSigned({ commonName: 'other', ...LONG_AGO });
  });

  const identity = ({ cert, key }: Certificate): { cert: string; key: string } => ({ cert, key });

  it('of a server count for no name whose own rules have an authority, which judges the certificate they demanded', async () => {
    const authority = await createAuthority('an authority of this name');
    const staff = await authority.issue({ commonName: 'staff', clientAuth: true });
    const rules = identity(await certificate());
    const listening = await listen({ ...rules, peerFingerprints: fingerprintOf(client) });
    listening.addContext('localhost', { ...rules, ca: authority.certificatePem });
    const named = { servername: 'localhost' };
    expect((await openOn(listening, { ...named, ...identity(staff) })).peer.authorized).to.equal(true);
    for (const [credentials, code] of [
      [identity(client), 'DEPTH_ZERO_SELF_SIGNED_CERT'],
      [{}, 'ERR_DTLS_PEER_CERTIFICATE_MISSING'],
    ] as const) {
      const refused = clientFailure(listening);
      await failure(await dial(listening, { ...named, ...credentials }));
      expect((await refused).code).to.equal(code);
    }
    expect((await openOn(listening, identity(client))).peer.authorized).to.equal(true);
  });

  it('let two self-signed peers know each other', async () => {
    const pair = await open(
      { ...identity(server), peerFingerprints: `sha-256 ${fingerprintOf(client)}` },
      { ...identity(client), peerFingerprints: fingerprintOf(server), ca: undefined },
    );
    for (const socket of [pair.client, pair.peer]) {
      expect(socket.authorized).to.equal(true);
      expect(socket.authorizationError).to.equal(null);
    }
    expect(pair.peer.getPeerX509Certificate()?.fingerprint256).to.equal(fingerprintOf(client));
  });

  const forms: readonly [string, (other: string) => PeerFingerprint | PeerFingerprint[]][] = [
    ["as X509Certificate's fingerprint256", () => new X509Certificate(server.cert).fingerprint256],
    ['in lower case', () => fingerprintOf(server).toLowerCase()],
    ['by sha-384', () => `sha-384 ${fingerprintOf(server, 'sha-384')}`],
    ['by SHA-512', () => `SHA-512 ${fingerprintOf(server, 'sha-512')}`],
    ["as WebRTC's object", () => ({ algorithm: 'sha-256', value: fingerprintOf(server) })],
    ['without colons', () => fingerprintOf(server).replaceAll(':', '')],
    ['without colons, by sha-512', () => `sha-512 ${fingerprintOf(server, 'sha-512').replaceAll(':', '').toLowerCase()}`],
    ["without colons, as WebRTC's object", () => ({ algorithm: 'sha-256', value: fingerprintOf(server).replaceAll(':', '') })],
    ["as 'openssl x509 -fingerprint -sha256' prints them", () => `sha256 Fingerprint=${fingerprintOf(server)}\n`],
    ["as OpenSSL 1.1's prints them", () => `SHA384 Fingerprint=${fingerprintOf(server, 'sha-384')}`],
    [
      'among some by algorithms that are none of ours (RFC 8122 section 5)',
      () => ['sha-1 AB:CD', { algorithm: 'md5', value: 'AB' }, 'sha-999 00', fingerprintOf(server), { algorithm: 'sha-224', value: 'AB' }],
    ],
    ['one of several', (other) => [other, fingerprintOf(server)]],
    [
      'by the strongest algorithm, whatever the weaker ones say (RFC 8122 section 5)',
      (other) => [`sha-512 ${fingerprintOf(server, 'sha-512')}`, `sha-256 ${other}`],
    ],
  ];
  for (const [what, peerFingerprints] of forms) {
    it(`are taken ${what}`, async () => {
      const given = peerFingerprints(fingerprintOf(client));
      const pair = await open(identity(server), { ca: undefined, peerFingerprints: given });
      expect(pair.client.authorized).to.equal(true);
    });
  }

  it('of somebody else are refused by a client, although the chain is good', async () => {
    const good = await certificate();
    const to = await listen(identity(good));
    const atServer = clientFailure(to);
    const error = await failure(await dial(to, { peerFingerprints: fingerprintOf(client) }));
    expect(error).to.include({
      code: 'ERR_DTLS_FINGERPRINT',
      category: 'certificate',
      alert: 'bad_certificate',
    });
    expect(error.hint).to.include('peerFingerprints');
    const { code, hint } = await atServer;
    expect(code).to.equal('ERR_DTLS_ALERT_BAD_CERTIFICATE');
    expect(hint).to.include('a fingerprint').and.include('names cover the host');
  });

  it('of somebody else are refused by a server', async () => {
    const to = await listen({ ...identity(server), peerFingerprints: fingerprintOf(server) });
    const atServer = clientFailure(to);
    const trusting = { ca: undefined, rejectUnauthorized: false };
    const error = await failure(await dial(to, { ...identity(client), ...trusting }));
    expect(error.code).to.equal('ERR_DTLS_ALERT_BAD_CERTIFICATE');
    expect(await atServer).to.include({ code: 'ERR_DTLS_FINGERPRINT', category: 'certificate' });
    const nobody = clientFailure(to);
    (await dial(to, trusting)).on('error', () => undefined);
    expect((await nobody).code).to.equal('ERR_DTLS_PEER_CERTIFICATE_MISSING');
  });

  it('count by the strongest algorithm only', async () => {
    const to = await listen(identity(server));
    const mixed = [`sha-512 ${fingerprintOf(client, 'sha-512')}`, `sha-256 ${fingerprintOf(server)}`];
    const error = await failure(await dial(to, { ca: undefined, peerFingerprints: mixed }));
    expect(error.code).to.equal('ERR_DTLS_FINGERPRINT');
  });

  it('show in authorizationError when rejectUnauthorized is false', async () => {
    const rejectUnauthorized = false;
    const wrong = { peerFingerprints: `sha-256 ${'00:'.repeat(31)}00`, rejectUnauthorized };
    const pair = await open(
      { ...identity(server), ...wrong },
      { ...identity(client), ...wrong, ca: undefined },
    );
    for (const socket of [pair.client, pair.peer]) {
      expect(socket.authorized).to.equal(false);
      expect(socket.authorizationError).to.equal('CERT_REJECTED');
    }
  });

  it('can be those of a name', async () => {
    const to = await listen(identity(server));
    to.addContext('known.example', {
      ...identity(server),
      peerFingerprints: fingerprintOf(client),
    });
    const options = { ...identity(client), ca: undefined, peerFingerprints: fingerprintOf(server) };
    const named = await openOn(to, { ...options, servername: 'known.example' });
    expect(named.peer.authorized).to.equal(true);
    const other = await openOn(to, { ...options, servername: 'other.example' });
    expect(other.peer.getPeerCertificate()).to.deep.equal({});
  });

  it('do not concern pre-shared keys', async () => {
    const wrong = { peerFingerprints: `sha-256 ${'00:'.repeat(31)}00` };
    const pair = await openPsk({ ...PSK_SERVER, ...wrong }, { ...PSK_CLIENT, ...wrong });
    expect([pair.client.authorized, pair.peer.authorized]).to.deep.equal([true, true]);
  });

  it('are compared again when a session is resumed', async () => {
    const to = await listen({ ...identity(server), peerFingerprints: fingerprintOf(client) });
    const options = { ...identity(client), ca: undefined, peerFingerprints: fingerprintOf(server) };
    const first = await dial(to, options);
    const [session] = await next(first, 'session');
    const again = await openOn(to, { ...options, session });
    expect([again.client.isSessionReused(), again.client.authorized, again.peer.authorized]).to.deep.equal([
      true,
      true,
      true,
    ]);
    // Whoever expects another fingerprint does not get in by the old session, nor does who judges by the chain.
    const stranger = { ...options, session, peerFingerprints: fingerprintOf(client) };
    expect((await failure(await dial(to, stranger))).code).to.equal('ERR_DTLS_FINGERPRINT');
    const byChain = { ...identity(client), session };
    expect((await failure(await dial(to, byChain))).category).to.equal('certificate');
  });

  it('of a server with other expectations resume nothing', async () => {
    const ticketKeys = Buffer.alloc(48, 1);
    const [one, two] = await Promise.all(
      [client, server].map((expected) =>
        listen({
          ...identity(server),
          ticketKeys,
          peerFingerprints: [fingerprintOf(expected), fingerprintOf(client)],
        }),
      ),
    );
    if (one === undefined || two === undefined) throw new Error('two servers');
    const options = { ...identity(client), ca: undefined, peerFingerprints: fingerprintOf(server) };
    const [session] = await next(await dial(one, options), 'session');
    const pair = await openOn(two, { ...options, session });
    expect(pair.client.isSessionReused()).to.equal(false);
  });

  describe('are refused as an option', () => {
    for (const [what, bad, code] of [
      ['empty', [], 'ERR_INVALID_ARG_VALUE'],
      ['of no bytes', '', 'ERR_INVALID_ARG_VALUE'],
      ['of another length', 'sha-256 AB:CD', 'ERR_INVALID_ARG_VALUE'],
      ['with colons in some places only', `${'ab'.repeat(31)}:ab`, 'ERR_INVALID_ARG_VALUE'],
      ['without colons, and half a byte short', 'a'.repeat(63), 'ERR_INVALID_ARG_VALUE'],
      ["of SHA-1, as 'openssl x509 -fingerprint' prints them", `sha1 Fingerprint=${'00:'.repeat(19)}00`, 'ERR_INVALID_ARG_VALUE'],
      ['not in hexadecimal digits', `${'0g:'.repeat(31)}00`, 'ERR_INVALID_ARG_VALUE'],
      ['by md5', `md5 ${'00:'.repeat(15)}00`, 'ERR_INVALID_ARG_VALUE'],
      ['by sha-1', `sha-1 ${'00:'.repeat(19)}00`, 'ERR_INVALID_ARG_VALUE'],
      ['by none that is ours, of several', [`sha-1 ${'00:'.repeat(19)}00`, { algorithm: 'md5', value: '00' }], 'ERR_INVALID_ARG_VALUE'],
      ['by a name that objects inherit', { algorithm: 'toString', value: '00' }, 'ERR_INVALID_ARG_VALUE'],
      ['a number', 7, 'ERR_INVALID_ARG_TYPE'],
      ['null', null, 'ERR_INVALID_ARG_TYPE'],
      ['an object without value', { algorithm: 'sha-256' }, 'ERR_INVALID_ARG_TYPE'],
      ['a Buffer', Buffer.alloc(32), 'ERR_INVALID_ARG_TYPE'],
    ] as const) {
      it(what, () => {
        const peerFingerprints = bad as unknown as PeerFingerprint;
        expect(() => connect({ port: 1, peerFingerprints })).to.throw().with.property('code', code);
        expect(() => createServer({ ...identity(server), peerFingerprints }))
          .to.throw()
          .with.property('code', code);
      });
    }

    it('of SHA-1 with a hint that names the option of openssl x509', () => {
      for (const peerFingerprints of ['00:'.repeat(19) + '00', '0'.repeat(40), `SHA1 Fingerprint=${'00:'.repeat(19)}00`]) {
        expect(() => connect({ port: 1, peerFingerprints })).to.throw().with.property('hint').that.includes('-sha256');
      }
    });

    it('beside requestCert: false', () => {
      const options = { requestCert: false, peerFingerprints: fingerprintOf(client) };
      expect(() => createServer({ ...identity(server), ...options }))
        .to.throw()
        .with.property('code', 'ERR_DTLS_CONFLICTING_OPTIONS');
    });
  });
});
