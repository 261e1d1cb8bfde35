/**
 * Protects: that an option which is misspelt, of a wrong type, out of range, in conflict with another
 * or unusable is refused at once, by a DTLSError that names it and says what to do instead.
 */
import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto';
import net from 'node:net';
import tls from 'node:tls';
import { inspect } from 'node:util';
import { expect } from 'chai';
import {
  features,
  connect,
  createSocket,
  createSecureContext,
  createServer,
  DEFAULT_CIPHERS,
  DTLSError,
  DTLSServer,
  type DTLSSocket,
  SecureContext,
  type ConnectOptions,
  type ServerOptions,
} from '../../lib/index';
import { CONNECT_OPTIONS, SERVER_OPTIONS } from '../../lib/checks/option-names';
import { updateKeys } from '../../lib/socket/update-keys';
import { selfSigned, type Certificate } from '../helpers/certificates';
import { certificate, PSK } from '../helpers/pair';
import { thrown } from '../helpers/thrown';

const pskCallback = (): Buffer => Buffer.from('key');

const ofServer = (options: object): DTLSError =>
  thrown(() => createServer({ pskCallback, ...options }));
const ofClient = (options: object): DTLSError =>
  thrown(() => connect({ port: 5684, ...options } as ConnectOptions));
const ofContext = (options: object): DTLSError =>
  thrown(() => createSecureContext(options));

function expectUsage(error: DTLSError, code: string, name: string): void {
  expect(error, name).to.include({ code, category: 'usage' });
  expect(error.message).to.include(`'${name}'`);
}

/** The options of which a wrong value is refused here. */
const judged = new Set(['cert', 'key', 'retransmission', 'port', 'localPort', 'peerPublicKeys']);

const ofListen = (options: object): DTLSError => thrown(() => createServer({ pskCallback }).listen(options));

