import { alternate, row } from '../measure.mjs';
import { start } from '../processes.mjs';

/** One question at a time to a server that echoes, both in JavaScript; and a heartbeat in its place. */
export async function measure({ credentials, rounds, milliseconds }) {
  const sides = ['dtls', 'dtls', 'plain', 'plain'];
  const [dtlsServer, dtls, plainServer, plain] = await Promise.all(
    sides.map((side) => start(side, credentials)),
  );
  await dtls.call('connect', await dtlsServer.call('serveEcho'));
  await plain.call('connect', await plainServer.call('serveEcho'));

  const { ours, reference } = await alternate(rounds, {
    ours: () => dtls.call('ping', 200, milliseconds),
    reference: () => plain.call('ping', 200, milliseconds),
  });
  const beside = await alternate(rounds, {
    ours: () => dtls.call('heartbeat', 200, milliseconds),
    reference: () => dtls.call('ping', 200, milliseconds),
  });
  for (const side of [dtlsServer, dtls, plainServer, plain]) side.stop();
  const rows = ['median', 'p99'].map((which) =>
    row({
      name: `round trip 200 bytes, ${which}`,
      unit: 'µs',
      ours: ours.map((times) => times[which]),
      reference: reference.map((times) => times[which]),
      versus: 'node:dgram, unencrypted',
    }),
  );
  rows.push(
    row({
      name: 'heartbeat round trip 200 bytes, median',
      unit: 'µs',
      ours: beside.ours.map((times) => times.median),
      reference: beside.reference.map((times) => times.median),
      versus: 'message round trip',
      target: 1.5,
      lessIsBetter: true,
    }),
  );
  return rows;
}
