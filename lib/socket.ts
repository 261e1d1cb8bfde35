import { createPublicKey, randomBytes, X509Certificate, type KeyObject } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { isIP, type AddressInfo } from 'node:net';
import type { DetailedPeerCertificate, PeerCertificate } from 'node:tls';

import { detailedCertificate, linkedCertificate, plainCertificate } from './certificates';
import { channels, type SessionRole } from './diagnostics';
import { dial, type Dialled } from './dial';
import type { Endpoint, SessionHandler } from './endpoint';
import {
  DTLSError,
  errorFromClose,
  readCloseRecord,
  usageError,
  type CloseRecord,
} from './errors';
import {
  heartbeatEvent,
  Heartbeats,
  MIN_PADDING,
  searchMtu,
  type DiscoverMtuOptions,
  type HeartbeatRequestOptions,
  type HeartbeatResult,
} from './heartbeat';
import { logKeys } from './keylog';
import {
  asError,
  askClientPsk,
  askPeerIdentity,
  askServerPsk,
  readableIdentity,
  type Answers,
} from './lookups';
import { readClientHello, type ClientHello, type HelloAnswers } from './hello';
import { alertName, handshakeMessageName, protocolName, verifyErrorName } from './names';
import { MAX_MESSAGE, type ConnectOptions } from './options';
import {
  resolveConnectOptions,
  type ResolvedConnect,
  type ResolvedServer,
  type ResolvedSession,
} from './resolve';
import type { OcspQuestion } from './ocsp';
import { LookupKind, outbox, RecordType } from './outbox';
import {
  askStore,
  readNewSession,
  storeError,
  tellStore,
  type ResumeSessionCallback,
} from './resumption';
import { logSession } from './qlog';
import { noTraffic, sessionStats, type TrafficStats } from './stats';
import type { AlertEvent, DTLSSocketEvents, HandshakeEvent, ReadyState } from './socket-events';
import type { SrtpKeys } from './srtp';
import type { Peer } from './transport';
import { bytes, integer, wrongType } from './validate';
import { readableOf, webStreams, type WebStreamOptions, type WebStreams } from './web-streams';

type SendCallback = (error: Error | null) => void;
type Message = string | NodeJS.ArrayBufferView;

/** Bytes of messages that may wait for the handshake before `send` returns false. */
const QUEUE_HIGH_WATER_MARK = 16 * 1024;
/** Bytes of messages that may wait for a `for await` loop. */
const ITERATION_LIMIT = 1024 * 1024;
/** Bytes of messages that may wait for the handshake at all. */
const QUEUE_LIMIT = 1024 * 1024;

const SECURE_PEER_CERTIFICATE = 1 << 16;
const SECURE_PSK = 1 << 17;
const SECURE_ENCRYPT_THEN_MAC = 1 << 20;
const SECURE_EXTENDED_MASTER_SECRET = 1 << 21;
const SECURE_REUSED = 1 << 18;

interface QueuedMessage {
  message: Buffer;
  callback: SendCallback | undefined;
}

/** What a socket needs to know of the side that made it. */
export interface SocketOwner {
  /** A server has its own way to hear of failed handshakes and of errors that nobody listens for. */
  onFailure(socket: DTLSSocket, error: DTLSError, completedHandshake: boolean): boolean;
  onConnection(socket: DTLSSocket): void;
  onSecure(socket: DTLSSocket): void;
  onClose(socket: DTLSSocket): void;
  onKeylog(line: Buffer, socket: DTLSSocket): void;
  onStoredSession(id: Buffer, callback: ResumeSessionCallback): boolean;
  onNewSession(id: Buffer, session: Buffer, callback: () => void): boolean;
  onClientHello(hello: ClientHello, socket: DTLSSocket, answers: HelloAnswers): void;
  onOcspRequest(socket: DTLSSocket, question: OcspQuestion): void;
  readonly sessionOptions: ResolvedServer;
}

/** Where a session lives, once it does. */
interface Session {
  readonly endpoint: Endpoint;
  readonly slot: number;
  readonly generation: number;
}

/**
 * One end of a DTLS association: a client's from {@link connect}, or a server's from the events
 * `connection` and `secureConnection`. One message is one datagram; messages may be lost, repeated by
 * nobody, and overtake one another on the way, as datagrams do.
 */
export class DTLSSocket extends EventEmitter<DTLSSocketEvents> implements SessionHandler {
  readonly #owner: SocketOwner | undefined;
  #client: ResolvedConnect | undefined;
  // A server's: its options, or those for the name that the client asked for.
  #rules: ResolvedServer | undefined;
  #peer: Peer | undefined;
  #session: Session | undefined;
  #state: ReadyState = 'opening';
  #destroyed = false;
  // What close() and destroy() decided before the session's last record came.
  #failure: DTLSError | undefined;
  // What a callback of the user's threw, or checkServerIdentity returned.
  #cause: Error | undefined;
  #closeEmitted = false;
  #queue: QueuedMessage[] = [];
  #queuedBytes = 0;
  #batch: Buffer[] = [];
  #needDrain = false;
  #heartbeats: Heartbeats | undefined;
  #mtu = 0;
  #referenced = true;
  #protocol: string | null = null;
  #alpnProtocol: string | false | null = null;
  #servername: string | undefined;
  #peerCertificate = false;
  #psk = false;
  #encryptThenMac = false;
  #extendedMasterSecret = false;
  #reused = false;
  #verifyResult = 0;
  #finalStats: TrafficStats | undefined;
  #timeout = 0;
  #timer: NodeJS.Timeout | undefined;
  #lastActivity = 0;
  #startedAt = performance.now();

