/**
 * The native addon, and the whole surface that it has. Arguments are validated before they come
 * here: the addon converts, it does not judge.
 */
import type { NonSharedBuffer } from '../base/non-shared-buffer';
import { loadAddon } from '../addon';
import type { HeartbeatOutcome, KeyUpdateOutcome, MoveOutcome, SendOutcome } from './outcomes';

/** How the native UDP socket fares. */
export interface UdpStats {
  /** System calls that brought datagrams, and that took some. */
  receiveCalls: number;
  sendCalls: number;
  /** Datagrams that came, or left, merged with others. */
  receivedMerged: number;
  sentMerged: number;
  /** Datagrams that the system refused; the callback of `send` has the error. */
  sendErrors: number;
  /** Datagrams that came cut, and were dropped. */
  truncated: number;
  /**
   * What the system dropped because the receive buffer was full, in the system's own buffers: one holds a datagram,
   * or several of one peer's that were merged (`gro`). How many those were nobody is told.
   * The property is missing where the system does not tell: it takes Linux 4.12, and emulators of it may not have it.
   */
  buffersDropped?: number;
  /** Whether merging is in use: a device or kernel may refuse it. */
  gso: boolean;
  gro: boolean;
}

/** A row of src-native/core/base/errors.def. */
interface NativeFailure {
  readonly code: string;
  readonly category: string;
  readonly hint: string;
}

/** The shared memory that native code fills and lib/core/outbox.ts drains. */
export interface NativeOutbox {
  /** All records were taken: empties the memory, then brings in what did not fit before. */
  reset(): void;
}

export interface NativeSecureContext {
  /** `said`: by the options. A server's contexts for names follow the server's own where they say nothing. */
  setVersions(min: number, max: number, said: boolean): void;
  /** What DTLS 1.3 offers: lists with colons; groups and signature algorithms may be empty, for the engine's own. */
  setDtls13(suites: string, groups: string, sigalgs: string): void;
  setCiphers(list: string): void;
  needsPsk(): boolean;
  setGroups(list: string): void;
  setSigalgs(list: string): void;
  setDhparam(pem: Uint8Array): void;
  setOptions(options: number): void;
  setSessionIdContext(context: Uint8Array): void;
  addCertificate(pem: Uint8Array): void;
  addKey(pem: Uint8Array, passphrase: Uint8Array | undefined): void;
  /** Takes certificate, key and authorities; without identity it only trusts the authorities in it. */
  addPfx(pfx: Uint8Array, passphrase: Uint8Array | undefined, withIdentity: boolean): void;
  showRawKey(): void;
  /**
   * Throws when a certificate has no key, or is too long for a peer. To be called when all certificates, keys and
   * authorities have been added.
   */
  checkIdentities(): void;
  /** Makes what DTLS 1.3 needs of the context, or throws: when everything else has been added. */
  prepareDtls13(): void;
  /** DER, without their chains. */
  ownCertificates(): NonSharedBuffer[];
  /** `named`: a server names them to its clients when it asks for a certificate. */
  addCa(pem: Uint8Array, named: boolean): void;
  addCrl(pem: Uint8Array): void;
  setSessionTimeout(seconds: number): void;
  allowPartialChain(): void;
}

/** What a server seals its session tickets with. */
export interface NativeTicketKeys {
  /** 48 bytes. The ones before open tickets for a while. */
  replace(keys: Uint8Array): void;
  current(): NonSharedBuffer;
}

/** A session to resume, as a client has kept it. */
export interface NativeKeptSession {
  /** The name that `packSession` was given. */
  name(): string;
}

/** How the sessions of a server or a client behave. */
export interface NativeSessionPolicy {
  /** Milliseconds; 0 for no limit. */
  setTimeouts(handshake: number, idle: number): void;
  /** The waits before a flight is repeated, in milliseconds. */
  setRetransmission(initial: number, max: number, backoff: number): void;
  setMtu(bytes: number): void;
  /** Record numbers, 64 to 1024; 0: messages may come more than once. */
  setReplayWindow(size: number): void;
  /** Sets whether a server asks for its client's certificate, and whether a session ends for one that does not verify. */
  setPeerCertificate(requested: boolean, rejectUnauthorized: boolean): void;
  /** Empty: a server gives no hint. */
  askPsk(identityHint: string): void;
  askIdentity(): void;
  /** Whom a client trusts, in place of the authorities of its context. */
  setAuthorities(authorities: NativeSecureContext): void;
  /** There will be KEYLOG records. */
  reportKeys(): void;
  /** The name in a client's ClientHello. */
  setServerName(name: string): void;
  setHeartbeat(mode: number, interval: number, timeout: number, retries: number): void;
  /** Colon-separated names of `srtpProfiles`. */
  setSrtpProfiles(profiles: string): void;
  requireExtendedMasterSecret(): void;
  /** A HelloQuestion, or several. */
  setHelloQuestions(about: number): void;
  /** ALPN, as on the wire. */
  setProtocols(protocols: Uint8Array): void;
  setTicketKeys(keys: NativeTicketKeys): void;
  /** Its sessions are resumed under the same certificates of the server's only. */
  forOnePeer(): void;
  setSession(session: NativeKeptSession): void;
  requestOcsp(): void;
  /** 512, 1024, 2048 or 4096. */
  setMaxFragmentLength(bytes: number): void;
  /** SubjectPublicKeyInfo in DER. */
  addPublicKey(key: Uint8Array): void;
  /** SHA-256, SHA-384 or SHA-512 by its length, the same for all. */
  addFingerprint(value: Uint8Array): void;
}

