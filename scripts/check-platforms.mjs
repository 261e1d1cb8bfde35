// Compiles the addon for platforms that this machine is not, as far as to see that it would:
// node scripts/check-platforms.mjs
// - Windows: with mingw-w64's headers (Debian: g++-mingw-w64-x86-64-posix) and Node's own,
// - neither Linux nor Windows, as macOS is: with this system's headers, and the name of Linux taken
//   away. macOS's own headers cannot be had here.
// Nothing is linked or run. Where a compiler is missing, that platform is skipped; with CI set it
// is a failure.

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { nodePrefix, SUPPORTED } from './nodes.mjs';
import { files, parallel, root } from './tools.mjs';

const flags = [
  ...['-fsyntax-only', '-std=c++17', '-Wall', '-Wextra', '-Werror', '-fvisibility=hidden'],
  ...['-DNAPI_VERSION=8', '-DNAPI_DISABLE_CPP_EXCEPTIONS', '-DNODE_ADDON_API_DISABLE_DEPRECATED'],
  ...['-Isrc-native', '-isystem', join(root, 'node_modules/node-addon-api')],
  ...['-isystem', join(nodePrefix(SUPPORTED[0]), 'include/node')],
];
const TARGETS = [
  {
    name: 'Windows',
    compiler: 'x86_64-w64-mingw32-g++-posix',
    flags: ['-DNOMINMAX', '-DWIN32_LEAN_AND_MEAN'],
    sources: files('src-native', '.cc'),
  },
  {
    name: 'neither Linux nor Windows',
    compiler: 'g++',
    flags: ['-U__linux__', '-U__linux', '-Ulinux'],
    // The core asks for no platform.
    sources: [...files('src-native/io', '.cc'), ...files('src-native/binding', '.cc')],
  },
];

let passed = 0;
let failed = 0;
let skipped = 0;
for (const { name, compiler, flags: own, sources } of TARGETS) {
  if (spawnSync(compiler, ['--version'], { stdio: 'ignore' }).status !== 0) {
    console.log(`check-platforms: ${name}: no ${compiler}`);
    if (process.env.CI) ++failed;
    else ++skipped;
    continue;
  }
  const fine = await parallel(sources.map((source) => [compiler, ...flags, ...own, source]));
  console.log(`check-platforms: ${name}: ${fine ? 'compiles' : 'FAILED'}`);
  if (fine) ++passed;
  else ++failed;
}
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exit(failed > 0 ? 1 : 0);
