import { row, sleep } from '../measure.mjs';
import { startPair, VERSIONS, VERSUS, with13 } from '../versions.mjs';

/** What DTLS 1.3 may take, by our own 1.2. */
const TARGET = 1.2;
/** After ten seconds without traffic a session of ours gives back what its records are opened and sealed with. */
const REST = 11_000;

const NAMES = { resident: 'resident', native: 'by malloc', javascript: "JavaScript's objects" };

/** How much a server's and a client's process grow with each session at rest. */
export const measure = with13(async ({ credentials, rounds, quick }) => {
  const count = quick ? 50 : 1000;
  const [server, client] = await startPair(credentials, { execArgv: ['--expose-gc'] });
  const grown = async (which) => {
    const port = await server.call('serve', VERSIONS[which], 'certificate');
    const add = async (more) => {
      await client.call('hold', port, VERSIONS[which], more);
      await sleep(quick ? 100 : REST);
      return { server: await server.call('memory'), client: await client.call('memory') };
    };
    const before = await add(quick ? 10 : 100);
    return async () => {
      const after = await add(count);
      const each = {};
      for (const side of ['server', 'client']) {
        each[side] = {};
        for (const [what, bytes] of Object.entries(after[side])) {
          each[side][what] = (bytes - before[side][what]) / count / 1024;
        }
      }
      return each;
    };
  };
  // One after the other, and soon: what a session gives back after four minutes would be missing from the next ones.
  const results = { newer: [], older: [] };
  for (let round = 0; round < Math.min(rounds, 2); ++round) {
    for (const which of round % 2 === 0 ? ['older', 'newer'] : ['newer', 'older']) {
      results[which].push(await (await grown(which))());
    }
  }
  for (const side of [server, client]) side.stop();
  const rows = [];
  for (const side of ['server', 'client']) {
    for (const [what, name] of Object.entries(NAMES)) {
      rows.push(
        row({
          name: `1.3: memory of a session at rest, ${side}'s, ${name}`,
          unit: 'KiB',
          ours: results.newer.map((each) => each[side][what]),
          reference: results.older.map((each) => each[side][what]),
          versus: VERSUS,
          lessIsBetter: true,
          target: quick ? undefined : TARGET,
        }),
      );
    }
  }
  return rows;
});
