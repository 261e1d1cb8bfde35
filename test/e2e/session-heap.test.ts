/**
 * Protects: that a server's session which nobody uses has next to nothing in JavaScript. There may be a million of them.
 */
import { expect } from 'chai';
import { run } from '../helpers/child';
import { patience } from '../helpers/patience';

/** Beside what is a session's alone it has a place in lists of all: two of the endpoint's, and the server's set. */
const IN_LISTS = 80;

describe('memory of sessions in JavaScript', function () {
  this.timeout(patience(10_000));

  it('an idle session of a server takes at most 0.7 KiB', async () => {
    const { stdout, stderr } = await run('session-heap.ts');
    expect(stderr).to.equal('');
    expect(Number(stdout)).to.be.within(100, 0.7 * 1024 - IN_LISTS);
  });
});
