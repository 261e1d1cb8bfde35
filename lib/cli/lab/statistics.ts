/** What many trials have in common. */
import type { LinkCounters } from '../../lab/path';
import type { TrialResult } from './trial';

interface Percentiles {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
}

export interface Summary {
  readonly handshakes: number;
  readonly completed: number;
  readonly failed: number;
  /** How many handshakes have failed with each error code. */
  readonly failures: Readonly<Record<string, number>>;
  /** Milliseconds, of the handshakes that were completed; null where there is none. */
  readonly time: Percentiles | null;
  /** Flights that were sent again. */
  readonly retransmissions: number;
  readonly datagrams: Pick<LinkCounters, 'sent' | 'lost' | 'tooBig' | 'duplicated' | 'reordered' | 'unreachable'>;
  readonly messages: { readonly sent: number; readonly received: number; readonly answered: number };
  /** Milliseconds, of the messages that were answered. */
  readonly roundTrip: Percentiles | null;
}

/** Three decimals: the digits behind them mean nothing. */
const rounded = (value: number): number => Math.round(value * 1000) / 1000;

/** The percentiles by nearest rank: each of them was measured. */
export function percentiles(values: readonly number[]): Percentiles | null {
  if (values.length === 0) return null;
  const sorted = [...values].sort((left, right) => left - right);
  const rank = (share: number): number =>
    rounded(sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0);
  return { p50: rank(0.5), p95: rank(0.95), p99: rank(0.99), max: rank(1) };
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

export function summarize(trials: readonly TrialResult[], messages: number): Summary {
  const failures: Record<string, number> = {};
  for (const { failure } of trials) {
    if (failure !== undefined) failures[failure] = (failures[failure] ?? 0) + 1;
  }
  const times = trials.flatMap(({ time }) => (time === undefined ? [] : [time]));
  const count = (name: keyof LinkCounters): number => sum(trials.map(({ link }) => link[name]));
  const roundTrips = trials.flatMap((trial) => trial.roundTrips);
  return {
    handshakes: trials.length,
    completed: times.length,
    failed: trials.length - times.length,
    failures: Object.fromEntries(Object.entries(failures).sort(([left], [right]) => (left < right ? -1 : 1))),
    time: percentiles(times),
    retransmissions: sum(trials.map(({ retransmissions }) => retransmissions)),
    datagrams: {
      sent: count('sent'),
      lost: count('lost'),
      tooBig: count('tooBig'),
      duplicated: count('duplicated'),
      reordered: count('reordered'),
      unreachable: count('unreachable'),
    },
    messages: {
      sent: times.length * messages,
      received: sum(trials.map(({ received }) => received)),
      answered: roundTrips.length,
    },
    roundTrip: percentiles(roundTrips),
  };
}
