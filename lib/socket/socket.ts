import { AsyncResource } from 'node:async_hooks';
import type { KeyObject, X509Certificate } from 'node:crypto';
import { EventEmitter } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { DetailedPeerCertificate, PeerCertificate } from 'node:tls';

import type { ReadyState } from '../base/dtls-socket';
import { late } from '../base/late';
import { isAborted, onAbort } from '../base/abort';
import { sizeOf } from '../base/memory';
import type { Peer } from '../base/peer';
import { readCloseRecord, type CloseRecord } from '../core/failures';
import { detailedCertificate, linkedCertificate, plainCertificate } from '../identity/certificates';
import type { SessionRole } from '../diagnostics/channels';
import { dial, type Dialled } from './dial';
import type { SessionHandler } from '../endpoint/endpoint';
import { unsent, type DTLSError } from '../errors/errors';
import {
  heartbeatEvent,
  Heartbeats,
  MIN_PADDING,
  NOT_OPEN,
  searchMtu,
  type DiscoverMtuOptions,
  type HeartbeatRequestOptions,
  type HeartbeatResult,
} from './heartbeat';
import { logKeys } from '../diagnostics/keylog';
import { readableIdentity } from '../handshake/lookups';
import { MAX_MESSAGE, MIN_MTU } from '../options/types';
import { outbox, RecordType, turns } from '../core/outbox';
import type { ResolvedConnect } from '../options/connect';
import type { ResolvedSession } from '../options/session';
import { CoreSession } from '../endpoint/core-session';
import { EarlyMessages } from './early-messages';
import {
  authorizationError,
  readHandshakeResult,
  type HandshakeResult,
} from '../handshake/handshake-result';
import { IdleTimer } from './idle-timer';
import {
  afterAll,
  checkCallback,
  checkSize,
  inItsContext,
  joined,
  ownCopy,
  tooBig,
  type Message,
  type SendCallback,
} from './messages';
import type { SocketOwner } from '../handshake/owner';
import { ClientQuestions, ServerQuestions } from '../handshake/questions';
import { SessionReport } from './report';
import { SendCallbacks } from './send-callbacks';
import { aborted, asDtlsError, closeError, notExported, notOpen, queueFull } from './socket-errors';
import { readAlert, readHandshake, type DTLSSocketEvents } from './socket-events';
import type { SrtpKeys } from '../options/srtp';
import { noTraffic, type TrafficStats } from '../core/stats';
import type { Step } from '../core/turns';
import { bytes, integer, payload, wrongType } from '../checks/validate';
import { readableOf, webStreams, type WebStreamOptions, type WebStreams } from './web-streams';

type Class = DTLSSocket;
declare module '../base/dtls-socket' {
  // eslint-disable-next-line @typescript-eslint/no-empty-object-type -- the whole class, under the name that is known below
  interface DTLSSocket extends Class {}
}

/** As SendOutcome in session.h: of a message that another thread has grown since its size was looked at. */
const TOO_BIG = 2;

/** How this side ends a session: what it says to the peer. */
type Farewell = (session: CoreSession) => void;
const NOTIFYING: Farewell = (session) => {
  session.close(true);
};
const SILENTLY: Farewell = (session) => {
  session.close(false);
};
const REFUSING_STAPLE: Farewell = (session) => {
  session.refuseStaple();
};

/** Bytes of messages that may wait for a `for await` loop. */
const ITERATION_LIMIT = 1024 * 1024;

/**
 * One end of a DTLS association: a client's from {@link connect}, or a server's from the events
 * `connection` and `secureConnection`. One message is one datagram; messages may be lost, repeated by
 * nobody, and overtake one another on the way, as datagrams do.
 */
