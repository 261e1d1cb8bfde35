/**
 * Protects: the types of names and protocols: callbacks by return value, Promise and call; tls users' own
 * functions fit. Checked by tsc, never run.
 */
import type tls from 'node:tls';
import {
  createServer,
  type ALPNCallback,
  type ALPNProtocols,
  type DTLSServer,
  type DTLSSocket,
  type NamedServerOptions,
  type SecureContext,
  type SNICallback,
} from '../../lib/index';
import { expectType } from './expect';

export function callbacks(context: SecureContext): void {
  createServer({
    SNICallback(servername, callback) {
      expectType<DTLSSocket>()(this);
      expectType<string>()(servername);
      callback(null, context);
      callback(null);
      callback(new Error('no'));
      // @ts-expect-error -- not a context
      callback(null, {});
    },
    ALPNCallback: async ({ servername, protocols }) => {
      expectType<string | null>()(servername);
      expectType<string[]>()(protocols);
      return Promise.resolve(protocols[0]);
    },
  });
  createServer({ SNICallback: () => context });
  createServer({ SNICallback: async () => Promise.resolve(null) });
  // @ts-expect-error -- a protocol is a string
  createServer({ ALPNCallback: () => 7 });
}

export function asInTls(alpn: NonNullable<tls.TlsOptions['ALPNProtocols']>): void {
  const wire: ALPNProtocols = Buffer.from('\x01x');
  createServer({ ALPNProtocols: wire });
  createServer({ ALPNProtocols: ['a', Buffer.from('b')] });
  createServer({ ALPNProtocols: alpn });
}

export function names(server: DTLSServer, context: SecureContext, own: NamedServerOptions): void {
  server.addContext('a', context);
  server.addContext('*.a', own);
  server.addContext('*.a', { requestCert: true, ALPNProtocols: ['x'] });
  // @ts-expect-error -- not for a name
  server.addContext('a', { mtu: 500 });
}

export function sockets(socket: DTLSSocket): void {
  expectType<string | false | null>()(socket.alpnProtocol);
}

export const typed: { sni: SNICallback; alpn: ALPNCallback } = {
  sni: (_, callback) => {
    callback();
  },
  alpn: ({ protocols }) => protocols[0],
};
