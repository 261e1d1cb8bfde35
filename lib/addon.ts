/** The only loader of the native addon: the binary that was compiled here, else a prebuilt one. */
import fs from 'node:fs';
import path from 'node:path';
import bindings from 'bindings';

import { DTLSError } from './dtls-error';

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
    // Not readable: then the common one.
  }
  return head.includes('/ld-musl-') ? 'musl' : 'glibc';
}

const prebuilt = (): string =>
  process.platform === 'linux' ? `dgram-dtls.${libc()}.node` : 'dgram-dtls.node';

function hintFor(message: string): string {
  const { electron, bun } = process.versions;
  const runtime = electron !== undefined ? 'Electron' : bun !== undefined ? 'Bun' : undefined;
  if (runtime !== undefined || /undefined symbol|procedure could not be found/.test(message)) {
    const where = runtime ?? 'this Node';
    return `The prebuilt binary uses the OpenSSL inside Node, which ${where} does not offer: compile with OPENSSL_ROOT set, see docs/installing.md.`;
  }
  if (message.includes('Could not locate')) {
    return "No prebuilt binary is for this platform and nothing was compiled (install scripts may have been skipped): run 'npm rebuild dgram-dtls'. In a bundle, keep 'dgram-dtls' external. See docs/installing.md.";
  }
  return "The binary does not fit this system: compile one with 'npm rebuild dgram-dtls --build-from-source', see docs/installing.md.";
}

/**
 * The addon of the package in `root`.
 *
 * @throws {@link DTLSError} `ERR_DTLS_ADDON` when there is no binary for this platform, or it cannot be
 * loaded.
 */
export function loadAddon(root = path.join(__dirname, '..')): unknown {
  // A build elsewhere (the sanitizer run makes one) is named by its path.
  const elsewhere = process.env.DGRAM_DTLS_ADDON;
  try {
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- an addon has no other door
    if (elsewhere !== undefined) return require(path.resolve(elsewhere)) as unknown;
    return bindings({
      bindings: 'dgram_dtls.node',
      module_root: root,
      try: [
        ['module_root', 'build', 'Release', 'bindings'],
        ['module_root', 'build', 'Debug', 'bindings'],
        ['module_root', 'prebuilds', platform, prebuilt()],
      ],
    });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new DTLSError(`the native addon cannot be loaded on ${platform}: ${message}`, {
      code: 'ERR_DTLS_ADDON',
      category: 'usage',
      hint: hintFor(message),
      cause: error,
    });
  }
}
