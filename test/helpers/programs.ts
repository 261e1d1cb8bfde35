/**
 * Peers by pion, JSSE, Mbed TLS and wolfSSL, which come as libraries: small programs of this repository,
 * in test/fixtures/peers, compiled once into `.cache/peers`. They share one command line,
 *
 *     PROGRAM client|server --NAME=VALUE… --port=PORT [--NAME=VALUE… --port=PORT]…
 *
 * in which each `--port` is a session beside the others, with the options that are named before it:
 *
 *     cert, key   PEM files: its own certificate
 *     trust       PEM file: verifies the peer's certificate; a server insists on one
 *     name        a client's name for the server: sent, and verified
 *     psk         the key in hexadecimal, and
 *     identity    a client's identity, or the one that a server knows
 *     suite       IANA's name of the only cipher suite
 *     mtu         bytes, of handshake datagrams
 *     tickets     true: resumes by ticket; otherwise by session id
 *     sessions    so many, one after the other
 *     timer       milliseconds until it repeats its flight
 *     patience    milliseconds for a handshake, and for the next message
 *
 * and wolfSSL's, which alone has DTLS 1.3:
 *
 *     versions    1.3, 1.2 or both
 *     groups      the numbers of its groups, with commas, and
 *     share       that of a client's key share
 *
 * An end says `hello` when the handshake is over, sends each message back, and closes on `bye`.
 * wolfSSL's changes its keys on `update`, before it sends that back. It prints lines that begin with the number of the session, from 1:
 *
 *     1 listening
 *     1 certificate SUBJECT
 *     1 identity IDENTITY       (pion's server)
 *     1 suite IANA-NAME         (not pion)
 *     1 version DTLSv1.3        (wolfSSL)
 *     1 group NAME              (wolfSSL)
 *     1 secure full|resumed
 *     1 closed here|closed by the peer
 *     1 alert in|out NUMBER     (wolfSSL, before the next)
 *     1 failed: WHY
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import type { Context } from 'mocha';
import { fixture } from './child';
import { foreignEnvironment, freePort, lacks, type Cleanup, type PeerProcess } from './peers';

/** The first time, Go compiles its own library, too. */
const COMPILE_LIMIT_MS = 180_000;

const CACHE = path.join(__dirname, '..', '..', '.cache', 'peers');
/** What scripts/wolfssl.mjs unpacks. */
const WOLFSSL = path.join(CACHE, '..', 'wolfssl', 'usr');

type Key = 'ecdsa' | 'rsa' | 'psk';
type Role = 'client' | 'server';

interface Recipe {
  readonly name: string;
  /** In test/fixtures/peers. */
  readonly source: string;
  /** What is installed where it can be compiled, in Debian's words. */
  readonly packages: string;
  compile(source: string, folder: string): readonly string[];
  command(folder: string): readonly string[];
  /** Why it cannot be compiled on this machine, or undefined, where that is more than a missing program. */
  missing?(): string | undefined;
  /** OpenSSL's names of the suites that it shares with us. */
  readonly suites: Record<Key, readonly string[]>;
  readonly tickets: boolean;
  /**
   * Its server never completes a handshake when a repeated ClientHello comes later than the first
   * fragment of the client's next flight: the flight then is one that begins with the hello.
   */
  readonly serverNeedsOrder?: boolean;
  /** In these roles it never repeats a flight that ends the handshake, whatever the peer repeats. */
  readonly forgetsLastFlight?: readonly Role[];
}

const GCM = ['AES128-GCM-SHA256', 'AES256-GCM-SHA384'];
const CHACHA = 'CHACHA20-POLY1305';
const CCM = ['AES128-CCM', 'AES128-CCM8'];

const named = (exchange: string, ...bulk: string[]): string[] => bulk.map((name) => `${exchange}-${name}`);

