// node bench/floor13.mjs: that DTLS 1.3 has not become slow, on a Node that has it. A few short turns beside our own 1.2 on
// a machine that may do other things: the floors are far below what docs/performance.md promises, and what falls through
// them has collapsed.

import { execFileSync } from 'node:child_process';
import { nodeExecutable, nodePrefix } from '../scripts/nodes.mjs';
import { fail, root } from '../scripts/tools.mjs';

/** Of our own 1.2's rate; the goals are 0.8 for handshakes and 0.9 for messages. */
const FLOORS = { handshakes: 0.25, receive: 0.35, send: 0.35 };
const NODE = '24';

const measured = execFileSync(
  nodeExecutable(nodePrefix(NODE)),
  ['bench/run.mjs', '--only=handshakes13,messages13', '--rounds=1', '--json'],
  { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], timeout: 60_000 },
);
const rows = JSON.parse(measured).rows.filter(({ target }) => target !== undefined);
const floorOf = (name) => Object.entries(FLOORS).find(([what]) => name.startsWith(`1.3: ${what} `))?.[1];
for (const { name, ratio } of rows) console.log(`${ratio.toFixed(2)} (at least ${String(floorOf(name))}) ${name}`);
for (const what of Object.keys(FLOORS))
  if (!rows.some(({ name }) => name.startsWith(`1.3: ${what} `))) fail(`floor13: nothing was measured of ${what}`);
const fallen = rows.filter(({ name, ratio }) => !(ratio >= floorOf(name)));
if (fallen.length > 0) fail(`floor13: ${fallen.map(({ name }) => name).join('; ')}`);
