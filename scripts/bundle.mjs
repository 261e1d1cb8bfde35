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

/**
 * Of what index.ts exports, what many programs have no use for, and where it is: each is a file that is loaded when
 * one of its names is first asked for. Half the time that `require('dgram-dtls')` takes is V8 reading JavaScript.
 */
const late = {
  connect: { module: 'socket/connect.ts', names: ['connect'] },
  server: { module: 'server/server.ts', names: ['createServer', 'DTLSServer'] },
  'create-socket': { module: 'create-socket/socket.ts', names: ['createSocket', 'SecureDgramSocket'] },
  'generate-certificate': { module: 'identity/generate-certificate.ts', names: ['generateCertificate'] },
};
/**
 * What most programs never come to, though what they load names it: words of errors, and what only an option or a call
 * that is seldom made needs. It is one file, which core.js loads when it first uses something of it.
 */
const rare = [
  'checks/not-here',
  'checks/number-hints',
  'diagnostics/qlog',
  'endpoint/moving',
  'errors/file-error',
  'errors/file-hints',
  'handshake/ocsp',
  'identity/certificates',
  'identity/fingerprints',
  'identity/pem-hints',
  'identity/raw-public-keys',
  'identity/reload',
  'socket/heartbeat',
  'socket/keying-material',
  'socket/packets',
  'socket/set-peer',
  'socket/update-keys',
  'socket/web-streams',
  'transport/block-list',
  'transport/dgram',
  'transport/transport-driver',
].map((name) => join(lib, `${name}.ts`));
/**
 * What commands use, too, that do without the addon: they have a copy in a file apart from core.js, which loads the addon.
 * Another file for core.js would take longer than it is long.
 */
const withoutAddon = { 'file-hints': join(lib, 'errors/file-hints.ts'), printable: join(lib, 'errors/printable.ts') };
const COPY = '?copy';
const lateModules = Object.values(late).map(({ module }) => join(lib, module));

rmSync(dist, { recursive: true, force: true });
run('tsc', ['--emitDeclarationOnly']);

const options = /** @type {const} */ ({ target: 'es2022', platform: 'node' });

/** TypeScript to ES modules, one file at a time; the types were checked by tsc. */
const typescript = {
  name: 'typescript',
  resolveId(source, importer) {
    if (!source.startsWith('.') || importer === undefined) return null;
    const path = `${join(dirname(importer), source.replace(/\.js$/, ''))}.ts`;
    if (importer.startsWith(join(lib, 'cli')) && Object.values(withoutAddon).includes(path)) return `${path}${COPY}`;
    return this.resolve(path, importer, { skipSelf: true });
  },
  load: (id) => (id.endsWith(COPY) ? readFile(id.slice(0, -COPY.length), 'utf8') : null),
  async transform(code, id) {
    const made = await transform(code, { ...options, loader: 'ts', format: 'esm', sourcemap: true, sourcefile: id });
    return { code: made.code, map: made.map };
  },
};

/** All that is reached by imports which run when the module is loaded, but for what index.ts loads late. */
function reach(id, moduleOf, seen = new Set()) {
  if (seen.has(id)) return seen;
  seen.add(id);
  for (const next of moduleOf(id)?.importedIds ?? [])
    if (next.startsWith(lib) && !lateModules.includes(next)) reach(next, moduleOf, seen);
  return seen;
}

/** The names of the late files become getters in index.js. */
const getters = {
  name: 'getters',
  renderChunk(code, { name, fileName }) {
    if (fileName !== 'index.js' || name !== 'index') return null;
    const all = Array.from(code.matchAll(/^exports\.(\w+) = /gm), ([, exported]) => exported);
    let made = `${code.trimEnd()}\n`;
    for (const [file, { names }] of Object.entries(late)) {
      const variable = new RegExp(`^var (\\w+) = require\\('\\./${file}\\.js'\\);\\n`, 'm').exec(made);
      if (!variable) return fail(`bundle: index.js does not load ${file}`);
      made = made.replace(variable[0], '');
      for (const exported of names) made = made.replace(`exports.${exported} = ${variable[1]}.${exported};\n`, '');
      if (made.includes(`= ${variable[1]}.`)) return fail(`bundle: ${file} has more names than those that are loaded late`);
    }
    for (const [file, { names }] of Object.entries(late))
      made += `for (const name of ${JSON.stringify(names)})
  Object.defineProperty(exports, name, { enumerable: true, configurable: true, get: () => require('./${file}.js')[name] });\n`;
    // Node finds the names that an ES module may import from this file by reading it: it knows this form.
    return { code: `${made}0 && (module.exports = { ${all.join(', ')} });\n`, map: null };
  },
};

