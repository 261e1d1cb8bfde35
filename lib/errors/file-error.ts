/** Why a file that was named cannot be read. */
import { wordsOf } from './as-error';
import { ioError, type DTLSError } from './errors';

const HINTS: Readonly<Record<string, string>> = {
  ENOENT: 'There is no such file: check the path, which counts from the working directory of the process.',
  ENOTDIR: 'A part of the path in front of its name is no folder: check the path.',
  EISDIR: 'It is a folder: name the file in it.',
  EACCES: 'This process may not read that file: check its owner and mode, and those of the folders above it.',
  EPERM: 'This process may not read that file: check its owner and mode, and those of the folders above it.',
  ERR_ACCESS_DENIED: "Node's permission model keeps this process from that file: start it with '--allow-fs-read' and the path.",
  ELOOP: 'Its symbolic links lead to one another: check the path.',
  ENAMETOOLONG: 'The path is too long: a path is wanted, and no PEM.',
  ERR_INVALID_ARG_VALUE: 'A path has no NUL byte in it: a path is wanted, and no content.',
};

/** The error of a file, with the system's code. */
export function fileError(error: unknown): DTLSError {
  const { code = '' } = error instanceof Error ? wordsOf(error) : {};
  return ioError(error, undefined, HINTS[code]);
}
