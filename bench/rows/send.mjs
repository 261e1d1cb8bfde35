import { alternate, rowsOfRates } from '../measure.mjs';
import { overDgram, start } from '../processes.mjs';

/** From 3.2 on SSL_write takes longer, and the ciphers alone take less. */
const TARGET = process.versions.openssl.startsWith('3.0.') ? 0.9 : 1.2;

/**
 * `send` to a sink in C that counts datagrams, against a plain socket's and against C: with SSL, and
 * with EVP alone.
 */
export async function measure({ credentials, rounds, milliseconds }) {
  const [dtls, dgram, plain, receiver, program] = await Promise.all([
    start('dtls', credentials),
    start('dtls', credentials, overDgram),
    start('plain', credentials),
    start('native', credentials),
    start('native', credentials),
  ]);
  const connectTo = async (side) => {
    const [sink, port] = await receiver.call('openSink');
    const accepted = receiver.call('accept', sink);
    const session = await side.call('connect', port);
    await accepted;
    return [sink, session];
  };
  const [dtlsSink] = await connectTo(dtls);
  const [dgramSink] = await connectTo(dgram);
  const [programSink, programSession] = await connectTo(program);
  const [bareSink, bareSession] = await connectTo(program);
  const [plainSink, plainPort] = await receiver.call('openSink');
  await plain.call('connect', plainPort);

  const send = async (sink, sending) => {
    const arrived = receiver.call('countDatagrams', sink, milliseconds + 100);
    const rates = await sending();
    await arrived;
    return rates;
  };

  const rows = [];
  for (const size of [1200, 200, 64]) {
    const rates = await alternate(rounds, {
      ours: () => send(dtlsSink, () => dtls.call('send', size, milliseconds)),
      overDgram: () => send(dgramSink, () => dgram.call('send', size, milliseconds)),
      plainly: () => send(plainSink, () => plain.call('send', size, milliseconds)),
      inC: () => send(programSink, () => program.call('send', size, milliseconds, programSession)),
      bare: () => send(bareSink, () => program.call('sendBare', size, milliseconds, bareSession)),
    });
    const common = { name: `send ${size} bytes`, unit: 'messages', ours: rates.ours };
    const versus = 'node:dgram, unencrypted';
    rows.push(
      ...rowsOfRates({ ...common, reference: rates.plainly, versus }),
      ...rowsOfRates({
        ...common,
        reference: rates.inC,
        versus: 'C program, GSO',
        cpuTarget: size === 64 ? undefined : TARGET,
      }),
      ...rowsOfRates({ ...common, reference: rates.bare, versus: 'C program by EVP, GSO' }),
      ...rowsOfRates({
        ...common,
        name: `${common.name}, transport 'dgram'`,
        ours: rates.overDgram,
        reference: rates.plainly,
        versus,
      }),
    );
  }
  for (const side of [dtls, dgram, plain, receiver, program]) side.stop();
  return rows;
}
