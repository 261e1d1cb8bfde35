/** The only loader of the native addon: the binary that was compiled here, else a prebuilt one. */
import fs from 'node:fs';
import path from 'node:path';
import type bindings from 'bindings';

import { DTLSError } from './errors/dtls-error';
import { page } from './errors/manual';
import { late } from './base/late';
import { addonInExecutable, isSingleExecutable } from './base/single-executable';

const NAME = 'dgram_dtls.node';
const platform = `${process.platform}-${process.arch}`;

/**
 * The C library of this Node: 'musl' when its executable's loader is musl's (ELF's PT_INTERP, which
 * linkers put first). Prebuilt binaries are for one or the other.
 */
function libc(): string {
  const head = Buffer.alloc(4096);
  try {
    const file = fs.openSync(process.execPath, 'r');
    try {
      fs.readSync(file, head);
    } finally {
      fs.closeSync(file);
    }
  } catch {
    // The executable cannot be read: the common library is the better guess.
  }
  return head.includes('/ld-musl-') ? 'musl' : 'glibc';
}

const prebuilt = (): string =>
  process.platform === 'linux' ? `dgram-dtls.${libc()}.node` : 'dgram-dtls.node';

const more = `More: ${page('installing')}`;

/** Node 20 has the permission model under another name. */
const permissionFlag = (): string =>
  process.allowedNodeEnvironmentFlags.has('--permission') ? '--permission' : '--experimental-permission';

/** Node says the same for both reasons: its permission model, and `--no-addons`, in the flags or in NODE_OPTIONS. */
function withAddons(): string {
  const { permission } = process as { permission?: object };
  if (permission === undefined) return "start it without '--no-addons', which NODE_OPTIONS may have, too";
  const { NODE_OPTIONS = '' } = process.env;
  const refused = [...process.execArgv, ...NODE_OPTIONS.split(/\s+/)].includes('--no-addons');
  return `start it with '--allow-addons' beside '${permissionFlag()}'${refused ? ", and without '--no-addons'" : ''}`;
}

/** The loader's words on a file system from which nothing may be run (noexec). */
const mayNotBeRun = (message: string): boolean => message.includes('failed to map segment');

/** The binary in the package: the one that came with it, or the one that was compiled there, which counts. */
const binary = (): string =>
  `'prebuilds/${platform}/${prebuilt()}', or 'build/Release/${NAME}' where one was compiled`;

/** In a bundle the package's folder is not around its code. */
const forBundles = (): string =>
  `In a bundle, keep 'dgram-dtls' external and what is imported as 'dgram-dtls/…', or set DGRAM_DTLS_ADDON to the path of the package's ${binary()}.`;

/** The hint in a single executable, where nothing that could be compiled is looked for. */
function hintForExecutable(message: string, error: unknown): string {
  if (mayNotBeRun(message) || (error instanceof Error && 'syscall' in error)) {
    return `The asset of a single executable is written to a folder for the moment in which it is loaded, here in '${late.os.tmpdir()}': set TMPDIR to one from which files may be written and loaded, or put '${NAME}' beside the executable. ${more}`;
  }
  if (error instanceof Error && 'code' in error && error.code === 'ERR_DLOPEN_FAILED') {
    return `The binary of this single executable does not fit this system: its asset '${NAME}', or the file of that name beside it, has to be the package's ${binary()}. ${more}`;
  }
  return `This single executable has no binary: give it the package's ${binary()}, as the asset '${NAME}' or as a file of that name beside it. ${more}`;
}

