/** The command line as its users run it: a process, its output, its exit code. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Suite } from 'mocha';
import type { Cleanup, PeerProcess } from '../helpers/peers';
import { PSK_IDENTITY, PSK_KEY } from '../interop/foreign';

export const MAIN = path.join(__dirname, '..', '..', 'lib', 'cli', 'main.ts');
export const NODE_ARGUMENTS = ['--import', 'tsx', MAIN];
const LIMIT_MS = 60_000;

/** A key and its name, for either end. */
export const PSK = ['--psk', PSK_KEY.toString('hex'), '--psk-identity', PSK_IDENTITY];

/** Paths in a folder that a suite has to itself. */
export function temporaryFolder(suite: Suite): (...names: string[]) => string {
  let folder = '';
  suite.beforeAll(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'dgram-dtls-cli-'));
  });
  suite.afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  return (...names) => path.join(folder, ...names);
}

export interface CliResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Of `--json`: each line parsed. */
  readonly json: Record<string, unknown>[];
}

/** Runs a command to its end. */
export function cli(
  args: readonly string[],
  { input = '', env = {} }: { input?: string | Buffer; env?: NodeJS.ProcessEnv } = {},
): Promise<CliResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...NODE_ARGUMENTS, ...args], {
      stdio: 'pipe',
      env: { ...process.env, NO_COLOR: '', FORCE_COLOR: '', ...env },
    });
    const timer = setTimeout(() => child.kill('SIGKILL'), LIMIT_MS);
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.stdin.on('error', () => undefined); // it may end before it has read all
    child.stdin.end(input);
    child.once('error', reject);
    child.once('close', (code) => {
      clearTimeout(timer);
      const json = args.includes('--json')
        ? stdout
            .split('\n')
            .filter(Boolean)
            .map((line) => JSON.parse(line) as Record<string, unknown>)
        : [];
      resolve({ code, stdout, stderr, json });
    });
  });
}

/** Starts a command that goes on until it is stopped. */
export const startCli = (cleanup: Cleanup, args: readonly string[]): PeerProcess =>
  cleanup.start(process.execPath, [...NODE_ARGUMENTS, ...args]);

/** Starts `listen`, and returns its port. */
export async function startListen(
  cleanup: Cleanup,
  args: readonly string[],
): Promise<{ process: PeerProcess; port: number }> {
  const process = startCli(cleanup, ['listen', '127.0.0.1:0', ...args]);
  const [, port] = await process.sees(/listening on 127\.0\.0\.1, port (\d+)/);
  return { process, port: Number(port) };
}

export type LogEvent = Record<string, unknown>;

export interface RunningProxy {
  readonly process: PeerProcess;
  readonly port: number;
  /** Of its metrics; 0 without. */
  readonly metrics: number;
  /** The events of its log so far. */
  log(): LogEvent[];
  sees(pattern: RegExp): Promise<RegExpExecArray>;
}

/** Starts `proxy --json` in front of a port of this machine. */
export async function startProxy(cleanup: Cleanup, target: number, args: readonly string[]): Promise<RunningProxy> {
  const listening = args.includes('--listen') ? [] : ['--listen', '127.0.0.1:0'];
  const process = startCli(cleanup, ['proxy', ...listening, '--target', `127.0.0.1:${target}`, '--json', ...args]);
  const log = (): LogEvent[] =>
    process.output
      .split('\n')
      .slice(0, -1)
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as LogEvent);
  await process.sees(/"event":"listening".*\n/);
  const [first] = log();
  const metrics = first?.metrics as { port: number } | null;
  return { process, port: Number(first?.port), metrics: metrics?.port ?? 0, log, sees: (pattern) => process.sees(pattern) };
}
