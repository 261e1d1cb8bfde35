import type { Command } from 'commander';

import type { DecodeFlags } from './decode';

export function addDecodeCommand(program: Command): void {
  program
    .command('decode')
    .argument('[input...]', 'capture files (pcap, pcapng), files of hexadecimal text, or - for standard input', ['-'])
    .description('Shows records and handshake messages field by field.')
    .option('--hex', 'the arguments themselves are datagrams in hexadecimal')
    .option('--keylog <file>', 'decrypt AEAD records with the secrets of this key log')
    .addHelpText(
      'after',
      `
UDP packets that do not begin with a DTLS record are left out. Hexadecimal text has a datagram on each line.

Examples:
  $ tcpdump -i any -w - udp port 5684 | dgram-dtls decode --keylog keys.log
  $ dgram-dtls decode --hex 15fefd00000000000000010002020a`,
    )
    .action(async (inputs: string[], flags: DecodeFlags) => {
      const { runDecode } = await import('./decode.js');
      process.exitCode = await runDecode(inputs, flags);
    });
}
