import type * as dgram from 'node:dgram';

import { late } from '../base/late';
import { familyOf } from '../transport/addresses';
import type { SendCallback } from './arguments';

export type Lookup = NonNullable<dgram.SocketOptions['lookup']>;

/** Open while this package sends. */
export interface Gate {
  raw: boolean;
}

/**
 * dgram looks every destination up, and addresses in a later tick: datagrams of one flight would overtake
 * one another. Those that this package sends have addresses and need no tick.
 */
export function throughGate(gate: Gate, given: unknown): { lookup: Lookup } | undefined {
  // What is no function is refused by dgram, in its own words.
  if (given !== undefined && typeof given !== 'function') return undefined;
  const lookup = (given ?? late.dns.lookup) as Lookup;
  return {
    lookup: (hostname, options, callback) => {
      if (gate.raw) callback(null, hostname, familyOf(hostname) === 'IPv4' ? 4 : 6);
      else lookup(hostname, options, callback);
    },
  };
}

/** The types of `lookup` say that it takes options, and dgram gives it the family's number. */
type LookupAsDgram = (
  host: string,
  family: 4 | 6,
  found: (error: Error | null | undefined, address: string, family: number) => void,
) => void;

/** Looks up where messages go. */
export class Lookups {
  /** The user's own is asked about addresses, too, as dgram asks it. */
  readonly asksAboutAddresses: boolean;
  readonly #lookup: Lookup | undefined;
  readonly #family: 4 | 6;
  readonly #waiting = new Set<SendCallback>();
  #closed = false;

  constructor(own: Lookup | undefined, family: 4 | 6) {
    this.asksAboutAddresses = own !== undefined;
    this.#lookup = own;
    this.#family = family;
  }

  /**
   * Calls `done` with what was found, unless the socket has closed: then `told`, the callback of the message, has heard so.
   *
   * @throws What a `lookup` of the user's throws.
   */
  find(host: string, told: SendCallback | undefined, done: (error: Error | null, found: string) => void): void {
    const lookup = (this.#lookup ?? late.dns.lookup) as unknown as LookupAsDgram;
    const answered = (): void => {
      if (told !== undefined) this.#waiting.delete(told);
    };
    if (told !== undefined) this.#waiting.add(told);
    try {
      lookup(host, this.#family, (error, found) => {
        answered();
        // As dgram: no error may be undefined, too.
        if (!this.#closed) done(error ?? null, found);
      });
    } catch (thrown) {
      answered();
      throw thrown;
    }
  }

  /** Callbacks of messages that wait for an address hear `error`. */
  close(error: Error): void {
    this.#closed = true;
    for (const told of this.#waiting) process.nextTick(told, error, 0);
  }
}
