// Runs the mocha tests on an addon built with AddressSanitizer and UndefinedBehaviorSanitizer:
// npm run test:sanitized [-- --node 24] [-- mocha's arguments]

import { join } from 'node:path';
import { nodeExecutable, nodePrefix } from './nodes.mjs';
import { buildFolder, output, run, status } from './tools.mjs';

// The Node that runs this, or one of the matrix: the addon is the same for all.
const [flag, version, ...rest] = process.argv.slice(2);
const other = flag === '--node';
const node = other ? nodeExecutable(nodePrefix(version)) : process.execPath;
const given = other ? rest : process.argv.slice(2);

const folder = buildFolder('build-asan');

// One compiler for the addon and the runtime that is loaded before node.
const compiler = process.env.CXX ?? 'g++';
const gyp = ['node_modules/node-gyp/bin/node-gyp.js', '-C', 'build-asan', '--loglevel', 'error'];
run('node', [...gyp, 'configure', 'build', '--jobs', 'max'], {
  env: { ...process.env, CXX: compiler, GYP_DEFINES: 'sanitize=1' },
});

// The command line has no native code of its own, and its tests start a process each.
const mocha = ['node_modules/mocha/bin/mocha.js', '--timeout', '30000', '--ignore', 'test/cli/**'];
const code = status(node, [...mocha, ...given], {
  env: {
    ...process.env,
    DGRAM_DTLS_ADDON: join(folder, 'build/Release/dgram_dtls.node'),
    LD_PRELOAD: output(compiler, ['-print-file-name=libasan.so']),
    // Node leaves much to the end of the process: leaks are looked for in the native tests.
    // The flood tests weigh the process: what is kept to catch a use after free must not outweigh
    // what they look for.
    ASAN_OPTIONS: 'detect_leaks=0:halt_on_error=1:quarantine_size_mb=16',
    UBSAN_OPTIONS: 'print_stacktrace=1',
  },
});
process.exit(code);
