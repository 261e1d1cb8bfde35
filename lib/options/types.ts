/** Options of servers and clients, as users give them; what is beside this file checks them. */
import type * as dgram from 'node:dgram';
import type { BlockList, LookupFunction } from 'node:net';
import type { PeerCertificate } from 'node:tls';

import type { DTLSSocket } from '../base/dtls-socket';
import type { NonSharedBuffer } from '../base/non-shared-buffer';
import type { Peer } from '../base/peer';
import type { Bytes, SecureContextOptions } from '../identity/types';
import type { ALPNProtocols } from './alpn';
import type { PeerFingerprint } from '../identity/fingerprints';
import type { PublicKey } from '../identity/raw-public-keys';
import type { SecureContext } from '../identity/secure-context';
import type { SrtpProfile } from './srtp';
import type { DatagramTransport } from '../transport/transport';

/** Retransmission timer, RFC 6347 section 4.2.4.1. */
export interface RetransmissionOptions {
  /** Milliseconds before a flight is sent again for the first time. Default 1000. */
  initial?: number | undefined;
  /** The longest wait, in milliseconds. Default 60000. */
  max?: number | undefined;
  /** The factor by which each wait is longer than the one before. Default 2. */
  backoff?: number | undefined;
}

/** RFC 6520. */
export interface HeartbeatOptions {
  /**
   * What the peer is told: whether it may send requests. Default `'peer_allowed_to_send'`; this side may
   * send them when the peer says the same.
   */
  mode?: 'peer_allowed_to_send' | 'peer_not_allowed_to_send' | undefined;
  /** Keep-alive: a request after so many milliseconds without hearing anything; 0 (default): none. */
  interval?: number | undefined;
  /** Milliseconds before a request is sent again; then twice as long, and so on. Default 1000. */
  timeout?: number | undefined;
  /** How often it is sent again before the peer counts as gone. Default 3. */
  retries?: number | undefined;
}

/** Options that servers and clients have in common. */
export interface SessionOptions {
  /** Refuse peers whose certificate does not verify. Default true. */
  rejectUnauthorized?: boolean | undefined;
  /**
   * The peer's certificate must have one of these fingerprints, and then nothing else of it is judged: not its
   * chain, not its name, not its dates. For self-signed peers that are known by signalling, as in WebRTC. A
   * server that has it asks for a certificate. Pre-shared keys are not concerned. Default: none, the chain counts.
   */
  peerFingerprints?: PeerFingerprint | readonly PeerFingerprint[] | undefined;
  /**
   * The peer must show one of these keys as a raw public key (RFC 7250), in place of a certificate. A server that
   * has it asks for one. Needs OpenSSL 3.2, that is, Node 22.20 or 24.5: `features.rawPublicKeys`. Default: none.
   */
  peerPublicKeys?: PublicKey | readonly PublicKey[] | undefined;
  /** Milliseconds for the whole handshake; 0: no limit but OpenSSL's. Default 30000. */
  handshakeTimeout?: number | undefined;
  retransmission?: RetransmissionOptions | undefined;
  /** Largest UDP payload of a handshake flight, 256 to 16384. Default 1200. */
  mtu?: number | undefined;
  /** Milliseconds without traffic after which a session ends; 0 (default): never. */
  idleTimeout?: number | undefined;
  /**
   * How many record numbers behind the newest one are told from numbers that came before (RFC 6347 section 4.1.2.6): a
   * record that is repeated, or later than that, is dropped and counted in `stats.replays`. 64 to 1024, rounded up to a
   * multiple of 64; more than the default where datagrams overtake many others on their way. 0: every authentic message
   * is delivered, as often as it comes, for those who detect repetitions above. Suites with CBC or without encryption,
   * and DTLS 1.0, have OpenSSL's window whatever is given here. Default 64.
   */
  replayWindow?: number | undefined;
  /**
   * Each message has memory of its own. Default false: messages are slices of larger blocks, and one that is
   * kept keeps its whole block.
   */
  copyMessages?: boolean | undefined;
  /**
   * A message is valid until the handlers of its `message` event return, or of `messages`: then its memory is used
   * again, so that it stays in the processor's caches. For those who pass on or parse what comes, and keep nothing:
   * a sixth to a third more messages of 1200 bytes a second. Copy what is needed later, also after an `await`:
   * `Buffer.from(message)`; and what is given to a socket of `node:dgram` or `net`, which may read it later. `send` of
   * this package, streams and `for await` loops do so by themselves. Default false.
   */
  borrowMessages?: boolean | undefined;
  /** Application protocols (RFC 7301), the preferred one first; on a server its order counts. */
  ALPNProtocols?: ALPNProtocols | undefined;
  /** Negotiate heartbeats (RFC 6520). Needs an AEAD suite. Default false. */
  heartbeat?: boolean | HeartbeatOptions | undefined;
  /**
   * Negotiate keys for SRTP (RFC 5764) under one of these profiles, the preferred one first; see
   * `socket.getSrtp()`. A client's order counts for nothing: the server takes the first of its own that the
   * client has. Without one in common the handshake goes on without SRTP. Default: none.
   */
  srtpProfiles?: readonly SrtpProfile[] | undefined;
  /** A folder for one qlog file for each session. Default: the environment's QLOGDIR, or none. */
  qlogDir?: string | undefined;
  /**
   * Refuse peers without extended master secret (RFC 7627), with `ERR_DTLS_EXTENDED_MASTER_SECRET`; the peer gets
   * the alert handshake_failure. It is used wherever the peer has it, required or not. Default false.
   */
  requireExtendedMasterSecret?: boolean | undefined;
}

