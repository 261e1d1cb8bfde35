// The addon with the senders, sinks and plain C references; compiled when it is missing or old.

import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { changed, fail, nodeHeaders, root } from '../scripts/tools.mjs';

const output = 'bench/build/Release/dgram_dtls_bench.node';

export function buildAddon() {
  const newest = Math.max(changed('bench/native'), changed('bench/binding.gyp'));
  if (changed(output) >= newest) return;
  const gyp = [join(root, 'node_modules/node-gyp/bin/node-gyp.js'), '--directory=bench'];
  const headers = process.env.npm_config_nodedir ? undefined : nodeHeaders();
  if (headers) gyp.push(`--nodedir=${dirname(dirname(headers))}`);
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [...gyp, 'rebuild', '--jobs=max', '--loglevel=error'],
    { cwd: root, encoding: 'utf8' },
  );
  if (status !== 0) fail(`the native part of the benchmarks does not build:\n${stdout}${stderr}`);
}

export const loadAddon = () => createRequire(import.meta.url)(join(root, output));
