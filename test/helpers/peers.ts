/**
 * Other people's DTLS programs as peers: starts them, talks to them by their standard input, waits
 * for what they print, and ends them by process id.
 */
import { spawn, spawnSync, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { randomInt } from 'node:crypto';
import dgram from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Context, Suite } from 'mocha';
import type { Certificate } from './certificates';
import { PATIENCE_MS } from './patience';

/** Whoever runs the tests may force colours on them; what programs print to a pipe has none. */
export const plainEnvironment: NodeJS.ProcessEnv = { ...process.env };
delete plainEnvironment.FORCE_COLOR;

// The sanitizers' runtime is for this package's addon: a program of somebody else's may hang on it.
export const foreignEnvironment: NodeJS.ProcessEnv = { ...plainEnvironment };
delete foreignEnvironment.LD_PRELOAD;

/** Of what a program prints, so much is kept: some never stop complaining. */
const OUTPUT_LIMIT = 256 * 1024;

/** A process that was started here, and what it has printed. */
export class PeerProcess {
  readonly #name: string;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #group: boolean;
  readonly #exit: Promise<number | null>;
  readonly #waiting = new Set<() => void>();
  #output = '';
  // The same by stream: what is written to one of them in one go may be read in two, with some of the other between.
  readonly #streams = { stdout: '', stderr: '' };
  #ended = false;

