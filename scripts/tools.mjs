// What the scripts share. Only Node's own modules: prepare.mjs runs before the first install.

import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, statSync, symlinkSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

// npm is a .cmd file on Windows, which only a shell can start.
const shell = process.platform === 'win32';

/** Runs a command in the repository's root and gives its exit status. */
export function status(command, args, options = {}) {
  const { error, status } = spawnSync(command, args, {
    cwd: root,
    stdio: 'inherit',
    shell,
    ...options,
  });
  if (error) fail(`${command}: ${error.message}`);
  return status ?? 1;
}

/** Runs a command, and ends this script with its status when it fails. */
export function run(command, args, options) {
  const code = status(command, args, options);
  if (code !== 0) process.exit(code);
}

/** What a command prints. */
export function output(command, args) {
  const { error, status, stdout } = spawnSync(command, args, {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: Infinity,
    shell,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (error || status !== 0)
    fail(`${command} ${args.join(' ')} failed${error ? `: ${error.message}` : ''}`);
  return stdout.trim();
}

/** Runs [command, ...args] lists, one on each core: true when none failed. */
export async function parallel(commands) {
  const queue = [...commands];
  let passed = true;
  const worker = async () => {
    for (let next; (next = queue.shift());) {
      const [command, ...args] = next;
      const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
      const chunks = [];
      child.stdout.on('data', (chunk) => chunks.push(chunk));
      child.stderr.on('data', (chunk) => chunks.push(chunk));
      const code = await new Promise((done) => {
        child.on('error', (error) => {
          chunks.push(Buffer.from(`${command}: ${error.message}\n`));
          done(1);
        });
        child.on('close', done);
      });
      if (code !== 0) {
        passed = false;
        process.stderr.write(Buffer.concat(chunks));
      }
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
  return passed;
}

/**
 * What a runner says in its last line, `N passed, N failed, N skipped`. One that died, or ran
 * nothing, has failed once.
 */
export function counts(text, code) {
  const found = [...text.matchAll(/^(\d+) passed, (\d+) failed, (\d+) skipped$/gm)].at(-1);
  const [passed, failed, skipped] = found ? found.slice(1).map(Number) : [0, 0, 0];
  // A file may be skipped as a whole, where this Node lacks what it is about.
  const broken = failed === 0 && (code !== 0 || passed + skipped === 0) ? 1 : 0;
  return { passed, failed: failed + broken, skipped };
}

/** Prints what several runs counted, and the sum as the last line; gives the exit status. */
export function summary(results) {
  for (const { title, passed, failed, skipped } of results)
    console.log(`${title}: passed ${passed}, failed ${failed}, skipped ${skipped}`);
  const sum = (name) => results.reduce((total, result) => total + result[name], 0);
  console.log(`${sum('passed')} passed, ${sum('failed')} failed, ${sum('skipped')} skipped`);
  return sum('failed') === 0 ? 0 : 1;
}

export function fail(message) {
  console.error(message);
  process.exit(1);
}

/** The files under a folder that end in one of the extensions, without those that were installed; none without the folder. */
export function files(folder, ...extensions) {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder), { withFileTypes: true })
    .flatMap((entry) => {
      const name = `${folder}/${entry.name}`;
      if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : files(name, ...extensions);
      return extensions.some((extension) => name.endsWith(extension)) ? [name] : [];
    })
    .sort();
}

/** When a file, or anything in a folder, last changed: 0 when it is missing. */
export function changed(path) {
  const absolute = resolve(root, path);
  const stat = statSync(absolute, { throwIfNoEntry: false });
  if (!stat) return 0;
  if (!stat.isDirectory()) return stat.mtimeMs;
  // The folders count too: their time tells of files that were removed.
  const times = readdirSync(absolute, { encoding: 'utf8', recursive: true }).map(
    (name) => statSync(join(absolute, name)).mtimeMs,
  );
  return times.reduce((a, b) => Math.max(a, b), stat.mtimeMs);
}

/** The folder of Node's headers, OpenSSL's among them, or undefined when they are not at hand. */
export function nodeHeaders() {
  const prefixes = [process.env.npm_config_nodedir, dirname(dirname(process.execPath))];
  return prefixes
    .filter(Boolean)
    .map((prefix) => join(prefix, 'include/node'))
    .find((folder) => existsSync(join(folder, 'node_api.h')));
}

/**
 * A folder of links to what node-gyp needs: it builds in ./build and nowhere else, and so another
 * build of the addon has a place of its own. `name` begins with `build-`, which git ignores.
 */
export function buildFolder(name) {
  const folder = join(root, name);
  mkdirSync(folder, { recursive: true });
  for (const linked of ['binding.gyp', 'node_modules', 'package.json', 'scripts', 'src-native']) {
    // A junction on Windows, where links to files need a privilege.
    if (!existsSync(join(folder, linked)))
      symlinkSync(join(root, linked), join(folder, linked), 'junction');
  }
  return folder;
}
