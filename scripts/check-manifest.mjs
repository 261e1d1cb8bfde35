// What package.json must say before it is published: node scripts/check-manifest.mjs [package.json]
// It names the place of the sources, and whoever follows it has to find them there: nothing is published out of a clone of
// another place. npm compares it, too, when it attests where a package was built (provenance), but only then.

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fail, root } from './tools.mjs';

const manifest = JSON.parse(readFileSync(process.argv[2] ?? join(root, 'package.json'), 'utf8'));

const urlOf = (name) => manifest[name]?.url ?? manifest[name];
const isUrl = (value) => typeof value === 'string' && /^(git\+)?(https|ssh):\/\/[^/\s]+\/\S+$/.test(value);
const missing = ['repository', 'bugs'].filter((name) => !isUrl(urlOf(name)));
if (missing.length > 0)
  fail(
    missing
      .map((name) => `check-manifest: package.json has no '${name}' with a URL: see docs/releasing.md`)
      .join('\n'),
  );

/** Host and path: one place has a URL for each way that leads there, `git@host:path` among them. */
const place = (url) =>
  url
    .replace(/^(git\+)?(https?|ssh):\/\//, '')
    .replace(/^[^@/]*@/, '')
    .replace(/^([^/:]+):(?!\d+\/)/, '$1/')
    .replace(/(\.git)?\/*$/, '')
    .toLowerCase();

/** Where this clone comes from: a workflow is told by GitHub, anybody else by git. */
function origins() {
  const { GITHUB_SERVER_URL: server, GITHUB_REPOSITORY: repository } = process.env;
  if (server && repository) return [`${server}/${repository}`];
  const { stdout } = spawnSync('git', ['remote', '-v'], { cwd: root, encoding: 'utf8' });
  return Array.from((stdout ?? '').matchAll(/^\S+\s+(\S+)/gm), ([, url]) => url);
}

const known = [...new Set(origins().map(place))];
const named = place(urlOf('repository'));
if (!known.includes(named))
  fail(
    `check-manifest: package.json says that the sources are at ${named}, and this is a clone of ${known.join(', ') || 'no place that git knows'}: see docs/releasing.md`,
  );
console.log('check-manifest: all well');
