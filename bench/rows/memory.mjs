import { alternate, row } from '../measure.mjs';
import { start } from '../processes.mjs';

const WARM_UP = 50;

/** How much the server's process grows with each idle session; the clients are in another one. */
export async function measure({ credentials, rounds, idle }) {
  const grown = async (module, hold) => {
    const [server, clients] = await Promise.all([
      start(module, credentials, ['--expose-gc']),
      start('native', credentials),
    ]);
    const { port, sink } = await server.call('prepareHold');
    const add = async (count, first) => {
      const held = hold(server, count, sink, first + count);
      await clients.call('openSessions', port, count, first);
      await (held ?? server.call('holding', first + count));
    };
    await add(WARM_UP, 0);
    const before = await server.call('residentBytes');
    await add(idle, WARM_UP);
    const after = await server.call('residentBytes');
    for (const side of [server, clients]) side.stop();
    return (after - before) / idle / 1024;
  };

  const { ours, reference } = await alternate(rounds, {
    ours: () => grown('dtls', () => undefined),
    reference: () => grown('native', (server, count, sink) => server.call('hold', sink, count)),
  });
  return [
    row({
      name: `memory of an idle session, of ${idle}`,
      unit: 'KiB',
      ours,
      reference,
      versus: 'bare SSL in C',
      target: 1.15,
      lessIsBetter: true,
    }),
  ];
}
