/**
 * DTLS for Node.js: `createServer` and `connect`, as natural as `node:tls` and `node:dgram`.
 *
 * @packageDocumentation
 */
export type {
  DiagnosticsChannelName,
  DiagnosticsEvents,
  DropReasons,
  SessionRole,
} from './diagnostics';
export { DTLSError, type DTLSErrorCategory, type DTLSErrorDetails } from './errors';
export { features, type Features } from './features';
export type { ALPNProtocols } from './alpn';
export type {
  ALPNCallback,
  ClientPskCallback,
  ConnectOptions,
  HeartbeatOptions,
  MaxFragmentLength,
  NamedServerOptions,
  PskCredentials,
  RetransmissionOptions,
  ServerOptions,
  ServerPskCallback,
  SNICallback,
  SessionOptions,
  TransportOption,
  UdpSocketOptions,
} from './options';
export {
  createSecureContext,
  DEFAULT_CIPHERS,
  SecureContext,
  type Bytes,
  type PemObject,
  type PfxObject,
  type ProtocolVersion,
  type SecureContextOptions,
} from './secure-context';
export { createSocket, SecureDgramSocket } from './create-socket/socket';
export type { PeerInfo } from './create-socket/peer-info';
export type {
  SocketDtlsOptions,
  SocketOptions,
  SocketPeerOptions,
  SocketRole,
} from './create-socket/options';
export {
  generateCertificate,
  type CertificateIssuer,
  type CertificateSubject,
  type GenerateCertificateOptions,
  type GeneratedCertificate,
} from './generate-certificate';
export type { ListenOptions } from './listen';
export { createServer, DTLSServer } from './server';
export type { DTLSServerEvents } from './server-events';
export type {
  DiscoverMtuOptions,
  HeartbeatEvent,
  HeartbeatRequestOptions,
  HeartbeatResult,
} from './heartbeat';
export { connect } from './connect';
export { DTLSSocket } from './socket';
export type {
  AlertEvent,
  DTLSSocketEvents,
  HandshakeEvent,
  ReadyState,
} from './socket-events';
export type { OcspCallback } from './ocsp';
export type { PublicKey } from './raw-public-keys';
export type { PeerFingerprint } from './fingerprints';
export type { SecureContextWatch, WatchSecureContextOptions } from './reload';
export type { ResumeSessionCallback } from './resumption';
export type { SrtpKeys, SrtpProfile } from './srtp';
export type { EndpointStats, TrafficStats, UdpStats } from './stats';
export type { DatagramReceiver, DatagramTransport, Peer } from './transport';
export type { WebStreamOptions, WebStreams } from './web-streams';
