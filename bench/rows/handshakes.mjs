import { alternate, rowsOfRates } from '../measure.mjs';
import { start } from '../processes.mjs';

/** Server and client in one thread, against the same in C: in memory, and over loopback. */
export async function measure({ credentials, rounds, milliseconds }) {
  const [memory, dtls, program] = await Promise.all(
    ['memory', 'dtls', 'native'].map((side) => start(side, credentials)),
  );
  const subjects = {
    inMemory: () => memory.call('handshakes', milliseconds),
    inMemoryInC: () => program.call('handshakes', milliseconds),
    overLoopback: () => dtls.call('handshakes', milliseconds),
    overLoopbackInC: () => program.call('handshakesOverLoopback', milliseconds),
  };
  // The first handshakes of a process compile what the later ones run.
  await alternate(1, subjects);
  const { inMemory, inMemoryInC, overLoopback, overLoopbackInC } = await alternate(rounds, subjects);
  for (const side of [memory, dtls, program]) side.stop();
  const compare = (where, ours, reference, whereInC, cpuTarget = undefined) =>
    rowsOfRates({
      unit: 'handshakes',
      name: `handshakes ${where}`,
      ours,
      reference,
      versus: `C loop ${whereInC}`,
      cpuTarget,
    });
  return [
    ...compare('in memory', inMemory, inMemoryInC, 'in memory', 0.6),
    ...compare('over loopback', overLoopback, overLoopbackInC, 'over loopback', 0.8),
    ...compare('over loopback', overLoopback, inMemoryInC, 'in memory'),
  ];
}
