/** Why something of a datagram was dropped, read off the counters before and after it. */
import type { DropReasons } from './diagnostics';
import { native } from './native';

const REASONS: readonly (keyof DropReasons)[] = [
  'replays',
  'badRecords',
  'discardedRecords',
  'heartbeatsDiscarded',
  'cookiesRefused',
  'sessionsRefused',
  'malformedDatagrams',
  'unknownPeerDatagrams',
];

const names = [...native.trafficCounters, ...native.endpointCounters];
const indices = REASONS.map((reason) => [reason, names.indexOf(reason)] as const);

export function dropsSince(before: Float64Array, after: Float64Array): DropReasons | undefined {
  const drops: DropReasons = {};
  let any = false;
  for (const [reason, index] of indices) {
    const grown = (after[index] ?? 0) - (before[index] ?? 0);
    if (grown <= 0) continue;
    drops[reason] = grown;
    any = true;
  }
  return any ? drops : undefined;
}
