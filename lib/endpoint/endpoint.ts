import type { AddressInfo } from 'node:net';

import type { DTLSSocket } from '../base/dtls-socket';
import { kBlockList, kOnDrain, kOnTransportClosed, kOnTransportError, kPackets, kPeer, kSocket } from '../base/internals';
import type { Peer } from '../base/peer';
import { isBlocked } from '../transport/block-list';
import { census, type CountedEndpoint } from './census';
import { channels } from '../diagnostics/channels';
import { closedBelow, ioError } from '../errors/errors';
import { errnoOf, systemError } from '../errors/system-error';
import { native, type NativeEndpoint, type NativeSecureContext, type NativeSessionPolicy } from '../core/native';
import type { Driver, DriverHost } from '../transport/driver';
import { sizeOf } from '../base/memory';
import { LONGEST_DATAGRAM } from '../transport/transport-driver';
import { outbox, turns } from '../core/outbox';
import { SendOutcome } from '../core/outcomes';
import { sendBatch } from '../core/send-batch';
import { endpointStats, Unheard, type EndpointStats } from '../core/stats';
import { DeadlineTimer } from './deadline-timer';
import type { DrainHandler, EndpointOwner, ServerHandler, SessionHandler, TransportHandler } from './handlers';
import { blocked, mayMove, placeByName, placeOverUdp, type Place } from './moving';
import { PacketDestinations } from './packet-destinations';
import { PacketListeners } from './packet-listeners';
import { PacketPeers } from './packet-peers';
import { EndpointRecords } from './records';
import { reportSent, SendTokens, type Sent } from './send-tokens';
import { SessionTable } from './session-table';
import { TransportErrors } from './transport-errors';

/**
 * One transport and all the sessions behind it: its driver hands datagrams down, the endpoint takes records up and
 * keeps one timer. Shared by everybody who brings the same transport.
 */
