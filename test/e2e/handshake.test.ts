/**
 * Protects: that two ends of this package shake hands with certificates of each kind, for each kind of
 * host name and address and with each suite, and that what they then say of each other is true.
 */
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import tls from 'node:tls';
import { expect } from 'chai';
import { createSecureContext, createServer } from '../../lib/index';
import { selfSigned, type KeyType } from '../helpers/certificates';
import { boundSocket, converse } from '../helpers/exchange';
import {
  certificate,
  closeEverything,
  dial,
  failure,
  listen,
  next,
  open,
  openOn,
  openPsk,
  portOf,
  PSK_CLIENT,
  PSK_SERVER,
  withCertificate,
} from '../helpers/pair';

// No Ed25519: the OpenSSL of Node 20 takes such a key for TLS 1.2 but not for DTLS 1.2.
const KEY_TYPES: KeyType[] = ['ecdsa-p256', 'rsa-2048'];

describe('handshake', () => {
  afterEach(closeEverything);

  describe('with certificates', () => {
    it('authenticates the server', async () => {
      const pair = await open(await withCertificate());
      const { client, peer } = pair;
      await converse(pair);
      expect(client.authorized).to.be.true;
      expect(client.authorizationError).to.equal(null);
      expect(peer.authorized).to.be.false;
      expect(peer.authorizationError).to.equal(null);
      expect(client.getProtocol()).to.equal('DTLSv1.2');
      expect(peer.getProtocol()).to.equal('DTLSv1.2');
      expect(peer.getPeerCertificate()).to.deep.equal({});
      expect(peer.getPeerX509Certificate()).to.equal(undefined);
    });

    it('authenticates both sides', async () => {
      const { cert, key, ca } = await certificate({ clientAuth: true, commonName: 'client' });
      const pair = await open(await withCertificate({ requestCert: true, ca }), { cert, key });
      await converse(pair);
      expect(pair.client.authorized).to.be.true;
      expect(pair.peer.authorized).to.be.true;
      expect(pair.peer.authorizationError).to.equal(null);
      expect(pair.peer.getPeerCertificate().subject).to.have.property('CN', 'client');
    });

    it('shows the certificates of each side', async () => {
      const { cert, key, ca } = await certificate({ clientAuth: true, commonName: 'client' });
      const server = await certificate();
      const pair = await open({ ...server, requestCert: true, ca }, { cert, key });
      const { client, peer } = pair;
      const expected = new X509Certificate(server.cert);
      expect(client.getPeerX509Certificate()?.raw).to.deep.equal(expected.raw);
      expect(peer.getX509Certificate()?.raw).to.deep.equal(expected.raw);
      expect(peer.getCertificate()).to.have.nested.property('subject.CN', 'localhost');
      expect(client.getCertificate()).to.have.nested.property('subject.CN', 'client');
      const legacy = client.getPeerCertificate();
      expect(legacy.fingerprint256).to.equal(expected.fingerprint256);
      expect(legacy.subjectaltname).to.equal(expected.subjectAltName);
    });

    it('sends intermediates along', async () => {
      const { cert, key } = await certificate({ intermediate: true });
      await converse(await open({ cert, key }));
    });

    it('carries a flight of many datagrams', async () => {
      const { cert, key } = await certificate({ extraBytes: 12_000 });
      const pair = await open({ cert, key, mtu: 300 }, { mtu: 300 });
      await converse(pair);
      expect(pair.peer.stats.datagramsSent).to.be.above(12_000 / 300);
    });

    for (const keyType of KEY_TYPES) {
      it(`works with ${keyType} keys`, async () => {
        const { cert, key } = await certificate({ keyType });
        const pair = await open({ cert, key });
        await converse(pair);
        const expected = keyType === 'rsa-2048' ? /^ECDHE-RSA-/ : /^ECDHE-ECDSA-/;
        expect(pair.client.getCipher()?.name).to.match(expected);
      });
    }

    it('serves several key types at once', async () => {
      const identities = await Promise.all(
        (['rsa-2048', 'ecdsa-p256'] as const).map((keyType) => certificate({ keyType })),
      );
      const server = await listen({
        cert: identities.map(({ cert }) => cert),
        key: identities.map(({ key }) => key),
      });
      for (const [ciphers, keyType] of [
        ['ECDHE-RSA-AES128-GCM-SHA256', 'rsa'],
        ['ECDHE-ECDSA-AES128-GCM-SHA256', 'ec'],
      ]) {
        const pair = await openOn(server, { ciphers });
        expect(pair.client.getPeerX509Certificate()?.publicKey.asymmetricKeyType).to.equal(keyType);
        expect(pair.client.getCipher()?.name).to.equal(ciphers);
        await converse(pair);
      }
    });

    it('goes on with an unverified server when rejectUnauthorized is false', async () => {
      const { ca } = await selfSigned({ commonName: 'somebody else' });
      const pair = await open(await withCertificate(), { ca, rejectUnauthorized: false });
      await converse(pair);
      expect(pair.client.authorized).to.be.false;
      expect(pair.client.authorizationError).to.equal('UNABLE_TO_GET_ISSUER_CERT_LOCALLY');
    });

    it('goes on with unverified clients when rejectUnauthorized is false', async () => {
      const server = await listen(
        await withCertificate({ requestCert: true, rejectUnauthorized: false }),
      );
      const nameless = await openOn(server);
      expect(nameless.peer.authorized).to.be.false;
      expect(nameless.peer.authorizationError).to.equal('UNABLE_TO_GET_ISSUER_CERT');
      const { cert, key } = await certificate({ clientAuth: true });
      const untrusted = await openOn(server, { cert, key });
      expect(untrusted.peer.authorized).to.be.false;
      // OpenSSL completes the client's chain from the authorities that the client itself trusts.
      expect(untrusted.peer.authorizationError).to.equal('SELF_SIGNED_CERT_IN_CHAIN');
      expect(untrusted.peer.getPeerX509Certificate()).to.be.instanceOf(X509Certificate);
    });

    it('shares one secure context between a server and its clients', async () => {
      const { cert, key, ca } = await certificate();
      const secureContext = createSecureContext({ cert, key, ca });
      await converse(await open({ secureContext }, { secureContext }));
    });

    it('uses a new context for new handshakes only', async () => {
      const first = await certificate({ commonName: 'first' });
      const second = await certificate({ commonName: 'second' });
      const server = await listen({ cert: first.cert, key: first.key });
      const before = await openOn(server);
      server.setSecureContext({ cert: second.cert, key: second.key });
      const after = await openOn(server);
      expect(before.client.getPeerCertificate().subject).to.have.property('CN', 'first');
      expect(after.client.getPeerCertificate().subject).to.have.property('CN', 'second');
      await converse(before);
      await converse(after);
    });
  });

  describe('the name of the server', () => {
    it('is asked for and verified when the host is a name', async () => {
      const pair = await open(await withCertificate(), { host: 'localhost', family: 4 });
      expect(pair.peer.servername).to.equal('localhost');
      expect(pair.client.servername).to.equal('localhost');
      expect(pair.client.remoteAddress).to.equal('127.0.0.1');
    });

    it('is not asked for when the host is an address', async () => {
      const pair = await open(await withCertificate());
      expect(pair.peer.servername).to.equal(null);
    });

    it('can be another than the host', async () => {
      const { cert, key } = await certificate({ dnsNames: ['coap.example'], ipAddresses: [] });
      const pair = await open({ cert, key }, { servername: 'coap.example' });
      expect(pair.peer.servername).to.equal('coap.example');
      expect(pair.client.authorized).to.be.true;
    });

    it('is judged by checkServerIdentity when given', async () => {
      const seen: [string, string | undefined][] = [];
      const { cert, key } = await certificate({ dnsNames: ['other.example'], ipAddresses: [] });
      const pair = await open(
        { cert, key },
        {
          servername: 'coap.example',
          checkServerIdentity: (hostname, { subjectaltname }) => {
            seen.push([hostname, subjectaltname]);
            return undefined;
          },
        },
      );
      expect(pair.client.authorized).to.be.true;
      expect(seen).to.deep.equal([['coap.example', 'DNS:other.example']]);
    });

    it('gets the object that tls.checkServerIdentity takes', async () => {
      let judged: Error | undefined | string = 'never asked';
      await open(await withCertificate(), {
        host: 'localhost',
        family: 4,
        checkServerIdentity: (hostname, peerCertificate) => {
          judged = tls.checkServerIdentity(hostname, peerCertificate);
          return judged;
        },
      });
      expect(judged).to.equal(undefined);
    });

    it('that is wrong shows in authorizationError when rejectUnauthorized is false', async () => {
      const { cert, key } = await certificate({ dnsNames: ['other.example'], ipAddresses: [] });
      const { client } = await open({ cert, key }, { rejectUnauthorized: false });
      expect(client.authorized).to.be.false;
      expect(client.authorizationError).to.equal('ERR_TLS_CERT_ALTNAME_INVALID');
    });
  });

  describe('addresses', () => {
    it('IPv4', async () => {
      const { server, client, peer } = await openPsk();
      expect(server.address()).to.include({ address: '127.0.0.1', family: 'IPv4' });
      expect(client.remoteAddress).to.equal('127.0.0.1');
      expect(client.remoteFamily).to.equal('IPv4');
      expect(client.remotePort).to.equal(portOf(server));
      expect(peer.remotePort).to.equal(client.localPort);
      expect(peer.localPort).to.equal(portOf(server));
      expect(client.localAddress).to.equal('127.0.0.1');
      expect(client.address()).to.include({ family: 'IPv4', port: client.localPort });
    });

    it('IPv6', async () => {
      const server = await listen(PSK_SERVER, '::1');
      const pair = await openOn(server, { ...PSK_CLIENT, host: '::1' });
      expect(server.address()).to.include({ address: '::1', family: 'IPv6' });
      expect(pair.client.remoteFamily).to.equal('IPv6');
      expect(pair.peer.remoteAddress).to.equal('::1');
      await converse(pair);
    });

    it('both on one server', async () => {
      const server = createServer(PSK_SERVER);
      const listening = next(server, 'listening');
      server.listen();
      await listening;
      try {
        for (const host of ['127.0.0.1', '::1']) {
          await converse(await openOn(server, { ...PSK_CLIENT, host }));
        }
      } finally {
        await server[Symbol.asyncDispose]();
      }
    });

    it('IPv6 alone with ipv6Only', async () => {
      const server = await listen({ ...PSK_SERVER, ipv6Only: true }, '::');
      await converse(await openOn(server, { ...PSK_CLIENT, host: '::1' }));
      const refused = await dial(server, PSK_CLIENT);
      expect((await failure(refused)).code).to.equal('ECONNREFUSED');
    });

    it('the local address and port of a client', async () => {
      const free = await boundSocket();
      const { port } = free.address();
      free.close();
      await once(free, 'close');
      const { peer } = await openPsk({}, { localAddress: '127.0.0.2', localPort: port });
      expect(peer.remoteAddress).to.equal('127.0.0.2');
      expect(peer.remotePort).to.equal(port);
    });

    it('a lookup of the user\'s own', async () => {
      const asked: string[] = [];
      const pair = await open(await withCertificate(), {
        host: 'localhost',
        lookup: (hostname, _options, callback) => {
          asked.push(hostname);
          callback(null, '127.0.0.1', 4);
        },
      });
      await converse(pair);
      expect(asked).to.deep.equal(['localhost']);
    });
  });

  describe('cipher suites', () => {
    const suites: [string, KeyType][] = [
      ['ECDHE-ECDSA-AES128-GCM-SHA256', 'ecdsa-p256'],
      ['ECDHE-RSA-AES128-GCM-SHA256', 'rsa-2048'],
      ['ECDHE-ECDSA-AES256-GCM-SHA384', 'ecdsa-p256'],
      ['ECDHE-RSA-AES256-GCM-SHA384', 'rsa-2048'],
      ['ECDHE-ECDSA-CHACHA20-POLY1305', 'ecdsa-p256'],
      ['ECDHE-RSA-CHACHA20-POLY1305', 'rsa-2048'],
      ['ECDHE-ECDSA-AES128-CCM', 'ecdsa-p256'],
      ['ECDHE-ECDSA-AES256-CCM', 'ecdsa-p256'],
      ['ECDHE-ECDSA-AES128-CCM8', 'ecdsa-p256'],
    ];
    for (const [suite, keyType] of suites) {
      it(suite, async () => {
        const { cert, key } = await certificate({ keyType });
        const ciphers = suite.endsWith('CCM8') ? `${suite}:@SECLEVEL=0` : suite;
        const pair = await open({ cert, key, ciphers }, { ciphers });
        for (const socket of [pair.client, pair.peer]) {
          expect(socket.getCipher()).to.include({ name: suite, version: 'TLSv1.2' });
          expect(socket.getCipher()?.standardName).to.match(/^TLS_ECDHE_(ECDSA|RSA)_WITH_/);
        }
        await converse(pair);
      });
    }

    for (const suite of [
      'ECDHE-PSK-CHACHA20-POLY1305',
      'PSK-AES128-GCM-SHA256',
      'PSK-AES256-GCM-SHA384',
      'PSK-CHACHA20-POLY1305',
      'PSK-AES128-CCM',
      'PSK-AES256-CCM',
      'PSK-AES128-CCM8',
    ]) {
      it(suite, async () => {
        const ciphers = suite.endsWith('CCM8') ? `${suite}:@SECLEVEL=0` : suite;
        const pair = await openPsk({ ciphers }, { ciphers });
        expect(pair.client.getCipher()?.name).to.equal(suite);
        expect(pair.peer.getCipher()?.name).to.equal(suite);
        await converse(pair);
      });
    }

    it('are chosen in the server\'s order, or the client\'s', async () => {
      const [ours, theirs] = ['ECDHE-ECDSA-AES256-GCM-SHA384', 'ECDHE-ECDSA-CHACHA20-POLY1305'];
      const client = { ciphers: `${theirs}:${ours}` };
      const options = await withCertificate({ ciphers: `${ours}:${theirs}` });
      expect((await open(options, client)).client.getCipher()?.name).to.equal(ours);
      const lenient = await open({ ...options, honorCipherOrder: false }, client);
      expect(lenient.client.getCipher()?.name).to.equal(theirs);
    });

    it('of DTLS 1.0 are there for those who ask', async () => {
      const legacy = { minVersion: 'DTLSv1', ciphers: 'DEFAULT:@SECLEVEL=0' } as const;
      const server = await listen(await withCertificate(legacy));
      const old = await openOn(server, { ...legacy, maxVersion: 'DTLSv1' });
      expect(old.client.getProtocol()).to.equal('DTLSv1');
      expect(old.peer.getProtocol()).to.equal('DTLSv1');
      await converse(old);
      expect((await openOn(server)).client.getProtocol()).to.equal('DTLSv1.2');
    });
  });
});
