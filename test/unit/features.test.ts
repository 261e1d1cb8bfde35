// Protects `features`, which tells what the OpenSSL at hand offers, and the errors for what it does
// not: they name what would be needed.
import { expect } from 'chai';
import { inspect } from 'node:util';

import { createSecureContext, DTLSError, features, type SecureContextOptions } from '../../lib/index';

const has13 = features.dtls13 !== false;

describe('features', () => {
  it('are those of the OpenSSL that is linked', () => {
    expect(features.openssl).to.match(/^\d+\.\d+\.\d+/);
    expect(features.ownOpenssl).to.be.false;
    expect(process.versions.openssl).to.include(features.openssl);
  });

  it('have what can be asked for', () => {
    expect(features.versions).to.deep.equal(['DTLSv1', 'DTLSv1.2', ...(has13 ? ['DTLSv1.3'] : [])]);
    expect(features.ciphers).to.include.members([
      'ECDHE-ECDSA-AES128-GCM-SHA256',
      'PSK-AES128-CCM8',
      'ECDHE-RSA-AES128-SHA256',
    ]);
    expect(features.ciphers.filter((name) => name.startsWith('TLS_'))).to.deep.equal([]);
    expect(features.groups).to.include.members(['X25519', 'P-256', 'P-384', 'P-521']);
    for (const minVersion of features.versions) createSecureContext({ minVersion, maxVersion: features.versions.at(-1) });
    for (const ecdhCurve of features.groups) createSecureContext({ ecdhCurve });
    for (const name of features.ciphers) createSecureContext({ ciphers: `${name}:@SECLEVEL=0` });
  });

  it('are values to whoever prints them', () => {
    const text = inspect(features);
    expect(text).to.include("'DTLSv1.2'").and.include('gso: ').and.not.include('[Getter]');
    expect({ ...features }).to.have.all.keys(Object.keys(features));
  });

  it('cannot be changed', () => {
    expect(Object.isFrozen(features)).to.be.true;
    for (const name of ['versions', 'ciphers', 'groups'] as const) {
      expect(features[name], name).to.equal(features[name]);
      expect(Object.isFrozen(features[name]), name).to.be.true;
    }
  });

  describe('what needs another OpenSSL is refused by name', () => {
    const refused: [SecureContextOptions, RegExp][] = [
      [{ ecdhCurve: 'X25519MLKEM768' }, /'ecdhCurve' names X25519MLKEM768, of DTLS 1\.3/],
      [{ sigalgs: 'mldsa65' }, /'sigalgs' names mldsa65, of DTLS 1\.3/],
      [{ ciphers: 'TLS_AES_128_GCM_SHA256' }, /'ciphers' names TLS_AES_128_GCM_SHA256, of DTLS 1\.3/],
    ];
    if (!has13) {
      refused.push(
        [{ maxVersion: 'DTLSv1.3' }, /'maxVersion' cannot be 'DTLSv1\.3'/],
        [{ minVersion: 'DTLSv1.3', maxVersion: 'DTLSv1.3' }, /'minVersion' cannot be 'DTLSv1\.3'/],
      );
    }
    for (const [options, message] of refused) {
      it(JSON.stringify(options), () => {
        expect(() => createSecureContext(options))
          .to.throw(DTLSError, message)
          .with.property('code', has13 ? 'ERR_DTLS_CONFLICTING_OPTIONS' : 'ERR_DTLS_UNSUPPORTED');
        try {
          createSecureContext(options);
        } catch (error) {
          expect((error as DTLSError).message).to.contain(has13 ? "'maxVersion' is DTLSv1.2" : `(OpenSSL here: ${features.openssl})`);
          expect((error as DTLSError).hint).to.match(has13 ? /Ask for DTLS 1\.3, too \(maxVersion: 'DTLSv1\.3'\)/ : /needs the OpenSSL 3\.5 of Node/);
          expect((error as DTLSError).category).to.equal('usage');
        }
      });
    }

    it('and taken where there is DTLS 1.3, by whoever asks for it', function () {
      expect(features.dtls13Missing === undefined, 'a reason where it is missing').to.equal(has13);
      if (!has13) return;
      for (const [options] of refused) createSecureContext({ ...options, minVersion: 'DTLSv1.3' });
    });

    it('a list that is just wrong is just that', () => {
      for (const [options, code] of [
        [{ ecdhCurve: 'X25519:nobody' }, 'ERR_DTLS_INVALID_CURVES'],
        [{ sigalgs: 'nobody+SHA256' }, 'ERR_DTLS_INVALID_SIGALGS'],
        [{ ciphers: 'nobody' }, 'ERR_DTLS_INVALID_CIPHERS'],
      ] as const) {
        expect(() => createSecureContext(options)).to.throw(DTLSError).with.property('code', code);
      }
    });

    it('one that is good for DTLS 1.2, too, is taken', () => {
      createSecureContext({ ciphers: 'TLS_AES_128_GCM_SHA256:ECDHE-RSA-AES128-GCM-SHA256' });
    });
  });
});
