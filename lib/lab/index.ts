/**
 * `dgram-dtls/lab`: a network in memory, for tests of programs that use this package.
 *
 * @packageDocumentation
 */
export { Link, peerOf, type Transit } from './link';
export type { BurstLoss, LinkConditions, LinkCounters } from './path';
export { seededRandom } from './random';
