// Protects: what test/native/engine13_*.cc protect, on the OpenSSL of the Node that runs this: DTLS 1.3's
// handshake is OpenSSL's own, and only OpenSSL 3.5 and later hand it out.
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { lacks, skip } from '../helpers/peers';

interface Addon {
  /** Why there is no engine; empty when there is one. */
  missing(): string;
  /** What is wrong with a test case; empty when it passes. */
  run(name: string): string;
}

const BUILD_LIMIT_MS = 300_000;
const CASE_LIMIT_MS = 60_000;
const root = join(__dirname, '../..');
const output = join(__dirname, 'build/Release/engine13_tests.node');
const rooms = ['engine13', 'identity', 'wire', 'base'].map((room) => join(root, 'src-native/core', room));

const tests = readdirSync(join(root, 'test/native'))
  .filter((name) => name.startsWith('engine13_'))
  .map((name) => join(root, 'test/native', name));
const cases = tests.flatMap((file) =>
  [...readFileSync(file, 'utf8').matchAll(/^TEST_CASE\(\s*"([^"]+)"\)/gm)].map(([, name = '']) => name),
);

const time = (path: string): number => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;

function isOld(): boolean {
  const sources = [__dirname, ...rooms]
    .flatMap((folder) => readdirSync(folder).map((name) => join(folder, name)))
    .filter((file) => /\.(?:cc|h|gyp|def)$/.test(file));
  return [...sources, ...tests].some((file) => time(file) > time(output));
}

/** What the compiler says when it fails. */
function build(): string {
  const prefix = process.env.npm_config_nodedir ?? dirname(dirname(process.execPath));
  const gyp = [join(root, 'node_modules/node-gyp/bin/node-gyp.js'), `--directory=${__dirname}`];
  if (time(join(prefix, 'include/node/node_api.h')) > 0) gyp.push(`--nodedir=${prefix}`);
  const { status, stdout, stderr } = spawnSync(process.execPath, [...gyp, 'rebuild', '--jobs=2', '--loglevel=error'], {
    cwd: root,
    encoding: 'utf8',
  });
  return status === 0 ? '' : `${stdout}${stderr}`;
}

describe('the engine of DTLS 1.3', () => {
  let addon: Addon | undefined;

  before(function () {
    const [major = 0, minor = 0] = process.versions.openssl.split('.').map(Number);
    if (major < 3 || (major === 3 && minor < 5)) {
      skip(this, `OpenSSL ${process.versions.openssl} does not hand out its handshake: 3.5 and later do`);
    }
    this.timeout(BUILD_LIMIT_MS);
    const complaint = isOld() ? build() : '';
    if (/doctest\/doctest\.h|not found: make|gyp ERR! find Python/.test(complaint)) {
      lacks(this, 'a compiler with doctest (Debian: doctest-dev)');
    }
    if (complaint !== '') throw new Error(complaint);
    addon = createRequire(__filename)(output) as Addon;
    if (addon.missing() !== '') throw new Error(addon.missing());
  });

  for (const name of cases) {
    it(name.replace(/^\w+: /, ''), function () {
      this.timeout(CASE_LIMIT_MS);
      const complaint = addon?.run(name) ?? 'not loaded';
      if (complaint !== '') throw new Error(complaint);
    });
  }
});
