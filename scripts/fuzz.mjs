// Builds the fuzz targets of test/fuzz and runs each on its corpus and what libFuzzer makes of it:
// npm run fuzz [-- --seconds N]   (for all targets together; default 60)
// What libFuzzer finds stays in build/fuzz; the corpus of the repository is only read.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { fail, files, output, parallel, root, status } from './tools.mjs';

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '60' } } });
const seconds = Number(values.seconds);
if (!Number.isInteger(seconds) || seconds < 1) fail('--seconds takes a whole number from 1 on');

const BUILD = 'build/fuzz';
const COMPILER = process.env.CLANGXX ?? 'clang++';
const targets = files('test/fuzz', '_fuzz.cc');
const flags = [
  '-std=c++17',
  '-g',
  '-O1',
  '-fno-omit-frame-pointer',
  '-Wall',
  '-Wextra',
  '-Wpedantic',
  '-Werror',
  '-fsanitize=address,undefined',
  '-fno-sanitize-recover=all',
  '-Isrc-native',
  ...output('pkg-config', ['--cflags', 'libssl', 'libcrypto']).split(/\s+/).filter(Boolean),
];
const libraries = output('pkg-config', ['--libs', 'libssl', 'libcrypto']).split(/\s+/);

mkdirSync(join(root, BUILD), { recursive: true });
const objects = [...files('src-native/core', '.cc'), 'test/native/harness.cc', ...targets].map(
  (source) => ({
    source,
    object: `${BUILD}/${source.replaceAll('/', '-').replace(/\.cc$/, '.o')}`,
  }),
);
const compiled = await parallel(
  objects.map(({ source, object }) => [
    COMPILER,
    ...flags,
    '-fsanitize=fuzzer-no-link',
    ...['-c', source, '-o', object],
  ]),
);
if (!compiled) fail('0 passed, 1 failed, 0 skipped');

/** What a target said of a fault: from the first line of it on, and where its input is. */
const report = (said) => {
  const lines = said.trimEnd().split('\n');
  const first = lines.findIndex((line) => /^broken: |ERROR: |runtime error: /.test(line));
  return first < 0
    ? lines.slice(-20).join('\n')
    : [...lines.slice(first, first + 30), ...lines.slice(-5)].join('\n');
};

let passed = 0;
const reports = [];
for (const target of targets) {
  const name = basename(target, '_fuzz.cc');
  const program = `${BUILD}/${name}`;
  const linked = status(COMPILER, [
    '-fsanitize=fuzzer,address,undefined',
    ...objects
      .filter(({ source }) => source === target || !targets.includes(source))
      .map(({ object }) => object),
    ...['-o', program],
    ...libraries,
  ]);
  if (linked !== 0) {
    reports.push(`${name} does not link.`);
    continue;
  }
  const found = `${BUILD}/corpus-${name}`;
  mkdirSync(join(root, found), { recursive: true });
  const corpus = `test/fuzz/corpus/${name}`;
  const ran = spawnSync(
    join(root, program),
    [
      `-max_total_time=${Math.max(1, Math.floor(seconds / targets.length))}`,
      '-max_len=4096',
      // Of the clock, and other work may have the CPU meanwhile.
      '-timeout=60',
      '-print_final_stats=1',
      `-artifact_prefix=${BUILD}/${name}-`,
      found,
      ...(existsSync(join(root, corpus)) ? [corpus] : []),
    ],
    {
      cwd: root,
      encoding: 'utf8',
      maxBuffer: Infinity,
      stdio: ['ignore', 'inherit', 'pipe'],
      env: { UBSAN_OPTIONS: 'print_stacktrace=1', ...process.env },
    },
  );
  if (ran.error) fail(`${program}: ${ran.error.message}`);
  process.stderr.write(ran.stderr);
  if (ran.status === 0) ++passed;
  else reports.push(`--- ${name}: ${ran.signal ?? ran.status}\n${report(ran.stderr)}`);
}
if (targets.length === 0) console.error('No fuzz target was found.');
// Once more at the end, which is what is read first of a long log.
for (const text of reports) console.log(text);
console.log(`${passed} passed, ${reports.length} failed, 0 skipped`);
process.exit(reports.length > 0 || passed === 0 ? 1 : 0);
