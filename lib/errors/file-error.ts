/** Why a file that was named cannot be read. */
import { wordsOf } from './as-error';
import { ioError, type DTLSError } from './errors';
import { fileHint } from './file-hints';

/** The error of a file, with the system's code. */
export function fileError(error: unknown): DTLSError {
  const { code } = error instanceof Error ? wordsOf(error) : {};
  return ioError(error, undefined, fileHint('reading', code));
}
