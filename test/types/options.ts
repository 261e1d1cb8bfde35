/**
 * Protects: the types of the options, each with a value of the kind that its documentation names, and with
 * `undefined`; that each is an option of that side; that none is missing here; and that what is accepted at run time
 * is what the types have. Checked by tsc, never run.
 */
import type { KeyObject } from 'node:crypto';
import type dgram from 'node:dgram';
import { BlockList, type LookupFunction } from 'node:net';
import {
  connect,
  createSecureContext,
  createServer,
  type ConnectOptions,
  type ListenOptions,
  type NamedServerOptions,
  type RetransmissionOptions,
  type SecureContext,
  type SecureContextOptions,
  type ServerOptions,
  type WatchSecureContextOptions,
  type WebStreamOptions,
} from '../../lib/index';
import type { HeartbeatOptions } from '../../lib/options/types';
import type { CONNECT_OPTIONS, CONTEXT_OPTIONS, NAMED_OPTIONS, SERVER_OPTIONS } from '../../lib/checks/option-names';
import { expectType } from './expect';

/** Does not compile when an option is not there, nor with one that is none. */
type Every<T> = { readonly [K in keyof Required<T>]: readonly T[K & keyof T][] };

declare const context: SecureContext;
declare const socket: dgram.Socket;
declare const lookup: LookupFunction;
declare const key: KeyObject;

const pem = 'pem';
const view = new Uint8Array(48);

const ofContext: Every<SecureContextOptions> = {
  cert: [pem, Buffer.from(pem), [pem, view], undefined],
  key: [pem, { pem, passphrase: 'x' }, [pem, { pem }], undefined],
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
type OnlyClient = Exclude<keyof ConnectOptions, keyof ServerOptions> | 'psk' | 'pskCallback';
type OnlyServer = Exclude<keyof ServerOptions, keyof ConnectOptions> | 'psk' | 'pskCallback';

const ofBoth: Every<Session> = {
  secureContext: [context, undefined],
  rejectUnauthorized: [false, undefined],
  peerFingerprints: ['sha-256 00', { algorithm: 'sha-256', value: '00' }, ['sha-256 00'], undefined],
  peerPublicKeys: [pem, view, key, [pem, key], undefined],
  handshakeTimeout: [0, undefined],
  retransmission: [{ initial: 1, max: 2, backoff: 1.5 }, {}, undefined],
  mtu: [1200, undefined],
  idleTimeout: [0, undefined],
  replayWindow: [0, 1024, undefined],
  borrowMessages: [true, undefined],
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
  certificateExpiryNotice: [0, undefined],
  SNICallback: [() => context, undefined],
  ALPNCallback: [() => 'coap', undefined],
  psk: [{ identity: 'x', psk: view }, { identity: view, psk: 'a key' }, undefined],
  pskCallback: [() => null, async () => Promise.resolve(view), undefined],
  pskIdentityHint: ['x', undefined],
  cookieExchange: [false, undefined],
  cookieLifetime: [30000, undefined],
  cookieSecret: ['x', view, undefined],
  maxSessions: [0, undefined],
  maxPendingHandshakes: [0, undefined],
  maxSessionsPerHost: [0, undefined],
  maxPendingHandshakesPerHost: [0, undefined],
  blockList: [new BlockList(), undefined],
  peers: [() => null, ({ address }) => (address === '' ? undefined : {}), async () => Promise.resolve({ secureContext: context, idleTimeout: 1 }), undefined],
};

const ofClient: Every<Pick<ConnectOptions, OnlyClient>> = {
  host: ['localhost', undefined],
  port: [5684, '5684'],
  localAddress: ['127.0.0.1', undefined],
  localPort: [0, undefined],
  servername: ['', undefined],
  checkServerIdentity: [() => undefined, undefined],
  session: [view, undefined],
  requestOCSP: [true, undefined],
  maxFragmentLength: [512, 1024, 2048, 4096, undefined],
  psk: [{ identity: 'x', psk: 'a key' }, () => ({ identity: 'x', psk: 'a key' }), undefined],
  pskCallback: [() => null, undefined],
  lookup: [lookup, undefined],
  family: [0, 4, 6, undefined],
};

const ofName: Every<Omit<NamedServerOptions, keyof SecureContextOptions>> = {
  secureContext: [context, undefined],
  requestCert: [true, undefined],
  rejectUnauthorized: [false, undefined],
  psk: [{ identity: 'x', psk: view }, undefined],
  pskCallback: [(): null => null, undefined],
  pskIdentityHint: ['x', undefined],
  peerFingerprints: ['sha-256 00', undefined],
  peerPublicKeys: [pem, undefined],
  ALPNProtocols: [['coap'], undefined],
  ALPNCallback: [(): undefined => undefined, undefined],
};

const ofRetransmission: Every<RetransmissionOptions> = {
  initial: [1000, undefined],
  max: [60000, undefined],
  backoff: [1.5, undefined],
};

const ofHeartbeat: Every<HeartbeatOptions> = {
  mode: ['peer_allowed_to_send', 'peer_not_allowed_to_send', undefined],
  interval: [0, undefined],
  timeout: [1000, undefined],
  retries: [3, undefined],
};

const ofListen: Every<ListenOptions> = {
  port: [0, '5684', null, undefined],
  host: ['::', null, undefined],
  address: ['::', null, undefined],
  fd: [3, undefined],
  exclusive: [true, undefined],
  ipv6Only: [true, undefined],
  reusePort: [true, undefined],
  backlog: [511, undefined],
  signal: [AbortSignal.timeout(5), undefined],
};

const ofWatch: Every<Omit<WatchSecureContextOptions, keyof SecureContextOptions>> = {
  certFile: ['cert.pem', undefined],
  keyFile: ['key.pem', undefined],
  caFile: ['ca.pem', undefined],
  crlFile: ['crl.pem', undefined],
  pfxFile: ['both.pfx', undefined],
  interval: [5000, undefined],
};

const ofStreams: Every<WebStreamOptions> = {
  readableHighWaterMark: [1 << 20, undefined],
  writableHighWaterMark: [16, undefined],
};

export const every = {
  ...{ ...ofContext, ...ofBoth, ...ofServer, ...ofClient },
  others: [ofName, ofRetransmission, ofHeartbeat, ofListen, ofWatch, ofStreams],
};

/** What is checked at run time. */
declare const accepted: {
  readonly context: (typeof CONTEXT_OPTIONS)[number];
  readonly server: (typeof SERVER_OPTIONS)[number];
  readonly connect: (typeof CONNECT_OPTIONS)[number];
  readonly named: (typeof NAMED_OPTIONS)[number];
};
expectType<keyof SecureContextOptions>()(accepted.context);
expectType<keyof ServerOptions>()(accepted.server);
expectType<keyof ConnectOptions>()(accepted.connect);
expectType<keyof NamedServerOptions>()(accepted.named);

// @ts-expect-error -- seconds are a number
createSecureContext({ sessionTimeout: '300' });
// @ts-expect-error -- bytes, not text
createServer({ ticketKeys: 'x' });
// @ts-expect-error -- a session is bytes
connect({ port: 1, session: 'x' });
// @ts-expect-error -- a server resumes what its clients bring
createServer({ session: view });