/** The others get an object in place of the file that is loaded late: by then core.js is whole, which that file needs. */
const loadedWhenUsed = {
  name: 'loaded-when-used',
  renderChunk(code) {
    const loads = "var rarelyUsed = require('./rarely-used.js');";
    if (!code.includes(loads)) return null;
    // On the same line, so that the source map stays true.
    const made = code
      .replace(loads, "let rarelyUsedFile; const rarelyUsed = { get file() { return rarelyUsedFile ??= require('./rarely-used.js'); } };")
      .replaceAll(/(?<![\w$]|(?<!\.\.)\.)rarelyUsed(?=\.)/g, 'rarelyUsed.file');
    return { code: made, map: null };
  },
};

/**
 * Node reads core.js whenever a program begins, and a fifth of it is indentation and comments. Lines stay short: Node
 * prints the one that throws.
 */
const compact = {
  name: 'compact',
  async renderChunk(code, { fileName }) {
    if (fileName !== 'core.js') return null;
    const made = await transform(code, { ...options, loader: 'js', minifyWhitespace: true, lineLimit: 160, sourcemap: true });
    return { code: made.code, map: made.map };
  },
};

let core;
let apart;
const bundle = await rollup({
  input: Object.fromEntries(entries.map((name) => [name, join(lib, `${name}.ts`)])),
  external: (id) => !id.startsWith('.') && !id.startsWith('/') && !/^[a-z]:[\\/]/i.test(id),
  plugins: [typescript, getters, loadedWhenUsed, compact],
  // Circles of files that only meet when functions are called are no fault.
  onwarn: ({ code, message }) => code === 'CIRCULAR_DEPENDENCY' || code === 'CIRCULAR_CHUNK' || fail(`bundle: ${message}`),
});
await bundle.write({
  dir: dist,
  format: 'cjs',
  entryFileNames: '[name].js',
  // Chunks lie as deep as their sources: the command line looks for package.json from there.
  chunkFileNames: ({ moduleIds }) =>
    moduleIds.every((id) => id.startsWith(join(lib, 'cli'))) ? 'cli/[name].js' : '[name].js',
  exports: 'named',
  esModule: true,
  sourcemap: true,
  externalLiveBindings: false,
  hoistTransitiveImports: false,
  // All that 'dgram-dtls' loads at once is one file, and the other entries share it.
  manualChunks(id, { getModuleInfo }) {
    core ??= reach(join(lib, 'index.ts'), getModuleInfo);
    apart ??= Object.entries(late).map(([name, { module }]) => [name, reach(join(lib, module), getModuleInfo)]);
    if (id === join(lib, 'index.ts')) return undefined;
    const [own] = Object.entries(withoutAddon).find(([, module]) => `${module}${COPY}` === id) ?? [];
    if (own !== undefined) return own;
    if (rare.includes(id)) return 'rarely-used';
    return core.has(id) ? 'core' : apart.find(([, modules]) => modules.has(id))?.[0];
  },
});
await bundle.close();

for (const file of files('lib', '.mts')) {
  const { code } = await transform(await readFile(join(root, file), 'utf8'), { ...options, loader: 'ts', format: 'esm' });
  const made = join(root, file.replace(/^lib/, 'dist').replace(/\.mts$/, '.mjs'));
  mkdirSync(dirname(made), { recursive: true });
  writeFileSync(made, code);
}
