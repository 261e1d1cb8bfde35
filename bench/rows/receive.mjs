import { alternate, row, rowsOfRates, sleep } from '../measure.mjs';
import { overDgram, start } from '../processes.mjs';

/**
 * A handler on the server against one on a plain socket, and against C, with SSL and with EVP alone;
 * senders in C that outrun them.
 */
export async function measure({ credentials, rounds, milliseconds }) {
  const [dtls, borrowing, dgram, batches, plain, program, sender] = await Promise.all([
    start('dtls', credentials),
    start('dtls', credentials),
    start('dtls', credentials, overDgram),
    start('dtls', credentials),
    start('plain', credentials),
    start('native', credentials),
    start('native', credentials),
  ]);
  const toDtls = await sender.call('connect', await dtls.call('serve'));
  const toBorrowing = await sender.call('connect', await borrowing.call('serve', { borrowMessages: true }));
  const toDgram = await sender.call('connect', await dgram.call('serve'));
  const toBatches = await sender.call('connect', await batches.call('serveBatches'));
  const toPlain = await sender.call('connectPlain', await plain.call('serve'));
  const [sink, sinkPort] = await program.call('openSink');
  const accepted = program.call('accept', sink);
  const toProgram = await sender.call('connect', sinkPort);
  await accepted;
  const [bareSink, barePort] = await program.call('openSink');
  const acceptedBare = program.call('accept', bareSink);
  const toBare = await sender.call('connect', barePort);
  await acceptedBare;

  // The sender begins before the receiver counts, and ends after it.
  const sentRates = [];
  const whileSending = async (to, size, merged, received) => {
    // By EVP, which is faster than the receivers; a session's numbers are those of one sealer.
    const sent = sender.call(to === toPlain ? 'blast' : 'blastBare', to, size, milliseconds + 300, merged);
    await sleep(150);
    const rates = await received();
    const { count, seconds } = await sent;
    sentRates.push(count / seconds);
    return rates;
  };
  const subjects = (size, merged) => ({
    ours: () => whileSending(toDtls, size, merged, () => dtls.call('received', milliseconds)),
    borrowed: () => whileSending(toBorrowing, size, merged, () => borrowing.call('received', milliseconds)),
    batches: () => whileSending(toBatches, size, merged, () => batches.call('received', milliseconds)),
    overDgram: () => whileSending(toDgram, size, merged, () => dgram.call('received', milliseconds)),
    plainly: () => whileSending(toPlain, size, merged, () => plain.call('received', milliseconds)),
    inC: () =>
      whileSending(toProgram, size, merged, () => program.call('received', milliseconds, sink, merged)),
    bare: () => whileSending(toBare, size, merged, () => program.call('receivedBare', milliseconds, bareSink)),
  });

  const rows = [];
  for (const size of [1200, 200, 64]) {
    const { ours, borrowed, batches: inBatches, ...others } = await alternate(rounds, subjects(size, true));
    const { overDgram: dgramRates, plainly, inC, bare } = others;
    const at1200 = size === 1200;
    const name = `receive ${size} bytes`;
    const common = { unit: 'messages' };
    const versus = 'node:dgram, unencrypted';
    rows.push(
      ...rowsOfRates({ ...common, name, ours, reference: plainly, versus }),
      ...rowsOfRates({
        ...common,
        name,
        ours,
        reference: inC,
        versus: 'C program, GRO',
        cpuTarget: at1200 ? 0.9 : undefined,
      }),
      ...rowsOfRates({ ...common, name: `${name}, borrowed`, ours: borrowed, reference: plainly, versus }),
      ...rowsOfRates({
        ...common,
        name: `${name}, borrowed`,
        ours: borrowed,
        reference: inC,
        versus: 'C program, GRO',
        cpuTarget: at1200 ? 1.1 : undefined,
      }),
      ...rowsOfRates({
        ...common,
        name: `${name}, 'messages'`,
        ours: inBatches,
        reference: inC,
        versus: 'C program, GRO',
        cpuTarget: { 1200: 1.1, 200: 1.2 }[size],
      }),
      ...rowsOfRates({ ...common, name, ours, reference: bare, versus: 'C program by EVP, GRO' }),
      ...rowsOfRates({ ...common, name: `${name}, borrowed`, ours: borrowed, reference: bare, versus: 'C program by EVP, GRO' }),
      ...rowsOfRates({ ...common, name: `${name}, transport 'dgram'`, ours: dgramRates, reference: plainly, versus }),
    );
  }
  const { ours: single, inC: singleInC } = subjects(1200, false);
  const { ours, inC } = await alternate(rounds, { ours: single, inC: singleInC });
  rows.push(
    ...rowsOfRates({
      name: 'receive 1200 bytes, sender without GSO',
      unit: 'messages',
      ours,
      reference: inC,
      versus: 'C program, one call each',
      target: 0.9,
    }),
  );
  const { batches: inBatches, ours: oneByOne } = subjects(1200, true);
  const both = await alternate(rounds, { batches: inBatches, single: oneByOne });
  rows.push(
    row({
      name: "receive 1200 bytes, 'messages', by CPU time",
      unit: 'messages/s',
      ours: both.batches.map(({ cpu }) => cpu),
      reference: both.single.map(({ cpu }) => cpu),
      versus: "'message'",
      target: 1,
    }),
  );
  for (const side of [dtls, borrowing, dgram, batches, plain, program, sender]) side.stop();
  return rows;
}
