import { AsyncResource } from 'node:async_hooks';
import { captureRejectionSymbol } from 'node:events';

import {
  kAbandon,
  kAsyncResource,
  kBatchesMessages,
  kBegin,
  kBeginOn,
  kBorrowsMessages,
  kCloseNow,
  kMessageLimit,
  kMoveWatch,
  kNative,
  kOnClose,
  kOnConnection,
  kOnDrain,
  kOnFailure,
  kOnKeylog,
  kOnListener,
  kOnMessage,
  kOnMessages,
  kOnRecord,
  kOnSecure,
  kOnTransportError,
  kPackets,
  kPeer,
  kShowsKeyAlone,
  kSocket,
} from '../base/internals';
import { late } from '../base/late';
import { isAborted, onAbort } from '../base/abort';
import { listenersOf } from '../base/untouched';
import { ownCopy } from '../base/memory';
import type { Peer } from '../base/peer';
import type { NonSharedBuffer } from '../base/non-shared-buffer';
import { readCloseRecord, type CloseRecord } from '../core/close-record';
import { dial, type Dialled } from './dial';
import type { DTLSError } from '../errors/errors';
import {
  heartbeatEvent,
  Heartbeats,
  MIN_PADDING,
  searchMtu,
  type DiscoverMtuOptions,
  type HeartbeatRequestOptions,
  type HeartbeatResult,
} from './heartbeat';
import { channels, type SessionRole } from '../diagnostics/channels';
import { logKeys, secretLine } from '../diagnostics/keylog';
import { MAX_MESSAGE, MIN_MTU } from '../options/types';
import { outbox, RecordType, turns } from '../core/outbox';
import type { ResolvedConnect } from '../options/connect';
import type { ResolvedServer } from '../options/server';
import { CoreSession } from '../endpoint/core-session';
import type { Endpoint } from '../endpoint/endpoint';
import { messageMemory, PacketEvents } from '../endpoint/packet-events';
import { NOTIFYING, REFUSING_STAPLE, SILENTLY, type Farewell } from './farewell';
import { readHandshakeResult } from '../handshake/handshake-result';
import { IdleTimer } from './idle-timer';
import {
  afterAll,
  checkCallback,
  checkSize,
  readSend,
  type Message,
  type SendCallback,
} from './messages';
import type { SocketOwner } from '../handshake/owner';
import { ClientQuestions, ServerQuestions } from '../handshake/questions';
import {
  reportAlert,
  reportClose,
  reportFailure,
  reportHandshakeMessage,
  reportHeartbeat,
  reportKeyLimit,
  reportMove,
  reportSecured,
  reportStart,
  watchesHandshakeMessages,
} from './report';
import { HeartbeatOutcome } from '../core/outcomes';
import { Outgoing } from './outgoing';
import { readPacket } from './packets';
import { setPeer, type MoveWatch } from './set-peer';
import { SessionFacts, SessionInfo } from './session-info';
import { aborted, asDtlsError, closeError, illegalConstructor, notDtls, notOpen } from './socket-errors';
import { readAlert, readHandshake, readKeyLimit } from './socket-events';
import type { Step } from '../core/turns';
import { noMore } from '../checks/arguments';
import { bytes, callable, integer, payload, wrongForm } from '../checks/validate';
import { updateKeys, type UpdateKeysOptions } from './update-keys';
import { readableOf, webStreams, type WebStreamOptions, type WebStreams } from './web-streams';

type Class = DTLSSocket;
declare module '../base/dtls-socket' {
  // eslint-disable-next-line @typescript-eslint/no-empty-object-type -- the whole class, under the name that is known below
  interface DTLSSocket extends Class {}
}

/** In place of the server that a socket is of. */
export const CLIENT = Symbol('client');

/** Bytes of messages that may wait for a `for await` loop. */
const ITERATION_LIMIT = 1024 * 1024;

/**
 * One end of a DTLS association: a client's from {@link connect}, or a server's from the events
 * `connection` and `secureConnection`. One message is one datagram; messages may be lost, repeated by
 * nobody, and overtake one another on the way, as datagrams do.
 */
