import { alternate, rowsOfRates } from '../measure.mjs';
import { start } from '../processes.mjs';

/** Server and client in one thread, against the same in C. */
export async function measure({ credentials, rounds, milliseconds }) {
  const [memory, dtls, program] = await Promise.all(
    ['memory', 'dtls', 'native'].map((side) => start(side, credentials)),
  );
  const subjects = {
    inMemory: () => memory.call('handshakes', milliseconds),
    inC: () => program.call('handshakes', milliseconds),
    overLoopback: () => dtls.call('handshakes', milliseconds),
  };
  // The first handshakes of a process compile what the later ones run.
  await alternate(1, subjects);
  const { inMemory, overLoopback, inC } = await alternate(rounds, subjects);
  for (const side of [memory, dtls, program]) side.stop();
  const common = { unit: 'handshakes', reference: inC, versus: 'C loop in memory' };
  return [
    ...rowsOfRates({ ...common, name: 'handshakes in memory', ours: inMemory, target: 0.6 }),
    ...rowsOfRates({ ...common, name: 'handshakes over loopback', ours: overLoopback, target: 0.85 }),
  ];
}
