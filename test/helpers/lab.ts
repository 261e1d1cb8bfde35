/**
 * A network in memory: `DatagramTransport`s that reach one another over a link which loses, delays,
 * reorders, duplicates, truncates and corrupts by a seeded generator, and counts all it does.
 *
 * ```ts
 * const link = new Link('seed', { loss: 0.3, reorder: 0.2 });
 * const server = createServer({ cert, key, transport: link.attach('10.0.0.1', 5684) });
 * const client = connect({ host: '10.0.0.1', port: 5684, ca, transport: link.attach('10.0.0.2') });
 * ```
 */
import { isIPv6, type AddressInfo } from 'node:net';
import type { DatagramReceiver, DatagramTransport, Peer } from '../../lib/index';

/** What the link does to datagrams. Probabilities are 0 to 1; what is left out does not happen. */
export interface LinkConditions {
  readonly loss?: number;
  readonly duplicate?: number;
  /** Held back until one to eight others have overtaken it, or 5 ms have passed. */
  readonly reorder?: number;
  /** Milliseconds: a fixed number, or from the first to the second. */
  readonly delay?: number | readonly [least: number, most: number];
  /** Cut to a random length of one byte or more. */
  readonly truncate?: number;
  /** One bit of it flipped. */
  readonly corrupt?: number;
  /** Longer datagrams vanish, as on a path that drops what it would have to fragment. */
  readonly mtu?: number;
}

/**
 * What became of datagrams: `sent + injected + duplicated` is
 * `delivered + lost + tooBig + swallowed + unreachable`, and what is still on its way.
 */
export interface LinkCounters {
  sent: number;
  injected: number;
  duplicated: number;
  delivered: number;
  lost: number;
  tooBig: number;
  /** `intercept` kept it. */
  swallowed: number;
  /** Nobody at that address. */
  unreachable: number;
  reordered: number;
  delayed: number;
  truncated: number;
  corrupted: number;
}

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

const noCounters = (): LinkCounters => ({
  sent: 0,
  injected: 0,
  duplicated: 0,
  delivered: 0,
  lost: 0,
  tooBig: 0,
  swallowed: 0,
  unreachable: 0,
  reordered: 0,
  delayed: 0,
  truncated: 0,
  corrupted: 0,
});

/** Numbers from 0 to 1, the same ones for the same seed (mulberry32 over an FNV-1a hash). */
export function seededRandom(seed: string): () => number {
  let state = 0x811c9dc5;
  for (const byte of Buffer.from(seed)) state = Math.imul(state ^ byte, 0x01000193);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x100000000;
  };
}

export function peerOf(address: string, port: number): Peer {
  return { address, port, family: isIPv6(address) ? 'IPv6' : 'IPv4' };
}

const nameOf = ({ address, port }: Peer): string => `${address} ${port}`;

/** From one address to another: has its own random numbers, so that directions do not mix them. */
class Direction {
  readonly counters = noCounters();
  readonly #random: () => number;
  readonly #held = new Set<{ overtake: number; release: () => void }>();

  constructor(seed: string) {
    this.#random = seededRandom(seed);
  }

  happens(probability = 0): boolean {
    return probability > 0 && this.#random() < probability;
  }

