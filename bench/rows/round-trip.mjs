import { alternate, row } from '../measure.mjs';
import { overDgram, start } from '../processes.mjs';

/** One question at a time of a client in C to servers that echo; and a heartbeat in its place. */
export async function measure({ credentials, rounds, milliseconds }) {
  const [dtls, dgram, plain, program, asker, beater] = await Promise.all([
    start('dtls', credentials),
    start('dtls', credentials, overDgram),
    start('plain', credentials),
    start('native', credentials),
    start('native', credentials),
    start('dtls', credentials),
  ]);
  const dtlsPort = await dtls.call('serveEcho');
  const toDtls = await asker.call('connect', dtlsPort);
  const toDgram = await asker.call('connect', await dgram.call('serveEcho'));
  const toPlain = await asker.call('connectPlain', await plain.call('serveEcho'));
  const [sink, port] = await program.call('openSink');
  const accepted = program.call('accept', sink);
  const toProgram = await asker.call('connect', port);
  await accepted;
  const ask = (session) => asker.call('ping', session, 200, milliseconds);

  const times = await alternate(rounds, {
    ours: () => ask(toDtls),
    overDgram: () => ask(toDgram),
    plainly: () => ask(toPlain),
    inC: async () => {
      const echoing = program.call('echo', sink, milliseconds + 100);
      const result = await ask(toProgram);
      await echoing;
      return result;
    },
  });
  await beater.call('connect', dtlsPort);
  const beside = await alternate(rounds, {
    ours: () => beater.call('heartbeat', 200, milliseconds),
    reference: () => beater.call('ping', 200, milliseconds),
  });
  for (const side of [dtls, dgram, plain, program, asker, beater]) side.stop();

  const compare = (which, ours, reference, versus, more = {}) =>
    row({
      name: `round trip 200 bytes, ${which}`,
      unit: 'µs',
      ours: times[ours].map((each) => each[which]),
      reference: times[reference].map((each) => each[which]),
      versus,
      lessIsBetter: true,
      ...more,
    });
  return [
    compare('median', 'ours', 'inC', 'C echo server', { target: 1.5 }),
    compare('p99', 'ours', 'inC', 'C echo server'),
    compare('median', 'ours', 'plainly', 'node:dgram, unencrypted'),
    compare('median', 'overDgram', 'plainly', 'node:dgram, unencrypted', {
      name: "round trip 200 bytes, median, transport 'dgram'",
    }),
    row({
      name: 'heartbeat round trip 200 bytes, median',
      unit: 'µs',
      ours: beside.ours.map(({ median }) => median),
      reference: beside.reference.map(({ median }) => median),
      versus: 'message round trip',
      target: 1.5,
      lessIsBetter: true,
    }),
  ];
}
