/** Protects: the ways in which an ES module imports the package. Checked by tsc, never run. */
import * as everything from '../../lib/index.mjs';
import {
  connect,
  createSecureContext,
  createServer,
  DEFAULT_CIPHERS,
  DTLSError,
  DTLSServer,
  DTLSSocket,
  features,
  SecureContext,
  type AlertEvent,
  type ConnectOptions,
  type DatagramTransport,
  type DTLSErrorCategory,
  type DTLSServerEvents,
  type DTLSSocketEvents,
  type EndpointStats,
  type Features,
  type HandshakeEvent,
  type ListenOptions,
  type Peer,
  type ReadyState,
  type SecureContextOptions,
  type ServerOptions,
  type TrafficStats,
} from '../../lib/index.mjs';

export type Types = [
  AlertEvent,
  ConnectOptions,
  DatagramTransport,
  DTLSErrorCategory,
  DTLSServerEvents,
  DTLSSocketEvents,
  EndpointStats,
  HandshakeEvent,
  ListenOptions,
  Peer,
  ReadyState,
  SecureContextOptions,
  ServerOptions,
  TrafficStats,
];

export const context: SecureContext = createSecureContext();
export const server: DTLSServer = createServer({ secureContext: context });
export const socket: DTLSSocket = connect({ port: 5684, ciphers: DEFAULT_CIPHERS });
export const known: Features = features;
export const classes = [DTLSError, DTLSServer, DTLSSocket, SecureContext];
export const same: typeof createServer = everything.createServer;

export const later: Promise<typeof everything> = import('../../lib/index.mjs');

// @ts-expect-error -- there is no default export
export type None = typeof everything.default;
