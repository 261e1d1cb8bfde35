/**
 * SSLKEYLOGFILE: the file that browsers, curl and others append their key logs to, so that Wireshark can
 * decrypt. Whoever sets the variable asks for it; nothing else does.
 */
import { appendFileSync } from 'node:fs';

/** The file that the environment names now, if any. */
export function keylogFile(): string | undefined {
  const file = process.env.SSLKEYLOGFILE;
  return file === '' ? undefined : file;
}

const warned = new Set<string>();

function warnOnce(file: string, message: string): void {
  if (warned.has(message)) return;
  warned.add(message);
  process.emitWarning(message, {
    code: 'DTLS_KEYLOG',
    detail: `SSLKEYLOGFILE is set in the environment: ${file}`,
  });
}

/** Appends a line where the environment asks for it. A file that cannot be written stops no handshake. */
export function logKeys(line: Buffer): void {
  const file = keylogFile();
  if (file === undefined) return;
  try {
    // The line is written at once: the process that is being looked at may be about to crash.
    appendFileSync(file, line, { mode: 0o600 });
    warnOnce(
      file,
      `SSLKEYLOGFILE makes DTLS sessions insecure by writing their secret keys to file ${file}`,
    );
  } catch (error) {
    warnOnce(file, `the key log was not written: ${(error as Error).message}`);
  }
}
