import { alternate, row } from '../measure.mjs';
import { start } from '../processes.mjs';

const SIZE = 200;

/** What a message costs to receive when many sessions are open and all of them talk. */
export async function measure({ credentials, rounds, many }) {
  const count = many * 10;
  const one = async (module, sessions) => {
    const side = await start(module, credentials, ['--expose-gc']);
    const nanoseconds = await side.call('receiveFromMany', sessions, count, SIZE);
    side.stop();
    return nanoseconds;
  };
  const { ours, single, inC, singleInC } = await alternate(rounds, {
    ours: () => one('memory', many),
    single: () => one('memory', 1),
    inC: () => one('native', many),
    singleInC: () => one('native', 1),
  });
  const name = `receive ${SIZE} bytes of ${many.toLocaleString('en-US')} sessions`;
  return [
    row({
      name,
      unit: 'ns/message',
      ours,
      reference: single,
      versus: 'of one session',
      target: 1.3,
      lessIsBetter: true,
    }),
    row({
      name: `${name}, in C`,
      unit: 'ns/message',
      ours: inC,
      reference: singleInC,
      versus: 'of one session, in C',
    }),
  ];
}
