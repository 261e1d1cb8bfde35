/**
 * Protects whoever passes one argument too many, a callback where a Promise is returned as a rule: it is refused, where it
 * would be left out in silence. And whoever calls `new`: it does what the function does, or says that it makes nothing.
 */
import tls from 'node:tls';
import { expect } from 'chai';
import {
  connect,
  createSecureContext,
  createServer,
  createSocket,
  DTLSError,
  DTLSServer,
  DTLSSocket,
  generateCertificate,
  SecureContext,
} from '../../lib/index';
import { thrown } from '../helpers/thrown';

const psk = { identity: 'device-1', psk: Buffer.alloc(16, 1) };
const callback = (): void => undefined;
type Untyped = (...args: unknown[]) => unknown;

describe('arguments', () => {
  const server = createServer({ psk });
  const onServer = (name: string, ...args: unknown[]): [string, () => unknown] => [
    name,
    () => (server as unknown as Record<string, Untyped>)[name]?.call(server, ...args),
  ];
  const tooMany: [string, () => unknown][] = [
    onServer('setSecureContext', {}, callback),
    onServer('addContext', 'a.example', { psk }, callback),
    onServer('watchSecureContext', { certFile: 'x', keyFile: 'y' }, callback),
    onServer('setTicketKeys', Buffer.alloc(48), callback),
    onServer('close', callback, callback),
    ['createSecureContext', () => (createSecureContext as Untyped)({}, callback)],
  ];
  for (const [name, call] of tooMany) {
    it(`${name} refuses one too many`, () => {
      const error = thrown(call);
      expect(error.code).to.equal('ERR_INVALID_ARG_VALUE');
      expect(error.message).to.match(new RegExp(`^${name}\\(\\) takes .* one too many$`));
    });
  }

  it('memory that has been transferred away is no PEM, and has an error with a code', async () => {
    const { cert, key } = await generateCertificate();
    const gone = new Uint8Array(Buffer.from(key));
    structuredClone(gone.buffer, { transfer: [gone.buffer] });
    for (const [options, code] of [
      [{ cert, key: gone }, 'ERR_DTLS_INVALID_KEY'],
      [{ cert, key: { pem: gone } }, 'ERR_DTLS_INVALID_KEY'],
      [{ cert: gone, key }, 'ERR_DTLS_INVALID_CERTIFICATE'],
      [{ ca: gone }, 'ERR_DTLS_INVALID_CA'],
    ] as const) {
      expect(thrown(() => (createSecureContext as Untyped)(options)).code).to.equal(code);
    }
  });

  it('no value is in the error, which may be a key', () => {
    const [hidden, key] = ['SeKrEt', Buffer.alloc(48, 'SeKrEt')];
    for (const [call, kind] of [
      [onServer('setTicketKeys', Buffer.alloc(48), key)[1], 'an object'],
      [() => (createSecureContext as Untyped)({}, { passphrase: hidden }), 'an object'],
      [() => (createSecureContext as Untyped)({}, hidden), 'a string'],
      [() => (createSecureContext as Untyped)({}, null), 'null'],
      [() => (createServer as Untyped)({ psk }, callback, key), 'an object'],
    ] as const) {
      const { message, hint } = thrown(call);
      expect(message).to.include(kind);
      for (const said of [message, hint]) expect(said).to.not.include(hidden).and.not.match(/53 ?65 ?4b/i);
    }
  });

  it('send of a socket refuses what stands behind its callback, and a callback in place of a length', () => {
    const client = connect({ port: 9, psk });
    client.on('error', () => undefined);
    const send = client.send.bind(client) as Untyped;
    for (const [args, code] of [
      [['x', callback, callback], 'ERR_INVALID_ARG_VALUE'],
      [['x', callback, undefined, callback], 'ERR_INVALID_ARG_VALUE'],
      [['x', undefined, callback], 'ERR_INVALID_ARG_TYPE'],
    ] as const) {
      expect(thrown(() => send(...args)).code).to.equal(code);
    }
    send('x', callback, undefined);
    send('x', undefined, undefined, callback);
    client.destroy();
  });

  it('setSecureContext of nothing is refused: a server would have lost its certificate in silence', () => {
    const [, call] = onServer('setSecureContext');
    expect(thrown(call).code).to.equal('ERR_INVALID_ARG_TYPE');
  });

  it('a host or a URL in place of a port or of options has a hint that says where it belongs', () => {
    const port = /host behind it/;
    for (const [call, hint] of [
      [() => (connect as Untyped)('localhost', 5684), port],
      [() => (connect as Untyped)('coaps://localhost:5684'), port],
      [() => (connect as Untyped)('127.0.0.1:5684'), port],
      [() => (connect as Untyped)({ port: '::1', psk }), port],
      [() => createServer({ psk }).listen('127.0.0.1'), port],
      [() => (connect as Untyped)(new URL('coaps://localhost:5684')), /url\.hostname/],
      [() => (connect as Untyped)('coap.example'), port],
      [() => (connect as Untyped)('[::1]:5684'), port],
      [() => (connect as Untyped)('0x', 'localhost'), /^A number, or a string/],
      [() => (connect as Untyped)('', 'localhost'), /^A number, or a string/],
      [() => (connect as Untyped)({ port: '5684/udp', psk }), /^A number, or a string/],
      [() => createServer({ psk }).listen({ port: '12a' }), /^A number, or a string/],
      [() => createServer({ psk }).listen('/tmp/sock'), /looks like a path, .*Unix datagram sockets/],
    ] as const) {
      expect(thrown(call).hint).to.match(hint);
    }
  });

  it('a port may be a string that is a number, as in node:net', () => {
    for (const port of ['5684', '5684 ', '0x1634']) expect(thrown(() => (connect as Untyped)(port, 'localhost', { pks: 1 })).code).to.equal('ERR_DTLS_UNKNOWN_OPTION');
  });

  it('a listener in place of options, and options in place of a host, are told the form', () => {
    for (const [call, hint] of [
      [() => (createServer as Untyped)(callback), /^createServer\(options.*'cert'/],
      [() => (createServer as Untyped)(), /^createServer\(options/],
      [() => (server.listen as Untyped).call(createServer({ psk }), 0, callback, callback), /^listen\(\[port/],
      [() => (server.listen as Untyped).call(createServer({ psk }), 0, { host: '::1' }), /^listen\(\[port/],
      [() => (createServer as Untyped)(callback, { psk }), /^createServer\(options.*stand in front/],
      [() => (connect as Untyped)(), /^connect\(options.*connect\(port/],
      [() => (connect as Untyped)(callback, { psk, port: 1 }), /^connect\(options.*connect\(port/],
      [() => (connect as Untyped)(5684, '::1', 'no options'), /^connect\(options.*connect\(port/],
      [() => (createSocket as Untyped)(), /^createSocket\(\{ type/],
      [() => (createSocket as Untyped)(callback, { type: 'udp4' }), /^createSocket\(\{ type/],
      [() => (createSocket as Untyped)('udp4', { dtls: {} }), /^createSocket\(\{ type/],
    ] as const) {
      const error = thrown(call);
      expect(error).to.be.instanceOf(DTLSError);
      expect(error.code).to.equal('ERR_INVALID_ARG_TYPE');
      expect(error.category).to.equal('usage');
      expect(error.hint).to.match(hint);
    }
  });

  it('a SecureContext in place of options is refused, and told the option', () => {
    class Own extends SecureContext {}
    for (const context of [createSecureContext(), new Own(), tls.createSecureContext()]) {
      for (const call of [
        () => (connect as Untyped)(context),
        () => (connect as Untyped)(5684, context),
        () => (connect as Untyped)(5684, '::1', context),
        () => (createServer as Untyped)(context),
        () => (createSocket as Untyped)(context),
        () => (createSocket as Untyped)({ type: 'udp4', dtls: context }),
      ]) {
        const error = thrown(call);
        expect(error.code).to.equal('ERR_INVALID_ARG_TYPE');
        expect(error.message).to.include('not a SecureContext');
        expect(error.hint).to.include('{ secureContext }');
      }
    }
    server.setSecureContext(new Own());
    server.addContext('a.example', { secureContext: new Own(), psk });
    expect(thrown(onServer('setSecureContext', tls.createSecureContext())[1]).hint).to.include('another copy');
  });

  it('generateCertificate rejects where it is given a callback', async () => {
    const error = await (generateCertificate as (...args: unknown[]) => Promise<unknown>)({}, callback).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).to.be.instanceOf(DTLSError);
    expect((error as DTLSError).code).to.equal('ERR_INVALID_ARG_VALUE');
    expect((error as DTLSError).hint).to.match(/Promise/);
  });

  it('a callback that is no function is ERR_INVALID_ARG_TYPE', () => {
    for (const [name, call] of [onServer('close', 'SIGTERM'), onServer('getConnections')]) {
      expect(thrown(call).code, name).to.equal('ERR_INVALID_ARG_TYPE');
    }
  });

  it('undefined behind the arguments is none', () => {
    server.setTicketKeys.call(server, ...([Buffer.alloc(48), undefined] as unknown as [Buffer]));
  });

  it('new DTLSServer and new SecureContext do what their functions do', () => {
    const made = new DTLSServer({ psk }, callback);
    expect(made.listeners('secureConnection')).to.deep.equal([callback]);
    expect(thrown(() => new DTLSServer({})).code).to.equal('ERR_DTLS_NO_CREDENTIALS');
    expect(thrown(() => new DTLSServer({ psk }, 5 as unknown as () => void)).code).to.equal('ERR_INVALID_ARG_TYPE');
    const context = new SecureContext();
    expect(() => createServer({ psk, secureContext: context })).not.to.throw();
    class Fleet extends DTLSServer {}
    expect(new Fleet({ psk })).to.be.instanceOf(DTLSServer);
  });

  it('new DTLSSocket makes nothing, and says who makes them', () => {
    const Untyped = DTLSSocket as unknown as new (...args: unknown[]) => unknown;
    for (const args of [[], [undefined], [{ psk }], [server], [server, {}]]) {
      const error = thrown(() => new Untyped(...args));
      expect(error.code).to.equal('ERR_ILLEGAL_CONSTRUCTOR');
      expect(error.hint).to.match(/connect\(/);
    }
  });
});
