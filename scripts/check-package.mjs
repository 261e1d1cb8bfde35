// Packs the package as it would be published, and checks it as those who install it will meet it.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { output, run } from './tools.mjs';

run('npm', ['run', '--silent', 'build:ts']);
const folder = mkdtempSync(join(tmpdir(), 'dgram-dtls-package-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

const [{ filename }] = JSON.parse(output('npm', ['pack', '--json', '--pack-destination', folder]));
const tarball = join(folder, filename);
// Not 'node10': resolution without "exports" cannot find an entry that is not at the root.
run('npx', ['--no-install', 'attw', '--profile', 'node16', tarball]);
run('npx', ['--no-install', 'publint', '--strict', tarball]);

// Installed from the tarball: the addon compiles from what was packed, and both doors open.
writeFileSync(join(folder, 'package.json'), '{ "private": true }');
run('npm', ['install', '--no-audit', '--no-fund', tarball], {
  cwd: folder,
  // Prebuilt binaries may have been packed, too: scripts/smoke-pack.mjs meets those.
  env: { ...process.env, npm_config_build_from_source: 'true' },
});
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
