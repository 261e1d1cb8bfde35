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
  /** The system's code, where it was a file. */
  readonly code: string | undefined;
  constructor(message: string, hint?: string, code?: string) {
    super(message);
    this.hint = hint;
    this.code = code;
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
