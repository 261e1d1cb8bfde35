import { AsyncResource } from 'node:async_hooks';
import * as dgram from 'node:dgram';

import { kListenOn } from '../base/internals';
import { listenersOf } from '../base/untouched';
import type { Peer } from '../base/peer';
import { Endpoint } from '../endpoint/endpoint';
import { PacketEvents } from '../endpoint/packet-events';
import { checkUdpDestination } from '../endpoint/packet-peers';
import { asError } from '../errors/as-error';
import { ioError, isReadable, type DTLSError } from '../errors/errors';
import { copyOf, sizeOf } from '../base/memory';
import type { NonSharedBuffer } from '../base/non-shared-buffer';
import { automaticTransport } from '../options/udp';
import { listenerAfterOptions, noMore } from '../checks/arguments';
import { plain } from '../errors/node-errors';
import { NO_SLOT, turns } from '../core/outbox';
import { inItsContext } from '../socket/messages';
import { checkDestination, readPacket, type PacketDestination } from '../socket/packets';
import { SendCallbacks } from '../socket/send-callbacks';
import type { DTLSSocket } from '../socket/socket';
import { noEndpointStats, type EndpointStats } from '../core/stats';
import { errnoOf, systemError } from '../errors/system-error';
import { hostMistake } from '../checks/host';
import { callable, wrongType } from '../checks/validate';
import { familyHint, familyOf, spelling } from '../transport/addresses';
import { bindingOf, encrypting } from '../transport/dgram';
import type { NativeDriver } from '../transport/native-udp';
import { TransportDriver } from '../transport/transport-driver';
import { destination, isLiteral, isManyfold, notUnicast } from './addresses';
import { parseSend, type SendCallback } from './arguments';
import { Binding } from './binding';
import { ClientsOnly } from './clients-only';
import { Connection } from './connection';
import { Hold } from './hold';
import { Lookups, throughGate, type Gate } from './lookup';
import { checkedOptions, FORMS, resolveSocketOptions, type SocketOptions } from './options';
import { infoOf, type PeerInfo } from './peer-info';
import { BlockedAddresses } from './blocked-addresses';
import { notRunning, Peers } from './peers';
import { bindAgain, takeOver } from './take-over';
import { Wire } from './wire';

/** What sockets of dgram have from Node 24.19 and 26.4 on. */
interface Synchronous {
  connectSync?: (this: SecureDgramSocket, port: number, address?: string) => void;
}

type Message = string | NodeJS.ArrayBufferView;

// The types show no constructor: dgram.createSocket calls this one.
const BaseSocket = dgram.Socket as unknown as new (
  options: dgram.SocketOptions,
  listener?: (message: NonSharedBuffer, info: dgram.RemoteInfo) => void,
) => dgram.Socket;

/**
 * A `dgram.Socket` that encrypts: what is sent by it and what `message` brings is protected by DTLS. Made
 * by {@link createSocket}. Everything that is not said here is dgram's own.
 */
export class SecureDgramSocket extends BaseSocket {
  /** dgram sets it, and its types do not say so. */
  declare readonly type: dgram.SocketType;
  // Events belong here, as dgram's to its handle, which is made in the same call.
  readonly #asyncResource = new AsyncResource('DGRAM_DTLS_SOCKET');
  readonly #peers: Peers;
  readonly #gate: Gate;
  readonly #clearMulticast: boolean;
  readonly #lookups: Lookups;
  readonly #wire: Wire;
  readonly #packets: PacketEvents;
  #udp: NativeDriver | undefined; // from the bind on, where there is one
  readonly #blocked: BlockedAddresses;
  readonly #binding = new Binding();
  readonly #connection = new Connection(() => super.remoteAddress());
  #mayBroadcast = false;
  #referenced = true;
  readonly #hold = new Hold();
  readonly #sendCallbacks = new SendCallbacks<Parameters<SendCallback>>();
  #closed = false;
  #finalStats: EndpointStats | undefined;

