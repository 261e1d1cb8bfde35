/**
 * Protects: the types of the options, each with a value of the kind that its documentation names, and with
 * `undefined`; and that each is an option of that side. Checked by tsc, never run.
 */
import type dgram from 'node:dgram';
import type { LookupFunction } from 'node:net';
import {
  connect,
  createSecureContext,
  createServer,
  type ConnectOptions,
  type SecureContext,
  type SecureContextOptions,
  type ServerOptions,
} from '../../lib/index';

type Every<T> = { readonly [K in keyof T]?: readonly T[K][] };

declare const context: SecureContext;
declare const socket: dgram.Socket;
declare const lookup: LookupFunction;

const pem = 'pem';
const view = new Uint8Array(48);

const ofContext: Every<SecureContextOptions> = {
  cert: [pem, Buffer.from(pem), [pem, view], undefined],
  key: [pem, [pem, { pem, passphrase: 'x' }], undefined],
  pfx: [view, { buf: view, passphrase: 'x' }, [view], undefined],
  passphrase: ['x', undefined],
  ca: [pem, [pem, view], undefined],
  crl: [pem, [view], undefined],
  allowPartialTrustChain: [true, undefined],
  ciphers: ['PSK', undefined],
  sigalgs: ['ECDSA+SHA256', undefined],
  ecdhCurve: ['auto', undefined],
  dhparam: ['auto', view, undefined],
  minVersion: ['DTLSv1', undefined],
  maxVersion: ['DTLSv1.2', 'DTLSv1.3', undefined],
  honorCipherOrder: [false, undefined],
  sessionIdContext: ['x', undefined],
  sessionTimeout: [300, undefined],
  ticketKeys: [view, Buffer.alloc(48), undefined],
  secureOptions: [0, undefined],
  rawPublicKey: [true, undefined],
};

type Session = Omit<ConnectOptions & ServerOptions, OnlyClient | OnlyServer | keyof SecureContextOptions>;
type OnlyClient = Exclude<keyof ConnectOptions, keyof ServerOptions> | 'pskCallback';
type OnlyServer = Exclude<keyof ServerOptions, keyof ConnectOptions> | 'pskCallback';

const ofBoth: Every<Session> = {
  secureContext: [context, undefined],
  rejectUnauthorized: [false, undefined],
  handshakeTimeout: [0, undefined],
  retransmission: [{ initial: 1, max: 2, backoff: 1.5 }, {}, undefined],
  mtu: [1200, undefined],
  idleTimeout: [0, undefined],
  copyMessages: [true, undefined],
  ALPNProtocols: [['coap'], view, undefined],
  heartbeat: [true, { mode: 'peer_not_allowed_to_send', interval: 1, timeout: 1, retries: 0 }, undefined],
  srtpProfiles: [['SRTP_AEAD_AES_128_GCM'], undefined],
  qlogDir: ['logs', undefined],
  requireExtendedMasterSecret: [true, undefined],
  transport: ['auto', 'native', 'dgram', socket, undefined],
  reuseAddr: [true, undefined],
  reusePort: [true, undefined],
  ipv6Only: [true, undefined],
  recvBufferSize: [65536, undefined],
  sendBufferSize: [65536, undefined],
  signal: [AbortSignal.timeout(5), undefined],
};

const ofServer: Every<Pick<ServerOptions, OnlyServer>> = {
  requestCert: [true, undefined],
  SNICallback: [() => context, undefined],
  ALPNCallback: [() => 'coap', undefined],
  pskCallback: [() => null, async () => Promise.resolve(view), undefined],
  pskIdentityHint: ['x', undefined],
  cookieExchange: [false, undefined],
  cookieLifetime: [30000, undefined],
  cookieSecret: ['x', view, undefined],
  maxSessions: [0, undefined],
  maxPendingHandshakes: [0, undefined],
  maxSessionsPerHost: [0, undefined],
};

const ofClient: Every<Pick<ConnectOptions, OnlyClient>> = {
  host: ['localhost', undefined],
  port: [5684],
  localAddress: ['127.0.0.1', undefined],
  localPort: [0, undefined],
  servername: ['', undefined],
  checkServerIdentity: [() => undefined, undefined],
  session: [view, undefined],
  requestOCSP: [true, undefined],
  pskCallback: [() => null, undefined],
  lookup: [lookup, undefined],
  family: [0, 4, 6, undefined],
};

export const every = { ...ofContext, ...ofBoth, ...ofServer, ...ofClient };

// @ts-expect-error -- seconds are a number
createSecureContext({ sessionTimeout: '300' });
// @ts-expect-error -- bytes, not text
createServer({ ticketKeys: 'x' });
// @ts-expect-error -- a session is bytes
connect({ port: 1, session: 'x' });
// @ts-expect-error -- a server resumes what its clients bring
createServer({ session: view });
