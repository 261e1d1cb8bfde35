// The mocha tests on Linux for arm64, with the binary in prebuilds/, emulated by qemu:
// npm run test:arm64 [-- --node 24] [-- mocha's arguments]
// Debian: qemu-user, and libstdc++6-arm64-cross for the libraries that Node needs.

import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { nodeExecutable, nodePrefix, SUPPORTED } from './nodes.mjs';
import { changed, fail, output, root, run, status } from './tools.mjs';

const { values, positionals } = parseArgs({
  options: {
    node: { type: 'string', default: SUPPORTED[0] },
    grep: { type: 'string', short: 'g' },
  },
  allowPositionals: true,
});

const addon = join(root, 'prebuilds/linux-arm64/dgram-dtls.glibc.node');
if (changed(addon) < Math.max(changed('src-native'), changed('binding.gyp')))
  run('node', ['scripts/prebuild.mjs', '--arch', 'arm64']);

const LIBRARIES = '/usr/aarch64-linux-gnu';
if (!existsSync(join(LIBRARIES, 'lib/libstdc++.so.6')))
  fail(`test-arm64: no libstdc++ in ${LIBRARIES} (Debian: libstdc++6-arm64-cross)`);

// What starts this Node again, as some tests do, must go by way of qemu, too.
const folder = join(root, 'build-arm64');
mkdirSync(folder, { recursive: true });
const node = join(folder, 'node');
const executable = nodeExecutable(nodePrefix(values.node, 'linux', 'arm64'));
writeFileSync(node, `#!/bin/sh\nexec qemu-aarch64 -L ${LIBRARIES} '${executable}' "$@"\n`);
chmodSync(node, 0o755);
const preload = join(folder, 'exec-path.cjs');
writeFileSync(preload, `process.execPath = ${JSON.stringify(node)};\n`);

console.log(output(node, ['-p', '`${process.arch}, Node ${process.versions.node}`']));
const mocha = ['node_modules/mocha/bin/mocha.js', '--timeout', '60000'];
if (values.grep !== undefined) mocha.push('--grep', values.grep);
const tests = positionals.length > 0 ? positionals : ['test/e2e/**/*.test.ts'];
process.exit(
  status(node, [...mocha, ...tests], {
    env: {
      ...process.env,
      DGRAM_DTLS_ADDON: addon,
      NODE_OPTIONS: `--require ${preload}`,
      // tsx's compiler is a program of its own, and runs as what this machine is.
      ESBUILD_BINARY_PATH: join(root, `node_modules/@esbuild/linux-${process.arch}/bin/esbuild`),
    },
  }),
);
