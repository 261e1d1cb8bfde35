// Protects the options of `node:dtls` contexts by what they do: which material is taken, whom a context trusts, which
// suites and groups it offers, what its sessions are bound to, and that a context can be shared.
import { createHash, createPrivateKey, randomBytes } from 'node:crypto';
import dgram from 'node:dgram';
import net from 'node:net';
import tls from 'node:tls';
import { expect } from 'chai';
import type { DTLSConnectOptions, DTLSListenOptions } from '../../lib/node-dtls/index';
import { createAuthority } from '../helpers/certificates';
import { listen as listenOwn, next, portOf as ownPort, within } from '../helpers/pair';
import { certificate, closeAll, connect, dtls, HOST, KEY, listen, open, PSK, rejection, thrown } from './support';

const psk = { [PSK.identity]: KEY };

/** Of a ClientHello: where its session id begins, a cookie follows or not. */
function suitesOf(hello: Buffer, hasCookie: boolean): number[] {
  let at = 2 + 32; // version and random
  at += 1 + hello.readUInt8(at);
  if (hasCookie) at += 1 + hello.readUInt8(at);
  const size = hello.readUInt16BE(at);
  return Array.from({ length: size / 2 }, (_, i) => hello.readUInt16BE(at + 2 + 2 * i));
}

async function offered(options: DTLSConnectOptions): Promise<number[]> {
  const receiver = dgram.createSocket('udp4');
  await new Promise<void>((resolve) => {
    receiver.bind(0, HOST, resolve);
  });
  const arrived = new Promise<Buffer>((resolve) => receiver.once('message', resolve));
  const client = connect(receiver.address().port, options);
  const hello = await within(arrived, 'the ClientHello');
  client.destroy();
  receiver.close();
  return suitesOf(hello.subarray(13 + 12), true);
}

/** What a client of this OpenSSL offers over TCP for a list. */
async function offeredByTls(ciphers: string): Promise<number[]> {
  const server = net.createServer();
  await new Promise<void>((resolve) => {
    server.listen(0, HOST, resolve);
  });
  const arrived = new Promise<Buffer>((resolve) => {
    server.once('connection', (connection) => connection.once('data', resolve));
  });
  const { port } = server.address() as net.AddressInfo;
  const client = tls.connect({
    port,
    host: HOST,
    ciphers,
    minVersion: 'TLSv1.2',
    maxVersion: 'TLSv1.2',
    ...(ciphers.includes('PSK') ? { pskCallback: () => ({ identity: 'x', psk: KEY }) } : {}),
    checkServerIdentity: () => undefined,
  });
  client.on('error', () => undefined);
  const hello = await within(arrived, "tls's ClientHello");
  client.destroy();
  server.close();
  return suitesOf(hello.subarray(5 + 4), false);
}