const RECIPES: readonly Recipe[] = [
  {
    name: 'pion',
    source: 'pion.go',
    packages: 'golang-go golang-github-pion-dtls.v2-dev',
    compile: (source, folder) => ['go', 'build', '-o', path.join(folder, 'peer'), source],
    command: (folder) => [path.join(folder, 'peer')],
    suites: {
      ecdsa: named('ECDHE-ECDSA', ...GCM, ...CCM),
      rsa: named('ECDHE-RSA', ...GCM),
      psk: named('PSK', 'AES128-GCM-SHA256', ...CCM),
    },
    tickets: false,
    forgetsLastFlight: ['client'],
  },
  {
    name: 'JSSE',
    source: 'Jsse.java',
    packages: 'openjdk-17-jdk-headless',
    compile: (source, folder) => ['javac', '-d', folder, source],
    // A short life: compiling less and collecting in one thread begins sooner.
    command: (folder) => ['java', '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-cp', folder, 'Jsse'],
    suites: {
      ecdsa: named('ECDHE-ECDSA', ...GCM, CHACHA),
      rsa: named('ECDHE-RSA', ...GCM, CHACHA),
      psk: [],
    },
    tickets: true,
    serverNeedsOrder: true,
    forgetsLastFlight: ['client', 'server'],
  },
  {
    name: 'Mbed TLS',
    source: 'mbedtls.c',
    packages: 'build-essential libmbedtls-dev',
    compile: (source, folder) => [
      ...['gcc', '-std=gnu11', '-O1', '-Wall', '-Wextra', '-Werror', '-o', path.join(folder, 'peer'), source],
      ...['-pthread', '-lmbedtls', '-lmbedx509', '-lmbedcrypto'],
    ],
    command: (folder) => [path.join(folder, 'peer')],
    suites: {
      ecdsa: named('ECDHE-ECDSA', ...GCM, CHACHA, ...CCM),
      rsa: named('ECDHE-RSA', ...GCM, CHACHA),
      psk: [...named('PSK', ...GCM, CHACHA, ...CCM), ...named('ECDHE-PSK', CHACHA)],
    },
    tickets: true,
  },
];

/** Debian's folder for libraries. */
function wolfsslLibraries(): string {
  const libraries = path.join(WOLFSSL, 'lib');
  const folder = existsSync(libraries) ? readdirSync(libraries).find((name) => name.endsWith('-linux-gnu')) : undefined;
  return path.join(libraries, folder ?? '');
}

const TLS13_SUITES = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'TLS_AES_128_CCM_SHA256',
  'TLS_AES_128_CCM_8_SHA256',
];

/** The one of DTLS 1.3. It is linked against a newer C library than the machine's, and run by that one's loader. */
const WOLFSSL_RECIPE: Recipe = {
  name: 'wolfSSL',
  source: 'wolfssl.c',
  packages: 'build-essential',
  missing: () => (existsSync(WOLFSSL) ? undefined : 'wolfSSL is not there: node scripts/wolfssl.mjs gets it'),
  compile: (source, folder) => [
    ...['gcc', '-std=gnu11', '-O1', '-Wall', '-Wextra', '-Werror', '-o', path.join(folder, 'peer'), source],
    ...['-isystem', path.join(WOLFSSL, 'include'), '-pthread', '-Wl,--allow-shlib-undefined'],
    path.join(wolfsslLibraries(), 'libwolfssl.so'),
  ],
  command: (folder) => {
    const libraries = wolfsslLibraries();
    const loader = existsSync(libraries) ? readdirSync(libraries).find((name) => name.startsWith('ld-linux')) : undefined;
    return [path.join(libraries, loader ?? 'ld-linux'), '--library-path', libraries, path.join(folder, 'peer')];
  },
  suites: { ecdsa: TLS13_SUITES, rsa: TLS13_SUITES, psk: TLS13_SUITES.filter((name) => name.endsWith('SHA256')) },
  tickets: true,
};

/** IANA's name of a suite, which these programs go by. */
export function ianaName(suite: string): string {
  const [, exchange = '', bulk = ''] = /^((?:ECDHE-)?(?:ECDSA|RSA|PSK))-(.*)$/.exec(suite) ?? [];
  const cipher = bulk
    .replace(/^AES(128|256)-/, 'AES_$1_')
    .replace('CCM8', 'CCM_8')
    .replace(/^CHACHA20-POLY1305$/, 'CHACHA20_POLY1305_SHA256')
    .replaceAll('-', '_');
  return `TLS_${exchange.replace('-', '_')}_WITH_${cipher}`;
}

export interface Options {
  readonly cert?: string;
  readonly key?: string;
  readonly trust?: string;
  readonly name?: string;
  readonly psk?: string;
  readonly identity?: string;
  readonly suite?: string;
  readonly mtu?: number;
  readonly tickets?: boolean;
  readonly sessions?: number;
  readonly timer?: number;
  readonly patience?: number;
  readonly versions?: '1.3' | '1.2' | 'both';
  readonly groups?: string;
  readonly share?: number;
}

const words = (options: object): string[] =>
  Object.entries(options).map(([name, value]) => `--${name}=${String(value)}`);

