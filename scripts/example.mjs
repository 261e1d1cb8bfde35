// Runs an example that has dependencies of its own: node scripts/example.mjs NAME [--install]
// They are installed in its folder where they are missing or out of date, and are none of the library's; `--install` does
// no more than that.

import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { changed, fail, root, run } from './tools.mjs';

const { values, positionals } = parseArgs({
  options: { install: { type: 'boolean', default: false } },
  allowPositionals: true,
});
const [name] = positionals;
if (name === undefined) fail('example: which one?');
const example = join('examples', name);

if (changed(`${example}/node_modules/.package-lock.json`) < changed(`${example}/package-lock.json`)) {
  run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel', 'error'], { cwd: join(root, example) });
}
if (!values.install) await import(pathToFileURL(join(root, example, 'main.mjs')).href);
