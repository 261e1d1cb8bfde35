import { AsyncResource } from 'node:async_hooks';
import { captureRejectionSymbol, EventEmitter } from 'node:events';
import type { AddressInfo, BlockList } from 'node:net';

import { isAborted, onAbort } from '../base/abort';
import { listenersOf } from '../base/untouched';
import {
  kAnsweredPeer,
  kAsyncResource,
  kBlockList,
  kGiveTicketKeys,
  kHelloQuestions,
  kListenOn,
  kMakeSession,
  kNative,
  kOnClientHello,
  kOnClose,
  kOnConnection,
  kOnFailure,
  kOnKeylog,
  kOnNewSession,
  kOnOcspRequest,
  kOnPeerQuestion,
  kOnDrain,
  kOnSecure,
  kOnStoredSession,
  kOnTransportClosed,
  kOnTransportError,
  kPackets,
  kSessionOptions,
  kSharedResource,
} from '../base/internals';
import type { Peer } from '../base/peer';
import type { NonSharedBuffer } from '../base/non-shared-buffer';
import { Endpoint } from '../endpoint/endpoint';
import type { SessionHandler } from '../endpoint/handlers';
import { messageMemory, PacketEvents, type PacketHearer } from '../endpoint/packet-events';
import { ioError, unsent, usageError, withTypedErrors, type DTLSError } from '../errors/errors';
import { ExpiryWatch } from '../identity/expiry';
import type { ClientHello, HelloAnswers } from '../handshake/hello';
import { checkTicketKeys } from '../identity/ticket-keys';
import type { SecureContextOptions } from '../identity/types';
import { checkPlaceOf, openTransport, readListen, type ListenOptions } from './listen';
import { askOcsp, type OcspQuestion } from '../handshake/ocsp';
import type { NamedServerOptions, ServerOptions } from '../options/types';
import { NO_SLOT, turns } from '../core/outbox';
import { FileWatch, type SecureContextWatch, type WatchSecureContextOptions } from '../identity/reload';
import { requireCredentials } from '../options/session';
import { inheritable, resolveServerOptions, type ResolvedServer } from '../options/server';
import type { ResumeSessionCallback } from '../handshake/resumption';
import { requireSameVersions, SecureContext } from '../identity/secure-context';
import { PeerRules } from './peer-rules';
import { Policies } from './policies';
import { serve } from './serve';
import type { DTLSServerEvents } from './server-events';
import { checkServerName } from '../handshake/server-names';
import { CoreSession } from '../endpoint/core-session';
import { DTLSSocket } from '../socket/socket';
import { checkCallback, inItsContext, type Message, type SendCallback } from '../socket/messages';
import { checkDestination, readPacket, type PacketDestination } from '../socket/packets';
import { SendCallbacks } from '../socket/send-callbacks';
import { noEndpointStats, type EndpointStats } from '../core/stats';
import type { Driver } from '../transport/driver';
import { listenerAfterOptions, noMore } from '../checks/arguments';
import { callable, flag, wrongType } from '../checks/validate';

const notRunning = (): DTLSError =>
  usageError('ERR_SERVER_NOT_RUNNING', 'the server is not running', 'It has closed already, or listen() was never called.');

/** A UDP port on which DTLS clients are served. Make it with {@link createServer}. */
// It is its endpoint's ServerHandler and its sockets' SocketOwner, by names that the published types leave out: so no `implements`.
export class DTLSServer extends EventEmitter<DTLSServerEvents> {
  static {
    // Node brings here what the Promise of a listener rejects with (`captureRejections`). That about a session ends it, as in tls.
    const onRejection = function (this: DTLSServer, thrown: unknown, event: unknown, socket: unknown): void {
      const isOfSession = event === 'connection' || event === 'secureConnection';
      if (isOfSession && socket instanceof DTLSSocket) socket.destroy(thrown as Error);
      else this.emit('error', thrown as DTLSError);
    };
    Object.defineProperty(this.prototype, captureRejectionSymbol, { value: onRejection, writable: true, configurable: true });
  }

