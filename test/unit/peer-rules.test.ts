// Protects who asks a server's `peers` from what comes when the server has closed: no answer is told then, no error of a late
// or missing one, and nothing is left that would.
import { expect } from 'chai';
import { setTimeout as wait } from 'node:timers/promises';

import type { Peer } from '../../lib/base/peer';
import { native } from '../../lib/core/native';
import { createSecureContext } from '../../lib/identity/secure-context';
import type { ServerOptions } from '../../lib/options/types';
import { PeerRules } from '../../lib/server/peer-rules';

const PEER: Peer = { address: '192.0.2.1', port: 1, family: 'IPv4' };
const TIMEOUT = 5;
const context = createSecureContext();

/** What a server is told that asks, and closes within the call or right behind it. */
async function told(answer: NonNullable<ServerOptions['peers']>, when: 'within' | 'behind'): Promise<string[]> {
  const seen: string[] = [];
  const rules: PeerRules = new PeerRules({
    ask: (peer) => {
      if (when === 'within') rules.close();
      return answer(peer);
    },
    timeout: TIMEOUT,
    ticketKeys: new native.TicketKeys(1000),
    given: {},
    context: () => context,
    policy: () => new native.SessionPolicy(),
    answer: () => {
      seen.push('an answer');
      return false;
    },
    failed: ({ code }) => {
      seen.push(code);
      return true;
    },
  });
  rules.ask(1, PEER);
  if (when === 'behind') rules.close();
  await wait(10 * TIMEOUT);
  return seen;
}

describe('questions to peers of a server that closes', () => {
  const answers: readonly [string, NonNullable<ServerOptions['peers']>][] = [
    ['answered', () => Promise.resolve(null)],
    ['rejected', () => Promise.reject(new Error('too late'))],
    ['left open', () => new Promise(() => undefined)],
  ];
  for (const [how, answer] of answers) {
    it(`are nobody's any more when they are ${how} afterwards`, async () => {
      expect(await told(answer, 'behind')).to.deep.equal([]);
    });

    it(`are nobody's when they have closed it themselves, and are ${how} then`, async () => {
      expect(await told(answer, 'within')).to.deep.equal([]);
    });
  }
});
