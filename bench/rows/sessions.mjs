import { alternate, row } from '../measure.mjs';
import { start } from '../processes.mjs';

const SIZE = 200;

/** What a message costs to receive when many sessions are open and all of them talk. */
export async function measure({ credentials, rounds, many }) {
  const rows = [];
  for (const sessions of many) {
    const count = Math.max(sessions * 5, 50_000);
    const one = async (module, open) => {
      const side = await start(module, credentials, { execArgv: ['--expose-gc'] });
      const nanoseconds = await side.call('receiveFromMany', open, count, SIZE);
      side.stop();
      return nanoseconds;
    };
    // A hundred thousand handshakes take their time.
    const { ours, single, inC, singleInC } = await alternate(sessions > 10_000 ? 1 : rounds, {
      ours: () => one('memory', sessions),
      single: () => one('memory', 1),
      inC: () => one('native', sessions),
      singleInC: () => one('native', 1),
    });
    const name = `receive ${SIZE} bytes of ${sessions.toLocaleString('en-US')} sessions`;
    const common = { unit: 'ns/message', lessIsBetter: true };
    rows.push(
      row({ ...common, name, ours, reference: single, versus: 'of one session', target: 1.3 }),
      row({
        ...common,
        name: `${name}, in C`,
        ours: inC,
        reference: singleInC,
        versus: 'of one session, in C',
      }),
    );
  }
  return rows;
}