  /** @internal Use {@link connect}. */
  constructor(owner: SocketOwner | undefined, session?: Session, peer?: Peer) {
    super();
    this.#owner = owner;
    this.#rules = owner?.sessionOptions;
    this.#session = session;
    this.#peer = peer;
  }

  // ---- state ----

  get readyState(): ReadyState {
    return this.#state;
  }
  /** The handshake is not over yet. */
  get connecting(): boolean {
    return this.#state === 'opening';
  }
  get destroyed(): boolean {
    return this.#destroyed;
  }
  /** `send` has returned false, and `drain` has yet to come. */
  get writableNeedDrain(): boolean {
    return this.#needDrain;
  }
  /** The peer proved who it is: by a certificate that verified, or by a pre-shared key. */
  get authorized(): boolean {
    if (this.#protocol === null) return false;
    return this.#psk || (this.#peerCertificate && this.#verifyResult === 0);
  }
  /** Why `authorized` is false although a certificate was asked for; null otherwise. */
  get authorizationError(): string | null {
    if (this.#protocol === null || this.authorized) return null;
    if (this.#rules?.requestCert === false) return null;
    if (this.#cause !== undefined && 'code' in this.#cause) return String(this.#cause.code);
    return this.#peerCertificate
      ? verifyErrorName(this.#verifyResult)
      : 'UNABLE_TO_GET_ISSUER_CERT';
  }
  /** The name that the client asked for (SNI), or null. */
  get servername(): string | null {
    return (
      this.#servername ??
      this.#ask((core, slot, generation) => core.serverName(slot, generation)) ??
      null
    );
  }
  /** The application protocol (ALPN); false when none was agreed on, null before the handshake is over. */
  get alpnProtocol(): string | false | null {
    return this.#alpnProtocol;
  }
  /** The identity of a pre-shared key handshake: a Buffer when it is not UTF-8. */
  get pskIdentity(): string | Buffer | null {
    const identity = this.#ask((core, slot, generation) => core.pskIdentity(slot, generation));
    return identity === undefined ? null : readableIdentity(identity);
  }
  /** Encrypt-then-MAC (RFC 7366) is in use. Always false with AEAD suites, which have no need of it. */
  get encryptThenMac(): boolean {
    return this.#encryptThenMac;
  }
  /** The keys are bound to the whole handshake (RFC 7627). */
  get extendedMasterSecret(): boolean {
    return this.#extendedMasterSecret;
  }
  get remoteAddress(): string | undefined {
    return this.#peer?.address;
  }
  get remotePort(): number | undefined {
    return this.#peer?.port;
  }
  get remoteFamily(): string | undefined {
    return this.#peer?.family;
  }
  get localAddress(): string | undefined {
    return this.#localAddress()?.address;
  }
  get localPort(): number | undefined {
    return this.#localAddress()?.port;
  }
  /** Largest UDP payload of a datagram: the `mtu` option, `setMtu`, or what `discoverMtu` learned. */
  get mtu(): number {
    return this.#mtu === 0 ? this.#options.mtu : this.#mtu;
  }
  /** The largest message that makes a datagram within the handshake's MTU; 0 before the handshake. */
  get maxMessageSize(): number {
    return this.#ask((core, slot, generation) => core.maxMessageSize(slot, generation)) ?? 0;
  }
  /** Counters from the beginning of the session. They stay readable after it. */
  get stats(): TrafficStats {
    return (
      this.#finalStats ??
      (this.#session === undefined
        ? undefined
        : sessionStats(
            this.#session.endpoint.core,
            this.#session.slot,
            this.#session.generation,
          )) ??
      noTraffic()
    );
  }
  /** @internal */
  get socket(): this {
    return this;
  }
  /** @internal */
  get role(): SessionRole {
    return this.#owner === undefined ? 'client' : 'server';
  }
  /** @internal */
  get peer(): Peer {
    if (this.#peer === undefined) throw new Error('the peer is not known yet');
    return this.#peer;
  }

  address(): AddressInfo | Record<string, never> {
    return this.#localAddress() ?? {};
  }

  getProtocol(): string | null {
    return this.#protocol;
  }
  getCipher(): { name: string; standardName: string; version: string } | null {
    return this.#ask((core, slot, generation) => core.cipher(slot, generation)) ?? null;
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
    if (detailed) return detailedCertificate(this.#peerChain()) ?? {};
    return (
      plainCertificate(
        this.#ask((core, slot, generation) => core.peerCertificate(slot, generation)),
      ) ?? {}
    );
  }
  /** The same as `crypto.X509Certificate`; its `issuerCertificate` leads along the chain. */
  getPeerX509Certificate(): X509Certificate | undefined {
    return linkedCertificate(this.#peerChain());
  }
  /** The peer's public key: a raw one (RFC 7250), or that of its certificate. Undefined when it showed neither. */
  getPeerPublicKey(): KeyObject | undefined {
    const key = this.#ask((core, slot, generation) => core.peerPublicKey(slot, generation));
    return key === undefined ? undefined : createPublicKey({ key, format: 'der', type: 'spki' });
  }
  /** The certificate that this side sent, or would send. */
  getCertificate(): PeerCertificate | Record<string, never> {
    return this.getX509Certificate()?.toLegacyObject() ?? {};
  }
  getX509Certificate(): X509Certificate | undefined {
    const der = this.#ask((core, slot, generation) => core.certificate(slot, generation));
    return der === undefined ? undefined : new X509Certificate(der);
  }
  /** On a client: the server's ephemeral key. Null on a server, as in tls. */
  getEphemeralKeyInfo(): { type?: string; name?: string; size?: number } | null {
    if (this.#owner !== undefined) return null;
    return this.#ask((core, slot, generation) => core.ephemeralKey(slot, generation)) ?? {};
  }
  getSharedSigalgs(): string[] {
    return this.#ask((core, slot, generation) => core.sigalgs(slot, generation)) ?? [];
  }
  getFinished(): Buffer | undefined {
    return this.#ask((core, slot, generation) => core.finished(slot, generation, false));
  }
  getPeerFinished(): Buffer | undefined {
    return this.#ask((core, slot, generation) => core.finished(slot, generation, true));
  }
  /**
   * The session, for the option `session` of a later connection to the same host; on a server for
   * debugging. Undefined before and after the session, and when it cannot be resumed. It holds the
   * session's master secret: keep it as you keep a private key.
   */
  getSession(): Buffer | undefined {
    if (this.#protocol === null) return undefined;
    const name = this.#client?.sessionName ?? '';
    return this.#ask((core, slot, generation) => core.clientSession(slot, generation, name));
  }
  /** On a client: the session ticket (RFC 5077), for debugging. Undefined on a server. */
  getTLSTicket(): Buffer | undefined {
    return this.#ask((core, slot, generation) => core.sessionTicket(slot, generation));
  }
  /** The handshake resumed an earlier session. */
  isSessionReused(): boolean {
    return this.#reused;
  }
  /**
   * RFC 5705.
   * @throws {@link DTLSError} `ERR_DTLS_NOT_OPEN` outside an open session.
   */
  exportKeyingMaterial(length: number, label: string, context?: NodeJS.ArrayBufferView): Buffer {
    integer('length', length, 0, 1, 65536);
    if (typeof label !== 'string') throw wrongType('label', 'a string', label);
    const material = this.#ask((core, slot, generation) =>
      this.#state === 'open'
        ? core.exportKeyingMaterial(
            slot,
            generation,
            length,
            label,
            context === undefined ? undefined : bytes('context', context),
          )
        : undefined,
    );
    if (material === undefined) throw notOpen('export keying material');
    return material;
  }

  /**
   * The keys for SRTP (RFC 5764 section 4.2); null where none were agreed on, and outside an open session.
   * The Buffers are the caller's: wipe them when they are not needed any more.
   */
  getSrtp(): SrtpKeys | null {
    return (this.#ask((core, slot, generation) => core.srtp(slot, generation)) ?? null) as SrtpKeys | null;
  }

  // ---- calls ----

  /**
   * Sends one message as one datagram; an array makes one message of its parts. Before the handshake is
   * over messages wait, up to 1 MiB.
   *
   * @param callback - Called later: with null when the datagram was handed to the socket, or with what went
   * wrong (`ERR_DTLS_NOT_OPEN`, `ERR_DTLS_QUEUE_FULL`, or the system's error).
   * @returns False when the caller should wait for `drain`.
   * @throws {@link DTLSError} `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`, `ERR_DTLS_MESSAGE_TOO_BIG` above 16384 bytes, and
   * `ERR_DTLS_EMPTY_MESSAGE`: OpenSSL sends no empty records.
   */
  send(message: Message | readonly Message[], callback?: SendCallback): boolean;
  send(message: Message, offset: number, length: number, callback?: SendCallback): boolean;
  send(
    message: Message | readonly Message[],
    offsetOrCallback?: number | SendCallback,
    length?: number,
    callback?: SendCallback,
  ): boolean {
    let payload = Array.isArray(message)
      ? Buffer.concat(message.map((part) => bytes('message', part)))
      : bytes('message', message);
    let done = callback;
    if (typeof offsetOrCallback === 'number') {
      const offset = integer('offset', offsetOrCallback, 0, 0, payload.length);
      const size = integer('length', length, payload.length - offset, 0, payload.length - offset);
      payload = payload.subarray(offset, offset + size);
    } else if (offsetOrCallback !== undefined) {
      done = offsetOrCallback;
    }
    if (done !== undefined && typeof done !== 'function') {
      throw wrongType('callback', 'a function', done);
    }
    checkSize(payload);
    if (this.#state === 'opening') return this.#enqueue(payload, done);
    if (this.#state !== 'open' || this.#session === undefined) {
      return this.#refuse(notOpen('send'), done);
    }
    return this.#write(this.#session, payload, done);
  }

  /**
   * Sends each of `messages`, as `send` does; they leave with one system call where the system can do that.
   *
   * @param callback - Called when the last of them has left, or with the first error.
   * @returns False when the caller should wait for `drain`.
   * @throws As `send`; nothing is sent then.
   */
  sendMany(messages: readonly Message[], callback?: SendCallback): boolean {
    if (!Array.isArray(messages)) throw wrongType('messages', 'an array', messages);
    const all = messages.map((message: Message) => bytes('message', message));
    all.forEach(checkSize);
    if (callback !== undefined && typeof callback !== 'function') {
      throw wrongType('callback', 'a function', callback);
    }
    if (all.length === 0) {
      if (callback !== undefined) process.nextTick(callback, null);
      return true;
    }
    let left = all.length;
    let failure: Error | null = null;
    const done =
      callback === undefined
        ? undefined
        : (error: Error | null): void => {
            failure ??= error;
            left -= 1;
            if (left === 0) callback(failure);
          };
    let room = true;
    for (const message of all) room = this.send(message, done) && room;
    return room;
  }

  /**
   * Sends close_notify and ends the session; messages already sent leave first. Does not wait for the
   * peer's close_notify.
   */
  close(callback?: () => void): this {
    if (callback !== undefined) this.once('close', callback);
    if (this.#state === 'closing' || this.#state === 'closed') return this;
    this.#end(undefined);
    return this;
  }

  /** As `close`; with an error, that is emitted. Safe in any handler; nothing but `close` comes after it. */
  destroy(error?: Error): this {
    if (this.#destroyed) return this;
    this.#destroyed = true;
    this.#end(error === undefined ? undefined : asDtlsError(error, this.#peer));
    return this;
  }

  /** Emits `timeout` after `ms` milliseconds without traffic; 0 switches it off. Does not close. */
  setTimeout(ms: number, callback?: () => void): this {
    this.#timeout = integer('ms', ms, 0, 0, 0x7fffffff);
    if (callback !== undefined) {
      if (this.#timeout === 0) this.off('timeout', callback);
      else this.once('timeout', callback);
    }
    this.#touch();
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#armTimeout();
    return this;
  }

  /** Largest UDP payload of handshake flights from now on, 256 to 16384; shown in `maxMessageSize`. */
  setMtu(mtu: number): this {
    integer('mtu', mtu, 0, 256, MAX_MESSAGE);
    const changed = this.#ask((core, slot, generation) => core.setMtu(slot, generation, mtu));
    if (changed !== true) throw notOpen('set the MTU');
    this.#mtu = mtu;
    return this;
  }

  /**
   * Asks the peer for a sign of life (RFC 6520) and waits for it; requests wait for one another.
   *
   * @param payload - What the peer is to send back. Default: 16 random bytes.
   * @returns Rejects with `ERR_DTLS_HEARTBEAT_TIMEOUT` when no answer came, `…_NOT_NEGOTIATED`, `…_NOT_ALLOWED` (the
   * peer's mode), `…_UNSUPPORTED_CIPHER` (heartbeats need an AEAD suite), `…_TOO_BIG`, or `ERR_DTLS_NOT_OPEN`.
   */
  heartbeat(options?: HeartbeatRequestOptions): Promise<HeartbeatResult>;
  heartbeat(payload: Message, options?: HeartbeatRequestOptions): Promise<HeartbeatResult>;
  async heartbeat(
    payloadOrOptions?: Message | HeartbeatRequestOptions,
    options?: HeartbeatRequestOptions,
  ): Promise<HeartbeatResult> {
    const isPayload = typeof payloadOrOptions === 'string' || ArrayBuffer.isView(payloadOrOptions);
    const payload = isPayload ? bytes('payload', payloadOrOptions) : randomBytes(16);
    const given = isPayload ? options : payloadOrOptions;
    return this.#pings().request(payload, MIN_PADDING, given ?? {});
  }

  /**
   * Finds the largest datagram that reaches the peer, with padded heartbeat requests whose answers are
   * small (RFC 6520 section 1, RFC 4821), and sets `mtu` to it. Meanwhile the socket does not fragment,
   * on Linux; on other systems, and over a transport without `setDontFragment`, what gets through in
   * fragments counts, too.
   *
   * @returns UDP payload in bytes, between `min` and `max`. Rejects as `heartbeat`; with
   * `ERR_DTLS_HEARTBEAT_TIMEOUT` when not even `min` gets through.
   */
  async discoverMtu(options: DiscoverMtuOptions = {}): Promise<number> {
    const pings = this.#pings();
    const overhead = this.mtu - this.maxMessageSize;
    const { endpoint } = this.#session ?? {};
    endpoint?.setDontFragment(true);
    try {
      const found = await searchMtu(pings, overhead, this.remoteFamily === 'IPv6', options);
      this.setMtu(found);
      return found;
    } finally {
      endpoint?.setDontFragment(false);
    }
  }

  ref(): this {
    this.#referenced = true;
    this.#session?.endpoint.ref();
    return this;
  }

  unref(): this {
    this.#referenced = false;
    this.#session?.endpoint.unref();
    this.#timer?.unref();
    return this;
  }

  /**
   * The messages from now on, until the socket closes; throws what `error` would have emitted. At most 1 MiB
   * of them waits for the loop, what comes beyond is dropped. Leaving the loop does not close.
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer, void, undefined> {
    yield* readableOf(this, ITERATION_LIMIT).readable;
  }

  /**
   * The session as Web Streams, each chunk one message. Closing `writable` closes the session, cancelling
   * `readable` only stops listening.
   *
   * @throws {@link DTLSError} of category `usage`.
   */
  toWeb(options: WebStreamOptions = {}): WebStreams {
    return webStreams(this, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#state === 'closed') return;
    await new Promise<void>((resolve) => {
      this.close(resolve);
    });
  }

  /** @internal As `close`, with the close_notify on its way when the call returns. */
  closeNow(): this {
    this.close();
    this.#session?.endpoint.transmitNow();
    return this;
  }

  /** @internal As `destroy`, without a word to the peer. */
  abandon(error?: Error): this {
    if (this.#destroyed) return this;
    this.#destroyed = true;
    this.#end(error === undefined ? undefined : asDtlsError(error, this.#peer), false);
    return this;
  }

  // ---- @internal: the client's beginning ----

  /** @internal As `begin`, at once: its ClientHello has left when the call returns. */
  beginOn(options: ResolvedConnect, dialled: Dialled): void {
    this.#client = options;
    this.#start(options, dialled);
  }

  /** @internal */
  begin(options: ResolvedConnect): void {
    this.#client = options;
    const { signal } = options;
    if (signal !== undefined) {
      const abort = (): void => {
        this.destroy(abortError(signal));
      };
      if (signal.aborted) {
        process.nextTick(abort);
        return;
      }
      signal.addEventListener('abort', abort, { once: true });
      this.once('close', () => {
        signal.removeEventListener('abort', abort);
      });
    }
    const wanted = (): boolean => this.#state === 'opening';
    dial(options, wanted, (error, dialled) => {
      if (dialled === undefined) this.destroy(error ?? undefined);
      else this.#start(options, dialled);
    });
  }

  #start(options: ResolvedConnect, { endpoint, peer }: Dialled): void {
    this.#peer = peer;
    try {
      const policy = options.policy(this.listenerCount('keylog') > 0);
      const [slot, generation] = endpoint.connect(this, options.context.native, policy);
      this.#session = { endpoint, slot, generation };
      this.#onStart('client', peer, options.qlogDir);
    } catch (error) {
      this.destroy(asDtlsError(error, peer));
      return;
    }
    if (!this.#referenced) endpoint.unref();
    endpoint.flush();
  }

  // ---- @internal: what the endpoint brings ----

  /** @internal */
  onRecord(type: number, a: number, b: number, data: Buffer): void {
    if (type === RecordType.Close) {
      this.#onClose(readCloseRecord(a, b, data.toString()));
      return;
    }
    if (this.#destroyed) return;
    switch (type) {
      case RecordType.Open:
        this.#onStart('server', this.peer, this.#owner?.sessionOptions.qlogDir);
        this.#owner?.onConnection(this);
        return;
      case RecordType.Message:
        this.#touch();
        this.#onMessage(this.#options.copyMessages ? ownCopy(data) : data);
        return;
      case RecordType.Handshake:
        this.#onHandshakeMessage({
          direction: direction(a),
          message: handshakeMessageName((a >>> 8) & 0xff),
          length: b,
          retransmit: (a & 2) !== 0,
        });
        return;
      case RecordType.Alert: {
        const event: AlertEvent = {
          direction: direction(a),
          level: ((a >>> 8) & 0xff) === 2 ? 'fatal' : 'warning',
          description: alertName((a >>> 16) & 0xff),
          code: (a >>> 16) & 0xff,
        };
        if (channels.alert.hasSubscribers) channels.alert.publish({ socket: this, ...event });
        this.emit('alert', event);
        return;
      }
      case RecordType.Secure:
        this.#onSecure(a, b, data);
        return;
      case RecordType.Session: {
        if (this.listenerCount('session') === 0) return;
        const session = this.getSession();
        if (session !== undefined) this.emit('session', session);
        return;
      }
      case RecordType.OcspResponse:
        this.emit('OCSPResponse', data.length === 0 ? null : data);
        return;
      case RecordType.Lookup:
        this.#onLookup(a, data);
        return;
      case RecordType.Heartbeat: {
        const event = this.#heartbeats?.onRecord(a, b, data) ?? heartbeatEvent(a, b, data);
        if (event === undefined) return;
        if (channels.heartbeat.hasSubscribers) channels.heartbeat.publish({ socket: this, ...event });
        this.emit('heartbeat', event);
        return;
      }
      case RecordType.Keylog: {
        const line = Buffer.concat([data, Buffer.from('\n')]);
        logKeys(line);
        this.emit('keylog', line);
        this.#owner?.onKeylog(line, this);
        return;
      }
      default:
        return;
    }
  }

  /** @internal */
  onTransportError(error: Error): void {
    // RFC 5927: off-path attackers can forge ICMP, so it ends a handshake but no session that has keys.
    if (this.#state === 'opening' || ('code' in error && error.code === 'ERR_DTLS_TRANSPORT_CLOSED')) {
      this.#end(asDtlsError(error, this.#peer));
    }
  }

  /** @internal */
  onDrain(): void {
    if (!this.#needDrain || this.#state !== 'open') return;
    this.#needDrain = false;
    this.emit('drain');
  }

  #onStart(role: SessionRole, peer: Peer, qlogDir: string | undefined): void {
    this.#startedAt = performance.now();
    if (qlogDir !== undefined) logSession(this, qlogDir, role, peer);
    if (channels.sessionStart.hasSubscribers) {
      channels.sessionStart.publish({ socket: this, role, peer });
    }
  }

  #onHandshakeMessage(event: HandshakeEvent): void {
    if (channels.handshakeMessage.hasSubscribers) {
      channels.handshakeMessage.publish({ socket: this, ...event });
    }
    if (event.retransmit && channels.retransmission.hasSubscribers) {
      const { message, length } = event;
      channels.retransmission.publish({ socket: this, message, length });
    }
    this.emit('handshake', event);
  }

  #onSecure(what: number, verifyResult: number, alpnProtocol: Buffer): void {
    // close() came in a handler of the same pass, after the core had written this.
    if (this.#state !== 'opening') return;
    this.#state = 'open';
    this.#protocol = protocolName(what & 0xffff);
    this.#alpnProtocol = alpnProtocol.length === 0 ? false : alpnProtocol.toString('latin1');
    this.#peerCertificate = (what & SECURE_PEER_CERTIFICATE) !== 0;
    this.#psk = (what & SECURE_PSK) !== 0;
    this.#encryptThenMac = (what & SECURE_ENCRYPT_THEN_MAC) !== 0;
    this.#extendedMasterSecret = (what & SECURE_EXTENDED_MASTER_SECRET) !== 0;
    this.#reused = (what & SECURE_REUSED) !== 0;
    this.#verifyResult = verifyResult;
    this.#touch();
    if (channels.handshakeDone.hasSubscribers) {
      channels.handshakeDone.publish({
        socket: this,
        duration: performance.now() - this.#startedAt,
        protocol: this.#protocol,
        cipher: this.getCipher()?.name ?? '',
        authorized: this.authorized,
      });
    }
    const session = this.#session;
    const queued = this.#queue;
    this.#queue = [];
    this.#queuedBytes = 0;
    if (session !== undefined) {
      for (const { message, callback } of queued) this.#write(session, message, callback);
    }
    this.emit('secureConnect');
    // A handler may have ended it.
    if ((this.#state as ReadyState) !== 'open') return;
    this.#owner?.onSecure(this);
    if (this.#needDrain && session?.endpoint.congested === false) this.onDrain();
  }

  #onClose(record: CloseRecord): void {
    const session = this.#session;
    if (session !== undefined) {
      this.#finalStats = sessionStats(session.endpoint.core, session.slot, session.generation);
    }
    let error = this.#failure;
    // ERR_DTLS_REPLACED is how a session ends when its peer has restarted: nobody's error.
    if (error === undefined && !this.#destroyed && record.kind !== 0) {
      error = errorFromClose(record, this.#peer, this.#cause);
      const cause = this.#cause;
      if (error.code === 'ERR_DTLS_PEER_IDENTITY' && cause !== undefined) {
        error = identityError(cause, error, this.#peer);
      }
    }
    this.#finish(error, record.completedHandshake);
    if (session !== undefined) session.endpoint.release(session.slot, session.generation);
  }

  // ---- questions from the handshake ----

  #onClientHello(hello: ClientHello): void {
    if (hello.servername !== '') this.#servername = hello.servername;
    this.#owner?.onClientHello(hello, this, {
      accept: ({ rules, context, policy, protocols }) => {
        this.#rules = rules ?? this.#rules;
        this.#down(({ endpoint, slot, generation }) => {
          endpoint.core.answerHello(slot, generation, context?.native, policy, protocols);
        });
      },
      refuse: (about, cause) => {
        this.#cause = cause;
        this.#down(({ endpoint, slot, generation }) => {
          endpoint.core.refuseHello(slot, generation, about === 'name');
        });
      },
      again: (cause) => {
        this.destroy(cause);
      },
    });
  }

  #onSessionStore(kind: number, about: Buffer): void {
    const owner = this.#owner;
    if (owner === undefined) return;
    if (kind === LookupKind.NewSession) {
      const { id, session } = readNewSession(about);
      tellStore((done) => owner.onNewSession(id, session, done), {
        answer: () => {
          this.#down(({ endpoint, slot, generation }) => {
            endpoint.core.answerNewSession(slot, generation);
          });
        },
        refuse: (cause) => {
          this.destroy(storeError(cause));
        },
      });
      return;
    }
    const answer = (session: Buffer | undefined, refused: boolean): void => {
      this.#down(({ endpoint, slot, generation }) => {
        endpoint.core.answerSession(slot, generation, session, refused);
      });
    };
    askStore((done) => owner.onStoredSession(Buffer.from(about), done), {
      answer: (session) => {
        answer(session, false);
      },
      refuse: (cause) => {
        this.#cause = cause;
        answer(undefined, true);
      },
      again: (error) => {
        this.destroy(error);
      },
    });
  }

  #onOcspRequest(): void {
    this.#owner?.onOcspRequest(this, {
      certificate: () =>
        this.#ask((core, slot, generation) => core.certificate(slot, generation)) ??
        Buffer.alloc(0),
      issuer: () =>
        this.#ask((core, slot, generation) => core.certificateIssuer(slot, generation)) ?? null,
      answer: (response) => {
        this.#down(({ endpoint, slot, generation }) => {
          endpoint.core.answerOcsp(slot, generation, false, response);
        });
      },
      refuse: (cause) => {
        this.#cause = cause;
        this.#down(({ endpoint, slot, generation }) => {
          endpoint.core.answerOcsp(slot, generation, true, undefined);
        });
      },
    });
  }

  #onLookup(kind: number, about: Buffer): void {
    if (kind === LookupKind.ClientHello) {
      this.#onClientHello(readClientHello(about));
      return;
    }
    if (kind === LookupKind.StoredSession || kind === LookupKind.NewSession) {
      this.#onSessionStore(kind, about);
      return;
    }
    if (kind === LookupKind.OcspResponse) {
      this.#onOcspRequest();
      return;
    }
    const answers: Answers = {
      psk: (identity, key) => {
        this.#down(({ endpoint, slot, generation }) => {
          endpoint.core.answerPsk(slot, generation, identity, key);
        });
      },
      identity: (accepted) => {
        this.#down(({ endpoint, slot, generation }) => {
          endpoint.core.answerIdentity(slot, generation, accepted);
        });
      },
      because: (cause) => {
        this.#cause = cause;
      },
    };
    if (kind === LookupKind.PskServer) {
      askServerPsk(this.#rules?.pskCallback, this, about, answers);
    } else if (this.#client === undefined) {
      throw new Error(`a server's session asks a client's question ${String(kind)}`);
    } else if (kind === LookupKind.PskClient) {
      askClientPsk(this.#client.pskCallback, about, answers);
    } else {
      // A kept session's server that is refused is no failure: the full handshake judges the real one.
      if (kind === LookupKind.SessionIdentity) answers.because = () => undefined;
      askPeerIdentity(
        this.#client,
        (host) =>
          this.#ask((core, slot, generation) => core.peerIsHost(slot, generation, host)) ?? false,
        () => this.getPeerCertificate() as PeerCertificate,
        answers,
      );
    }
  }

  #onMessage(message: Buffer): void {
    if (this.listenerCount('messages') === 0) {
      this.emit('message', message, this.peer);
      return;
    }
    if (this.#batch.push(message) > 1) return;
    outbox.afterPass(() => {
      const messages = this.#batch;
      this.#batch = [];
      if (!this.#destroyed) this.emit('messages', messages, this.peer);
    });
  }

  get #options(): ResolvedSession {
    const options = this.#rules ?? this.#client;
    if (options === undefined) throw notOpen('tell its options');
    return options;
  }

  #pings(): Heartbeats {
    if (this.#state !== 'open') throw notOpen('send a heartbeat');
    this.#heartbeats ??= new Heartbeats(this.#options.heartbeat, (...request) => {
      const session = this.#session;
      if (session === undefined) return 1;
      const outcome = session.endpoint.core.heartbeat(session.slot, session.generation, ...request);
      session.endpoint.flushAfterCall();
      return outcome;
    });
    return this.#heartbeats;
  }

  // ---- plumbing ----

  #peerChain(): Buffer[] {
    return this.#ask((core, slot, generation) => core.peerChain(slot, generation)) ?? [];
  }

  #down(call: (session: Session) => void): void {
    const session = this.#session;
    if (session === undefined || this.#state === 'closed') return;
    call(session);
    session.endpoint.flush();
  }

  #ask<T>(
    question: (core: Endpoint['core'], slot: number, generation: number) => T | undefined,
  ): T | undefined {
    const session = this.#session;
    if (session === undefined) return undefined;
    return question(session.endpoint.core, session.slot, session.generation);
  }

  #write(session: Session, message: Buffer, callback: SendCallback | undefined): boolean {
    const outcome = session.endpoint.send(session.slot, session.generation, message, callback);
    if (outcome !== 0) return this.#refuse(notOpen('send'), callback);
    this.#touch();
    session.endpoint.flushAfterCall();
    if (!session.endpoint.congested) return true;
    this.#needDrain = true;
    session.endpoint.awaitDrain(this);
    return false;
  }

  #enqueue(message: Buffer, callback: SendCallback | undefined): boolean {
    if (this.#queuedBytes + message.length > QUEUE_LIMIT) {
      return this.#refuse(
        new DTLSError('too many messages wait for the handshake', {
          code: 'ERR_DTLS_QUEUE_FULL',
          category: 'usage',
          hint: "Wait for 'secureConnect', or for 'drain' when send() returns false.",
          peer: this.#peer,
        }),
        callback,
      );
    }
    // The caller may reuse its memory when send() returns, as with an open session.
    this.#queue.push({ message: Buffer.from(message), callback });
    this.#queuedBytes += message.length;
    if (this.#queuedBytes <= QUEUE_HIGH_WATER_MARK) return true;
    this.#needDrain = true;
    return false;
  }

  #refuse(error: DTLSError, callback: SendCallback | undefined): boolean {
    if (callback !== undefined) process.nextTick(callback, error);
    return false;
  }

  /** Ends the session from this side. */
  #end(error: DTLSError | undefined, notify = true): void {
    if (this.#state === 'closing' || this.#state === 'closed') return;
    this.#state = 'closing';
    this.#failure = error;
    const session = this.#session;
    if (session === undefined) {
      process.nextTick(() => {
        this.#finish(error, false);
      });
      return;
    }
    session.endpoint.core.close(session.slot, session.generation, notify);
    session.endpoint.flushAfterCall();
  }

  #finish(error: DTLSError | undefined, completedHandshake: boolean): void {
    if (this.#closeEmitted) return;
    this.#closeEmitted = true;
    this.#state = 'closed';
    clearTimeout(this.#timer);
    this.#publishEnd(error, completedHandshake);
    this.#heartbeats?.fail(error ?? notOpen('wait for a heartbeat'));
    const queued = this.#queue;
    this.#queue = [];
    for (const { callback } of queued) {
      if (callback !== undefined) process.nextTick(callback, error ?? notOpen('send'));
    }
    try {
      if (error !== undefined && !this.#silenced(error, completedHandshake)) {
        this.emit('error', error);
      }
    } finally {
      this.#destroyed = true;
      this.#owner?.onClose(this);
      this.emit('close', error !== undefined);
    }
  }

  #publishEnd(error: DTLSError | undefined, completedHandshake: boolean): void {
    const duration = performance.now() - this.#startedAt;
    if (error !== undefined && !completedHandshake && channels.handshakeFailed.hasSubscribers) {
      channels.handshakeFailed.publish({ socket: this, duration, error });
    }
    if (this.#session !== undefined && channels.sessionClose.hasSubscribers) {
      channels.sessionClose.publish({ socket: this, duration, error, stats: this.stats });
    }
  }

  #silenced(error: DTLSError, completedHandshake: boolean): boolean {
    if (error.code === 'ERR_DTLS_REPLACED' && this.listenerCount('error') === 0) return true;
    return this.#owner?.onFailure(this, error, completedHandshake) ?? false;
  }

  #localAddress(): AddressInfo | undefined {
    if (this.#session === undefined || this.#state === 'closed') return undefined;
    try {
      return this.#session.endpoint.address();
    } catch {
      return undefined; // the socket below has been closed by its owner
    }
  }

  #touch(): void {
    if (this.#timeout !== 0) this.#lastActivity = Date.now();
  }

  // As with the core's idle timer: traffic only notes the time, and the timer looks when it fires.
  #armTimeout(): void {
    if (this.#timeout === 0 || this.#state === 'closed') return;
    const left = this.#lastActivity + this.#timeout - Date.now();
    if (left <= 0) {
      this.#lastActivity = Date.now();
      this.emit('timeout');
      this.#armTimeout();
      return;
    }
    this.#timer = setTimeout(() => {
      this.#armTimeout();
    }, left);
    if (!this.#referenced) this.#timer.unref();
  }
}