  /** `group`: signals go to all that it starts, too, as those of a terminal do. */
  constructor(command: string, args: readonly string[], more: NodeJS.ProcessEnv = {}, { group = false } = {}) {
    this.#name = [command, ...args].join(' ');
    this.#group = group;
    const ours = [command, ...args].includes(process.execPath);
    const env = { ...(ours ? plainEnvironment : foreignEnvironment), ...more };
    this.#child = spawn(command, args, { stdio: 'pipe', env, detached: group });
    for (const stream of ['stdout', 'stderr'] as const) {
      this.#child[stream].on('data', (chunk: Buffer) => {
        if (this.#output.length > OUTPUT_LIMIT) return;
        const text = chunk.toString('latin1');
        this.#output += text;
        this.#streams[stream] += text;
        this.#wake();
      });
    }
    // What is written to a program that is just ending is lost, and that is all.
    this.#child.stdin.on('error', () => undefined);
    this.#exit = new Promise((resolve) => {
      const ended = (code: number | null): void => {
        this.#ended = true;
        this.#wake();
        resolve(code);
      };
      this.#child.once('error', (error) => {
        this.#output += `\n${error.message}`;
        ended(null);
      });
      // After 'exit' and after the last of the output.
      this.#child.once('close', ended);
    });
  }

  /** Standard output and standard error, as they came. */
  get output(): string {
    return this.#output;
  }

  write(text: string): void {
    this.#child.stdin.write(text);
  }

  /** Ends the program's standard input. */
  end(): void {
    this.#child.stdin.end();
  }

  /** The first match of `pattern` in the output so far or to come: in all of it, or in what one stream had. */
  async sees(pattern: RegExp, patience = PATIENCE_MS): Promise<RegExpExecArray> {
    const deadline = Date.now() + patience;
    for (;;) {
      for (const text of [this.#output, ...Object.values(this.#streams)]) {
        const match = pattern.exec(text);
        if (match !== null) return match;
      }
      if (this.#ended) throw this.#complaint(`ended without printing ${String(pattern)}`);
      if (!(await this.#somethingNew(deadline))) {
        throw this.#complaint(`did not print ${String(pattern)}`);
      }
    }
  }

  /** The exit code, once it has ended by itself and all its output is there. */
  async ends(patience = PATIENCE_MS): Promise<number | null> {
    const deadline = Date.now() + patience;
    while (!this.#ended) {
      if (!(await this.#somethingNew(deadline))) throw this.#complaint('did not end');
    }
    return this.#exit;
  }

  /** SIGSTOP, for one that is to stop answering, and SIGCONT. */
  signal(name: 'SIGSTOP' | 'SIGCONT' | 'SIGINT' | 'SIGTERM' | 'SIGHUP'): void {
    this.#kill(name);
  }

  /** Ends it now, if it has not ended already. */
  async stop(): Promise<void> {
    if (!this.#ended) this.#kill('SIGKILL');
    await this.#exit;
  }

  describe(): string {
    return `$ ${this.#name}\n${this.#output}`;
  }

  #kill(name: NodeJS.Signals): void {
    const { pid } = this.#child;
    if (this.#group && pid !== undefined) process.kill(-pid, name);
    else this.#child.kill(name);
  }

  #wake(): void {
    for (const wake of [...this.#waiting]) wake();
  }

  #somethingNew(deadline: number): Promise<boolean> {
    return new Promise((resolve) => {
      const settle = (news: boolean): void => {
        clearTimeout(timer);
        this.#waiting.delete(wake);
        resolve(news);
      };
      const wake = (): void => {
        settle(true);
      };
      const timer = setTimeout(() => {
        settle(false);
      }, deadline - Date.now());
      this.#waiting.add(wake);
    });
  }

  #complaint(what: string): Error {
    return new Error(`the peer ${what}\n${this.describe()}`);
  }
}

/** Things a test opens, to be closed after it: the last one first. */
export class Cleanup {
  readonly #steps: (() => void | Promise<void>)[] = [];
  readonly #peers: PeerProcess[] = [];

  add(step: () => void | Promise<void>): void {
    this.#steps.push(step);
  }

  /** Starts a program that is stopped after the test; `env` is added to its environment. */
  start(command: string, args: readonly string[], env?: NodeJS.ProcessEnv): PeerProcess {
    const peer = new PeerProcess(command, args, env);
    this.#peers.push(peer);
    this.add(() => peer.stop());
    return peer;
  }

  async run(): Promise<void> {
    for (const step of this.#steps.splice(0).reverse()) await step();
  }

  /** What the programs of this test printed. */
  forget(): string {
    return this.#peers
      .splice(0)
      .map((peer) => peer.describe())
      .join('\n');
  }
}

/** A {@link Cleanup} for each test of a suite; prints what the peers printed when a test fails. */
export function cleanupAfterEach(suite: Suite): Cleanup {
  const cleanup = new Cleanup();
  suite.afterEach(async function () {
    await cleanup.run();
    const printed = cleanup.forget();
    if (this.currentTest?.state === 'failed') console.error(printed);
  });
  return cleanup;
}

/** Why a program cannot be used, or undefined. */
function missing(command: string): string | undefined {
  const { error, stdout } = spawnSync(command, [command === 'openssl' ? 'version' : '--version'], {
    env: foreignEnvironment,
    timeout: 10_000,
    encoding: 'utf8',
  });
  if (error !== undefined) return `${command} is not installed: ${error.message}`;
  // LibreSSL has a program of this name too, with other options and other output.
  if (command === 'openssl' && !/^OpenSSL [3-9]/.test(stdout)) {
    return `openssl is not OpenSSL 3 or later but ${stdout.trim()}`;
  }
  return undefined;
}

/**
 * Skips the suite whose `before` hook calls this where a program is missing, and says so; under CI
 * that is a failure.
 */
export function requirePrograms(context: Context, ...commands: readonly string[]): void {
  const reasons = commands.map(missing).filter((reason) => reason !== undefined);
  if (reasons.length === 0) return;
  lacks(context, [...new Set(reasons)].join('; '));
}

/** Skips for what a machine need not have, and says so; under CI that is a failure. */
export function lacks(context: Context, reason: string): never {
  if (process.env.CI) throw new Error(reason);
  skip(context, reason);
}

/** Skips a test, or the suite whose hook calls this, for what cannot be had here, and says so. */
export function skip(context: Context, reason: string): never {
  console.log(`    skipped: ${reason}`);
  return context.skip();
}

/**
 * The ports that `freePort` gives are below those that Linux (from 32768 on) and others choose for sockets bound to
 * port 0: none of the sockets that a test opens before its peer has bound the port can be given it by chance.
 */
const PORTS = { first: 10_000, count: 11_000 };

/** Two runs that are side by side begin at different places. */
let nextPort = randomInt(PORTS.count);

/**
 * A UDP port of the loopback address on which nobody listens, which no other call in this process gets. It is even, and
 * the odd one above it is left alone, too, for servers that take both (CoAP's).
 */
export async function freePort(): Promise<number> {
  for (let tried = 0; tried < PORTS.count; tried++) {
    const port = PORTS.first + 2 * nextPort;
    nextPort = (nextPort + 1) % PORTS.count;
    if (await isFree(port)) return port;
  }
  throw new Error('no UDP port is free');
}

async function isFree(port: number): Promise<boolean> {
  const socket = dgram.createSocket('udp4');
  const closed = new Promise((resolve) => socket.once('close', resolve));
  try {
    socket.bind(port, '127.0.0.1');
    await once(socket, 'listening');
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return false;
    throw error;
  } finally {
    socket.close();
    await closed;
  }
}

/** A folder for what the peers read from files. It is made with its first file. */
export class TemporaryFiles {
  #folder: string | undefined;
  readonly #known = new Map<string, string>();

  /** Writes `content`, the same one once only, and returns its path. */
  file(content: string | Uint8Array): string {
    const key = Buffer.from(content).toString('latin1');
    this.#folder ??= mkdtempSync(join(tmpdir(), 'dgram-dtls-'));
    const path = this.#known.get(key) ?? join(this.#folder, `${this.#known.size + 1}`);
    if (!this.#known.has(key)) writeFileSync(path, content, { mode: 0o600 });
    this.#known.set(key, path);
    return path;
  }

  /** The paths of a certificate's chain and key. */
  identity({ cert, key }: Certificate): { cert: string; key: string } {
    return { cert: this.file(cert), key: this.file(key) };
  }

  remove(): void {
    if (this.#folder !== undefined) rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Those of a suite, to be gone after it. A suite that is skipped has made none, and has none to remove. */
export function temporaryFiles(suite: Suite): TemporaryFiles {
  const files = new TemporaryFiles();
  suite.afterAll(() => {
    files.remove();
  });
  return files;
}
