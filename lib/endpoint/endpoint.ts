import type { AddressInfo, BlockList } from 'node:net';

import type { DTLSSocket } from '../base/dtls-socket';
import {
  kAnsweredPeer,
  kBatchesMessages,
  kBlockList,
  kBorrowsMessages,
  kMakeSession,
  kOnDrain,
  kOnMessage,
  kOnMessages,
  kOnPeerQuestion,
  kOnRecord,
  kOnTransportClosed,
  kOnTransportError,
  kPackets,
  kPeer,
  kSocket,
} from '../base/internals';
import type { Peer } from '../base/peer';
import type { NonSharedBuffer } from '../base/non-shared-buffer';
import { familyOf, heardAs } from '../transport/addresses';
import { isBlocked } from '../transport/block-list';
import { census, type CountedEndpoint } from './census';
import { channels } from '../diagnostics/channels';
import { readDrops } from '../diagnostics/drops';
import { hintOfSend, ioError, unsent, type DTLSError } from '../errors/errors';
import { errnoOf, systemError, systemErrorCode } from '../errors/system-error';
import { native, type NativeEndpoint, type NativeSecureContext, type NativeSessionPolicy } from '../core/native';
import type { Driver, DriverHost } from '../transport/driver';
import { late } from '../base/late';
import { sizeOf } from '../base/memory';
import { LONGEST_DATAGRAM } from '../transport/transport-driver';
import { NO_SLOT, outbox, RecordType, turns, type RecordSink } from '../core/outbox';
import { fieldOf, isSet, RecordField } from '../core/record-fields';
import { MoveOutcome, SendOutcome } from '../core/outcomes';
import { sendBatch } from '../core/send-batch';
import { endpointStats, Unheard, type EndpointStats } from '../core/stats';
import { blocked, moveRefusal, placeByName, placeOverUdp, type Place } from './moving';
import type { PacketHearer } from './packet-events';
import { checkNamedDestination, checkUdpDestination, PacketPeers } from './packet-peers';

/** What a session's records are handed to: a DTLSSocket, seen from below. */
export interface SessionHandler {
  readonly [kPeer]: Peer;
  /** Its messages need not outlive the handlers that they are given to. */
  readonly [kBorrowsMessages]: boolean;
  /** Its messages wait for one event together. */
  readonly [kBatchesMessages]: boolean;
  /** One message. False: nobody's code has run. */
  [kOnMessage](message: NonSharedBuffer): boolean;
  /** Messages that came behind one another, where they wait. Nobody's code runs. */
  [kOnMessages](messages: NonSharedBuffer[]): void;
  /**
   * Takes a record of the session: not MESSAGE, and not TRANSMIT, PACKET, SENT, TRANSPORT_ERROR and DROPPED, which the
   * endpoint deals with itself. After CLOSE nothing comes any more. False: nobody's code has run.
   */
  [kOnRecord](type: number, a: number, b: number, bytes: NonSharedBuffer): boolean;
  /** The transport had an error that concerns this session's peer. */
  [kOnTransportError](error: Error): void;
  [kOnDrain](): boolean;
  /** Who hears of what its peer sends beside DTLS; undefined: whoever hears of the rest. */
  readonly [kPackets]: PacketHearer | undefined;
  /** The socket that the session is of, for those who watch. */
  readonly [kSocket]: DTLSSocket;
}

/** Who is told what an endpoint has that is of no session. The endpoint stays while there is one. */
export interface TransportHandler {
  /** Who hears of datagrams that are none of DTLS. */
  readonly [kPackets]: PacketHearer;
  /** `broke`: the transport is of no use any more. */
  [kOnTransportError](error: Error, broke?: boolean): void;
  [kOnTransportClosed](): void;
}

/** What makes an endpoint a server's. */
export interface ServerHandler extends TransportHandler {
  /**
   * A cookie was verified. Makes the session's handler; no user code may run. `question`: whose answer counts for the
   * session, or 0.
   */
  [kMakeSession](slot: number, generation: number, peer: Peer, question: number): SessionHandler;
  /** By which rules is this peer to be served? False: nobody's code has run. */
  [kOnPeerQuestion](question: number, peer: Peer): boolean;
  /** Whom the answer to a question was about. */
  [kAnsweredPeer](question: number): Peer | undefined;
  /** Datagrams from these addresses are dropped before anything else is spent on them. */
  readonly [kBlockList]?: BlockList | undefined;
}

