// What package.json leads to has to be there before it is packed: node scripts/check-packed.mjs [folder]
// npm packs what it finds of `files`, and says nothing of what is not there.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fail, root } from './tools.mjs';

const folder = process.argv[2] ?? root;
const { main, types, bin, exports } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));

/** All paths in a tree of conditions. */
const paths = (entry) => (typeof entry === 'object' ? Object.values(entry).flatMap(paths) : [entry]);

const missing = [...new Set(paths([main, types, bin, exports].filter(Boolean)))].filter(
  (path) => !existsSync(join(folder, path)),
);
if (missing.length > 0)
  fail(`check-packed: ${missing.join(', ')} of package.json is not there: 'npm run build:ts' makes dist/`);

// Without them the package loads nowhere until 'dgram-dtls build' has compiled one.
const prebuilds = join(folder, 'prebuilds');
const binaries = existsSync(prebuilds) ? readdirSync(prebuilds, { recursive: true }).filter((file) => String(file).endsWith('.node')) : [];
if (binaries.length === 0)
  fail("check-packed: there is no binary in prebuilds/: 'npm run build:binaries' makes them; 'npm pack --ignore-scripts' packs what there is, for those who compile it ('dgram-dtls build')");

// A binary of an earlier build loads, and fails at the first call of what it does not have: what the one that was compiled
// here offers has to be named in each of them, whatever machine it is for.
const compiled = join(folder, 'build', 'Release', 'dgram_dtls.node');
if (existsSync(compiled)) {
  const addon = { exports: {} };
  process.dlopen(addon, compiled);
  const names = Object.entries(addon.exports).flatMap(([name, { prototype = {} }]) => [name, ...Object.getOwnPropertyNames(prototype)]);
  for (const binary of binaries) {
    const bytes = readFileSync(join(prebuilds, String(binary)));
    const lacking = [...new Set(names)].filter((name) => name !== 'constructor' && !bytes.includes(`${name}\0`));
    if (lacking.length > 0)
      fail(`check-packed: prebuilds/${binary} is of an earlier build, without ${lacking.join(', ')}: 'npm run build:binaries' makes it anew`);
  }
}