  /** A whole number from `least` to `most`. */
  number(least: number, most: number): number {
    return least === most ? least : least + Math.floor(this.#random() * (most - least + 1));
  }

  hold(release: () => void): void {
    const held = {
      overtake: this.number(1, MOST_OVERTAKING),
      release: () => {
        clearTimeout(timer);
        if (this.#held.delete(held)) release();
      },
    };
    const timer = setTimeout(held.release, LONGEST_HOLD_MS);
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
  #receiver: DatagramReceiver | undefined;

  constructor(link: Link, peer: Peer) {
    this.#link = link;
    this.#peer = peer;
  }

  start(receiver: DatagramReceiver): void {
    this.#receiver = receiver;
  }

  send(
    datagrams: readonly Uint8Array[],
    peer: Peer,
    done?: (error: Error | null) => void,
  ): boolean {
    for (const datagram of datagrams) this.#link.carry(datagram, this.#peer, peer);
    if (done !== undefined) process.nextTick(done, null);
    return true;
  }

  address(): AddressInfo {
    return { ...this.#peer };
  }

  close(done: () => void): void {
    this.#receiver = undefined;
    this.#link.detach(this.#peer, this);
    process.nextTick(done);
  }

  /** False when nobody listens here, or any more. */
  deliver(datagram: Uint8Array, from: Peer): boolean {
    if (this.#receiver === undefined) return false;
    this.#receiver.receive(datagram, from);
    return true;
  }
}

export class Link {
  /** May be changed at any time. */
  conditions: LinkConditions;
  /** What goes on in place of a datagram that is sent; null keeps it. */
  intercept: ((transit: Transit) => Uint8Array | null) | undefined;
  /** Sees each datagram that was sent, and how many copies of it go on: 0 when it is lost. */
  observe: ((transit: Transit, copies: number) => void) | undefined;

  readonly #seed: string;
  readonly #ends = new Map<string, LinkEnd>();
  readonly #directions = new Map<string, Direction>();
  #nextPort = 49152;

  constructor(seed: string, conditions: LinkConditions = {}) {
    this.#seed = seed;
    this.conditions = conditions;
  }

  /**
   * A transport with that address. Where there was one before, as when a host restarts, what comes
   * in goes to the new one from now on; the old one can still send.
   */
  attach(address: string, port = this.#nextPort++): DatagramTransport {
    const peer = peerOf(address, port);
    const end = new LinkEnd(this, peer);
    this.#ends.set(nameOf(peer), end);
    return end;
  }

  /** Called by a transport that closes. */
  detach(peer: Peer, end: DatagramTransport): void {
    if (this.#ends.get(nameOf(peer)) === end) this.#ends.delete(nameOf(peer));
  }

  /** Counters of one direction. */
  counters(from: Peer, to: Peer): LinkCounters {
    return { ...this.#direction(from, to).counters };
  }

  /** Counters of all directions together. */
  get totals(): LinkCounters {
    const totals = noCounters();
    for (const { counters } of this.#directions.values()) {
      for (const name of Object.keys(totals) as (keyof LinkCounters)[]) {
        totals[name] += counters[name];
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
    direction.counters.injected += 1;
    setImmediate(() => {
      this.#deliver(direction, datagram, from, to);
    });
  }

  /** Called by a transport that sends. */
  carry(datagram: Uint8Array, from: Peer, to: Peer): void {
    const direction = this.#direction(from, to);
    const transit = { datagram, from, to, index: direction.counters.sent++ };
    const going = this.intercept === undefined ? datagram : this.intercept(transit);
    if (going === null) direction.counters.swallowed += 1;
    const copies = going === null ? 0 : this.#copies(direction, going);
    for (let copy = 0; going !== null && copy < copies; ++copy) {
      this.#send(direction, going, from, to);
    }
    this.observe?.(transit, copies);
  }

  #direction(from: Peer, to: Peer): Direction {
    const name = `${nameOf(from)} ${nameOf(to)}`;
    let direction = this.#directions.get(name);
    if (direction === undefined) {
      direction = new Direction(`${this.#seed} ${name}`);
      this.#directions.set(name, direction);
    }
    return direction;
  }

  #copies(direction: Direction, datagram: Uint8Array): number {
    const { counters } = direction;
    if (datagram.length > (this.conditions.mtu ?? Infinity)) {
      counters.tooBig += 1;
      return 0;
    }
    if (direction.happens(this.conditions.loss)) {
      counters.lost += 1;
      return 0;
    }
    if (!direction.happens(this.conditions.duplicate)) return 1;
    counters.duplicated += 1;
    return 2;
  }

  #send(direction: Direction, original: Uint8Array, from: Peer, to: Peer): void {
    const { counters } = direction;
    const { truncate, corrupt, delay = 0, reorder } = this.conditions;
    let datagram = original;
    if (datagram.length > 1 && direction.happens(truncate)) {
      counters.truncated += 1;
      datagram = datagram.subarray(0, direction.number(1, datagram.length - 1));
    }
    if (datagram.length > 0 && direction.happens(corrupt)) {
      counters.corrupted += 1;
      datagram = Uint8Array.from(datagram);
      const at = direction.number(0, datagram.length - 1);
      datagram[at] = (datagram[at] ?? 0) ^ (1 << direction.number(0, 7));
    }
    const arrive = (): void => {
      this.#deliver(direction, datagram, from, to);
    };
    const [least, most] = typeof delay === 'number' ? [delay, delay] : delay;
    const wait = direction.number(least, most);
    if (wait > 0) counters.delayed += 1;
    const leave = (): void => {
      if (wait > 0) setTimeout(arrive, wait);
      else setImmediate(arrive);
    };
    if (direction.happens(reorder)) {
      counters.reordered += 1;
      direction.hold(leave);
    } else {
      leave();
      direction.overtake();
    }
  }

  #deliver(direction: Direction, datagram: Uint8Array, from: Peer, to: Peer): void {
    // A copy: a receiver that writes into it must not reach the sender's memory.
    const arrived = this.#ends.get(nameOf(to))?.deliver(Uint8Array.from(datagram), from) ?? false;
    if (arrived) direction.counters.delivered += 1;
    else direction.counters.unreachable += 1;
  }
}
