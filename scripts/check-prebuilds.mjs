// What must hold of the binaries in prebuilds/ so that they load wherever the package says so:
// node scripts/check-prebuilds.mjs [--all]     (--all: as for a release: none missing, the package small)
// All by their size; Linux's in detail, with binutils' readelf, whatever machine they are for.

import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { nodeExecutable, nodePrefix, SUPPORTED } from './nodes.mjs';
import { GLIBC, MOST_BINARY, mostPacked, TARGETS } from './targets.mjs';
import { fail, files, output, root } from './tools.mjs';

const MACHINES = { x64: 'X86-64', arm64: 'AArch64' };
const ENTRIES = ['napi_register_module_v1', 'node_api_module_get_api_version_v1'];
/** Libraries of the C library itself, under the names of glibc and musl. */
const C_LIBRARY =
  /^(lib(c|m|dl|pthread)\.so(\.\d+)?|ld-linux-[\w-]+\.so\.\d|libc\.musl-\w+\.so\.1)$/;

const newer = (a, b) => a.localeCompare(b, 'en', { numeric: true }) > 0;
const readelf = (...args) => output('readelf', ['--wide', ...args]);

/** The dynamic symbols of a file: `defined`, and `needed` with the version that is asked for. */
function symbols(file) {
  const defined = new Set();
  const needed = [];
  for (const line of readelf('--dyn-syms', file).split('\n')) {
    const [, binding, , section, name] =
      /^\s*\d+: \w+ +\w+ \w+ +(\w+) +(\w+)(?: \[.*?\])? +(\w+) (\S+)/.exec(line) ?? [];
    if (!name || binding === 'LOCAL') continue;
    const [symbol, version] = name.split(/@+/);
    if (section !== 'UND') defined.add(symbol);
    else needed.push({ symbol, version, weak: binding === 'WEAK' });
  }
  return { defined, needed };
}

const exported = new Map();
/** What the executables of all supported Nodes for an architecture export. */
function exportedByNode(arch) {
  if (!exported.has(arch)) {
    const all = SUPPORTED.map(
      (version) => symbols(nodeExecutable(nodePrefix(version, 'linux', arch))).defined,
    );
    exported.set(arch, new Set([...all[0]].filter((name) => all.every((one) => one.has(name)))));
  }
  return exported.get(arch);
}

const bytesOf = (target) => statSync(join(root, 'prebuilds', target)).size;

function problemsOfLinux(target) {
  const [, arch, libc] = /^linux-(\w+)\/.*\.(\w+)\.node$/.exec(target) ?? [];
  if (arch === undefined) return [];
  const file = join(root, 'prebuilds', target);
  const problems = [];
  const machine = /Machine: +.*?(X86-64|AArch64)/.exec(readelf('--file-header', file))?.[1];
  if (machine !== MACHINES[arch]) problems.push(`is for ${machine}`);
  for (const [, library] of readelf('--dynamic', file).matchAll(/\(NEEDED\).*\[(.*)\]/g))
    if (!C_LIBRARY.test(library)) problems.push(`needs ${library}`);
  const { defined, needed } = symbols(file);
  for (const name of ENTRIES) if (!defined.has(name)) problems.push(`does not export ${name}`);
  for (const name of defined) if (!ENTRIES.includes(name)) problems.push(`exports ${name}`);
  const ofNode = exportedByNode(arch);
  for (const { symbol, version, weak } of needed) {
    const glibc = /^GLIBC_([\d.]+)$/.exec(version ?? '')?.[1];
    if (glibc !== undefined && newer(glibc, GLIBC)) problems.push(`needs ${symbol} of glibc ${glibc}`);
    else if (version !== undefined && glibc === undefined) problems.push(`needs ${symbol}@${version}`);
    // musl has no versions: there, what is Node's and what is musl's cannot be told apart by them.
    else if (version === undefined && libc === 'glibc' && !weak && !ofNode.has(symbol))
      problems.push(`needs ${symbol}, which not every Node exports`);
  }
  return problems;
}

const built = files('prebuilds', '.node').map((file) => file.replace(/^prebuilds\//, ''));
if (built.length === 0) fail('check-prebuilds: none in prebuilds: npm run build:binaries');
const problems = built.flatMap((target) => problemsOfLinux(target).map((one) => `${target} ${one}`));
for (const target of built) {
  if (bytesOf(target) > MOST_BINARY)
    problems.push(`${target} has ${bytesOf(target)} bytes, more than ${MOST_BINARY}`);
  if (!TARGETS.includes(target)) problems.push(`${target} is no binary of this package`);
}
if (process.argv.includes('--all')) {
  for (const target of TARGETS)
    if (!existsSync(join(root, 'prebuilds', target))) problems.push(`${target} is missing`);
  // A list, or an object by name, as npm's version has it.
  const packed = JSON.parse(output('npm', ['pack', '--dry-run', '--json', '--ignore-scripts']));
  const [{ size }] = Object.values(packed);
  const most = mostPacked(TARGETS.length);
  if (size > most) problems.push(`the package has ${size} bytes, more than ${most}`);
}
if (problems.length > 0) fail(problems.join('\n'));
for (const target of built) console.log(`check-prebuilds: ${target}, ${bytesOf(target)} bytes: all well`);
