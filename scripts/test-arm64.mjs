// The mocha tests on Linux for arm64, with the binary in prebuilds/, emulated by qemu:
// npm run test:arm64 [-- --node 20,26] [-- --jobs 1] [-- mocha's arguments]
// Debian: qemu-user, and libstdc++6-arm64-cross for the libraries that Node needs.

import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { nodeExecutable, nodePrefix, nodeVersions, SUPPORTED } from './nodes.mjs';
import { changed, counts, fail, root, run, summary } from './tools.mjs';

// How much longer anything may take than on a processor, see test/helpers/patience.ts.
const PATIENCE = 6;

const { values, positionals } = parseArgs({
  options: {
    node: { type: 'string', default: SUPPORTED[0] },
    jobs: { type: 'string', short: 'j', default: `${availableParallelism()}` },
    grep: { type: 'string', short: 'g' },
  },
  allowPositionals: true,
});

const addon = join(root, 'prebuilds/linux-arm64/dgram-dtls.glibc.node');
if (changed(addon) < changed('src-native'))
  run('node', ['scripts/prebuild.mjs', '--arch', 'arm64']);

const LIBRARIES = '/usr/aarch64-linux-gnu';
if (!existsSync(join(LIBRARIES, 'lib/libstdc++.so.6')))
  fail(`test-arm64: no libstdc++ in ${LIBRARIES} (Debian: libstdc++6-arm64-cross)`);

const folder = join(root, 'build-arm64');
mkdirSync(folder, { recursive: true });

/** A program that runs a Node of that version by way of qemu. */
function emulated(version) {
  const executable = nodeExecutable(nodePrefix(version, 'linux', 'arm64'));
  const node = join(folder, `node-${version}`);
  writeFileSync(node, `#!/bin/sh\nexec qemu-aarch64 -L ${LIBRARIES} '${executable}' "$@"\n`);
  chmodSync(node, 0o755);
  return node;
}

// Files side by side: each of mocha's processes takes the next one when it has ended one.
const mocha = ['node_modules/mocha/bin/mocha.js', '--timeout', `${PATIENCE * 10_000}`];
if (values.jobs !== '1') mocha.push('--parallel', '--jobs', values.jobs);
if (values.grep !== undefined) mocha.push('--grep', values.grep);
const tests = positionals.length > 0 ? positionals : ['test/e2e/**/*.test.ts'];

const results = [];
for (const version of values.node.split(',')) {
  const node = emulated(version);
  const title = `arm64, ${nodeVersions(node)}`;
  console.log(`\n--- ${title}`);
  // What starts this Node again, as mocha and some tests do, must go by way of qemu, too.
  const preload = join(folder, `exec-path-${version}.cjs`);
  writeFileSync(preload, `process.execPath = ${JSON.stringify(node)};\n`);
  const { error, status, stdout } = spawnSync(node, [...mocha, ...tests], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: Infinity,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      ...process.env,
      DGRAM_DTLS_ADDON: addon,
      DGRAM_DTLS_TEST_PATIENCE: `${PATIENCE}`,
      NODE_OPTIONS: `--require ${preload}`,
      // tsx's compiler is a program of its own, and runs as what this machine is.
      ESBUILD_BINARY_PATH: join(root, `node_modules/@esbuild/linux-${process.arch}/bin/esbuild`),
    },
  });
  if (error) fail(`test-arm64: ${node}: ${error.message}`);
  process.stdout.write(stdout);
  results.push({ title, ...counts(stdout, status) });
}
console.log();
process.exit(summary(results));
