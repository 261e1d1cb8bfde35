/** Pre-shared keys of many clients: one `identity:key` on a line, the key in hexadecimal, as gnutls-serv has them. */
import { readNamed } from '../arguments';
import { CommandLineError } from '../exit';

const LINE = /^(.{1,256}):((?:[0-9a-f]{2}){1,512})$/i;

export function readPskFile(file: string): Map<string, Buffer> {
  const keys = new Map<string, Buffer>();
  const lines = readNamed('--psk-file', file).toString().split(/\r?\n/);
  lines.forEach((line, index) => {
    if (line.trim() === '') return;
    const [, identity, key] = LINE.exec(line.trim()) ?? [];
    if (identity === undefined || key === undefined) {
      // The line itself is not shown: it may hold a key.
      throw new CommandLineError(
        `--psk-file: line ${String(index + 1)} of ${file} is not identity:key`,
        line.trimStart().startsWith('#')
          ? 'There are no comments in this file: leave the line out.'
          : 'Write the key in hexadecimal and no space beside the colon, such as lamp-7:0011aabb.',
      );
    }
    if (keys.has(identity)) {
      throw new CommandLineError(
        `--psk-file: line ${String(index + 1)} of ${file} has an identity that stands above already`,
        'Each identity has one key: leave one of the two lines out.',
      );
    }
    keys.set(identity, Buffer.from(key, 'hex'));
  });
  return keys;
}
