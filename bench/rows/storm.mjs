import { alternate, row } from '../measure.mjs';
import { start } from '../processes.mjs';

/** How long established sessions wait for their turn while others shake hands as fast as they can. */
const LIMIT = 5; // milliseconds, p99
const STORMERS = 12; // each has one handshake at a time

export async function measure({ credentials, rounds, milliseconds }) {
  const [dtls, program, ...stormers] = await Promise.all([
    start('dtls', credentials),
    start('native', credentials),
    ...Array.from({ length: STORMERS }, () => start('native', credentials)),
  ]);
  const port = await dtls.call('serveEcho');
  const runs = await alternate(rounds, {
    storm: async () => {
      const storming = stormers.map((side) => side.call('shakeHands', port, milliseconds + 200));
      const result = await dtls.call('delays', milliseconds);
      const counts = await Promise.all(storming);
      return { ...result, failed: counts.some(({ count }) => count === 0) };
    },
    // Server and client together: the server alone has about half of it to do.
    inC: () => program.call('handshakes', milliseconds),
  });
  for (const side of [dtls, program, ...stormers]) side.stop();
  return [
    row({
      name: 'event-loop delay in a storm of handshakes, p99',
      unit: 'ms',
      ours: runs.storm.map(({ p99 }) => p99),
      reference: runs.storm.map(() => LIMIT),
      versus: 'the limit',
      target: 1,
      lessIsBetter: true,
    }),
    row({
      name: 'handshakes of the server in that storm, by CPU time',
      unit: 'handshakes/s',
      ours: runs.storm.map(({ cpu }) => cpu),
      reference: runs.inC.map(({ cpu }) => cpu),
      versus: 'C loop in memory, both ends',
    }),
  ];
}