export interface NativeSrtp {
  profile: string;
  localKey: NonSharedBuffer;
  localSalt: NonSharedBuffer;
  remoteKey: NonSharedBuffer;
  remoteSalt: NonSharedBuffer;
}

export interface NativeCipher {
  name: string;
  standardName: string;
  version: string;
}

/** `slot` and `generation` name a session; a call for one that has gone does nothing. */
export interface NativeEndpoint {
  listen(
    context: NativeSecureContext,
    policy: NativeSessionPolicy,
    cookieExchange: boolean,
    cookieLifetime: number,
    cookieSecret: Uint8Array | undefined,
  ): void;
  /** Sets other limits for a server that listens already; 0 for none. */
  setLimits(
    sessions: number,
    pendingHandshakes: number,
    sessionsPerHost: number,
    pendingHandshakesPerHost: number,
  ): void;
  setContext(context: NativeSecureContext): void;
  setPolicy(policy: NativeSessionPolicy): void;
  stopListening(): void;
  setBusy(busy: boolean): void;
  /** Before a peer is answered, or anything is kept of it, there is a PEER_QUESTION, open for so many milliseconds at most. */
  askPeers(timeout: number): void;
  /** Without context and policy the peer is refused. False: nobody waits for that answer any more. */
  answerPeer(
    question: number,
    peerIndex: number,
    context: NativeSecureContext | undefined,
    policy: NativeSessionPolicy | undefined,
  ): boolean;
  /** What was answered about that peer counts no more, nor a question that is open. False: there was nothing. */
  forgetPeer(address: string, port: number): boolean;
  /** Sets whether there are DROPPED records. */
  reportDrops(report: boolean): void;
  /** Sets whether there are PACKET records. */
  reportPackets(report: boolean): void;
  receive(datagram: Uint8Array, address: string, port: number, peerIndex: number): void;
  /** Counts it as one from a peer on a block list, or from one that has no port to answer to. */
  drop(datagram: Uint8Array, address: string, port: number, peerIndex: number, blocked: boolean): void;
  connect(
    address: string,
    port: number,
    context: NativeSecureContext,
    policy: NativeSessionPolicy,
  ): [slot: number, generation: number];
  send(slot: number, generation: number, message: Uint8Array, token: number): SendOutcome;
  /** The number by which packets are sent to a peer, and by which PACKET records name it, until `forgetNumbers`. */
  numberOf(address: string, port: number): number;
  forgetNumbers(): void;
  /** Sends what is none of DTLS. `slot` NO_SLOT: `generation` is the number of whom it is for. False where there is no such peer. */
  sendPacket(slot: number, generation: number, packet: Uint8Array, token: number): boolean;
  /** Many messages that nobody waits for; see lib/core/send-batch.ts. */
  sendBatch(headers: Uint32Array, messages: Uint8Array, count: number): void;
  heartbeat(
    slot: number,
    generation: number,
    payload: Uint8Array,
    padding: number,
    timeout: number,
    retries: number,
  ): HeartbeatOutcome;
  /** The session's peer is at another address from now on. */
  move(slot: number, generation: number, address: string, port: number): MoveOutcome;
  /** What {@link move} would return. Nothing changes. */
  mayMove(slot: number, generation: number, address: string, port: number): MoveOutcome;
  /** DTLS 1.3: this side's keys change, and with `both` the peer is to change its own. */
  updateKeys(slot: number, generation: number, both: boolean): KeyUpdateOutcome;
  close(slot: number, generation: number, notify: boolean): void;
  /**
   * Undefined: what the session was made with. `protocols`: as on the wire, in place of the policy's; empty:
   * none will do.
   */
  answerHello(
    slot: number,
    generation: number,
    context: NativeSecureContext | undefined,
    policy: NativeSessionPolicy | undefined,
    protocols: Uint8Array | undefined,
  ): void;
  /** Refused for its server name, or for its protocols. */
  refuseHello(slot: number, generation: number, forItsName: boolean): void;
  /** `session`: what NewSession brought behind the id, or undefined. Refused: the handshake ends with an alert. */
  answerSession(
    slot: number,
    generation: number,
    session: Uint8Array | undefined,
    refused: boolean,
  ): void;
  answerNewSession(slot: number, generation: number): void;
  /** Gives the key; without one the identity is refused. A server passes no identity. */
  answerPsk(
    slot: number,
    generation: number,
    identity: Uint8Array | undefined,
    key: Uint8Array | undefined | null,
  ): void;
  answerIdentity(slot: number, generation: number, accepted: boolean): void;
  /** DER; undefined: none. Refused: the handshake fails. */
  answerOcsp(
    slot: number,
    generation: number,
    refused: boolean,
    response: Uint8Array | undefined,
  ): void;
  release(slot: number, generation: number): void;
  advance(): void;

