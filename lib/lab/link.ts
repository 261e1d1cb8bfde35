/**
 * A network in memory: `DatagramTransport`s that reach one another over a link which loses (one by one
 * or in bursts), delays, reorders, duplicates, truncates and corrupts by a seeded generator, moves its
 * ends to new addresses as a NAT does, and counts all it does.
 *
 * ```ts
 * const link = new Link('seed', { loss: 0.3, reorder: 0.2 });
 * const server = createServer({ cert, key, transport: link.attach('10.0.0.1', 5684) });
 * const client = connect({ host: '10.0.0.1', port: 5684, ca, transport: link.attach('10.0.0.2') });
 * ```
 */
import { isIPv6, type AddressInfo } from 'node:net';

import { kCarry, kDetach } from '../base/internals';
import type { Peer } from '../base/peer';
import { checkNames, checkObject } from '../checks/validate';
import { usageError } from '../errors/errors';
import type { DatagramReceiver, DatagramTransport } from '../transport/transport';
import { checkPlace, settable } from './checks';
import { realClock, type Clock } from './clock';
import { noCounters, Path, type LinkConditions, type LinkCounters } from './path';
import { checkSeed } from './random';

/** One datagram on its way. */
export interface Transit {
  readonly datagram: Uint8Array;
  readonly from: Peer;
  readonly to: Peer;
  /** Counts the datagrams of this direction from 0. */
  readonly index: number;
}

const LONGEST_HOLD_MS = 5;
const MOST_OVERTAKING = 8;

/**
 * The peer at an address.
 *
 * @throws {@link DTLSError} for what is no IP address, or no port from 1 to 65535.
 */
export function peerOf(address: string, port: number): Peer {
  return { address, port: checkPlace(address, port), family: isIPv6(address) ? 'IPv6' : 'IPv4' };
}

const nameOf = ({ address, port }: Peer): string => `${address} ${String(port)}`;

/** One direction: a path, and the datagrams that wait to be overtaken. */
class Direction {
  readonly path: Path;
  readonly #held = new Set<{ overtake: number; release: () => void }>();

  readonly #clock: Clock;

  constructor(seed: string, clock: Clock) {
    this.path = new Path(seed);
    this.#clock = clock;
  }

