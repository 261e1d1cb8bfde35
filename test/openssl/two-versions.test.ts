// Protects OPENSSL_ROOT: an addon with its own OpenSSL beside one on Node's, in one process. Each
// uses its own and nothing of the other's, and they talk to each other, with Node's crypto at work.
// scripts/test-openssl.mjs builds the addon and runs this.
import { expect } from 'chai';
import crypto from 'node:crypto';
import { once } from 'node:events';
import path from 'node:path';

import type * as Package from '../../lib/index';
import { createAuthority } from '../helpers/certificates';

/** Where all modules of the package lie, and nothing else does. */
const LIBRARY = path.join(__dirname, '..', '..', 'lib') + path.sep;

/** A copy of the package that has loaded that addon. */
function load(addon: string | undefined): typeof Package {
  if (addon === undefined) throw new Error('npm run test:openssl runs this test');
  const given = process.env.DGRAM_DTLS_ADDON;
  process.env.DGRAM_DTLS_ADDON = addon;
  for (const file of Object.keys(require.cache)) {
    if (file.startsWith(LIBRARY)) Reflect.deleteProperty(require.cache, file);
  }
  try {
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- loaded anew each time
    return require('../../lib/index') as typeof Package;
  } finally {
    process.env.DGRAM_DTLS_ADDON = given;
  }
}

describe('two OpenSSLs in one process', () => {
  const own = load(process.env.DGRAM_DTLS_ADDON);
  const nodes = load(process.env.DGRAM_DTLS_NODES_ADDON);

  it('features tell which is which', () => {
    expect(own.features).to.include({ ownOpenssl: true });
    expect(nodes.features).to.include({ ownOpenssl: false });
    expect(process.versions.openssl).to.include(nodes.features.openssl);
    expect(own.features.openssl).to.not.equal(nodes.features.openssl);
    expect(own.features.openssl).to.match(/^\d+\.\d+\.\d+/);
  });

  it('each behaves as its version does', () => {
    // "Leave out what is not known" came with OpenSSL 3.3.
    const isNew = (version: string): boolean => Number.parseFloat(version) >= 3.3;
    for (const copy of [own, nodes]) {
      const optional = (): unknown => copy.createSecureContext({ ecdhCurve: '?nobody:X25519' });
      if (isNew(copy.features.openssl)) expect(optional).to.not.throw();
      else expect(optional).to.throw(copy.DTLSError).with.property('code', 'ERR_DTLS_INVALID_CURVES');
    }
    // Found by name at run time, where Node's must not be found.
    for (const { features } of [own, nodes]) {
      const has = Number.parseFloat(features.openssl) >= 3.2;
      expect(features.rawPublicKeys, features.openssl).to.equal(has);
    }
    // Debian 12 has 3.0: there, and in CI, the two must differ.
    if (own.features.openssl.startsWith('3.0.')) {
      expect(isNew(nodes.features.openssl), nodes.features.openssl).to.be.true;
    }
  });

  for (const [name, server, client] of [
    ["a server on its own OpenSSL, a client on Node's", own, nodes],
    ["a server on Node's OpenSSL, a client on its own", nodes, own],
    ['both on an OpenSSL of their own', own, own],
  ] as const) {
    it(name, async () => {
      const authority = await createAuthority();
      const { cert, key, ca } = await authority.issue({
        commonName: 'localhost',
        dnsNames: ['localhost'],
      });
      const listening = server.createServer({ cert, key });
      listening.listen(0, '127.0.0.1');
      await once(listening, 'listening');
      listening.on('secureConnection', (socket) => {
        socket.on('message', (message) => {
          // Node's crypto, on the same thread, between two calls of the other OpenSSL.
          socket.send(crypto.createHash('sha256').update(message).digest());
        });
      });
      const { port } = listening.address() as { port: number };
      const socket = client.connect({ port, host: '127.0.0.1', servername: 'localhost', ca });
      await once(socket, 'secureConnect');
      expect(socket.authorized).to.be.true;
      for (let i = 0; i < 20; ++i) {
        const message = crypto.randomBytes(1 + i * 50);
        socket.send(message);
        const [answer] = (await once(socket, 'message')) as [Buffer];
        expect(answer).to.deep.equal(crypto.createHash('sha256').update(message).digest());
      }
      await socket[Symbol.asyncDispose]();
      await listening[Symbol.asyncDispose]();
    });
  }

  it('what fails in one leaves nothing behind for the other', () => {
    for (const copy of [own, nodes]) {
      expect(() => copy.createSecureContext({ ca: 'no certificate' })).to.throw(copy.DTLSError);
    }
    expect(() => crypto.createPrivateKey('no key')).to.throw(/DECODER|unsupported/i);
    expect(own.createSecureContext({}).constructor).to.equal(own.SecureContext);
    expect(nodes.createSecureContext({}).constructor).to.equal(nodes.SecureContext);
  });
});