  counters(): Float64Array;
  failures(): Float64Array;
  sessionCounters(slot: number, generation: number): Float64Array | undefined;
  sessionCount(): number;

  cipher(slot: number, generation: number): NativeCipher | undefined;
  /** DER. */
  peerCertificate(slot: number, generation: number): NonSharedBuffer | undefined;
  /** DER: the peer's certificate, its issuer, and so on, as far as they are known. */
  peerChain(slot: number, generation: number): NonSharedBuffer[];
  /** Stricter than `tls.checkServerIdentity`: true is a verdict, false only a question. */
  peerIsHost(slot: number, generation: number, host: string, isAddress: boolean): boolean;
  /** Whether the peer's certificates would do for a server. */
  peerMayServe(slot: number, generation: number): boolean;
  certificate(slot: number, generation: number): NonSharedBuffer | undefined;
  /** SubjectPublicKeyInfo in DER. */
  peerPublicKey(slot: number, generation: number): NonSharedBuffer | undefined;
  certificateIssuer(slot: number, generation: number): NonSharedBuffer | undefined;
  ephemeralKey(
    slot: number,
    generation: number,
  ): { type?: string; name?: string; size?: number } | undefined;
  /** OpenSSL's name. */
  sharedGroup(slot: number, generation: number): string | undefined;
  sigalgs(slot: number, generation: number): string[];
  finished(slot: number, generation: number, peers: boolean): NonSharedBuffer | undefined;
  exportKeyingMaterial(
    slot: number,
    generation: number,
    length: number,
    label: string,
    context: Uint8Array | undefined,
  ): NonSharedBuffer | undefined;
  srtp(slot: number, generation: number): NativeSrtp | undefined;
  /** Packed for {@link Native.KeptSession}; undefined when the session cannot be resumed. */
  packSession(slot: number, generation: number, name: string): NonSharedBuffer | undefined;
  sessionTicket(slot: number, generation: number): NonSharedBuffer | undefined;
  serverName(slot: number, generation: number): string | undefined;
  pskIdentity(slot: number, generation: number): NonSharedBuffer | undefined;
  maxMessageSize(slot: number, generation: number): number;
  /** 0 where there is no such session. */
  mtu(slot: number, generation: number): number;
  setMtu(slot: number, generation: number, mtu: number): boolean;
}

export interface NativeUdpSocket {
  /**
   * Begins to poll; `begin` is called before datagrams are read, `wake` when records may have come of them.
   */
  attach(endpoint: NativeEndpoint, outbox: NativeOutbox, begin: () => void, wake: () => void): void;
  /**
   * Asked for the senders of some datagrams at once: returns a bit for each, the first is the lowest, set for those that are
   * blocked. No code of the user's may run in it.
   */
  block(whichBlocked: ((...addresses: string[]) => number) | undefined): void;
  /** An error number, or 0. */
  connect(address: string, port: number): number;
  /** An error number, or 0. */
  setTtl(ttl: number): number;
  address(): [address: string, port: number, ipv6: boolean];
  peer(index: number): [address: string, port: number, ipv6: boolean] | undefined;
  /** The index by which records name that peer, until they have been taken. */
  indexOf(address: string, port: number): number;
  descriptor(): number;
  counters(): UdpStats;
  /** A datagram that is none of the endpoint's. An error number, or 0: SENT tells, without a session, what became of it. */
  sendUnprotected(address: string, port: number, datagram: Uint8Array, token: number): number;
  flush(): void;
  close(): void;
  ref(): void;
  unref(): void;
}

