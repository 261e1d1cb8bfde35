// Packs the package as it would be published, and checks it as those who install it will meet it.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fail, files, output, root, run } from './tools.mjs';

run('npm', ['run', '--silent', 'build:ts']);
const folder = mkdtempSync(join(tmpdir(), 'dgram-dtls-package-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

// A list, or an object by name, as npm's version has it.
const [{ filename, files: packed }] = Object.values(
  JSON.parse(output('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder])),
);
// No .gyp file is packed: with one at its root package managers would compile the package, or ask whether they may.
const gyp = packed.find(({ path }) => path.endsWith('.gyp'));
if (gyp) fail(`${gyp.path} must not be packed`);
const tarball = join(folder, filename);
// The profile leaves 'node10' out: resolution without "exports" cannot find an entry that is not at the root.
run('npx', ['--no-install', 'attw', '--profile', 'node16', tarball]);
run('npx', ['--no-install', 'publint', '--strict', tarball]);

// Types that came with a later @types/node than that of the oldest Node, or with a later TypeScript, do not compile with
// these: of the types of views, only those without type arguments are old enough.
const views = /\b(?:Buffer|DataView|(?:Uint|Int|Float|Big)\w*Array)<[^>]*>/;
for (const file of files('dist', '.d.ts', '.d.mts')) {
  const found = views.exec(readFileSync(join(root, file), 'utf8'));
  if (found) fail(`${file}: ${found[0]} compiles from TypeScript 5.7 on only`);
}

// Installed from the tarball: the addon compiles from what was packed, and both doors open.
writeFileSync(join(folder, 'package.json'), '{ "private": true }');
run('npm', ['install', '--no-audit', '--no-fund', tarball], { cwd: folder });
// Prebuilt binaries may have been packed, too: scripts/smoke-pack.mjs meets those.
rmSync(join(folder, 'node_modules/dgram-dtls/prebuilds'), { recursive: true, force: true });
const lost = spawnSync('node', ['-e', "require('dgram-dtls')"], { cwd: folder, encoding: 'utf8' });
if (!/ERR_DTLS_ADDON/.test(lost.stderr) || !/npx dgram-dtls build/.test(lost.stderr))
  fail(`without a binary, loading the package says:\n${lost.stderr}`);
run('npx', ['--no', 'dgram-dtls', 'build'], { cwd: folder });
if (existsSync(join(folder, 'node_modules/dgram-dtls/binding.gyp'))) fail('dgram-dtls build left binding.gyp');
// Every name that require() gives, import must give too.
const doors = `
  import * as imported from 'dgram-dtls';
  import { createRequire } from 'node:module';
  const required = Object.keys(createRequire(process.cwd() + '/x.js')('dgram-dtls'));
  const missing = required.filter((name) => !(name in imported));
  if (missing.length > 0) throw new Error('not exported by lib/index.mts: ' + missing.join(', '));
`;
writeFileSync(join(folder, 'doors.mjs'), doors);
run('node', ['doors.mjs'], { cwd: folder });
// The documents send readers to the examples: they are there, and run where they are.
run('node', ['node_modules/dgram-dtls/examples/main.mjs'], { cwd: folder });
