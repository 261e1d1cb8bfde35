/**
 * Protects: that two ends of this package shake hands in every way that is offered (certificates
 * of each kind, mutual, pre-shared keys, address families, suites, transports), and that what they
 * then say about the session is true on both sides.
 */
import { X509Certificate } from 'node:crypto';
import dgram from 'node:dgram';
import { once } from 'node:events';
import tls from 'node:tls';
import vm from 'node:vm';
import { expect } from 'chai';
import {
  createSecureContext,
  createServer,
  DTLSError,
  type AlertEvent,
  type DTLSSocket,
  type HandshakeEvent,
} from '../../lib/index';
import { selfSigned, type KeyType } from '../helpers/certificates';
import { Link, Wire } from '../helpers/link';
import {
  certificate,
  clientFailure,
  closeEverything,
  dial,
  dialTo,
  failure,
  listen,
  messages,
  next,
  open,
  openOn,
  openPsk,
  portOf,
  PSK,
  PSK_CLIENT,
  PSK_SERVER,
  withCertificate,
  within,
  type Pair,
} from '../helpers/pair';

/** A message each way arrives. */
async function converse({ client, peer }: Omit<Pair, 'server'>): Promise<void> {
  const atPeer = messages(peer, 1);
  client.send('ping');
  expect((await atPeer)[0]?.toString()).to.equal('ping');
  const atClient = messages(client, 1);
  peer.send('pong');
  expect((await atClient)[0]?.toString()).to.equal('pong');
}