export class Endpoint implements DriverHost, CountedEndpoint {
  readonly #core: NativeEndpoint;
  readonly #records: EndpointRecords;
  /** Sessions that this side has begun. */
  #dialled = 0;
  readonly #id: number;
  readonly #driver: Driver;
  readonly #sessions = new SessionTable();
  readonly #awaitingDrain = new Set<DrainHandler>();
  readonly #packetPeers = new PacketPeers();
  /** Numbers for those to whom {@link sendPacket} sends. */
  readonly packetDestinations: PacketDestinations;
  readonly packetListeners: PacketListeners;
  readonly #unheard = new Unheard();
  readonly #tokens = new SendTokens();
  readonly #owner: EndpointOwner = { handler: undefined, server: undefined };
  readonly #transportErrors = new TransportErrors(this.#sessions, this.#owner, () => {
    this.flush();
  });
  readonly #timer = new DeadlineTimer(() => {
    this.core.advance();
    this.flush();
  });
  #serves = false;
  #measuring = 0;
  #closing = false;
  #reportsDrops = false;
  #reportsPackets = false;

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
    this.packetListeners = new PacketListeners(driver, this.#sessions, this.#packetPeers);
    const records = this.#records = new EndpointRecords({
      driver,
      sessions: this.#sessions,
      owner: this.#owner,
      tokens: this.#tokens,
      packetPeers: this.#packetPeers,
      packetListeners: this.packetListeners,
      transportErrors: this.#transportErrors,
      abandon: (slot, generation) => {
        this.core.close(slot, generation, false);
        this.core.release(slot, generation);
      },
    });
    let id = 0;
    outbox.register((given) => {
      id = given;
      return records;
    });
    this.#id = id;
    this.#core = new native.Endpoint(outbox.native, id, this.#timer.deadline);
    this.packetDestinations = new PacketDestinations(
      this.#core,
      driver,
      this.#sessions,
      this.#packetPeers,
      this.#transportErrors,
    );
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
    return sendBatch.drained(this.#core);
  }

  get serves(): boolean {
    return this.#serves;
  }

  *sockets(): Iterable<DTLSSocket> {
    for (const handler of this.#sessions.all()) yield handler[kSocket];
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
    this.#driver.ref();
    this.#timer.ref();
  }

  unref(): void {
    this.#driver.unref();
    this.#timer.unref();
  }

  // ---- sessions and the server ----

  /** Stays for the sessions to come, and serves nobody. False when there is a handler on this transport already. */
  stay(handler: TransportHandler): boolean {
    if (this.#owner.handler !== undefined) return false;
    this.#owner.handler = handler;
    this.#serves = true;
    return true;
  }

  /** Serves. False when there is a handler on this transport already. */
  listen(server: ServerHandler): boolean {
    if (!this.stay(server)) return false;
    this.#owner.server = server;
    this.#records.beginsWith(this.stats().handshakesStarted - this.#dialled);
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
    this.#dialled += 1;
    this.#sessions.add(slot, generation, handler);
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
    callback: Sent | undefined,
  ): SendOutcome {
    if (callback === undefined && this.#driver.gathers) {
      sendBatch.add(this.#core, slot, generation, message);
      this.#driver.sendSoon();
      return SendOutcome.Sent;
    }
    const token = callback === undefined ? 0 : this.#tokens.expect(callback);
    const outcome = this.core.send(slot, generation, message, token);
    if (outcome !== SendOutcome.Sent && token !== 0) this.#tokens.take(token);
    this.flushSoon();
    return outcome;
  }

  /**
   * Sends what is none of DTLS beside it, in its place among the messages, and to the peer of a session or, with slot
   * NO_SLOT, to the one with the number {@link PacketDestinations.numberOf} in place of the generation. `callback`: as with {@link send}.
   * False when the session has gone.
   */
  sendPacket(
    slot: number,
    generation: number,
    packet: Uint8Array,
    callback: Sent | undefined,
  ): boolean {
    if (sizeOf(packet) > LONGEST_DATAGRAM) {
      this.packetDestinations.refuseLong(slot, generation, callback);
      return true;
    }
    if (callback === undefined && this.#driver.gathers) {
      sendBatch.add(this.#core, slot, generation, packet, true);
      this.#driver.sendSoon();
      return true;
    }
    const token = callback === undefined ? 0 : this.#tokens.expect(this.packetDestinations.tellingWhom(callback, slot, generation));
    const sent = this.core.sendPacket(slot, generation, packet, token);
    if (!sent && token !== 0) this.#tokens.take(token);
    this.flushSoon();
    return sent;
  }

  /**
   * What has been answered about a peer counts no more for handshakes to come, nor does what is being asked: the number of
   * that question, or 0. One behind `lastPut` has yet to come here.
   *
   * @throws For what is no address of this transport.
   */
  forgetPeer(address: string, port: number, lastPut: number): number {
    this.packetDestinations.checkAddress({ address, port });
    return this.core.forgetPeer(address, port, lastPut);
  }

  /**
   * A session's peer is at another address from now on. The peer as it is called there; undefined where the session has gone.
   * Whoever calls notes it, and says {@link flushSoon}. `check` throws where it may not be at that peer's address.
   *
   * @throws A DTLSError: the session then is where it was.
   */
  move(slot: number, generation: number, place: Place, check: ((peer: Peer) => void) | undefined): Peer | undefined {
    const peer = this.#driver.overUdp ? placeOverUdp(place, this.#boundTo()) : placeByName(place, this.#driver);
    const blockList = this.#owner.server?.[kBlockList];
    if (blockList !== undefined && isBlocked(blockList, peer.address)) throw blocked(peer);
    check?.(peer);
    // A socket that is connected to its peer must not follow a session that stays.
    if (!mayMove(this.core.mayMove(slot, generation, peer.address, peer.port), peer)) return undefined;
    this.transmitNow(); // what was sent before goes where the peer was
    try {
      this.#driver.move(peer);
    } catch (error) {
      throw ioError(error, peer);
    }
    const outcome = this.core.move(slot, generation, peer.address, peer.port);
    return mayMove(outcome, peer) ? (this.#packetPeers.living(peer) ?? peer) : undefined;
  }

  #boundTo(): AddressInfo {
    try {
      return this.#driver.address();
    } catch (error) {
      throw ioError(error); // its owner has closed the socket
    }
  }

  /** Sends a datagram that is none of DTLS, over a driver that can. `callback` is called later. */
  sendUnprotected(datagram: Uint8Array, peer: Peer, callback: Sent): void {
    const token = this.#tokens.expect(callback);
    const errno = this.#driver.sendUnprotected?.(datagram, peer, token) ?? errnoOf('ENOTSUP');
    if (errno !== 0) {
      this.#tokens.take(token);
      reportSent(callback, ioError(systemError(errno, 'send', peer.address, peer.port), peer));
    }
    this.flushSoon();
  }

  /** Calls `kOnDrain` of `handler` once the transport takes more. */
  awaitDrain(handler: DrainHandler): void {
    this.#awaitingDrain.add(handler);
  }

  /** Follows every call down: sends, keeps the timer, and sees to it that events come when the caller has returned. */
  flush(): void {
    this.#timer.arm();
    this.#driver.sendNow();
    turns.soon();
  }

  /**
   * Does what `flush` does, for calls that may be many: over the native socket what one tick sends leaves together at its end, as
   * does what the handlers of one wake-up and their ticks send; a long queue leaves at once.
   */
  flushSoon(): void {
    this.#timer.arm();
    this.#driver.sendSoon();
    turns.soon();
  }

  /** Does the same in a callback of native code's: what came in was handed to the core, and events come now. */
  wake(): void {
    this.#timer.arm();
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
    if (errno !== 0) this.#transportErrors.onRecord(slot, generation, errno, 0);
  }

  /** No new sessions from now on. Those that are open live on; the last to go takes the transport along. */
  stopListening(): void {
    this.core.stopListening();
  }

  /** The server has gone. `done` is called when the transport has, or at once when others still use it. */
  leave(done: () => void): void {
    if (this.#owner.handler !== undefined && kOnDrain in this.#owner.handler) this.#awaitingDrain.delete(this.#owner.handler as unknown as DrainHandler);
    this.#owner.handler = this.#owner.server = undefined;
    this.#driver.block(undefined);
    this.#closeIfUnused(done);
    if (!this.#closing) process.nextTick(done);
  }

  /** A session has not begun, for whose sake the endpoint was made perhaps. */
  notBegun(): void {
    this.#closeIfUnused(() => undefined);
  }

  #closeIfUnused(done: () => void): void {
    if (this.#closing || this.#owner.handler !== undefined || this.#sessions.count > 0) return;
    this.#closing = true;
    census.bury(this);
    this.#timer.stop();
    if (!this.#driver.answersWhileClosing) outbox.unregister(this.#id);
    this.#driver.close(() => {
      // The records of its last datagrams come first.
      turns.afterwards(() => {
        outbox.unregister(this.#id);
        this.#tokens.close();
        done();
      });
    });
  }

  stats(): EndpointStats {
    return this.#unheard.addTo(endpointStats(this.core, this.#transportErrors.count, this.#driver.counters()));
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
    const packets = this.packetListeners.wanted(this.#owner.handler?.[kPackets]);
    if (packets !== this.#reportsPackets) {
      this.#reportsPackets = packets;
      this.core.reportPackets(packets);
    }
    this.packetDestinations.forgetPeers();
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
    this.#transportErrors.onError(error, peer, refused);
  }

  transportClosed(): void {
    for (const handler of [...this.#sessions.all()]) handler[kOnTransportError](closedBelow());
    this.#owner.handler?.[kOnTransportClosed]();
    this.flush();
  }

  /** The answer to a question about a peer; without rules it is refused. False: nobody waits for it any more. */
  answerPeer(question: number, peer: Peer, context?: NativeSecureContext, policy?: NativeSessionPolicy): boolean {
    if (this.#closing) return false;
    const waited = this.core.answerPeer(question, this.#driver.indexOf(peer), context, policy);
    this.flush();
    return waited;
  }

  /** The session's CLOSE record has been seen: its slot may be used again. */
  release(slot: number, generation: number): void {
    const handler = this.#sessions.at(slot, generation);
    if (handler === undefined) return;
    this.#awaitingDrain.delete(handler);
    this.packetListeners.delete(handler);
    this.#sessions.release(slot);
    this.core.release(slot, generation);
    this.#closeIfUnused(() => undefined);
  }
}
