/** The addon in a single executable (node:sea), which has no folder of packages beside it. */
import fs from 'node:fs';
import { isBuiltin } from 'node:module';
import path from 'node:path';

import { late } from './late';

/** What of `node:sea` is used: from Node 20.12 on, and newer than these types. */
interface SingleExecutable {
  isSea(): boolean;
  getAsset(name: string): ArrayBuffer;
}

/** The name of the asset, and of the file beside the executable. */
const NAME = 'dgram_dtls.node';

function executable(): SingleExecutable | undefined {
  if (!isBuiltin('node:sea')) return undefined;
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- not in every Node, and Node 20's has an own loader
  const sea = require('node:sea') as SingleExecutable;
  return sea.isSea() ? sea : undefined;
}

/** Whether this program is a single executable. */
export const isSingleExecutable = (): boolean => executable() !== undefined;

/**
 * The asset `dgram_dtls.node`, or the file of that name beside the executable; undefined where this is no single
 * executable, or has neither.
 */
export function addonInExecutable(open: (file: string) => unknown): unknown {
  const sea = executable();
  if (sea === undefined) return undefined;
  const beside = path.join(path.dirname(process.execPath), NAME);
  if (fs.existsSync(beside)) return open(beside);
  let asset: ArrayBuffer;
  try {
    asset = sea.getAsset(NAME);
  } catch {
    return undefined; // the loader's own search says what is missing
  }
  // The system loads files only. Nobody else can write there (mkdtemp has mode 0700).
  const folder = fs.mkdtempSync(path.join(late.os.tmpdir(), 'dgram-dtls-'));
  try {
    const file = path.join(folder, NAME);
    fs.writeFileSync(file, Buffer.from(asset), { mode: 0o500 });
    return open(file);
  } finally {
    // A library that is loaded stays, but on Windows, where its file cannot be removed before the process ends.
    if (process.platform !== 'win32') fs.rmSync(folder, { recursive: true, force: true });
  }
}
