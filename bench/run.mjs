// npm run bench [-- --quick] [--json | --markdown] [--only=receive,memory] [--rounds=5] [--chart=FILE]
//
// Measures the library against plain node:dgram and plain C on the same OpenSSL. What each row
// means: docs/performance.md.

import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { developmentCertificate } from '../examples/certificate.mjs';
import { fail } from '../scripts/tools.mjs';
import { chart } from './chart.mjs';
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
    chart: { type: 'string' },
    most: { type: 'string' },
  },
});

const names = [
  'receive',
  'send',
  'packets',
  'round-trip',
  'create-socket',
  'peers',
  'handshakes',
  'storm',
  'handshakes13',
  'messages13',
  'diagnostics',
  'memory',
  'memory13',
  'peer-rules',
  'sessions',
  'loading',
];
const wanted = flags.only === undefined ? names : flags.only.split(',');
const unknown = wanted.find((name) => !names.includes(name));
if (unknown !== undefined) fail(`no measurement '${unknown}': there are ${names.join(', ')}`);
if (process.platform !== 'linux') fail('the benchmarks need Linux (UDP_SEGMENT, /proc)');

buildAddon();
const { cert, key, ca } = await developmentCertificate();
// --most=10000 leaves out what takes more sessions, and more memory, than that.
const most = Number(flags.most ?? 100_000);
const upTo = (counts, quick) => (flags.quick ? [quick] : counts.filter((count) => count <= most));
const settings = {
  credentials: { cert, key, ca },
  rounds: Number(flags.rounds ?? (flags.quick ? 1 : 5)),
  milliseconds: flags.quick ? 250 : 1200,
  // Sessions of the memory measurement, and of the one with many.
  idle: upTo([1000, 10_000, 100_000], 100),
  many: upTo([1000, 100_000], 500),
  quick: flags.quick,
};

const rows = [];
for (const name of wanted) {
  const began = performance.now();
  const { measure } = await import(`./rows/${name}.mjs`);
  try {
    rows.push(...(await measure(settings)));
  } catch (error) {
    // The others have taken long: what they measured is kept.
    console.error(`${name} failed: ${error.stack}`);
    process.exitCode = 1;
  } finally {
    stopAll();
  }
  if (!flags.json && !flags.markdown) console.error(`${name}: ${Math.round((performance.now() - began) / 1000)} s`);
}

const report = { environment: environment(), rounds: settings.rounds, rows };
if (flags.chart !== undefined) writeFileSync(flags.chart, chart(report));
console.log(flags.json ? JSON.stringify(report, null, 2) : markdown(report));
