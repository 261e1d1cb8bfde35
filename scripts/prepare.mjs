// Makes a working tree ready to run: installs and builds what is missing or out of date, so that
// `npm start` and `npm test` work at once on a fresh clone. Says nothing when nothing is to do.

import { spawnSync } from 'node:child_process';
import { existsSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { changed, fail, root } from './tools.mjs';

const steps = [
  {
    output: 'node_modules/.package-lock.json',
    inputs: ['package-lock.json'],
    command: ['ci', '--include=dev'],
  },
  {
    output: 'build/Release/dgram_dtls.node',
    inputs: ['src-native'],
    command: ['run', 'build:native'],
  },
  {
    output: 'dist/index.js',
    inputs: ['lib', 'tsconfig.json'],
    command: ['run', 'build:ts'],
  },
];

for (const { output, inputs, command } of steps) {
  if (changed(output) >= Math.max(...inputs.map(changed)) && existsSync(join(root, output)))
    continue;
  const name = `npm ${command.join(' ')}`;
  console.error(`prepare: ${name}`);
  const { error, status, stdout } = spawnSync(`${name} 2>&1`, {
    cwd: root,
    shell: true,
    stdio: ['ignore', 'pipe', 'inherit'],
    maxBuffer: Infinity,
  });
  if (error || status !== 0) {
    process.stderr.write(stdout ?? '');
    fail(`prepare: ${name} failed${error ? `: ${error.message}` : ''}`);
  }
  // A build with nothing to do leaves its output's time alone, and would be run every time.
  const now = new Date();
  utimesSync(join(root, output), now, now);
}
