import type { KeyObject, X509Certificate } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import type { DetailedPeerCertificate, PeerCertificate } from 'node:tls';

import type { ReadyState } from '../base/dtls-socket';
import { kMayServe, kMessageLimit, kPeer, kRole, kSessionOptions } from '../base/internals';
import { late } from '../base/late';
import { listenSparingly } from '../base/listeners';
import { NoticingEmitter } from '../base/noticing-emitter';
import type { Peer } from '../base/peer';
import type { NonSharedBuffer } from '../base/non-shared-buffer';
import { bytes, integer, wrongType } from '../checks/validate';
import { trafficStats, type TrafficStats } from '../core/stats';
import type { SessionRole } from '../diagnostics/channels';
import type { CoreSession } from '../endpoint/core-session';
import { authorizationError, type HandshakeResult } from '../handshake/handshake-result';
import { readableIdentity } from '../handshake/lookups';
import type { SocketOwner } from '../handshake/owner';
import type { ClientQuestions, ServerQuestions } from '../handshake/questions';
import { detailedCertificate, linkedCertificate, plainCertificate } from '../identity/certificates';
import type { ResolvedServer } from '../options/server';
import type { ResolvedSession } from '../options/session';
import type { SrtpKeys } from '../options/srtp';
import { MAX_MESSAGE } from '../options/types';
import type { IdleTimer } from './idle-timer';
import { exportKeys } from './keying-material';
import { notOpen } from './socket-errors';
import type { DTLSSocketEvents } from './socket-events';

/** What a socket knows of its session so far. The socket writes it, and {@link SessionInfo} tells it. */
export class SessionFacts {
  readonly owner: SocketOwner | undefined;
  // A socket has one of these two at most, that of its role: a client's from the moment it begins, a server's where something was asked.
  server: ServerQuestions | undefined;
  client: ClientQuestions | undefined;
  session: CoreSession | undefined;
  peer: Peer | undefined;
  state: ReadyState = 'opening';
  result: HandshakeResult | undefined;
  // By performance.now(): when the session began; before that, when the socket was made.
  startedAt = performance.now();
  /** Where there is one. */
  idle: IdleTimer | undefined;
  // What the core cannot be asked any more when the session is over.
  last: { readonly mtu: number; readonly counters: Float64Array | undefined } | undefined;

  constructor(owner: SocketOwner | undefined, session: CoreSession | undefined, peer: Peer | undefined) {
    this.owner = owner;
    this.session = session;
    this.peer = peer;
  }

  /** @throws When nobody has said yet what the session is to be. */
  get options(): ResolvedSession {
    const options = this.client?.options ?? this.rules;
    if (options === undefined) throw notOpen('tell its options');
    return options;
  }

  /** A server's options, or those for the peer, or for the name that the client asked for. */
  get rules(): ResolvedServer | undefined {
    return this.server?.options ?? this.owner?.[kSessionOptions];
  }

  get localAddress(): AddressInfo | undefined {
    return this.state === 'closed' ? undefined : this.session?.localAddress();
  }
}

/** What a socket tells of its session to whoever asks. Nothing here changes it. */
export abstract class SessionInfo extends NoticingEmitter<DTLSSocketEvents> {
  readonly #known: SessionFacts;

  protected constructor(known: SessionFacts) {
    super();
    listenSparingly(this);
    this.#known = known;
  }

