// Protects what code written for `node:dtls` relies on: which arguments are refused, with which code, in which
// order, and that it happens before the call returns.
import { createPrivateKey } from 'node:crypto';
import { inspect } from 'node:util';
import { expect } from 'chai';
import type { DTLSConnectOptions, DTLSListenOptions } from '../../lib/node-dtls/index';
import { selfSigned } from '../helpers/certificates';
import { certificate, closeAll, dtls, HOST, KEY, listen, portOf, PSK, thrown } from './support';

const codeOf = (call: () => unknown): string | undefined => thrown(call).code;
const listenWith = (options: unknown): string | undefined =>
  codeOf(() => dtls.listen(() => undefined, options as DTLSListenOptions));
const connectWith = (options: unknown): string | undefined =>
  codeOf(() => dtls.connect(HOST, 5684, options as DTLSConnectOptions));
const psk = { [PSK.identity]: KEY };

describe('node-dtls: arguments', () => {
  afterEach(closeAll);

  it('the module exports connect, createSecureContext, listen and the three classes', () => {
    expect(Object.keys(dtls).sort()).to.deep.equal([
      'DTLSEndpoint',
      'DTLSSecureContext',
      'DTLSSession',
      'connect',
      'createSecureContext',
      'listen',
    ]);
  });

  describe('listen', () => {
    it('checks in order: onsession function, options object', () => {
      const wrong = undefined as unknown as () => void;
      expect(codeOf(() => dtls.listen(wrong, null as unknown as DTLSListenOptions))).to.equal(
        'ERR_INVALID_ARG_TYPE',
      );
      expect(thrown(() => dtls.listen(wrong, { port: 0 })).message).to.match(/onsession/);
      expect(listenWith(undefined)).to.equal('ERR_INVALID_ARG_TYPE');
      expect(listenWith(null)).to.equal('ERR_INVALID_ARG_TYPE');
      expect(listenWith('options')).to.equal('ERR_INVALID_ARG_TYPE');
    });

    it('without secureContext and psk: cert, then key missing is ERR_MISSING_ARGS', () => {
      expect(thrown(() => dtls.listen(() => undefined, {} as DTLSListenOptions))).to.include({
        code: 'ERR_MISSING_ARGS',
      });
      expect(thrown(() => dtls.listen(() => undefined, { port: 0 })).message).to.match(/cert/);
      expect(thrown(() => dtls.listen(() => undefined, { port: 0, cert: 'x' })).message).to.match(/key/);
    });

    it('port missing is ERR_MISSING_ARGS', () => {
      expect(listenWith({ psk })).to.equal('ERR_MISSING_ARGS');
      expect(listenWith({ cert: 'x', key: 'y' })).to.equal('ERR_MISSING_ARGS');
    });

    it('port is an integer from 0 to 65535', () => {
      expect(listenWith({ psk, port: '1' })).to.equal('ERR_INVALID_ARG_TYPE');
      for (const port of [-1, 65536, 1.5, NaN]) {
        expect(listenWith({ psk, port }), String(port)).to.equal('ERR_OUT_OF_RANGE');
      }
    });

    it("host is a string IP literal; '' falls to the default; not an IP is ERR_INVALID_ARG_VALUE", () => {
      expect(listenWith({ psk, port: 0, host: 1 })).to.equal('ERR_INVALID_ARG_TYPE');
      const error = thrown(() => dtls.listen(() => undefined, { psk, port: 0, host: 'localhost' }));
      expect(error.code).to.equal('ERR_INVALID_ARG_VALUE');
      expect(error.message).to.match(/Invalid address/);
      for (const host of ['', null]) expect(listen({ psk, host }).address?.address).to.equal('0.0.0.0');
      expect(listen({ psk, host: '::1' }).address?.family).to.equal('IPv6');
    });

    const ranges: [string, unknown[]][] = [
      ['mtu', [255, 65536, 1200.5]],
      ['handshakeTimeout', [-1, 0.5]],
      ['maxSessions', [-1, 2 ** 32]],
      ['maxSessionsPerHost', [-1, 2 ** 32]],
      ['udpReceiveBufferSize', [0, 2 ** 32]],
      ['udpSendBufferSize', [0, 2 ** 32]],
      ['udpTTL', [0, 256]],
    ];
    for (const [name, values] of ranges) {
      it(`${name} has its range, and is a number`, () => {
        expect(listenWith({ psk, port: 0, [name]: '1' })).to.equal('ERR_INVALID_ARG_TYPE');
        for (const value of values) {
          expect(listenWith({ psk, port: 0, [name]: value }), String(value)).to.equal('ERR_OUT_OF_RANGE');
        }
      });
    }

    it('null is a limit of sessions left out, and else of a wrong type', () => {
      listen({ psk, maxSessions: null, maxSessionsPerHost: null });
      for (const name of ['mtu', 'handshakeTimeout', 'udpTTL']) {
        expect(listenWith({ psk, port: 0, [name]: null }), name).to.equal('ERR_INVALID_ARG_TYPE');
      }
    });

    it('judges credentials before the options of the endpoint, and those before the host', () => {
      const { cert, key, wrong } = { cert: 'no PEM', key: 'no PEM', wrong: { mtu: 1, host: 'localhost' } };
      expect(listenWith({ cert, key, port: 0, ...wrong })).to.equal('ERR_OSSL_PEM_NO_START_LINE');
      expect(listenWith({ psk, port: 0, ...wrong })).to.equal('ERR_OUT_OF_RANGE');
    });

    it('takes the limits of the ranges', () => {
      listen({ psk, handshakeTimeout: Number.MAX_SAFE_INTEGER });
      listen({ psk, mtu: 256, handshakeTimeout: 0, maxSessions: 0, maxSessionsPerHost: 0, udpTTL: 1 });
      listen({ psk, mtu: 65535, udpTTL: 255, udpReceiveBufferSize: 65536, udpSendBufferSize: 65536 });
    });

    for (const name of ['ipv6Only', 'reusePort', 'requestCert', 'rejectUnauthorized']) {
      it(`${name} is a boolean, strictly`, () => {
        for (const value of [0, 1, 'true', null]) {
          expect(listenWith({ psk, port: 0, [name]: value }), String(value)).to.equal('ERR_INVALID_ARG_TYPE');
        }
      });
    }

    it("bind errors are the system's, with code, errno and syscall 'bind'", () => {
      const port = portOf(listen({ psk }));
      const error = thrown(() => dtls.listen(() => undefined, { psk, port, host: HOST }));
      expect(error.code).to.equal('EADDRINUSE');
      expect(error.syscall).to.equal('bind');
      expect(error.errno).to.be.a('number').below(0);
      const nowhere = thrown(() => dtls.listen(() => undefined, { psk, port: 0, host: '192.0.2.1' }));
      expect(nowhere.code).to.equal('EADDRNOTAVAIL');
    });
  });

  describe('connect', () => {
    it('host is an IP literal only: a name is ERR_INVALID_ARG_VALUE', () => {
      const error = thrown(() => dtls.connect('localhost', 5684));
      expect(error.code).to.equal('ERR_INVALID_ARG_VALUE');
      expect(error.message).to.match(/Invalid remote address/);
      expect(codeOf(() => dtls.connect(1 as unknown as string, 5684))).to.equal('ERR_INVALID_ARG_TYPE');
    });

    it('judges types and ranges before it reads the host', () => {
      const to = (port: unknown, options: object = {}): string | undefined =>
        codeOf(() => dtls.connect('localhost', port as number, options));
      expect(to('4433')).to.equal('ERR_INVALID_ARG_TYPE');
      expect(to(99999)).to.equal('ERR_OUT_OF_RANGE');
      expect(to(4433, { bindHost: 1 })).to.equal('ERR_INVALID_ARG_TYPE');
      expect(to(4433, { cert: 'no PEM' })).to.equal('ERR_OSSL_PEM_NO_START_LINE');
      expect(to(4433, { mtu: 1 })).to.equal('ERR_OUT_OF_RANGE');
      expect(to(4433, { servername: 1 })).to.equal('ERR_INVALID_ARG_TYPE');
      expect(to(4433)).to.equal('ERR_INVALID_ARG_VALUE');
    });

    it('port is an integer from 0 to 65535', () => {
      expect(codeOf(() => dtls.connect(HOST, '1' as unknown as number))).to.equal('ERR_INVALID_ARG_TYPE');
      expect(codeOf(() => dtls.connect(HOST, 65536))).to.equal('ERR_OUT_OF_RANGE');
    });

    it('options is an object, or left out', () => {
      expect(connectWith(null)).to.equal('ERR_INVALID_ARG_TYPE');
      expect(connectWith('x')).to.equal('ERR_INVALID_ARG_TYPE');
    });

    it('bindHost is an IP literal, bindPort an integer from 0 to 65535', () => {
      expect(connectWith({ bindHost: 1 })).to.equal('ERR_INVALID_ARG_TYPE');
      expect(connectWith({ bindHost: 'localhost' })).to.equal('ERR_INVALID_ARG_VALUE');
      expect(connectWith({ bindPort: '1' })).to.equal('ERR_INVALID_ARG_TYPE');
      expect(connectWith({ bindPort: 65536 })).to.equal('ERR_OUT_OF_RANGE');
    });

    it('servername is a string only', () => {
      expect(connectWith({ servername: 1 })).to.equal('ERR_INVALID_ARG_TYPE');
      expect(connectWith({ servername: null })).to.equal('ERR_INVALID_ARG_TYPE');
    });

    it('a servername of more than 255 bytes is ERR_CRYPTO_OPERATION_FAILED, thrown', () => {
      expect(connectWith({ servername: 'a'.repeat(256) })).to.equal('ERR_CRYPTO_OPERATION_FAILED');
    });

    for (const name of ['requestCert', 'sessionIdContext', 'ticketKeys', 'pskIdentityHint', 'sni']) {
      it(`${name} is for servers only: ERR_INVALID_ARG_VALUE`, () => {
        expect(connectWith({ [name]: true })).to.equal('ERR_INVALID_ARG_VALUE');
        expect(codeOf(() => dtls.createSecureContext({ [name]: true }))).to.equal('ERR_INVALID_ARG_VALUE');
      });
    }
  });

  it('DTLS 1.3, which its shape has not, is refused, with where it is', () => {
    const makers = [
      (options: object) => dtls.createSecureContext(options),
      (options: object) => dtls.connect(HOST, 5684, options),
      (options: object) => dtls.createSecureContext({ isServer: true, ...options }),
    ];
    for (const make of makers) {
      for (const name of ['minVersion', 'maxVersion']) {
        const error = thrown(() => make({ [name]: 'DTLSv1.3' }));
        expect(error).to.include({ code: 'ERR_INVALID_ARG_VALUE' });
        expect(error.message).to.include(`options.${name}`).and.include("DTLS 1.3 is the main entry's, 'dgram-dtls'");
      }
      const error = thrown(() => make({ ciphers: 'TLS_AES_128_GCM_SHA256' }));
      expect(error).to.include({ code: 'ERR_CRYPTO_OPERATION_FAILED' });
      expect(error.message).to.match(/^'ciphers' names TLS_AES_128_GCM_SHA256, of DTLS 1\.3, and this module speaks DTLS 1\.2/);
    }
  });

  describe('context options', () => {
    const context = (options: Record<string, unknown>): string | undefined =>
      codeOf(() => dtls.createSecureContext({ isServer: true, ...options }));

    it('isServer is a boolean, strictly; a getter of the context', () => {
      expect(context({ isServer: 1 })).to.equal('ERR_INVALID_ARG_TYPE');
      expect(dtls.createSecureContext().isServer).to.equal(false);
      expect(dtls.createSecureContext({ isServer: true }).isServer).to.equal(true);
    });

    it('new DTLSSecureContext is ERR_ILLEGAL_CONSTRUCTOR, new DTLSSession too', () => {
      for (const name of ['DTLSSecureContext', 'DTLSSession'] as const) {
        const Class = dtls[name] as unknown as new () => unknown;
        expect(codeOf(() => new Class()), name).to.equal('ERR_ILLEGAL_CONSTRUCTOR');
      }
    });

    it('cert and key are a string or a Buffer: no TypedArray, no array', () => {
      for (const value of [1, new Uint8Array(1), ['x'], null, {}]) {
        expect(context({ cert: value, key: 'y' })).to.equal('ERR_INVALID_ARG_TYPE');
        expect(context({ cert: 'x', key: value })).to.equal('ERR_INVALID_ARG_TYPE');
      }
    });

    it('bad material is ERR_OSSL_…, as tls has it', async () => {
      const { cert, key } = await certificate();
      const { key: other } = await selfSigned({ commonName: 'other' });
      expect(context({ cert: 'x', key })).to.equal('ERR_OSSL_PEM_NO_START_LINE');
      expect(context({ cert, key: 'not PEM' })).to.equal('ERR_OSSL_UNSUPPORTED');
      const encrypted = createPrivateKey(key).export({
        type: 'pkcs8',
        format: 'pem',
        cipher: 'aes-256-cbc',
        passphrase: 'right',
      });
      dtls.createSecureContext({ isServer: true, cert, key: encrypted, passphrase: 'right' });
      expect(context({ cert, key: encrypted, passphrase: 'wrong' })).to.equal('ERR_OSSL_BAD_DECRYPT');
      expect(context({ cert, key: other })).to.equal('ERR_OSSL_X509_KEY_VALUES_MISMATCH');
    });

    it('no message shows a secret that was given in a wrong form', () => {
      const secret = 'a secret that nobody prints';
      const forms: unknown[] = [secret, [secret], { psk: secret }, { identity: 'x', key: secret }, { key: secret }, { x: secret }];
      const names = ['psk', 'key', 'cert', 'ca', 'passphrase', 'ticketKeys', 'session', 'secureContext', 'sni'];
      const shown: string[] = [];
      for (const name of names) {
        for (const form of forms) {
          const calls = [
            () => dtls.createSecureContext({ [name]: form, isServer: true }),
            () => dtls.createSecureContext({ [name]: form }),
            () => dtls.listen(() => undefined, { port: 0, host: HOST, psk, [name]: form }),
            () => dtls.connect(HOST, 5684, { psk: { identity: 'x', key: KEY }, [name]: form }),
          ];
          for (const call of calls) {
            try {
              const made = call() as { closed?: Promise<unknown>; opened?: Promise<unknown>; destroy?(): void };
              made.opened?.catch(() => undefined);
              made.closed?.catch(() => undefined);
              made.destroy?.();
            } catch (error) {
              if (inspect(error, { showHidden: true }).includes(secret)) shown.push(`${name}: ${String(error)}`);
            }
          }
        }
      }
      expect(shown).to.deep.equal([]);
    });

    it('passphrase is a string; null and undefined are ignored', async () => {
      const { cert, key } = await certificate();
      expect(context({ cert, key, passphrase: Buffer.from('x') })).to.equal('ERR_INVALID_ARG_TYPE');
      dtls.createSecureContext({ isServer: true, cert, key, passphrase: null });
      dtls.createSecureContext({ isServer: true, cert, key, passphrase: undefined });
    });

    it('ca is a string, a Buffer or an array of them', () => {
      expect(context({ ca: 1 })).to.equal('ERR_INVALID_ARG_TYPE');
      expect(context({ ca: ['x', 1] })).to.equal('ERR_INVALID_ARG_TYPE');
    });

    it('a bad ciphers list is ERR_CRYPTO_OPERATION_FAILED', () => {
      expect(context({ ciphers: 'NO-SUCH-SUITE' })).to.equal('ERR_CRYPTO_OPERATION_FAILED');
      expect(context({ ciphers: 1 })).to.equal('ERR_INVALID_ARG_TYPE');
    });

    it('alpn names have 1 to 255 bytes, else ERR_OUT_OF_RANGE naming the one', () => {
      const error = thrown(() => dtls.createSecureContext({ alpn: ['coap', ''] }));
      expect(error.code).to.equal('ERR_OUT_OF_RANGE');
      expect(error.message).to.include('options.alpn[1]');
      expect(context({ alpn: ['x'.repeat(256)] })).to.equal('ERR_OUT_OF_RANGE');
      expect(context({ alpn: [1] })).to.equal('ERR_INVALID_ARG_TYPE');
      expect(context({ alpn: 'coap' })).to.equal('ERR_INVALID_ARG_TYPE');
      expect(context({ alpn: new Uint8Array([1, 97]) })).to.equal('ERR_INVALID_ARG_TYPE');
    });

    it("ecdhCurve is 'auto' when it is left out, empty or null", () => {
      for (const ecdhCurve of [undefined, null, '', 'auto']) dtls.createSecureContext({ ecdhCurve });
      expect(context({ ecdhCurve: 'no curve' })).to.equal('ERR_CRYPTO_OPERATION_FAILED');
    });

    it('an alpn Buffer is walked: zero-length, and past the end', () => {
      const zero = thrown(() => dtls.createSecureContext({ alpn: Buffer.from([0]) }));
      expect(zero).to.include({ code: 'ERR_INVALID_ARG_VALUE' });
      expect(zero.message).to.include('zero-length');
      const past = thrown(() => dtls.createSecureContext({ alpn: Buffer.from([5, 97]) }));
      expect(past).to.include({ code: 'ERR_INVALID_ARG_VALUE' });
      expect(past.message).to.include('past the end');
    });

    it('sessionIdContext has at most 32 bytes, else ERR_OUT_OF_RANGE', () => {
      expect(context({ sessionIdContext: 'x'.repeat(33) })).to.equal('ERR_OUT_OF_RANGE');
      expect(context({ sessionIdContext: 1 })).to.equal('ERR_INVALID_ARG_TYPE');
    });

    it('ticketKeys is a view of exactly 80 bytes, else ERR_INVALID_ARG_VALUE', () => {
      const error = thrown(() => dtls.createSecureContext({ isServer: true, ticketKeys: Buffer.alloc(48) }));
      expect(error.code).to.equal('ERR_INVALID_ARG_VALUE');
      expect(error.message).to.include('must be exactly 80 bytes');
      expect(context({ ticketKeys: 'x'.repeat(80) })).to.equal('ERR_INVALID_ARG_TYPE');
    });

    it('pskIdentityHint needs psk', () => {
      expect(context({ pskIdentityHint: 'hint' })).to.equal('ERR_INVALID_ARG_VALUE');
    });

    it("a server's psk is a non-empty map of non-empty views, or a function", () => {
      expect(context({ psk: {} })).to.equal('ERR_INVALID_ARG_VALUE');
      expect(context({ psk: { a: Buffer.alloc(0) } })).to.equal('ERR_INVALID_ARG_VALUE');
      expect(context({ psk: { a: 'key' } })).to.equal('ERR_INVALID_ARG_TYPE');
      expect(context({ psk: 'key' })).to.equal('ERR_INVALID_ARG_TYPE');
      dtls.createSecureContext({ isServer: true, psk: { a: new DataView(new ArrayBuffer(4)) } });
      dtls.createSecureContext({ isServer: true, psk: () => undefined });
    });

    it("a client's psk has a string identity and a view as key, or is a function", () => {
      expect(connectWith({ psk: {} })).to.equal('ERR_INVALID_ARG_TYPE');
      expect(connectWith({ psk: { identity: 'a', key: 'b' } })).to.equal('ERR_INVALID_ARG_TYPE');
      expect(connectWith({ psk: { identity: 1, key: KEY } })).to.equal('ERR_INVALID_ARG_TYPE');
      expect(connectWith({ psk: 'key' })).to.equal('ERR_INVALID_ARG_TYPE');
    });

    it('sni is a non-empty map, or a function', () => {
      expect(context({ sni: {} })).to.equal('ERR_INVALID_ARG_VALUE');
      expect(context({ sni: 'x' })).to.equal('ERR_INVALID_ARG_TYPE');
      expect(context({ sni: { a: 1 } })).to.equal('ERR_INVALID_ARG_TYPE');
      expect(context({ sni: { a: dtls.createSecureContext() } })).to.equal('ERR_INVALID_ARG_VALUE');
    });

    it('secureContext must fit the side, and stands alone', () => {
      const client = dtls.createSecureContext();
      const server = dtls.createSecureContext({ isServer: true, psk });
      expect(listenWith({ port: 0, secureContext: client })).to.equal('ERR_INVALID_ARG_VALUE');
      expect(connectWith({ secureContext: server })).to.equal('ERR_INVALID_ARG_VALUE');
      expect(listenWith({ port: 0, secureContext: {} })).to.equal('ERR_INVALID_ARG_TYPE');
      for (const beside of [{ cert: 'x' }, { psk }, { alpn: ['a'] }, { rejectUnauthorized: false }]) {
        expect(listenWith({ port: 0, secureContext: server, ...beside })).to.equal('ERR_INVALID_ARG_VALUE');
      }
      listen({ secureContext: server });
    });
  });

  describe('new DTLSEndpoint', () => {
    it('is public but inert', async () => {
      const endpoint = new dtls.DTLSEndpoint({ mtu: 1400, maxSessions: 5 });
      expect(endpoint.address).to.equal(undefined);
      expect(endpoint.busy).to.equal(false);
      expect(endpoint.destroyed).to.equal(false);
      expect(endpoint.stats.isConnected).to.equal(true);
      await endpoint.close();
      expect(endpoint.destroyed).to.equal(true);
      expect(endpoint.stats.isConnected).to.equal(false);
    });

    it('judges its options', () => {
      expect(codeOf(() => new dtls.DTLSEndpoint({ mtu: 1 }))).to.equal('ERR_OUT_OF_RANGE');
      expect(codeOf(() => new dtls.DTLSEndpoint({ ipv6Only: 1 as unknown as boolean }))).to.equal(
        'ERR_INVALID_ARG_TYPE',
      );
      expect(codeOf(() => new dtls.DTLSEndpoint(null as never))).to.equal('ERR_INVALID_ARG_TYPE');
    });
  });
});
