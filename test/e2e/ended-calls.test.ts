/**
 * Protects: that code of a user's which is ended in the middle of a call (by a timeout of `node:vm`: no `finally` runs)
 * takes nobody else's events, messages and handshakes along.
 */
import { expect } from 'chai';
import { hasNativeUdp } from '../../lib/transport/native-udp';
import { run } from '../helpers/child';
import { patience } from '../helpers/patience';

describe('code that a timeout of node:vm ends in the middle of a call', function () {
  this.timeout(patience(30_000));

  for (const transport of hasNativeUdp ? (['native', 'dgram'] as const) : (['dgram'] as const)) {
    for (const [call, name] of [['send', 'send'], ['callback', 'send with a callback']] as const) {
      it(`${name} over ${transport}: the other sessions of the thread go on, and handshakes are made`, async () => {
        const { code, stdout, stderr } = await run('ended-calls.ts', [transport, call], [], { milliseconds: patience(25_000) });
        expect({ code, stderr }, stdout).to.deep.equal({ code: 0, stderr: '' });
        expect(JSON.parse(stdout)).to.deep.equal({ ended: 120, echo: 'alive', handshake: 'done' });
      });
    }
  }
});