  readonly #given: ServerOptions;
  readonly #options: ResolvedServer;
  readonly #policies: Policies;
  readonly #expiry: ExpiryWatch;
  #files: FileWatch | undefined;
  #context: SecureContext;
  #endpoint: Endpoint | undefined;
  // A server that is `leaving` has no sessions any more; one that is `closed` has said so.
  #state: 'idle' | 'binding' | 'listening' | 'closing' | 'leaving' | 'closed' = 'idle';
  #asyncResource: AsyncResource | undefined;
  #referenced = true;
  #busy = false;
  readonly #sockets = new Set<DTLSSocket>();
  #finalStats: EndpointStats | undefined;
  readonly #peerRules: PeerRules | undefined;
  #warnedOfPeers = false;
  #undoListen: (() => void) | undefined;
  #needDrain = false;
  readonly #sendCallbacks = new SendCallbacks<Parameters<SendCallback>>();
  readonly #packets = new PacketEvents({
    listeners: (event) => listenersOf(this, event),
    memory: () => messageMemory(this.#options),
    emitPacket: (packet, peer) => this[kAsyncResource].runInAsyncScope(this.#emitPacket, this, packet, peer),
    emitPackets: (packets, peer) => this.#inContext(() => this.emit('packets', packets, peer)),
  });

