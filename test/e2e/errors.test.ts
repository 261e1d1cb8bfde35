/**
 * Protects: that everything which can go wrong ends in one typed error on each side, with a code and
 * a category of its own and a sentence of what to check; and that a bad client harms no server.
 */
import dgram from 'node:dgram';
import { once } from 'node:events';
import tls from 'node:tls';
import { expect } from 'chai';
import {
  createServer,
  DTLSError,
  generateCertificate,
  type ConnectOptions,
  type DTLSErrorCategory,
  type DTLSSocket,
  type ServerOptions,
} from '../../lib/index';
import { createAuthority, selfSigned } from '../helpers/certificates';
import {
  certificate,
  clientFailure,
  closeEverything,
  dial,
  dialTo,
  failure,
  listen,
  next,
  openOn,
  portOf,
  PSK,
  PSK_CLIENT,
  PSK_SERVER,
  withCertificate,
} from '../helpers/pair';
import { patience } from '../helpers/patience';

interface Failures {
  readonly server: DTLSError;
  readonly client: DTLSError;
}

/** A handshake that fails on both sides. The server must serve the next client all the same. */
async function failing(
  serverOptions: ServerOptions,
  clientOptions: Partial<ConnectOptions>,
): Promise<Failures> {
  const server = await listen(serverOptions);
  const opened: DTLSSocket[] = [];
  server.on('secureConnection', (socket) => opened.push(socket));
  const atServer = clientFailure(server);
  const client = await dial(server, clientOptions);
  client.on('secureConnect', () => opened.push(client));
  const [serverError, clientError] = await Promise.all([atServer, failure(client)]);
  expect(opened, 'sessions').to.deep.equal([]);
  expect(server.stats).to.deep.include({
    handshakesFailed: 1,
    handshakesCompleted: 0,
    sessions: 0,
  });
  return { server: serverError, client: clientError };
}

/** Both have a code, a category, a hint and the peer's address. */
function expectError(
  error: DTLSError,
  code: string | RegExp,
  category: DTLSErrorCategory,
  alert?: string,
): void {
  expect(error).to.be.instanceOf(DTLSError);
  if (typeof code === 'string') expect(error.code).to.equal(code);
  else expect(error.code).to.match(code);
  expect(error.category).to.equal(category);
  expect(error.message).to.be.a('string').that.is.not.empty;
  expect(error.hint, `hint of ${error.code}`).to.be.a('string').that.is.not.empty;
  expect(error.peer).to.include({ address: '127.0.0.1' });
  if (alert !== undefined) expect(error.alert).to.equal(alert);
}

/** A UDP socket that takes everything and says nothing. */
async function silentPort(): Promise<dgram.Socket> {
  const socket = dgram.createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return socket;
}

const DAY = 86_400_000;

/** Identities that look like others, or like the end of a line and another one, and how messages quote them. */
const DECEPTIVE: readonly [identity: string, written: string][] = [
  ['lamp\u202e7', 'lamp\\u202e7'],
  ['la\u200bmp', 'la\\u200bmp'],
  ['la\u{e0041}mp', 'la\\u{e0041}mp'],
  ['a\u2028error: b', 'a\\u2028error: b'],
  ['a\nerror: b', 'a\\nerror: b'],
  ['\u001b[2J', '\\x1B[2J'],
];