/**
 * What ICMP brings about a datagram that has left. Of an address without a session it says nothing that counts: a peer
 * that closes does not wait for the answer to its close_notify, and an address may have been forged.
 */
const OF_ICMP = [
  'EACCES',
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTDOWN',
  'EHOSTUNREACH',
  'EMSGSIZE',
  'ENETUNREACH',
  'ENONET',
  'ENOPROTOOPT',
  'ENOTSUP',
  'EPROTO',
];

const NOTHING = Buffer.alloc(0);

/** Whoever waits until the transport takes more. */
interface DrainHandler {
  [kOnDrain](): boolean;
}

/**
 * Calls `tell` when the event loop has read what has come by now. A system tells what ICMP brought ahead of the datagrams
 * that came before it, and an alert among them says more. The first immediate may be of a turn that has read already.
 */
function whenRead(tell: () => void): void {
  setImmediate(() => setImmediate(tell));
}

/** The longest time that a Node timer can wait. */
const MAX_TIMEOUT = 0x7fffffff;

/**
 * One transport and all the sessions behind it: its driver hands datagrams down, the endpoint takes records up and
 * keeps one timer. Shared by everybody who brings the same transport.
 */
export class Endpoint implements RecordSink, DriverHost, CountedEndpoint {
  readonly #core: NativeEndpoint;
  readonly #id: number;
  readonly #driver: Driver;
  readonly #deadline = new Float64Array(1);
  // By slot: whom it is of, and in which generation.
  readonly #sessions: (SessionHandler | undefined)[] = [];
  readonly #generations: number[] = [];
  readonly #awaitingDrain = new Set<DrainHandler>();
  readonly #packetPeers = new PacketPeers();
  /** Sessions that have had a listener for packets. */
  readonly #packetSessions = new Set<SessionHandler>();
  readonly #unheard = new Unheard();
  readonly #sendCallbacks = new Map<number, (error: DTLSError | null) => void>();
  #handler: TransportHandler | undefined;
  /** The handler, where it is a server's. */
  #server: ServerHandler | undefined;
  #serves = false;
  #sessionCount = 0;
  #nextToken = 1;
  #timer: NodeJS.Timeout | undefined;
  #timerAt = Infinity;
  #referenced = true;
  #measuring = 0;
  #closing = false;
  #transportErrors = 0;
  #reportsDrops = false;
  #reportsPackets = false;
  /** The socket that carries the datagrams. */
  #isIPv6: boolean | undefined;

  static readonly #byTransport = new WeakMap<object, Endpoint>();

