import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

import { DTLSError } from '../errors/errors';
import { clientOptions, type Address, type ClientFlags } from './arguments';
import { ExitCode, interruption } from './exit';
import { Output } from './output';
import { explain, shakeHands } from './session';

export interface PingFlags extends ClientFlags {
  readonly json?: boolean;
  readonly count?: number;
  readonly interval: number;
  readonly wait: number;
  readonly size: number;
}

export interface MtuFlags extends ClientFlags {
  readonly json?: boolean;
  readonly least: number;
  readonly most?: number;
  readonly wait: number;
}

/** Least, mean, greatest and mean deviation, as ping prints them. */
export function summarize(times: readonly number[]): { min: number; avg: number; max: number; mdev: number } | null {
  if (times.length === 0) return null;
  const mean = (values: readonly number[]): number =>
    values.reduce((sum, value) => sum + value, 0) / values.length;
  const avg = mean(times);
  const mdev = Math.sqrt(Math.max(0, mean(times.map((time) => time * time)) - avg * avg));
  return { min: Math.min(...times), avg, max: Math.max(...times), mdev };
}

export async function runPing(target: Address, flags: PingFlags): Promise<number> {
  const output = new Output(flags.json === true);
  const stop = new AbortController();
  let signal: NodeJS.Signals | undefined;
  void interruption().then((given) => {
    signal = given;
    stop.abort();
  });
  const options = { ...clientOptions(target, flags), heartbeat: true, signal: stop.signal };
  try {
    const { socket, report } = await shakeHands(options, output, { draw: false, keylog: flags.keylog });
    const broken = new Promise<void>((resolve) => {
      socket.once('error', (error) => {
        if (!stop.signal.aborted) output.failure(error);
      });
      socket.once('close', () => {
        resolve();
      });
    });
    output.line(`PING ${report.peer} over ${report.protocol ?? ''} ${report.cipher ?? ''}: ${String(flags.size)} bytes`);
    const times: number[] = [];
    let sent = 0;
    const isOpen = (): boolean => socket.readyState === 'open' && !stop.signal.aborted;
    while (isOpen() && sent < (flags.count ?? Infinity)) {
      sent += 1;
      const started = performance.now();
      try {
        const { rtt } = await socket.heartbeat(randomBytes(flags.size), { timeout: flags.wait, retries: 0 });
        times.push(rtt);
        output.line(`${String(flags.size)} bytes from ${report.peer}: seq=${String(sent)} time=${rtt.toFixed(2)} ms`);
        output.data({ event: 'reply', seq: sent, rtt });
      } catch (error) {
        if (!(error instanceof DTLSError) || !isOpen()) break;
        if (error.code !== 'ERR_DTLS_HEARTBEAT_TIMEOUT') {
          socket.close();
          throw error;
        }
        output.line(`no answer: seq=${String(sent)}`);
        output.data({ event: 'timeout', seq: sent });
      }
      const rest = flags.interval - (performance.now() - started);
      if (sent < (flags.count ?? Infinity) && rest > 0 && isOpen()) {
        await sleep(rest, undefined, { signal: stop.signal }).catch(() => undefined);
      }
    }
    socket.close();
    await broken;
    const summary = summarize(times);
    const lost = sent === 0 ? 0 : (1 - times.length / sent) * 100;
    output.line(`\n--- ${report.peer} ---`);
    output.line(`${String(sent)} sent, ${String(times.length)} answered, ${lost.toFixed(0)}% lost`);
    if (summary !== null) {
      const { min, avg, max, mdev } = summary;
      output.line(`rtt min/avg/max/mdev = ${[min, avg, max, mdev].map((value) => value.toFixed(3)).join('/')} ms`);
    }
    output.data({ event: 'summary', sent, answered: times.length, rtt: summary });
    if (signal === 'SIGINT') return ExitCode.Interrupted;
    return times.length > 0 ? ExitCode.Ok : ExitCode.Failed;
  } catch (error) {
    if (signal !== undefined) return ExitCode.Interrupted;
    if (explain(error, output)) return ExitCode.Failed;
    return refused(error, output);
  }
}

/** How many requests a search takes at most: halvings of the range, its ends, and each of them with the repetitions of one that is too large. */
const searchSteps = ({ least, most = 1472 }: MtuFlags): number =>
  (Math.ceil(Math.log2(Math.max(2, most - least))) + 2) * 3;

export async function runMtu(target: Address, flags: MtuFlags): Promise<number> {
  const output = new Output(flags.json === true);
  const stop = new AbortController();
  void interruption().then(() => {
    stop.abort();
  });
  const options = { ...clientOptions(target, flags), heartbeat: true, signal: stop.signal };
  try {
    const { socket, report } = await shakeHands(options, output, { draw: false, keylog: flags.keylog });
    const closed = new Promise<void>((resolve) => {
      socket.on('error', () => undefined); // discoverMtu rejects with it
      socket.once('close', () => {
        resolve();
      });
    });
    const progress = output.progress(searchSteps(flags), 'searching');
    socket.on('heartbeat', ({ type, direction }) => {
      if (type === 'request' && direction === 'out') progress.advance();
    });
    try {
      const mtu = await socket
        .discoverMtu({
          min: flags.least,
          timeout: flags.wait,
          ...(flags.most === undefined ? {} : { max: flags.most }),
        })
        .finally(() => {
          progress.done();
        });
      const { maxMessageSize } = socket;
      output.table(
        ['to', 'largest datagram', 'largest message'],
        [[report.peer, `${String(mtu)} bytes`, `${String(maxMessageSize)} bytes`]],
      );
      output.data({ peer: report.peer, mtu, maxMessageSize, cipher: report.cipher });
    } finally {
      socket.close();
      await closed;
    }
    return ExitCode.Ok;
  } catch (error) {
    if (stop.signal.aborted) return ExitCode.Interrupted;
    if (explain(error, output)) return ExitCode.Failed;
    return refused(error, output);
  }
}

/** The server's configuration is not the command line's fault, whatever the category of the error. */
function refused(error: unknown, output: Output): number {
  if (!(error instanceof DTLSError) || !error.code.startsWith("ERR_DTLS_HEARTBEAT_")) throw error;
  output.failure(error);
  return ExitCode.Failed;
}