/** Not from Buffer's pool, which many share. */
function ownCopy(message: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(message.length);
  message.copy(copy);
  return copy;
}

function checkSize(message: Buffer): void {
  if (message.length > MAX_MESSAGE) {
    throw usageError(
      'ERR_DTLS_MESSAGE_TOO_BIG',
      `a message of ${String(message.length)} bytes is above the ${String(MAX_MESSAGE)} of one DTLS record`,
      'DTLS does not split messages: divide it, or send it another way.',
    );
  }
  if (message.length === 0) {
    throw usageError(
      'ERR_DTLS_EMPTY_MESSAGE',
      'OpenSSL sends no records without content',
      'Send at least one byte.',
    );
  }
}

const direction = (packed: number): 'in' | 'out' => ((packed & 1) === 1 ? 'out' : 'in');

function asDtlsError(thrown: unknown, peer: Peer | undefined): DTLSError {
  if (thrown instanceof DTLSError) return thrown;
  const error = asError(thrown);
  const code = 'code' in error && typeof error.code === 'string' ? error.code : 'ERR_DTLS_DESTROYED';
  return new DTLSError(error.message, { code, category: 'closed', peer, cause: error });
}

const abortError = (signal: AbortSignal): DTLSError =>
  new DTLSError('the operation was aborted', {
    code: 'ABORT_ERR',
    category: 'closed',
    cause: signal.reason,
  });

