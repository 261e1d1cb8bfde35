import { createPrivateKey, X509Certificate } from 'node:crypto';
import { expect } from 'chai';
import { createAuthority, selfSigned } from '../helpers/certificates';
import type { KeyType } from '../helpers/certificates';

const NAMES = { dnsNames: ['localhost'], ipAddresses: ['127.0.0.1', '::1'] };

function split(pem: string): X509Certificate[] {
  return pem
    .split(/(?<=-----END CERTIFICATE-----)\s+/)
    .filter(Boolean)
    .map((one) => new X509Certificate(one));
}

function first(pem: string): X509Certificate {
  const [leaf] = split(pem);
  if (!leaf) throw new Error('no certificate in the PEM');
  return leaf;
}

describe('test certificates', () => {
  for (const keyType of ['ecdsa-p256', 'rsa-2048', 'ed25519'] satisfies KeyType[]) {
    it(`issues ${keyType} certificates that verify and fit their key`, async () => {
      const authority = await createAuthority();
      const { cert, key, ca } = await authority.issue({ commonName: 'server', keyType, ...NAMES });
      const leaf = first(cert);
      const root = new X509Certificate(ca);
      expect(ca).to.equal(authority.certificatePem);
      expect(root.ca).to.be.true;
      expect(leaf.ca).to.be.false;
      expect(leaf.checkIssued(root)).to.be.true;
      expect(leaf.verify(root.publicKey)).to.be.true;
      expect(leaf.checkPrivateKey(createPrivateKey(key))).to.be.true;
      expect(leaf.checkHost('localhost')).to.equal('localhost');
      expect(leaf.checkIP('127.0.0.1')).to.equal('127.0.0.1');
      expect(leaf.checkIP('::1')).to.equal('::1');
    });

    it(`signs ${keyType} certificates with their own key`, async () => {
      const { cert, key, ca } = await selfSigned({ commonName: 'alone', keyType, ...NAMES });
      const certificate = first(cert);
      expect(ca).to.equal(cert);
      expect(certificate.verify(certificate.publicKey)).to.be.true;
      expect(certificate.checkPrivateKey(createPrivateKey(key))).to.be.true;
    });
  }

  it('chains through an intermediate authority', async () => {
    const authority = await createAuthority();
    const { cert, ca } = await authority.issue({ commonName: 'server', intermediate: true });
    const [leaf, intermediate] = split(cert);
    if (!leaf || !intermediate) throw new Error('the chain is too short');
    expect(leaf.verify(intermediate.publicKey)).to.be.true;
    expect(intermediate.ca).to.be.true;
    expect(intermediate.verify(new X509Certificate(ca).publicKey)).to.be.true;
  });

  it('keeps the dates, the purpose and the padding it is asked for', async () => {
    const authority = await createAuthority();
    const { cert } = await authority.issue({
      commonName: 'client',
      clientAuth: true,
      notBefore: new Date('2001-01-01T00:00:00Z'),
      notAfter: new Date('2002-01-01T00:00:00Z'),
      extraBytes: 20_000,
    });
    const leaf = first(cert);
    expect(new Date(leaf.validFrom).getUTCFullYear()).to.equal(2001);
    expect(new Date(leaf.validTo).getUTCFullYear()).to.equal(2002);
    expect(leaf.keyUsage).to.deep.equal(['1.3.6.1.5.5.7.3.2']);
    expect(leaf.raw.length).to.be.within(20_000, 21_000);
  });

  it('makes each certificate once', async () => {
    const authority = await createAuthority();
    expect(await createAuthority()).to.equal(authority);
    expect(await createAuthority('another')).to.not.equal(authority);
    const options = { commonName: 'server', ...NAMES };
    expect(await authority.issue(options)).to.equal(await authority.issue({ ...options }));
  });
});
