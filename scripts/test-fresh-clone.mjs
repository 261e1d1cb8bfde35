// Runs the commands of README.md in a fresh clone, as on the machine of somebody who has Node, git, a compiler and
// Python, and none of the programs that single suites need: those must skip, and say why. The addon is compiled.

import { spawn } from 'node:child_process';
import { accessSync, constants, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { counts, fail, output, root, run } from './tools.mjs';

// Of the GNU system: what npm, node-gyp and make call, and the tests' own fixtures.
const SYSTEM =
  'sh env cat chmod cp cut date dirname basename expr grep head ln ls mkdir mktemp mv printf pwd readlink rm sed sleep sort tail test touch tr true uname xargs';
const TOOLS = 'npm npx git make cc c++ gcc g++ ar as ld ranlib strip';

function find(program) {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return join(folder, program);
    } catch {
      continue; // in the next folder, then
    }
  }
  return fail(`${program} is not installed`);
}

const folder = mkdtempSync(join(tmpdir(), 'dgram-dtls-fresh-'));
process.on('exit', () => {
  rmSync(folder, { recursive: true, force: true });
});
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));

const path = join(folder, 'bin');
mkdirSync(path);
// What version managers put in their place runs under its own name only.
const programs = {
  node: process.execPath,
  python3: output('python3', ['-c', 'import sys; print(sys.executable)']),
};
for (const program of `${TOOLS} ${SYSTEM}`.split(' ')) programs[program] = find(program);
for (const [program, where] of Object.entries(programs)) symlinkSync(where, join(path, program));
const clone = join(folder, 'dgram-dtls');
run('git', ['clone', '--quiet', root, clone]);

// A user's: not CI, where a missing program is a failure, nor what this script's own npm tells its children.
const own = /^(CI|CC|CXX|OPENSSL_ROOT|NODE_OPTIONS|DGRAM_DTLS_.*|INIT_CWD|npm_(lifecycle|package|command|execpath).*)$/;
const env = { PATH: path };
for (const [name, value] of Object.entries(process.env)) {
  if (name !== 'PATH' && !own.test(name)) env[name] = value;
}

/** What a command prints, which is shown, too, and its exit status. */
function start(command) {
  return new Promise((resolve) => {
    console.log(`$ ${command}`);
    const [program, ...args] = command.split(' ');
    const child = spawn(join(path, program), args, { cwd: clone, env, stdio: ['ignore', 'pipe', 'pipe'] });
    let text = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (chunk) => {
        text += chunk;
        process.stdout.write(chunk);
      });
    }
    child.once('error', ({ message }) => {
      fail(message);
    });
    child.once('close', (code) => {
      resolve({ text, code });
    });
  });
}

const documented = ['npm start', 'npm test'];
const readme = readFileSync(join(clone, 'README.md'), 'utf8');
for (const command of documented) {
  if (!new RegExp(`(?:^|&& )${command}$`, 'm').test(readme)) fail(`README.md does not have ${command}`);
}
let broken = 0;
let last = '';
for (const command of documented) {
  const { text, code } = await start(command);
  if (code !== 0) {
    console.error(`${command} ended with ${code}`);
    broken += 1;
  }
  last = text;
}
const { passed, failed, skipped } = counts(last, 0);
const reasons = new Set(Array.from(last.matchAll(/^ *skipped: (.+)$/gm), ([, reason]) => reason));
for (const reason of reasons) console.log(`skipped because ${reason}`);
if (skipped > 0 && reasons.size === 0) {
  console.error(`${skipped} tests were skipped, and none says why`);
  broken += 1;
}
console.log(`${passed} passed, ${failed === 0 ? broken : failed} failed, ${skipped} skipped`);
process.exitCode = failed + broken === 0 ? 0 : 1;
