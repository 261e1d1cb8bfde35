import { alternate, row } from '../measure.mjs';
import { overDgram, start } from '../processes.mjs';

/** `send` to a sink in C that counts datagrams, against a plain socket's and against C. */
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
  const [plainSink, plainPort] = await receiver.call('openSink');
  await plain.call('connect', plainPort);

  const send = async (sink, sending) => {
    const arrived = receiver.call('countDatagrams', sink, milliseconds + 100);
    const rate = await sending();
    await arrived;
    return rate;
  };
  const inC = async (size) => {
    const { count, seconds } = await program.call('blast', programSession, size, milliseconds, true);
    return count / seconds;
  };

  const rows = [];
  for (const size of [1200, 200, 64]) {
    const rates = await alternate(rounds, {
      ours: () => send(dtlsSink, () => dtls.call('send', size, milliseconds)),
      overDgram: () => send(dgramSink, () => dgram.call('send', size, milliseconds)),
      plainly: () => send(plainSink, () => plain.call('send', size, milliseconds)),
      inC: () => send(programSink, () => inC(size)),
    });
    const at1200 = size === 1200;
    const common = { name: `send ${size} bytes`, unit: 'messages/s' };
    const versus = 'node:dgram, unencrypted';
    rows.push(
      row({ ...common, ours: rates.ours, reference: rates.plainly, versus, target: at1200 ? 4 : undefined }),
      row({
        ...common,
        ours: rates.ours,
        reference: rates.inC,
        versus: 'C program, GSO',
        target: at1200 ? 0.75 : undefined,
      }),
      row({
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
