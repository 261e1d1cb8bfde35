/** Node's resolver, loaded when a name is there to be resolved: that takes a millisecond, and addresses need none. */
import type dns from 'node:dns';

// A dynamic import would answer in a later turn.
// eslint-disable-next-line @typescript-eslint/no-require-imports
export const systemLookup = (): typeof dns.lookup => (require('node:dns') as typeof dns).lookup;
