/**
 * Protects whoever passes one argument too many, a callback where a Promise is returned as a rule: it is refused, where it
 * would be left out in silence. And whoever calls `new`: it does what the function does, or says that it makes nothing.
 */
import { expect } from 'chai';
import {
  createSecureContext,
  createServer,
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