function hintFor(message: string, error: unknown, elsewhere: string | undefined): string {
  if (error instanceof Error && 'code' in error && error.code === 'ERR_DLOPEN_DISABLED') {
    return `Node was told to load no addons: ${withAddons()}. ${more}`;
  }
  const { electron } = process.versions;
  if (electron !== undefined || /undefined symbol|procedure could not be found/.test(message)) {
    const where = electron === undefined ? 'this Node' : 'Electron';
    return `The prebuilt binary uses the OpenSSL inside Node, which ${where} does not offer: compile with 'OPENSSL_ROOT=<prefix> npx dgram-dtls build'. ${more}`;
  }
  if (elsewhere !== undefined) {
    return `The environment variable DGRAM_DTLS_ADDON names '${path.resolve(elsewhere)}', and nothing else is tried: it has to be a binary of this package for this system; without the variable the package looks for its own. ${more}`;
  }
  if (isSingleExecutable()) return hintForExecutable(message, error);
  if (mayNotBeRun(message)) {
    return `Nothing may be run from the file system on which the package lies (noexec): install it on another one. ${more}`;
  }
  if (message.includes('Could not locate')) {
    return `There is no binary with this code. Where it lies in its package none was prebuilt for this platform, and 'npx dgram-dtls build' compiles one. ${forBundles()} ${more}`;
  }
  return `The binary does not fit this system: 'npx dgram-dtls build' compiles one. ${more}`;
}

const failure = (message: string, hint: string, cause?: unknown): DTLSError =>
  new DTLSError(message, { code: 'ERR_DTLS_ADDON', category: 'usage', hint, cause });

/** Bun and Deno load addons, but have neither Node's OpenSSL nor its event loop: they would crash, and not fail. */
function refuseOtherRuntimes(): void {
  const { bun, deno } = process.versions;
  const runtime = bun !== undefined ? 'Bun' : deno !== undefined ? 'Deno' : undefined;
  if (runtime === undefined) return;
  throw failure(`dgram-dtls does not run on ${runtime}`, `Run this program with Node.js 20 or later. ${more}`);
}

/** Loads a binary. In a single executable `require` knows Node's own modules only, and no files. */
function open(file: string): unknown {
  const module = { exports: {} };
  process.dlopen(module, file);
  return module.exports;
}

/** Undefined in a bundle that is an ES module, where nothing says where code lies. */
const packageRoot = (): string | undefined =>
  typeof __dirname === 'string' ? path.join(__dirname, '..') : undefined;

/**
 * The addon of the package in `root`.
 *
 * @throws {@link DTLSError} `ERR_DTLS_ADDON` when there is no binary for this platform, or it cannot be
 * loaded.
 */
export function loadAddon(root = packageRoot()): unknown {
  refuseOtherRuntimes(); // before anything asks for what they would have to be allowed
  // A build elsewhere (the sanitizer run makes one) is named by its path.
  const { DGRAM_DTLS_ADDON: named = '' } = process.env;
  const elsewhere = named === '' ? undefined : named;
  try {
    if (elsewhere !== undefined) return open(path.resolve(elsewhere));
    const within = addonInExecutable(open);
    if (within !== undefined) return within;
    if (root === undefined) {
      throw failure('the native addon is not looked for in a bundle that is an ES module', `${forBundles()} ${more}`);
    }
    // One after the other: to say which C library this is takes a look at Node's executable.
    const places = [
      () => ['build', 'Release', NAME],
      () => ['build', 'Debug', NAME],
      () => ['prebuilds', platform, prebuilt()],
    ];
    for (const place of places) {
      const file = path.join(root, ...place());
      // eslint-disable-next-line @typescript-eslint/no-require-imports
      if (fs.existsSync(file)) return require(file);
    }
    // Nothing is there, and this says where it has looked.
    // eslint-disable-next-line @typescript-eslint/no-require-imports
    return (require('bindings') as typeof bindings)({
      bindings: NAME,
      module_root: root,
      try: places.map((place) => ['module_root', ...place()]),
    });
  } catch (error) {
    if (error instanceof DTLSError) throw error;
    const message = error instanceof Error ? error.message : String(error);
    const hint = hintFor(message, error, elsewhere);
    throw failure(`the native addon cannot be loaded on ${platform}: ${message}`, hint, error);
  }
}
