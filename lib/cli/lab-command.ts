import type { Command } from 'commander';

import { addHandshakeOptions, numberFrom } from './arguments';
import type { LabFlags } from './lab';
import { rangeFrom } from './lab/range';

const percent = rangeFrom(0, 100);
const milliseconds = rangeFrom(0, 60_000);

export function addLabCommand(program: Command): void {
  const command = program
    .command('lab')
    .description('Runs handshakes and messages over a simulated network, and measures them in virtual time.')
    .option('--loss <%>', 'datagrams that are lost', percent, [0])
    .option('--burst <%>', 'datagrams with which a burst of losses begins', percent, [0])
    .option('--burst-length <n>', 'datagrams in a burst, on average', rangeFrom(1, 1000), [5])
    .option('--delay <ms>', 'time from one end to the other', milliseconds, [20])
    .option('--jitter <ms>', 'standard deviation of the delay', milliseconds, [0])
    .option('--reorder <%>', 'datagrams that are overtaken by others', percent, [0])
    .option('--duplicate <%>', 'datagrams that arrive twice', percent, [0])
    .option('--path-mtu <bytes>', 'longer datagrams vanish', rangeFrom(64, 65_535), [65_535])
    .option('--rebind <%>', "client's datagrams before which a NAT gives it a new port", percent, [0])
    .option('-n, --handshakes <n>', 'for each point', numberFrom(1, 100_000), 200)
    .option('--messages <n>', 'after each handshake, echoed by the server', numberFrom(0, 10_000), 10)
    .option('--interval <ms>', 'between two messages', numberFrom(0, 60_000), 20)
    .option('--size <bytes>', 'of a message', numberFrom(4, 16_000), 100)
    .option('--resume', 'handshakes that resume a session')
    .option('--initial <ms>', 'first wait of the retransmission timer', numberFrom(1, 60_000), 1000)
    .option('--max <ms>', 'its longest wait', numberFrom(1, 4_000_000), 60_000)
    .option('--backoff <factor>', 'of the next wait', numberFrom(1, 100, false), 2)
    .option('--seed <text>', 'of all chance: the same seed, the same result', '1')
    .option('--svg <file>', 'write a chart')
    .addHelpText(
      'after',
      `
An option of the network takes a range, such as 0..30 or 0..30:2; one of them at a time.

Examples:
  $ dgram-dtls lab --loss 0..30 --svg loss.svg
  $ dgram-dtls lab --loss 10 --delay 0..400 --psk 0011aabb
  $ dgram-dtls lab --burst 2 --burst-length 1..20 --initial 250`,
    )
    .action(async (flags: LabFlags) => {
      const { runLab } = await import('./lab.js');
      process.exitCode = await runLab(flags);
    });
  addHandshakeOptions(command);
}