describe('errors', () => {
  afterEach(closeEverything);

  describe('pre-shared keys', () => {
    it('that differ', async () => {
      const short = { handshakeTimeout: patience(300), retransmission: { initial: 100 } };
      const { server, client } = await failing(
        { ...PSK_SERVER, ...short },
        { ...short, pskCallback: () => ({ ...PSK, psk: Buffer.alloc(16, 1) }) },
      );
      expectError(server, 'ERR_DTLS_PSK_MISMATCH', 'protocol');
      expectError(client, 'ERR_DTLS_PSK_MISMATCH', 'protocol');
      expect(client.hint, 'the usual mix-up').to.include("Buffer.from(key, 'hex')");
    });

    it('that the server does not know', async () => {
      const { server, client } = await failing(PSK_SERVER, {
        pskCallback: () => ({ ...PSK, identity: 'nobody' }),
      });
      expectError(server, 'ERR_DTLS_PSK_IDENTITY_UNKNOWN', 'protocol', 'unknown_psk_identity');
      expect(server.message).to.equal("no key for the PSK identity 'nobody'");
      expect(server.cause).to.equal(undefined);
      expectError(
        client,
        'ERR_DTLS_ALERT_UNKNOWN_PSK_IDENTITY',
        'alert',
        'unknown_psk_identity',
      );
    });

    it('whose identity a pskCallback with swapped arguments does not find: the message names it, the hint the order', async () => {
      const keys: Record<string, Buffer> = { device: PSK.psk };
      const swapped = (identity: unknown): Buffer | undefined => keys[String(identity)];
      const identity = 'dev\nice';
      const { server } = await failing({ pskCallback: swapped }, { psk: { ...PSK, identity } });
      expectError(server, 'ERR_DTLS_PSK_IDENTITY_UNKNOWN', 'protocol', 'unknown_psk_identity');
      expect(server.message, 'escaped').to.equal("no key for the PSK identity 'dev\\nice'");
      expect(server.hint).to.include('(socket, identity)');
    });

    it('whose identity would deceive a terminal or a reader: the message has it in one line, and all of it', async () => {
      for (const [identity, written] of DECEPTIVE) {
        const { server } = await failing(PSK_SERVER, { psk: { ...PSK, identity } });
        expectError(server, 'ERR_DTLS_PSK_IDENTITY_UNKNOWN', 'protocol', 'unknown_psk_identity');
        expect(server.message).to.equal(`no key for the PSK identity '${written}'`);
      }
    });

    it('that is not the one of a server with psk, whose hint names that option', async () => {
      const { server } = await failing({ psk: PSK }, { psk: { ...PSK, identity: 'nobody' } });
      expectError(server, 'ERR_DTLS_PSK_IDENTITY_UNKNOWN', 'protocol', 'unknown_psk_identity');
      expect(server.hint).to.match(/'psk' knows its own/).and.not.match(/^pskCallback/);
    });

    for (const [what, pskCallback] of [
      [
        'callback that throws',
        () => {
          throw new Error('database down');
        },
      ],
      ['callback that rejects', () => Promise.reject(new Error('database down'))],
      ['key that is a number', () => 42 as unknown as Buffer],
      ['key that is empty', () => Buffer.alloc(0)],
      ['key that is too long', () => Promise.resolve(Buffer.alloc(513))],
      ['key of 1000 bytes', () => Buffer.alloc(1000)],
    ] satisfies [string, ServerOptions['pskCallback']][]) {
      it(`with a server's ${what}`, async () => {
        const { server, client } = await failing({ pskCallback }, PSK_CLIENT);
        expectError(server, 'ERR_DTLS_PSK_IDENTITY_UNKNOWN', 'protocol');
        expect(server.cause).to.be.instanceOf(Error);
        expect(server.message).to.match(/^pskCallback failed for the PSK identity 'device-1': /).and.include((server.cause as Error).message);
        if (what.startsWith('callback')) {
          expect(server.cause).to.have.property('message', 'database down');
        } else {
          expect(server.cause).to.have.property('category', 'usage');
        }
        expectError(client, 'ERR_DTLS_ALERT_UNKNOWN_PSK_IDENTITY', 'alert');
      });
    }

    it("with a server's callback that never answers", async () => {
      const short = { handshakeTimeout: patience(300) };
      const { server, client } = await failing(
        { ...short, pskCallback: () => new Promise(() => undefined) },
        { ...PSK_CLIENT, ...short },
      );
      expect(server.category).to.be.oneOf(['timeout', 'protocol']);
      expect(client.category).to.be.oneOf(['timeout', 'protocol']);
      expectError(server, 'ERR_DTLS_LOOKUP_TIMEOUT', 'timeout');
    });

    it("with a server's callback that answers too late", async () => {
      const short = { handshakeTimeout: patience(100) };
      let answer: (key: Buffer) => void = () => undefined;
      const { server } = await failing(
        {
          ...short,
          pskCallback: () =>
            new Promise((resolve) => {
              answer = resolve;
            }),
        },
        { ...PSK_CLIENT, ...short },
      );
      answer(PSK.psk);
      await new Promise(setImmediate);
      expectError(server, 'ERR_DTLS_LOOKUP_TIMEOUT', 'timeout');
    });

    const clientAnswers: [string, ConnectOptions['pskCallback'], boolean][] = [
      ['returns null', () => null, false],
      ['promises nothing', () => Promise.resolve(undefined), false],
      [
        'throws',
        () => {
          throw new Error('vault closed');
        },
        true,
      ],
      ['rejects', () => Promise.reject(new Error('vault closed')), true],
      ['returns a string', () => 'x' as unknown as null, true],
      ['has no key', () => ({ identity: 'x' }) as unknown as null, true],
      ['has no identity', () => ({ psk: PSK.psk }) as unknown as null, true],
      ['has too long an identity', () => ({ identity: 'x'.repeat(257), psk: PSK.psk }), true],
      ['has an empty key', () => ({ identity: 'x', psk: Buffer.alloc(0) }), true],
      ['has too long a key', () => ({ identity: 'x', psk: Buffer.alloc(513) }), true],
      ['has a key of 1000 bytes', () => Promise.resolve({ identity: 'x', psk: Buffer.alloc(1000) }), true],
    ];
    for (const [what, pskCallback, hasCause] of clientAnswers) {
      it(`with a client's callback that ${what}`, async () => {
        const server = await listen(PSK_SERVER);
        const client = await dial(server, { pskCallback });
        const [atServer, atClient] = await Promise.all([clientFailure(server), failure(client)]);
        expectError(atClient, 'ERR_DTLS_PSK_REQUIRED', 'protocol');
        if (hasCause) {
          expect(atClient.cause).to.be.instanceOf(Error);
          expect(atClient.message).to.equal(`pskCallback failed: ${(atClient.cause as Error).message}`);
        } else expect(atClient.cause).to.equal(undefined);
        expectError(atServer, /^ERR_DTLS_ALERT_/, 'alert');
      });
    }
  });

  describe('nothing in common', () => {
    it('no cipher suite: the server names both lists', async () => {
      const [ours, theirs] = ['ECDHE-ECDSA-AES256-GCM-SHA384', 'ECDHE-ECDSA-AES128-GCM-SHA256'];
      const { server, client } = await failing(await withCertificate({ ciphers: ours }), {
        ciphers: theirs,
      });
      expectError(server, 'ERR_DTLS_NO_SHARED_CIPHER', 'protocol', 'handshake_failure');
      expect(server.message).to.include(ours).and.include(theirs);
      for (const error of [server, client]) {
        expect(error.library).to.match(/^SSL routines/i);
        expect(error.reason).to.be.a('string').that.is.not.empty;
        expect(error.openssl).to.match(/^error:[0-9A-F]{8}:SSL routines:/);
        expect(error.openssl).to.include(error.reason);
      }
      expectError(client, 'ERR_DTLS_ALERT_HANDSHAKE_FAILURE', 'alert', 'handshake_failure');
      expect(client.message).to.include(theirs);
    });

    it('no suite that fits the kind of key', async () => {
      const { cert, key } = await certificate({ keyType: 'rsa-2048' });
      const { server, client } = await failing(
        { cert, key },
        { ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256' },
      );
      expectError(server, 'ERR_DTLS_NO_SHARED_CIPHER', 'protocol');
      expectError(client, 'ERR_DTLS_ALERT_HANDSHAKE_FAILURE', 'alert');
    });

    it('no suite because one has certificates and the other has keys', async () => {
      const { server, client } = await failing(PSK_SERVER, {});
      expectError(server, 'ERR_DTLS_NO_SHARED_CIPHER', 'protocol');
      expectError(client, 'ERR_DTLS_ALERT_HANDSHAKE_FAILURE', 'alert');
    });

    it('no group', async () => {
      const { server, client } = await failing(await withCertificate({ ecdhCurve: 'P-384' }), {
        ecdhCurve: 'X25519',
      });
      expectError(server, /^ERR_DTLS_NO_SHARED_(PARAMETERS|CIPHER)$/, 'protocol');
      expectError(client, 'ERR_DTLS_ALERT_HANDSHAKE_FAILURE', 'alert');
    });

    it('no signature algorithm', async () => {
      const { cert, key } = await certificate({ keyType: 'rsa-2048' });
      const { server, client } = await failing(
        { cert, key, sigalgs: 'RSA+SHA512' },
        { sigalgs: 'RSA+SHA256:ECDSA+SHA256' },
      );
      expectError(server, /^ERR_DTLS_NO_SHARED_(PARAMETERS|CIPHER)$/, 'protocol');
      expectError(client, 'ERR_DTLS_ALERT_HANDSHAKE_FAILURE', 'alert');
    });

    it('no version: a client that is too old', async () => {
      const { server, client } = await failing(await withCertificate(), {
        minVersion: 'DTLSv1',
        maxVersion: 'DTLSv1',
        ciphers: 'DEFAULT:@SECLEVEL=0',
      });
      expectError(server, 'ERR_DTLS_VERSION_MISMATCH', 'protocol', 'protocol_version');
      expect(server.message).to.match(/at most DTLSv1;/).and.match(/DTLSv1\.2/);
      expectError(client, 'ERR_DTLS_ALERT_PROTOCOL_VERSION', 'alert', 'protocol_version');
    });

    it('no version: a server that is too old', async () => {
      const old = { minVersion: 'DTLSv1', maxVersion: 'DTLSv1' } as const;
      const { server, client } = await failing(
        await withCertificate({ ...old, ciphers: 'DEFAULT:@SECLEVEL=0' }),
        { ciphers: 'DEFAULT:@SECLEVEL=0' },
      );
      expectError(client, 'ERR_DTLS_VERSION_MISMATCH', 'protocol', 'protocol_version');
      expectError(server, 'ERR_DTLS_ALERT_PROTOCOL_VERSION', 'alert', 'protocol_version');
    });
  });

  describe("the server's certificate", () => {
    const cases: [what: string, code: string, alert: string, () => Promise<ServerOptions>][] =
      [
        [
          'that has expired',
          'CERT_HAS_EXPIRED',
          'certificate_expired',
          () =>
            certificate({
              notBefore: new Date(Date.now() - 10 * DAY),
              notAfter: new Date(Date.now() - DAY),
            }),
        ],
        [
          'that is not valid yet',
          'CERT_NOT_YET_VALID',
          'bad_certificate',
          () =>
            certificate({
              notBefore: new Date(Date.now() + DAY),
              notAfter: new Date(Date.now() + 10 * DAY),
            }),
        ],
        [
          'that is self-signed',
          'DEPTH_ZERO_SELF_SIGNED_CERT',
          'unknown_ca',
          () => selfSigned({ commonName: 'localhost', ipAddresses: ['127.0.0.1'] }),
        ],
        [
          'of an unknown authority',
          'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
          'unknown_ca',
          async () =>
            (await createAuthority('unknown authority')).issue({
              commonName: 'localhost',
              ipAddresses: ['127.0.0.1'],
            }),
        ],
        [
          'that is a client\'s',
          'INVALID_PURPOSE',
          'unsupported_certificate',
          () => certificate({ clientAuth: true }),
        ],
      ];
    it("that is self-signed, beside a 'ca' of the same name and another key", async () => {
      const subject = { altNames: ['localhost', '127.0.0.1'] };
      const [own, other] = await Promise.all([generateCertificate(subject), generateCertificate(subject)]);
      const { client } = await failing(own, { ca: other.cert });
      expectError(client, 'DEPTH_ZERO_SELF_SIGNED_CERT', 'certificate', 'unknown_ca');
      expect(client.hint).to.include("none of those in 'ca'").and.include('same name');
    });

    for (const [what, code, alert, make] of cases) {
      it(what, async () => {
        const { cert, key } = await make();
        const { server, client } = await failing({ cert, key }, {});
        expectError(client, code, 'certificate', alert);
        expect(client.reason).to.be.a('string').that.is.not.empty;
        expectError(server, `ERR_DTLS_ALERT_${alert.toUpperCase()}`, 'alert', alert);
      });
    }

    it('that is trusted by nobody, when no ca is given', async () => {
      const server = await listen(await withCertificate());
      const atServer = clientFailure(server);
      const client = dialTo({ host: '127.0.0.1', port: portOf(server) });
      expectError(await failure(client), 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'certificate');
      expectError(await atServer, 'ERR_DTLS_ALERT_UNKNOWN_CA', 'alert');
    });

    it('for another name', async () => {
      const { cert, key } = await certificate({ dnsNames: ['other.example'], ipAddresses: [] });
      const { server, client } = await failing({ cert, key }, { servername: 'coap.example' });
      expectError(client, 'ERR_TLS_CERT_ALTNAME_INVALID', 'certificate', 'bad_certificate');
      expect(client.message).to.include('coap.example');
      expect(client.cause).to.be.instanceOf(Error);
      expectError(server, 'ERR_DTLS_ALERT_BAD_CERTIFICATE', 'alert', 'bad_certificate');
    });

    it('for another address', async () => {
      const { cert, key } = await certificate({ ipAddresses: ['192.0.2.1'] });
      const { client } = await failing({ cert, key }, {});
      expectError(client, 'ERR_TLS_CERT_ALTNAME_INVALID', 'certificate');
    });

    it('that checkServerIdentity refuses', async () => {
      const refusal = Object.assign(new Error('not pinned'), { code: 'MY_PIN' });
      const { client } = await failing(await withCertificate(), {
        checkServerIdentity: () => refusal,
      });
      expectError(client, 'MY_PIN', 'certificate', 'bad_certificate');
      expect(client.cause).to.equal(refusal);
      expect(client.message).to.equal('not pinned');
      expect(client.hint).to.include("'checkServerIdentity' refused").and.not.match(/name/);
    });

    it('that checkServerIdentity refuses for its names, as tls does', async () => {
      const { client } = await failing(await withCertificate(), {
        checkServerIdentity: (_host, shown) => tls.checkServerIdentity('other.example', shown),
      });
      expectError(client, 'ERR_TLS_CERT_ALTNAME_INVALID', 'certificate');
      expect(client.hint).to.match(/other names/);
    });

    it('that checkServerIdentity refuses, where that is tolerated', async () => {
      const server = await listen(await withCertificate());
      const tolerant = async (refusal: Error): Promise<string | null> => {
        const options = { rejectUnauthorized: false, checkServerIdentity: () => refusal };
        return (await openOn(server, options)).client.authorizationError;
      };
      // As tls: the code, or else the message.
      expect(await tolerant(Object.assign(new Error('not pinned'), { code: 'MY_PIN' }))).to.equal('MY_PIN');
      expect(await tolerant(new Error('not pinned'))).to.equal('not pinned');
    });

    it('about which checkServerIdentity throws', async () => {
      const { client, server } = await failing(await withCertificate(), {
        checkServerIdentity: () => {
          throw new Error('broken check');
        },
      });
      expectError(client, 'ERR_DTLS_PEER_IDENTITY', 'certificate');
      expect(client.message).to.equal('broken check');
      expect(client.hint).to.include("'checkServerIdentity' refused").and.not.match(/name/);
      expectError(server, 'ERR_DTLS_ALERT_BAD_CERTIFICATE', 'alert');
    });
  });

  describe("the client's certificate", () => {
    it('that is missing', async () => {
      const { ca } = await certificate();
      const { server, client } = await failing(
        await withCertificate({ requestCert: true, ca }),
        {},
      );
      expectError(server, 'ERR_DTLS_PEER_CERTIFICATE_MISSING', 'certificate');
      expectError(client, /^ERR_DTLS_ALERT_(HANDSHAKE_FAILURE|CERTIFICATE_REQUIRED)$/, 'alert');
    });

    it('of an authority that the server does not trust', async () => {
      const { ca } = await certificate();
      const stranger = await createAuthority('unknown authority');
      const { cert, key } = await stranger.issue({ commonName: 'client', clientAuth: true });
      const { server, client } = await failing(
        await withCertificate({ requestCert: true, ca }),
        { cert, key },
      );
      expectError(server, 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'certificate', 'unknown_ca');
      expectError(client, 'ERR_DTLS_ALERT_UNKNOWN_CA', 'alert', 'unknown_ca');
    });

    for (const [what, begins, ends, code, alert] of [
      ['that has expired', -10, -1, 'CERT_HAS_EXPIRED', 'certificate_expired'],
      ['that is not valid yet', 1, 10, 'CERT_NOT_YET_VALID', 'bad_certificate'],
    ] as const) {
      const dates = {
        notBefore: new Date(Date.now() + begins * DAY),
        notAfter: new Date(Date.now() + ends * DAY),
      };

      it(what, async () => {
        const { cert, key, ca } = await certificate({ clientAuth: true, ...dates });
        const { server, client } = await failing(
          await withCertificate({ requestCert: true, ca }),
          { cert, key },
        );
        expectError(server, code, 'certificate', alert);
        expectError(client, `ERR_DTLS_ALERT_${alert.toUpperCase()}`, 'alert', alert);
      });

      it(`${what} shows in authorizationError on both sides with rejectUnauthorized: false`, async () => {
        const mine = await certificate({ clientAuth: true, ...dates });
        const theirs = await certificate(dates);
        const rejectUnauthorized = false;
        const pair = await openOn(
          await listen({ cert: theirs.cert, key: theirs.key, ca: mine.ca, requestCert: true, rejectUnauthorized }),
          { cert: mine.cert, key: mine.key, rejectUnauthorized },
        );
        for (const socket of [pair.client, pair.peer]) {
          expect(socket.authorized).to.equal(false);
          expect(socket.authorizationError).to.equal(code);
        }
      });
    }
  });

  describe('nobody there', () => {
    it('a port that is closed', async () => {
      const socket = await silentPort();
      const { port } = socket.address();
      socket.close();
      await once(socket, 'close');
      const client = dialTo({ host: '127.0.0.1', port, ...PSK_CLIENT });
      const error = await failure(client);
      expectError(error, 'ECONNREFUSED', 'io');
      expect(error.syscall).to.be.a('string');
      expect(error.errno).to.be.a('number');
    });

    it('a port that never answers', async () => {
      const socket = await silentPort();
      const { port } = socket.address();
      const client = dialTo({
        host: '127.0.0.1',
        port,
        ...PSK_CLIENT,
        handshakeTimeout: patience(250),
        retransmission: { initial: patience(50), max: patience(60) },
      });
      const error = await failure(client);
      expectError(error, 'ERR_DTLS_NO_RESPONSE', 'timeout');
      expect(client.stats.retransmissions).to.be.within(2, 5);
      socket.close();
    });

    it('a server that falls silent', async () => {
      const server = await listen(PSK_SERVER);
      const relay = await silentPort();
      let answers = 0;
      relay.on('message', (datagram, { port }) => {
        if (port !== portOf(server)) relay.send(datagram, portOf(server), '127.0.0.1');
        else if (answers++ === 0) relay.send(datagram, client.localPort);
      });
      const client = dialTo({
        host: '127.0.0.1',
        port: relay.address().port,
        ...PSK_CLIENT,
        handshakeTimeout: patience(200),
      });
      expectError(await failure(client), 'ERR_DTLS_HANDSHAKE_TIMEOUT', 'timeout');
      relay.close();
    });

    it('a host name that does not exist', async () => {
      const client = dialTo({ host: 'nowhere.invalid', port: 5684, ...PSK_CLIENT });
      const error = await failure(client);
      // EAI_AGAIN where no resolver can be reached.
      expect(error.code).to.be.oneOf(['ENOTFOUND', 'EAI_AGAIN']);
      expect(error.category).to.equal('io');
      expect(error.hint).to.be.a('string').that.is.not.empty;
      expect(error.message).to.include('nowhere.invalid');
    });

    it("a lookup of the user's own that fails", async () => {
      const client = dialTo({
        host: 'anything',
        port: 5684,
        ...PSK_CLIENT,
        lookup: (_hostname, _options, callback) => {
          callback(Object.assign(new Error('no such name'), { code: 'ENOTFOUND' }), '', 4);
        },
      });
      const error = await failure(client);
      expect(error).to.include({ code: 'ENOTFOUND', category: 'io', message: 'no such name' });
    });

    it('a local address that this machine does not have', async () => {
      const server = await listen(PSK_SERVER);
      const client = await dial(server, { ...PSK_CLIENT, localAddress: '192.0.2.1' });
      expectError(await failure(client), 'EADDRNOTAVAIL', 'io');
    });
  });

  describe('listening', () => {
    it('on a port that is taken', async () => {
      const first = await listen(PSK_SERVER);
      const second = createServer(PSK_SERVER);
      const failed = next(second, 'error');
      second.listen(portOf(first), '127.0.0.1');
      const [error] = await failed;
      expect(error).to.include({ code: 'EADDRINUSE', category: 'io' });
      expect(error.hint).to.be.a('string').that.is.not.empty;
      // It may try again elsewhere.
      const listening = next(second, 'listening');
      second.listen(0, '127.0.0.1');
      await listening;
      await second[Symbol.asyncDispose]();
    });

    it('on an address that this machine does not have', async () => {
      const server = createServer(PSK_SERVER);
      const failed = next(server, 'error');
      server.listen(0, '192.0.2.1');
      expect((await failed)[0]).to.include({ code: 'EADDRNOTAVAIL', category: 'io' });
    });

    it('on a host name that does not exist', async () => {
      const server = createServer(PSK_SERVER);
      const failed = next(server, 'error');
      server.listen(0, 'nowhere.invalid');
      const [error] = await failed;
      expect(error.code).to.be.oneOf(['ENOTFOUND', 'EAI_AGAIN']);
      expect(error.category).to.equal('io');
    });

    it('twice', async () => {
      const server = await listen(PSK_SERVER);
      expect(() => server.listen(0))
        .to.throw(DTLSError)
        .with.property('code', 'ERR_SERVER_ALREADY_LISTEN');
    });

    it('again after it was closed', async () => {
      const server = await listen(PSK_SERVER);
      await new Promise<void>((resolve) => {
        server.close(() => {
          resolve();
        });
      });
      expect(() => server.listen(0)).to.throw(DTLSError, 'this server was closed').with.property('hint').that.includes('createServer()');
    });
  });

  describe('on a server', () => {
    it('one bad client does not disturb the others', async () => {
      const server = await listen(PSK_SERVER);
      const good = await openOn(server, PSK_CLIENT);
      const failed = clientFailure(server);
      const bad = await dial(server, { pskCallback: () => ({ ...PSK, identity: 'nobody' }) });
      await Promise.all([failed, failure(bad)]);
      const arrived = next(good.peer, 'message');
      good.client.send('still here');
      expect((await arrived)[0].toString()).to.equal('still here');
      await openOn(server, PSK_CLIENT);
      expect(server.stats.failures).to.deep.equal({ ERR_DTLS_PSK_IDENTITY_UNKNOWN: 1 });
    });

    it("dtlsClientError comes with the client's socket, whose close comes after it", async () => {
      const server = await listen(PSK_SERVER);
      const order: string[] = [];
      server.on('connection', (socket) => {
        socket.on('error', () => order.push('error'));
        socket.on('close', (hadError) => order.push(`close ${String(hadError)}`));
      });
      server.on('dtlsClientError', () => order.push('dtlsClientError'));
      const failed = next(server, 'dtlsClientError');
      const client = await dial(server, { pskCallback: () => ({ ...PSK, identity: 'nobody' }) });
      const [[, socket]] = await Promise.all([failed, failure(client)]);
      expect(socket.remotePort).to.be.a('number');
      expect(socket.readyState).to.equal('closed');
      expect(order).to.deep.equal(['dtlsClientError', 'close true']);
    });

    it('limits keep clients out, and are counted', async () => {
      const server = await listen({ ...PSK_SERVER, maxSessions: 1 });
      const { client } = await openOn(server, PSK_CLIENT);
      const second = await dial(server, { ...PSK_CLIENT, handshakeTimeout: patience(200) });
      const error = await failure(second);
      expect(error.category).to.equal('timeout');
      expect(server.stats.sessionsRefused).to.be.at.least(1);
      const [first] = server.sessions;
      if (first === undefined) throw new Error('no session');
      const left = next(first, 'close');
      client.close();
      await left;
      await openOn(server, PSK_CLIENT);
    });
  });
});
