import type * as dgram from 'node:dgram';

import { late } from '../base/late';
import { familyOf } from './addresses';

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
  // Not a function: dgram says so.
  if (given !== undefined && typeof given !== 'function') return undefined;
  const lookup = (given ?? late.dns.lookup) as Lookup;
  return {
    lookup: (hostname, options, callback) => {
      if (gate.raw) callback(null, hostname, familyOf(hostname) === 'IPv4' ? 4 : 6);
      else lookup(hostname, options, callback);
    },
  };
}
