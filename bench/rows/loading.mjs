import { execFileSync } from 'node:child_process';
import { alternate, row } from '../measure.mjs';
import { root } from '../../scripts/tools.mjs';

/** What a statement that loads a package costs in a process of its own, in milliseconds of CPU time: the clock would count the disk, too. */
function load(type, statement) {
  const program = `
    const before = process.cpuUsage();
    ${statement};
    const { user, system } = process.cpuUsage(before);
    console.log((user + system) / 1000);
  `;
  const args = [`--input-type=${type}`, '-e', program];
  return Number(execFileSync(process.execPath, args, { cwd: root, encoding: 'utf8' }));
}

/** The time until a program may begin, against the module of Node that does the same over TCP. */
export async function measure({ quick }) {
  const runs = quick ? 3 : 15;
  const compared = { unit: 'ms CPU', versus: 'node:tls', lessIsBetter: true };
  const required = await alternate(runs, {
    ours: () => load('commonjs', "require('dgram-dtls')"),
    reference: () => load('commonjs', "require('node:tls')"),
  });
  const imported = await alternate(runs, {
    ours: () => load('module', "await import('dgram-dtls')"),
    reference: () => load('module', "await import('node:tls')"),
  });
  return [
    row({ ...compared, name: "require('dgram-dtls')", ours: required.ours, reference: required.reference, target: 3 }),
    // An import asks for each name's value, and so for the files that `require` leaves until they are used.
    row({ ...compared, name: "import 'dgram-dtls'", ours: imported.ours, reference: imported.reference }),
  ];
}
