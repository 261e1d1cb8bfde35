import { row } from '../measure.mjs';
import { start } from '../processes.mjs';

const WARM_UP = 50;
/** Sessions that are opened by one call: it must end within the patience of a call. */
const AT_ONCE = 2000;

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
    const before = await server.call('residentBytes');
    for (let held = 0; held < count; held += AT_ONCE) {
      await add(Math.min(AT_ONCE, count - held), WARM_UP + held);
    }
    const after = await server.call('residentBytes');
    for (const side of [server, clients]) side.stop();
    return (after - before) / count / 1024;
  };

  const rows = [];
  for (const count of idle) {
    const ours = [];
    const reference = [];
    // It hardly varies, and a hundred thousand handshakes take their time.
    for (let round = 0; round < (count > 1000 ? 1 : rounds); ++round) {
      ours.push(await grown('dtls', count));
      reference.push(await grown('native', count));
    }
    rows.push(
      row({
        name: `memory of an idle session, of ${count.toLocaleString('en-US')}`,
        unit: 'KiB',
        ours,
        reference,
        versus: 'bare SSL in C',
        target: 1.05,
        lessIsBetter: true,
      }),
    );
  }
  return rows;
}
