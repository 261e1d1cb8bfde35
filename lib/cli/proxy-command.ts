import type { Command } from 'commander';

import { addClientOptions, numberFrom, parseAddress, parseTarget } from './arguments';
import type { ProxyFlags } from './proxy/settings';

const milliseconds = numberFrom(0, 0x7fffffff);

export function addProxyCommand(program: Command): void {
  const command = program
    .command('proxy')
    .description('Puts DTLS in front of a server that speaks plain UDP; with --client, of a client that does.')
    .requiredOption('--listen <[host:]port>', 'where to listen; with --client on 127.0.0.1 unless you say so', parseAddress)
    .requiredOption('--target <host:port>', 'where the datagrams go', parseTarget)
    .option('--client', 'plain UDP in, DTLS out, instead of DTLS in, plain UDP out')
    .option('--shared', 'with --client: all senders share one session; answers of the target are dropped')
    .option('--queue <n>', 'with --shared: messages that may wait for the session (default: 1000)', numberFrom(1, 100_000))
    .option('--syslog', 'frame messages for syslog over DTLS, RFC 6012; unframe them where DTLS comes in')
    .option('--psk-file <file>', 'keys of many clients: identity:key on each line')
    .option('--idle <ms>', 'end a session after so long without a datagram; 0: never', milliseconds, 300_000)
    .option('--max-sessions <n>', 'sessions at once; each has a socket', numberFrom(1, 1_000_000), 1000)
    .option('--max-sessions-per-host <n>', 'of one host (IPv6: of one /64); default: a tenth of --max-sessions', numberFrom(1, 1_000_000))
    .option('--max-pending <n>', 'handshakes at once', numberFrom(1, 1_000_000), 100)
    .option('--max-pending-per-host <n>', 'of one host (IPv6: of one /64); default: a quarter of --max-pending', numberFrom(1, 1_000_000))
    .option('--drain <ms>', 'on SIGTERM: how long sessions may go on', milliseconds, 10_000)
    .option('--metrics <[host:]port>', 'serve /metrics for Prometheus and /healthz, on 127.0.0.1 unless you say so', parseAddress)
    .option('--no-watch', 'do not look for changes of the files that are named; SIGHUP reads them all the same')
    .option('--heartbeat [ms]', 'negotiate heartbeats (RFC 6520); ask after so long without hearing from the other end', milliseconds)
    .option('--quiet', 'say nothing about sessions that are opened and closed')
    .addHelpText(
      'after',
      `
Each session has a socket of its own to the target, which so tells them apart by their ports; with --shared there
is one session only.
SIGHUP reads certificates and keys again, and resolves the target anew. SIGTERM drains: new clients are turned
away, sessions end when they are quiet.

Examples:
  $ dgram-dtls proxy --listen 5684 --target localhost:5683 --psk-file keys.txt
  $ dgram-dtls proxy --listen 6514 --target localhost:514 --syslog --cert cert.pem --key key.pem --metrics 9464
  $ dgram-dtls proxy --client --shared --syslog --listen 5514 --target logs.example:6514 --ca ca.pem
  $ dgram-dtls proxy --client --listen 5683 --target coap.example:5684 --psk 0011aabb --psk-identity lamp-7`,
    )
    .action(async (flags: ProxyFlags) => {
      const { runProxy } = await import('./proxy.js');
      process.exitCode = await runProxy(flags);
    });
  addClientOptions(command);
}
