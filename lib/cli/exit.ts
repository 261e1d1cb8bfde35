import { fileHint } from '../errors/file-hints';

/** How a command ends, for scripts. */
export const ExitCode = {
  /** It did what was asked. */
  Ok: 0,
  /** It could not: no handshake, no answer, nothing to decode, … */
  Failed: 1,
  /** The command line is wrong. */
  Usage: 2,
  /** Ctrl-C, as shells have it: 128 and the signal's number. */
  Interrupted: 130,
} as const;

/** What is wrong is on the command line, or in a file that it names. */
export class CommandLineError extends Error {
  readonly hint: string | undefined;
  /** The system's own, where it was a file. */
  readonly code: string;
  readonly category = 'usage';
  constructor(message: string, hint?: string, code = 'ERR_DTLS_COMMAND_LINE') {
    super(message);
    this.hint = hint;
    this.code = code;
  }
}

/** The error of a file that the command line names, as node:fs has thrown it. */
export function fileError(option: string, error: unknown, doing: 'reading' | 'writing'): CommandLineError {
  const { message, code } = error as NodeJS.ErrnoException;
  return new CommandLineError(`${option}: ${message}`, fileHint(doing, code), code);
}

/** Nothing of what was looked for is there. */
export class NothingFound extends Error {
  readonly code: string = 'ERR_DTLS_NOTHING_FOUND';
  readonly hint: string;
  constructor(message: string, hint: string) {
    super(message);
    this.hint = hint;
  }
}

/**
 * A promise of the first Ctrl-C or SIGTERM. A second one ends the process at once, in case that the
 * clean way takes too long.
 */
export function interruption(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let seen = false;
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.on(signal, () => {
        if (seen) process.exit(ExitCode.Interrupted);
        seen = true;
        resolve(signal);
      });
    }
  });
}
