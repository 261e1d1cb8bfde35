/** Where qlog's files go: asked for each session, while qlog.ts is only loaded where they are written. */
import { mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

import { usageError } from '../errors/dtls-error';

/** As `recursive` of mkdirSync, which on Node 20 goes round for ever where the system makes no folders (/proc). */
function makeFolder(path: string, above = true): void {
  try {
    mkdirSync(path);
  } catch (error) {
    const parent = dirname(path);
    if (above && parent !== path && (error as NodeJS.ErrnoException).code === 'ENOENT') {
      makeFolder(parent);
      makeFolder(path, false);
    } else if (statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) {
      throw error;
    }
  }
}

/** The option, or else QLOGDIR; makes the folder. Undefined: no logs. */
export function qlogDirectory(option: string | undefined): string | undefined {
  const directory = option ?? process.env.QLOGDIR ?? '';
  if (directory === '') return undefined;
  try {
    makeFolder(directory);
  } catch (error) {
    throw usageError(
      'ERR_INVALID_ARG_VALUE',
      `${option === undefined ? 'QLOGDIR' : "'qlogDir'"} cannot be used: ${String(error)}`,
      'It names a folder that this process may make, and write to.',
    );
  }
  return directory;
}
