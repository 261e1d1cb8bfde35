/** Why something of a datagram was dropped, as a DROPPED record says it. */
import type { DropReasons } from './channels';
import { native } from '../core/native';

export function readDrops(bytes: Buffer): DropReasons {
  const drops: DropReasons = {};
  const counts = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  // The counts have the machine's own order of bytes: they are written and read in one process.
  const littleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;
  native.dropReasons.forEach((reason, index) => {
    const grown = counts.getUint32(index * 4, littleEndian);
    if (grown > 0) drops[reason as keyof DropReasons] = grown;
  });
  return drops;
}
