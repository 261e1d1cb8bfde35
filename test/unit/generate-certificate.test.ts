// Protects generateCertificate: what it makes verifies under OpenSSL's strict rules and serves in handshakes as it
// is; names are those that were asked for and nothing else; what cannot be made is refused by name.
import { expect } from 'chai';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { once } from 'node:events';

import {
  connect,
  createServer,
  DTLSError,
  generateCertificate,
  type GenerateCertificateOptions,
} from '../../lib/index';
import { hasNativeUdp } from '../../lib/transport/native-udp';
import { closeEverything, listen, openOn } from '../helpers/pair';
import { requirePrograms } from '../helpers/peers';
import { opensslVerify } from '../helpers/pki';

async function refusal(options: unknown): Promise<DTLSError> {
  try {
    await generateCertificate(options as GenerateCertificateOptions);
  } catch (error) {
    expect(error).to.be.instanceOf(DTLSError);
    return error as DTLSError;
  }
  throw new Error('made');
}

const read = ({ cert }: { cert: string }): X509Certificate => new X509Certificate(cert);

describe('generateCertificate', () => {
  it('without options is for this machine alone', async () => {
    const made = await generateCertificate();
    const certificate = read(made);
    expect(certificate.subject).to.equal('CN=localhost');
    expect(certificate.subjectAltName).to.equal(
      'DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1',
    );
    expect(certificate.ca).to.equal(false);
    expect(certificate.verify(certificate.publicKey)).to.equal(true);
    expect(certificate.checkPrivateKey(createPrivateKey(made.key))).to.equal(true);
    const [from, to] = [Date.parse(certificate.validFrom), Date.parse(certificate.validTo)];
    expect(from).to.be.within(Date.now() - 3_660_000, Date.now() - 3_540_000);
    expect(to).to.be.within(Date.now() + 29.9 * 86_400_000, Date.now() + 30.1 * 86_400_000);
  });

  for (const [keyType, expected] of [
    ['ec', { type: 'ec', details: { namedCurve: 'prime256v1' } }],
    ['rsa', { type: 'rsa', details: { modulusLength: 2048 } }],
    ['ed25519', { type: 'ed25519', details: {} }],
  ] as const) {
    it(`makes ${keyType} keys, and authorities with them`, async () => {
      const authority = await generateCertificate({ ca: true, keyType, subject: 'an authority' });
      const { publicKey } = read(authority);
      expect(publicKey.asymmetricKeyType).to.equal(expected.type);
      expect(publicKey.asymmetricKeyDetails).to.deep.include(expected.details);
      const end = read(await generateCertificate({ keyType: 'ec', issuer: authority }));
      expect(end.checkIssued(read(authority))).to.equal(true);
      expect(end.verify(publicKey)).to.equal(true);
    });
  }

  it('each has a number of its own', async () => {
    const numbers = await Promise.all(
      [1, 2, 3, 4].map(async () => read(await generateCertificate()).serialNumber),
    );
    expect(new Set(numbers).size).to.equal(4);
    for (const number of numbers) expect(number).to.match(/^[4-7][0-9A-F]{31}$/);
  });

  for (const [given, subject, names] of [
    [{ subject: 'coap.example' }, 'CN=coap.example', 'DNS:coap.example'],
    [{ subject: '192.0.2.1' }, 'CN=192.0.2.1', 'IP Address:192.0.2.1'],
    [{ subject: 'A Company' }, 'CN=A Company', undefined],
    [{ subject: 'A Company', altNames: ['x.example'] }, 'CN=A Company', 'DNS:x.example'],
    [{ subject: { O: 'Übung', CN: 'x', C: 'DE' } }, 'CN=x\nO=Übung\nC=DE', 'DNS:x'],
    [{ altNames: ['a.example', '*.a.example'] }, 'CN=a.example', 'DNS:a.example, DNS:*.a.example'],
    [{ altNames: ['bücher.example'] }, 'CN=xn--bcher-kva.example', 'DNS:xn--bcher-kva.example'],
    [{ altNames: [`${'a'.repeat(63)}.example`] }, undefined, `DNS:${'a'.repeat(63)}.example`],
    [{ subject: '12' }, 'CN=12', undefined],
    [{ subject: '😀' }, 'CN=😀', 'DNS:xn--e28h'],
    [{ subject: 'a, DNS:evil.example', altNames: [] }, 'CN=a\\, DNS:evil.example', undefined],
  ] as const) {
    it(`names ${JSON.stringify(given).slice(0, 60)}`, async () => {
      const certificate = read(await generateCertificate(given));
      // Newer Nodes print an empty subject as undefined.
      expect(certificate.subject).to.be.oneOf(subject === undefined ? [undefined, ''] : [subject]);
      expect(certificate.subjectAltName).to.equal(names);
    });
  }

  for (const [given, code] of [
    [null, 'ERR_INVALID_ARG_TYPE'],
    [{ subjekt: 'x' }, 'ERR_DTLS_UNKNOWN_OPTION'],
    [{ subject: 1 }, 'ERR_INVALID_ARG_TYPE'],
    [{ subject: '' }, 'ERR_DTLS_INVALID_SUBJECT'],
    [{ subject: {} }, 'ERR_DTLS_INVALID_SUBJECT'],
    [{ subject: 'x'.repeat(65) }, 'ERR_DTLS_INVALID_SUBJECT'],
    [{ subject: { C: 'DEU' } }, 'ERR_DTLS_INVALID_SUBJECT'],
    [{ subject: { X: '1' } }, 'ERR_DTLS_UNKNOWN_OPTION'],
    [{ subject: { CN: 1 } }, 'ERR_INVALID_ARG_TYPE'],
    [{ altNames: 'x' }, 'ERR_INVALID_ARG_TYPE'],
    [{ altNames: [1] }, 'ERR_INVALID_ARG_TYPE'],
    [{ altNames: [''] }, 'ERR_INVALID_ARG_VALUE'],
    [{ altNames: ['coaps://x'] }, 'ERR_INVALID_ARG_VALUE'],
    [{ altNames: ['x,DNS:y'] }, 'ERR_INVALID_ARG_VALUE'],
    [{ altNames: ['x\0y'] }, 'ERR_INVALID_ARG_VALUE'],
    [{ altNames: ['a.*.example'] }, 'ERR_INVALID_ARG_VALUE'],
    [{ altNames: ['fe80::1%lo'] }, 'ERR_INVALID_ARG_VALUE'],
    // What domainToASCII would make another name of, or an address.
    [{ altNames: ['1.2.3'] }, 'ERR_INVALID_ARG_VALUE'],
    [{ altNames: ['2130706433'] }, 'ERR_INVALID_ARG_VALUE'],
    [{ altNames: ['0x7f.1'] }, 'ERR_INVALID_ARG_VALUE'],
    [{ altNames: ['*.0x7f.1'] }, 'ERR_INVALID_ARG_VALUE'],
    [{ altNames: ['*.192.0.2.1'] }, 'ERR_INVALID_ARG_VALUE'],
    [{ altNames: ['\uff11.2.3.4'] }, 'ERR_INVALID_ARG_VALUE'],
    [{ altNames: ['a%2eb'] }, 'ERR_INVALID_ARG_VALUE'],
    [{ altNames: ['a\tb.example'] }, 'ERR_INVALID_ARG_VALUE'],
    [{ altNames: [' a.example'] }, 'ERR_INVALID_ARG_VALUE'],
    [{ subject: 'bank.example\0.evil.example' }, 'ERR_DTLS_INVALID_SUBJECT'],
    [{ subject: { O: 'a\0b' } }, 'ERR_DTLS_INVALID_SUBJECT'],
    [{ subject: 'half \ud800' }, 'ERR_DTLS_INVALID_SUBJECT'],
    [{ subject: { CN: 'x', OU: '\udc00 half' } }, 'ERR_DTLS_INVALID_SUBJECT'],
    [{ altNames: [] }, 'ERR_DTLS_INVALID_SUBJECT'],
    // eslint-disable-next-line no-sparse-arrays -- it is what is tested
    [{ altNames: [, 'a.example'] }, 'ERR_INVALID_ARG_TYPE'],
    [{ usage: Symbol('both') }, 'ERR_INVALID_ARG_VALUE'],
    [{ usage: Object.create(null) as unknown }, 'ERR_INVALID_ARG_VALUE'],
    [{ keyType: new (class { toString(): never { throw new Error('boom'); } })() }, 'ERR_INVALID_ARG_VALUE'],
    [{ keyType: 'dsa' }, 'ERR_INVALID_ARG_VALUE'],
    [{ days: 0 }, 'ERR_OUT_OF_RANGE'],
    [{ days: 1.5 }, 'ERR_OUT_OF_RANGE'],
    [{ usage: 'peer' }, 'ERR_INVALID_ARG_VALUE'],
    [{ ca: true, usage: 'both' }, 'ERR_INVALID_ARG_VALUE'],
    [{ ca: true, altNames: ['x'] }, 'ERR_INVALID_ARG_VALUE'],
    [{ issuer: {} }, 'ERR_INVALID_ARG_TYPE'],
    [{ issuer: { cert: 'x', key: 'y' } }, 'ERR_DTLS_INVALID_CERTIFICATE'],
  ] as const) {
    it(`refuses ${JSON.stringify(given).slice(0, 60)}`, async () => {
      const error = await refusal(given);
      expect(error.code).to.equal(code);
      expect(error.category).to.equal('usage');
    });
  }

  it('names that others have for its options are told ours, and no other function takes them', async () => {
    for (const [given, hint] of [
      ...['hosts', 'hostname', 'host', 'names', 'san', 'subjectAltNames', 'servername'].map((name) => [{ [name]: ['x'] }, /^Here it is 'altNames'\.$/] as const),
      [{ commonName: 'x' }, /^Here it is 'subject'\.$/],
      [{ validity: 5 }, /^Here it is 'days'\.$/],
      [{ altName: ['x'] }, /^Did you mean 'altNames'\?$/],
      [{ pks: 'x' }, /^The options here are .*altNames/],
    ] as const) {
      const error = await refusal(given);
      expect(error.code).to.equal('ERR_DTLS_UNKNOWN_OPTION');
      expect(error.hint).to.match(hint);
    }
  });

  it('says what a subject and a kind of key may be', async () => {
    for (const [given, message, hint] of [
      [{ subject: 1 }, "'subject' must be a string, or an object with names, not number", "A string is the name (CN); { CN: 'device-7', O: 'Example' } has more of them."],
      [{ subject: { X: '1' } }, "unknown name 'X' in 'subject'", 'A subject has CN, O, OU, L, ST, C.'],
      [{ subject: { commonName: 'x' } }, "unknown name 'commonName' in 'subject'", 'A subject has CN, O, OU, L, ST, C.'],
      [{ subject: { cn: 'x' } }, "unknown name 'cn' in 'subject'", "Did you mean 'CN'?"],
      [{ keyType: 'dsa' }, "'keyType' cannot be 'dsa'", "Use 'ec', 'rsa' or 'ed25519'."],
    ] as const) {
      const error = await refusal(given);
      expect(error.message).to.equal(message);
      expect(error.hint).to.equal(hint);
    }
  });

  it('has hints for names in place of options, or of an array of them', async () => {
    for (const [given, hint] of [
      ['localhost', /generateCertificate\(\{ subject: 'localhost' \}\)/],
      ['coap.example', /\{ subject: 'coap\.example' \}/],
      ["it's\nno name", /\{ subject: 'localhost' \}/],
      [['a.example', 'b.example'], /\{ altNames: \[…\] \}/],
      [{ altNames: 'a.example' }, /altNames: \['a\.example'\]/],
    ] as const) {
      const error = await refusal(given);
      expect(error.code).to.equal('ERR_INVALID_ARG_TYPE');
      expect(error.hint).to.match(hint);
    }
  });

  it('cert is the whole chain without its root, however long', async () => {
    const root = await generateCertificate({ ca: true, subject: 'root' });
    const upper = await generateCertificate({ ca: true, subject: 'upper', issuer: root });
    const lower = await generateCertificate({ ca: true, subject: 'lower', issuer: upper });
    const leaf = await generateCertificate({ altNames: ['127.0.0.1'], issuer: lower });
    const subjects = (made: { cert: string }): string[] =>
      (made.cert.match(/-----BEGIN.*?-----END CERTIFICATE-----\n/gs) ?? []).map((pem) => new X509Certificate(pem).subject);
    expect(subjects(upper)).to.deep.equal(['CN=upper']);
    expect(subjects(lower)).to.deep.equal(['CN=lower', 'CN=upper']);
    expect(subjects(leaf)).to.deep.equal(['CN=127.0.0.1', 'CN=lower', 'CN=upper']);
    // With the root in the issuer's file, too, it is left out.
    const whole = { cert: lower.cert + root.cert, key: lower.key };
    expect(subjects(await generateCertificate({ altNames: ['127.0.0.1'], issuer: whole }))).to.deep.equal(subjects(leaf));
    // Each transport serves it to whoever trusts the root alone.
    for (const transport of hasNativeUdp ? (['native', 'dgram'] as const) : (['dgram'] as const)) {
      const { client } = await openOn(await listen({ ...leaf, transport }), { ca: root.cert, transport });
      expect(client.authorized).to.equal(true);
    }
    await closeEverything();
    const broken = { cert: `${lower.cert}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n`, key: lower.key };
    expect((await refusal({ issuer: broken })).code).to.equal('ERR_DTLS_INVALID_CERTIFICATE');
  });

  it('names are those of the array, whatever its own methods say', async () => {
    class Names extends Array<string> {
      override map(): never[] {
        return [{}, null] as never[];
      }
    }
    const made = await generateCertificate({ altNames: Names.from(['a.example', 'b.example']) });
    expect(read(made).subjectAltName).to.equal('DNS:a.example, DNS:b.example');
  });

  it('refuses issuers that are none, or whose key is not theirs', async () => {
    const [end, one, other] = await Promise.all([
      generateCertificate(),
      generateCertificate({ ca: true }),
      generateCertificate({ ca: true, keyType: 'rsa' }),
    ]);
    expect((await refusal({ issuer: end })).code).to.equal('ERR_DTLS_INVALID_CERTIFICATE');
    expect((await refusal({ issuer: { cert: one.cert, key: other.key } })).code).to.equal('ERR_DTLS_KEY_MISMATCH');
    expect((await refusal({ issuer: { cert: one.cert, key: one.cert } })).code).to.equal('ERR_DTLS_INVALID_KEY');
    const locked = createPrivateKey(one.key).export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'secret' });
    expect((await refusal({ issuer: { cert: one.cert, key: locked } })).code).to.equal('ERR_DTLS_INVALID_KEY');
    const made = await generateCertificate({ issuer: { cert: one.cert, key: locked, passphrase: 'secret' } });
    expect(read(made).verify(read(one).publicKey)).to.equal(true);
  });

  describe('under the strict rules of OpenSSL', () => {
    before(function () {
      requirePrograms(this, 'openssl');
    });

    it('chains verify, for their purpose alone', async () => {
      const root = await generateCertificate({ ca: true, subject: 'root' });
      const middle = await generateCertificate({ ca: true, subject: 'middle', keyType: 'rsa', issuer: root });
      const server = await generateCertificate({ altNames: ['127.0.0.1'], usage: 'server', issuer: middle });
      const client = await generateCertificate({ subject: 'me', usage: 'client', issuer: middle });
      expect(server.cert.match(/BEGIN CERTIFICATE/g)).to.have.length(2);
      for (const [{ cert }, purpose, other] of [
        [server, 'sslserver', 'sslclient'],
        [client, 'sslclient', 'sslserver'],
      ] as const) {
        expect(opensslVerify({ cert, ca: root.cert, purpose })).to.equal('OK');
        expect(opensslVerify({ cert, ca: root.cert, purpose: other })).not.to.equal('OK');
      }
    });
  });

  it('both sides of a handshake use it as it is', async () => {
    const ca = await generateCertificate({ ca: true });
    const options = await generateCertificate({ issuer: ca });
    const server = createServer({ ...options, ca: ca.cert, requestCert: true });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const client = connect({ ...options, ca: ca.cert, host: '127.0.0.1', port: server.address()?.port ?? 0 });
    try {
      await once(client, 'secureConnect');
      expect(client.authorized).to.equal(true);
    } finally {
      client.destroy();
      server.close();
    }
  });
});