  get readyState(): ReadyState {
    return this.#known.state;
  }
  /** The handshake is not over yet. */
  get connecting(): boolean {
    return this.#known.state === 'opening';
  }
  /** The peer proved who it is: by a certificate that verified, or by a pre-shared key. */
  get authorized(): boolean {
    return this.#known.result?.authorized ?? false;
  }
  /** Why `authorized` is false although a certificate was asked for; null otherwise. */
  get authorizationError(): string | null {
    if (this.#known.result === undefined || this.#known.rules?.requestCert === false) return null;
    return authorizationError(this.#known.result, this.#known.client?.nameRefusal(this.#known.result.reused));
  }
  /** The name that the client asked for (SNI), or null. */
  get servername(): string | null {
    return this.#known.server?.servername ?? this.#known.session?.serverName() ?? null;
  }
  /** The application protocol (ALPN); false when none was agreed on, null before the handshake is over. */
  get alpnProtocol(): string | false | null {
    return this.#known.result?.alpnProtocol ?? null;
  }
  /** The identity of a pre-shared key handshake: a Buffer when it is not UTF-8. */
  get pskIdentity(): string | NonSharedBuffer | null {
    const identity = this.#known.session?.pskIdentity();
    return identity === undefined ? null : readableIdentity(identity);
  }
  /** Encrypt-then-MAC (RFC 7366) is in use. Always false with AEAD suites, which have no need of it. */
  get encryptThenMac(): boolean {
    return this.#known.result?.encryptThenMac ?? false;
  }
  /** The keys are bound to the whole handshake (RFC 7627). */
  get extendedMasterSecret(): boolean {
    return this.#known.result?.extendedMasterSecret ?? false;
  }
  /** The peer, as `message` and `packet` name it: on a server the same object from its first packet on. */
  get remotePeer(): Peer | undefined {
    return this.#known.peer;
  }
  get remoteAddress(): string | undefined {
    return this.#known.peer?.address;
  }
  get remotePort(): number | undefined {
    return this.#known.peer?.port;
  }
  get remoteFamily(): string | undefined {
    return this.#known.peer?.family;
  }
  get localAddress(): string | undefined {
    return this.#known.localAddress?.address;
  }
  get localPort(): number | undefined {
    return this.#known.localAddress?.port;
  }
  /**
   * Largest UDP payload of a datagram: the `mtu` option, `setMtu`, what `discoverMtu` learned, or less where the path
   * did not let a flight of the handshake through.
   */
  get mtu(): number {
    return this.#known.last?.mtu ?? this.#known.session?.mtu() ?? this.#known.options.mtu;
  }
  /**
   * The largest message that makes a datagram within the handshake's MTU and is within the max_fragment_length that
   * the peers agreed on (RFC 6066 section 4); 0 before the handshake.
   */
  get maxMessageSize(): number {
    return Math.min(this.#known.session?.maxMessageSize() ?? 0, this[kMessageLimit]);
  }
  /** @internal What `send` takes, as far as that is known. */
  get [kMessageLimit](): number {
    return this.#known.result?.maxFragment ?? MAX_MESSAGE;
  }
  /** @internal The peer's certificates would do for a server, too. */
  get [kMayServe](): boolean {
    return this.#known.session?.peerMayServe() ?? false;
  }
  /** Counters from the beginning of the session. They stay readable after it. */
  get stats(): TrafficStats {
    return trafficStats(this.#known.last?.counters ?? this.#known.session?.counters());
  }
  /** @internal */
  get [kRole](): SessionRole {
    return this.#known.owner === undefined ? 'client' : 'server';
  }
  /** @internal */
  get [kPeer](): Peer {
    if (this.#known.peer === undefined) throw new Error('the peer is not known yet');
    return this.#known.peer;
  }

  address(): AddressInfo | Record<string, never> {
    return this.#known.localAddress ?? {};
  }

  getProtocol(): string | null {
    return this.#known.result?.protocol ?? null;
  }
  getCipher(): { name: string; standardName: string; version: string } | null {
    return this.#known.session?.cipher() ?? null;
  }
  /**
   * The peer's certificate in the shape of `tls`; an empty object when it sent none.
   *
   * @param detailed - With `issuerCertificate`: its chain, as far as the peer sent it or the authorities
   * trusted here have it. A root is its own issuer.
   */
  getPeerCertificate(detailed: true): DetailedPeerCertificate | Record<string, never>;
  getPeerCertificate(detailed?: boolean): PeerCertificate | Record<string, never>;
  getPeerCertificate(detailed = false): PeerCertificate | Record<string, never> {
    if (detailed) return detailedCertificate(this.#known.session?.peerChain() ?? []) ?? {};
    return plainCertificate(this.#known.session?.peerCertificate()) ?? {};
  }
  /** The same as `crypto.X509Certificate`; its `issuerCertificate` leads along the chain. */
  getPeerX509Certificate(): X509Certificate | undefined {
    return linkedCertificate(this.#known.session?.peerChain() ?? []);
  }
  /** The peer's public key: a raw one (RFC 7250), or that of its certificate. Undefined when it showed neither. */
  getPeerPublicKey(): KeyObject | undefined {
    const key = this.#known.session?.peerPublicKey();
    return key === undefined ? undefined : late.crypto.createPublicKey({ key, format: 'der', type: 'spki' });
  }
  /** The certificate that this side sent, or would send. */
  getCertificate(): PeerCertificate | Record<string, never> {
    return plainCertificate(this.#known.session?.certificate()) ?? {};
  }
  getX509Certificate(): X509Certificate | undefined {
    const der = this.#known.session?.certificate();
    return der === undefined ? undefined : new late.crypto.X509Certificate(der);
  }
  /** The server's ephemeral key, on a client. Null on a server, as in tls. */
  getEphemeralKeyInfo(): { type?: string; name?: string; size?: number } | null {
    if (this.#known.owner !== undefined) return null;
    return this.#known.session?.ephemeralKey() ?? {};
  }
  /**
   * The group of the key exchange, on both sides, by OpenSSL's name: `'X25519'`, `'prime256v1'`, `'X25519MLKEM768'`, … Null
   * where there was none: RSA, DHE or a pre-shared key alone made the keys, or an earlier session of DTLS 1.2.
   */
  getSharedGroup(): string | null {
    return this.#known.session?.sharedGroup() ?? null;
  }
  getSharedSigalgs(): string[] {
    return this.#known.session?.sharedSigalgs() ?? [];
  }
  getFinished(): NonSharedBuffer | undefined {
    return this.#known.session?.finished(false);
  }
  getPeerFinished(): NonSharedBuffer | undefined {
    return this.#known.session?.finished(true);
  }
  /**
   * The session, for the option `session` of a later connection to the same host; on a server for
   * debugging. Undefined before and after the session, and when it cannot be resumed. It holds the
   * session's master secret: keep it as you keep a private key.
   */
  getSession(): NonSharedBuffer | undefined {
    if (this.#known.result === undefined) return undefined;
    return this.#known.session?.resumable(this.#known.client?.options.sessionName ?? '');
  }
  /** The session ticket (RFC 5077), on a client, for debugging. Undefined on a server. */
  getTLSTicket(): NonSharedBuffer | undefined {
    return this.#known.session?.ticket();
  }
  /** The handshake resumed an earlier session. */
  isSessionReused(): boolean {
    return this.#known.result?.reused ?? false;
  }
  /**
   * Derives a key from the session's that both sides have and nobody else (RFC 5705).
   *
   * @throws {@link DTLSError} `ERR_DTLS_NOT_OPEN` outside an open session; `ERR_OUT_OF_RANGE` for a `length` that is not
   * 1 to 65536 (at DTLS 1.3 to 8160, or 12240 where the suite has SHA-384), a `context` above 65535 bytes, or, at
   * DTLS 1.3, a `label` above 249; `ERR_INVALID_ARG_VALUE` for what OpenSSL refuses: at DTLS 1.2 labels of TLS itself
   * and, before OpenSSL 3.2, label and context above about 950 bytes together; at DTLS 1.3 a label with a NUL byte.
   */
  exportKeyingMaterial(length: number, label: string, context?: NodeJS.ArrayBufferView): NonSharedBuffer {
    integer('length', length, undefined, 1, 65536);
    if (typeof label !== 'string') throw wrongType('label', 'a string', label, 'exportKeyingMaterial(length, label[, context]): other bytes go into the context.');
    const about = context === undefined ? undefined : bytes('context', context);
    // RFC 5705 section 4 counts them in two bytes, and OpenSSL would cut the number.
    if (about !== undefined) integer('context.length', about.length, undefined, 0, 65535);
    const session = this.#known.state === 'open' ? this.#known.session : undefined;
    if (session === undefined) throw notOpen('export keying material');
    return exportKeys(session, this.#known.result?.protocol, [length, label, about]);
  }

  /**
   * The keys for SRTP (RFC 5764 section 4.2); null where none were agreed on, and outside an open session.
   * The Buffers are the caller's: wipe them when they are not needed any more.
   */
  getSrtp(): SrtpKeys | null {
    const session = this.#known.state === 'open' ? this.#known.session : undefined;
    return (session?.srtp() ?? null) as SrtpKeys | null;
  }
}
