/** Programs in a process of their own, for what ends a process or must not. */
import { spawn } from 'node:child_process';
import path from 'node:path';
import { patience } from './patience';

const LIMIT_MS = patience(9000);

export interface Outcome {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export const fixture = (name: string): string => path.join(__dirname, '..', 'fixtures', name);

/** Runs test/fixtures/`name` to its end. One that hangs is killed, which its signal then shows. */
export function run(
  name: string,
  args: readonly string[] = [],
  flags: readonly string[] = [],
  { descriptors, milliseconds = LIMIT_MS }: { descriptors?: number; milliseconds?: number } = {},
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const program = [process.execPath, ...flags, '--require', 'tsx/cjs', fixture(name), ...args];
    // Node raises the soft limit to the hard one: the shell sets both.
    const shell =
      descriptors === undefined ? [] : ['sh', '-c', `ulimit -n ${String(descriptors)} && exec "$@"`, 'sh'];
    const [command = '', ...rest] = [...shell, ...program];
    const child = spawn(
      command,
      rest,
      { stdio: ['ignore', 'pipe', 'pipe'], cwd: path.join(__dirname, '..', '..') },
    );
    const timer = setTimeout(() => child.kill('SIGKILL'), milliseconds);
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.once('error', reject);
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      resolve({ code, signal, stdout, stderr });
    });
  });
}
