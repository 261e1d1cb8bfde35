import { alternate, row } from '../measure.mjs';
import { start } from '../processes.mjs';

/** So many are there before anything is measured: code is compiled, and memory is there. */
const WARM_UP = 500;
/** Of one call: it must end within its patience. */
const AT_ONCE = 1000;

/** What rules by peer cost each peer, beyond its session: against a server of its own for each, in memory. */
export async function measure({ credentials, rounds, quick }) {
  const count = quick ? 300 : 10_000;
  const grown = async (open, withRules) => {
    const side = await start('peer-rules', credentials, { execArgv: ['--expose-gc'] });
    if (withRules !== undefined) await side.call('serve', withRules);
    await side.call(open, WARM_UP);
    const before = await side.call('residentBytes');
    let microseconds = 0;
    for (let there = 0; there < count; there += AT_ONCE) microseconds += await side.call(open, Math.min(AT_ONCE, count - there));
    const bytes = (await side.call('residentBytes')) - before;
    side.stop();
    return { microseconds: microseconds / count, bytes: bytes / count };
  };
  const { rules, none, servers } = await alternate(rounds, {
    rules: () => grown('open', true),
    none: () => grown('open', false),
    servers: () => grown('openServers'),
  });
  const beyond = (what) => rules.map((each, round) => each[what] - none[round][what]);
  const of = (all, what) => all.map((each) => each[what]);
  const common = { versus: 'a server for each', lessIsBetter: true };
  const peers = `of ${count.toLocaleString('en-US')} peers`;
  return [
    row({ ...common, name: `rules by peer ${peers}, each`, unit: 'µs', ours: beyond('microseconds'), reference: of(servers, 'microseconds') }),
    row({ ...common, name: `rules by peer ${peers}, each`, unit: 'bytes', ours: beyond('bytes'), reference: of(servers, 'bytes') }),
    row({
      name: `handshakes under rules by peer, ${peers}, both ends`,
      unit: 'µs',
      ours: of(rules, 'microseconds'),
      reference: of(none, 'microseconds'),
      versus: 'without rules',
      lessIsBetter: true,
    }),
  ];
}
