// The tests on every supported Node, all with one and the same addon:
// npm run test:matrix [-- --node 22,26] [-- --addon FILE] [-- mocha's arguments]

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { nodeExecutable, nodePrefix, nodeVersions, SUPPORTED } from './nodes.mjs';
import { counts, fail, root, summary } from './tools.mjs';

const { values, positionals } = parseArgs({
  options: {
    node: { type: 'string', default: SUPPORTED.join(',') },
    addon: { type: 'string', default: 'build/Release/dgram_dtls.node' },
    grep: { type: 'string', short: 'g' },
  },
  allowPositionals: true,
});

const addon = resolve(root, values.addon);
if (!existsSync(addon)) fail(`test-matrix: no addon at ${addon}: npm run build:native`);
const digest = () => createHash('sha256').update(readFileSync(addon)).digest('hex');
const before = digest();

const tests = positionals.length > 0 ? positionals : ['test/**/*.test.ts'];
const mocha = ['node_modules/mocha/bin/mocha.js', '--timeout', '30000'];
if (values.grep !== undefined) mocha.push('--grep', values.grep);
const results = [];
for (const version of values.node.split(',')) {
  const executable = nodeExecutable(nodePrefix(version));
  const title = nodeVersions(executable);
  console.log(`\n--- ${title}`);
  const { error, status, stdout } = spawnSync(
    executable,
    [...mocha, ...tests],
    {
      cwd: root,
      encoding: 'utf8',
      maxBuffer: Infinity,
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, DGRAM_DTLS_ADDON: addon },
    },
  );
  if (error) fail(`test-matrix: ${executable}: ${error.message}`);
  process.stdout.write(stdout);
  results.push({ title, ...counts(stdout, status) });
}

if (digest() !== before) fail('test-matrix: the addon changed during the run');
console.log(`\naddon ${before.slice(0, 16)}`);
process.exit(summary(results));
