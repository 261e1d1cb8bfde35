// Makes dist/ of lib/: types file by file, and of the code a few files with source maps, since
// loading seventy takes three times as long as loading one.

import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { transform } from 'esbuild';
import { rollup } from 'rollup';
import { fail, files, root, run } from './tools.mjs';

const lib = join(root, 'lib');
const dist = join(root, 'dist');

/** What users and package.json name; each is a file of dist/ by its own name. */
const entries = ['index', 'node-dtls/index', 'metrics/index', 'lab/index', 'cli/main'];

rmSync(dist, { recursive: true, force: true });
run('tsc', ['--emitDeclarationOnly']);

const options = /** @type {const} */ ({ target: 'es2022', platform: 'node' });

/** TypeScript to ES modules, one file at a time; the types were checked by tsc. */
const typescript = {
  name: 'typescript',
  resolveId(source, importer) {
    if (!source.startsWith('.') || importer === undefined) return null;
    const path = join(dirname(importer), source.replace(/\.js$/, ''));
    return this.resolve(`${path}.ts`, importer, { skipSelf: true });
  },
  async transform(code, id) {
    const made = await transform(code, { ...options, loader: 'ts', format: 'esm', sourcemap: true, sourcefile: id });
    return { code: made.code, map: made.map };
  },
};

/** All that is reached by imports which run when the module is loaded. */
function reach(id, moduleOf, seen = new Set()) {
  if (seen.has(id)) return seen;
  seen.add(id);
  for (const next of moduleOf(id)?.importedIds ?? []) if (next.startsWith(lib)) reach(next, moduleOf, seen);
  return seen;
}

let core;
const bundle = await rollup({
  input: Object.fromEntries(entries.map((name) => [name, join(lib, `${name}.ts`)])),
  external: (id) => !id.startsWith('.') && !id.startsWith('/') && !/^[a-z]:[\\/]/i.test(id),
  plugins: [typescript],
  // Circles of files that only meet when functions are called are no fault.
  onwarn: ({ code, message }) => code === 'CIRCULAR_DEPENDENCY' || fail(`bundle: ${message}`),
});
await bundle.write({
  dir: dist,
  format: 'cjs',
  entryFileNames: '[name].js',
  // As deep as their sources: the command line looks for package.json from there.
  chunkFileNames: ({ moduleIds }) =>
    moduleIds.every((id) => id.startsWith(join(lib, 'cli'))) ? 'cli/[name].js' : '[name].js',
  exports: 'named',
  esModule: true,
  sourcemap: true,
  externalLiveBindings: false,
  hoistTransitiveImports: false,
  // All that 'dgram-dtls' loads is one file, and the other entries share it.
  manualChunks(id, { getModuleInfo }) {
    core ??= reach(join(lib, 'index.ts'), getModuleInfo);
    return core.has(id) && id !== join(lib, 'index.ts') ? 'core' : undefined;
  },
});
await bundle.close();

for (const file of files('lib', '.mts')) {
  const { code } = await transform(await readFile(join(root, file), 'utf8'), { ...options, loader: 'ts', format: 'esm' });
  const made = join(root, file.replace(/^lib/, 'dist').replace(/\.mts$/, '.mjs'));
  mkdirSync(dirname(made), { recursive: true });
  writeFileSync(made, code);
}
