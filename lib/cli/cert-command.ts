import type { Command } from 'commander';

import { numberFrom } from './arguments';
import type { CertFlags } from './cert';

export function addCertCommand(program: Command): void {
  program
    .command('cert')
    .argument('[names...]', 'DNS names and IP addresses (default: localhost, 127.0.0.1, ::1)')
    .description('Makes a certificate for development: self-signed, or from a small authority.')
    .option('-o, --out <prefix>', 'files are <prefix>-cert.pem and <prefix>-key.pem', 'dtls')
    .option('--ca', 'make an authority, with one name of its own')
    .option('--issuer <prefix>', 'issue from the authority in <prefix>-cert.pem and <prefix>-key.pem')
    .option('--client', 'for a client instead of a server')
    .option('--rsa', 'RSA of 2048 bits instead of ECDSA on P-256')
    .option('--days <n>', 'valid for so long', numberFrom(1, 36500), 30)
    .option('--force', 'overwrite files that exist')
    .addHelpText(
      'after',
      `
Not for production: keys are not encrypted, and nothing can be revoked.

Examples:
  $ dgram-dtls cert localhost
  $ dgram-dtls cert "my authority" --ca --out ca
  $ dgram-dtls cert coap.example 192.0.2.1 --issuer ca --out server`,
    )
    .action(async (names: string[], flags: CertFlags) => {
      const { runCert } = await import('./cert.js');
      process.exitCode = await runCert(names, flags);
    });
}
