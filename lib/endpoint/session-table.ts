/** The sessions of an endpoint, by slot: whom each is of, and in which generation of the slot. */
import { kPeer } from '../base/internals';
import type { Peer } from '../base/peer';
import { NO_SLOT } from '../core/outbox';
import type { SessionHandler } from './handlers';

export class SessionTable {
  readonly #handlers: (SessionHandler | undefined)[] = [];
  readonly #generations: number[] = [];
  #count = 0;

  /** How many there are. */
  get count(): number {
    return this.#count;
  }

  add(slot: number, generation: number, handler: SessionHandler): void {
    this.#handlers[slot] = handler;
    this.#generations[slot] = generation;
    this.#count += 1;
  }

  /** Undefined for `slot` NO_SLOT, and for a session whose slot has been released since. */
  at(slot: number, generation: number): SessionHandler | undefined {
    return slot !== NO_SLOT && this.#generations[slot] === generation ? this.#handlers[slot] : undefined;
  }

  /** Of a slot that has a session. */
  release(slot: number): void {
    this.#handlers[slot] = undefined;
    this.#count -= 1;
  }

  /** Those there are now, and while it is read those that come. */
  *all(): Generator<SessionHandler> {
    for (const handler of this.#handlers) if (handler !== undefined) yield handler;
  }

  /** Those there are now with that peer. */
  of(peer: Peer): SessionHandler[] {
    const found: SessionHandler[] = [];
    for (const handler of this.#handlers) {
      if (handler !== undefined && isAt(handler[kPeer], peer)) found.push(handler);
    }
    return found;
  }
}

export const isAt = (one: Peer, { address, port }: Peer): boolean => one.port === port && one.address === address;
