// clang-format and clang-tidy over the C++ sources; --fix formats them in place.

import { join } from 'node:path';
import { fail, files, nodeHeaders, parallel, root, status } from './tools.mjs';

const sources = ['src-native', 'bench/native', 'test/native', 'test/fuzz'].flatMap((folder) =>
  files(folder, '.cc', '.h'),
);
const fix = process.argv.includes('--fix');
const style = fix ? ['-i'] : ['--dry-run', '-Werror'];
const formatted = sources.length === 0 || status('clang-format', [...style, ...sources]) === 0;
if (fix) process.exit();

const tidy = (file, ...flags) => [
  'clang-tidy',
  '--quiet',
  file,
  '--',
  '-std=c++17',
  '-Isrc-native',
  ...flags,
];
const commands = files('src-native/core', '.cc').map((file) => tidy(file));

const headers = nodeHeaders();
if (headers) {
  const flags = [
    // Node's and node-addon-api's headers are theirs to lint.
    '-isystem',
    headers,
    '-isystem',
    join(root, 'node_modules/node-addon-api'),
    '-DNAPI_VERSION=8',
    '-DNAPI_DISABLE_CPP_EXCEPTIONS',
    '-DNODE_ADDON_API_DISABLE_DEPRECATED',
  ];
  for (const folder of ['src-native/io', 'src-native/binding'])
    for (const file of files(folder, '.cc')) commands.push(tidy(file, ...flags));
} else {
  console.error("lint-native: Node's headers not found: only src-native/core is checked");
}
const tidied = await parallel(commands);
if (!formatted || !tidied) fail('lint-native: failed (clang-format: npm run lint:fix)');