/** Options of the UDP socket, as in `node:dgram`. */
export interface UdpSocketOptions {
  reuseAddr?: boolean | undefined;
  /** Several sockets on one port share its load. Needs Node 22.12 or later. */
  reusePort?: boolean | undefined;
  ipv6Only?: boolean | undefined;
  recvBufferSize?: number | undefined;
  sendBufferSize?: number | undefined;
  /** Aborting it closes the server, or destroys the socket. */
  signal?: AbortSignal | undefined;
}

/** `'native'`: a UDP socket in C++, on Linux; `'dgram'`: one of node:dgram; `'auto'`: `'native'` where there is one. */
export type TransportOption = 'auto' | 'native' | 'dgram' | dgram.Socket | DatagramTransport;

type MaybePromise<T> = T | PromiseLike<T>;

/** One pre-shared key and its name. */
export interface PskCredentials {
  identity: Bytes;
  /** 1 to 512 bytes; a string stands for its UTF-8. */
  psk: Bytes;
}

/** The pre-shared key for an identity, 1 to 512 bytes; null or undefined: nobody known. */
export type ServerPskCallback = (
  socket: DTLSSocket,
  identity: string | NonSharedBuffer,
) => MaybePromise<Bytes | null | undefined>;

/** The identity (at most 256 bytes, no NUL) and key to answer a server's hint with; null: none. */
export type ClientPskCallback = (
  hint: string | null,
) => MaybePromise<PskCredentials | null | undefined>;

/**
 * The context for a name that a client asks for; null or undefined: one of `addContext`'s, else the
 * server's own. By return value, by Promise, or as in tls by `callback`: a function that takes it may
 * return anything. An error refuses the client with the alert `unrecognized_name`.
 */
export type SNICallback = (
  this: DTLSSocket,
  servername: string,
  callback: (error?: Error | null, context?: SecureContext | null) => void,
) => unknown;

/**
 * One of the protocols that a client offers; undefined refuses it with the alert `no_application_protocol`.
 * It is not called for a client that offers none.
 */
export type ALPNCallback = (
  this: DTLSSocket,
  offer: { servername: string | null; protocols: string[] },
) => MaybePromise<string | null | undefined>;

/** What a server may have differently for a name: see {@link DTLSServer.addContext}. */
export interface NamedServerOptions extends SecureContextOptions {
  /** Instead of the context options. */
  secureContext?: SecureContext | undefined;
  requestCert?: boolean | undefined;
  rejectUnauthorized?: boolean | undefined;
  psk?: PskCredentials | undefined;
  pskCallback?: ServerPskCallback | undefined;
  pskIdentityHint?: string | undefined;
  peerFingerprints?: PeerFingerprint | readonly PeerFingerprint[] | undefined;
  peerPublicKeys?: PublicKey | readonly PublicKey[] | undefined;
  ALPNProtocols?: ALPNProtocols | undefined;
  ALPNCallback?: ALPNCallback | undefined;
}

/** What a server may have differently for one peer: see {@link ServerOptions.peers}. */
export interface PeerOptions extends NamedServerOptions, SessionOptions {}

