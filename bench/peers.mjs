// DTLS packages of others, to be measured beside the library. They are installed on demand into
// .cache/peers, without running their scripts, and are dependencies of nothing.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { root } from '../scripts/tools.mjs';

/** The versions of other packages that run on Node 20 without a compiler; docs/performance.md tells of the rest. */
export const PEERS = {
  'werift-dtls': '0.5.8',
  '@nodertc/dtls': '0.6.0',
  // 2.0 needs Node 22.
  'node-dtls-client': '1.1.1',
};

// Another version is another folder.
const versions = Object.entries(PEERS).map(([name, version]) => `${name}@${version}`);
const folder = join(root, '.cache/peers', versions.join('+').replaceAll('/', '_'));

/** Why they cannot be had; undefined when they are there. */
export function installPeers() {
  if (Object.keys(PEERS).every((name) => existsSync(join(folder, 'node_modules', name)))) return undefined;
  mkdirSync(folder, { recursive: true });
  const { error, status, stderr } = spawnSync(
    'npm',
    ['install', '--no-save', '--ignore-scripts', '--omit=optional', '--no-audit', '--no-fund'].concat([
      '--loglevel=error',
      `--prefix=${folder}`,
      ...versions,
    ]),
    { encoding: 'utf8', timeout: 240_000, stdio: ['ignore', 'ignore', 'pipe'] },
  );
  if (status === 0) return undefined;
  return error?.message ?? stderr.trim().split('\n')[0];
}

/** Loads one of them, or a file of it. */
export const requirePeer = createRequire(join(folder, 'package.json'));
