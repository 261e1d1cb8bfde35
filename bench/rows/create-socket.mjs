import { alternate, row, rowsOfRates } from '../measure.mjs';
import { start } from '../processes.mjs';

/** One program, an echo, over createSocket's sockets and over those of node:dgram. */
export async function measure({ credentials, rounds, milliseconds }) {
  const sides = ['socket', 'socket', 'plain', 'plain'];
  const [server, client, plainServer, plain] = await Promise.all(
    sides.map((side) => start(side, credentials)),
  );
  await client.call('connect', await server.call('serveEcho'));
  await plain.call('connect', await plainServer.call('serveEcho'));

  const times = await alternate(rounds, {
    ours: () => client.call('ping', 200, milliseconds),
    reference: () => plain.call('ping', 200, milliseconds),
  });
  const rates = await alternate(rounds, {
    ours: () => client.call('echo', 200, milliseconds),
    reference: () => plain.call('echo', 200, milliseconds),
  });
  for (const side of [server, client, plainServer, plain]) side.stop();
  const versus = 'node:dgram, unencrypted';
  return [
    row({
      name: 'createSocket: echo of 200 bytes, median',
      unit: 'µs',
      ours: times.ours.map(({ median }) => median),
      reference: times.reference.map(({ median }) => median),
      versus,
    }),
    ...rowsOfRates({
      name: 'createSocket: echoes of 200 bytes, 32 under way',
      unit: 'echoes',
      ours: rates.ours,
      reference: rates.reference,
      versus,
    }),
  ];
}