/** A certificate that is to be made. Without an issuer it is self-signed. */
export interface NativeCertificateRequest {
  /** Attribute, text, attribute, text. */
  readonly subject: readonly string[];
  readonly dnsNames: readonly string[];
  readonly ipAddresses: readonly string[];
  /** Seconds since the Unix epoch. */
  readonly notBefore: number;
  readonly notAfter: number;
  readonly usage: 'authority' | 'server' | 'client' | 'both';
  /** PEM without a passphrase. */
  readonly key: Uint8Array;
  readonly issuerCertificate: Uint8Array | undefined;
  readonly issuerKey: Uint8Array | undefined;
}

/** What a native UDP socket is made of. Buffers in bytes; 0 is the system's size. */
export type NativeUdpSource =
  | {
      readonly kind: 'bind';
      readonly address: string;
      readonly port: number;
      readonly ipv6Only: boolean;
      readonly reuseAddress: boolean;
      readonly reusePort: boolean;
      readonly receiveBuffer: number;
      readonly sendBuffer: number;
    }
  /** A second descriptor of a socket that is bound, to share with whoever has the first. */
  | { readonly kind: 'share'; readonly descriptor: number }
  /** The descriptor of a socket that is bound, which is closed with the native socket. */
  | {
      readonly kind: 'adopt';
      readonly descriptor: number;
      readonly receiveBuffer: number;
      readonly sendBuffer: number;
    };

export interface Native {
  readonly openssl: string;
  /** RFC 7250. */
  readonly rawPublicKeys: boolean;
  /** OpenSSL is linked into the addon, and is not Node's. */
  readonly ownOpenssl: boolean;
  /** What that OpenSSL has: of versions on the wire, and names in lists. */
  offersVersion(version: number): boolean;
  offersGroup(name: string): boolean;
  offersSigalg(name: string): boolean;
  offeredCiphers(): string[];
  /** What makes handshakes of DTLS 1.3 here, or why nothing does. The first call tries it. */
  dtls13(): { readonly engine?: string; readonly missing?: string };
  readonly failures: readonly NativeFailure[];
  readonly trafficCounters: readonly string[];
  readonly endpointCounters: readonly string[];
  /** Names of src-native/core/outbox/drops.def, in its order. */
  readonly dropReasons: readonly string[];
  /** Names of SRTP protection profiles that can be negotiated. */
  readonly srtpProfiles: readonly string[];
  /** Milliseconds since the Unix epoch that never go back: the clock of all deadlines. */
  now(): number;
  /** The PRF of TLS 1.2 (RFC 5246 section 5) with one of OpenSSL's digests. */
  prf(digest: string, secret: Uint8Array, label: string, seed: Uint8Array, size: number): NonSharedBuffer;
  /** A certificate in DER. */
  makeCertificate(request: NativeCertificateRequest): NonSharedBuffer;
  /** OpenSSL's names; empty where there is none. */
  certificateSignature(der: Uint8Array): [key: string, digest: string];
  /** Sets whether datagrams of a UDP socket may be fragmented on the way. False where the platform does not let it be set. */
  setDontFragment(fd: number, ipv6: boolean, on: boolean): boolean;
  /**
   * Connects a UDP socket, which is connected, to another peer. `anyAddress`: it was bound to no address of this host.
   * An error number, or 0.
   */
  reconnect(fd: number, address: string, port: number, anyAddress: boolean): number;
  /** 4 or 6 for a descriptor of a UDP socket, 0 for any other. */
  udpFamily(fd: number): 0 | 4 | 6;
  readonly Outbox: new (
    control: Uint32Array,
    records: Uint32Array,
    arena: Uint8Array,
  ) => NativeOutbox;
  readonly SecureContext: new () => NativeSecureContext;
  /** `lifetime`: how many milliseconds a session may be resumed. */
  readonly TicketKeys: new (lifetime: number) => NativeTicketKeys;
  /** Throws `ERR_DTLS_INVALID_SESSION`. */
  readonly KeptSession: new (packed: Uint8Array) => NativeKeptSession;
  readonly SessionPolicy: new () => NativeSessionPolicy;
  /**
   * Linux only. Binds at once, or throws an error with `errno` and `syscall`. `queued[0]` is kept at the bytes that wait to be sent, `queued[1]` at the datagrams that they are.
   */
  readonly UdpSocket?: new (source: NativeUdpSource, queued: Uint32Array) => NativeUdpSocket;
  /** `deadline[0]` is kept at the time of the next advance(), Infinity for none. */
  readonly Endpoint: new (
    outbox: NativeOutbox,
    id: number,
    deadline: Float64Array,
  ) => NativeEndpoint;
}

export const native = loadAddon() as Native;
