'use strict';

// npm's install script. Where a binary is there and loads, it does nothing; else, or when asked for
// by OPENSSL_ROOT or --build-from-source, it compiles one. Only Node's own modules: it is published,
// and runs before anything else is sure to be there.

const { spawnSync } = require('node:child_process');
const { existsSync } = require('node:fs');
const { join } = require('node:path');

const root = join(__dirname, '..');
const windows = process.platform === 'win32';

/** Why no binary can be used; undefined when one can. */
function whyNone() {
  const { OPENSSL_ROOT, npm_config_build_from_source: fromSource } = process.env;
  if (OPENSSL_ROOT) return 'OPENSSL_ROOT asks for an OpenSSL of its own';
  if (fromSource && fromSource !== 'false') return 'build-from-source asks for it';
  // A fresh clone of the repository.
  const loader = join(root, 'dist/addon.js');
  if (!existsSync(loader)) return 'nothing was built yet';
  try {
    require(loader).loadAddon(root);
    return undefined;
  } catch (error) {
    return error.message;
  }
}

const runs = (command, ...args) =>
  spawnSync(command, [...args, '--version'], { stdio: 'ignore', shell: windows }).status === 0;

/** node-gyp, as the package manager or this repository brings it. */
function nodeGyp() {
  const given = process.env.npm_config_node_gyp;
  if (given && existsSync(given)) return [process.execPath, given];
  try {
    return [process.execPath, require.resolve('node-gyp/bin/node-gyp.js')];
  } catch {
    return runs('node-gyp') ? ['node-gyp'] : undefined;
  }
}

/** Each thing that compiling needs, and whether it is here. node-gyp knows more about Windows. */
function needs() {
  const { CXX, MAKE, PYTHON, npm_config_python: python } = process.env;
  const compilers = CXX ? [CXX.split(' ')] : [['g++'], ['c++'], ['clang++']];
  const pythons = [python, PYTHON, 'python3', 'python'].filter(Boolean);
  const needed = windows
    ? [['the C++ build tools of Visual Studio 2019 or later', true]]
    : [
        ['a C++17 compiler (g++ 8, clang++ 7, or later)', compilers.some((one) => runs(...one))],
        ['make', runs(MAKE ?? 'make')],
      ];
  return [
    ...needed,
    ['Python 3', pythons.some((one) => runs(one))],
    ['node-gyp', nodeGyp() !== undefined],
    ["Node's headers (node-gyp downloads them; or --nodedir=PREFIX)", true],
  ];
}

function compile() {
  if (needs().some(([, there]) => !there)) return false;
  const [command, ...args] = nodeGyp();
  const { status } = spawnSync(command, [...args, 'rebuild', '--jobs', 'max'], {
    cwd: root,
    stdio: 'inherit',
    shell: command === 'node-gyp' && windows,
  });
  return status === 0;
}

const reason = whyNone();
if (reason !== undefined && !compile()) {
  const list = needs().map(([what, there]) => `  ${there ? '-' : '- MISSING:'} ${what}`);
  console.error(`
dgram-dtls: no binary was installed for ${process.platform}-${process.arch}, Node ${process.versions.node}.
Why one has to be compiled: ${reason}
Compiling failed. It needs:
${list.join('\n')}
More: docs/installing.md in this package.
`);
  process.exitCode = 1;
}