  /**
   * The endpoint on a transport, of which `driver` makes a driver; `key` is what the user knows the transport by.
   *
   * @throws A DTLSError of category `io` when the transport cannot be started.
   */
  static over(driver: () => Driver, key?: object): Endpoint {
    const existing = key === undefined ? undefined : Endpoint.#byTransport.get(key);
    if (existing !== undefined && !existing.#closing) return existing;
    const endpoint = new Endpoint(driver());
    if (key !== undefined) Endpoint.#byTransport.set(key, endpoint);
    return endpoint;
  }

  /** The endpoint on a transport, if there is one. */
  static on(key: object): Endpoint | undefined {
    const existing = Endpoint.#byTransport.get(key);
    return existing === undefined || existing.#closing ? undefined : existing;
  }

  private constructor(driver: Driver) {
    this.#driver = driver;
    let id = 0;
    outbox.register((given) => {
      id = given;
      return this;
    });
    this.#id = id;
    this.#core = new native.Endpoint(outbox.native, id, this.#deadline);
    try {
      driver.start(this);
    } catch (error) {
      // One of the user's may throw. Nobody has this endpoint, so that nobody could close it.
      outbox.unregister(id);
      throw ioError(error);
    }
    census.living.add(this);
  }

  /** Calls go down through this; whoever calls says `flush()` afterwards. */
  get core(): NativeEndpoint {
    if (sendBatch.holds(this.#core)) sendBatch.flush();
    return this.#core;
  }

  get serves(): boolean {
    return this.#serves;
  }

  *sockets(): Iterable<DTLSSocket> {
    for (const handler of this.#sessions) if (handler !== undefined) yield handler[kSocket];
  }

  /** One more session measures its path: no datagram of the transport may be fragmented until the last one says {@link measured}. */
  measures(): void {
    if (this.#measuring === 0) this.#setDontFragment(true);
    this.#measuring += 1;
  }

  measured(): void {
    this.#measuring -= 1;
    if (this.#measuring === 0) this.#setDontFragment(false);
  }

  /** Nothing is asked any more of a transport that is being closed. */
  #setDontFragment(on: boolean): void {
    if (!this.#closing) this.#driver.setDontFragment(on);
  }

  get congested(): boolean {
    return this.#driver.congested;
  }

  get awaitsDrain(): boolean {
    return this.#awaitingDrain.size > 0;
  }

  address(): AddressInfo {
    return this.#driver.address();
  }

  ref(): void {
    this.#referenced = true;
    this.#driver.ref();
    this.#timer?.ref();
  }

  unref(): void {
    this.#referenced = false;
    this.#driver.unref();
    this.#timer?.unref();
  }

  // ---- sessions and the server ----

  /** Stays for the sessions to come, and serves nobody. False when there is a handler on this transport already. */
  stay(handler: TransportHandler): boolean {
    if (this.#handler !== undefined) return false;
    this.#handler = handler;
    this.#serves = true;
    return true;
  }

  /** Serves. False when there is a handler on this transport already. */
  listen(server: ServerHandler): boolean {
    if (!this.stay(server)) return false;
    this.#server = server;
    const { [kBlockList]: blockList } = server;
    if (blockList !== undefined) this.#driver.block((address) => isBlocked(blockList, address));
    return true;
  }

  /** Begins a client session. Its first records come with the next flush. */
  connect(
    handler: SessionHandler,
    context: NativeSecureContext,
    policy: NativeSessionPolicy,
  ): [slot: number, generation: number] {
    const { address, port } = handler[kPeer];
    const [slot, generation] = this.core.connect(address, port, context, policy);
    this.#add(slot, generation, handler);
    return [slot, generation];
  }

  /**
   * Sends one message, and sees to what that causes. `callback` is called later, when the transport has taken or refused
   * it; without one the message may wait, in a copy, for others of the same tick.
   */
  send(
    slot: number,
    generation: number,
    message: Uint8Array,
    callback: ((error: DTLSError | null) => void) | undefined,
  ): SendOutcome {
    if (callback === undefined && this.#driver.gathers) {
      sendBatch.add(this.#core, slot, generation, message);
      this.#driver.sendSoon();
      return SendOutcome.Sent;
    }
    const token = callback === undefined ? 0 : this.#expect(callback);
    const outcome = this.core.send(slot, generation, message, token);
    if (outcome !== SendOutcome.Sent && token !== 0) this.#sendCallbacks.delete(token);
    this.flushSoon();
    return outcome;
  }

  /** The token by which `callback` will be known. */
  #expect(callback: (error: DTLSError | null) => void): number {
    const token = this.#nextToken;
    this.#nextToken = (this.#nextToken % 0xffffffff) + 1;
    this.#sendCallbacks.set(token, callback);
    return token;
  }

  /**
   * Sends what is none of DTLS beside it, in its place among the messages, and to the peer of a session or, with slot
   * NO_SLOT, to the one with the number {@link packetNumber} in place of the generation. `callback`: as with {@link send}.
   * False when the session has gone.
   */
  sendPacket(
    slot: number,
    generation: number,
    packet: Uint8Array,
    callback: ((error: DTLSError | null) => void) | undefined,
  ): boolean {
    if (sizeOf(packet) > LONGEST_DATAGRAM) {
      this.#refuseLongPacket(slot, generation, callback);
      return true;
    }
    if (callback === undefined && this.#driver.gathers) {
      sendBatch.add(this.#core, slot, generation, packet, true);
      this.#driver.sendSoon();
      return true;
    }
    const token = callback === undefined ? 0 : this.#expect(this.#tellingWhom(callback, slot, generation));
    const sent = this.core.sendPacket(slot, generation, packet, token);
    if (!sent && token !== 0) this.#sendCallbacks.delete(token);
    this.flushSoon();
    return sent;
  }

  /** As the system refuses what is too long for UDP; what is longer still does not go down. */
  #refuseLongPacket(slot: number, generation: number, callback: ((error: DTLSError | null) => void) | undefined): void {
    this.#transportErrors += 1;
    if (callback === undefined) return;
    const peer = this.#packetPeer(slot, generation);
    const error = ioError(systemError(errnoOf('EMSGSIZE'), 'send', peer?.address, peer?.port), peer);
    process.nextTick(callback, error);
  }

  /** Whom {@link sendPacket} means. */
  #packetPeer(slot: number, generation: number): Peer | undefined {
    return slot === NO_SLOT ? this.#packetPeers.at(generation) : this.#session(slot, generation)?.[kPeer];
  }

  /** A callback for a packet, whose error says whom it was for: the system's only has a number. */
  #tellingWhom(
    callback: (error: DTLSError | null) => void,
    slot: number,
    generation: number,
  ): (error: DTLSError | null) => void {
    const peer = this.#packetPeer(slot, generation);
    return (error) => {
      const errno = error?.errno;
      if (errno === undefined || error?.peer !== undefined) {
        callback(error);
        return;
      }
      this.#transportErrors += 1; // the callback is all that the native socket tells
      callback(peer === undefined ? error : ioError(systemError(errno, 'send', peer.address, peer.port), peer));
    };
  }

  /**
   * The number by which packets are sent to an address, until events have come.
   *
   * @throws For what is no address of this transport.
   */
  packetNumber(address: string, port: number): number {
    const known = this.#packetPeers.numberOf(address, port);
    if (known !== undefined) return known;
    this.#checkAddress({ address, port });
    this.#forgetPeers();
    const number = this.core.numberOf(address, port);
    if (this.#packetPeers.at(number) === undefined) this.#packetPeers.keep(number, this.#asHeard(address, port));
    this.#packetPeers.setNumber(address, port, number);
    return number;
  }

  #checkAddress(peer: { readonly address: string; readonly port: number }): void {
    if (this.#driver.overUdp) checkUdpDestination(peer);
    else checkNamedDestination(peer);
  }

  /**
   * What has been answered about a peer counts no more for handshakes to come, nor does what is being asked.
   *
   * @throws For what is no address of this transport.
   */
  forgetPeer(address: string, port: number): boolean {
    this.#checkAddress({ address, port });
    return this.core.forgetPeer(address, port);
  }

  /** A peer of whom nothing has been heard, as it would be heard of: the address has one spelling, whoever names it. */
  #asHeard(address: string, port: number): Peer {
    if (this.#driver.overUdp) {
      this.#isIPv6 ??= late.net.isIPv6(this.#driver.address().address);
      address = heardAs(address, this.#isIPv6);
    }
    return { address, port, family: familyOf(address) };
  }

  /** Peers of packets are forgotten when they are many, and no record names one. What waits for this call has left. */
  #forgetPeers(): void {
    if (!this.#packetPeers.crowded || !outbox.idle) return;
    this.core.forgetNumbers();
    this.#packetPeers.forget();
  }

  /** A session has a listener for packets. */
  hearPackets(handler: SessionHandler): void {
    this.#packetSessions.add(handler);
  }

  /**
   * A session's peer is at another address from now on. The peer as it is called there; undefined where the session has gone.
   * Whoever calls notes it, and says {@link flushSoon}. `check` throws where it may not be at that peer's address.
   *
   * @throws A DTLSError: the session then is where it was.
   */
  move(slot: number, generation: number, place: Place, check: ((peer: Peer) => void) | undefined): Peer | undefined {
    const peer = this.#driver.overUdp ? placeOverUdp(place, this.#boundTo()) : placeByName(place);
    const blockList = this.#server?.[kBlockList];
    if (blockList !== undefined && isBlocked(blockList, peer.address)) throw blocked(peer);
    check?.(peer);
    this.transmitNow(); // what was sent before goes where the peer was
    try {
      this.#driver.move(peer);
    } catch (error) {
      throw ioError(error, peer);
    }
    const outcome = this.core.move(slot, generation, peer.address, peer.port);
    const refusal = moveRefusal(outcome, peer);
    if (refusal !== undefined) throw refusal;
    return outcome === MoveOutcome.Moved ? (this.#packetPeers.living(peer) ?? peer) : undefined;
  }

  #boundTo(): AddressInfo {
    try {
      return this.#driver.address();
    } catch (error) {
      throw ioError(error); // its owner has closed the socket
    }
  }

  /** Sends a datagram that is none of DTLS, over a driver that can. `callback` is called later. */
  sendUnprotected(datagram: Uint8Array, peer: Peer, callback: (error: DTLSError | null) => void): void {
    const token = this.#expect(callback);
    const errno = this.#driver.sendUnprotected?.(datagram, peer, token) ?? errnoOf('ENOTSUP');
    if (errno !== 0) {
      this.#sendCallbacks.delete(token);
      reportSent(callback, ioError(systemError(errno, 'send', peer.address, peer.port), peer));
    }
    this.flushSoon();
  }

  /** Calls `handler.onDrain` once the transport takes more. */
  awaitDrain(handler: DrainHandler): void {
    this.#awaitingDrain.add(handler);
  }

  /** Follows every call down: sends, keeps the timer, and sees to it that events come when the caller has returned. */
  flush(): void {
    this.#arm();
    this.#driver.sendNow();
    turns.soon();
  }

  /**
   * Does what `flush` does, for calls that may be many: over the native socket what one tick sends leaves together at its end, as
   * does what the handlers of one wake-up and their ticks send; a long queue leaves at once.
   */
  flushSoon(): void {
    this.#arm();
    this.#driver.sendSoon();
    turns.soon();
  }

  /** Does the same in a callback of native code's: what came in was handed to the core, and events come now. */
  wake(): void {
    this.#arm();
    this.#driver.sendNow();
    turns.wake();
  }

  /** Sends now what calls have caused; their events come as with `flush`. */
  transmitNow(): void {
    this.#driver.sendNow();
    outbox.prepare();
  }

  /** The same for a session that has just begun, and is told at once when the system refuses its first flight. */
  transmitFirst(slot: number, generation: number): void {
    this.transmitNow();
    const errno = outbox.takeTransportError(this.#id, slot, generation);
    if (errno !== 0) this.#onTransportError(slot, generation, errno, 0);
  }

  /** No new sessions from now on. Those that are open live on; the last to go takes the transport along. */
  stopListening(): void {
    this.core.stopListening();
  }

  /** The server has gone. `done` is called when the transport has, or at once when others still use it. */
  leave(done: () => void): void {
    if (this.#handler !== undefined && kOnDrain in this.#handler) this.#awaitingDrain.delete(this.#handler as unknown as DrainHandler);
    this.#handler = this.#server = undefined;
    this.#driver.block(undefined);
    this.#closeIfUnused(done);
    if (!this.#closing) process.nextTick(done);
  }

  /** A session has not begun, for whose sake the endpoint was made perhaps. */
  notBegun(): void {
    this.#closeIfUnused(() => undefined);
  }

  #closeIfUnused(done: () => void): void {
    if (this.#closing || this.#handler !== undefined || this.#sessionCount > 0) return;
    this.#closing = true;
    census.bury(this);
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (!this.#driver.answersWhileClosing) outbox.unregister(this.#id);
    this.#driver.close(() => {
      // The records of its last datagrams come first.
      turns.afterwards(() => {
        outbox.unregister(this.#id);
        for (const callback of this.#sendCallbacks.values()) reportSent(callback, unsent());
        this.#sendCallbacks.clear();
        done();
      });
    });
  }

  stats(): EndpointStats {
    return this.#unheard.addTo(endpointStats(this.core, this.#transportErrors, this.#driver.counters()));
  }

  // ---- DriverHost: what the driver brings ----

  /**
   * A channel does not say when somebody subscribes, nor surely an emitter (`removeAllListeners`): to be called before
   * datagrams are handled. Records that nobody wants are not made.
   */
  noticeListeners(): void {
    const drops = channels.dropped.hasSubscribers;
    if (drops !== this.#reportsDrops) {
      this.#reportsDrops = drops;
      this.core.reportDrops(drops);
    }
    const packets = this.#wantsPackets();
    if (packets !== this.#reportsPackets) {
      this.#reportsPackets = packets;
      this.core.reportPackets(packets);
    }
    this.#forgetPeers();
  }

  #wantsPackets(): boolean {
    if (this.#handler?.[kPackets].wanted === true) return true;
    if (this.#packetSessions.size === 0) return false;
    for (const session of this.#packetSessions) {
      if (session[kPackets]?.wanted === true) return true;
      this.#packetSessions.delete(session); // its next listener adds it again
    }
    return false;
  }

  get hearsPackets(): boolean {
    return this.#reportsPackets;
  }

  unheard(size: number): void {
    this.#unheard.count(size);
  }

  drain(): void {
    const waiting = [...this.#awaitingDrain];
    this.#awaitingDrain.clear();
    for (const handler of waiting) turns.add(() => handler[kOnDrain]());
  }

  transportFailed(error: Error, peer: Peer | undefined, refused: boolean): void {
    const typed = ioError(error, peer);
    const concerned =
      peer === undefined
        ? []
        : this.#sessions.filter(
            (handler) => handler?.[kPeer].port === peer.port && handler[kPeer].address === peer.address,
          );
    this.#countTransportError(typed.code, concerned.length > 0, refused);
    const tell = (): void => {
      for (const handler of concerned) handler?.[kOnTransportError](typed);
      if (peer === undefined) this.#handler?.[kOnTransportError](typed);
      this.flush();
    };
    if (peer !== undefined && OF_ICMP.includes(typed.code)) whenRead(tell);
    else tell();
  }

  transportClosed(): void {
    for (const handler of [...this.#sessions]) {
      handler?.[kOnTransportError](
        ioError(Object.assign(new Error('the transport was closed'), { code: 'ERR_DTLS_TRANSPORT_CLOSED' })),
      );
    }
    this.#handler?.[kOnTransportClosed]();
    this.flush();
  }

  // ---- RecordSink: what the core says ----

  begin(slot: number, generation: number, peerIndex: number, question: number): void {
    const peer = this.#driver.peerAt(peerIndex);
    const server = this.#server;
    if (peer === undefined || server === undefined) return;
    const asked = question === 0 ? undefined : server[kAnsweredPeer](question);
    const known = this.#known(peer, asked);
    const handler = server[kMakeSession](slot, generation, known, question);
    this.#add(slot, generation, handler);
  }

  /** The object that there is of a peer, or one to keep: a transport may pass more than an address (dgram: the size of that datagram), or reuse the object. */
  #known(peer: Peer, otherwise?: Peer): Peer {
    const { address, port, family } = peer;
    return this.#packetPeers.living(peer) ?? otherwise ?? { address, port, family };
  }

  #onPeerQuestion(peerIndex: number, question: number): boolean {
    const peer = this.#driver.peerAt(peerIndex);
    return peer !== undefined && this.#server?.[kOnPeerQuestion](question, this.#known(peer)) === true;
  }

  /** The answer to a question about a peer; without rules it is refused. False: nobody waits for it any more. */
  answerPeer(question: number, peer: Peer, context?: NativeSecureContext, policy?: NativeSessionPolicy): boolean {
    if (this.#closing) return false;
    const waited = this.core.answerPeer(question, this.#driver.indexOf(peer), context, policy);
    this.flush();
    return waited;
  }

  #add(slot: number, generation: number, handler: SessionHandler): void {
    this.#sessions[slot] = handler;
    this.#generations[slot] = generation;
    this.#sessionCount += 1;
  }

  /** Undefined for `slot` NO_SLOT, and for a session whose slot has been released since. */
  #session(slot: number, generation: number): SessionHandler | undefined {
    return slot !== NO_SLOT && this.#generations[slot] === generation ? this.#sessions[slot] : undefined;
  }

  transmit(
    slot: number,
    generation: number,
    whom: number,
    token: number,
    datagram: NonSharedBuffer,
  ): void {
    const isPacket = isSet(whom, RecordField.TransmitPacket);
    const peer = slot !== NO_SLOT ? this.#session(slot, generation)?.[kPeer]
      : isPacket ? this.#packetPeers.at(fieldOf(whom, RecordField.TransmitPeer))
      : this.#driver.peerAt(whom);
    const callback = token === 0 ? undefined : this.#sendCallbacks.get(token);
    if (callback !== undefined) this.#sendCallbacks.delete(token);
    if (peer === undefined) {
      if (callback !== undefined) reportSent(callback, unsent());
      return;
    }
    let sending = true; // a transport of the user's may call back at once, and nobody is called back within their own call
    try {
      const told =
        callback &&
        ((error: Error | null) => {
          // What carries the datagrams has errors of its own.
          const typed = error === null ? null : ioError(error, peer, hintOfSend(error, peer));
          if (sending) reportSent(callback, typed);
          else callback(typed);
        });
      const done = isPacket
        ? (error: Error | null): void => {
            if (error !== null) this.#transportErrors += 1;
            told?.(error);
          }
        : told;
      this.#driver.transmit?.(datagram, peer, done, isPacket);
      sending = false;
    } catch (error) {
      // A transport of the user's may throw; the pass must go on for the others.
      const typed = ioError(error, peer);
      process.nextTick(() => {
        if (isPacket) this.#transportErrors += 1;
        else this.transportFailed(typed, peer, true);
        if (callback !== undefined) reportSent(callback, typed);
      });
    }
  }

  dispatch(
    type: number,
    slot: number,
    generation: number,
    a: number,
    b: number,
    record: number,
  ): boolean {
    if (type === RecordType.Sent) {
      const callback = this.#sendCallbacks.get(a);
      this.#sendCallbacks.delete(a);
      if (callback === undefined) return false;
      callback(b === 0 ? null : ioError(systemError(b, 'send')));
      return true;
    }
    if (type === RecordType.TransportError) {
      this.#onTransportError(slot, generation, a, b);
      return true;
    }
    if (type === RecordType.Dropped) {
      this.#onDropped(slot, generation, a, b, outbox.bytes(record));
      return false;
    }
    if (type === RecordType.PeerQuestion) return this.#onPeerQuestion(a, b);
    if (type === RecordType.Packet) return this.#onPacket(slot, generation, a, b, record);
    const handler = this.#session(slot, generation);
    if (handler === undefined) return false;
    if (type === RecordType.Message) {
      const borrowed = handler[kBorrowsMessages];
      if (!handler[kBatchesMessages]) return handler[kOnMessage](borrowed ? outbox.borrow(record) : outbox.bytes(record));
      handler[kOnMessages](outbox.run(record, borrowed));
      return false;
    }
    // A Buffer each for those that have no bytes, and that there are a dozen of in a handshake, would take as long as the rest.
    const bare =
      type === RecordType.Handshake || type === RecordType.Alert || type === RecordType.KeyLimit;
    return handler[kOnRecord](type, a, b, bare ? NOTHING : outbox.bytes(record));
  }

  /** To the session of its peer, where somebody listens there, or to whoever has the port. */
  #onPacket(slot: number, generation: number, index: number, number: number, record: number): boolean {
    const session = this.#session(slot, generation);
    const peer = this.#packetPeers.at(number) ?? this.#peerOfPacket(session, index, number);
    const sessions = session?.[kPackets];
    const hearer = sessions?.wanted === true ? sessions : this.#handler?.[kPackets];
    if (peer === undefined || hearer === undefined) return false;
    const borrowed = hearer.borrows;
    if (!hearer.batches) return hearer.onPacket(borrowed ? outbox.borrow(record) : outbox.bytes(record), peer);
    hearer.onPackets(outbox.run(record, borrowed), peer);
    return false;
  }

  #peerOfPacket(session: SessionHandler | undefined, index: number, number: number): Peer | undefined {
    const found = session?.[kPeer] ?? this.#driver.peerAt(index);
    if (found === undefined) return undefined;
    // As in begin().
    const { address, port, family } = found;
    return this.#packetPeers.keep(number, session === undefined ? { address, port, family } : found);
  }

  #onDropped(slot: number, generation: number, index: number, length: number, bytes: NonSharedBuffer): void {
    const peer = this.#driver.peerAt(index);
    if (peer === undefined || !channels.dropped.hasSubscribers) return;
    const { address, port, family } = peer;
    channels.dropped.publish({
      socket: this.#session(slot, generation)?.[kSocket],
      peer: { address, port, family },
      length,
      reasons: readDrops(bytes),
    });
  }

  /** `what`: as TRANSPORT_ERROR says it in its `b`. */
  #onTransportError(slot: number, generation: number, errno: number, what: number): void {
    const refused = isSet(what, RecordField.TransportRefused);
    const handler = this.#session(slot, generation);
    if (handler !== undefined) {
      const { [kPeer]: peer } = handler;
      const error = ioError(systemError(errno, 'send', peer.address, peer.port), peer);
      this.#countTransportError(error.code, true, refused);
      handler[kOnTransportError](error);
      return;
    }
    const code = systemErrorCode(errno);
    this.#countTransportError(code, false, refused);
    // Clients that have gone refuse a server's last words: many an error that no server hears of.
    if (slot !== NO_SLOT || (this.#server !== undefined && OF_ICMP.includes(code))) return;
    this.#handler?.[kOnTransportError](
      ioError(systemError(errno, refused ? 'send' : 'recvmsg')),
      isSet(what, RecordField.TransportBroke),
    );
  }

  /** `refused`: a datagram did not leave. Such an error may have a number of ICMP's, and is about nothing that came back. */
  #countTransportError(code: string, hasSession: boolean, refused: boolean): void {
    if (hasSession || refused || !OF_ICMP.includes(code)) this.#transportErrors += 1;
  }

  /** The session's CLOSE record has been seen: its slot may be used again. */
  release(slot: number, generation: number): void {
    const handler = this.#session(slot, generation);
    if (handler === undefined) return;
    this.#awaitingDrain.delete(handler);
    this.#packetSessions.delete(handler);
    this.#sessions[slot] = undefined;
    this.#sessionCount -= 1;
    this.core.release(slot, generation);
    this.#closeIfUnused(() => undefined);
  }

  // ---- time ----

  #arm(): void {
    const at = this.#deadline[0] ?? Infinity;
    // A timer that fires early finds nothing due and is set again: cheaper than moving it each time.
    if (at >= this.#timerAt || this.#closing) return;
    // Who calls may be ended within any of these calls, by a timeout of node:vm: a timer is noted once there is one.
    this.#timerAt = Infinity;
    clearTimeout(this.#timer);
    const delay = Math.min(Math.max(Math.ceil(at - native.now()), 0), MAX_TIMEOUT);
    const timer = setTimeout(this.#onTimer, delay);
    if (!this.#referenced) timer.unref();
    this.#timer = timer;
    this.#timerAt = at;
  }

  /** What has come is read first: a loop that was held up has datagrams to read that came in time. */
  readonly #onTimer = (): void => {
    this.#timer = undefined;
    // Counts for the loop also where the endpoint does not: the loop sleeps over an immediate that does not count, until
    // something else wakes it. It is of this turn, and keeps no process that the timer has not found alive.
    setImmediate(() => {
      this.#timerAt = Infinity;
      if (this.#closing) return;
      this.core.advance();
      this.flush();
    });
  };
}

/** The callback of a `send` has a turn of its own, as any event. */
function reportSent(callback: (error: DTLSError | null) => void, error: DTLSError | null): void {
  turns.add(() => {
    callback(error);
    return true;
  });
}