export class DTLSSocket extends EventEmitter<DTLSSocketEvents> implements SessionHandler {
  /** @internal Where its events belong (AsyncLocalStorage), as those of Node's sockets belong to their handles. */
  readonly asyncResource: AsyncResource;
  readonly #owner: SocketOwner | undefined;
  // Of these two a socket has the one of its role; a client's from the moment it begins.
  readonly #server: ServerQuestions | undefined;
  #client: ClientQuestions | undefined;
  #session: CoreSession | undefined;
  #peer: Peer | undefined;
  #state: ReadyState = 'opening';
  #destroyed = false;
  #finished = false;
  #gone = false; // `close` has been emitted
  // What close() and destroy() decided before the session's last record came.
  #failure: DTLSError | undefined;
  #result: HandshakeResult | undefined;
  readonly #report: SessionReport = new SessionReport(this);
  readonly #early = new EarlyMessages();
  readonly #sendCallbacks = new SendCallbacks<Parameters<SendCallback>>();
  #needDrain = false;
  #batch: Buffer[] = [];
  #copyMessages = false;
  #borrowMessages = false;
  #heartbeats: Heartbeats | undefined;
  #idle: IdleTimer | undefined;
  #finalMtu: number | undefined;
  #referenced = true;
  #finalStats: TrafficStats | undefined;

