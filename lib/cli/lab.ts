import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';

import { generateCertificate } from '../identity/generate-certificate';
import type { SecureContextOptions } from '../identity/types';
import type { LinkConditions } from '../lab/path';
import { CONTEXT_OPTIONS } from '../checks/option-names';
import { createSecureContext } from '../identity/secure-context';
import { clientOptions, serverOptions, type SecurityFlags } from './arguments';
import { CommandLineError, ExitCode, fileError, interruption } from './exit';
import { drawChart } from './lab/chart';
import { summarize, type Summary } from './lab/statistics';
import { runTrial, SERVER_ADDRESS, type TrialPlan, type TrialResult } from './lab/trial';
import { Output, type Progress } from './output';

/** Options of the network, each a list of values; at most one of them has several. */
interface NetworkFlags {
  readonly loss: number[];
  readonly burst: number[];
  readonly burstLength: number[];
  readonly delay: number[];
  readonly jitter: number[];
  readonly reorder: number[];
  readonly duplicate: number[];
  readonly pathMtu: number[];
  readonly rebind: number[];
}

export interface LabFlags extends SecurityFlags, NetworkFlags {
  readonly json?: boolean;
  readonly handshakes: number;
  readonly messages: number;
  readonly interval: number;
  readonly size: number;
  readonly resume?: boolean;
  readonly initial: number;
  readonly max: number;
  readonly backoff: number;
  readonly seed: string;
  readonly svg?: string;
}

/** Handshakes under way at a time: while OpenSSL's timer runs for one, there is work for others. */
const AT_A_TIME = 128;

const NETWORK: Readonly<Record<keyof NetworkFlags, string>> = {
  loss: 'loss, %',
  burst: 'bursts, %',
  burstLength: 'datagrams in a burst',
  delay: 'delay, ms',
  jitter: 'jitter, ms',
  reorder: 'reordered, %',
  duplicate: 'duplicated, %',
  pathMtu: 'path MTU, bytes',
  rebind: 'NAT rebindings, %',
};
const NAMES = Object.keys(NETWORK) as (keyof NetworkFlags)[];

type Network = Record<keyof NetworkFlags, number>;

interface Point {
  /** What is swept, and its value. */
  readonly parameter: keyof NetworkFlags;
  readonly value: number;
  readonly summary: Summary;
}

export async function runLab(flags: LabFlags): Promise<number> {
  const asking = flags.minVersion === 'DTLSv1.3' ? '--min-version' : '--max-version';
  if (flags.minVersion === 'DTLSv1.3' || flags.maxVersion === 'DTLSv1.3') {
    throw new CommandLineError(
      `${asking} DTLSv1.3: lab counts the repetitions of DTLS 1.2, which sends whole flights again; ` +
        'DTLS 1.3 sends what was not acknowledged. Link of dgram-dtls/lab carries both.',
    );
  }
  const output = new Output(flags.json === true);
  const swept = NAMES.filter((name) => flags[name].length > 1);
  if (swept.length > 1) {
    throw new CommandLineError(`only one option may be a range, not ${swept.join(' and ')}`, 'Give the others one value each.');
  }
  // Before what takes minutes. A chart that is there stays until there is another one.
  if (flags.svg !== undefined) writeNamed(flags.svg, '', 'a');
  const parameter = swept[0] ?? 'loss';
  const base = await plan(flags);
  const stop = new AbortController();
  void interruption().then(() => {
    stop.abort();
  });
  const progress = output.progress(flags[parameter].length * flags.handshakes, 'handshakes');
  const points: Point[] = [];
  for (const value of flags[parameter]) {
    const network = Object.fromEntries(NAMES.map((name) => [name, flags[name][0]])) as Network;
    network[parameter] = value;
    const trials = await runTrials(flags, base, network, progress, stop.signal);
    if (stop.signal.aborted) break;
    const summary = summarize(trials, flags.messages);
    points.push({ parameter, value, summary });
    output.data({ parameter, value, seed: flags.seed, network, schedule: base.schedule, ...summary });
  }
  progress.done();
  print(points, output);
  if (flags.svg !== undefined && points.length > 0) {
    writeNamed(flags.svg, drawChart(points.map(({ value, summary }) => ({ value, summary })), NETWORK[parameter]), 'w');
  }
  if (stop.signal.aborted) return ExitCode.Interrupted;
  return points.some(({ summary }) => summary.completed > 0) ? ExitCode.Ok : ExitCode.Failed;
}

function writeNamed(file: string, text: string, flag: 'a' | 'w'): void {
  try {
    writeFileSync(file, text, { flag });
  } catch (error) {
    throw fileError('--svg', error, 'writing');
  }
}

