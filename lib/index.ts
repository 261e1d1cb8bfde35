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
} from './diagnostics/channels';
export { DTLSError, type DTLSErrorCategory, type DTLSErrorDetails } from './errors/errors';
export { features, type Features } from './options/features';
export type { ALPNProtocols } from './options/alpn';
export type {
  ALPNCallback,
  ClientPskCallback,
  ConnectOptions,
  HeartbeatOptions,
  MaxFragmentLength,
  NamedServerOptions,
  PeerOptions,
  PskCredentials,
  RetransmissionOptions,
  ServerOptions,
  ServerPskCallback,
  SNICallback,
  SessionOptions,
  TransportOption,
  UdpSocketOptions,
} from './options/types';
export { createSecureContext, DEFAULT_CIPHERS, SecureContext, type ProtocolVersion } from './identity/secure-context';
export type { Bytes, PemObject, PfxObject, SecureContextOptions } from './identity/types';
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
} from './identity/generate-certificate';
export type { ListenOptions } from './server/listen';
export { createServer, DTLSServer } from './server/server';
export type { DTLSServerEvents } from './server/server-events';
export type { DiscoverMtuOptions, HeartbeatRequestOptions, HeartbeatResult } from './socket/heartbeat';
export type { PacketDestination } from './socket/packets';
export type { UpdateKeysOptions } from './socket/update-keys';
export type { HeartbeatEvent } from './diagnostics/events';
export { connect } from './socket/connect';
export { DTLSSocket } from './socket/socket';
export type { ReadyState } from './base/dtls-socket';
export type { DTLSSocketEvents } from './socket/socket-events';
export type { AlertEvent, HandshakeEvent, KeyLimitEvent } from './diagnostics/events';
export type { OcspCallback } from './handshake/ocsp';
export type { PublicKey } from './identity/raw-public-keys';
export type { PeerFingerprint } from './identity/fingerprints';
export type { SecureContextWatch, WatchSecureContextOptions } from './identity/reload';
export type { ResumeSessionCallback } from './handshake/resumption';
export type { SrtpKeys, SrtpProfile } from './options/srtp';
export type { EndpointStats, TrafficStats } from './core/stats';
export type { UdpStats } from './core/native';
export type { DatagramReceiver, DatagramTransport } from './transport/transport';
export type { Peer } from './base/peer';
export type { WebStreamOptions, WebStreams } from './socket/web-streams';
