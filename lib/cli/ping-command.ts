import type { Command } from 'commander';

import { addClientOptions, numberFrom, parseTarget, type Address } from './arguments';
import type { PingFlags, MtuFlags } from './ping';

export function addPingCommand(program: Command): void {
  const command = program
    .command('ping')
    .argument('<host:port>', 'the server', parseTarget)
    .description('Measures round trips with heartbeats (RFC 6520), as ping does.')
    .option('-c, --count <n>', 'stop after so many; default: until Ctrl-C', numberFrom(1, 1e9))
    .option('-i, --interval <ms>', 'between two requests', numberFrom(1, 1e9), 1000)
    .option('-w, --wait <ms>', 'for an answer', numberFrom(1, 1e9), 2000)
    .option('-s, --size <bytes>', 'of the payload', numberFrom(1, 16000), 56)
    .addHelpText('after', '\nThe server has to allow heartbeats. Exit code 1: not one answer came.')
    .action(async (target: Address, flags: PingFlags) => {
      const { runPing } = await import('./ping.js');
      process.exitCode = await runPing(target, flags);
    });
  addClientOptions(command);
}

export function addMtuCommand(program: Command): void {
  const command = program
    .command('mtu')
    .argument('<host:port>', 'the server', parseTarget)
    .description('Finds the largest datagram that reaches the server, with padded heartbeats.')
    .option('--least <bytes>', 'smallest to try', numberFrom(256, 16384), 256)
    .option('--most <bytes>', 'largest to try; default: what fits an Ethernet frame', numberFrom(256, 16384))
    .option('-w, --wait <ms>', 'for an answer', numberFrom(1, 1e9), 250)
    .addHelpText('after', '\nThe server has to allow heartbeats.')
    .action(async (target: Address, flags: MtuFlags) => {
      const { runMtu } = await import('./ping.js');
      process.exitCode = await runMtu(target, flags);
    });
  addClientOptions(command);
}