  static {
    // Where Node has it: connected when it returns, and `connect` comes in the next tick.
    const { connectSync } = BaseSocket.prototype as Synchronous;
    if (connectSync !== undefined) {
      const own: Synchronous = {
        connectSync(this: SecureDgramSocket, ...args) {
          connectSync.apply(this, args);
          this.#connection.begin(args[1]);
        },
      };
      Object.defineProperty(this.prototype, 'connectSync', { value: own.connectSync, writable: true, configurable: true });
    }
  }

  /**
   * Does what {@link createSocket} does, for classes that extend this one.
   *
   * @throws As `createSocket`.
   */
  constructor(options: SocketOptions | dgram.SocketType, listener?: (message: NonSharedBuffer, info: PeerInfo) => void) {
    const { dtls, ...own } = checkedOptions(options);
    automaticTransport(); // throws here what nobody could catch when the socket is bound
    const resolved = resolveSocketOptions(dtls);
    const gate = { raw: false };
    super(
      { ...own, ...throughGate(gate, own.lookup) },
      listener as ((message: NonSharedBuffer, info: dgram.RemoteInfo) => void) | undefined,
    );
    encrypting.add(this);
    this.#gate = gate;
    this.#clearMulticast = resolved.clearMulticast;
    this.#lookups = new Lookups(own.lookup, this.type === 'udp6' ? 6 : 4);
    this.#packets = new PacketEvents({
      listeners: (event) => listenersOf(this, event),
      memory: () => resolved.memory,
      emitPacket: (packet, { address, port, family }) =>
        this.#emit('packet', packet, { address, port, family, size: packet.length }),
      emitPackets: (packets, peer) => this.#emit('packets', packets, peer),
    });
    this.#wire = new Wire({ send: this.#sendRaw.bind(this), address: () => super.address() });
    try {
      this.#blocked = new BlockedAddresses(own);
      this.#peers = new Peers(resolved, this.#wire, {
        asyncResource: this.#asyncResource,
        referenced: () => this.#referenced,
        connectedTo: (peer) => this.#connection.isWith(peer),
        isBlocked: (peer) => this.#blocked.refusal(peer) !== undefined || this.#blocked.sender(peer),
        address: () => super.address(),
        hold: this.#hold,
        whenBound: this.#binding.whenBound.bind(this.#binding),
        later: this.#later.bind(this),
        onMessage: this.#onMessage.bind(this),
        onSecure: this.#onSecure.bind(this),
        onPeerError: this.#onPeerError.bind(this),
        onKeylog: (line, session) => this.#emit('keylog', line, session),
        onServerError: (error) => this.#emit('error', error),
        packets: this.#packets,
      });
    } catch (error) {
      // dgram's own socket is there already, and an AbortSignal among the options would close what nobody was given.
      if (bindingOf(this) !== 'closed') super.close();
      throw error;
    }
  }

  /** The sessions there are, those in the handshake included. */
  get sessions(): IterableIterator<DTLSSocket> {
    return this.#peers.sessions;
  }

  /** Counters of all sessions of this socket. */
  get stats(): EndpointStats {
    return this.#finalStats ?? Endpoint.on(this.#wire)?.stats() ?? noEndpointStats();
  }

  // ---- events, typed ----

  override on(event: 'message', listener: (message: NonSharedBuffer, info: PeerInfo) => void): this;
  override on(event: 'secureConnection', listener: (session: DTLSSocket) => void): this;
  override on(event: 'peerError', listener: (error: DTLSError, peer: Peer) => void): this;
  override on(event: 'packet', listener: (message: NonSharedBuffer, info: dgram.RemoteInfo) => void): this;
  override on(event: 'packets', listener: (packets: NonSharedBuffer[], peer: Peer) => void): this;
  override on(event: 'keylog', listener: (line: NonSharedBuffer, session: DTLSSocket) => void): this;
  override on(event: string, listener: (...args: never[]) => void): this;
  override on(event: string, listener: never): this {
    return super.on(event, listener);
  }

  override once(event: 'message', listener: (message: NonSharedBuffer, info: PeerInfo) => void): this;
  override once(event: 'secureConnection', listener: (session: DTLSSocket) => void): this;
  override once(event: 'peerError', listener: (error: DTLSError, peer: Peer) => void): this;
  override once(event: 'packet', listener: (message: NonSharedBuffer, info: dgram.RemoteInfo) => void): this;
  override once(event: 'packets', listener: (packets: NonSharedBuffer[], peer: Peer) => void): this;
  override once(event: 'keylog', listener: (line: NonSharedBuffer, session: DTLSSocket) => void): this;
  override once(event: string, listener: (...args: never[]) => void): this;
  override once(event: string, listener: never): this {
    return super.once(event, listener);
  }

  // ---- dgram's methods ----

  override bind(port?: number, address?: string, callback?: () => void): this;
  override bind(port?: number, callback?: () => void): this;
  override bind(callback?: () => void): this;
  override bind(options: dgram.BindOptions, callback?: () => void): this;
  override bind(...args: unknown[]): this {
    const before = this.#binding.state;
    if (before === 'unbound') this.#binding.state = 'binding';
    try {
      return (super.bind as (...all: unknown[]) => this).apply(this, this.#binding.place(args));
    } catch (error) {
      this.#binding.state = before;
      throw error;
    }
  }

  /**
   * Sends a message, with the arguments that dgram takes. The first message to a peer begins a handshake; until that is over messages wait. The
   * callback hears when the encrypted datagram was handed to the system, or why there will be none.
   */
  override send(
    message: Message | readonly Message[],
    port?: number,
    address?: string,
    callback?: SendCallback,
  ): void;
  override send(
    message: Message | readonly Message[],
    port?: number,
    callback?: SendCallback,
  ): void;
  override send(
    message: Message | readonly Message[],
    callback?: SendCallback,
  ): void;
  override send(
    message: Message,
    offset: number,
    length: number,
    port?: number,
    address?: string,
    callback?: SendCallback,
  ): void;
  override send(
    message: Message,
    offset: number,
    length: number,
    port?: number,
    callback?: SendCallback,
  ): void;
  override send(
    message: Message,
    offset: number,
    length: number,
    callback?: SendCallback,
  ): void;
  override send(...args: unknown[]): void {
    const connectedTo = this.#connection.peer();
    const { parts, port, address, callback: given } = parseSend(args, connectedTo !== undefined);
    this.#check();
    const [only] = parts;
    const message = parts.length === 1 && only !== undefined ? only : Buffer.concat(parts);
    if (connectedTo !== undefined) {
      this.#sendTo(message, connectedTo, this.#connection.name, this.#sendCallbacks.expect(given));
      return;
    }
    if (port === undefined) return; // parseSend has thrown
    if (this.#binding.state === 'unbound') this.#bindOrNotice();
    const callback = this.#sendCallbacks.expect(given);
    const host = address ?? (this.type === 'udp6' ? '::1' : '127.0.0.1');
    if (isLiteral(host) && !this.#lookups.asksAboutAddresses) {
      const to = destination(host);
      this.#sendTo(message, { address: to, port, family: familyOf(to) }, undefined, callback);
      return;
    }
    const copy = copyOf(message);
    const hostname = isLiteral(host) ? undefined : host;
    const told = inItsContext(callback);
    try {
      this.#lookups.find(host, told, (error, found) => {
        if (error === null && isLiteral(found)) {
          const to = destination(found);
          this.#sendTo(copy, { address: to, port, family: familyOf(to) }, hostname, told);
        } else this.#notFound(error, host, port, told);
      });
    } catch (thrown) {
      // Whoever sends hears of it at once.
      if (callback !== undefined) this.#sendCallbacks.forget(callback);
      throw thrown;
    }
  }

  /**
   * Sends one datagram that is not DTLS, in clear: STUN, RTP, … (RFC 7983). It begins no handshake, waits for none, and to a
   * peer keeps its place among messages. An array makes one packet of its parts.
   *
   * @param peer - As the events have it, or any IP address and port; a connected socket's is its peer, and may be left out.
   * @param callback - As that of `send`.
   * @throws {@link DTLSError} `ERR_DTLS_NOT_A_PACKET` for one that begins as DTLS does (20 to 63), `ERR_INVALID_ARG_TYPE`,
   * `ERR_INVALID_IP_ADDRESS` and `ERR_SOCKET_BAD_PORT`.
   */
  sendPacket(packet: Message | readonly Message[], peer: PacketDestination, callback?: SendCallback): void;
  sendPacket(packet: Message | readonly Message[], callback?: SendCallback): void;
  sendPacket(...args: [Message | readonly Message[], (PacketDestination | SendCallback)?, SendCallback?, ...unknown[]]): void {
    noMore('sendPacket', args, 3);
    const packet = readPacket(args[0]);
    this.#check();
    const connectedTo = this.#connection.peer();
    const behind = connectedTo !== undefined && typeof args[1] !== 'object';
    if (behind && args[2] !== undefined) throw wrongType('peer', 'an object with an address and a port', args[1], "A peer is as events give it: { address, port }.");
    const given = callable('callback', behind ? args[1] : args[2]) as SendCallback | undefined;
    const peer = behind ? connectedTo : checkUdpDestination(checkDestination(args[1] as PacketDestination));
    if (connectedTo !== undefined && (connectedTo.port !== peer.port || connectedTo.address !== spelling(peer.address))) {
      throw plain('ERR_SOCKET_DGRAM_IS_CONNECTED', 'Already connected');
    }
    const { address, port } = peer;
    if (this.#binding.state === 'unbound') this.#bindOrNotice();
    const callback = this.#sendCallbacks.expect(given);
    const blocked = this.#blocked.refusal({ address, port, family: familyOf(address) });
    if (blocked !== undefined) {
      if (callback !== undefined) process.nextTick(callback, blocked, 0);
    } else if (this.#binding.state === 'bound') {
      this.#sendPacket(packet, { address, port }, callback);
    } else {
      const copy = copyOf(packet);
      const told = inItsContext(callback);
      this.#binding.whenBound((error) => {
        if (error === null) this.#sendPacket(copy, { address, port }, told);
        else if (told !== undefined) process.nextTick(told, error, 0);
      });
    }
  }

  #sendPacket(packet: Uint8Array, { address, port }: PacketDestination, callback: SendCallback | undefined): void {
    const endpoint = Endpoint.on(this.#wire);
    if (endpoint === undefined) {
      if (callback !== undefined) process.nextTick(callback, notRunning(), 0);
      return;
    }
    const number = endpoint.packetDestinations.numberOf(address, port);
    if (callback === undefined) {
      endpoint.sendPacket(NO_SLOT, number, packet, undefined);
      return;
    }
    const size = sizeOf(packet);
    this.#hold.take();
    endpoint.sendPacket(NO_SLOT, number, packet, (error) => {
      this.#hold.release();
      callback(error, error === null ? size : 0);
    });
  }

  override connect(port: number, address?: string, callback?: () => void): void;
  override connect(port: number, callback: () => void): void;
  override connect(...args: unknown[]): void {
    const [port, address, ...rest] = args;
    const hint = typeof address === 'string' ? (hostMistake(address) ?? familyHint(this.type, address)) : undefined;
    const all = hint === undefined ? args : [port, address, this.#telling(hint, rest[0])];
    (super.connect as (...all: unknown[]) => void).apply(this, all);
    this.#connection.begin(address);
  }

  /** What dgram calls back where a `connect` fails about which more is known. */
  #telling(hint: string, callback: unknown): (error?: Error) => void {
    return (error) => {
      if (error instanceof Error) withHint(error, hint);
      if (typeof callback === 'function') (callback as (error?: Error) => void).call(this, error);
      else if (error instanceof Error) this.emit('error', error);
    };
  }

  override disconnect(): void {
    const port = this.#closed || this.#connection.peer() === undefined ? 0 : super.address().port;
    super.disconnect();
    this.#connection.end();
    if (port !== 0) this.#keepPort(port);
  }

  /** Linux takes back, with the peer, a port that it has chosen itself; but peers know their sessions by it. */
  #keepPort(port: number): void {
    const { address, port: now } = super.address();
    if (now === port) return;
    const failure = bindAgain(this, address, port);
    if (failure !== undefined) this.#peers.abandon(failure);
  }

  /**
   * Tells every peer that its session ends (close_notify), then closes the socket. Does not wait, but for callbacks of
   * `send`, which come before `close`.
   */
  override close(callback?: () => void): this {
    // An aborted signal closes in the middle of dgram's constructor.
    if (!(#peers in this) || this.#closed) return super.close(callback);
    const bindPending = this.#binding.state === 'binding' && this.#connection.pending;
    if (bindPending) return super.close(callback); // dgram calls again when it has bound
    this.#closed = true;
    const error = notRunning();
    this.#binding.settle(error);
    this.#lookups.close(error);
    const endpoint = Endpoint.on(this.#wire);
    this.#peers.close(error);
    this.#finalStats = endpoint?.stats();
    endpoint?.transmitNow();
    if (this.#peers.server === undefined) endpoint?.leave(() => undefined);
    if (this.#udp !== undefined) {
      this.#udp.shut();
      endpoint?.flushSoon();
    }
    return super.close(callback);
  }

  override setBroadcast(on: boolean): void {
    super.setBroadcast(on);
    this.#mayBroadcast = on;
  }

  override ref(): this {
    this.#referenced = this.#hold.referenced = true;
    Endpoint.on(this.#wire)?.ref();
    return super.ref();
  }

  override unref(): this {
    this.#referenced = this.#hold.referenced = false;
    Endpoint.on(this.#wire)?.unref();
    return super.unref();
  }

  /** Counts what waits for a handshake, and in the native socket, too. */
  override getSendQueueSize(): number {
    return super.getSendQueueSize() + this.#peers.queued[0] + (this.#udp?.queuedBytes ?? 0);
  }

  override getSendQueueCount(): number {
    return super.getSendQueueCount() + this.#peers.queued[1] + (this.#udp?.queuedDatagrams ?? 0);
  }

  /** @internal What dgram's own code emits passes here: `message` is what came over the wire. */
  override emit(event: string | symbol, ...args: unknown[]): boolean {
    if (!(#peers in this)) return super.emit(event, ...args);
    if (event === 'message') {
      const [datagram, info] = args as [NonSharedBuffer, dgram.RemoteInfo];
      this.#receive(datagram, info);
      return true;
    }
    if (event === 'listening') {
      this.#binding.state = 'bound';
      this.#begin();
      this.#binding.settle(null);
    } else if (event === 'connect') {
      this.#connection.made();
    } else if (event === 'close') {
      this.#udp?.shut();
      const context = new AsyncResource('DGRAM_DTLS_CLOSE'); // that of the call of close(), as dgram's
      const closed = (): boolean => {
        try {
          return context.runInAsyncScope(() => super.emit('close'));
        } finally {
          context.emitDestroy();
          this.#asyncResource.emitDestroy();
        }
      };
      this.#sendCallbacks.settle(() => {
        turns.add(closed);
      }, notRunning(), 0);
      return true;
    } else if (event === 'error') {
      this.#onSocketError(args[0] as Error);
    }
    return super.emit(event, ...args);
  }

  /** An event that is not dgram's own: none comes any more once the socket is closed. */
  #emit(event: string, ...args: unknown[]): boolean {
    return !this.#closed && this.#asyncResource.runInAsyncScope(() => super.emit(event, ...args));
  }

  // ---- sending ----

  #notFound(error: Error | null, address: string, port: number, told: SendCallback | undefined): void {
    const failure =
      error === null
        ? systemError(errnoOf('EINVAL'), 'send', address, port) // the lookup gave no address
        : withHint(Object.assign(error, { address, port }), hostMistake(address));
    if (told !== undefined) process.nextTick(told, failure, 0);
    else if (error !== null) process.nextTick(() => this.#emit('error', failure));
  }

  #sendTo(
    message: Buffer,
    peer: Peer,
    hostname: string | undefined,
    callback: SendCallback | undefined,
  ): void {
    const blocked = this.#blocked.refusal(peer);
    if (blocked !== undefined) {
      if (callback !== undefined) process.nextTick(callback, blocked, 0);
      return;
    }
    const hint = (this.type === 'udp6') === (peer.family === 'IPv6') ? undefined : familyHint(this.type, peer.address);
    if (hint !== undefined) {
      const unreachable = withHint(systemError(errnoOf('EINVAL'), 'send', peer.address, peer.port), hint);
      if (callback !== undefined) process.nextTick(callback, unreachable, 0);
      this.#later(() => this.#emit('peerError', ioError(unreachable, peer, hint), peer));
      return;
    }
    const existing = this.#peers.find(peer);
    if (existing !== undefined) existing.send(message, hostname, callback);
    else if (isManyfold(peer, this.#mayBroadcast)) this.#sendToMany(message, peer, hostname, callback);
    else this.#peers.begin(message, peer, hostname, callback);
  }

  /** DTLS is between two: RFC 6347 has no group keys, and there is nobody to shake hands with. */
  #sendToMany(message: Buffer, peer: Peer, hostname: string | undefined, callback: SendCallback | undefined): void {
    // Whoever forges the answers of DNS must not have a message in clear: only the program itself can mean a group.
    if (!this.#clearMulticast || hostname !== undefined) {
      const error = notUnicast(peer, hostname);
      if (callback === undefined) this.#later(() => this.#emit('error', error));
      else {
        process.nextTick(callback, error, 0);
        this.#later(() => this.#emit('peerError', error, { ...peer }));
      }
      return;
    }
    const copy = copyOf(message);
    const told = inItsContext(callback);
    this.#binding.whenBound((error) => {
      if (error === null) {
        this.#sendInClear(copy, peer, (failure) => told?.(failure, failure === null ? copy.length : 0));
      } else if (told !== undefined) process.nextTick(told, error, 0);
    });
  }

  /** dgram's bindSync, where Node has it, says nothing of itself before `listening`, in the next tick. */
  #bindOrNotice(): void {
    try {
      super.address();
      this.#binding.state = 'binding';
    } catch {
      this.bind({ port: 0, exclusive: true });
    }
  }

  // ---- the transport below ----

  /** The socket is bound. */
  #begin(): void {
    // dgram itself looks at every datagram's address; the native socket does not.
    const udp = this.#blocked.any ? undefined : takeOver(this);
    this.#udp = udp;
    const { server } = this.#peers;
    if (server !== undefined) {
      server[kListenOn](udp ?? new TransportDriver(this.#wire), this.#wire);
    } else {
      const endpoint = Endpoint.over(() => udp ?? new TransportDriver(this.#wire), this.#wire);
      endpoint.stay(
        new ClientsOnly({
          packets: this.#packets,
          // Only a connected socket hears of such, as dgram's does.
          onTransportError: (error, broke) => {
            if (broke || this.#connection.known !== undefined) this.#emit('error', error);
          },
        }),
      );
      if (!this.#referenced) endpoint.unref();
    }
  }

  #onMessage(message: NonSharedBuffer, session: DTLSSocket, identity: PeerInfo['pskIdentity']): void {
    if (!this.#closed) super.emit('message', message, infoOf(message, session, identity));
  }

  #onSecure(session: DTLSSocket): boolean {
    return !this.#closed && super.emit('secureConnection', session);
  }

  #onPeerError(error: Error, peer: Peer): void {
    if (this.#closed) return;
    this.#emit('peerError', error, { ...peer });
    // dgram's own socket emits it before the session hears.
    const refused = isReadable(error) && error.category === 'io';
    if (this.#udp !== undefined && this.#connection.isWith(peer) && refused) {
      turns.add(() => !this.#closed && super.emit('error', error), this.#asyncResource);
    }
  }

  // ---- the wire ----

  #receive(datagram: NonSharedBuffer, info: dgram.RemoteInfo): void {
    if (this.#blocked.sender(info)) return;
    this.#wire.receiver?.receive(datagram, info);
  }

  /**
   * By the native socket where there is one: it hears of ICMP about each peer, which the system reports in place of whatever is
   * sent next. dgram would take that for its own datagram's.
   */
  #sendInClear(datagram: Uint8Array, peer: Peer, done: (error: Error | null) => void): void {
    const endpoint = this.#udp === undefined ? undefined : Endpoint.on(this.#wire);
    const to = this.#connection.known;
    if (endpoint === undefined || (to !== undefined && (to.port !== peer.port || to.address !== peer.address))) {
      this.#sendRaw(datagram, peer, done); // which says that the socket is connected to another one
      return;
    }
    endpoint.sendUnprotected(datagram, peer, (error) => {
      done(error === null ? null : systemError(error.errno ?? errnoOf(error.code), 'send', peer.address, peer.port));
    });
  }

  #sendRaw(datagram: Uint8Array, peer: Peer, done: (error: Error | null) => void): void {
    const connectedTo = this.#connection.known;
    const blocked = this.#blocked.refusal(peer);
    if (blocked !== undefined) {
      process.nextTick(done, blocked);
      return;
    }
    this.#gate.raw = true;
    try {
      if (connectedTo === undefined) super.send(datagram, peer.port, peer.address, done);
      else if (connectedTo.port === peer.port && connectedTo.address === peer.address) {
        super.send(datagram, done);
      } else process.nextTick(done, plain('EISCONN', 'the socket is connected to another peer'));
    } catch (error) {
      process.nextTick(done, asError(error));
    } finally {
      this.#gate.raw = false;
    }
  }

  #onSocketError(error: Error): void {
    if (this.#binding.state === 'binding') {
      withHint(error, this.#binding.hint(error));
      this.#binding.state = 'unbound';
      this.#connection.end(); // with the bind dgram has given up what was to come after it
      this.#binding.settle(error);
    } else if (this.#connection.known !== undefined) {
      // A connected socket hears of ICMP refusals: they end a handshake with its peer.
      this.#wire.receiver?.error(ioError(error), this.#connection.known);
    }
  }

  #check(): void {
    if (this.#closed) throw notRunning();
  }

  #later(call: () => void): void {
    process.nextTick(() => {
      if (!this.#closed) call();
    });
  }
}

/**
 * Makes a `dgram.Socket` that encrypts, for code that was written over `node:dgram`.
 *
 * @param options - dgram's options, and `dtls`. The type alone is `{ type }`: a client that trusts whom `node:tls` trusts.
 * @param listener - Added to `message`.
 * @throws dgram's errors for its options; {@link DTLSError} of category `usage` for those under `dtls`.
 */
export function createSocket(
  options: SocketOptions | dgram.SocketType,
  listener?: (message: NonSharedBuffer, info: PeerInfo) => void,
): SecureDgramSocket;
export function createSocket(...args: [SocketOptions | dgram.SocketType, ...unknown[]]): SecureDgramSocket {
  const options = checkedOptions(args[0]);
  const listener = listenerAfterOptions(args, 'listener', FORMS);
  return new SecureDgramSocket(options, listener as ((message: NonSharedBuffer, info: PeerInfo) => void) | undefined);
}

/** dgram's own error, which says more. */
function withHint<E extends Error>(error: E, hint: string | undefined): E {
  return hint === undefined ? error : Object.assign(error, { hint });
}