type Base = Omit<TrialPlan, 'seed' | 'conditions' | 'rebind'>;

/** Contexts are made once: keys and certificates are no part of what is measured. */
async function plan(flags: LabFlags): Promise<Base> {
  const server = serverOptions(flags);
  const own = Object.entries(flags).filter(([name]) => name !== 'cert' && name !== 'key');
  const client = clientOptions(
    { host: SERVER_ADDRESS, port: 1 },
    { ...(Object.fromEntries(own) as LabFlags), insecure: flags.cert !== undefined },
  );
  if (flags.cert === undefined && flags.psk === undefined) {
    // Signatures of RSA have one length. Those of ECDSA have not, and datagrams differ with them.
    const made = await generateCertificate({ altNames: [SERVER_ADDRESS], days: 1, keyType: 'rsa' });
    Object.assign(server, made);
    client.ca = made.cert;
  }
  const base: Base = {
    schedule: { initial: flags.initial, max: Math.max(flags.initial, flags.max), backoff: flags.backoff },
    timeout: flags.timeout ?? 30_000,
    server: { ...withContext({ ...server, ticketKeys: randomBytes(48) }), cookieLifetime: 86_400_000 },
    client: withContext(client),
    messages: flags.messages,
    interval: flags.interval,
    messageSize: flags.size,
  };
  if (flags.resume !== true) return base;
  const conditions = networkConditions({ ...NOTHING_HAPPENS });
  const { session } = await runTrial({ ...base, messages: 1, seed: 'first', conditions, rebind: 0 });
  if (session === undefined) throw new CommandLineError('--resume: the server gives no session to resume', 'Leave --resume out.');
  return { ...base, client: { ...base.client, session } };
}

const NOTHING_HAPPENS: Network = {
  ...(Object.fromEntries(NAMES.map((name) => [name, 0])) as Network),
  burstLength: 1,
  pathMtu: 65_535,
};

/** The options of a context as a context. */
function withContext<Options extends SecureContextOptions>(options: Options): Options {
  const given = Object.entries(options);
  const isContext = ([name]: [string, unknown]): boolean => (CONTEXT_OPTIONS as readonly string[]).includes(name);
  return {
    ...(Object.fromEntries(given.filter((entry) => !isContext(entry))) as Options),
    secureContext: createSecureContext(Object.fromEntries(given.filter(isContext))),
  };
}

function networkConditions(network: Network): LinkConditions {
  const { loss, burst, burstLength, delay, jitter, reorder, duplicate, pathMtu } = network;
  return {
    loss: loss / 100,
    ...(burst > 0 ? { burst: { enter: burst / 100, leave: 1 / burstLength } } : {}),
    delay,
    jitter,
    reorder: reorder / 100,
    duplicate: duplicate / 100,
    mtu: pathMtu,
  };
}

/** The same handshake meets the same chance at each point, as far as that goes. */
async function runTrials(
  flags: LabFlags,
  base: Base,
  network: Network,
  progress: Progress,
  stop: AbortSignal,
): Promise<TrialResult[]> {
  const conditions = networkConditions(network);
  const results: TrialResult[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < flags.handshakes && !stop.aborted) {
      const index = next++;
      const seed = `${flags.seed} ${String(index)}`;
      results[index] = await runTrial({ ...base, seed, conditions, rebind: network.rebind / 100 });
      progress.advance();
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, worker));
  return results;
}

function print(points: readonly Point[], output: Output): void {
  const [first] = points;
  if (first === undefined) return;
  const share = (part: number, whole: number): string =>
    whole === 0 ? '' : `${((part / whole) * 100).toFixed(1)} %`;
  const ms = (value: number | undefined): string => (value === undefined ? '' : value.toFixed(0));
  output.table(
    [
      ...[NETWORK[first.parameter], 'completed', 'failed', 'p50 ms', 'p95 ms', 'p99 ms', 'sent again'],
      ...['answered', 'rtt p50 ms', 'rtt p99 ms'],
    ],
    points.map(({ value, summary }) => [
      ...[value, summary.completed, summary.failed],
      ...[ms(summary.time?.p50), ms(summary.time?.p95), ms(summary.time?.p99)],
      (summary.retransmissions / summary.handshakes).toFixed(2),
      share(summary.messages.answered, summary.messages.sent),
      ...[ms(summary.roundTrip?.p50), ms(summary.roundTrip?.p99)],
    ]),
  );
  for (const { value, summary } of points) {
    for (const [code, count] of Object.entries(summary.failures)) {
      output.note(`${NETWORK[first.parameter]} ${String(value)}: ${String(count)} failed with ${code}`);
    }
  }
}
