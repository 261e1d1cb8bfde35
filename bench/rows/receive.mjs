import { alternate, rowsOfRates, sleep } from '../measure.mjs';
import { start } from '../processes.mjs';

/** A handler on the server against one on a plain socket; senders in C that outrun both. */
export async function measure({ credentials, rounds, milliseconds }) {
  const [dtls, plain, program, sender] = await Promise.all(
    ['dtls', 'plain', 'native', 'native'].map((side) => start(side, credentials)),
  );
  const toDtls = await sender.call('connect', await dtls.call('serve'));
  const toPlain = await sender.call('connectPlain', await plain.call('serve'));
  const [sink, sinkPort] = await program.call('openSink');
  const accepted = program.call('accept', sink);
  const toProgram = await sender.call('connect', sinkPort);
  await accepted;

  // The sender begins before the receiver counts, and ends after it.
  const whileSending = async (to, size, received) => {
    const sent = sender.call('blast', to, size, milliseconds + 400);
    await sleep(200);
    const rates = await received();
    const { count, seconds } = await sent;
    const sentRate = count / seconds;
    if (sentRate < rates.clock) console.error(`the sender was slow: ${Math.round(sentRate)}/s`);
    return rates;
  };

  const rows = [];
  for (const size of [1200, 64]) {
    const { ours, plainly, inC } = await alternate(rounds, {
      ours: () => whileSending(toDtls, size, () => dtls.call('received', milliseconds)),
      plainly: () => whileSending(toPlain, size, () => plain.call('received', milliseconds)),
      inC: () => whileSending(toProgram, size, () => program.call('received', milliseconds, sink)),
    });
    const common = { name: `receive ${size} bytes`, unit: 'messages', ours };
    rows.push(
      ...rowsOfRates({
        ...common,
        reference: plainly,
        versus: 'node:dgram, unencrypted',
        target: 0.75,
      }),
      ...rowsOfRates({ ...common, reference: inC, versus: 'C program, OpenSSL' }),
    );
  }
  for (const side of [dtls, plain, program, sender]) side.stop();
  return rows;
}
