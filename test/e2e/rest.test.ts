// Protects: that sessions which have been idle long enough to give OpenSSL's buffers back go on as if nothing
// had been, with the OpenSSL of each Node. The rest itself: test/native/rest_test.cc, where time is not waited for.
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { closeEverything, messages, next, open, openPsk, withCertificate, type Pair } from '../helpers/pair';

/** Above Session::kRestAfter in src-native/core/session/session.h. */
const REST = 10_500;

async function goesOn({ client, peer }: Pair): Promise<void> {
  const there = messages(peer, 2);
  client.send('ping');
  client.send('ping, with a callback', () => undefined);
  expect((await there).map(String)).to.deep.equal(['ping', 'ping, with a callback']);
  const back = messages(client, 1);
  peer.send('pong');
  expect((await back).map(String)).to.deep.equal(['pong']);
}

describe('sessions that have rested', function () {
  this.timeout(60_000);
  afterEach(closeEverything);

  it('send, receive, answer heartbeats and say goodbye', async () => {
    const heartbeat = { heartbeat: true } as const;
    const talks = await openPsk(heartbeat, heartbeat);
    const closes = await openPsk();
    const pings = await openPsk(heartbeat, heartbeat);
    const cbc = { ciphers: 'ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES128-SHA256' };
    const macs = await open({ ...(await withCertificate()), ...cbc }, cbc);
    await sleep(REST);
    await goesOn(talks);
    await goesOn(macs);
    expect((await pings.client.heartbeat(Buffer.from('still there?'))).payload.toString()).to.equal('still there?');
    const closed = next(closes.peer, 'close');
    closes.client.close();
    expect(await closed).to.deep.equal([false]);
    expect(talks.peer.stats.badRecords).to.equal(0);
  });
});