describe('node-dtls: contexts', () => {
  afterEach(closeAll);

  describe('material', () => {
    it('cert, key and ca may be Buffers, ca an array; a chain in cert is sent', async () => {
      const authority = await createAuthority();
      const { cert, key, ca } = await authority.issue({ commonName: 'server', ipAddresses: [HOST], intermediate: true });
      const { certificatePem: other } = await createAuthority('another authority');
      const endpoint = listen({ cert: Buffer.from(cert), key: Buffer.from(key) });
      for (const trusted of [Buffer.from(ca), [ca], [Buffer.from(other), ca]]) {
        const client = connect(endpoint, { ca: trusted });
        await within(client.opened, 'the handshake');
        expect(client.authorized).to.equal(true);
      }
    });

    it('a KeyObject is ERR_INVALID_ARG_TYPE', async () => {
      const { cert, key } = await certificate();
      const object = createPrivateKey(key) as unknown as string;
      expect(thrown(() => listen({ cert, key: object })).code).to.equal('ERR_INVALID_ARG_TYPE');
    });

    it('a key without cert is ERR_SSL_NO_CERTIFICATE_ASSIGNED, one that is none ERR_OSSL_UNSUPPORTED', async () => {
      const { key } = await certificate();
      for (const isServer of [true, false]) {
        const context = (pem: string): string | undefined =>
          thrown(() => dtls.createSecureContext({ isServer, key: pem })).code;
        expect(context(key)).to.equal('ERR_SSL_NO_CERTIFICATE_ASSIGNED');
        expect(context('no PEM')).to.equal('ERR_OSSL_UNSUPPORTED');
      }
      expect(thrown(() => listen({ psk, key })).code).to.equal('ERR_SSL_NO_CERTIFICATE_ASSIGNED');
    });

    it('different: a cert without key is refused', async () => {
      const { cert } = await certificate();
      expect(thrown(() => dtls.createSecureContext({ cert })).code).to.equal('ERR_CRYPTO_OPERATION_FAILED');
    });

    it('a ca without a certificate is ERR_CRYPTO_OPERATION_FAILED', () => {
      expect(thrown(() => dtls.createSecureContext({ ca: 'no PEM' })).code).to.equal('ERR_CRYPTO_OPERATION_FAILED');
    });
  });

  describe('ciphers', () => {
    it("default: OpenSSL's DEFAULT", async () => {
      expect(await offered({})).to.deep.equal(await offeredByTls('DEFAULT'));
    });

    it("with psk and no ciphers, a client offers 'kECDHEPSK:kDHEPSK:kPSK:!kRSAPSK' and no suite of certificates", async () => {
      const suites = await offered({ psk: PSK });
      expect(suites).to.deep.equal(await offeredByTls('kECDHEPSK:kDHEPSK:kPSK:!kRSAPSK'));
      expect(suites).to.not.include(0xc02f); // TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
    });

    it('with psk and ciphers, what was asked for', async () => {
      const suites = await offered({ psk: PSK, ciphers: 'PSK-AES128-GCM-SHA256' });
      // Beside them OpenSSL 3.0 has the renegotiation_info signal (RFC 5746), newer ones an extension.
      expect(suites.filter((suite) => suite !== 0x00ff)).to.deep.equal([0x00a8]);
    });

    it('a server with psk and a certificate serves both kinds of client', async () => {
      const { cert, key, ca } = await certificate();
      const endpoint = listen({ cert, key, psk });
      const byCertificate = connect(endpoint, { ca });
      await within(byCertificate.opened, 'by certificate');
      expect(byCertificate.peerCertificate).to.be.a('string');
      const byKey = connect(endpoint, { psk: PSK });
      await within(byKey.opened, 'by key');
      expect(byKey.peerCertificate).to.equal(undefined);
    });

    it('DHE-PSK: offered by clients, and not served, as a server has no Diffie-Hellman parameters', async () => {
      const suite = 'DHE-PSK-AES128-GCM-SHA256';
      expect(await offered({ psk: PSK })).to.include(0x00aa); // that one
      const refused = connect(listen({ psk }), { psk: PSK, ciphers: suite });
      expect((await rejection(refused.opened)).message).to.include('alert handshake failure');
      const server = await listenOwn({ pskCallback: () => KEY, ciphers: suite, dhparam: 'auto' });
      const client = connect(ownPort(server), { psk: PSK });
      await within(client.opened, 'a server with parameters');
      expect(client.cipher?.name).to.equal(suite);
      await client.close();
      server.close();
      await next(server, 'close');
    });
  });

  it('ecdhCurve chooses the groups: with none in common there is no handshake', async () => {
    const { cert, key, ca } = await certificate();
    const endpoint = listen({ cert, key, ecdhCurve: 'P-384' });
    await within(connect(endpoint, { ca, ecdhCurve: 'P-256:P-384' }).opened, 'one in common');
    await within(connect(endpoint, { ca, ecdhCurve: 'auto' }).opened, "'auto'");
    const error = await rejection(connect(endpoint, { ca, ecdhCurve: 'P-521' }).opened);
    expect(error.message).to.match(/alert handshake failure|alert illegal parameter/);
  });

  describe('sessionIdContext', () => {
    const ticketKeys = randomBytes(80);
    /** Whether a session of the one server is resumed by the other. */
    const carries = async (one: Partial<DTLSListenOptions>, other: Partial<DTLSListenOptions>): Promise<boolean> => {
      const { client } = await open({ psk, ticketKeys, ...one });
      const { session } = client;
      const { client: again } = await open({ psk, ticketKeys, ...other }, { psk: PSK, session });
      return again.reused;
    };

    it('scopes sessions to the servers that share it', async () => {
      expect(await carries({ sessionIdContext: 'a' }, { sessionIdContext: 'a' })).to.equal(true);
      expect(await carries({ sessionIdContext: 'a' }, { sessionIdContext: 'b' })).to.equal(false);
    });

    it("default: the first 32 hex digits of the SHA-1 of argv joined by ' '", async () => {
      const digits = createHash('sha1').update(process.argv.join(' ')).digest('hex').slice(0, 32);
      expect(await carries({}, { sessionIdContext: digits })).to.equal(true);
      expect(await carries({}, { sessionIdContext: digits.slice(1) })).to.equal(false);
    });

    it('has up to 32 bytes', () => {
      listen({ psk, sessionIdContext: 'x'.repeat(32) });
      expect(thrown(() => listen({ psk, sessionIdContext: 'é'.repeat(17) })).code).to.equal('ERR_OUT_OF_RANGE');
    });
  });

  it('ticketKeys is any view of 80 bytes', async () => {
    const bytes = randomBytes(80);
    const memory = new Uint8Array(100);
    memory.set(bytes, 10);
    const views = [bytes, new Uint16Array(memory.buffer, 10, 40), new DataView(memory.buffer, 10, 80)];
    const { client } = await open({ psk, ticketKeys: bytes });
    const { session } = client;
    for (const ticketKeys of views) {
      const { client: again } = await open({ psk, ticketKeys }, { psk: PSK, session });
      expect(again.reused).to.equal(true);
    }
    for (const length of [79, 81]) {
      expect(thrown(() => listen({ psk, ticketKeys: Buffer.alloc(length) })).message).to.include('exactly 80 bytes');
    }
  });

  describe('booleans', () => {
    const makers: [string, (options: object) => unknown][] = [
      ['listen', (options) => listen({ psk, ...options })],
      ['connect', (options) => connect(9, { psk: PSK, ...options })],
      ['createSecureContext', (options) => dtls.createSecureContext({ ...options })],
    ];
    for (const [call, make] of makers) {
      it(`${call}: rejectUnauthorized is strict`, () => {
        for (const value of [0, 1, null, 'false']) {
          const error = thrown(() => make({ rejectUnauthorized: value }));
          expect(error.code, String(value)).to.equal('ERR_INVALID_ARG_TYPE');
        }
      });
    }
  });

  describe('secureContext', () => {
    it('serves several endpoints and connections, each verified against its own name', async () => {
      const { cert, key, ca } = await certificate('a.example', 'b.example');
      const secureContext = dtls.createSecureContext({ isServer: true, cert, key });
      const shared = dtls.createSecureContext({ ca });
      for (const endpoint of [listen({ secureContext }), listen({ secureContext })]) {
        for (const servername of ['a.example', 'b.example']) {
          await within(connect(endpoint, { secureContext: shared, servername }).opened, servername);
        }
        await rejection(connect(endpoint, { secureContext: shared, servername: 'c.example' }).opened);
      }
    });

    it('any context option beside it is ERR_INVALID_ARG_VALUE, naming that one', () => {
      const server = dtls.createSecureContext({ isServer: true, psk });
      const client = dtls.createSecureContext({ psk: PSK });
      const both = ['cert', 'key', 'passphrase', 'ca', 'ciphers', 'ecdhCurve', 'alpn', 'srtp', 'rejectUnauthorized', 'psk'];
      const servers = ['requestCert', 'sessionIdContext', 'ticketKeys', 'pskIdentityHint', 'sni'];
      for (const name of [...both, ...servers]) {
        for (const error of [
          thrown(() => listen({ secureContext: server, [name]: 'x' })),
          thrown(() => connect(9, { secureContext: client, [name]: 'x' })),
        ]) {
          expect(error.code, name).to.equal('ERR_INVALID_ARG_VALUE');
          expect(error.message).to.include(`options.${name}`);
        }
      }
      // What belongs to the endpoint or to the connection stays.
      listen({ secureContext: server, mtu: 1400 });
      connect(9, { secureContext: client, servername: 'a.example', mtu: 1400 });
    });

    it('listen with neither psk nor cert takes its context for them', async () => {
      const { cert, key, ca } = await certificate();
      const { client } = await open({ secureContext: dtls.createSecureContext({ isServer: true, cert, key }) }, { ca });
      expect(client.authorized).to.equal(true);
    });
  });
});
