/** Sums over the endpoints of this thread, those that have closed included: counters never go back. */
import type { ReadyState } from '../base/dtls-socket';
import { kRole } from '../base/internals';
import { census, type CountedEndpoint } from '../endpoint/census';
import type { SessionRole } from '../diagnostics/channels';
import type { DTLSSocket } from '../socket/socket';
import type { EndpointStats } from '../core/stats';
import { COUNTERS } from './counters';

const ROLES = ['client', 'server'] as const;
type Sums = Map<string, number>;
type Totals = Readonly<Record<SessionRole, Sums>>;

const roleOf = ({ serves }: CountedEndpoint): SessionRole => (serves ? 'server' : 'client');

const NAMES = [...new Set(COUNTERS.flatMap(({ of }) => Object.values(of)))];

function valueOf(stats: EndpointStats, name: (typeof NAMES)[number]): number {
  if (!name.startsWith('udp.')) return stats[name as keyof EndpointStats] as number;
  return stats.udp?.[name.slice('udp.'.length) as 'truncated'] ?? 0;
}

function add(sums: Sums, stats: EndpointStats): void {
  for (const name of NAMES) sums.set(name, (sums.get(name) ?? 0) + valueOf(stats, name));
}

export class EndpointTotals {
  readonly #closed: Totals = { client: new Map(), server: new Map() };
  #snapshot: Totals | undefined;

  readonly #mourn = (endpoint: CountedEndpoint): void => {
    add(this.#closed[roleOf(endpoint)], endpoint.stats());
  };

  constructor() {
    census.mourners.add(this.#mourn);
  }

  close(): void {
    census.mourners.delete(this.#mourn);
  }

  /** Calls back with each role and its sum of that counter. */
  each(name: string, callback: (role: SessionRole, value: number) => void): void {
    const totals = this.#totals();
    for (const role of ROLES) callback(role, totals[role].get(name) ?? 0);
  }

  /** A register asks its metrics one after the other, all in one tick: the sums are made once for them. */
  #totals(): Totals {
    if (this.#snapshot !== undefined) return this.#snapshot;
    const snapshot = { client: new Map(this.#closed.client), server: new Map(this.#closed.server) };
    for (const endpoint of census.living) add(snapshot[roleOf(endpoint)], endpoint.stats());
    this.#snapshot = snapshot;
    queueMicrotask(() => {
      this.#snapshot = undefined;
    });
    return snapshot;
  }
}

/** Sessions there are now, by role and state. */
export function countSessions(
  callback: (role: SessionRole, state: Exclude<ReadyState, 'closed'>, count: number) => void,
): void {
  const counts: Record<string, number> = {};
  const keyOf = ({ [kRole]: role, readyState }: DTLSSocket): string => `${role} ${readyState}`;
  for (const endpoint of census.living) {
    for (const socket of endpoint.sockets()) {
      const key = keyOf(socket);
      counts[key] = (counts[key] ?? 0) + 1;
    }
  }
  for (const role of ROLES) {
    for (const state of ['opening', 'open', 'closing'] as const) {
      callback(role, state, counts[`${role} ${state}`] ?? 0);
    }
  }
}
