// What package.json must say before it is published: node scripts/check-manifest.mjs [package.json]
// npm attests where a package was built (provenance), and refuses one whose `repository` is another place or none.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fail, root } from './tools.mjs';

const manifest = JSON.parse(readFileSync(process.argv[2] ?? join(root, 'package.json'), 'utf8'));

const isUrl = (value) => typeof value === 'string' && /^(git\+)?(https|ssh):\/\/[^/\s]+\/\S+$/.test(value);
const missing = ['repository', 'bugs'].filter((name) => !isUrl(manifest[name]?.url ?? manifest[name]));
if (missing.length > 0)
  fail(
    missing
      .map((name) => `check-manifest: package.json has no '${name}' with a URL: see docs/releasing.md`)
      .join('\n'),
  );
console.log('check-manifest: all well');
