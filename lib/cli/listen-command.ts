import type { Command } from 'commander';

import { addSecurityOptions, parseAddress, type Address } from './arguments';
import type { ListenFlags } from './listen';

export function addListenCommand(program: Command): void {
  const command = program
    .command('listen')
    .argument('<[host:]port>', 'where to listen; port 0 is any', parseAddress)
    .description('Serves clients: prints their messages, and with --echo sends them back.')
    .option('--echo', 'send each message back')
    .option('--quiet', 'say nothing about sessions that are opened and closed')
    .option('--heartbeat', 'negotiate heartbeats (RFC 6520)')
    .addHelpText(
      'after',
      `
Without --cert and without --psk it makes a self-signed certificate for localhost, for this run.
With --ca clients need a certificate of one of these authorities.

Example:
  $ dgram-dtls listen 5684 --psk 0011aabb --psk-identity lamp-7 --echo`,
    )
    .action(async (where: Address, flags: ListenFlags) => {
      const { runListen } = await import('./listen.js');
      process.exitCode = await runListen(where, flags);
    });
  addSecurityOptions(command);
}
