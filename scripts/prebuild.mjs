// Compiles the binaries that the package is published with, into prebuilds/:
// npm run build:binaries [-- --arch x64,arm64]     (default: this machine's)
// For another architecture of Linux the cross compiler is <triplet>-g++, the name that Debian gives it.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { nodePrefix, SUPPORTED } from './nodes.mjs';
import { PACKAGE, TRIPLETS } from './targets.mjs';
import { buildFolder, fail, root, run } from './tools.mjs';

const { values } = parseArgs({ options: { arch: { type: 'string', default: process.arch } } });
const linux = process.platform === 'linux';
const libc = existsSync('/etc/alpine-release') ? 'musl' : 'glibc';

for (const arch of values.arch.split(',')) {
  /** @type {Record<string, string | undefined>} */
  const env = { ...process.env, npm_config_jobs: 'max', npm_config_loglevel: 'error' };
  const options = [];
  // The headers of the oldest Node that is supported: what they have, all have. On Windows, where
  // there is a library to link beside them, node-gyp brings them itself.
  if (process.platform !== 'win32')
    env.npm_config_nodedir = nodePrefix(SUPPORTED[0], process.platform, arch);
  if (linux) {
    env.GYP_DEFINES = `portable=1 old_glibc=${libc === 'glibc' ? 1 : 0}`;
    options.push(`--tag-libc=${libc}`);
  }
  if (arch !== process.arch && linux) {
    const triplet = TRIPLETS[arch];
    if (!triplet) fail(`prebuild: no cross compiler is known for ${arch}`);
    const { status } = spawnSync(`${triplet}-g++`, ['--version'], { stdio: 'ignore' });
    if (status !== 0) fail(`prebuild: ${arch} needs ${triplet}-g++ (Debian: g++-${triplet})`);
    Object.assign(env, {
      CC: `${triplet}-gcc`,
      CXX: `${triplet}-g++`,
      AR: `${triplet}-ar`,
      LINK: `${triplet}-g++`,
    });
    options.push(`--strip-bin=${triplet}-strip`);
  }
  // prebuildify begins with `node-gyp rebuild`, which must not take the usual build away.
  const folder = buildFolder(`build-prebuild-${arch}`);
  console.log(`prebuild: ${process.platform}-${arch}${linux ? ` (${libc})` : ''}`);
  const prebuildify = ['node_modules/prebuildify/bin.js', '--napi', '--strip'];
  run(
    'node',
    [...prebuildify, `--arch=${arch}`, '--target', `node@${SUPPORTED[0]}.0.0`, ...options, folder],
    { env },
  );
  const file = `${PACKAGE}${linux ? `.${libc}` : ''}.node`;
  const to = join(root, 'prebuilds', `${process.platform}-${arch}`);
  mkdirSync(to, { recursive: true });
  renameSync(join(folder, 'prebuilds', `${process.platform}-${arch}`, file), join(to, file));
}
run('node', ['scripts/check-prebuilds.mjs']);
