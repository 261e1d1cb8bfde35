/** aiortc, a WebRTC implementation in Python. */
import { spawnSync } from 'node:child_process';
import type { Context } from 'mocha';
import { lacks } from './peers';

/** The one that Debian's packages belong to. */
export const PYTHON = '/usr/bin/python3';

/** In a hook: a suite is skipped where it is missing. */
export function requireAiortc(context: Context): void {
  const { status, stderr, error } = spawnSync(PYTHON, ['-c', 'import aiortc'], { encoding: 'utf8' });
  if (status === 0) return;
  lacks(context, `python3-aiortc is not installed: ${error?.message ?? stderr.trim()}`);
}
