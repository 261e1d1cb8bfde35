/**
 * SSLKEYLOGFILE: the file that browsers, curl and others append their key logs to, so that Wireshark can
 * decrypt. Whoever sets the variable asks for it; but for an option of the command line, nothing else does.
 */
import { appendFileSync } from 'node:fs';

import type { NonSharedBuffer } from '../base/non-shared-buffer';

/** A file, and what has named it. */
interface Target {
  readonly file: string;
  readonly by: string;
}

let ofCommand: Target | undefined;

/** Has the lines of all sessions go to a file that an option of a command names, in place of that of the environment. */
export function logKeysTo(file: string, option: string): void {
  ofCommand = { file, by: option };
}

function target(): Target | undefined {
  const file = process.env.SSLKEYLOGFILE ?? '';
  return ofCommand ?? (file === '' ? undefined : { file, by: 'SSLKEYLOGFILE' });
}

/** The file that is named now, if any. */
export const keylogFile = (): string | undefined => target()?.file;

const warned = new Set<string>();

function warnOnce({ file, by }: Target, message: string): void {
  if (warned.has(message)) return;
  warned.add(message);
  process.emitWarning(message, {
    code: 'DTLS_KEYLOG',
    detail: by === 'SSLKEYLOGFILE' ? `${by} is set in the environment: ${file}` : `${by} is given: ${file}`,
  });
}

/** A line of a key log, in memory of its own: whoever is given it may wipe it. */
export function secretLine(text: Uint8Array): NonSharedBuffer {
  const line = Buffer.from(new ArrayBuffer(text.length + 1));
  line.set(text);
  line[text.length] = 0x0a;
  return line;
}

/** Appends a line where somebody asks for it. A file that cannot be written stops no handshake. */
export function logKeys(line: Buffer): void {
  const to = target();
  if (to === undefined) return;
  try {
    // The line is written at once: the process that is being looked at may be about to crash.
    appendFileSync(to.file, line, { mode: 0o600 });
    warnOnce(to, `${to.by} makes DTLS sessions insecure by writing their secret keys to file ${to.file}`);
  } catch (error) {
    warnOnce(to, `the key log was not written: ${(error as Error).message}`);
  }
}
