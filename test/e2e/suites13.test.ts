// Protects what lists of suites are told that have DTLS 1.3 in their range: a name that there is not is no silent hole,
// a version without suites is named, and so is a list that has no use for the pre-shared key beside it.
import { expect } from 'chai';
import { connect, createSecureContext, createServer, createSocket, type DTLSError } from '../../lib/index';
import { describe13, DTLS13, UP_TO_DTLS13 } from '../helpers/dtls13';
import { certificate, closeEverything, open, PSK, withCertificate } from '../helpers/pair';
import { thrown } from '../helpers/thrown';

describe13('suites of DTLS 1.3', () => {
  afterEach(closeEverything);

  it('that there are not are named, and what is meant with them, whatever stands beside them', () => {
    for (const versions of [DTLS13, UP_TO_DTLS13]) {
      for (const beside of ['', ':ECDHE-ECDSA-AES128-GCM-SHA256:TLS_AES_128_GCM_SHA256']) {
        const refusal = (name: string): DTLSError => thrown(() => createSecureContext({ ...versions, ciphers: name + beside }));
        for (const name of ['TLS_FOO', 'TLS_AES_512_GCM_SHA512', 'TLS_AES_128_GCM_SHA265', 'TLS_AES128_GCM_SHA256']) {
          const error = refusal(name);
          expect(error, name).to.include({ code: 'ERR_DTLS_INVALID_CIPHERS', message: `there is no suite '${name}'` });
          expect(error.hint).to.include('Those of DTLS 1.3 are TLS_AES_128_GCM_SHA256, ');
        }
        expect(refusal('TLS_AES_128_GCM_SHA265').hint).to.match(/^Did you mean 'TLS_AES_128_GCM_SHA256'\?/);
        expect(refusal('TLS_AES128_GCM_SHA256').hint).to.match(/^Did you mean 'TLS_AES_128_GCM_SHA256'\?/);
      }
    }
    for (const ciphers of ['NO-SUCH-SUITE', '']) {
      expect(thrown(() => createSecureContext({ ...DTLS13, ciphers })).code).to.equal('ERR_DTLS_INVALID_CIPHERS');
    }
  });

  it("may stand beside IANA's names of others, which OpenSSL 3.5 takes", () => {
    createSecureContext({ ...UP_TO_DTLS13, ciphers: 'TLS_AES_128_GCM_SHA256:TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256' });
    createSecureContext({ ...UP_TO_DTLS13, ciphers: 'TLS_AES_128_GCM_SHA256:TLS_PSK_WITH_AES_128_CCM_8:PSK-AES128-GCM-SHA256' });
  });

  it('alone, where DTLS 1.2 is in the range, or none of them, where it is not: the hint says which are missing', () => {
    const of13 = thrown(() => createSecureContext({ ...UP_TO_DTLS13, ciphers: 'TLS_AES_256_GCM_SHA384' }));
    expect(of13).to.include({ code: 'ERR_DTLS_CONFLICTING_OPTIONS', message: "'ciphers' names nothing that DTLS 1.2 has" });
    expect(of13.hint).to.include("minVersion: 'DTLSv1.3'");
    const of12 = thrown(() => createSecureContext({ ...DTLS13, ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256' }));
    expect(of12).to.include({ code: 'ERR_DTLS_CONFLICTING_OPTIONS', message: "'ciphers' names nothing that DTLS 1.3 has" });
    expect(of12.hint).to.include('TLS_AES_128_GCM_SHA256, ').and.not.include('maxVersion');
  });

  describe('with SHA-384 alone, which take no pre-shared key', () => {
    const sha384 = 'TLS_AES_256_GCM_SHA384';
    const both = `${sha384}:ECDHE-PSK-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-GCM-SHA256`;
    const expectRefusal = (make: () => unknown): void => {
      const error = thrown(make);
      expect(error).to.include({ code: 'ERR_DTLS_CONFLICTING_OPTIONS', category: 'usage' });
      expect(error.message).to.include("'ciphers'").and.include('pre-shared key');
      expect(error.hint).to.include('TLS_AES_128_GCM_SHA256');
    };

    it('are refused beside a key that nothing else stands in for', () => {
      for (const options of [{ ...DTLS13, ciphers: sha384 }, { ...UP_TO_DTLS13, ciphers: both }]) {
        for (const key of [{ psk: PSK }, { secureContext: createSecureContext(options), psk: PSK }]) {
          const given = 'secureContext' in key ? key : { ...options, ...key };
          expectRefusal(() => createServer(given));
          expectRefusal(() => connect({ port: 9, ...given }));
        }
        expectRefusal(() => createServer({ ...options, pskCallback: () => PSK.psk }));
        expectRefusal(() => connect({ port: 9, ...options, pskCallback: () => PSK }));
        const server = createServer({ ...DTLS13, psk: PSK });
        expectRefusal(() => { server.setSecureContext(options); });
        expectRefusal(() => { server.addContext('one.example', { ...options, psk: PSK }); });
      }
    });

    it('are refused where the security level leaves no others, and only there', async () => {
      const list = `${sha384}:TLS_AES_128_GCM_SHA256`;
      for (const level of [4, 5]) {
        expectRefusal(() => createServer({ ...DTLS13, ciphers: `${list}:@SECLEVEL=${level}`, psk: PSK }));
        expectRefusal(() => connect({ port: 9, ...DTLS13, ciphers: `${list}:@SECLEVEL=${level}`, psk: PSK }));
      }
      for (const ciphers of [`${list}:@SECLEVEL=3`, `${list}:TLS_CHACHA20_POLY1305_SHA256:@SECLEVEL=4`]) {
        const options = { ...DTLS13, ciphers, psk: PSK };
        const { client } = await open(options, options);
        expect(client.getCipher()?.name).to.match(/_SHA256$/);
        expect(client.getProtocol()).to.equal('DTLSv1.3');
      }
    });

    it('are refused beside a key that would never be used', async () => {
      const options = await withCertificate({ ...DTLS13, ciphers: sha384, psk: PSK });
      expectRefusal(() => createServer(options));
      expectRefusal(() => connect({ port: 9, ...DTLS13, ciphers: sha384, psk: PSK, rejectUnauthorized: false }));
      expectRefusal(() => createSocket({ type: 'udp4', dtls: { ...DTLS13, ciphers: sha384, psk: PSK } }).bind(0, '127.0.0.1'));
    });

    it('do where a certificate stands in at DTLS 1.3, and the key at 1.2', async () => {
      const { cert, key, ca } = await certificate();
      const server = { ...UP_TO_DTLS13, cert, key, psk: PSK, ciphers: both };
      const pair = await open(server, { ...UP_TO_DTLS13, ca, psk: PSK, ciphers: both });
      expect(pair.client.getCipher()?.name).to.equal(sha384);
      const older = await open(server, { psk: PSK });
      expect(older.client.pskIdentity).to.equal(PSK.identity);
    });
  });
});