  /**
   * Does what {@link createServer} does, for classes that extend this one.
   *
   * @throws As `createServer`.
   */
  constructor(options: ServerOptions, secureConnectionListener?: (socket: DTLSSocket) => void);
  constructor(...args: [ServerOptions, ...unknown[]]) {
    super();
    const [options] = args;
    this.#options = resolveServerOptions(options); // first: what is not in its place is told so by what stands in front
    const listener = listenerAfterOptions(args, 'secureConnectionListener');
    if (listener !== undefined) this.on('secureConnection', listener as (socket: DTLSSocket) => void);
    this.#given = inheritable(options, this.#options);
    this.#context = this.#options.context;
    const { peers } = this.#options;
    this.#peerRules = peers && this.#makePeerRules(peers);
    this.#expiry = new ExpiryWatch(this.#options.certificateExpiryNotice, (certificate, left) => {
      this.#inContext(() => this.emit('certificateExpiring', certificate, left));
    });
    this.#policies = new Policies({
      options: this.#options,
      given: this.#given,
      expiry: this.#expiry,
      keylog: () => this.listenerCount('keylog') > 0,
      helloQuestions: () => this[kHelloQuestions](),
    });
    const { signal } = this.#options;
    if (signal !== undefined) this.#closeOn(signal);
    // Secrets leave native code only when somebody wants them.
    this.on('newListener' as keyof DTLSServerEvents, (event: unknown) => {
      if (this.#policies.onListener(event)) this.#endpoint?.core.setPolicy(this.#policies.forAll());
      if (event !== 'keylog' || this.listenerCount('keylog') > 0) return;
      this.#endpoint?.core.setPolicy(this.#policies.forAll(true));
    });
  }

  get listening(): boolean {
    return this.#state === 'listening';
  }

  /** Sessions there are, those in the handshake included. */
  get sessions(): IterableIterator<DTLSSocket> {
    return livingOf(this.#sockets);
  }

  /** Counters of this server; they stay readable after it has closed. */
  get stats(): EndpointStats {
    return this.#finalStats ?? this.#endpoint?.stats() ?? noEndpointStats();
  }

  /**
   * Whether new clients are turned away for now: in silence, as a legitimate one tries again, and counted in
   * `stats.hellosWhileBusy`. Sessions that are open, and handshakes under way, go on. Default false.
   */
  get busy(): boolean {
    return this.#busy;
  }
  set busy(busy: boolean) {
    this.#busy = flag('busy', busy, false);
    this.#endpoint?.core.setBusy(this.#busy);
  }

  /** @internal */
  get [kSessionOptions](): ResolvedServer {
    return this.#options;
  }

  /**
   * Binds the port and begins to serve. Without a host: all addresses, IPv6 and IPv4. Errors of the socket
   * (`EADDRINUSE`, …) come as `error`.
   *
   * @throws {@link DTLSError} of category `usage` for what it does not know (`ERR_DTLS_UNKNOWN_OPTION`,
   * `ERR_SOCKET_BAD_PORT`, `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_FD_TYPE`, …), or `ERR_SERVER_ALREADY_LISTEN`.
   */
  listen(port?: ListenOptions['port'], host?: string | null, callback?: () => void): this;
  listen(port: ListenOptions['port'], host: string | null | undefined, backlog: number | undefined, callback?: () => void): this;
  listen(port: ListenOptions['port'], backlog: number | undefined, callback?: () => void): this;
  listen(port: ListenOptions['port'], callback: () => void): this;
  listen(options: ListenOptions, callback?: () => void): this;
  listen(callback: () => void): this;
  listen(...args: unknown[]): this {
    if (this.#state !== 'idle') {
      const running = this.#state === 'binding' || this.#state === 'listening';
      throw usageError(
        'ERR_SERVER_ALREADY_LISTEN',
        running ? 'listen() was called before on this server' : 'this server was closed',
        'A server listens once: make another one by createServer().',
      );
    }
    const { place, signal, listener } = readListen(args, this.#options);
    this.#renewContext();
    const { signal: ownSignal, transport } = this.#options;
    if (transport !== 'dgram' && transport !== 'native') checkPlaceOf(transport, place);
    const listening = (): void => {
      listener?.call(this);
    };
    if (listener !== undefined) this.once('listening', listening);
    const forgetSignal = signal === undefined ? undefined : this.#closeOn(signal);
    this.#undoListen = () => {
      this.off('listening', listening);
      forgetSignal?.();
    };
    this.#state = 'binding';
    if ([ownSignal, signal].some((one) => one !== undefined && isAborted(one))) this.close(); // as soon as it is bound
    openTransport(this.#options, place, this.#start.bind(this), this.#onListenError.bind(this));
    return this;
  }

  /** @internal Listens at once, on what is ready to send. */
  [kListenOn](driver: Driver, key?: object): void {
    this.#renewContext();
    this.#state = 'binding';
    this.#start(() => driver, key);
  }

  /** Does what `listen` does: this is dgram's name for it. */
  bind(port?: ListenOptions['port'], address?: string | null, callback?: () => void): this;
  bind(port: ListenOptions['port'], callback: () => void): this;
  bind(options: ListenOptions, callback?: () => void): this;
  bind(callback: () => void): this;
  bind(...args: unknown[]): this {
    return (this.listen as (...all: unknown[]) => this).apply(this, args);
  }

  address(): AddressInfo | null {
    if (this.#state !== 'listening' || this.#endpoint === undefined) return null;
    return this.#endpoint.address();
  }

  /**
   * Sends one datagram beside DTLS from the server's port: STUN, RTP, … (RFC 7983). It is not protected, and goes to whom it
   * is addressed, with a session or without. To a peer it keeps its place among messages. An array makes one packet of its parts.
   *
   * @param peer - As `packet` has it, or any address and port.
   * @param callback - Called later: with null when the datagram was handed to the socket, or with what went wrong.
   * @returns False when the caller should wait for `drain`.
   * @throws {@link DTLSError} `ERR_DTLS_NOT_A_PACKET` for one that begins as DTLS does (20 to 63), `ERR_INVALID_ARG_TYPE`,
   * `ERR_INVALID_IP_ADDRESS` and `ERR_SOCKET_BAD_PORT`.
   */
  sendPacket(packet: Message | readonly Message[], peer: PacketDestination, callback?: SendCallback): boolean;
  sendPacket(...args: [Message | readonly Message[], PacketDestination, SendCallback?, ...unknown[]]): boolean {
    noMore('sendPacket', args, 3);
    const packet = readPacket(args[0]);
    const peer = checkDestination(args[1]);
    checkCallback(args[2]);
    const endpoint = this.#state === 'listening' ? this.#endpoint : undefined;
    const number = endpoint?.packetDestinations.numberOf(peer.address, peer.port);
    const callback = this.#sendCallbacks.expect(inItsContext(args[2]));
    if (endpoint === undefined || number === undefined) {
      if (callback !== undefined) process.nextTick(callback, notRunning());
      return false;
    }
    endpoint.sendPacket(NO_SLOT, number, packet, callback);
    if (!endpoint.congested) return true;
    this.#needDrain = true;
    endpoint.awaitDrain(this);
    return false;
  }

  /** Sends close_notify to every session, then closes the port. `callback` is added to `close`. */
  close(callback?: (error?: Error) => void): this;
  close(...args: [((error?: Error) => void)?, ...unknown[]]): this {
    noMore('close', args, 1);
    const callback = callable('callback', args[0]);
    if (this.#state === 'closed' || this.#state === 'idle') {
      if (callback !== undefined) {
        process.nextTick(callback, notRunning());
      }
      return this;
    }
    if (callback !== undefined) this.once('close', callback);
    if (this.#state === 'closing' || this.#state === 'leaving') return this;
    this.#state = 'closing';
    const endpoint = this.#endpoint;
    if (endpoint === undefined) return this; // still binding: #start sees the state
    endpoint.stopListening();
    this.#peerRules?.close();
    for (const socket of [...this.#sockets]) socket.close();
    this.#leaveWhenEmpty();
    return this;
  }

  /**
   * New handshakes use this context; sessions that are open, and handshakes under way, keep theirs. Options that name no
   * `minVersion`, or no `maxVersion`, leave that as it was; a context that was made without them is refused where it has
   * others than the server.
   */
  setSecureContext(options: SecureContextOptions | SecureContext): void;
  setSecureContext(...args: [SecureContextOptions | SecureContext, ...unknown[]]): void {
    noMore('setSecureContext', args, 1);
    const [options] = args;
    if ((options as unknown) === undefined) throw wrongType('options', 'an object', options, 'Pass a SecureContext, or the options of createSecureContext().');
    const context = options instanceof SecureContext ? options : new SecureContext(options, undefined, this.#context);
    requireSameVersions(context, this.#context);
    if (this.#options.SNICallback === undefined && this.#peerRules === undefined) requireCredentials(context, this.#options.pskCallback !== undefined);
    this.#context = context;
    this.#endpoint?.core.setContext(this.#context[kNative]);
    this.#watchExpiry();
    withTypedErrors(() => {
      this.#context[kGiveTicketKeys](this.#options.ticketKeys);
    });
  }

  /**
   * Reads the files now, as `setSecureContext` would take what is in them, and looks again every `interval`
   * milliseconds: what is new and looks the same twice is used for new handshakes (`secureContextReload`). What is of
   * no use changes nothing, and is reported once (`secureContextError`). Ends with the server, or when it is
   * called again.
   *
   * @throws {@link DTLSError} as `createSecureContext`, or of category `io` when a file cannot be read.
   */
  watchSecureContext(options: WatchSecureContextOptions): SecureContextWatch;
  watchSecureContext(...args: [WatchSecureContextOptions, ...unknown[]]): SecureContextWatch {
    noMore('watchSecureContext', args, 1);
    const [options] = args;
    const files = new FileWatch(options, {
      current: () => this.#context,
      use: (context) => {
        this.setSecureContext(context);
      },
      reloaded: (context) => {
        this.#inContext(() => this.emit('secureContextReload', context));
      },
      failed: (error) => {
        if (this.#inContext(() => this.emit('secureContextError', error))) return;
        process.emitWarning(`the server keeps its certificate: ${error.message}`, { code: error.code });
      },
    });
    this.#files?.close();
    this.#files = files;
    if (this.#state === 'closed') files.close();
    return files;
  }

  /** The 48 bytes that new session tickets are sealed with. They are secret. */
  getTicketKeys(): NonSharedBuffer {
    return withTypedErrors(() => this.#options.ticketKeys.current());
  }

  /**
   * New session tickets are sealed with these from now on. Tickets of the keys before stay good for
   * `sessionTimeout`, of the last two at most.
   *
   * @throws {@link DTLSError} `ERR_INVALID_ARG_TYPE`, or `ERR_INVALID_ARG_VALUE` unless there are 48 bytes.
   */
  setTicketKeys(keys: NodeJS.ArrayBufferView): void;
  setTicketKeys(...args: [NodeJS.ArrayBufferView, ...unknown[]]): void {
    noMore('setTicketKeys', args, 1);
    const checked = checkTicketKeys('keys', args[0]);
    withTypedErrors(() => {
      this.#options.ticketKeys.replace(checked);
    });
  }

  /**
   * What counts for new clients that ask for a name (SNI). `*` stands for any characters but dots; of
   * several entries that match the one added last counts. Options that are not given are the server's own,
   * but for the credentials: certificate, keys, authorities and algorithms are those of `context` alone.
   *
   * @throws {@link DTLSError} of category `usage`, as `createServer`.
   */
  addContext(hostname: string, context: SecureContext | NamedServerOptions): void;
  addContext(...args: [string, SecureContext | NamedServerOptions, ...unknown[]]): void {
    noMore('addContext', args, 2);
    const [hostname, context] = args;
    if (typeof hostname !== 'string') throw wrongType('hostname', 'a string', hostname, 'addContext(hostname, context): the name comes first, and may have a * in it.');
    if (hostname === '') {
      throw usageError('ERR_INVALID_ARG_VALUE', "'hostname' cannot be empty", "Use '*' wildcards.");
    }
    checkServerName(hostname);
    this.#policies.add(hostname, context);
    this.#endpoint?.core.setPolicy(this.#policies.forAll());
    this.#watchExpiry();
  }

  /**
   * What `peers` has answered about that peer counts no more, and it is asked again at the peer's next hello: after a
   * refusal, or where the answer has not been used yet. A question that is open ends: nobody hears of its answer, nor of
   * its absence. Sessions go on.
   *
   * @returns False when there was nothing to forget.
   * @throws {@link DTLSError} `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_IP_ADDRESS` and `ERR_SOCKET_BAD_PORT`.
   */
  forgetPeer(peer: PacketDestination): boolean;
  forgetPeer(...args: [PacketDestination, ...unknown[]]): boolean {
    noMore('forgetPeer', args, 1);
    const { address, port } = checkDestination(args[0], 'forgetPeer(peer)');
    const endpoint = this.#state === 'listening' ? this.#endpoint : undefined;
    const rules = this.#peerRules;
    const question = endpoint?.forgetPeer(address, port, rules?.lastPut ?? 0) ?? 0;
    if (question === 0) return false;
    rules?.forget(question);
    return true;
  }

  /** How many sessions there are, those in the handshake included. */
  getConnections(callback: (error: Error | null, count: number) => void): this {
    if (typeof callback !== 'function') throw wrongType('callback', 'a function', callback, 'getConnections(callback) calls it with null and the number; server.sessions has the sockets themselves.');
    process.nextTick(callback, null, [...this.sessions].length);
    return this;
  }

  ref(): this {
    this.#referenced = true;
    this.#endpoint?.ref();
    return this;
  }

  unref(): this {
    this.#referenced = false;
    this.#endpoint?.unref();
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#state === 'idle' || this.#state === 'closed') return;
    await new Promise<void>((resolve) => {
      this.close(() => {
        resolve();
      });
    });
  }

  /** Returns what undoes it. */
  #closeOn(signal: AbortSignal): () => void {
    return onAbort(signal, this, () => {
      this.close();
    });
  }

  #watchExpiry(): void {
    if (this.#state !== 'listening') return;
    this.#expiry.watch([this.#context, ...this.#policies.contexts()]);
  }

  #makePeerRules(ask: NonNullable<ServerOptions['peers']>): PeerRules {
    const { peersTimeout: timeout, ticketKeys } = this.#options;
    return new PeerRules({
      ask,
      timeout,
      ticketKeys,
      given: this.#given,
      context: () => this.#context,
      policy: (rules) => {
        this.#expiry.used(rules.context);
        return this.#policies.forPeer(rules);
      },
      answer: (question, peer, context, policy) =>
        this.#state === 'listening' && this.#endpoint?.answerPeer(question, peer, context, policy) === true,
      failed: (error, peer) => {
        if (this.#inContext(() => this.emit('peerError', error, peer))) return true;
        if (this.#warnedOfPeers) return false;
        this.#warnedOfPeers = true; // whoever can say hello could have it said again and again
        process.emitWarning(error.message, { code: error.code });
        return false;
      },
    });
  }

  /** Runs an event in the server's context: what calls here (a timer, a file, a socket that the user binds) has another's. */
  #inContext(event: () => boolean): boolean {
    return this[kAsyncResource].runInAsyncScope(event);
  }

  #onListenError(error: DTLSError): void {
    if (this.#state === 'closing') {
      this.#left();
      return;
    }
    this.#state = 'idle';
    // The callback and the signal of this listen() are let go of: the next one may have others.
    this.#undoListen?.();
    this.#undoListen = undefined;
    const context = this.#asyncResource;
    this.#asyncResource = undefined; // a handler may listen again
    try {
      (context ?? this[kAsyncResource]).runInAsyncScope(() => this.emit('error', error));
    } finally {
      context?.emitDestroy();
    }
  }

  /** The server has let go of its transport, or never had one: `close` is due. */
  readonly #left = (): void => {
    this.#state = 'leaving';
    this.#sendCallbacks.settle(this.#close, unsent());
  };

  readonly #close = (): void => {
    turns.add(() => {
      this.#state = 'closed';
      this.#expiry.stop();
      this.#files?.close();
      try {
        return this.emit('close');
      } finally {
        this.#endContext();
      }
    }, this[kAsyncResource]);
  };

  #start(make: () => Driver, key?: object): void {
    if (this.#state !== 'binding') {
      this.#state = 'leaving';
      const unwanted = make();
      if (key === undefined) unwanted.close(this.#left);
      else this.#left();
      return;
    }
    let endpoint: Endpoint;
    try {
      endpoint = Endpoint.over(make, key);
    } catch (error) {
      this.#onListenError(ioError(error));
      return;
    }
    if (!endpoint.listen(this)) {
      this.#onListenError(
        usageError(
          'ERR_SERVER_ALREADY_LISTEN',
          'another server listens on this transport',
          'One server has all clients of a transport: close it, or give this one a transport of its own.',
        ),
      );
      return;
    }
    this.#endpoint = endpoint;
    serve(endpoint, this.#options, this.#context, this.#policies);
    endpoint.core.setBusy(this.#busy);
    if (!this.#referenced) endpoint.unref();
    this.#state = 'listening';
    this.#watchExpiry();
    this.#inContext(() => this.emit('listening'));
  }

  #leaveWhenEmpty(): void {
    const endpoint = this.#endpoint;
    if (this.#state !== 'closing' || this.#sockets.size > 0 || endpoint === undefined) return;
    this.#state = 'leaving';
    this.#finalStats = endpoint.stats();
    // On a transport that others use it goes on, and may be another server's before this one is forgotten.
    this.#endpoint = undefined;
    endpoint.leave(this.#left);
  }

  // ---- @internal: what the endpoint and the sockets bring ----

  /** @internal */
  [kMakeSession](slot: number, generation: number, peer: Peer, question: number): SessionHandler {
    const endpoint = this.#endpoint;
    if (endpoint === undefined) throw new Error('a session before the server listens');
    const session = new CoreSession(endpoint, slot, generation);
    const shared = this[kSharedResource]();
    const rules = question === 0 ? undefined : this.#peerRules?.use(question);
    const socket = this[kAsyncResource].runInAsyncScope(() => new DTLSSocket(this, session, peer, shared, rules));
    this.#sockets.add(socket);
    // What counts for the peer is not known any more, and the server's own rules must not count in its place.
    if (question !== 0 && rules === undefined) session.close(false);
    // A handler has closed the server while more had come in than fits at once: this is of that, and close() did not find it.
    if (this.#state === 'closing') process.nextTick(() => socket.close());
    return socket;
  }

  /** @internal */
  [kOnPeerQuestion](question: number, peer: Peer): boolean {
    const rules = this.#peerRules;
    if (rules === undefined || this.#state !== 'listening') return false;
    this[kAsyncResource].runInAsyncScope(() => {
      rules.ask(question, peer);
    });
    return true;
  }

  /** @internal */
  [kAnsweredPeer](question: number): Peer | undefined {
    return this.#peerRules?.peerOf(question);
  }

  /** @internal The context (AsyncLocalStorage) of events that are of no session: that in which `listen` was called. */
  get [kAsyncResource](): AsyncResource {
    return (this.#asyncResource ??= new AsyncResource('DGRAM_DTLS_SERVER'));
  }

  /** @internal What the sessions share; undefined: each has its own, so that what its handlers enter is nobody else's. */
  protected [kSharedResource](): AsyncResource | undefined {
    return undefined;
  }

  /** Events have the context of the call that we are in, from now on. */
  #renewContext(): void {
    this.#endContext();
    this.#asyncResource = new AsyncResource('DGRAM_DTLS_SERVER');
  }

  /** Whoever watches resources (`node:async_hooks`) hears that this one is gone, as Node's handles tell it. */
  #endContext(): void {
    this.#asyncResource?.emitDestroy();
    this.#asyncResource = undefined;
  }

  /** @internal */
  protected [kHelloQuestions](): number {
    return this.#policies.helloQuestions();
  }

  /** @internal */
  [kOnClientHello](hello: ClientHello, socket: DTLSSocket, answers: HelloAnswers, options: ResolvedServer): void {
    this.#policies.answer(hello, socket, answers, options);
  }

  /** @internal */
  [kOnStoredSession](id: NonSharedBuffer, callback: ResumeSessionCallback): boolean {
    return this.emit('resumeSession', id, callback);
  }

  /** @internal */
  [kOnNewSession](id: NonSharedBuffer, session: NonSharedBuffer, callback: () => void): boolean {
    return this.emit('newSession', id, session, callback);
  }

  /** @internal */
  [kOnOcspRequest](socket: DTLSSocket, question: OcspQuestion): void {
    if (this.listenerCount('OCSPRequest') === 0) {
      question.answer(undefined);
      return;
    }
    askOcsp(socket, question, (certificate, issuer, callback) => {
      this.emit('OCSPRequest', certificate, issuer, callback);
    });
  }

  /** @internal */
  get [kBlockList](): BlockList | undefined {
    return this.#options.blockList;
  }

  /** @internal */
  get [kPackets](): PacketHearer {
    return this.#packets;
  }

  #emitPacket(packet: NonSharedBuffer, peer: Peer): boolean {
    return this.emit('packet', packet, peer);
  }

  /** @internal */
  [kOnDrain](): boolean {
    if (!this.#needDrain || this.#state !== 'listening') return false;
    this.#needDrain = false;
    return this.#inContext(() => this.emit('drain'));
  }

  /** @internal Counted by the endpoint: one peer that cannot be reached is not the server's error. */
  [kOnTransportError](error: Error, broke = false): void {
    if (!broke && (!('code' in error) || error.code !== 'EBADF')) return;
    // A transport of the user's may say so within a call of ours, where what a listener throws would be taken for its own.
    turns.add(() => this.#state !== 'closed' && this.emit('error', ioError(error)), this[kAsyncResource]);
  }

  /** @internal */
  [kOnTransportClosed](): void {
    this.close();
  }

  /** @internal */
  [kOnFailure](socket: DTLSSocket, error: DTLSError, completedHandshake: boolean): boolean {
    if (completedHandshake && socket.listenerCount('error') > 0) return false;
    this.emit('dtlsClientError', error, socket);
    return true;
  }

  /** @internal */
  [kOnSecure](socket: DTLSSocket): boolean {
    return this.emit('secureConnection', socket);
  }

  /** @internal */
  [kOnClose](socket: DTLSSocket): void {
    this.#sockets.delete(socket);
    if (this.#state !== 'closing') return;
    // Its last datagram is on its way by now; the slot is released after this returns.
    process.nextTick(() => {
      this.#leaveWhenEmpty();
    });
  }

  /** @internal */
  [kOnKeylog](line: NonSharedBuffer, socket: DTLSSocket): boolean {
    return this.emit('keylog', line, socket);
  }

  /** @internal */
  [kOnConnection](socket: DTLSSocket): boolean {
    return this.emit('connection', socket);
  }
}

/** The sockets whose sessions are not over. One that is over is among the server's until it has emitted `close`. */
function* livingOf(sockets: Iterable<DTLSSocket>): Generator<DTLSSocket> {
  for (const socket of sockets) if (socket.readyState !== 'closed') yield socket;
}

/**
 * Makes a server.
 *
 * @param secureConnectionListener - Added to `secureConnection`.
 * @throws {@link DTLSError} of category `usage` for an option that is unknown, of a wrong type or out of range.
 */
export function createServer(
  options: ServerOptions,
  secureConnectionListener?: (socket: DTLSSocket) => void,
): DTLSServer;
export function createServer(...args: [ServerOptions]): DTLSServer {
  return new DTLSServer(...args);
}
