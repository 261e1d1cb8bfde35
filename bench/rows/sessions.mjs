import { alternate, median, row, sleep } from '../measure.mjs';
import { start } from '../processes.mjs';

const SIZE = 200;
/** Above that, a measurement in memory would take longer than the patience of a call. */
const MOST_IN_MEMORY = 10_000;
/** Sessions that are opened by one call, for the same reason. */
const AT_ONCE = 2000;
/** Rounds until all are awake: where memory has to grow for that, messages are lost meanwhile. */
const WARM_UP = 4;

/** What a message costs to receive when many sessions are open and all of them talk. */
export async function measure(settings) {
  const rows = [];
  for (const sessions of settings.many) {
    rows.push(...(await overLoopback(settings, sessions)));
    if (sessions <= MOST_IN_MEMORY) rows.push(...(await inMemory(settings, sessions)));
  }
  return rows;
}

function compare(sessions, where, { ours, single, inC, singleInC }) {
  const common = { unit: 'ns/message', lessIsBetter: true };
  const name = `receive ${SIZE} bytes of ${sessions.toLocaleString('en-US')} sessions`;
  return [
    row({ ...common, name: name + where.ours, ours, reference: single, versus: 'of one session', target: where.target }),
    row({ ...common, name: name + where.inC, ours: inC, reference: singleInC, versus: 'of one session, in C' }),
  ];
}

/** Measures the CPU time of the receiver. The messages are sealed beforehand, by clients that have an address each. */
async function overLoopback({ credentials, rounds, quick }, sessions) {
  // One call of `speak` each round, after those that warm up.
  const count = Math.max(sessions * 5, quick ? 10_000 : 500_000);
  const hold = async (module, open) => {
    const [server, clients] = await Promise.all([start(module, credentials), start('native', credentials)]);
    const { port, sink } = await server.call('prepareHold', true);
    const each = Math.ceil(count / open) * (rounds + WARM_UP);
    for (let held = 0; held < open; held += AT_ONCE) {
      const more = Math.min(AT_ONCE, open - held);
      const holding = module === 'native' ? server.call('hold', sink, more) : undefined;
      await clients.call('sealSessions', port, more, held, each, SIZE);
      await (holding ?? server.call('holding', held + more));
    }
    return {
      nanoseconds: async () => {
        const received = server.call('receiveUntilSilence', sink);
        await sleep(50);
        await clients.call('speak', count);
        return 1e9 / (await received).cpu;
      },
      stop: () => [server, clients].forEach((side) => side.stop()),
    };
  };
  const manyAndOne = async (module) => {
    const [many, one] = [await hold(module, sessions), await hold(module, 1)];
    const subjects = { many: many.nanoseconds, one: one.nanoseconds };
    const { many: warmingUp } = await alternate(WARM_UP, subjects);
    const times = await alternate(rounds, subjects);
    many.stop();
    one.stop();
    return { many: times.many, one: times.one, first: [warmingUp[0]] };
  };
  // One after the other: both would not fit into the memory of most machines.
  const ours = await manyAndOne('dtls');
  const inC = await manyAndOne('native');
  const rows = compare(
    sessions,
    { ours: '', inC: ', in C', target: 1.3 },
    { ours: ours.many, single: ours.one, inC: inC.many, singleInC: inC.one },
  );
  // Fewer are opened so fast that the first of them have not come to rest when the last one is there.
  if (sessions <= MOST_IN_MEMORY) return rows;
  const name = `receive ${SIZE} bytes of ${sessions.toLocaleString('en-US')} sessions that rest`;
  const common = { unit: 'ns/message', lessIsBetter: true, versus: 'when awake' };
  return [...rows, row({ ...common, name, ours: ours.first, reference: [median(ours.many)] })];
}

/** The same without a kernel. */
async function inMemory({ credentials, rounds }, sessions) {
  const count = Math.max(sessions * 5, 50_000);
  const one = async (module, open) => {
    const side = await start(module, credentials, { execArgv: ['--expose-gc'] });
    const nanoseconds = await side.call('receiveFromMany', open, count, SIZE);
    side.stop();
    return nanoseconds;
  };
  const { ours, single, inC, singleInC } = await alternate(rounds, {
    ours: () => one('memory', sessions),
    single: () => one('memory', 1),
    inC: () => one('native', sessions),
    singleInC: () => one('native', 1),
  });
  return compare(sessions, { ours: ', in memory', inC: ', in memory, in C' }, { ours, single, inC, singleInC });
}
