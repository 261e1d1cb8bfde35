/** The file of --keylog. */
import { appendFileSync } from 'node:fs';

import { fileError } from './exit';
import type { Output } from './output';

/** What is appended may hold secrets: the file is its owner's alone. */
const append = (file: string, text: string | Buffer): void => {
  appendFileSync(file, text, { mode: 0o600 });
};

/** @throws CommandLineError when the file cannot be written: nothing has begun yet. */
export function checkKeylog(file: string): void {
  try {
    append(file, '');
  } catch (error) {
    throw fileError('--keylog', error, 'writing');
  }
}

/**
 * What writes the lines of a key log. A file that can be written no more ends no session, and is told once.
 *
 * @throws CommandLineError when the file cannot be written.
 */
export function keylogWriter(file: string, output: Output): (line: Buffer) => void {
  checkKeylog(file);
  let broken = false;
  return (line) => {
    if (broken) return;
    try {
      append(file, line);
    } catch (error) {
      broken = true;
      output.failure(fileError('--keylog', error, 'writing'));
    }
  };
}
