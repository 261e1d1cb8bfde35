import { Command, InvalidArgumentError } from 'commander';

import { addClientOptions, numberFrom, parseList, parseTarget, type Address } from './arguments';
import type { ScanFlags } from './scan';

function refuse(): never {
  throw new InvalidArgumentError(
    'A scan takes no key, certificate or parameter: it offers all suites, groups and versions, those of pre-shared keys among them, finishes no handshake, and judges no certificate.',
  );
}

/** The options of commands that finish handshakes are known to this one, so that it can say why it has none of them. */
function refuseSecurityOptions(command: Command): void {
  for (const option of addClientOptions(new Command()).options) {
    // It judges nobody anyhow.
    if (option.long === '--insecure') command.addOption(option.hideHelp());
    else if (!command.options.some(({ long }) => long === option.long)) command.addOption(option.hideHelp().argParser(refuse));
  }
}

export function addScanCommand(program: Command): void {
  const command = program
    .command('scan')
    .argument('<host:port>', 'the server', parseTarget)
    .description('Finds out what a server offers, and what of it is weak (RFC 9325).')
    .option('--servername <name>', 'name to ask for; default: the host, unless it is an address')
    .option('--alpn <names>', 'application protocols to offer, separated by commas', parseList)
    .option('--most <n>', 'handshakes that may be begun', numberFrom(1, 1000), 200)
    .option('--pace <ms>', 'between two of them', numberFrom(0, 60_000), 50)
    .option('--strict', 'exit with 1 when something must be changed')
    .addHelpText(
      'after',
      `
Begins one handshake for each suite and group that the server has, and some more; none is finished.
Scan servers that are yours to scan.`,
    )
    .action(async (target: Address, flags: ScanFlags) => {
      const { runScan } = await import('./scan.js');
      process.exitCode = await runScan(target, flags);
    });
  refuseSecurityOptions(command);
}
