// Tests on an addon with an OpenSSL of its own linked in: the one of OPENSSL_ROOT, or the system's
// (Debian's libssl-dev): npm run test:openssl [-- mocha's arguments]
// They run on the newest Node that is supported, whose OpenSSL is another one.

import { join } from 'node:path';
import { nodeExecutable, nodePrefix, nodeVersions, SUPPORTED } from './nodes.mjs';
import { buildFolder, fail, output, root, run, status } from './tools.mjs';

const OPENSSL_ROOT = process.env.OPENSSL_ROOT ?? '/usr';
const folder = buildFolder('build-openssl');
const gyp = ['node_modules/node-gyp/bin/node-gyp.js', '-C', 'build-openssl', '--loglevel', 'error'];
run('node', [...gyp, 'configure', 'build', '--jobs', 'max'], {
  env: { ...process.env, OPENSSL_ROOT, npm_config_nodedir: nodePrefix(SUPPORTED[0]) },
});

// Nothing of OpenSSL may be asked of Node, and nothing of it be seen from outside.
const addon = join(folder, 'build/Release/dgram_dtls.node');
if (process.platform === 'linux') {
  const strangers = output('readelf', ['--wide', '--dyn-syms', addon])
    .split('\n')
    .filter((line) => /\b(GLOBAL|WEAK)\b/.test(line))
    .map((line) => line.trim().split(/\s+/)[7])
    .filter((name) => name && !/@|^(napi_|node_api_|uv_|_ITM_|__gmon_)/.test(name));
  if (strangers.length > 0) fail(`test-openssl: not bound inside: ${strangers.join(', ')}`);
}

const executable = nodeExecutable(nodePrefix(SUPPORTED.at(-1)));
console.log(`\n--- ${nodeVersions(executable)}`);
const mocha = ['node_modules/mocha/bin/mocha.js', '--timeout', '30000', 'test/openssl/*.test.ts'];
process.exit(
  status(executable, [...mocha, ...process.argv.slice(2)], {
    env: {
      ...process.env,
      DGRAM_DTLS_ADDON: addon,
      DGRAM_DTLS_NODES_ADDON: join(root, 'build/Release/dgram_dtls.node'),
    },
  }),
);