describe('options', () => {
  let own: Certificate;

  before(async () => {
    own = await certificate();
  });

  describe('that are unknown', () => {
    const cases: [(options: object) => DTLSError, string, string][] = [
      [ofServer, 'requestcert', 'requestCert'],
      [ofServer, 'cyphers', 'ciphers'],
      [ofServer, 'handshakeTimout', 'handshakeTimeout'],
      [ofServer, 'pskCalback', 'pskCallback'],
      [ofServer, 'sniCallback', 'SNICallback'],
      [ofServer, 'alpnProtocols', 'ALPNProtocols'],
      [ofClient, 'serverName', 'servername'],
      [ofClient, 'rejectUnauthorised', 'rejectUnauthorized'],
      [ofClient, 'hosts', 'host'],
      [ofContext, 'certs', 'cert'],
      [ofContext, 'minVersoin', 'minVersion'],
    ];
    for (const [make, misspelt, meant] of cases) {
      it(`${misspelt} is taken for ${meant}`, () => {
        const error = make({ [misspelt]: true });
        expectUsage(error, 'ERR_DTLS_UNKNOWN_OPTION', misspelt);
        expect(error.hint).to.equal(`Did you mean '${meant}'?`);
      });
    }

    it('letters that were swapped are the nearest', () => {
      for (const make of [ofServer, ofClient]) expect(make({ pks: true }).hint).to.equal("Did you mean 'psk'?");
    });

    it('get a list of what there is when nothing is near', () => {
      const error = ofServer({ somethingElseEntirely: 1 });
      expect(error.code).to.equal('ERR_DTLS_UNKNOWN_OPTION');
      expect(error.hint).to.include('cert').and.include('handshakeTimeout');
    });

    const ofSocket = (options: object): DTLSError => thrown(() => createSocket({ type: 'udp4', ...options } as never));
    const ofDtls = (dtls: object): DTLSError => ofSocket({ dtls });
    const misplaced: [string, (options: object) => DTLSError, object, readonly string[]][] = [
      ['createSocket', ofSocket, { psk: PSK }, ["'dtls' of createSocket()"]],
      ['createSocket', ofSocket, { ca: 'x', dtls: {} }, ["'dtls' of createSocket()"]],
      ['createSocket', ofSocket, { role: 'client' }, ["'dtls' of createSocket()"]],
      ["'dtls' of createSocket", ofDtls, { reuseAddr: true }, ["createSocket(), beside 'dtls'"]],
      ["'dtls' of createSocket", ofDtls, { type: 'udp4' }, ["createSocket(), beside 'dtls'"]],
      ["'dtls' of createSocket", ofDtls, { port: 5684 }, ['listen() and connect()']],
      ['createServer', ofServer, { port: 5684 }, ['listen() and connect()']],
      ['createServer', ofServer, { checkServerIdentity: () => undefined }, ['connect()']],
      ['connect', ofClient, { requestCert: true }, ['createServer()']],
      ['connect', ofClient, { peers: () => null }, ["'dtls' of createSocket()"]],
      ['createServer', ofServer, { dtls: { psk: PSK } }, ['createSocket()']],
      ['connect', ofClient, { dtls: { psk: PSK } }, ['createSocket()']],
      ['createSecureContext', ofContext, { psk: PSK }, ['createServer(), connect() and', "'dtls' of createSocket()"]],
      ['createSecureContext', ofContext, { rejectUnauthorized: false }, ['createServer(), connect() and']],
      ['listen', ofListen, { cert: 'x' }, ['createSecureContext(), createServer()']],
      ['retransmission', ofServer, { retransmission: { mtu: 600 } }, ['createServer(), connect()']],
    ];
    it("createServer's blockList, given to createSocket, is told which lists a socket has", () => {
      for (const error of [ofSocket({ blockList: {} }), ofDtls({ blockList: {} })]) {
        expectUsage(error, 'ERR_DTLS_UNKNOWN_OPTION', 'blockList');
        expect(error.hint).to.match(/'receiveBlockList' and 'sendBlockList'/);
      }
    });
    for (const [to, make, options, doors] of misplaced) {
      const [given = ''] = Object.keys(options);
      const name = given === 'retransmission' ? 'mtu' : given;
      it(`${name}, given to ${to}, is told where it belongs`, () => {
        const error = make(options);
        expectUsage(error, 'ERR_DTLS_UNKNOWN_OPTION', name);
        expect(error.hint).to.match(/^It belongs to /);
        for (const door of doors) expect(error.hint).to.include(door);
      });
    }

    it('a registry in place of peers is told what is called', () => {
      const error = ofServer({ peers: new Map() });
      expectUsage(error, 'ERR_INVALID_ARG_TYPE', 'peers');
      expect(error.hint).to.include('(peer) => map.get(peer.address)');
    });

    it('of tls and net that DTLS has not are told what there is instead, and others where they belong', () => {
      for (const [error, words] of [
        [ofServer({ ALPN: ['coap'] }), "Here it is 'ALPNProtocols'."],
        [ofServer({ hostname: 'x' }), "'host'? It belongs to listen() and connect()"],
        [ofServer({ socket: 1 }), "Here it is 'transport'."],
        [ofServer({ srtp: [] }), "Here it is 'srtpProfiles'."],
        [ofClient({ port: 5, useSrtp: [] }), "Here it is 'srtpProfiles'."],
        ...(['preSharedKey', 'presharedkey', 'pskIdentity', 'psk_identity', 'PSK-Key', 'identity'] as const).flatMap((name) => [
          [ofServer({ [name]: 'a' }), "Here it is 'psk': psk: { identity, psk }"] as const,
          [ofClient({ port: 5, psk: PSK, [name]: 'a' }), "Here it is 'psk': psk: { identity, psk }"] as const,
          [ofDtls({ [name]: 'a' }), "Here it is 'psk': psk: { identity, psk }"] as const,
          [ofContext({ [name]: 'a' }), "Did you mean 'psk'? It belongs to createServer(), connect() and"] as const,
        ]),
        [ofServer({ certificate: 'x' }), "Here it is 'cert'."],
        [ofServer({ private_key: 'x' }), "Here it is 'key'."],
        [ofClient({ caCert: 'x' }), "Here it is 'ca'."],
        [ofDtls({ privateKey: 'x' }), "Here it is 'key'."],
        [ofClient({ path: '/x' }), 'Unix datagram sockets'],
        [ofClient({ secureProtocol: 'DTLSv1_2_method' }), "'minVersion' and 'maxVersion'"],
        [ofClient({ enableTrace: true }), "'qlogDir'"],
        [ofListen({ reuseaddr: true }), "'reuseAddr'? It belongs to createServer()"],
        [ofListen({ readableAll: true }), 'pipes'],
        [ofListen({ path: '/x' }), 'Unix datagram sockets'],
      ] as const) {
        expect(error.code).to.equal('ERR_DTLS_UNKNOWN_OPTION');
        expect(error.hint).to.include(words).and.not.include('The options here are');
      }
    });

    it('a socket or a server in place of options is named as one', () => {
      const doors = [ofListen, (given: object) => thrown(() => createServer(given)), (given: object) => thrown(() => connect(given as ConnectOptions))];
      for (const make of doors) {
        const error = make(new net.Server());
        expect(error.code).to.equal('ERR_INVALID_ARG_TYPE');
        expect(error.message).to.include('not an EventEmitter (a socket, a server)');
      }
    });

    it('of createSocket are left out, as dgram does, unless they are ours', () => {
      createSocket({ type: 'udp4', dtls: { psk: PSK }, somethingElse: 1 } as never).close();
      const error = thrown(() => createSocket({ type: 'udp4', tls: {} } as never));
      expectUsage(error, 'ERR_DTLS_UNKNOWN_OPTION', 'tls');
      expect(error.hint).to.equal("Did you mean 'dtls'?");
    });

    it('of createSocket are refused where they are a letter away from ours', () => {
      for (const [name, hint] of [
        ['dtsl', "Did you mean 'dtls'?"],
        ['DTLS', "Did you mean 'dtls'?"],
        ['dtl', "Did you mean 'dtls'?"],
        ['rejectUnauthorised', "Did you mean 'rejectUnauthorized', which belongs to 'dtls'?"],
      ] as const) {
        const error = ofSocket({ [name]: {} });
        expectUsage(error, 'ERR_DTLS_UNKNOWN_OPTION', name);
        expect(error.hint).to.equal(hint);
      }
    });

    it('on this side are refused although the other side has them', () => {
      expect(ofClient({ cookieExchange: false }).code).to.equal('ERR_DTLS_UNKNOWN_OPTION');
      expect(ofServer({ servername: 'x' }).code).to.equal('ERR_DTLS_UNKNOWN_OPTION');
    });

    it('a letter away from the option of a function are taken for that, though others have one of that name', () => {
      const { hint } = thrown(() => updateKeys(undefined, null, { peers: true } as never));
      expect(hint).to.equal("Did you mean 'peer'?");
      expect(thrown(() => updateKeys(undefined, null, { host: 'x' } as never)).hint).to.match(/^It belongs to listen/);
    });

    it('within retransmission are refused', () => {
      const error = ofServer({ retransmission: { inital: 5 } });
      expect(error.hint).to.equal("Did you mean 'initial'?");
    });
  });

  describe('of a wrong type', () => {
    const bothSides: [string, unknown][] = [
      ['rejectUnauthorized', 'yes'],
      ['rejectUnauthorized', null],
      ['handshakeTimeout', '30s'],
      ['idleTimeout', true],
      ['mtu', '1200'],
      ['replayWindow', '64'],
      ['replayWindow', false],
      ['retransmission', 5],
      ['retransmission', null],
      ['pskCallback', 'key'],
      ['psk', 'key'],
      ['psk', { identity: 'x' }],
      ['ALPNProtocols', 'coap'],
      ['secureContext', {}],
      ['transport', {}],
      ['transport', 5],
      ['signal', {}],
      ['reuseAddr', 1],
      ['ipv6Only', 'no'],
      ['recvBufferSize', '64k'],
      ['ciphers', ['a', 'b']],
      ['sigalgs', 1],
      ['ecdhCurve', {}],
      ['honorCipherOrder', 'yes'],
      ['secureOptions', 'none'],
      ['sessionIdContext', Buffer.alloc(3)],
      ['ca', 5],
      ['crl', {}],
      ['allowPartialTrustChain', 'yes'],
      ['sessionTimeout', '300'],
      ['ticketKeys', 'x'.repeat(48)],
      ['borrowMessages', 1],
      ['copyMessages', 'yes'],
      ['requireExtendedMasterSecret', 1],
      ['srtpProfiles', 'SRTP_AES128_CM_SHA1_80'],
      ['heartbeat', 'on'],
      ['dhparam', true],
      ['pfx', 7],
      ['passphrase', 5],
      ['minVersion', 1.2],
      ['maxVersion', {}],
      ['rawPublicKey', 1],
      ['peerFingerprints', 7],
      ['qlogDir', 5],
      ['reusePort', 'yes'],
      ['sendBufferSize', '64k'],
    ];
    for (const [name, value] of bothSides) {
      judged.add(name);
      it(`${name}: ${JSON.stringify(value)}`, () => {
        for (const make of [ofServer, ofClient]) {
          expectUsage(make({ [name]: value }), 'ERR_INVALID_ARG_TYPE', name);
        }
      });
    }

    const serverOnly: [string, unknown][] = [
      ['requestCert', 1],
      ['pskIdentityHint', Buffer.alloc(2)],
      ['SNICallback', createSecureContext()],
      ['ALPNCallback', 'coap'],
      ['cookieExchange', 'off'],
      ['cookieLifetime', '30s'],
      ['cookieSecret', 42],
      ['maxSessions', '10'],
      ['maxPendingHandshakes', '10'],
      ['maxSessionsPerHost', '10'],
      ['maxPendingHandshakesPerHost', '10'],
      ['blockList', ['127.0.0.1']],
      ['peers', { address: '::1' }],
      ['certificateExpiryNotice', '14d'],
    ];
    for (const [name, value] of serverOnly) {
      judged.add(name);
      it(`${name}: ${JSON.stringify(value)}`, () => {
        expectUsage(ofServer({ [name]: value }), 'ERR_INVALID_ARG_TYPE', name);
      });
    }

    const clientOnly: [string, unknown][] = [
      ['host', 127],
      ['servername', 5],
      ['checkServerIdentity', true],
      ['lookup', {}],
      ['localAddress', 5],
      ['session', 'session'],
      ['requestOCSP', 1],
      ['maxFragmentLength', '512'],
    ];
    for (const [name, value] of clientOnly) {
      judged.add(name);
      it(`${name}: ${JSON.stringify(value)}`, () => {
        expectUsage(ofClient({ [name]: value }), 'ERR_INVALID_ARG_TYPE', name);
      });
    }

    it('options themselves', () => {
      for (const wrong of [undefined, null, 'localhost', 5]) {
        const error = thrown(() => createServer(wrong as unknown as ServerOptions));
        expect(error).to.include({ code: 'ERR_INVALID_ARG_TYPE', category: 'usage' });
      }
      expect(thrown(() => connect(undefined as unknown as ConnectOptions)).code).to.equal(
        'ERR_INVALID_ARG_TYPE',
      );
    });
  });

  describe('out of range', () => {
    const cases: [(options: object) => DTLSError, string, number[]][] = [
      [ofServer, 'mtu', [255, 16385, 1200.5, Number.NaN]],
      [ofServer, 'handshakeTimeout', [-1, 2 ** 31, Number.NaN]],
      [ofServer, 'idleTimeout', [-1, Infinity]],
      [ofServer, 'cookieLifetime', [0, 99, 86_400_001]],
      [ofServer, 'maxSessions', [-1, 0.5, 2 ** 32]],
      [ofServer, 'certificateExpiryNotice', [-1, Infinity, Number.NaN]],
      [ofServer, 'replayWindow', [-1, 1, 63, 1025, 64.5, Number.NaN, Infinity]],
      [ofClient, 'replayWindow', [-64, 0.5, 63, 2048, 100.5]],
      [ofClient, 'mtu', [255, 16385, 1200.5]],
      [ofClient, 'maxFragmentLength', [0, 256, 513, 8192, 512.5, Number.NaN]],
      [ofClient, 'handshakeTimeout', [-1, 2 ** 31]],
      [ofClient, 'idleTimeout', [-1, Infinity]],
      [ofClient, 'sessionTimeout', [0, 604801]],
      [ofServer, 'sessionTimeout', [0, 604801]],
      [ofServer, 'maxPendingHandshakes', [-1]],
      [ofServer, 'maxSessionsPerHost', [-1]],
      [ofServer, 'maxPendingHandshakesPerHost', [-1, 1.5]],
      [ofServer, 'recvBufferSize', [0, -1, 1.5]],
      [ofClient, 'sendBufferSize', [0]],
    ];
    for (const [make, name, values] of cases) {
      it(name, () => {
        for (const value of values) expectUsage(make({ [name]: value }), 'ERR_OUT_OF_RANGE', name);
      });
    }

    it('retransmission', () => {
      for (const make of [ofServer, ofClient]) {
        for (const [name, value] of [
          ['initial', 0],
          ['max', 5_000_000],
          ['backoff', 0.5],
        ]) {
          const error = make({ retransmission: { [String(name)]: value } });
          expectUsage(error, 'ERR_OUT_OF_RANGE', `retransmission.${String(name)}`);
        }
      }
    });

    it('ports', () => {
      for (const port of [undefined, 0, -1, 65536, 1.5, 'x', '', null, Number.NaN]) {
        expectUsage(ofClient({ port }), 'ERR_SOCKET_BAD_PORT', 'port');
      }
      expectUsage(ofClient({ localPort: 65536 }), 'ERR_SOCKET_BAD_PORT', 'localPort');
      const server = createServer({ pskCallback });
      expect(thrown(() => server.listen(65536)).code).to.equal('ERR_SOCKET_BAD_PORT');
      expect(thrown(() => server.listen(-1)).code).to.equal('ERR_SOCKET_BAD_PORT');
    });

    it('a cookie secret that is too short', () => {
      const error = ofServer({ cookieSecret: Buffer.alloc(31) });
      expectUsage(error, 'ERR_OUT_OF_RANGE', 'cookieSecret');
      expect(error.hint).to.match(/randomBytes/);
    });
  });

  describe('with a value that cannot be', () => {
    const cases: [(options: object) => DTLSError, string, unknown, string][] = [
      [ofServer, 'transport', 'tcp', 'ERR_INVALID_ARG_VALUE'],
      [ofClient, 'family', 5, 'ERR_INVALID_ARG_VALUE'],
      [ofClient, 'servername', '127.0.0.1', 'ERR_INVALID_ARG_VALUE'],
      [ofClient, 'servername', '::1', 'ERR_INVALID_ARG_VALUE'],
      [ofClient, 'servername', 'a\0b', 'ERR_INVALID_ARG_VALUE'],
      [ofClient, 'servername', 'x'.repeat(256), 'ERR_INVALID_ARG_VALUE'],
      [ofServer, 'pskIdentityHint', 'x'.repeat(257), 'ERR_INVALID_ARG_VALUE'],
      [ofServer, 'pskIdentityHint', 'a\0b', 'ERR_INVALID_ARG_VALUE'],
      [ofContext, 'minVersion', 'TLSv1.2', 'ERR_INVALID_ARG_VALUE'],
      [ofContext, 'maxVersion', 'toString', 'ERR_INVALID_ARG_VALUE'],
    ];
    if (features.dtls13 === false) cases.push([ofContext, 'maxVersion', 'DTLSv1.3', 'ERR_DTLS_UNSUPPORTED']);
    for (const [make, name, value, code] of cases) {
      judged.add(name);
      it(`${name}: ${JSON.stringify(value).slice(0, 30)}`, () => {
        expectUsage(make({ [name]: value }), code, name);
      });
    }

    for (const [name, given, code] of [
      ['psk.identity', { identity: 7, psk: Buffer.alloc(16) }, 'ERR_INVALID_ARG_TYPE'],
      ['psk.identity', { identity: 'a\0b', psk: Buffer.alloc(16) }, 'ERR_DTLS_PSK_IDENTITY_INVALID'],
      ['psk.identity', { identity: 'x'.repeat(257), psk: Buffer.alloc(16) }, 'ERR_OUT_OF_RANGE'],
      ['psk.psk', { identity: 'x', psk: 7 }, 'ERR_INVALID_ARG_TYPE'],
      ['psk.psk', { identity: 'x', psk: Buffer.alloc(513) }, 'ERR_OUT_OF_RANGE'],
      ['psk.psk', { identity: 'x', psk: Buffer.alloc(0) }, 'ERR_OUT_OF_RANGE'],
    ] as const) {
      it(`${name}: ${code}`, () => {
        for (const make of [ofServer, ofClient]) expectUsage(make({ psk: given }), code, name);
      });
    }

    it('psk that lacks a part: the message says which', () => {
      for (const [psk, missing] of [
        [{ psk: Buffer.alloc(16) }, "has no 'identity'"],
        [{ identity: 'x', key: Buffer.alloc(16) }, "has no 'psk'"],
        [{}, "has no 'identity' and no 'psk'"],
      ] as const) {
        for (const make of [ofServer, ofClient]) {
          const error = make({ psk });
          expectUsage(error, 'ERR_INVALID_ARG_TYPE', 'psk');
          expect(error.message).to.include(missing);
        }
      }
    });

    it('keys of several clients in place of one: the hint of a server names what finds each', () => {
      for (const psk of [[{ identity: 'a', psk: 'b' }], new Map([['a', 'b']]), { a: 'b' }, 'a']) {
        expect(ofServer({ pskCallback: undefined, psk }).hint).to.include("'pskCallback' finds each: (socket, identity) =>");
        expect(ofClient({ psk }).hint).to.not.include('pskCallback');
      }
    });

    it('a key of no bytes: the hint names what makes one', () => {
      const psk = { identity: 'x', psk: Buffer.from('xyz', 'hex') };
      for (const make of [ofServer, ofClient]) expect(make({ psk }).hint).to.include("Buffer.from(key, 'hex')");
    });

    const openssl: [string, unknown, string][] = [
      ['ciphers', 'NO-SUCH-SUITE', 'ERR_DTLS_INVALID_CIPHERS'],
      ['ciphers', '', 'ERR_DTLS_INVALID_CIPHERS'],
      ['ecdhCurve', 'P-9', 'ERR_DTLS_INVALID_CURVES'],
      ['sigalgs', 'RSA+NOTHING', 'ERR_DTLS_INVALID_SIGALGS'],
      ['dhparam', 'not PEM', 'ERR_DTLS_INVALID_DHPARAM'],
      ['ca', 'not PEM', 'ERR_DTLS_INVALID_CA'],
      ['crl', 'not PEM', 'ERR_DTLS_INVALID_CRL'],
      ['sessionIdContext', 'x'.repeat(33), 'ERR_DTLS_INVALID_SESSION_ID_CONTEXT'],
    ];
    for (const [name, value, code] of openssl) {
      it(`${name}, by OpenSSL's judgement: ${JSON.stringify(value).slice(0, 30)}`, () => {
        const error = ofContext({ [name]: value });
        expect(error).to.include({ code, category: 'usage' });
        expect(error.hint).to.include(`'${name}'`);
      });
    }
  });

  it('are all refused with a wrong value', () => {
    // 'peerPublicKeys' needs an OpenSSL that has them: test/e2e/raw-public-keys.test.ts.
    const all = new Set([...SERVER_OPTIONS, ...CONNECT_OPTIONS]);
    expect([...all].filter((name) => !judged.has(name))).to.deep.equal([]);
    expect([...judged].filter((name) => !(all as Set<string>).has(name))).to.deep.equal([]);
  });

  describe('of any kind at all', () => {
    const anything: unknown[] = [
      null, true, -1, 0, 2 ** 53, Number.NaN, 1n, '', 'x', '\0', [], [null], [undefined], [[]], {}, { length: 1 },
      Object.create(null), () => null, Symbol('x'), new Map(), new Uint8Array(0), new ArrayBuffer(8), /x/, new Date(0),
      { pem: null }, { buf: null }, [{ pem: 7 }], [{ buf: {} }], { algorithm: null }, { initial: null }, { mode: null },
      Promise.resolve(),
    ];
    const sides: [string, readonly string[], (options: object) => void][] = [
      ['a server', SERVER_OPTIONS, (options) => { createServer({ pskCallback, ...options }); }],
      ['a client', CONNECT_OPTIONS, (options) => {
        const client = connect({ host: '127.0.0.1', port: 9, pskCallback: () => null, ...options });
        client.on('error', () => undefined);
        client.destroy();
      }],
      ['a socket', ['role', ...SERVER_OPTIONS, ...CONNECT_OPTIONS], (options) => {
        createSocket({ type: 'udp4', dtls: { role: 'client', ...options } as never }).close();
      }],
    ];
    for (const [side, names, make] of sides) {
      it(`are taken or refused by ${side}, always with a typed error`, () => {
        const others: string[] = [];
        for (const name of names) {
          for (const value of anything) {
            // That would make a folder of that name.
            if (name === 'qlogDir' && typeof value === 'string' && value !== '') continue;
            try {
              make({ [name]: value });
            } catch (error) {
              if (error instanceof DTLSError && error.category === 'usage') continue;
              others.push(`${name}: ${inspect(value)}: ${String(error)}`);
            }
          }
        }
        expect(others).to.deep.equal([]);
      });
    }
  });

  describe('of other APIs, and values that were meant otherwise: hints', () => {
    for (const [make, name, ours] of [
      [ofClient, 'hostname', "'host'"],
      [ofClient, 'address', "'host'"],
      [ofClient, 'timeout', "'handshakeTimeout' or 'idleTimeout'"],
      [ofServer, 'alpn', "'ALPNProtocols'"],
      [ofServer, 'certFile', "'cert'"],
      [(options: object) => thrown(() => createServer({ pskCallback }).listen(options)), 'hostname', "'host'"],
      [(options: object) => thrown(() => createServer({ pskCallback }).watchSecureContext(options)), 'cert', "'certFile'"],
    ] as const) {
      it(`${name} is ${ours}`, () => {
        expect(make({ [name]: 'x' }).hint).to.equal(`Here it is ${ours}.`);
      });
    }

    it('a file name in place of its content', () => {
      const { cert, key } = own;
      for (const options of [{ cert: './server.pem', key }, { cert, key: './key.pem' }, { ca: '/etc/ssl/ca.crt' }, { crl: 'list.crl' }]) {
        expect(ofContext(options).hint).to.include('readFileSync');
      }
    });

    it('a pfx that is a name, or another text, or nothing of the kind', () => {
      for (const [pfx, hint] of [['x.pfx', 'readFileSync'], ['/etc/own.p12', 'readFileSync'], ['MIIKbase64', "'base64'"]] as const) {
        for (const given of [pfx, { buf: pfx }, [pfx]]) {
          const error = ofContext({ pfx: given, passphrase: 'pf' });
          expectUsage(error, 'ERR_INVALID_ARG_TYPE', 'pfx');
          expect(error.hint).to.include(hint);
        }
      }
      expect(ofContext({ pfx: 5 }).message).to.equal("'pfx' must be a Buffer, TypedArray or DataView, not number");
    });

    it('PEM whose line breaks are two characters, DER, base64 alone, a public key, a request', () => {
      const { cert, key } = own;
      const flat = (pem: string): string => pem.replaceAll('\n', '\\n');
      const der = new X509Certificate(cert).raw;
      expect(ofContext({ cert: flat(cert), key }).hint).to.include("'cert' end with").and.include("replaceAll('\\\\n', '\\n')");
      expect(ofContext({ cert, key: flat(key) }).hint).to.include("'key' end with");
      expect(ofContext({ ca: flat(cert) }).hint).to.include("'ca' end with");
      expect(ofContext({ cert: der, key }).hint).to.include('DER').and.include('openssl x509');
      expect(ofContext({ ca: der }).hint).to.include('DER');
      const privateKey = createPrivateKey(key).export({ format: 'der', type: 'pkcs8' });
      expect(ofContext({ cert, key: privateKey }).hint).to.include('openssl pkey');
      expect(ofContext({ cert: der.toString('base64'), key }).hint).to.include("'-----BEGIN CERTIFICATE-----'");
      const publicKey = createPublicKey(cert).export({ format: 'pem', type: 'spki' });
      expect(ofContext({ cert, key: publicKey }).hint).to.include('public');
      const request = cert.replaceAll(' CERTIFICATE-', ' CERTIFICATE REQUEST-');
      expect(ofContext({ cert: request, key }).hint).to.include('certificate request');
      expect(ofContext({ ca: request }).hint).to.include('certificate request');
      expect(ofContext({ crl: cert }).hint).to.include("'X509 CRL'");
    });

    it('a number as heartbeat, objects in place of PEM and of fingerprints, what was not awaited', () => {
      const { cert, key } = own;
      expect(ofServer({ heartbeat: 5000 }).hint).to.include('{ interval: 5000 }');
      expect(ofServer({ heartbeat: '5000' }).message).to.include('a boolean, or an object');
      expect(ofServer({ psk: () => 'key' }).hint).to.include("'pskCallback'");
      expect(ofServer({ psk: 'key' }).hint).to.include("'identity' is the name");
      expect(ofClient({ peerFingerprints: cert }).hint).to.include('fingerprint256');
      expect(ofContext({ cert, key: createPrivateKey(key) }).hint).to.include("key.export({ type: 'pkcs8', format: 'pem' })");
      expect(ofContext({ cert: new X509Certificate(cert), key }).hint).to.include('cert.toString()');
      expect(ofContext({ ca: new X509Certificate(cert) }).hint).to.include('ca.toString()');
      for (const name of ['ca', 'cert']) expect(ofContext({ cert, key, [name]: own }).hint).to.include('of its own');
      expect(ofContext({ cert, key: { key, passphrase: 'x' } }).hint).to.include('{ pem, passphrase }');
      expect(ofContext({ ca: Promise.resolve(cert) }).hint).to.equal('Await it.');
      expect(ofClient({ peerFingerprints: Buffer.from(cert) }).hint).to.include('fingerprint256');
      expect(thrown(() => createServer({ ...(Promise.resolve(own) as object) })).hint).to.include('await it');
    });

    it('what has another form than is wanted: how it gets that', () => {
      for (const [error, message, hint] of [
        ...(['ciphers', 'sigalgs', 'ecdhCurve'] as const).map(
          (name) => [ofContext({ [name]: ['a', 'b'] }), `'${name}' must be a string, not array`, "it.join(':')"] as const,
        ),
        [ofClient({ mtu: '1200' }), "'mtu' must be a number, not string", 'Number(it)'],
        [ofClient({ mtu: 1200n }), "'mtu' must be a number, not bigint", 'Number(it)'],
        [ofServer({ requestCert: 'false' }), "'requestCert' must be a boolean, not string", 'Write true or false'],
        [ofServer({ cookieExchange: 0 }), "'cookieExchange' must be a boolean, not number", 'Write true or false'],
        [ofContext({ passphrase: Buffer.from('x') }), "'passphrase' must be a string, not object", 'it.toString()'],
        [ofContext({ passphrase: Promise.resolve('x') }), "'passphrase' must be a string, not object", 'Await it.'],
        [ofClient({ session: 'AAAA' }), "'session' must be a Buffer", "Buffer.from(it, 'base64')"],
        [ofClient({ srtpProfiles: 'SRTP_AES128_CM_SHA1_80' }), "'srtpProfiles' must be an array", '[it]'],
        [ofServer({ ALPNProtocols: 'coap' }), "'ALPNProtocols' must be an array of strings", '[it]'],
        [ofClient({ family: 'IPv4' }), "'family' must be 0, 4 or 6", 'version of IP'],
        [ofListen({ fd: -1 }), "'fd' is -1", 'systemd'],
        [ofListen({ backlog: '5' }), "'backlog' must be a number", 'UDP has no queue'],
        [thrown(() => createServer({ pskCallback }).listen(0, '::', '5' as never)), "'backlog' must be a number", 'UDP has no queue'],
      ] as const) {
        expect(error.message).to.include(message);
        expect(error.hint, message).to.include(hint);
      }
    });

    it('a suite with a letter that is wrong gets the one that is meant', () => {
      const { hint } = ofContext({ ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA257' });
      expect(hint).to.include("'ECDHE-ECDSA-AES128-GCM-SHA256'").and.not.include('SECLEVEL');
      expect(ofContext({ ciphers: 'NO-SUCH-SUITE' }).hint).to.include('OpenSSL cipher list');
    });

    it('cert and key that are swapped', () => {
      const { cert, key } = own;
      expect(ofContext({ cert: key, key: cert }).hint).to.include('swapped');
      expect(ofContext({ cert, key: cert }).hint).to.include('swapped');
    });

    it("IANA's names of suites get OpenSSL's", () => {
      const [major = 0, minor = 0] = process.versions.openssl.split('.').map(Number);
      const takesStandardNames = major > 3 || (major === 3 && minor >= 2);
      for (const [iana, name] of [
        ['TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256', 'ECDHE-ECDSA-AES128-GCM-SHA256'],
        ['TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256', 'ECDHE-RSA-CHACHA20-POLY1305'],
        ['TLS_PSK_WITH_AES_128_CCM_8', 'PSK-AES128-CCM8'],
        ['TLS_RSA_WITH_AES_128_CBC_SHA', 'AES128-SHA'],
      ] as const) {
        // OpenSSL takes these names itself from 3.2 on.
        if (takesStandardNames) expect(() => createSecureContext({ ciphers: `${iana}:@SECLEVEL=0` }), iana).to.not.throw();
        else expect(ofContext({ ciphers: iana }).hint).to.include(`write '${name}'`);
      }
      expect(ofContext({ ciphers: 'TLS_NOTHING_AT_ALL' }).hint).to.include('features.ciphers');
    });

    it("IANA's names of suites that the security level does not permit get a list that works", () => {
      // OpenSSL 3.0 permits them, and knows no such names.
      const { hint = '' } = ofContext({ ciphers: 'TLS_PSK_WITH_AES_128_CCM_8:TLS_PSK_WITH_AES_256_CCM_8' });
      const [, list = ''] = /write '([^']+)'/.exec(hint) ?? [];
      expect(list).to.match(/^PSK-AES128-CCM8:PSK-AES256-CCM8/);
      createSecureContext({ ciphers: list });
    });

    it('only versions that there are are named', () => {
      const { hint = '' } = ofContext({ minVersion: 'TLSv1.2' });
      expect(hint).to.include('DTLSv1.2');
      expect(hint.includes('DTLSv1.3')).to.equal(features.dtls13 !== false);
    });

    it('a SecureContext of another make', () => {
      for (const make of [ofServer, ofClient]) {
        expect(make({ secureContext: tls.createSecureContext() }).hint).to.include('another copy');
      }
    });
  });

  it('a running server keeps its credentials: what has none is refused', () => {
    const server = createServer({ cert: own.cert, key: own.key });
    for (const call of [
      () => { server.setSecureContext({}); },
      () => { server.setSecureContext(createSecureContext()); },
      () => { server.addContext('x', {}); },
      () => { server.addContext('x', createSecureContext()); },
      () => createServer({ secureContext: createSecureContext() }),
    ]) {
      expect(thrown(call).code).to.equal('ERR_DTLS_NO_CREDENTIALS');
    }
    createServer({ pskCallback }).setSecureContext({});
  });

  describe('given as arguments', () => {
    const any = (make: unknown) => make as (...args: unknown[]) => { close(): void };
    const made = (...args: unknown[]): DTLSSocket => {
      const client = (connect as (...any: unknown[]) => DTLSSocket)(...args);
      client.on('error', () => undefined);
      client.destroy();
      return client;
    };
    const options = { psk: PSK, host: '127.0.0.1' };
    const listener = (): void => undefined;

    for (const [form, args, listens] of [
      ['(options)', [{ ...options, port: 9 }], false],
      ['(options, listener)', [{ ...options, port: 9 }, listener], true],
      ['(options, null)', [{ ...options, port: 9 }, null], false],
      ['(port)', [9], false],
      ['(port, listener)', [9, listener], true],
      ['(port, options)', [9, options], false],
      ['(port, options, listener)', [9, options, listener], true],
      ['(port, host)', [9, '127.0.0.1'], false],
      ['(port, host, listener)', [9, '127.0.0.1', listener], true],
      ['(port, host, options)', [9, '127.0.0.1', options], false],
      ['(port, host, options, listener)', [9, '127.0.0.1', options, listener], true],
      ['(port, undefined, options, listener)', [9, undefined, options, listener], true],
      ['(port, undefined, undefined, listener)', [9, undefined, undefined, listener], true],
      ['(port, host, options that say the same)', ['9', '127.0.0.1', { ...options, port: '9' }], false],
    ] as const) {
      it(`connect${form}`, () => {
        expect(made(...args).listenerCount('secureConnect')).to.equal(listens ? 1 : 0);
        const [first, ...rest] = args;
        if (typeof first === 'number') made(String(first), ...rest);
        // Whatever form it is, the options are judged.
        const at = args.findIndex((arg) => typeof arg === 'object' && arg !== null);
        if (at < 0) return;
        const misspelt = args.map((arg, i) => (i === at ? { ...options, port: 9, pks: 1 } : arg));
        expect(thrown(() => any(connect)(...misspelt)).hint).to.equal("Did you mean 'psk'?");
      });
    }

    for (const [form, args, code, words] of [
      ['(options, host, listener)', [{ port: 9 }, '127.0.0.9', listener], 'ERR_INVALID_ARG_TYPE', 'secureConnectListener'],
      ['(options, options)', [{ port: 9 }, { psk: PSK }], 'ERR_INVALID_ARG_TYPE', 'secureConnectListener'],
      ['(options, string)', [{ port: 9 }, 'x'], 'ERR_INVALID_ARG_TYPE', 'secureConnectListener'],
      ['(options, listener, number)', [{ port: 9 }, listener, 5], 'ERR_INVALID_ARG_VALUE', 'secureConnectListener'],
      ['(port, number)', [9, 5], 'ERR_INVALID_ARG_TYPE', 'host'],
      ['(port, host, string)', [9, 'localhost', 'x'], 'ERR_INVALID_ARG_TYPE', 'options'],
      ['(port, options, options)', [9, options, options], 'ERR_INVALID_ARG_TYPE', 'secureConnectListener'],
      ['(port, host, options, string)', [9, 'localhost', {}, 'x'], 'ERR_INVALID_ARG_TYPE', 'secureConnectListener'],
      ['(port, listener, options)', [9, listener, options], 'ERR_INVALID_ARG_VALUE', 'secureConnectListener'],
      ['(host, port)', ['localhost', 9], 'ERR_SOCKET_BAD_PORT', 'port'],
      ['(port, { another port })', [9, { port: 1 }], 'ERR_DTLS_CONFLICTING_OPTIONS', 'port'],
      ['(port, host, { another host })', [9, '127.0.0.1', { host: 'nope.invalid' }], 'ERR_DTLS_CONFLICTING_OPTIONS', 'host'],
    ] as const) {
      it(`connect${form} is refused`, () => {
        expectUsage(thrown(() => any(connect)(...args)), code, words);
      });
    }

    it('what createServer and createSocket have no use for is refused', () => {
      const server = { psk: PSK };
      const socket = { type: 'udp4', dtls: { psk: PSK } };
      for (const [make, given, name] of [
        [createServer, server, 'secureConnectionListener'],
        [createSocket, socket, 'listener'],
      ] as const) {
        for (const [behind, code] of [
          [['x'], 'ERR_INVALID_ARG_TYPE'],
          [[{}], 'ERR_INVALID_ARG_TYPE'],
          [[undefined, 5], 'ERR_INVALID_ARG_TYPE'],
          [[listener, 5], 'ERR_INVALID_ARG_VALUE'],
        ] as const) {
          expectUsage(thrown(() => any(make)(given, ...behind)), code, name);
        }
      }
      any(createSocket)(socket, null, undefined).close();
      any(createServer)(server, listener, undefined).close();
    });
  });

  describe('in conflict', () => {
    it('context options beside secureContext', () => {
      const error = ofServer({ secureContext: createSecureContext(), ciphers: 'DEFAULT' });
      expectUsage(error, 'ERR_DTLS_CONFLICTING_OPTIONS', 'ciphers');
      expect(error.hint).to.match(/createSecureContext/);
    });

    it('psk beside pskCallback', () => {
      const psk = { identity: 'x', psk: Buffer.alloc(16) };
      for (const make of [ofServer, ofClient]) {
        expectUsage(make({ psk, pskCallback }), 'ERR_DTLS_CONFLICTING_OPTIONS', 'psk');
      }
    });

    it('ALPNProtocols beside ALPNCallback', () => {
      const error = ofServer({ ALPNProtocols: ['x'], ALPNCallback: () => 'x' });
      expectUsage(error, 'ERR_DTLS_CONFLICTING_OPTIONS', 'ALPNProtocols');
    });

    it('borrowMessages beside copyMessages', () => {
      const error = ofServer({ borrowMessages: true, copyMessages: true });
      expectUsage(error, 'ERR_DTLS_CONFLICTING_OPTIONS', 'borrowMessages');
    });

    it('minVersion above maxVersion', () => {
      const error = ofContext({ minVersion: 'DTLSv1.2', maxVersion: 'DTLSv1' });
      expectUsage(error, 'ERR_DTLS_CONFLICTING_OPTIONS', 'minVersion');
    });

    it('a certificate without its key, and a key without its certificate', async () => {
      const { cert, key } = await certificate();
      expect(ofContext({ cert }).code).to.equal('ERR_DTLS_CONFLICTING_OPTIONS');
      expect(ofContext({ key }).code).to.equal('ERR_DTLS_CONFLICTING_OPTIONS');
      expect(ofContext({ cert: [cert, cert], key }).code).to.equal('ERR_DTLS_CONFLICTING_OPTIONS');
    });

    const bothSides: [string, (options: object) => unknown][] = [
      ['server', (options) => createServer({ cert: own.cert, key: own.key, ...options })],
      ['client', (options) => connect({ port: 5684, ...options })],
    ];
    for (const [side, make] of bothSides) {
      it(`a ${side} whose 'ciphers' want a pre-shared key that it was not given`, () => {
        const ciphers = 'PSK-AES128-GCM-SHA256:ECDHE-PSK-CHACHA20-POLY1305';
        for (const options of [{ ciphers }, { secureContext: createSecureContext({ cert: own.cert, key: own.key, ciphers }), cert: undefined, key: undefined }]) {
          const error = thrown(() => make(options));
          expect(error).to.include({ code: 'ERR_DTLS_NO_CREDENTIALS', category: 'usage' });
          expect(error.message).to.include("'ciphers'");
          expect(error.hint).to.include("'psk'").and.include("'pskCallback'");
        }
      });
    }

    it('DGRAM_DTLS_TRANSPORT that is no transport', () => {
      const given = process.env.DGRAM_DTLS_TRANSPORT;
      process.env.DGRAM_DTLS_TRANSPORT = 'foo';
      try {
        const error = thrown(() => connect({ port: 1 }));
        expect(error).to.include({ code: 'ERR_INVALID_ARG_VALUE', category: 'usage' });
        expect(error.message).to.include("DGRAM_DTLS_TRANSPORT cannot be 'foo'");
      } finally {
        if (given === undefined) delete process.env.DGRAM_DTLS_TRANSPORT;
        else process.env.DGRAM_DTLS_TRANSPORT = given;
      }
    });

    it('minVersion above maxVersion says which is the older one', () => {
      expect(ofContext({ minVersion: 'DTLSv1.2', maxVersion: 'DTLSv1' }).hint).to.include("'minVersion' is the older one");
    });

    it('a list of which the security level permits nothing', () => {
      const error = ofContext({ ciphers: 'PSK-NULL-SHA256:ECDHE-RSA-NULL-SHA' });
      expect(error).to.include({ code: 'ERR_DTLS_INVALID_CIPHERS', category: 'usage' });
      expect(error.message).to.match(/security level \d permits none of them/);
      expect(error.hint).to.include('@SECLEVEL=0');
      createSecureContext({ ciphers: 'PSK-NULL-SHA256:ECDHE-RSA-NULL-SHA:@SECLEVEL=0' });
    });

    it('AES-CCM-8 above security level 0; OpenSSL 3.0 takes it up to level 2', () => {
      const later = !/^3\.[01]\./.test(process.versions.openssl);
      for (const suite of ['PSK-AES128-CCM8', 'ECDHE-ECDSA-AES128-CCM8']) {
        for (const level of ['', ':@SECLEVEL=1', ':@SECLEVEL=2']) {
          const make = (): unknown => createSecureContext({ ciphers: suite + level });
          if (later) expect(thrown(make).code).to.equal('ERR_DTLS_INVALID_CIPHERS');
          else make();
        }
        createSecureContext({ ciphers: `${suite}:@SECLEVEL=0` });
      }
    });

    it('a socket of createSocket that was to serve, and whose credentials are undefined', () => {
      const { cert, key } = Promise.resolve(own) as unknown as { cert: undefined; key: undefined };
      const lost = [{ cert, key }, { psk: undefined }, { pskCallback: undefined, maxSessions: 5 }, {}, { ...(Promise.resolve(own) as object) }];
      for (const dtls of lost) {
        const error = thrown(() => createSocket({ type: 'udp4', dtls }));
        expect(error, inspect(dtls)).to.include({ code: 'ERR_DTLS_NO_CREDENTIALS', category: 'usage' });
        expect(error.hint).to.include('await it').and.include("role: 'client'");
        createSocket({ type: 'udp4', dtls: { ...dtls, role: 'client' } }).close();
      }
      // What a client may have: these say so themselves.
      createSocket({ type: 'udp4' }).close();
      for (const dtls of [{ ca: own.cert, psk: undefined }, { rejectUnauthorized: false, cert, key }, { peers: () => null, psk: undefined }, { mtu: 500 }, { psk: () => null, cert, key }]) {
        createSocket({ type: 'udp4', dtls }).close();
      }
    });

    it('a server with nothing to show', () => {
      const error = thrown(() => createServer({}));
      expect(error).to.include({ code: 'ERR_DTLS_NO_CREDENTIALS', category: 'usage' });
      expect(error.hint).to.include("'cert'").and.include("'pskCallback'");
    });
  });

  describe('of identities', () => {
    it('need PEM', async () => {
      const { cert, key } = await certificate();
      expect(ofContext({ cert: 'not PEM', key }).code).to.equal('ERR_DTLS_INVALID_CERTIFICATE');
      expect(ofContext({ cert, key: 'not PEM' }).code).to.equal('ERR_DTLS_INVALID_KEY');
    });

    it('need the key of the certificate', async () => {
      const { cert } = await certificate();
      const other = await selfSigned({ commonName: 'other' });
      expect(ofContext({ cert, key: other.key }).code).to.equal('ERR_DTLS_KEY_MISMATCH');
      const rsa = await selfSigned({ commonName: 'other', keyType: 'rsa-2048' });
      expect(ofContext({ cert, key: rsa.key }).code).to.equal('ERR_DTLS_KEY_MISMATCH');
    });

    it('take encrypted keys with their passphrase', async () => {
      const { createPrivateKey } = await import('node:crypto');
      const { cert, key } = await certificate();
      const encrypted = createPrivateKey(key).export({
        type: 'pkcs8',
        format: 'pem',
        cipher: 'aes-256-cbc',
        passphrase: 'secret',
      });
      createSecureContext({ cert, key: encrypted, passphrase: 'secret' });
      createSecureContext({ cert, key: [{ pem: encrypted, passphrase: 'secret' }] });
      for (const passphrase of ['wrong', undefined]) {
        const error = ofContext({ cert, key: encrypted, passphrase });
        expect(error.code).to.equal('ERR_DTLS_PASSPHRASE');
        expect(error.message).to.match(/^the private key or PFX file cannot be decrypted/);
        expect(error.hint).to.include("'passphrase'");
      }
    });

    it('are refused alike wherever they are given, and change nothing there', async () => {
      const { cert, key } = await certificate();
      const other = await selfSigned({ commonName: 'other' });
      const cut = (pem: string): string => pem.slice(0, pem.length / 2);
      const bad: [object, string][] = [
        [{ cert, key: other.key }, 'ERR_DTLS_KEY_MISMATCH'],
        [{ cert: '', key }, 'ERR_DTLS_INVALID_CERTIFICATE'],
        [{ cert: cut(cert), key }, 'ERR_DTLS_INVALID_CERTIFICATE'],
        [{ cert, key: '' }, 'ERR_DTLS_INVALID_KEY'],
        [{ cert, key: cut(key) }, 'ERR_DTLS_INVALID_KEY'],
        [{ cert: 5, key }, 'ERR_INVALID_ARG_TYPE'],
        [{ cert, key: 5 }, 'ERR_INVALID_ARG_TYPE'],
        [{ cert, key, ca: cut(cert) }, 'ERR_DTLS_INVALID_CA'],
        [{ cert, key, ca: '' }, 'ERR_DTLS_INVALID_CA'],
        [{ cert, key, crl: '' }, 'ERR_DTLS_INVALID_CRL'],
        [{ cert, key, ticketKeys: Buffer.alloc(47) }, 'ERR_INVALID_ARG_VALUE'],
        [{ cert, key, ticketKeys: 'x'.repeat(48) }, 'ERR_INVALID_ARG_TYPE'],
      ];
      const server = createServer({ cert, key, ticketKeys: Buffer.alloc(48, 7) });
      const places: [string, (options: object) => unknown][] = [
        ['createSecureContext', (options) => createSecureContext(options)],
        ['createServer', (options) => createServer(options)],
        ['connect', (options) => connect({ port: 5684, ...options })],
        ['setSecureContext', (options) => { server.setSecureContext(options); }],
        ['addContext', (options) => { server.addContext('*', options); }],
      ];
      for (const [options, code] of bad) {
        for (const [place, call] of places) {
          const error = thrown(() => call(options));
          expect(error, `${place} ${code}`).to.include({ code, category: 'usage' });
        }
      }
      expect(server.getTicketKeys()).to.deep.equal(Buffer.alloc(48, 7));
    });

    it('may be buffers', async () => {
      const { cert, key, ca } = await certificate();
      const context = createSecureContext({
        cert: Buffer.from(cert),
        key: new Uint8Array(Buffer.from(key)),
        ca: [Buffer.from(ca)],
      });
      expect(context).to.be.instanceOf(SecureContext);
    });
  });

  describe('that are right', () => {
    it('may be of a class with private fields, on a server and on a socket', () => {
      class Config {
        #psk = PSK;
        get psk(): typeof PSK {
          return this.#psk;
        }
      }
      createServer(new Config()).close();
      const socket = createSocket({ type: 'udp4', dtls: new Config() });
      socket.close();
      expect(thrown(() => createSocket({ type: 'udp4', dtls: new (class { readonly #role = 'x'; get role(): 'client' { return this.#role as never; } })() })))
        .to.include({ code: 'ERR_INVALID_ARG_VALUE' });
    });

    it('may be undefined, as if they were not given', () => {
      const server = createServer({
        pskCallback,
        cert: undefined,
        mtu: undefined,
        retransmission: undefined,
        transport: undefined,
      });
      expect(server).to.be.instanceOf(DTLSServer);
    });

    it('take the limits themselves', () => {
      createServer({ pskCallback, mtu: 256, handshakeTimeout: 0, cookieLifetime: 100 });
      createServer({ pskCallback, mtu: 16384, maxSessions: 0, cookieSecret: Buffer.alloc(32) });
      createServer({ pskCallback, retransmission: { initial: 1, max: 1, backoff: 1 } });
    });

    it('make a context without any', () => {
      expect(createSecureContext()).to.be.instanceOf(SecureContext);
      expect(DEFAULT_CIPHERS.split(':')).to.include('ECDHE-ECDSA-AES128-GCM-SHA256');
    });
  });
});
