// Compiles the core, the sockets and their C++ tests with the sanitizers, against the system's OpenSSL, and runs
// them: npm run test:native [-- --filter 'part of a test name']

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { changed, fail, files, output, parallel, root, run } from './tools.mjs';

const { values } = parseArgs({ options: { filter: { type: 'string' } } });

const BUILD = 'build/native-tests';
const COMPILER = process.env.CLANGXX ?? 'clang++';
const SANITIZERS = ['-fsanitize=address,undefined', '-fno-sanitize-recover=all'];
const FLAGS = [
  '-std=c++17',
  '-g',
  '-O1',
  '-fno-omit-frame-pointer',
  '-Wall',
  '-Wextra',
  '-Wpedantic',
  '-Werror',
  ...SANITIZERS,
  '-Isrc-native',
  ...output('pkg-config', ['--cflags', 'libssl', 'libcrypto']).split(/\s+/).filter(Boolean),
];

/** Whether an object is older than anything it was compiled from, as the compiler listed it. */
function stale(object) {
  const list = join(root, object.replace(/\.o$/, '.d'));
  if (!existsSync(list) || !existsSync(join(root, object))) return true;
  const sources = readFileSync(list, 'utf8')
    .replace(/^.*?:|\\$/gm, '')
    .split(/\s+/)
    .filter(Boolean);
  const built = changed(object);
  // A source that is gone (0) makes it stale too.
  return [...sources, 'scripts/test-native.mjs'].some((path) => {
    const time = changed(path);
    return time === 0 || time > built;
  });
}

mkdirSync(join(root, BUILD), { recursive: true });
const objects = [...files('src-native/core', '.cc'), ...files('src-native/io', '.cc'), ...files('test/native', '.cc')].map(
  (source) => ({
    source,
    object: `${BUILD}/${source.replaceAll('/', '-').replace(/\.cc$/, '.o')}`,
  }),
);
const commands = objects
  .filter(({ object }) => stale(object))
  .map(({ source, object }) => [COMPILER, ...FLAGS, '-MMD', '-c', source, '-o', object]);
if (!(await parallel(commands))) fail('0 passed, 1 failed, 0 skipped');

const program = `${BUILD}/run`;
run(COMPILER, [
  ...SANITIZERS,
  ...objects.map(({ object }) => object),
  '-o',
  program,
  ...output('pkg-config', ['--libs', 'libssl', 'libcrypto']).split(/\s+/),
]);

const filter = values.filter ? [`--test-case=*${values.filter}*`] : [];
const { status, stdout } = spawnSync(join(root, program), filter, {
  cwd: root,
  encoding: 'utf8',
  maxBuffer: Infinity,
  stdio: ['ignore', 'pipe', 'inherit'],
  env: { UBSAN_OPTIONS: 'print_stacktrace=1', ...process.env },
});
process.stdout.write(stdout);

// doctest: "[doctest] test cases: 3 | 2 passed | 1 failed | 0 skipped". A sanitizer that ends the
// program leaves no such line, and fails a leak after it.
const counts = /test cases:\s*\d+ \|\s*(\d+) passed \|\s*(\d+) failed \|\s*(\d+) skipped/.exec(
  stdout,
);
const [passed, failed, skipped] = counts ? counts.slice(1).map(Number) : [0, 0, 0];
const crashed = status !== 0 && failed === 0 ? 1 : 0;
const nothing = status === 0 && passed === 0;
if (nothing) console.error('No test ran.');
console.log(`${passed} passed, ${failed + crashed} failed, ${skipped} skipped`);
process.exit(nothing ? 1 : (status ?? 1));
