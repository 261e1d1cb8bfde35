// Protects servers that share a port: the examples for processes and for threads run by themselves, the
// system spreads clients over both servers, and a client resumes its session with whichever it meets.
import { expect } from 'chai';
import { patience } from '../helpers/patience';
import { cleanupAfterEach, skip } from '../helpers/peers';

describe('several servers on one port', function () {
  this.timeout(patience(30_000));
  const cleanup = cleanupAfterEach(this);

  before(function () {
    // SO_REUSEPORT spreads datagrams on Linux only; over node:dgram it also needs a newer Node.
    const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
    const old = major < 22 || (major === 22 && minor < 12) || (major === 23 && minor < 1);
    const overDgram = process.env.DGRAM_DTLS_TRANSPORT === 'dgram';
    if (process.platform === 'linux' && !(overDgram && old)) return;
    skip(this, 'needs Linux, and over node:dgram Node 22.12 or later');
  });

  for (const [file, kind] of [
    ['cluster', 'process'],
    ['workers', 'thread'],
  ] as const) {
    it(`examples/scaling/${file}.mjs`, async () => {
      const example = cleanup.start(process.execPath, [`examples/scaling/${file}.mjs`]);
      const code = await example.ends(patience(25_000));
      expect(example.output.trim().split('\n')).to.deep.equal([
        `24 clients were served by ${kind} 1 and ${kind} 2`,
        'a client that came back 8 times, from another port each time, was resumed 8 times',
      ]);
      expect(code).to.equal(0);
    });
  }
});