async function boundSocket(): Promise<dgram.Socket> {
  const socket = dgram.createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return socket;
}

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

  describe('with pre-shared keys', () => {
    it('takes keys that callbacks return', async () => {
      const pair = await openPsk();
      await converse(pair);
      expect(pair.client.pskIdentity).to.equal(PSK.identity);
      expect(pair.peer.pskIdentity).to.equal(PSK.identity);
      expect(pair.client.authorized).to.be.true;
      expect(pair.peer.authorized).to.be.true;
      expect(pair.client.getCipher()?.name).to.match(/PSK/);
    });

    it('takes keys that callbacks promise', async () => {
      const pair = await openPsk(
        { pskCallback: (_, identity) => Promise.resolve(PSK_SERVER.pskCallback(_, identity)) },
        { pskCallback: () => new Promise((resolve) => setImmediate(resolve, PSK)) },
      );
      await converse(pair);
    });

    it('takes the Promise of another realm', async () => {
      const promise = vm.runInNewContext('Promise.resolve(key)', { key: PSK.psk }) as Promise<Buffer>;
      expect(promise).to.not.be.instanceOf(Promise);
      await converse(await openPsk({ pskCallback: () => promise }));
    });

    it('takes keys of 1 and of 512 bytes and identities of 1 and of 256', async () => {
      for (const [keyLength, identityLength] of [
        [1, 1],
        [512, 256],
      ] as const) {
        const psk = Buffer.alloc(keyLength, 7);
        const identity = 'i'.repeat(identityLength);
        const pair = await open(
          { pskCallback: (_, asked) => (asked === identity ? psk : null) },
          { pskCallback: () => ({ identity, psk }) },
        );
        await converse(pair);
      }
    });

    it('hands over identities as strings, or as bytes when they are not UTF-8', async () => {
      const identities: (string | Buffer)[] = ['Gerät-é', Buffer.from([0xff, 0xfe, 0x41])];
      for (const identity of identities) {
        const asked: (string | Buffer)[] = [];
        const { peer, client } = await open(
          {
            pskCallback: (_, given) => {
              asked.push(given);
              return PSK.psk;
            },
          },
          { pskCallback: () => ({ identity, psk: PSK.psk }) },
        );
        expect(asked).to.deep.equal([identity]);
        expect(peer.pskIdentity).to.deep.equal(identity);
        expect(client.pskIdentity).to.deep.equal(identity);
      }
    });

    it('gives the server\'s hint to the client', async () => {
      const hints: (string | null)[] = [];
      const pskCallback = (hint: string | null): typeof PSK => {
        hints.push(hint);
        return PSK;
      };
      await openPsk({ pskIdentityHint: 'plant 7' }, { pskCallback });
      await openPsk({}, { pskCallback });
      expect(hints).to.deep.equal(['plant 7', null]);
    });

    it('passes the socket to the server\'s callback', async () => {
      const asking: DTLSSocket[] = [];
      const { peer } = await openPsk({
        pskCallback: (socket) => {
          asking.push(socket);
          return PSK.psk;
        },
      });
      expect(asking).to.deep.equal([peer]);
    });

    it('refuses to send an identity with NUL', async () => {
      const server = await listen(PSK_SERVER);
      const client = await dial(server, {
        pskCallback: () => ({ identity: 'a\0b', psk: PSK.psk }),
      });
      const error = await failure(client);
      expect(error.code).to.equal('ERR_DTLS_PSK_REQUIRED');
      expect(error.cause).to.be.instanceOf(DTLSError);
      expect(error.cause).to.have.property('code', 'ERR_DTLS_PSK_IDENTITY_INVALID');
    });

    it('refuses an identity with NUL that a client sends all the same', async () => {
      const asked: (string | Buffer)[] = [];
      const server = await listen({
        pskCallback: (_, identity) => {
          asked.push(identity);
          return PSK.psk;
        },
      });
      const link = await Link.bound();
      link.outgoing = (datagram) => {
        // Only the ClientKeyExchange has it, and that is in clear.
        const at = datagram.indexOf('device#1');
        if (at >= 0) datagram[at + 6] = 0;
        return [datagram];
      };
      const client = await dial(server, {
        transport: link,
        pskCallback: () => ({ identity: 'device#1', psk: PSK.psk }),
      });
      const [atServer, atClient] = await Promise.all([clientFailure(server), failure(client)]);
      expect(atServer.code).to.equal('ERR_DTLS_PSK_IDENTITY_INVALID');
      expect(atServer.hint).to.be.a('string').that.is.not.empty;
      expect(atClient.category).to.equal('alert');
      expect(asked).to.deep.equal([]);
    });

    it('serves certificates and pre-shared keys on one port', async () => {
      const server = await listen(await withCertificate(PSK_SERVER));
      const withKey = await openOn(server, { ...PSK_CLIENT, ciphers: 'PSK-AES128-GCM-SHA256' });
      const withCert = await openOn(server);
      expect(withKey.client.getCipher()?.name).to.equal('PSK-AES128-GCM-SHA256');
      expect(withCert.client.getCipher()?.name).to.equal('ECDHE-ECDSA-AES128-GCM-SHA256');
      await converse(withKey);
      await converse(withCert);
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

  describe('what a session tells', () => {
    it('keying material that is the same on both sides, for what it is asked for', async () => {
      const { client, peer } = await open(await withCertificate());
      const label = 'EXTRACTOR-dtls_srtp';
      const context = Buffer.from('context');
      const material = client.exportKeyingMaterial(60, label);
      expect(material).to.have.length(60);
      expect(peer.exportKeyingMaterial(60, label)).to.deep.equal(material);
      const other = client.exportKeyingMaterial(60, label, context);
      expect(other).to.not.deep.equal(material);
      expect(peer.exportKeyingMaterial(60, label, context)).to.deep.equal(other);
      expect(peer.exportKeyingMaterial(60, 'another')).to.not.deep.equal(material);
      client.close();
      expect(() => client.exportKeyingMaterial(60, label))
        .to.throw(DTLSError)
        .with.property('code', 'ERR_DTLS_NOT_OPEN');
    });

    it('Finished messages, the ephemeral key, signature algorithms', async () => {
      const { client, peer } = await open(await withCertificate({ ecdhCurve: 'P-384' }));
      expect(client.getFinished()).to.have.length(12);
      expect(client.getFinished()).to.deep.equal(peer.getPeerFinished());
      expect(peer.getFinished()).to.deep.equal(client.getPeerFinished());
      expect(client.getFinished()).to.not.deep.equal(peer.getFinished());
      expect(client.getEphemeralKeyInfo()).to.deep.equal({
        type: 'ECDH',
        name: 'secp384r1',
        size: 384,
      });
      expect(peer.getEphemeralKeyInfo()).to.equal(null);
      expect(peer.getSharedSigalgs()).to.include('ECDSA+SHA256');
    });

    it('states in order', async () => {
      const server = await listen(await withCertificate());
      const client = await dial(server);
      expect(client.readyState).to.equal('opening');
      expect(client.connecting).to.be.true;
      expect(client.authorized).to.be.false;
      expect(client.getProtocol()).to.equal(null);
      expect(client.getCipher()).to.equal(null);
      expect(client.maxMessageSize).to.equal(0);
      const [peer] = await next(server, 'connection');
      expect(peer.readyState).to.equal('opening');
      await Promise.all([next(client, 'secureConnect'), next(server, 'secureConnection')]);
      for (const socket of [client, peer]) {
        expect(socket.readyState).to.equal('open');
        expect(socket.connecting).to.be.false;
        expect(socket.maxMessageSize).to.be.within(1100, 1199);
      }
      const closed = next(client, 'close');
      client.close();
      expect(client.readyState).to.be.oneOf(['closing', 'closed']);
      await closed;
      expect(client.readyState).to.equal('closed');
      expect(client.destroyed).to.be.true;
      expect(client.getCipher()).to.equal(null);
      expect(client.getPeerCertificate()).to.deep.equal({});
      expect(client.authorized).to.be.true;
    });

    it('its MTU', async () => {
      const { client } = await openPsk();
      const before = client.maxMessageSize;
      client.setMtu(600);
      expect(client.maxMessageSize).to.equal(before - 600);
      client.destroy();
      expect(() => client.setMtu(600)).to.throw().with.property('code', 'ERR_DTLS_NOT_OPEN');
    });
  });

  describe('events', () => {
    const nameOf = ({ direction, message }: HandshakeEvent): string => `${direction} ${message}`;

    function reversed(names: readonly string[]): string[] {
      return names.map((name) =>
        name.startsWith('in ') ? name.replace('in ', 'out ') : name.replace('out ', 'in '),
      );
    }

    it('each handshake message in order on both sides, then the session', async () => {
      const { cert, key, ca } = await certificate({ clientAuth: true });
      const server = await listen(await withCertificate({ requestCert: true, ca }));
      const atServer: string[] = [];
      const atClient: string[] = [];
      const retransmissions: HandshakeEvent[] = [];
      server.on('connection', (socket) => {
        atServer.push('connection');
        socket.on('handshake', (event) => atServer.push(nameOf(event)));
        socket.on('secureConnect', () => atServer.push('secureConnect'));
      });
      server.on('secureConnection', () => atServer.push('secureConnection'));
      const client = await dial(server, { cert, key });
      client.on('handshake', (event) => {
        atClient.push(nameOf(event));
        if (event.retransmit) retransmissions.push(event);
      });
      client.on('secureConnect', () => atClient.push('secureConnect'));
      await Promise.all([next(client, 'secureConnect'), next(server, 'secureConnection')]);
      const afterCookie = [
        'out client_hello',
        'in server_hello',
        'in certificate',
        'in server_key_exchange',
        'in certificate_request',
        'in server_hello_done',
        'out certificate',
        'out client_key_exchange',
        'out certificate_verify',
        'out change_cipher_spec',
        'out finished',
        'in new_session_ticket',
        'in change_cipher_spec',
        'in finished',
      ];
      const withoutTicket = (names: string[]): string[] =>
        names.filter((name) => !name.endsWith('new_session_ticket'));
      expect(withoutTicket(atClient)).to.deep.equal([
        'out client_hello',
        'in hello_verify_request',
        ...withoutTicket(afterCookie),
        'secureConnect',
      ]);
      expect(withoutTicket(atServer)).to.deep.equal([
        'connection',
        ...reversed(withoutTicket(afterCookie)),
        'secureConnect',
        'secureConnection',
      ]);
      expect(retransmissions).to.deep.equal([]);
    });

    it('the length of handshake messages', async () => {
      const { cert, key } = await certificate({ extraBytes: 5000 });
      const server = await listen({ cert, key });
      const client = await dial(server);
      const lengths: number[] = [];
      client.on('handshake', ({ message, length }) => {
        if (message === 'certificate') lengths.push(length);
      });
      await next(client, 'secureConnect');
      expect(lengths).to.have.length(1);
      expect(lengths[0]).to.equal(new X509Certificate(cert).raw.length + 6);
    });

    it('alerts in both directions', async () => {
      const { client, peer } = await openPsk();
      const seen = new Map<string, AlertEvent[]>([
        ['client', []],
        ['peer', []],
      ]);
      client.on('alert', (alert) => seen.get('client')?.push(alert));
      peer.on('alert', (alert) => seen.get('peer')?.push(alert));
      const closed = Promise.all([next(client, 'close'), next(peer, 'close')]);
      client.close();
      await closed;
      const notify = { level: 'warning', description: 'close_notify', code: 0 } as const;
      expect(seen.get('client')).to.deep.equal([{ direction: 'out', ...notify }]);
      expect(seen.get('peer')).to.deep.equal([
        { direction: 'in', ...notify },
        { direction: 'out', ...notify },
      ]);
    });

    it('keylog lines that agree, for those who listen', async () => {
      const server = await listen(PSK_SERVER);
      const atServer: string[] = [];
      const onKeylog = (line: Buffer): void => void atServer.push(line.toString());
      server.on('keylog', onKeylog);
      const client = await dial(server, PSK_CLIENT);
      const atClient: string[] = [];
      client.on('keylog', (line) => atClient.push(line.toString()));
      await Promise.all([next(client, 'secureConnect'), next(server, 'secureConnection')]);
      expect(atClient).to.have.length(1);
      expect(atClient[0]).to.match(/^CLIENT_RANDOM [0-9a-f]{64} [0-9a-f]{96}\n$/);
      expect(atServer).to.deep.equal(atClient);
    });

    it('no keylog line for those who began to listen too late', async () => {
      const { client, server } = await openPsk();
      const lines: Buffer[] = [];
      client.on('keylog', (line) => lines.push(line));
      server.on('keylog', (line) => lines.push(line));
      await converse(await openOn(server, PSK_CLIENT));
      // The server's listener is there for the second session, the client's came after the first.
      expect(lines).to.have.length(1);
    });

    it('connection for a verified cookie, secureConnection with the same socket', async () => {
      const server = await listen(PSK_SERVER);
      const connection = next(server, 'connection');
      const { peer } = await openOn(server, PSK_CLIENT);
      expect((await connection)[0]).to.equal(peer);
      expect([...server.sessions]).to.deep.equal([peer]);
    });

    it('nothing for datagrams without a valid cookie', async () => {
      const server = await listen(PSK_SERVER);
      const connections: DTLSSocket[] = [];
      server.on('connection', (socket) => connections.push(socket));
      // A client whose every hello is lost but the first never shows its cookie.
      const link = await Link.bound();
      let sent = 0;
      link.outgoing = (datagram) => (sent++ === 0 ? [datagram] : []);
      const client = await dial(server, { ...PSK_CLIENT, transport: link });
      const [event] = await within(
        new Promise<HandshakeEvent[]>((resolve) => {
          client.on('handshake', (handshake) => {
            if (handshake.direction === 'in') resolve([handshake]);
          });
        }),
        'the answer to the first hello',
      );
      expect(event?.message).to.equal('hello_verify_request');
      expect(connections).to.deep.equal([]);
      expect(server.stats).to.include({ cookiesSent: 1, cookiesAccepted: 0, handshakesStarted: 0 });
      expect([...server.sessions]).to.deep.equal([]);
    });

    it('packet for what is not DTLS', async () => {
      const server = await listen(PSK_SERVER);
      const stun = Buffer.from('000100002112a442000000000000000000000000', 'hex');
      const socket = await boundSocket();
      const packet = next(server, 'packet');
      socket.send(stun, portOf(server), '127.0.0.1');
      const [datagram, info] = await packet;
      expect(datagram).to.deep.equal(stun);
      expect(info).to.include({ address: '127.0.0.1', port: socket.address().port });
      socket.close();
      expect(server.stats.nonDtlsDatagrams).to.equal(1);
    });
  });

  describe('transports', () => {
    it('many clients on one port of a server', async () => {
      const server = await listen(PSK_SERVER);
      const pairs = new Map<string, DTLSSocket>();
      server.on('secureConnection', (socket) => {
        socket.on('message', (message) => {
          pairs.set(message.toString(), socket);
          socket.send(`to ${message.toString()}`);
        });
      });
      const answers = await Promise.all(
        Array.from({ length: 40 }, async (_, index) => {
          const client = await dial(server, PSK_CLIENT);
          const answer = messages(client, 1);
          client.send(`client ${index}`);
          return (await answer)[0]?.toString();
        }),
      );
      expect(answers).to.deep.equal(answers.map((_, index) => `to client ${index}`));
      expect(new Set(pairs.values()).size).to.equal(40);
      expect([...server.sessions]).to.have.length(40);
      const count = await new Promise<number>((resolve) => {
        server.getConnections((_, sessions) => {
          resolve(sessions);
        });
      });
      expect(count).to.equal(40);
    });

    it('several clients on one dgram.Socket of the user\'s', async () => {
      const socket = await boundSocket();
      const server = await listen(PSK_SERVER);
      const servers = [server, await listen(PSK_SERVER)];
      const pairs = await Promise.all(
        servers.map((each) => openOn(each, { ...PSK_CLIENT, transport: socket })),
      );
      for (const { peer } of pairs) expect(peer.remotePort).to.equal(socket.address().port);
      await Promise.all(pairs.map((pair) => converse(pair)));
      const closed = pairs.map(({ client }) => next(client, 'close'));
      for (const { client } of pairs) client.close();
      await Promise.all(closed);
      // It is the user's: still bound, and usable for another session.
      const again = await openOn(server, { ...PSK_CLIENT, transport: socket });
      await converse(again);
      await again.client[Symbol.asyncDispose]();
      socket.close();
      await once(socket, 'close');
    });

    it('a server on a dgram.Socket that the user has bound', async () => {
      const socket = await boundSocket();
      const server = await listen({ ...PSK_SERVER, transport: socket });
      expect(portOf(server)).to.equal(socket.address().port);
      await converse(await openOn(server, PSK_CLIENT));
      await server[Symbol.asyncDispose]();
      expect(socket.address().port).to.be.above(0);
      expect(socket.listenerCount('message')).to.equal(0);
      expect(socket.listenerCount('error')).to.equal(0);
      socket.close();
      await once(socket, 'close');
    });

    it('a server and clients on the same dgram.Socket', async () => {
      const socket = await boundSocket();
      const server = await listen({ ...PSK_SERVER, transport: socket });
      const other = await listen(PSK_SERVER);
      const incoming = await openOn(server, PSK_CLIENT);
      const outgoing = await openOn(other, { ...PSK_CLIENT, transport: socket });
      await converse(incoming);
      await converse(outgoing);
      await server[Symbol.asyncDispose]();
      await converse(outgoing);
      await outgoing.client[Symbol.asyncDispose]();
      socket.close();
      await once(socket, 'close');
    });

    it('only one server on a transport', async () => {
      const socket = await boundSocket();
      await listen({ ...PSK_SERVER, transport: socket });
      const second = createServer({ ...PSK_SERVER, transport: socket });
      const failed = next(second, 'error');
      second.listen();
      expect((await failed)[0].code).to.equal('ERR_SERVER_ALREADY_LISTEN');
      await closeEverything();
      socket.close();
      await once(socket, 'close');
    });

    it('a transport of the user\'s own, on both sides', async () => {
      const near = await Link.bound();
      const far = await Link.bound();
      const server = await listen({ ...PSK_SERVER, transport: far });
      const client = dialTo({
        ...PSK_CLIENT,
        host: '127.0.0.1',
        port: far.address().port,
        transport: near,
      });
      const [[peer]] = await Promise.all([
        next(server, 'secureConnection'),
        next(client, 'secureConnect'),
      ]);
      expect(client.localPort).to.equal(near.address().port);
      await converse({ client, peer });
      await client[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
      expect([near.started, far.started, near.closed, far.closed]).to.deep.equal([1, 1, 1, 1]);
    });

    it('that delivers from within send, on both sides', async () => {
      const [near, far] = Wire.pair();
      const server = await listen({ ...PSK_SERVER, transport: far });
      const client = dialTo({ ...PSK_CLIENT, host: 'wire', port: 1, transport: near });
      const [[peer]] = await Promise.all([
        next(server, 'secureConnection'),
        next(client, 'secureConnect'),
      ]);
      peer.on('message', (message) => peer.send(message));
      let rounds = 0;
      const done = new Promise<void>((resolve) => {
        client.on('message', (message) => {
          if (++rounds === 1000) resolve();
          else client.send(message);
        });
      });
      client.send('round and round');
      await within(done, 'a thousand rounds');
      const closed = next(peer, 'close');
      client.close();
      await closed;
    });

    it('without a cookie exchange where the transport has validated the peer', async () => {
      const { server, client, peer } = await openPsk({ cookieExchange: false });
      await converse({ client, peer });
      expect(server.stats).to.include({ cookiesSent: 0, handshakesCompleted: 1 });
    });

    it('that loses every datagram once', async () => {
      const server = await listen(await withCertificate({ retransmission: { initial: 30 } }));
      const link = await Link.bound();
      let sent = 0;
      link.outgoing = (datagram) => (sent++ % 2 === 0 ? [] : [datagram]);
      const client = await dial(server, { transport: link, retransmission: { initial: 20 } });
      const repeated: string[] = [];
      client.on('handshake', (event) => {
        if (event.retransmit) repeated.push(event.message);
      });
      const [[peer]] = await Promise.all([
        next(server, 'secureConnection'),
        next(client, 'secureConnect'),
      ]);
      link.outgoing = (datagram) => [datagram];
      await converse({ client, peer });
      expect(repeated).to.include('client_hello');
      expect(client.stats.retransmissions).to.equal(repeated.length);
    });
  });
});