  hold(release: () => void): void {
    const held = {
      overtake: this.path.number(1, MOST_OVERTAKING),
      release: () => {
        cancel();
        if (this.#held.delete(held)) release();
      },
    };
    const cancel = this.#clock.after(LONGEST_HOLD_MS, held.release);
    this.#held.add(held);
  }

  /** One that was not held back has gone by. */
  overtake(): void {
    for (const held of [...this.#held]) {
      held.overtake -= 1;
      if (held.overtake === 0) held.release();
    }
  }
}

class LinkEnd implements DatagramTransport {
  readonly #link: Link;
  readonly #peer: Peer;
  /** Its address as the others see it: another one behind a NAT that has forgotten it. */
  seenAs: Peer;
  #receiver: DatagramReceiver | undefined;

  constructor(link: Link, peer: Peer) {
    this.#link = link;
    this.#peer = peer;
    this.seenAs = peer;
  }

  start(receiver: DatagramReceiver): void {
    this.#receiver = receiver;
  }

  send(
    datagrams: readonly Uint8Array[],
    peer: Peer,
    done?: (error: Error | null) => void,
  ): boolean {
    for (const datagram of datagrams) this.#link[kCarry](datagram, this.seenAs, peer);
    if (done !== undefined) process.nextTick(done, null);
    return true;
  }

  address(): AddressInfo {
    return { ...this.#peer };
  }

  close(done: () => void): void {
    this.#receiver = undefined;
    this.#link[kDetach](this.seenAs, this);
    process.nextTick(done);
  }

  /** False when nobody listens here, or any more. */
  deliver(datagram: Uint8Array, from: Peer): boolean {
    if (this.#receiver === undefined) return false;
    this.#receiver.receive(datagram, from);
    return true;
  }
}

/** A network in memory. The same seed gives the same decisions for the same datagrams. */
export class Link {
  /** What goes on in place of a datagram that is sent; null keeps it. */
  intercept: ((transit: Transit) => Uint8Array | null) | undefined;
  /** Sees each datagram that was sent, and how many copies of it go on: 0 when it is lost. */
  observe: ((transit: Transit, copies: number) => void) | undefined;

  #conditions: LinkConditions;
  #shown: LinkConditions;
  readonly #seed: string;
  readonly #clock: Clock;
  readonly #ends = new Map<string, LinkEnd>();
  readonly #directions = new Map<string, Direction>();
  #nextPort = 49152;

  /**
   * @param clock - Internal. Default: the machine's.
   * @throws {@link DTLSError} for a condition that is unknown, of a wrong type or out of range.
   */
  constructor(seed: string, conditions: LinkConditions = {}, clock: Clock = realClock) {
    this.#seed = checkSeed(seed);
    [this.#conditions, this.#shown] = settable(conditions);
    this.#clock = clock;
  }

  /** May be changed at any time, one by one or by others in their place: what is set is checked. */
  get conditions(): LinkConditions {
    return this.#shown;
  }

  set conditions(conditions: LinkConditions) {
    [this.#conditions, this.#shown] = settable(conditions);
  }

  /**
   * A transport with that address. Where there was one before, as when a host restarts, what comes
   * in goes to the new one from now on; the old one can still send.
   *
   * @throws {@link DTLSError} for what is no IP address, or no port from 1 to 65535.
   */
  attach(address: string, port = this.#nextPort++): DatagramTransport {
    const peer = peerOf(address, port);
    const end = new LinkEnd(this, peer);
    this.#ends.set(nameOf(peer), end);
    return end;
  }

  /**
   * A NAT in front of `transport` forgets it: from now on its datagrams come from another port, or from
   * `to`, and what is sent to the address before reaches nobody. The transport itself does not notice.
   *
   * @returns The new address, as the others see it.
   * @throws {@link DTLSError} `ERR_INVALID_ARG_VALUE` for a transport that is not of this link.
   */
  rebind(transport: DatagramTransport, to?: { address?: string; port?: number }): Peer {
    if (!(transport instanceof LinkEnd) || this.#ends.get(nameOf(transport.seenAs)) !== transport) {
      throw usageError('ERR_INVALID_ARG_VALUE', "'transport' is not attached to this link", 'Pass what attach() of this link returned, and is not closed.');
    }
    if (to !== undefined) {
      checkObject('to', to);
      checkNames(to, ['address', 'port']);
    }
    const { address } = transport.seenAs;
    const seenAs = peerOf(to?.address ?? address, to?.port ?? this.#nextPort++);
    this.#ends.delete(nameOf(transport.seenAs));
    transport.seenAs = seenAs;
    this.#ends.set(nameOf(transport.seenAs), transport);
    return transport.seenAs;
  }

  /** @internal A transport that closes calls this. */
  [kDetach](peer: Peer, end: DatagramTransport): void {
    if (this.#ends.get(nameOf(peer)) === end) this.#ends.delete(nameOf(peer));
  }

  /** Counters of one direction. */
  counters(from: Peer, to: Peer): LinkCounters {
    return { ...this.#direction(from, to).path.counters };
  }

  /** Counters of all directions together. */
  get totals(): LinkCounters {
    const totals = noCounters();
    for (const { path } of this.#directions.values()) {
      for (const name of Object.keys(totals) as (keyof LinkCounters)[]) {
        totals[name] += path.counters[name];
      }
    }
    return totals;
  }

  /** Datagrams, their copies included, that have yet to arrive. */
  get inFlight(): number {
    const { sent, injected, duplicated, ...ended } = this.totals;
    const { delivered, lost, tooBig, swallowed, unreachable } = ended;
    return sent + injected + duplicated - delivered - lost - tooBig - swallowed - unreachable;
  }

  /** Delivers a datagram as it is, in a later turn, whoever it claims to come from. */
  inject(datagram: Uint8Array, from: Peer, to: Peer): void {
    const direction = this.#direction(from, to);
    direction.path.counters.injected += 1;
    this.#clock.after(0, () => {
      this.#deliver(direction, datagram, from, to);
    });
  }

  /** @internal A transport that sends calls this. */
  [kCarry](datagram: Uint8Array, from: Peer, to: Peer): void {
    const direction = this.#direction(from, to);
    const { counters } = direction.path;
    const transit = { datagram, from, to, index: counters.sent++ };
    const going = this.intercept === undefined ? datagram : this.intercept(transit);
    if (going === null) counters.swallowed += 1;
    const copies = going === null ? [] : direction.path.fates(going, this.#conditions);
    for (const copy of copies) {
      const leave = (): void => {
        const arrive = (): void => {
          this.#deliver(direction, copy.datagram, from, to);
        };
        this.#clock.after(copy.delay, arrive);
      };
      if (copy.reordered) {
        direction.hold(leave);
      } else {
        leave();
        direction.overtake();
      }
    }
    this.observe?.(transit, copies.length);
  }

  #direction(from: Peer, to: Peer): Direction {
    const name = `${nameOf(from)} ${nameOf(to)}`;
    let direction = this.#directions.get(name);
    if (direction === undefined) {
      direction = new Direction(`${this.#seed} ${name}`, this.#clock);
      this.#directions.set(name, direction);
    }
    return direction;
  }

  #deliver(direction: Direction, datagram: Uint8Array, from: Peer, to: Peer): void {
    // A copy: a receiver that writes into it must not reach the sender's memory.
    const arrived = this.#ends.get(nameOf(to))?.deliver(Uint8Array.from(datagram), from) ?? false;
    if (arrived) direction.path.counters.delivered += 1;
    else direction.path.counters.unreachable += 1;
  }
}
