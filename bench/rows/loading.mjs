import { execFileSync } from 'node:child_process';
import { alternate, row } from '../measure.mjs';
import { root } from '../../scripts/tools.mjs';

/** What `require` costs in a process of its own, in milliseconds of CPU time: the clock would count the disk, too. */
function load(name) {
  const program = `
    const before = process.cpuUsage();
    require(${JSON.stringify(name)});
    const { user, system } = process.cpuUsage(before);
    console.log((user + system) / 1000);
  `;
  return Number(execFileSync(process.execPath, ['-e', program], { cwd: root, encoding: 'utf8' }));
}

/** The time until a program may begin, against the module of Node that does the same over TCP. */
export async function measure({ quick }) {
  const { ours, reference } = await alternate(quick ? 3 : 15, {
    ours: () => load('dgram-dtls'),
    reference: () => load('node:tls'),
  });
  return [
    row({
      name: "require('dgram-dtls')",
      unit: 'ms CPU',
      ours,
      reference,
      versus: 'node:tls',
      target: 3,
      lessIsBetter: true,
    }),
  ];
}
