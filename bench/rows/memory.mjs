import { row, sleep } from '../measure.mjs';
import { start } from '../processes.mjs';

const WARM_UP = 50;
/** Sessions that are opened by one call: it must end within the patience of a call. */
const AT_ONCE = 2000;
/** After ten seconds without traffic a session of ours gives back what its records are opened and sealed with. */
const REST = 11_000;
/** So much may a session at rest take, and so much of it may be JavaScript's, in KiB. */
const AT_REST = 3;
const JAVASCRIPT = 0.7;

/** How much the server's process grows with each idle session; the clients are in another one. */
export async function measure({ credentials, rounds, idle }) {
  const grown = async (module, count) => {
    const [server, clients] = await Promise.all([
      start(module, credentials, { execArgv: ['--expose-gc'] }),
      start('native', credentials),
    ]);
    const { port, sink } = await server.call('prepareHold');
    const add = async (more, first) => {
      const holding = module === 'native' ? server.call('hold', sink, more) : undefined;
      await clients.call('openSessions', port, more, first);
      await (holding ?? server.call('holding', first + more));
    };
    await add(WARM_UP, 0);
    const heapBytes = () => (module === 'dtls' ? server.call('heapBytes') : 0);
    const [before, heapBefore] = [await server.call('residentBytes'), await heapBytes()];
    for (let held = 0; held < count; held += AT_ONCE) {
      await add(Math.min(AT_ONCE, count - held), WARM_UP + held);
    }
    const each = async () => ((await server.call('residentBytes')) - before) / count / 1024;
    const open = await each();
    // The warm-up's sessions are at rest by then, too, and take that much less than before.
    await sleep(module === 'dtls' ? REST : 0);
    const rested = await each();
    const heap = ((await heapBytes()) - heapBefore) / count / 1024;
    for (const side of [server, clients]) side.stop();
    return { open, rested, heap };
  };

  const rows = [];
  for (const count of idle) {
    const ours = [];
    const rested = [];
    const heap = [];
    const reference = [];
    // It hardly varies, and a hundred thousand handshakes take their time.
    for (let round = 0; round < (count > 1000 ? 1 : rounds); ++round) {
      const grew = await grown('dtls', count);
      ours.push(grew.open);
      rested.push(grew.rested);
      heap.push(grew.heap);
      reference.push((await grown('native', count)).open);
    }
    const name = `memory of an idle session, of ${count.toLocaleString('en-US')}`;
    const common = { unit: 'KiB', reference, versus: 'bare SSL in C', lessIsBetter: true };
    // Of few sessions it is rather the code that the first of them have compiled.
    const target = count < 10_000 ? undefined : 1;
    rows.push(
      row({ ...common, name, ours }),
      row({ ...common, name: `${name}, at rest`, ours: rested }),
      row({ ...common, name: `${name}, at rest`, ours: rested, reference: rested.map(() => AT_REST), versus: 'the limit', target }),
      row({
        ...common,
        name: `JavaScript's part of that, of ${count.toLocaleString('en-US')}`,
        ours: heap,
        reference: heap.map(() => JAVASCRIPT),
        versus: 'the limit',
        target,
      }),
    );
  }
  return rows;
}
