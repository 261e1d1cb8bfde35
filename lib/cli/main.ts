#!/usr/bin/env node
/**
 * `npx dgram-dtls <command>`. Each command's code is loaded when it is used, and by nobody else; nor is the addon, which
 * `build` has to do without.
 */
import { Command, CommanderError } from 'commander';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { withAddressAdvice } from './address-advice';
import { addBuildCommand } from './build-command';
import { addCertCommand } from './cert-command';
import { addConnectCommand } from './connect-command';
import { addDecodeCommand } from './decode-command';
import { CommandLineError, ExitCode } from './exit';
import { addLabCommand } from './lab-command';
import { addListenCommand } from './listen-command';
import { addMtuCommand, addPingCommand } from './ping-command';
import { addProxyCommand } from './proxy-command';
import { describeError, Output } from './output';
import { addScanCommand } from './scan-command';

const version = (
  JSON.parse(readFileSync(join(__dirname, '..', '..', 'package.json'), 'utf8')) as {
    version: string;
  }
).version;

const EXIT_CODES = `
Exit codes: 0 it did what was asked, 1 it could not, 2 the command line is wrong, 130 Ctrl-C.
--json prints JSON, one text on a line, instead of text for people; errors are {"error": …}.`;

function makeProgram(): Command {
  const program = new Command('dgram-dtls')
    .description('Looks at, tests and operates DTLS.')
    .version(version)
    .showHelpAfterError('(--help says more)')
    .addHelpText('after', EXIT_CODES);
  addConnectCommand(program);
  addListenCommand(program);
  addScanCommand(program);
  addPingCommand(program);
  addMtuCommand(program);
  addLabCommand(program);
  addCertCommand(program);
  addDecodeCommand(program);
  addProxyCommand(program);
  addBuildCommand(program);
  // What is wrong is then told as JSON, once.
  const writeErr = (text: string): void => {
    if (!process.argv.includes('--json')) process.stderr.write(text);
  };
  for (const command of program.commands) {
    command.option('--json', 'print JSON').showHelpAfterError('(--help says more)');
    command.exitOverride().configureOutput({
      writeErr: (text) => {
        writeErr(withAddressAdvice(command, text));
      },
    });
  }
  return program.exitOverride().configureOutput({ writeErr });
}

/** Help for a command that there is not would be the help for all, and not a word of the command: it is the command that is wrong. */
function asked(program: Command, given: readonly string[]): readonly string[] {
  const [first, name = '', ...rest] = given;
  const isKnown = program.commands.some((command) => command.name() === name);
  return first !== 'help' || name === '' || isKnown ? given : [name, ...rest];
}

async function main(): Promise<void> {
  // A reader that has seen enough (`| head`) is no error.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(ExitCode.Ok);
    throw error;
  });
  try {
    const program = makeProgram();
    await program.parseAsync(asked(program, process.argv.slice(2)), { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) {
      // Help and version were printed; so was what is wrong, for people.
      process.exitCode = error.exitCode === 0 ? ExitCode.Ok : ExitCode.Usage;
      if (error.exitCode !== 0 && process.argv.includes('--json')) {
        const hint = "'dgram-dtls --help' lists the commands, and --help of a command its options.";
        new Output(true).failure(new CommandLineError(error.message.replace(/^error: /, ''), hint));
      }
      return;
    }
    new Output(process.argv.includes('--json')).failure(error);
    const usage = error instanceof CommandLineError || describeError(error).category === 'usage';
    process.exitCode = usage ? ExitCode.Usage : ExitCode.Failed;
  }
}

void main();
