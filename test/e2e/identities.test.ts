// Protects: own certificates and keys in every form that tls takes them (several key types, any order,
// encrypted, PKCS #12), that the right one is shown, and how a peer's certificate is shown here.

import { createPrivateKey, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import tls, { type DetailedPeerCertificate, type PeerCertificate } from 'node:tls';

import { expect } from 'chai';

import { createSecureContext, type DTLSError, type SecureContextOptions } from '../../lib/index';
import { createAuthority, selfSigned, type Certificate } from '../helpers/certificates';
import {
  certificate,
  clientFailure,
  closeEverything,
  dial,
  failure,
  listen,
  open,
  openOn,
} from '../helpers/pair';
import { requirePrograms } from '../helpers/peers';
import { makePfx } from '../helpers/pki';

const encrypted = (key: string, passphrase: string): string =>
  createPrivateKey(key).export({
    type: 'pkcs8',
    format: 'pem',
    cipher: 'aes-256-cbc',
    passphrase,
  }) as string;

const fingerprint = (made: Certificate | undefined): string =>
  new X509Certificate(made?.cert ?? '').fingerprint256;

function refusal(options: SecureContextOptions): DTLSError {
  try {
    createSecureContext(options);
  } catch (error) {
    return error as DTLSError;
  }
  throw new Error('it was accepted');
}

/** What node:tls shows of the same certificate, on a connection of its own. */
async function asTlsShowsIt(
  { cert, key }: Certificate,
  ca: string | string[],
): Promise<{ plain: PeerCertificate; detailed: DetailedPeerCertificate; own: object | null }> {
  const server = tls.createServer({ cert, key });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const accepted = once(server, 'secureConnection') as Promise<[tls.TLSSocket]>;
  const client = tls.connect({ port, host: '127.0.0.1', ca });
  await once(client, 'secureConnect');
  const [peer] = await accepted;
  const shown = {
    plain: client.getPeerCertificate(),
    detailed: client.getPeerCertificate(true),
    own: peer.getCertificate(),
  };
  client.destroy();
  peer.destroy();
  server.close();
  await once(server, 'close');
  return shown;
}

afterEach(closeEverything);

describe('own certificates', () => {
  describe('of several key types on one server', () => {
    const suites = { ECDSA: 'ecdsa-p256', RSA: 'rsa-2048' } as const;

    for (const order of ['in the order of their certificates', 'in another order']) {
      it(`are chosen by the client's suites, with keys ${order}`, async () => {
        const all = await Promise.all(
          Object.values(suites).map((keyType) => certificate({ keyType, intermediate: true })),
        );
        const keys = all.map(({ key }) => key);
        if (order !== 'in the order of their certificates') keys.reverse();
        const server = await listen({ cert: all.map(({ cert }) => cert), key: keys });
        for (const [at, type] of Object.keys(suites).entries()) {
          const { client, peer } = await openOn(server, {
            ciphers: `ECDHE-${type}-AES128-GCM-SHA256`,
          });
          const expected = fingerprint(all[at]);
          expect(client.getPeerX509Certificate()?.fingerprint256).to.equal(expected);
          expect(peer.getX509Certificate()?.fingerprint256).to.equal(expected);
          expect((peer.getCertificate() as PeerCertificate).fingerprint256).to.equal(expected);
          expect(client.authorized).to.equal(true);
        }
      });
    }

    it('are chosen on a client by what the server can verify', async () => {
      const { certificatePem: ca } = await createAuthority();
      const mine = await Promise.all(
        Object.values(suites).map((keyType) => certificate({ keyType, clientAuth: true })),
      );
      const options = { cert: mine.map(({ cert }) => cert), key: mine.map(({ key }) => key) };
      for (const [at, keyType] of Object.values(suites).entries()) {
        // Both what the server signs with and what it accepts.
        const sigalgs = keyType === 'rsa-2048' ? 'RSA-PSS+SHA256' : 'ECDSA+SHA256';
        const { cert, key } = await certificate({ keyType });
        const server = await listen({ cert, key, ca, sigalgs, requestCert: true });
        const { client, peer } = await openOn(server, options);
        const expected = fingerprint(mine[at]);
        expect(peer.authorized).to.equal(true);
        expect(peer.getPeerX509Certificate()?.fingerprint256).to.equal(expected);
        expect(client.getX509Certificate()?.fingerprint256).to.equal(expected);
      }
    });

    it('cannot be two of one type, which OpenSSL would silently forget one of', async () => {
      const [one, two] = [await certificate(), await certificate({ commonName: 'other' })];
      const error = refusal({ cert: [one.cert, two.cert], key: [one.key, two.key] });
      expect(error).to.include({
        code: 'ERR_DTLS_INVALID_CERTIFICATE',
        reason: 'two certificates of one key type',
      });
    });

    it('need the key of each', async () => {
      const ec = await certificate();
      const rsa = await certificate({ keyType: 'rsa-2048' });
      const other = await selfSigned({ commonName: 'other' });
      const both = [ec.cert, rsa.cert];
      expect(refusal({ cert: both, key: [ec.key, ec.key] }).code).to.equal('ERR_DTLS_KEY_MISMATCH');
      expect(refusal({ cert: both, key: [rsa.key, other.key] }).code).to.equal(
        'ERR_DTLS_KEY_MISMATCH',
      );
    });
  });

  describe('with Ed25519', () => {
    const onlyEd25519 = { sigalgs: 'ed25519' };

    it('authenticate clients', async () => {
      const { certificatePem: ca } = await createAuthority();
      const { cert, key } = await certificate();
      const mine = await certificate({ keyType: 'ed25519', clientAuth: true });
      const { peer } = await open(
        { cert, key, ca, requestCert: true },
        { cert: mine.cert, key: mine.key },
      );
      expect(peer.authorized).to.equal(true);
      expect(peer.getPeerX509Certificate()?.publicKey.asymmetricKeyType).to.equal('ed25519');
    });

    it('authenticate a server beside an ECDSA certificate', async () => {
      const all = [await certificate(), await certificate({ keyType: 'ed25519' })];
      const server = await listen({
        cert: all.map(({ cert }) => cert),
        key: all.map(({ key }) => key),
      });
      const { client } = await openOn(server, onlyEd25519);
      expect(client.authorized).to.equal(true);
      expect(client.getPeerX509Certificate()?.publicKey.asymmetricKeyType).to.equal('ed25519');
    });

    it('alone do not, because OpenSSL counts them as ECDSA in TLS only', async () => {
      const { cert, key } = await certificate({ keyType: 'ed25519' });
      const server = await listen({ cert, key });
      const refused = clientFailure(server);
      const error = await failure(await dial(server));
      expect((await refused).code).to.equal('ERR_DTLS_NO_SHARED_CIPHER');
      expect(error.alert).to.equal('handshake_failure');
    });
  });

  describe('with encrypted keys', () => {
    it('of several passphrases', async () => {
      const [ec, rsa] = [await certificate(), await certificate({ keyType: 'rsa-2048' })];
      createSecureContext({
        cert: [ec.cert, rsa.cert],
        key: [
          { pem: encrypted(ec.key, 'one'), passphrase: 'one' },
          encrypted(rsa.key, 'two'),
        ],
        passphrase: 'two',
      });
    });

    it('serve on both sides: PEM, with its own passphrase or the common one', async () => {
      const { certificatePem: ca } = await createAuthority();
      const theirs = await certificate({ keyType: 'rsa-2048' });
      const mine = await certificate({ clientAuth: true, commonName: 'with an encrypted key' });
      const { client, peer } = await open(
        { cert: theirs.cert, key: { pem: encrypted(theirs.key, 'one'), passphrase: 'one' }, ca, requestCert: true },
        { cert: mine.cert, key: encrypted(mine.key, 'two'), passphrase: 'two' },
      );
      expect([client.authorized, peer.authorized]).to.deep.equal([true, true]);
      expect(peer.getPeerX509Certificate()?.fingerprint256).to.equal(fingerprint(mine));
    });

    for (const [what, passphrase] of [
      ['a wrong one', 'wrong'],
      ['none', undefined],
      ['an empty one', ''],
      ['one of 2000 bytes', 'x'.repeat(2000)],
    ] as const) {
      it(`refuse ${what}`, async () => {
        const { cert, key } = await certificate();
        const error = refusal({ cert, key: encrypted(key, 'secret'), passphrase });
        expect(error).to.include({ code: 'ERR_DTLS_PASSPHRASE', category: 'usage' });
        expect(error.hint).to.include("'passphrase'");
      });
    }

    it('whose passphrase is no string', async () => {
      const { cert, key } = await certificate();
      const passphrase = 7 as unknown as string;
      expect(refusal({ cert, key, passphrase }).code).to.equal('ERR_INVALID_ARG_TYPE');
      expect(refusal({ cert, key: { pem: key, passphrase } }).code).to.equal(
        'ERR_INVALID_ARG_TYPE',
      );
    });
  });

  describe('in PEM that is none', () => {
    it('name the option', async () => {
      const { cert, key } = await certificate();
      const cut = cert.slice(0, cert.length / 2);
      for (const bad of ['', 'rubbish', cut, `${cert}${cut}`, key]) {
        expect(refusal({ cert: bad, key }).code, bad).to.equal('ERR_DTLS_INVALID_CERTIFICATE');
      }
      for (const bad of ['', 'rubbish', cert, key.slice(0, key.length / 2)]) {
        expect(refusal({ cert, key: bad }).code, bad).to.equal('ERR_DTLS_INVALID_KEY');
      }
      for (const bad of ['', key, cut]) {
        expect(refusal({ ca: bad }).code, bad).to.equal('ERR_DTLS_INVALID_CA');
        expect(refusal({ crl: bad }).code, bad).to.equal('ERR_DTLS_INVALID_CRL');
      }
    });
  });

  describe('in PKCS #12', () => {
    before(function () {
      requirePrograms(this, 'openssl');
    });

    it('serve, with their chain', async () => {
      const made = await certificate({ intermediate: true });
      const pfx = makePfx(made, { passphrase: 'secret' });
      for (const options of [
        { pfx, passphrase: 'secret' },
        { pfx: [pfx], passphrase: 'secret' },
        { pfx: { buf: pfx, passphrase: 'secret' } },
        { pfx: [{ buf: new Uint8Array(pfx), passphrase: 'secret' }], passphrase: 'another' },
      ] satisfies SecureContextOptions[]) {
        const { client } = await open(options);
        expect(client.authorized).to.equal(true);
        expect(client.getPeerX509Certificate()?.fingerprint256).to.equal(fingerprint(made));
      }
    });

    it('stand beside others', async () => {
      const [ec, rsa] = [await certificate(), await certificate({ keyType: 'rsa-2048' })];
      const pfx = makePfx(rsa, { passphrase: 'secret' });
      const server = await listen({ cert: ec.cert, key: ec.key, pfx, passphrase: 'secret' });
      for (const [type, { cert }] of Object.entries({ ECDSA: ec, RSA: rsa })) {
        const { client } = await openOn(server, { ciphers: `ECDHE-${type}-AES128-GCM-SHA256` });
        expect(client.getPeerX509Certificate()?.fingerprint256).to.equal(
          new X509Certificate(cert).fingerprint256,
        );
      }
    });

    it('are trusted with the authorities in them, as in tls', async () => {
      const { certificatePem } = await createAuthority();
      const mine = await certificate({ clientAuth: true });
      const pfx = makePfx(mine, { passphrase: 'secret', others: certificatePem });
      const server = await listen({
        pfx: makePfx(await certificate(), { passphrase: 'x', others: certificatePem }),
        ...{ passphrase: 'x', requestCert: true },
      });
      // Nobody passes 'ca'.
      const { client, peer } = await openOn(server, { ca: undefined, pfx, passphrase: 'secret' });
      expect([client.authorized, peer.authorized]).to.deep.equal([true, true]);
    });

    it('without a passphrase, or with an empty one', async () => {
      const made = await certificate();
      const pfx = makePfx(made, { passphrase: '' });
      createSecureContext({ pfx });
      createSecureContext({ pfx, passphrase: '' });
    });

    it('refuse a wrong passphrase', async () => {
      const pfx = makePfx(await certificate(), { passphrase: 'secret' });
      for (const passphrase of ['wrong', '', undefined]) {
        const error = refusal({ pfx, passphrase });
        expect(error).to.include({ code: 'ERR_DTLS_PASSPHRASE', category: 'usage' });
      }
    });

    it('refuse what is none', async () => {
      const { cert, key } = await certificate();
      const pfx = makePfx({ cert, key }, { passphrase: 'secret' });
      for (const bad of [Buffer.alloc(0), Buffer.from(cert), pfx.subarray(0, pfx.length / 2)]) {
        const error = refusal({ pfx: bad, passphrase: 'secret' });
        expect(error).to.include({ code: 'ERR_DTLS_INVALID_PFX', category: 'usage' });
      }
      expect(refusal({ pfx: 7 as never }).code).to.equal('ERR_INVALID_ARG_TYPE');
      const bare = makePfx({ cert, key }, { passphrase: 'x', extra: ['-nokeys'] });
      expect(refusal({ pfx: bare, passphrase: 'x' })).to.include({
        code: 'ERR_DTLS_INVALID_PFX',
        reason: 'no private key with its certificate',
      });
    });
  });
});

describe("a peer's certificate", () => {
  for (const keyType of ['ecdsa-p256', 'rsa-2048'] as const) {
    it(`looks as tls shows it, field by field: ${keyType} by way of an intermediate`, async () => {
      const { certificatePem: ca } = await createAuthority();
      const made = await certificate({ keyType, intermediate: true });
      const shown = await asTlsShowsIt(made, ca);
      const { client, peer } = await open({ cert: made.cert, key: made.key });

      expect(client.getPeerCertificate()).to.deep.equal(shown.plain);
      expect(client.getPeerCertificate(false)).to.deep.equal(shown.plain);
      expect(client.getPeerCertificate()).not.to.have.property('issuerCertificate');
      expect(peer.getCertificate()).to.deep.equal(shown.own);

      let ours = client.getPeerCertificate(true) as DetailedPeerCertificate;
      let theirs = shown.detailed;
      for (const name of ['localhost', 'dgram-dtls test authority intermediate']) {
        expect(ours.subject.CN).to.equal(name);
        expect({ ...ours, issuerCertificate: null }).to.deep.equal({
          ...theirs,
          issuerCertificate: null,
        });
        expect(Object.keys(ours).sort()).to.deep.equal(Object.keys(theirs).sort());
        ours = ours.issuerCertificate;
        theirs = theirs.issuerCertificate;
      }
      // The root was not sent: it comes from the authorities trusted here, and is its own issuer.
      expect(ours.subject.CN).to.equal('dgram-dtls test authority');
      expect(theirs.issuerCertificate).to.equal(theirs);
      expect(ours.issuerCertificate).to.equal(ours);
      expect(ours.raw.equals(theirs.raw)).to.equal(true);
    });
  }

  it('that is self-signed is its own issuer', async () => {
    const made = await selfSigned({ commonName: 'localhost', ipAddresses: ['127.0.0.1'] });
    const { detailed } = await asTlsShowsIt(made, made.ca);
    for (const ca of [made.ca, undefined]) {
      const { client } = await open(
        { cert: made.cert, key: made.key },
        { ca, rejectUnauthorized: ca !== undefined },
      );
      const ours = client.getPeerCertificate(true) as DetailedPeerCertificate;
      expect({ ...ours, issuerCertificate: null }).to.deep.equal({
        ...detailed,
        issuerCertificate: null,
      });
      // Its key usage is not to sign certificates: tls gives it a copy of itself as issuer, and that
      // one another, because it compares pointers.
      expect(ours.issuerCertificate).to.equal(ours);
      expect(detailed.issuerCertificate.raw.equals(ours.raw)).to.equal(true);
    }
  });

  it('whose issuer is not known has none', async () => {
    const { cert, key } = await certificate();
    const stranger = await createAuthority('nobody');
    const { client } = await open(
      { cert, key },
      { ca: stranger.certificatePem, rejectUnauthorized: false },
    );
    expect(client.getPeerCertificate(true)).not.to.have.property('issuerCertificate');
    expect(client.getPeerX509Certificate()?.issuerCertificate).to.equal(undefined);
  });

  it("as an X509Certificate leads to its issuers, the server's and the client's", async () => {
    const { certificatePem: ca } = await createAuthority();
    const root = new X509Certificate(ca).fingerprint256;
    const theirs = await certificate({ intermediate: true });
    const mine = await certificate({ intermediate: true, clientAuth: true });
    const { client, peer } = await open(
      { cert: theirs.cert, key: theirs.key, ca, requestCert: true },
      { cert: mine.cert, key: mine.key },
    );
    for (const [socket, made] of [
      [client, theirs],
      [peer, mine],
    ] as const) {
      const leaf = socket.getPeerX509Certificate();
      expect(leaf).to.be.instanceOf(X509Certificate);
      expect(leaf?.fingerprint256).to.equal(fingerprint(made));
      const issuer = leaf?.issuerCertificate;
      expect(issuer?.subject).to.equal('CN=dgram-dtls test authority intermediate');
      expect(issuer !== undefined && leaf?.checkIssued(issuer)).to.equal(true);
      expect(issuer?.issuerCertificate?.fingerprint256).to.equal(root);
      expect(issuer?.issuerCertificate?.issuerCertificate).to.equal(undefined);
    }
  });

  it('is an empty object where there is none, and own ones too', async () => {
    const { cert, key } = await certificate();
    const { client, peer } = await open({ cert, key });
    expect(peer.getPeerCertificate()).to.deep.equal({});
    expect(peer.getPeerCertificate(true)).to.deep.equal({});
    expect(peer.getPeerX509Certificate()).to.equal(undefined);
    expect(client.getCertificate()).to.deep.equal({});
    const later = await dial(await listen({ cert, key }));
    expect(later.getPeerCertificate()).to.deep.equal({});
    expect(later.getPeerCertificate(true)).to.deep.equal({});
  });
});
