/** What to do about a file that cannot be read or written. Nothing here needs the addon, which not every command has. */

const MODE = 'check its owner and mode, and those of the folders above it.';

const EITHER: Readonly<Record<string, string>> = {
  ENOTDIR: 'A part of the path in front of its name is no folder: check the path.',
  EISDIR: 'It is a folder: name a file in it.',
  ELOOP: 'Its symbolic links lead to one another: check the path.',
  ENAMETOOLONG: 'The path is too long: a path is wanted, and no content of a file.',
  ERR_INVALID_ARG_VALUE: 'A path has no NUL byte in it: a path is wanted, and no content of a file.',
};

const READING: Readonly<Record<string, string>> = {
  ENOENT: 'There is no such file: check the path, which counts from the working directory of the process.',
  EACCES: `This process may not read that file: ${MODE}`,
  EPERM: `This process may not read that file: ${MODE}`,
  ERR_ACCESS_DENIED: "Node's permission model keeps this process from that file: start it with '--allow-fs-read' and the path.",
};

const WRITING: Readonly<Record<string, string>> = {
  ENOENT: 'The folder of that file is not there: make it first; a path counts from the working directory of the process.',
  EACCES: `This process may not write there: ${MODE}`,
  EPERM: `This process may not write there: ${MODE}`,
  EROFS: 'That file system can only be read: choose another folder.',
  ENOSPC: 'That file system is full.',
  EEXIST: 'There is a file of that name: remove it, or choose another name.',
  ERR_ACCESS_DENIED: "Node's permission model keeps this process from that file: start it with '--allow-fs-write' and the path.",
};

/** Undefined where nothing is known but the system's own words. */
export const fileHint = (doing: 'reading' | 'writing', code = ''): string | undefined =>
  (doing === 'reading' ? READING : WRITING)[code] ?? EITHER[code];
