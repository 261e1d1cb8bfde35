import { alternate, row } from '../measure.mjs';
import { start } from '../processes.mjs';

/** `send` to a sink in C that counts datagrams. */
export async function measure({ credentials, rounds, milliseconds }) {
  const [dtls, plain, receiver] = await Promise.all(
    ['dtls', 'plain', 'native'].map((side) => start(side, credentials)),
  );
  const [dtlsSink, dtlsPort] = await receiver.call('openSink');
  const accepted = receiver.call('accept', dtlsSink);
  await dtls.call('connect', dtlsPort);
  await accepted;
  const [plainSink, plainPort] = await receiver.call('openSink');
  await plain.call('connect', plainPort);

  const send = async (side, sink, size) => {
    const arrived = receiver.call('countDatagrams', sink, milliseconds + 100);
    const rate = await side.call('send', size, milliseconds);
    await arrived;
    return rate;
  };

  const rows = [];
  for (const size of [1200, 64]) {
    const { ours, reference } = await alternate(rounds, {
      ours: () => send(dtls, dtlsSink, size),
      reference: () => send(plain, plainSink, size),
    });
    rows.push(
      row({
        name: `send ${size} bytes`,
        unit: 'messages/s',
        ours,
        reference,
        versus: 'node:dgram, unencrypted',
      }),
    );
  }
  for (const side of [dtls, plain, receiver]) side.stop();
  return rows;
}