// It is its endpoint's SessionHandler, by names that the published types leave out: so no `implements`.
export class DTLSSocket extends SessionInfo {
  static {
    // Node brings here what the Promise of a listener rejects with (`captureRejections`), as it does with streams.
    const onRejection = function (this: DTLSSocket, thrown: unknown): void {
      this.destroy(thrown as Error);
    };
    Object.defineProperty(this.prototype, captureRejectionSymbol, { value: onRejection, writable: true, configurable: true });
  }

  /** @internal Where its events belong (AsyncLocalStorage), as those of Node's sockets belong to their handles. */
  readonly [kAsyncResource]: AsyncResource;
  /** @internal */
  [kMoveWatch]: MoveWatch | undefined;
  readonly #ownsResource: boolean;
  readonly #known: SessionFacts;
  #destroyed = false;
  #gone = false; // `close` has been emitted
  // What close() and destroy() decided before the session's last record came.
  #failure: DTLSError | undefined;
  #offersKeyAlone = false;
  #ownsTransport = false;
  #messages: 'shared' | 'copied' | 'borrowed' = 'shared';
  // What few sessions have a use for is made when it is needed: there may be a million of them.
  #outgoing: Outgoing | undefined;
  #packets: PacketEvents | undefined;
  #batch: NonSharedBuffer[] | undefined;
  #heartbeats: Heartbeats | undefined;
  #referenced = true;

  /**
   * Made by {@link connect}, which passes CLIENT, and by servers for their sessions. `shared`: where the events of
   * several sockets belong; `rules`: what counts for the peer in place of the server's options.
   */
  constructor(from: SocketOwner | typeof CLIENT, session?: CoreSession, peer?: Peer, shared?: AsyncResource, rules?: ResolvedServer) {
    if (from !== CLIENT && !(session instanceof CoreSession)) throw illegalConstructor();
    const owner = from === CLIENT ? undefined : from;
    const known = new SessionFacts(owner, session, peer);
    super(known);
    this.#known = known;
    if (owner !== undefined && rules !== undefined) known.server = new ServerQuestions(this, owner, rules);
    this[kAsyncResource] = shared ?? new AsyncResource('DGRAM_DTLS_SOCKET');
    this.#ownsResource = shared === undefined;
  }

  get destroyed(): boolean {
    return this.#destroyed;
  }
  /** `send` has returned false, and `drain` has yet to come. */
  get writableNeedDrain(): boolean {
    return this.#outgoing?.needDrain ?? false;
  }
  /** @internal */
  get [kSocket](): this {
    return this;
  }
  /** @internal */
  get [kBorrowsMessages](): boolean {
    return this.#messages === 'borrowed';
  }
  /** @internal */
  get [kPackets](): PacketEvents | undefined {
    return this.#packets;
  }
  /** @internal */
  get [kBatchesMessages](): boolean {
    return this.listenerCount('messages') !== 0;
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
    const [given, done] = readSend(message, offsetOrCallback, length, callback);
    checkSize(given, this[kMessageLimit]);
    return this.#sent.send(given, this.#sent.expect(done));
  }

  /**
   * Sends each of `messages`, as `send` does; they leave with one system call where the system can do that.
   *
   * @param callback - Called when the last of them has left, or with the first error.
   * @returns False when the caller should wait for `drain`.
   * @throws As `send`; nothing is sent then.
   */
  sendMany(messages: readonly Message[], callback?: SendCallback): boolean;
  sendMany(...args: [readonly Message[], SendCallback?, ...unknown[]]): boolean {
    noMore('sendMany', args, 2);
    const [messages, callback] = args;
    if (!Array.isArray(messages)) throw wrongForm('messages', 'an array', messages, 'One message is send(message); many are an array of them.');
    const all = Array.from(messages, (message: Message) => payload('message', message));
    for (const message of all) checkSize(message, this[kMessageLimit]);
    checkCallback(callback);
    const told = this.#sent.expect(callback);
    if (all.length === 0) {
      if (told !== undefined) process.nextTick(told, null);
      return true;
    }
    const done = told === undefined ? undefined : afterAll(all.length, told);
    let room = true;
    for (const message of all) room = this.#sent.send(message, done) && room;
    return room;
  }

