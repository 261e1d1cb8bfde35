// npm run bench [-- --quick] [--json | --markdown] [--only=receive,memory] [--rounds=5]
//
// Measures the library against plain node:dgram and plain C on the same OpenSSL. What each row
// means: docs/performance.md.

import { parseArgs } from 'node:util';
import { developmentCertificate } from '../examples/certificate.mjs';
import { fail } from '../scripts/tools.mjs';
import { buildAddon } from './native.mjs';
import { stopAll } from './processes.mjs';
import { environment, markdown } from './report.mjs';

const { values: flags } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    markdown: { type: 'boolean', default: false },
    only: { type: 'string' },
    rounds: { type: 'string' },
  },
});

const names = ['receive', 'send', 'round-trip', 'create-socket', 'handshakes', 'diagnostics', 'memory', 'sessions'];
const wanted = flags.only === undefined ? names : flags.only.split(',');
const unknown = wanted.find((name) => !names.includes(name));
if (unknown !== undefined) fail(`no measurement '${unknown}': there are ${names.join(', ')}`);
if (process.platform !== 'linux') fail('the benchmarks need Linux (UDP_SEGMENT, /proc)');

buildAddon();
const { cert, key, ca } = await developmentCertificate();
const settings = {
  credentials: { cert, key, ca },
  rounds: Number(flags.rounds ?? (flags.quick ? 1 : 5)),
  milliseconds: flags.quick ? 250 : 1200,
  // Sessions of the memory measurement, and of the one with many.
  idle: flags.quick ? 100 : 2000,
  many: flags.quick ? 500 : 10000,
  quick: flags.quick,
};

const rows = [];
try {
  for (const name of wanted) {
    if (!flags.json && !flags.markdown) console.error(`${name} …`);
    const { measure } = await import(`./rows/${name}.mjs`);
    rows.push(...(await measure(settings)));
  }
} finally {
  stopAll();
}

const report = { environment: environment(), rounds: settings.rounds, rows };
console.log(flags.json ? JSON.stringify(report, null, 2) : markdown(report));