export interface ServerOptions extends SecureContextOptions, SessionOptions, UdpSocketOptions {
  /** Instead of the context options. */
  secureContext?: SecureContext | undefined;
  /**
   * Milliseconds before one of the server's certificates expires at which `certificateExpiring` is emitted; 0: never.
   * Default 1209600000 (14 days).
   */
  certificateExpiryNotice?: number | undefined;
  /** Ask clients for a certificate. Default false, or true with `peerFingerprints` or `peerPublicKeys`. */
  requestCert?: boolean | undefined;
  SNICallback?: SNICallback | undefined;
  /** Instead of `ALPNProtocols`. */
  ALPNCallback?: ALPNCallback | undefined;
  /** The one key that clients may have, in place of `pskCallback`. */
  psk?: PskCredentials | undefined;
  /** Enables pre-shared key suites. */
  pskCallback?: ServerPskCallback | undefined;
  /** Sent to clients to help them choose an identity; at most 256 bytes. */
  pskIdentityHint?: string | undefined;
  /** False only where the transport has validated peers' addresses already. Default true. */
  cookieExchange?: boolean | undefined;
  /** Milliseconds after which a cookie is surely refused. Default 30000. */
  cookieLifetime?: number | undefined;
  /** A secret of 32 bytes or more that a fleet shares. Default: own, rotating secrets. */
  cookieSecret?: Bytes | undefined;
  /** 0: no limit. Default 10000. */
  maxSessions?: number | undefined;
  /** 0: no limit. Default 1000. */
  maxPendingHandshakes?: number | undefined;
  /** Sessions of one host: an IPv4 address, or 64 bits of an IPv6 address; 0: no limit. Default: a tenth of `maxSessions`. */
  maxSessionsPerHost?: number | undefined;
  /** The same for handshakes under way; 0: no limit. Default: a quarter of `maxPendingHandshakes`. */
  maxPendingHandshakesPerHost?: number | undefined;
  /**
   * Called before a peer's handshake is answered, and before anything is kept of it: returns what counts for that peer in
   * place of the server's own options, `{}` for those, or null (or undefined) for no session: then the peer gets no
   * answer at all. With it a server needs no certificate of its own. A Promise may take `handshakeTimeout`.
   */
  peers?: ((peer: Peer) => MaybePromise<PeerOptions | null | undefined>) | undefined;
  /** Datagrams from these addresses are counted (`stats.blockedDatagrams`) and dropped. Default: none. */
  blockList?: BlockList | undefined;
  /** Default `'auto'`. */
  transport?: TransportOption | undefined;
}

export interface ConnectOptions extends SecureContextOptions, SessionOptions, UdpSocketOptions {
  /** Default `'localhost'`. */
  host?: string | undefined;
  /** 1 to 65535, also as a string; with a `DatagramTransport` also 0. */
  port: number | string;
  /** An IP address of this machine, of the server's version of IP. */
  localAddress?: string | undefined;
  localPort?: number | string | undefined;
  /** Name to ask for and to verify; `''`: ask for none. Default: `host` when it is a name. */
  servername?: string | undefined;
  /** Default: `tls.checkServerIdentity`. */
  checkServerIdentity?:
    ((hostname: string, certificate: PeerCertificate) => Error | undefined) | undefined;
  /**
   * Ask the server for an OCSP response of its certificate's authority (RFC 6066 section 8). What it sends comes
   * with the event `OCSPResponse`; nothing here judges it. Default false.
   */
  requestOCSP?: boolean | undefined;
  /**
   * Ask the server that no record, in either direction, carries more than so many bytes (RFC 6066 section 4), for a
   * peer with little memory. Where the server agrees, larger messages are refused. Default: not asked for.
   * Asked for at DTLS 1.2 and older only; with `minVersion: 'DTLSv1.3'` it is refused.
   */
  maxFragmentLength?: MaxFragmentLength | undefined;
  secureContext?: SecureContext | undefined;
  /** What `getSession()` or the event `session` of an earlier connection gave: to be resumed. */
  session?: NodeJS.ArrayBufferView | undefined;
  /** Who this side is: credentials, or a function of the server's hint that returns them. */
  psk?: PskCredentials | ClientPskCallback | undefined;
  /** The function alone. */
  pskCallback?: ClientPskCallback | undefined;
  /** Default: `dns.lookup`. */
  lookup?: LookupFunction | undefined;
  /** IP version for the lookup; 0 (default): either. */
  family?: 0 | 4 | 6 | undefined;
  /** Default `'auto'`. */
  transport?: TransportOption | undefined;
}

export const MAX_MESSAGE = 16384;
/** What max_fragment_length can say. */
export const MAX_FRAGMENT_LENGTHS = [512, 1024, 2048, 4096] as const;
export type MaxFragmentLength = (typeof MAX_FRAGMENT_LENGTHS)[number];
/** `replayWindow`, unless it is 0. */
export const MIN_REPLAY_WINDOW = 64;
export const MAX_REPLAY_WINDOW = 1024;
/** The smallest `mtu`. */
export const MIN_MTU = 256;
/** OpenSSL's PSK_MAX_IDENTITY_LEN and PSK_MAX_PSK_LEN. */
export const MAX_PSK_IDENTITY = 256;
export const MAX_PSK = 512;

/** The hint of the error about a key without bytes. */
export const NO_KEY = "A key of no bytes is what Buffer.from(key, 'hex') makes of what is not hexadecimal, as of an empty variable.";
export const MAX_HEARTBEAT_RETRIES = 100;