  /**
   * Sends one datagram beside DTLS to the peer: STUN, RTP, … (RFC 7983). It is not protected. It needs no session that is
   * open, and leaves as soon as there is a transport; among messages it keeps its place. An array makes one packet of its parts.
   *
   * @param callback - As with `send`.
   * @returns False when the caller should wait for `drain`.
   * @throws {@link DTLSError} `ERR_DTLS_NOT_A_PACKET` for one that begins as DTLS does (20 to 63), and `ERR_INVALID_ARG_TYPE`.
   */
  sendPacket(packet: Message | readonly Message[], callback?: SendCallback): boolean;
  sendPacket(...args: [Message | readonly Message[], SendCallback?, ...unknown[]]): boolean {
    noMore('sendPacket', args, 2);
    const packet = readPacket(args[0]);
    checkCallback(args[1]);
    return this.#sent.sendPacket(packet, this.#sent.expect(args[1]));
  }

  /**
   * Sends close_notify and ends the session; messages already sent leave first. Does not wait for the
   * peer's close_notify.
   *
   * @param callback - Added to `close`; called in the next tick when that has been emitted before.
   */
  close(callback?: () => void): this;
  close(...args: [(() => void)?, ...unknown[]]): this {
    noMore('close', args, 1);
    const callback = callable('callback', args[0]);
    if (callback !== undefined) {
      if (this.#gone) process.nextTick(callback);
      else this.once('close', callback);
    }
    if (this.#known.state === 'closing' || this.#known.state === 'closed') return this;
    this.#end(undefined);
    return this;
  }

  /**
   * Ends the session as `close` does; an error that is given is emitted, after `close()`, too. Safe in any handler; nothing but `close` comes after it. While the
   * handshake waits for a verdict about an `OCSPResponse`, this is one, and the server is told so.
   */
  destroy(error?: Error): this {
    return this.#destroy(error, this.#known.client?.judgesStaple === true ? REFUSING_STAPLE : NOTIFYING);
  }

  /** Emits `timeout` after `ms` milliseconds without traffic, and again after each further time; 0 switches it off. Does not close. */
  setTimeout(ms: number, callback?: () => void): this {
    integer('ms', ms, 0, 0, 0x7fffffff);
    callable('callback', callback);
    if (callback !== undefined) {
      if (ms === 0) this.off('timeout', callback);
      else this.once('timeout', callback);
    }
    if (this.#known.state === 'closed') return this;
    this.#known.idle ??= new IdleTimer(() => {
      this[kAsyncResource].runInAsyncScope(() => this.emit('timeout'));
    }, this.#referenced);
    this.#known.idle.set(ms);
    return this;
  }

  /** Largest UDP payload of handshake flights from now on, 256 to 16384; shown in `maxMessageSize`. */
  setMtu(mtu: number): this {
    integer('mtu', mtu, undefined, MIN_MTU, MAX_MESSAGE);
    if (this.#known.session?.setMtu(mtu) !== true) throw notOpen('set the MTU');
    return this;
  }

  /**
   * The peer is at another address from now on, as ICE finds it: the session goes on, also in its handshake. What comes from
   * there is the session's, and what is sent goes there. Whoever calls this must know it to be the peer: what is under the
   * session's keys is safe all the same, and goes there. `mtu` is that of the options again.
   *
   * @param address - An IP address; on a transport of your own, whatever names a peer there.
   * @throws {@link DTLSError} `ERR_DTLS_NOT_OPEN` where there is no session yet or no more, `ERR_DTLS_PEER_IN_USE` where
   * another one has that address, `ERR_INVALID_IP_ADDRESS`, `ERR_SOCKET_BAD_PORT`, `ERR_IP_BLOCKED` (`blockList`),
   * `ERR_DTLS_TOO_MANY_SESSIONS` (of that host), or what the system says. The session then goes on as it was.
   */
  setPeer(address: string, port: number): this;
  setPeer(...args: [string, number, ...unknown[]]): this {
    noMore('setPeer', args, 2);
    const from = setPeer(this.#known, args[0], args[1], this[kMoveWatch]);
    const to = this[kPeer]; // by the time of the event it may be elsewhere
    if (from !== undefined) this.#turn(() => reportMove(this, from, to));
    return this;
  }

  /**
   * DTLS 1.3 (RFC 9147 section 8): the keys that this side seals with change as soon as the peer has agreed. They do so
   * by themselves before they are worn out.
   *
   * @returns False when the update before has not been acknowledged yet: nothing was asked for.
   * @throws {@link DTLSError} `ERR_DTLS_NOT_OPEN` outside an open session, `ERR_DTLS_KEY_UPDATE` where the session is of
   * DTLS 1.2 or older, which has no such thing.
   */
  updateKeys(options?: UpdateKeysOptions): boolean;
  updateKeys(...args: [UpdateKeysOptions?, ...unknown[]]): boolean {
    noMore('updateKeys', args, 1);
    const open = this.#known.state === 'open' ? this.#known.session : undefined;
    return updateKeys(open, this.getProtocol(), args[0] ?? {});
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
    ...args: [(Message | HeartbeatRequestOptions)?, HeartbeatRequestOptions?, ...unknown[]]
  ): Promise<HeartbeatResult> {
    const [payloadOrOptions, options] = args;
    const isPayload = typeof payloadOrOptions === 'string' || ArrayBuffer.isView(payloadOrOptions);
    noMore('heartbeat', args, isPayload ? 2 : 1);
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
  discoverMtu(options?: DiscoverMtuOptions): Promise<number>;
  async discoverMtu(...args: [DiscoverMtuOptions?, ...unknown[]]): Promise<number> {
    noMore('discoverMtu', args, 1);
    const [options = {}] = args;
    const pings = this.#pings();
    const overhead = this.mtu - (this.#known.session?.maxMessageSize() ?? 0);
    const { endpoint } = this.#known.session ?? {};
    endpoint?.measures();
    try {
      for (;;) {
        const { peer } = this.#known;
        const found = await searchMtu(pings, overhead, this[kMessageLimit], this.remoteFamily === 'IPv6', options);
        if (this.#known.peer !== peer) continue; // which says nothing of the way to where it is now
        this.setMtu(found);
        return found;
      }
    } finally {
      endpoint?.measured();
    }
  }

  ref(): this {
    this.#referenced = true;
    this.#endpoint?.ref();
    this.#known.idle?.ref();
    return this;
  }

  unref(): this {
    this.#referenced = false;
    this.#endpoint?.unref();
    this.#known.idle?.unref();
    return this;
  }

  /**
   * The messages from now on, until the socket closes; throws what `error` would have emitted. At most 1 MiB
   * of them waits for the loop, what comes beyond is dropped. Leaving the loop does not close.
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<NonSharedBuffer, void, undefined> {
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
    await new Promise<void>((resolve) => {
      this.close(resolve); // which waits for `close` also where its error is being told
    });
  }

  /** @internal Closes, with the close_notify on its way when the call returns. */
  [kCloseNow](): this {
    this.close();
    this.#known.session?.endpoint.transmitNow();
    return this;
  }

  /** @internal Destroys, without a word to the peer. */
  [kAbandon](error?: Error): this {
    return this.#destroy(error, SILENTLY);
  }

  // ---- @internal: the client's beginning ----

  /** @internal Begins at once: the ClientHello has left when the call returns. */
  [kBeginOn](options: ResolvedConnect, dialled: Dialled): void {
    this.#offersKeyAlone = options.offersKeyAlone;
    this.#known.client = new ClientQuestions(this, options);
    this.#start(options, dialled);
  }

  /** @internal */
  [kBegin](options: ResolvedConnect): void {
    this.#offersKeyAlone = options.offersKeyAlone;
    this.#known.client = new ClientQuestions(this, options);
    const { signal, transport } = options;
    this.#ownsTransport = typeof transport === 'string';
    if (signal !== undefined) {
      const abort = (): void => {
        this.#destroy(this.#known.state === 'closing' ? undefined : aborted(signal), NOTIFYING);
      };
      if (isAborted(signal)) {
        process.nextTick(abort);
        return;
      }
      onAbort(signal, this, abort);
    }
    const wanted = (): boolean => this.#known.state === 'opening';
    dial(options, wanted, (error, dialled) => {
      if (dialled !== undefined) this.#start(options, dialled);
      else if (wanted()) this.destroy(error ?? undefined);
    });
  }

  #start(options: ResolvedConnect, { endpoint, peer }: Dialled): void {
    this.#known.peer = peer;
    try {
      const policy = options.policy(this.listenerCount('keylog') > 0);
      const [slot, generation] = endpoint.connect(this, options.context[kNative], policy);
      this.#known.session = new CoreSession(endpoint, slot, generation);
      this.#reportStart('client', options.qlogDir);
    } catch (error) {
      if (this.#known.session === undefined) endpoint.notBegun();
      this.destroy(asDtlsError(error, peer));
      return;
    }
    if (!this.#referenced) endpoint.unref();
    if (this.#packets !== undefined) endpoint.packetListeners.add(this);
    endpoint.transmitFirst(this.#known.session.slot, this.#known.session.generation);
    endpoint.flush();
    if (this.#outgoing?.sendEarlyPackets(this.#known.session) === true) this.#turn(() => this[kOnDrain]());
  }

  // ---- @internal: what the endpoint brings ----

  /** @internal None comes where close() was called before the session was open, and no `secureConnect` has come. */
  [kOnMessage](message: NonSharedBuffer): boolean {
    if (this.#destroyed || this.#known.result === undefined) return false;
    this.#known.idle?.touch();
    const given = this.#messages === 'copied' ? ownCopy(message) : message;
    return this[kAsyncResource].runInAsyncScope(this.#emitMessage, this, given);
  }

  /** @internal What is kept for a batch needs no context. */
  [kOnMessages](messages: NonSharedBuffer[]): void {
    if (this.#destroyed || this.#known.result === undefined) return;
    this.#known.idle?.touch();
    const given = this.#messages === 'copied' ? messages.map(ownCopy) : messages;
    if (this.#batch === undefined) {
      this.#batch = given;
      outbox.afterPass(() => this[kAsyncResource].runInAsyncScope(this.#deliverBatch, this));
    } else {
      this.#batch.push(...given);
    }
  }

  /** @internal */
  [kOnRecord](type: number, a: number, b: number, data: NonSharedBuffer): boolean {
    // There are a dozen of these in a handshake, and hardly anybody wants to know.
    if (type === RecordType.Handshake && this.listenerCount('handshake') === 0 && !watchesHandshakeMessages()) return false;
    if (type === RecordType.Alert && this.listenerCount('alert') === 0 && !channels.alert.hasSubscribers) return false;
    return this[kAsyncResource].runInAsyncScope(this.#onRecord, this, type, a, b, data);
  }

  #onRecord(type: number, a: number, b: number, data: NonSharedBuffer): boolean {
    if (type === RecordType.Close) {
      this.#onClose(readCloseRecord(a, b, data.toString()));
      return false;
    }
    if (this.#destroyed) return false;
    switch (type) {
      case RecordType.Begin:
        this.#reportStart('server', this.#known.rules?.qlogDir);
        return this.#known.owner?.[kOnConnection](this) ?? false;
      case RecordType.Handshake: {
        const event = readHandshake(a, b);
        reportHandshakeMessage(this, event);
        return this.emit('handshake', event);
      }
      case RecordType.Alert: {
        const event = readAlert(a);
        reportAlert(this, event);
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
        this.#ask(a, data);
        return true;
      case RecordType.Heartbeat: {
        const event = this.#heartbeats?.onRecord(a, b, data) ?? heartbeatEvent(a, b, data);
        if (event !== undefined) {
          reportHeartbeat(this, event);
          this.emit('heartbeat', event);
        }
        return true; // whoever awaits its answer goes on
      }
      case RecordType.KeyLimit: {
        const event = readKeyLimit(a, b);
        reportKeyLimit(this, event);
        return this.emit('keyLimit', event);
      }
      case RecordType.Keylog: {
        const line = secretLine(data);
        data.fill(0);
        logKeys(line);
        const heard = this.listenerCount('keylog') > 0;
        this.#turn(() => {
          const told = this.#known.owner?.[kOnKeylog](line, this) ?? false;
          if (!told && !heard) line.fill(0); // nobody has been given it
          return told;
        });
        return this.emit('keylog', line);
      }
      default:
        return false;
    }
  }

  /** @internal */
  [kOnTransportError](error: Error): void {
    // RFC 5927: off-path attackers can forge ICMP, so it ends a client's handshake but no session that has keys; and
    // no server's handshake, which would lose what it has to say of a client that has given up.
    const dialling = this.#known.state === 'opening' && this.#known.owner === undefined;
    if (dialling || ('code' in error && error.code === 'ERR_DTLS_TRANSPORT_CLOSED')) {
      const failure = asDtlsError(error, this.#known.peer);
      // Where nobody listens a farewell would be refused, too, and a connected socket of dgram's emits each refusal.
      this.#end(failure, failure.code === 'ECONNREFUSED' ? SILENTLY : NOTIFYING);
    }
  }

  /** @internal */
  [kOnDrain](): boolean {
    if (this.#outgoing?.drained() !== true) return false;
    return this[kAsyncResource].runInAsyncScope(() => this.emit('drain'));
  }

  #onSecure(what: number, verifyResult: number, alpnProtocol: NonSharedBuffer): void {
    const { copyMessages, borrowMessages } = this.#known.options;
    this.#messages = messageMemory({ copyMessages, borrowMessages });
    // close() came in a handler of the same pass, after the core had written this.
    if (this.#known.state !== 'opening') return;
    this.#known.state = 'open';
    this.#known.result = readHandshakeResult(what, verifyResult, alpnProtocol);
    if (this.#known.server?.forgettable === true) this.#known.server = undefined;
    this.#known.idle?.touch();
    reportSecured(this, this.#known.startedAt, this.#known.result.protocol);
    const session = this.#known.session;
    if (session !== undefined) this.#outgoing?.sendEarly(session);
    // A handler of one may end it before the next.
    const whileOpen = (step: Step): void => {
      this.#turn(() => this.#known.state === 'open' && step());
    };
    whileOpen(() => this.emit('secureConnect'));
    whileOpen(() => this.#known.owner?.[kOnSecure](this) ?? false);
    whileOpen(() => session?.endpoint.congested === false && this[kOnDrain]());
  }

  #onClose(record: CloseRecord): void {
    // What came before it in the same pass.
    if (this.#batch !== undefined) this.#turn(() => this.#deliverBatch());
    for (const step of this.#packets?.due() ?? []) turns.add(step);
    this.#turn(() => {
      this.#known.last = { mtu: this.mtu, counters: this.#known.session?.counters() };
      let error = this.#failure;
      if (error === undefined && !this.#destroyed && record.kind !== 0) {
        error = closeError(record, this.#known.peer, {
          cause: this.#cause,
          offersKeyAlone: this.#offersKeyAlone,
          offeredIdentity: this.#known.client?.offeredIdentity,
          unknownIdentity: this.#known.server?.unknownIdentity,
          showsKeyAlone: (this.#known.client?.options ?? this.#known.rules)?.context[kShowsKeyAlone] ?? false,
        });
        if (error.code === 'ERR_DTLS_NO_RESPONSE' && this.#heardSomething) error = notDtls(error);
      }
      this.#finish(error, record.completedHandshake);
      return false;
    });
  }

  #emitMessage(message: NonSharedBuffer): boolean {
    return this.emit('message', message, this[kPeer]);
  }

  #deliverBatch(): boolean {
    const messages = this.#batch;
    this.#batch = undefined;
    return messages !== undefined && !this.#destroyed && this.emit('messages', messages, this[kPeer]);
  }

  /** A question of the handshake. */
  #ask(kind: number, about: NonSharedBuffer): void {
    const { owner, session } = this.#known;
    if (session === undefined) return;
    if (owner !== undefined) this.#known.server ??= new ServerQuestions(this, owner);
    (this.#known.server ?? this.#known.client)?.ask(session, kind, about);
  }

  /** What a callback of the user's threw, or `checkServerIdentity` returned. */
  get #cause(): Error | undefined {
    return (this.#known.server ?? this.#known.client)?.cause;
  }

  /** Datagrams came in that were of no session. Over a socket of a client's own they are its peer's. */
  get #heardSomething(): boolean {
    return this.#ownsTransport && (this.#known.session?.endpoint.stats().datagramsReceived ?? 0) > 0;
  }

  #pings(): Heartbeats {
    if (this.#known.state !== 'open') throw notOpen('send a heartbeat');
    this.#heartbeats ??= new Heartbeats(
      this.#known.options.heartbeat,
      (...request) => this.#known.session?.heartbeat(...request) ?? HeartbeatOutcome.NotOpen,
    );
    return this.#heartbeats;
  }

  // ---- plumbing ----

  /** While it is this session's: others may go on using it. */
  get #endpoint(): Endpoint | undefined {
    return this.#known.state === 'closed' ? undefined : this.#known.session?.endpoint;
  }

  #reportStart(role: SessionRole, qlogDir: string | undefined): void {
    this.#known.startedAt = performance.now();
    reportStart(this, role, this[kPeer], qlogDir);
  }

  /** What it sends. */
  get #sent(): Outgoing {
    return (this.#outgoing ??= new Outgoing(this.#known, this));
  }

  /**
   * @internal A client that has a listener for packets says so to its endpoint, which could not ask each of thousands whenever
   * datagrams come. A server's sessions leave packets to the server.
   */
  protected [kOnListener](event: string | symbol): void {
    if ((event !== 'packet' && event !== 'packets') || this.#known.owner !== undefined) return;
    this.#packets ??= new PacketEvents({
      listeners: (event) => listenersOf(this, event),
      memory: () => messageMemory(this.#known.options),
      emitPacket: (packet, peer) => !this.#destroyed && this[kAsyncResource].runInAsyncScope(this.#emitPacket, this, packet, peer),
      emitPackets: (packets, peer) => !this.#destroyed && this[kAsyncResource].runInAsyncScope(() => this.emit('packets', packets, peer)),
    });
    this.#known.session?.endpoint.packetListeners.add(this);
  }

  #emitPacket(packet: NonSharedBuffer, peer: Peer): boolean {
    return this.emit('packet', packet, peer);
  }

  #destroy(error: Error | undefined, farewell: Farewell): this {
    if (this.#destroyed) return this;
    const failure = error === undefined ? undefined : asDtlsError(error, this.#known.peer);
    this.#destroyed = true;
    if (this.#known.state === 'closing') this.#failure ??= failure; // close() has given no reason
    else this.#end(failure, farewell);
    return this;
  }

  /** Ends the session from this side. */
  #end(error: DTLSError | undefined, farewell = NOTIFYING): void {
    if (this.#known.state === 'closing' || this.#known.state === 'closed') return;
    this.#known.state = 'closing';
    this.#failure = error;
    if (this.#known.session !== undefined) {
      farewell(this.#known.session);
      return;
    }
    process.nextTick(() => { this.#finish(this.#failure, false); });
  }

  #finish(error: DTLSError | undefined, completedHandshake: boolean): void {
    if (this.#known.state === 'closed') return;
    this.#known.state = 'closed';
    this.#known.idle?.set(0);
    const { session, startedAt } = this.#known;
    if (error !== undefined && !completedHandshake) reportFailure(this, startedAt, error);
    if (session !== undefined) reportClose(this, startedAt, error);
    this.#heartbeats?.fail(error ?? notOpen('wait for a heartbeat'));
    this.#outgoing?.refuseEarly(error);
    const end = (): void => {
      if (error !== undefined) this.#turn(() => this.#tell(error, completedHandshake));
      this.#turn(() => {
        this.#destroyed = this.#gone = true;
        this.#known.owner?.[kOnClose](this);
        try {
          return this.emit('close', error !== undefined);
        } finally {
          session?.release();
          if (this.#ownsResource) this[kAsyncResource].emitDestroy();
        }
      });
    };
    if (this.#outgoing === undefined) end();
    else this.#outgoing.settle(end);
  }

  /** An event of its own. */
  #turn(step: Step): void {
    turns.add(step, this[kAsyncResource]);
  }

  /**
   * Tells of what has ended the session: an event of the server's, or of the socket's. That the peer has restarted
   * (ERR_DTLS_REPLACED) is nobody's fault, and is told only to those who listen.
   */
  #tell(error: DTLSError, completedHandshake: boolean): boolean {
    if (error.code === 'ERR_DTLS_REPLACED' && this.listenerCount('error') === 0) return false;
    if (this.#known.owner?.[kOnFailure](this, error, completedHandshake) === true) return true;
    return this.emit('error', error);
  }
}