export class Program {
  readonly name: string;
  readonly suites: Record<Key, readonly string[]>;
  /** It resumes sessions by ticket; by session id all of them do. */
  readonly tickets: boolean;
  readonly serverNeedsOrder: boolean;
  readonly forgetsLastFlight: readonly Role[];
  readonly #recipe: Recipe;
  readonly #folder: string;

  constructor(recipe: Recipe) {
    this.name = recipe.name;
    this.suites = recipe.suites;
    this.tickets = recipe.tickets;
    this.serverNeedsOrder = recipe.serverNeedsOrder ?? false;
    this.forgetsLastFlight = recipe.forgetsLastFlight ?? [];
    this.#recipe = recipe;
    const hash = createHash('sha256').update(readFileSync(this.#source)).update(recipe.compile.toString());
    this.#folder = path.join(CACHE, `${recipe.source}-${hash.digest('hex').slice(0, 16)}`);
  }

  get #source(): string {
    return fixture(path.join('peers', this.#recipe.source));
  }

  /** Compiles it where that was not done. Where it cannot be, the suite is skipped; under CI that is a failure. */
  require(context: Context): void {
    context.timeout(COMPILE_LIMIT_MS);
    const reason = this.#missing() ?? this.#compile();
    if (reason !== undefined) lacks(context, reason);
  }

  /** A client of the sessions' ports: they run side by side. */
  client(cleanup: Cleanup, sessions: readonly (Options & { readonly port: number })[]): PeerProcess {
    return this.#start(cleanup, 'client', sessions);
  }

  /** A server for each of the sessions, on ports of their own, that listens. */
  async server(cleanup: Cleanup, sessions: readonly Options[]): Promise<{ peer: PeerProcess; ports: number[] }> {
    const ports: number[] = [];
    while (ports.length < sessions.length) ports.push(await freePort());
    const peer = this.#start(
      cleanup,
      'server',
      sessions.map((options, index) => ({ ...options, port: ports[index] ?? 0 })),
    );
    for (const index of ports.keys()) await peer.sees(new RegExp(`^${index + 1} listening$`, 'm'));
    return { peer, ports };
  }

  #start(cleanup: Cleanup, role: string, sessions: readonly (Options & { readonly port: number })[]): PeerProcess {
    const args = sessions.flatMap(({ port, ...options }) => [...words(options), `--port=${port}`]);
    const [command = '', ...rest] = this.#recipe.command(this.#folder);
    return cleanup.start(command, [...rest, role, ...args]);
  }

  /** Why it cannot be run, or undefined. */
  #missing(): string | undefined {
    const reason = this.#recipe.missing?.();
    if (reason !== undefined) return reason;
    for (const [program = ''] of [this.#recipe.compile('', ''), this.#recipe.command('')]) {
      if (program === '' || path.basename(program) === 'peer') continue;
      const { error } = spawnSync(program, ['--version'], { env: foreignEnvironment });
      if (error) return `${program} is not installed (Debian: ${this.#recipe.packages}): ${error.message}`;
    }
    return undefined;
  }

  /** Why it cannot be compiled, or undefined when it is. */
  #compile(): string | undefined {
    if (existsSync(this.#folder)) return undefined;
    mkdirSync(CACHE, { recursive: true });
    // Under a name of its own until it is whole: other runs may be at the same.
    const folder = mkdtempSync(path.join(CACHE, 'new-'));
    try {
      const [command = '', ...args] = this.#recipe.compile(this.#source, folder);
      const { status, error, stderr } = spawnSync(command, args, {
        encoding: 'utf8',
        timeout: COMPILE_LIMIT_MS,
        env: {
          ...foreignEnvironment,
          // Go takes the sources that Debian's packages have put there, and asks no network.
          GO111MODULE: 'off',
          GOPATH: '/usr/share/gocode',
          GOCACHE: path.join(CACHE, 'go-build'),
        },
      });
      if (status !== 0) {
        const why = (error?.message ?? stderr).trim();
        return `${this.#recipe.source} does not compile (Debian: ${this.#recipe.packages}): ${why}`;
      }
      if (!existsSync(this.#folder)) renameSync(folder, this.#folder);
      return undefined;
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
}

export const PROGRAMS: readonly Program[] = RECIPES.map((recipe) => new Program(recipe));
/** wolfSSL's, of DTLS 1.3. */
export const WOLFSSL13 = new Program(WOLFSSL_RECIPE);
