// The layers and the rooms, held by a check: the core is plain C++ over OpenSSL that knows of no runtime and no
// operating system, only lib/addon.ts loads the addon, and every file uses what is in its own room or further down.
// A type counts as any other use does: whoever reads a file has to know what it names.

import { existsSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { fail, files, root } from './tools.mjs';

/** Headers of a POSIX system, Linux's own among them: only src-native/io looks at the system. */
const SYSTEM = '(?:arpa|linux|net|netinet|sys)\\/[^>"]+|(?:dlfcn|ifaddrs|link|netdb|poll|pthread|unistd)\\.h';
const including = (names) => new RegExp(`^\\s*#\\s*include\\s*[<"](${names})[>"]`);

const rules = [
  {
    files: files('src-native/core', '.cc', '.h'),
    forbidden: including(`(?:js_native_api|napi|node|node_api|uv)\\.h|uv\\/[^>"]+|${SYSTEM}`),
  },
  {
    files: files('src-native', '.cc', '.h').filter((file) => !/^src-native\/(core|io)\//.test(file)),
    forbidden: including(SYSTEM),
  },
  {
    files: files('lib', 'ts').filter((file) => file !== 'lib/addon.ts'),
    forbidden: /(?:from|require\(|import\(?)\s*['"](bindings)['"]/,
  },
];

/** The rooms of a tree from the top down, with neighbours that do not use one another in one row. */
const trees = [
  {
    folder: 'lib',
    rows: [
      ['index'],
      ['cli'],
      ['create-socket', 'node-dtls', 'metrics', 'lab'],
      ['server'],
      ['socket'],
      ['handshake'],
      ['options'],
      ['identity'],
      ['endpoint'],
      ['diagnostics'],
      ['transport'],
      ['core'],
      ['addon'],
      ['checks'],
      ['errors'],
      ['base'],
    ],
    /** A network in memory needs to know what a transport is, and nothing of DTLS. */
    alone: { lab: ['transport', 'checks', 'errors', 'base'] },
    described: /./,
    files: files('lib', '.ts', '.mts'),
    uses: imports,
  },
  {
    folder: 'src-native',
    rows: [
      ['binding'],
      ['io'],
      ['core/endpoint'],
      ['core/session'],
      ['core/handshake13'],
      ['core/hello13'],
      ['core/handshake'],
      ['core/engine13'],
      ['core/identity'],
      ['core/records13'],
      ['core/records'],
      ['core/flights13'],
      ['core/wire'],
      ['core/outbox'],
      ['core/base'],
    ],
    alone: {},
    described: /^core\//,
    files: files('src-native', '.cc', '.h', '.def'),
    uses: includes,
  },
];

/** The files of lib/ that one names: by imports and exports, types and calls of `import()` and `require` among them. */
function imports(file, text) {
  return [...text.matchAll(/(?:\bfrom|\bimport|\bimport\(|\brequire\()\s*['"](\.[^'"]+)['"]/g)].map(([, path]) => {
    const name = posix.join(posix.dirname(file), path);
    const found = [`${name}.ts`, name.replace(/\.js$/, '.ts'), name.replace(/\.mjs$/, '.mts')].find(
      (candidate) => candidate.endsWith('ts') && existsSync(join(root, candidate)),
    );
    return found ?? fail(`${file}: no file for '${path}'`);
  });
}

function includes(_file, text) {
  return [...text.matchAll(/^\s*#\s*include\s*"([^"]+)"/gm)].map(([, path]) => `src-native/${path}`);
}

function arrowsUp({ folder, rows, alone, described, files }, uses) {
  const roomOf = (file) => {
    const path = file.slice(folder.length + 1);
    return rows.flat().find((room) => path.startsWith(`${room}/`) || path.replace(/\.m?ts$/, '') === room);
  };
  const rowOf = (room) => rows.findIndex((row) => row.includes(room));
  const silent = rows
    .flat()
    .filter((room) => described.test(room) && existsSync(join(root, folder, room)))
    .map((room) => `${folder}/${room}/README.md`)
    .filter((readme) => !existsSync(join(root, readme)))
    .map((readme) => `${readme} is missing: what is the room for?`);
  const arrows = files.flatMap((file) => {
    const room = roomOf(file);
    if (room === undefined) return [`${file}: in no room; scripts/check-layers.mjs lists them`];
    return uses.get(file).flatMap((used) => {
      const other = roomOf(used);
      if (other === room) return [];
      const downwards = other !== undefined && rowOf(other) > rowOf(room);
      const allowed = downwards && (alone[room]?.includes(other) ?? true);
      return allowed ? [] : [`${file} uses ${used}: ${room} is not above ${other ?? 'it'}`];
    });
  });
  return [...silent, ...arrows];
}

/** One way round for each file that is the first to be found on a circle. */
function circles({ files }, uses) {
  const found = [];
  const done = new Set();
  const path = [];
  const visit = (file) => {
    const at = path.indexOf(file);
    if (at >= 0) found.push(`a circle: ${[...path.slice(at), file].join(' → ')}`);
    if (at >= 0 || done.has(file)) return;
    path.push(file);
    for (const used of uses.get(file) ?? []) visit(used);
    path.pop();
    done.add(file);
  };
  for (const file of files) visit(file);
  return found;
}

const read = (file) => readFileSync(join(root, file), 'utf8');
const broken = rules.flatMap(({ files, forbidden }) =>
  files.flatMap((file) =>
    read(file)
      .split('\n')
      .flatMap((line, index) => {
        const name = forbidden.exec(line)?.[1];
        return name ? [`${file}:${index + 1}: ${name} does not belong in this layer`] : [];
      }),
  ),
);
for (const tree of trees) {
  const uses = new Map(tree.files.map((file) => [file, tree.uses(file, read(file))]));
  broken.push(...arrowsUp(tree, uses), ...circles(tree, uses));
}
if (broken.length > 0) fail(broken.join('\n'));