function notOpen(what: string): DTLSError {
  return new DTLSError(`cannot ${what}: the session is not open`, {
    code: 'ERR_DTLS_NOT_OPEN',
    category: 'closed',
    hint: "Wait for 'secureConnect' before, and look for 'close' after.",
  });
}

function identityError(cause: Error, close: DTLSError, peer: Peer | undefined): DTLSError {
  const code = 'code' in cause && typeof cause.code === 'string' ? cause.code : close.code;
  return new DTLSError(cause.message, {
    code,
    category: 'certificate',
    hint: "The certificate is valid, but for other names: connect to one of them, or pass it as 'servername'.",
    reason: close.reason,
    library: close.library,
    openssl: close.openssl,
    alert: close.alert,
    peer,
    cause,
  });
}

/**
 * Begins a handshake with a server and returns at once.
 *
 * @param secureConnectListener - Added to `secureConnect`.
 * @throws {@link DTLSError} of category `usage` for an option that is unknown, of a wrong type or out of range.
 */
export function connect(options: ConnectOptions, secureConnectListener?: () => void): DTLSSocket;
export function connect(
  port: number,
  host?: string,
  options?: Omit<ConnectOptions, 'port' | 'host'>,
  secureConnectListener?: () => void,
): DTLSSocket;
export function connect(
  optionsOrPort: ConnectOptions | number,
  hostOrListener?: string | (() => void),
  options?: Omit<ConnectOptions, 'port' | 'host'>,
  secureConnectListener?: () => void,
): DTLSSocket {
  const given =
    typeof optionsOrPort === 'number'
      ? {
          ...options,
          port: optionsOrPort,
          ...(typeof hostOrListener === 'string' ? { host: hostOrListener } : {}),
        }
      : optionsOrPort;
  const listener = typeof hostOrListener === 'function' ? hostOrListener : secureConnectListener;
  const resolved = resolveConnectOptions(given, isIP);
  const socket = new DTLSSocket(undefined);
  if (listener !== undefined) socket.once('secureConnect', listener);
  socket.begin(resolved);
  return socket;
}
