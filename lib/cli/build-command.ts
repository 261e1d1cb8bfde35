import type { Command } from 'commander';

import type { BuildFlags } from './build';

export function addBuildCommand(program: Command): void {
  program
    .command('build')
    .description('Compiles the addon in the installed package, where no binary that came with it fits.')
    .option('--force', 'compile also where a binary fits')
    .addHelpText(
      'after',
      `
OPENSSL_ROOT=<prefix> in the environment links the OpenSSL there in place of Node's, and always compiles.

Examples:
  $ npx dgram-dtls build
  $ OPENSSL_ROOT=/usr npx dgram-dtls build`,
    )
    .action(async (flags: BuildFlags) => {
      const { runBuild } = await import('./build.js');
      process.exitCode = runBuild(flags);
    });
}