  /** @internal Use {@link connect}. */
  constructor(
    owner: SocketOwner | undefined,
    session?: CoreSession,
    peer?: Peer,
    asyncResource = new AsyncResource('DGRAM_DTLS_SOCKET'),
  ) {
    super();
    this.asyncResource = asyncResource;
    this.#owner = owner;
    this.#server = owner === undefined ? undefined : new ServerQuestions(this, owner);
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
    return this.#result?.authorized ?? false;
  }
  /** Why `authorized` is false although a certificate was asked for; null otherwise. */
  get authorizationError(): string | null {
    if (this.#result === undefined || this.#server?.options.requestCert === false) return null;
    return authorizationError(this.#result, this.#client?.nameRefusal(this.#result.reused));
  }
  /** The name that the client asked for (SNI), or null. */
  get servername(): string | null {
    return this.#server?.servername ?? this.#session?.serverName() ?? null;
  }
  /** The application protocol (ALPN); false when none was agreed on, null before the handshake is over. */
  get alpnProtocol(): string | false | null {
    return this.#result?.alpnProtocol ?? null;
  }
  /** The identity of a pre-shared key handshake: a Buffer when it is not UTF-8. */
  get pskIdentity(): string | Buffer | null {
    const identity = this.#session?.pskIdentity();
    return identity === undefined ? null : readableIdentity(identity);
  }
  /** Encrypt-then-MAC (RFC 7366) is in use. Always false with AEAD suites, which have no need of it. */
  get encryptThenMac(): boolean {
    return this.#result?.encryptThenMac ?? false;
  }
  /** The keys are bound to the whole handshake (RFC 7627). */
  get extendedMasterSecret(): boolean {
    return this.#result?.extendedMasterSecret ?? false;
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
    return this.#local?.address;
  }
  get localPort(): number | undefined {
    return this.#local?.port;
  }
  /**
   * Largest UDP payload of a datagram: the `mtu` option, `setMtu`, what `discoverMtu` learned, or less where the path
   * did not let a flight of the handshake through.
   */
  get mtu(): number {
    return this.#finalMtu ?? this.#session?.mtu() ?? this.#options.mtu;
  }
  /**
   * The largest message that makes a datagram within the handshake's MTU and is within the max_fragment_length that
   * the peers agreed on (RFC 6066 section 4); 0 before the handshake.
   */
  get maxMessageSize(): number {
    return Math.min(this.#session?.maxMessageSize() ?? 0, this.messageLimit);
  }
  /** @internal What `send` takes, as far as that is known. */
  get messageLimit(): number {
    return this.#result?.maxFragment ?? MAX_MESSAGE;
  }
  /** Counters from the beginning of the session. They stay readable after it. */
  get stats(): TrafficStats {
    return this.#finalStats ?? this.#session?.stats() ?? noTraffic();
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

  /** @internal */
  get borrowsMessages(): boolean {
    return this.#borrowMessages;
  }

  address(): AddressInfo | Record<string, never> {
    return this.#local ?? {};
  }

  getProtocol(): string | null {
    return this.#result?.protocol ?? null;
  }
  getCipher(): { name: string; standardName: string; version: string } | null {
    return this.#session?.cipher() ?? null;
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
    if (detailed) return detailedCertificate(this.#session?.peerChain() ?? []) ?? {};
    return plainCertificate(this.#session?.peerCertificate()) ?? {};
  }
  /** The same as `crypto.X509Certificate`; its `issuerCertificate` leads along the chain. */
  getPeerX509Certificate(): X509Certificate | undefined {
    return linkedCertificate(this.#session?.peerChain() ?? []);
  }
  /** The peer's public key: a raw one (RFC 7250), or that of its certificate. Undefined when it showed neither. */
  getPeerPublicKey(): KeyObject | undefined {
    const key = this.#session?.peerPublicKey();
    return key === undefined ? undefined : late.crypto.createPublicKey({ key, format: 'der', type: 'spki' });
  }
  /** The certificate that this side sent, or would send. */
  getCertificate(): PeerCertificate | Record<string, never> {
    return this.getX509Certificate()?.toLegacyObject() ?? {};
  }
  getX509Certificate(): X509Certificate | undefined {
    const der = this.#session?.certificate();
    return der === undefined ? undefined : new late.crypto.X509Certificate(der);
  }
  /** On a client: the server's ephemeral key. Null on a server, as in tls. */
  getEphemeralKeyInfo(): { type?: string; name?: string; size?: number } | null {
    if (this.#owner !== undefined) return null;
    return this.#session?.ephemeralKey() ?? {};
  }
  getSharedSigalgs(): string[] {
    return this.#session?.sharedSigalgs() ?? [];
  }
  getFinished(): Buffer | undefined {
    return this.#session?.finished(false);
  }
  getPeerFinished(): Buffer | undefined {
    return this.#session?.finished(true);
  }
  /**
   * The session, for the option `session` of a later connection to the same host; on a server for
   * debugging. Undefined before and after the session, and when it cannot be resumed. It holds the
   * session's master secret: keep it as you keep a private key.
   */
  getSession(): Buffer | undefined {
    if (this.#result === undefined) return undefined;
    return this.#session?.resumable(this.#client?.options.sessionName ?? '');
  }
  /** On a client: the session ticket (RFC 5077), for debugging. Undefined on a server. */
  getTLSTicket(): Buffer | undefined {
    return this.#session?.ticket();
  }
  /** The handshake resumed an earlier session. */
  isSessionReused(): boolean {
    return this.#result?.reused ?? false;
  }
  /**
   * RFC 5705.
   * @throws {@link DTLSError} `ERR_DTLS_NOT_OPEN` outside an open session; `ERR_OUT_OF_RANGE` for a `length` that is not
   * 1 to 65536, or a `context` above 65535 bytes; `ERR_INVALID_ARG_VALUE` for what OpenSSL refuses: labels of TLS
   * itself and, before 3.2, label and context above about 950 bytes together.
   */
  exportKeyingMaterial(length: number, label: string, context?: NodeJS.ArrayBufferView): Buffer {
    integer('length', length, 0, 1, 65536);
    if (typeof label !== 'string') throw wrongType('label', 'a string', label);
    const about = context === undefined ? undefined : bytes('context', context);
    // RFC 5705 section 4 counts them in two bytes, and OpenSSL would cut the number.
    if (about !== undefined) integer('context.length', about.length, 0, 0, 65535);
    const session = this.#state === 'open' ? this.#session : undefined;
    if (session === undefined) throw notOpen('export keying material');
    const material = session.keyingMaterial(length, label, about);
    if (material === undefined) throw notExported(label);
    return material;
  }

  /**
   * The keys for SRTP (RFC 5764 section 4.2); null where none were agreed on, and outside an open session.
   * The Buffers are the caller's: wipe them when they are not needed any more.
   */
  getSrtp(): SrtpKeys | null {
    return (this.#session?.srtp() ?? null) as SrtpKeys | null;
  }

  // ---- calls ----

  /**
   * Sends one message as one datagram; an array makes one message of its parts. Before the handshake is
   * over messages wait, up to 1 MiB.
   *
   * @param callback - Called later: with null when the datagram was handed to the socket, or with what went
   * wrong (`ERR_DTLS_NOT_OPEN`, `ERR_DTLS_QUEUE_FULL`, or the system's error).
   * @returns False when the caller should wait for `drain`.
   * @throws {@link DTLSError} `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`, `ERR_DTLS_MESSAGE_TOO_BIG` above 16384 bytes or the
   * max_fragment_length of the session (which is the callback's where it was not known yet), and `ERR_DTLS_EMPTY_MESSAGE`: OpenSSL sends no empty records.
   */
  send(message: Message | readonly Message[], callback?: SendCallback): boolean;
  send(message: Message, offset: number, length: number, callback?: SendCallback): boolean;
  send(
    message: Message | readonly Message[],
    offsetOrCallback?: number | SendCallback,
    length?: number,
    callback?: SendCallback,
  ): boolean {
    let given = Array.isArray(message) ? joined(message) : payload('message', message);
    let done = callback;
    if (typeof offsetOrCallback === 'number') {
      const whole = bytes('message', given);
      const offset = integer('offset', offsetOrCallback, 0, 0, whole.length);
      const size = integer('length', length, whole.length - offset, 0, whole.length - offset);
      given = whole.subarray(offset, offset + size);
    } else if (offsetOrCallback !== undefined) {
      done = offsetOrCallback;
    }
    checkCallback(done);
    checkSize(given, this.messageLimit);
    return this.#send(given, this.#sendCallbacks.expect(inItsContext(done)));
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
    const all = Array.from(messages, (message: Message) => payload('message', message));
    for (const message of all) checkSize(message, this.messageLimit);
    checkCallback(callback);
    const told = this.#sendCallbacks.expect(inItsContext(callback));
    if (all.length === 0) {
      if (told !== undefined) process.nextTick(told, null);
      return true;
    }
    const done = told === undefined ? undefined : afterAll(all.length, told);
    let room = true;
    for (const message of all) room = this.#send(message, done) && room;
    return room;
  }

  /**
   * Sends close_notify and ends the session; messages already sent leave first. Does not wait for the
   * peer's close_notify.
   *
   * @param callback - Added to `close`; called in the next tick when that has been emitted before.
   */
  close(callback?: () => void): this {
    if (callback !== undefined) {
      if (this.#gone) process.nextTick(callback);
      else this.once('close', callback);
    }
    if (this.#state === 'closing' || this.#state === 'closed') return this;
    this.#end(undefined);
    return this;
  }

  /**
   * As `close`; with an error, that is emitted. Safe in any handler; nothing but `close` comes after it. While the
   * handshake waits for a verdict about an `OCSPResponse`, this is one, and the server is told so.
   */
  destroy(error?: Error): this {
    return this.#destroy(error, this.#client?.judgesStaple === true ? REFUSING_STAPLE : NOTIFYING);
  }

  /** Emits `timeout` after `ms` milliseconds without traffic; 0 switches it off. Does not close. */
  setTimeout(ms: number, callback?: () => void): this {
    integer('ms', ms, 0, 0, 0x7fffffff);
    if (callback !== undefined) {
      if (ms === 0) this.off('timeout', callback);
      else this.once('timeout', callback);
    }
    if (this.#state === 'closed') return this;
    this.#idle ??= new IdleTimer(() => {
      this.asyncResource.runInAsyncScope(() => this.emit('timeout'));
    }, this.#referenced);
    this.#idle.set(ms);
    return this;
  }

  /** Largest UDP payload of handshake flights from now on, 256 to 16384; shown in `maxMessageSize`. */
  setMtu(mtu: number): this {
    integer('mtu', mtu, 0, MIN_MTU, MAX_MESSAGE);
    if (this.#session?.setMtu(mtu) !== true) throw notOpen('set the MTU');
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
    const given = isPayload ? bytes('payload', payloadOrOptions) : late.crypto.randomBytes(16);
    const wanted = isPayload ? options : payloadOrOptions;
    return this.#pings().request(given, MIN_PADDING, wanted ?? {});
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
    const overhead = this.mtu - (this.#session?.maxMessageSize() ?? 0);
    const { endpoint } = this.#session ?? {};
    endpoint?.setDontFragment(true);
    try {
      const found = await searchMtu(pings, overhead, this.messageLimit, this.remoteFamily === 'IPv6', options);
      this.setMtu(found);
      return found;
    } finally {
      endpoint?.setDontFragment(false);
    }
  }

  ref(): this {
    this.#referenced = true;
    this.#session?.endpoint.ref();
    this.#idle?.ref();
    return this;
  }

  unref(): this {
    this.#referenced = false;
    this.#session?.endpoint.unref();
    this.#idle?.unref();
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
    return this.#destroy(error, SILENTLY);
  }

  // ---- @internal: the client's beginning ----

  /** @internal As `begin`, at once: its ClientHello has left when the call returns. */
  beginOn(options: ResolvedConnect, dialled: Dialled): void {
    this.#client = new ClientQuestions(this, options);
    this.#start(options, dialled);
  }

  /** @internal */
  begin(options: ResolvedConnect): void {
    this.#client = new ClientQuestions(this, options);
    const { signal } = options;
    if (signal !== undefined) {
      const abort = (): void => {
        this.#destroy(aborted(signal), NOTIFYING);
      };
      if (isAborted(signal)) {
        process.nextTick(abort);
        return;
      }
      onAbort(signal, this, abort);
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
      this.#session = new CoreSession(endpoint, slot, generation);
      this.#report.started('client', peer, options.qlogDir);
    } catch (error) {
      this.destroy(asDtlsError(error, peer));
      return;
    }
    if (!this.#referenced) endpoint.unref();
    endpoint.transmitFirst(this.#session.slot, this.#session.generation);
    endpoint.flush();
  }

  // ---- @internal: what the endpoint brings ----

  /** @internal */
  onRecord(type: number, a: number, b: number, data: Buffer): boolean {
    return this.asyncResource.runInAsyncScope(this.#onRecord, this, type, a, b, data);
  }

  #onRecord(type: number, a: number, b: number, data: Buffer): boolean {
    if (type === RecordType.Close) {
      this.#onClose(readCloseRecord(a, b, data.toString()));
      return false;
    }
    if (this.#destroyed) return false;
    switch (type) {
      case RecordType.Begin:
        this.#report.started('server', this.peer, this.#owner?.sessionOptions.qlogDir);
        return this.#owner?.onConnection(this) ?? false;
      case RecordType.Message:
        this.#idle?.touch();
        return this.#onMessage(this.#copyMessages ? ownCopy(data) : data);
      case RecordType.Handshake: {
        const event = readHandshake(a, b);
        this.#report.handshakeMessage(event);
        return this.emit('handshake', event);
      }
      case RecordType.Alert: {
        const event = readAlert(a);
        this.#report.alert(event);
        return this.emit('alert', event);
      }
      case RecordType.Secure:
        this.#onSecure(a, b, data);
        return false;
      case RecordType.Session: {
        if (this.listenerCount('session') === 0) return false;
        const session = this.getSession();
        return session !== undefined && this.emit('session', session);
      }
      case RecordType.Lookup:
        if (this.#session !== undefined) (this.#server ?? this.#client)?.ask(this.#session, a, data);
        return true;
      case RecordType.Heartbeat: {
        const event = this.#heartbeats?.onRecord(a, b, data) ?? heartbeatEvent(a, b, data);
        if (event !== undefined) {
          this.#report.heartbeat(event);
          this.emit('heartbeat', event);
        }
        return true; // whoever awaits its answer goes on
      }
      case RecordType.Keylog: {
        const line = Buffer.concat([data, Buffer.from('\n')]);
        logKeys(line);
        this.#turn(() => this.#owner?.onKeylog(line, this) ?? false);
        return this.emit('keylog', line);
      }
      default:
        return false;
    }
  }

  /** @internal */
  onTransportError(error: Error): void {
    // RFC 5927: off-path attackers can forge ICMP, so it ends a client's handshake but no session that has keys; and
    // no server's handshake, which would lose what it has to say of a client that has given up.
    const dialling = this.#state === 'opening' && this.#owner === undefined;
    if (dialling || ('code' in error && error.code === 'ERR_DTLS_TRANSPORT_CLOSED')) {
      this.#end(asDtlsError(error, this.#peer));
    }
  }

  /** @internal */
  onDrain(): boolean {
    if (!this.#needDrain || this.#state !== 'open') return false;
    this.#needDrain = false;
    return this.asyncResource.runInAsyncScope(() => this.emit('drain'));
  }

  #onSecure(what: number, verifyResult: number, alpnProtocol: Buffer): void {
    this.#copyMessages = this.#options.copyMessages;
    this.#borrowMessages = this.#options.borrowMessages;
    // close() came in a handler of the same pass, after the core had written this.
    if (this.#state !== 'opening') return;
    this.#state = 'open';
    this.#result = readHandshakeResult(what, verifyResult, alpnProtocol);
    this.#idle?.touch();
    this.#report.secured(this.#result.protocol);
    const session = this.#session;
    if (session !== undefined) {
      for (const { message, callback } of this.#early.take()) {
        // Nobody knew when it was sent.
        if (message.length > this.messageLimit) this.#refuse(tooBig(message.length, this.messageLimit), callback);
        else this.#write(session, message, callback);
      }
    }
    // A handler of one may end it before the next.
    const whileOpen = (step: Step): void => {
      this.#turn(() => this.#state === 'open' && step());
    };
    whileOpen(() => this.emit('secureConnect'));
    whileOpen(() => this.#owner?.onSecure(this) ?? false);
    whileOpen(() => session?.endpoint.congested === false && this.onDrain());
  }

  #onClose(record: CloseRecord): void {
    // What came before it in the same pass.
    if (this.#batch.length > 0) this.#turn(this.#deliverBatch);
    this.#turn(() => {
      const session = this.#session;
      this.#finalStats = session?.stats();
      this.#finalMtu = this.mtu;
      let error = this.#failure;
      // ERR_DTLS_REPLACED is how a session ends when its peer has restarted: nobody's error.
      if (error === undefined && !this.#destroyed && record.kind !== 0) {
        error = closeError(record, this.#peer, this.#cause);
      }
      this.#finish(error, record.completedHandshake);
      return false;
    });
  }

  #onMessage(message: Buffer): boolean {
    if (this.listenerCount('messages') === 0) return this.emit('message', message, this.peer);
    if (this.#batch.push(message) === 1) outbox.afterPass(this.#deliverBatch, this.asyncResource);
    return false;
  }

  readonly #deliverBatch = (): boolean => {
    const messages = this.#batch;
    this.#batch = [];
    return messages.length > 0 && !this.#destroyed && this.emit('messages', messages, this.peer);
  };

  /** What a callback of the user's threw, or `checkServerIdentity` returned. */
  get #cause(): Error | undefined {
    return (this.#server ?? this.#client)?.cause;
  }

  get #options(): ResolvedSession {
    const options = (this.#server ?? this.#client)?.options;
    if (options === undefined) throw notOpen('tell its options');
    return options;
  }

  #pings(): Heartbeats {
    if (this.#state !== 'open') throw notOpen('send a heartbeat');
    this.#heartbeats ??= new Heartbeats(
      this.#options.heartbeat,
      (...request) => this.#session?.heartbeat(...request) ?? NOT_OPEN,
    );
    return this.#heartbeats;
  }

  // ---- plumbing ----

  #send(message: Uint8Array, callback: SendCallback | undefined): boolean {
    if (this.#state === 'opening') return this.#enqueue(message, callback);
    if (this.#state !== 'open' || this.#session === undefined) {
      return this.#refuse(notOpen('send'), callback);
    }
    return this.#write(this.#session, message, callback);
  }

  #write(session: CoreSession, message: Uint8Array, callback: SendCallback | undefined): boolean {
    const outcome = session.endpoint.send(session.slot, session.generation, message, callback);
    if (outcome !== 0) {
      const error = outcome === TOO_BIG ? tooBig(sizeOf(message), this.messageLimit) : notOpen('send');
      return this.#refuse(error, callback);
    }
    this.#idle?.touch();
    session.endpoint.flushSoon();
    if (!session.endpoint.congested) return true;
    this.#needDrain = true;
    session.endpoint.awaitDrain(this);
    return false;
  }

  #enqueue(message: Uint8Array, callback: SendCallback | undefined): boolean {
    if (!this.#early.add(message, callback)) return this.#refuse(queueFull(this.#peer), callback);
    if (!this.#early.aboveHighWaterMark) return true;
    this.#needDrain = true;
    return false;
  }

  #refuse(error: DTLSError, callback: SendCallback | undefined): boolean {
    if (callback !== undefined) process.nextTick(callback, error);
    return false;
  }

  #destroy(error: Error | undefined, farewell: Farewell): this {
    if (this.#destroyed) return this;
    const failure = error === undefined ? undefined : asDtlsError(error, this.#peer);
    this.#destroyed = true;
    this.#end(failure, farewell);
    return this;
  }

  /** Ends the session from this side. */
  #end(error: DTLSError | undefined, farewell = NOTIFYING): void {
    if (this.#state === 'closing' || this.#state === 'closed') return;
    this.#state = 'closing';
    this.#failure = error;
    if (this.#session !== undefined) {
      farewell(this.#session);
      return;
    }
    process.nextTick(() => {
      this.#finish(error, false);
    });
  }

  #finish(error: DTLSError | undefined, completedHandshake: boolean): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#state = 'closed';
    this.#idle?.set(0);
    if (error !== undefined && !completedHandshake) this.#report.failed(error);
    if (this.#session !== undefined) this.#report.closed(error);
    this.#heartbeats?.fail(error ?? notOpen('wait for a heartbeat'));
    for (const { callback } of this.#early.take()) {
      if (callback !== undefined) process.nextTick(callback, error ?? notOpen('send'));
    }
    this.#sendCallbacks.settle(() => {
      if (error !== undefined) this.#turn(() => this.#tell(error, completedHandshake));
      this.#turn(() => {
        this.#destroyed = this.#gone = true;
        this.#owner?.onClose(this);
        try {
          return this.emit('close', error !== undefined);
        } finally {
          this.#session?.release();
        }
      });
    }, unsent());
  }

  /** An event of its own. */
  #turn(step: Step): void {
    turns.add(step, this.asyncResource);
  }

  /** An error is the server's event, or the socket's. */
  #tell(error: DTLSError, completedHandshake: boolean): boolean {
    if (error.code === 'ERR_DTLS_REPLACED' && this.listenerCount('error') === 0) return false;
    if (this.#owner?.onFailure(this, error, completedHandshake) === true) return true;
    return this.emit('error', error);
  }

  get #local(): AddressInfo | undefined {
    return this.#state === 'closed' ? undefined : this.#session?.localAddress();
  }
}
