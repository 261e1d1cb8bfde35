import type { Command } from 'commander';

import { addClientOptions, numberFrom, parseTarget, type Address } from './arguments';
import type { ConnectFlags } from './connect';

export function addConnectCommand(program: Command): void {
  const command = program
    .command('connect')
    .argument('<host:port>', 'the server', parseTarget)
    .description('Shakes hands with a server, sends lines of standard input, prints its messages.')
    .option('--heartbeat', 'negotiate heartbeats (RFC 6520)')
    .option('--sess-out <file>', 'keep the session, for --sess-in of a later connection; the file is a secret')
    .option('--sess-in <file>', 'resume the session in this file')
    .option('--quiet', 'do not draw the handshake')
    .option(
      '--linger <ms>',
      'when standard input ends: how long to wait for further messages',
      numberFrom(0, 0x7fffffff),
      500,
    )
    .addHelpText(
      'after',
      `
The handshake is drawn on standard error, messages are printed on standard output.

Examples:
  $ dgram-dtls connect coap.example:5684 --psk 0011aabb --psk-identity lamp-7
  $ echo hello | dgram-dtls connect localhost:5684 --ca cert.pem --quiet
  $ dgram-dtls connect localhost:5684 --ca cert.pem --sess-in session --sess-out session`,
    )
    .action(async (target: Address, flags: ConnectFlags) => {
      const { runConnect } = await import('./connect.js');
      process.exitCode = await runConnect(target, flags);
    });
  addClientOptions(command);
}
