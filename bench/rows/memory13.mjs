import { alternate, row, sleep } from '../measure.mjs';
import { startPair, VERSIONS, VERSUS, with13 } from '../versions.mjs';

/** What DTLS 1.3 may take, by our own 1.2. */
const TARGET = 1.2;
/** After ten seconds without traffic a session of ours gives back what its records are opened and sealed with. */
const REST = 11_000;

/** So many sessions, after so many that compile the code and fill the heap's first pages. */
const HELD = 4000;
const WARM_UP = 200;

const NAMES = {
  both: "malloc's and JavaScript's",
  native: 'by malloc',
  javascript: "JavaScript's objects",
  resident: 'resident',
};

/** How much a server's and a client's process grow with each session at rest. */
export const measure = with13(async ({ credentials, rounds, quick }) => {
  const [held, warmUp] = quick ? [50, 10] : [HELD, WARM_UP];
  // In processes of its own: what one version leaves free in the heap the other one would fill.
  const grown = async (version) => {
    const [server, client] = await startPair(credentials, { execArgv: ['--expose-gc'] });
    const port = await server.call('serve', version, 'certificate');
    const add = async (count) => {
      await client.call('hold', port, version, count);
      await sleep(quick ? 100 : REST);
      return { server: await server.call('memory'), client: await client.call('memory') };
    };
    const before = await add(warmUp);
    const after = await add(held);
    for (const side of [server, client]) side.stop();
    const each = (side, what) => (after[side][what] - before[side][what]) / held / 1024;
    const of = (side) => {
      const [native, javascript] = [each(side, 'native'), each(side, 'javascript')];
      return { both: native + javascript, native, javascript, resident: each(side, 'resident') };
    };
    return { server: of('server'), client: of('client') };
  };
  // It hardly varies, and takes its time.
  const { newer, older } = await alternate(Math.min(rounds, 2), {
    newer: () => grown(VERSIONS.newer),
    older: () => grown(VERSIONS.older),
  });
  const rows = [];
  for (const side of ['server', 'client']) {
    for (const [what, name] of Object.entries(NAMES)) {
      rows.push(
        row({
          name: `1.3: memory of a session at rest, ${side}'s, ${name}`,
          unit: 'KiB',
          ours: newer.map((result) => result[side][what]),
          reference: older.map((result) => result[side][what]),
          versus: VERSUS,
          lessIsBetter: true,
          target: quick || !['both', 'resident'].includes(what) ? undefined : TARGET,
        }),
      );
    }
  }
  return rows;
});
