/**
 * `dgram-dtls build` compiles the addon. It is a command and no install script: most users have a binary that fits, and
 * package managers ask about scripts before anybody knows whether they have anything to do.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { ExitCode } from './exit';
import { Output } from './output';

export interface BuildFlags {
  readonly json?: boolean;
  readonly force?: boolean;
}

const root = join(__dirname, '..', '..');
const windows = process.platform === 'win32';

/** The binary that was loaded, or why there is none. */
type Loaded = { readonly file: string } | { readonly why: string };

/** Loads the package in a process of its own, which may end there. */
function load(): Loaded {
  const program = `try {
    require(${JSON.stringify(root)});
    console.log(process.env.DGRAM_DTLS_ADDON || Object.keys(require.cache).find((file) => file.endsWith('.node')));
  } catch (error) { console.error(error.message); process.exitCode = 1; }`;
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, ['-e', program], { encoding: 'utf8' });
  if (status === 0) return { file: stdout.trim() };
  return { why: stderr.trim() || `loading it ended with ${signal ?? String(status)}` };
}

/** Why something is compiled, or what need not be. */
function whyCompile(force: boolean): Loaded {
  if ((process.env.OPENSSL_ROOT ?? '') !== '') return { why: 'OPENSSL_ROOT asks for an OpenSSL of its own' };
  return force ? { why: '--force asks for it' } : load();
}

const runs = (command: string, ...args: string[]): boolean =>
  spawnSync(command, [...args, '--version'], { stdio: 'ignore', shell: windows }).status === 0;

/** node-gyp: what the package manager names, a package of the user's, the one in Node's npm, or a program. */
function nodeGyp(): [command: string, ...args: string[]] | undefined {
  const prefix = windows ? dirname(process.execPath) : join(dirname(process.execPath), '..', 'lib');
  const places = [process.env.npm_config_node_gyp, join(prefix, 'node_modules/npm/node_modules/node-gyp/bin/node-gyp.js')];
  try {
    places.splice(1, 0, require.resolve('node-gyp/bin/node-gyp.js'));
  } catch {
    // node-gyp is not installed as a package.
  }
  const script = places.find((place) => place !== undefined && existsSync(place));
  if (script !== undefined) return [process.execPath, script];
  return runs('node-gyp') ? ['node-gyp'] : undefined;
}

/** The OpenSSL that is asked for, and what it lacks. Whoever compiles asks the same program. */
function ownOpenssl(): [what: string, there: boolean][] {
  const { OPENSSL_ROOT: prefix = '' } = process.env;
  if (prefix === '') return [];
  for (const part of ['include', 'libraries']) {
    const program = [join(root, 'scripts', 'openssl-root.cjs'), part];
    const { status, stderr } = spawnSync(process.execPath, program, { cwd: root, encoding: 'utf8' });
    if (status !== 0) return [[stderr.trim(), false]];
  }
  return [[`headers and static libraries of OpenSSL 3.0 or later: OPENSSL_ROOT=${prefix}`, true]];
}

/** Each thing that compiling needs, and whether it is here. node-gyp knows more about Windows. */
function needs(): [what: string, there: boolean][] {
  const { CXX, MAKE, PYTHON, npm_config_python: python } = process.env;
  const compilers = CXX === undefined ? ['g++', 'c++', 'clang++'] : [CXX];
  const pythons = [python, PYTHON, 'python3', 'python'].filter((one) => one !== undefined);
  const compiles = (line: string): boolean => {
    const [command = '', ...args] = line.split(' ');
    return runs(command, ...args);
  };
  const tools: [string, boolean][] = windows
    ? [['the C++ build tools of Visual Studio 2019 or later', true]]
    : [
        ['a C++17 compiler (g++ 8, clang++ 7, or later)', compilers.some(compiles)],
        ['make', runs(MAKE ?? 'make')],
      ];
  return [
    ...tools,
    ['Python 3', pythons.some((one) => runs(one))],
    ['node-gyp, which comes with npm', nodeGyp() !== undefined],
    ["Node's headers (node-gyp downloads them; npm_config_nodedir=PREFIX names those of a Node that is there)", true],
    ...ownOpenssl(),
  ];
}

/** Compiles, and returns whether that succeeded. What the compiler says goes to standard error. */
function compile(): boolean {
  const gyp = nodeGyp();
  if (gyp === undefined || needs().some(([, there]) => !there)) return false;
  // node-gyp looks for this name only, and so do package managers, which then compile by themselves.
  const project = join(root, 'binding.gyp');
  const temporary = !existsSync(project);
  if (temporary) writeFileSync(project, '{ "includes": ["src-native/addon.gypi"] }\n');
  try {
    const [command, ...args] = gyp;
    const { status } = spawnSync(command, [...args, 'rebuild', '--jobs', 'max', '--loglevel', 'error'], {
      cwd: root,
      stdio: ['ignore', 2, 2],
      shell: command === 'node-gyp' && windows,
    });
    return status === 0;
  } finally {
    if (temporary) rmSync(project);
  }
}

export function runBuild(flags: BuildFlags): number {
  const output = new Output(flags.json === true);
  const found = whyCompile(flags.force === true);
  if ('file' in found) {
    const { file } = found;
    output.line(`nothing was compiled, as ${file} fits (--force compiles nevertheless)`);
    output.data({ compiled: false, file });
    return ExitCode.Ok;
  }
  const { why: reason } = found;
  output.note(`compiling, because ${reason}`);
  const outcome = compile() ? load() : { why: 'it did not compile' };
  if ('file' in outcome) {
    const file = join(root, 'build', 'Release', 'dgram_dtls.node');
    output.line(`compiled ${file}`);
    output.data({ compiled: true, reason, file });
    return ExitCode.Ok;
  }
  const list = needs().map(([what, there]) => `  ${there ? '-' : '- MISSING:'} ${what}`);
  output.failure(
    Object.assign(new Error(`no addon for ${process.platform}-${process.arch}, Node ${process.versions.node}: ${outcome.why}`), {
      code: 'ERR_DTLS_ADDON',
      hint: `Compiling needs:\n${list.join('\n')}\nMore: ${join(root, 'docs', 'installing.md')}`,
    }),
  );
  return ExitCode.Failed;
}
