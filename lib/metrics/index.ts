/**
 * `dgram-dtls/metrics`: what sessions do, as metrics for Prometheus, by prom-client (an optional peer dependency).
 *
 * @packageDocumentation
 */
import type promClient from 'prom-client';
import type { Registry } from 'prom-client';

import { kRole } from '../base/internals';
import { noMore } from '../checks/arguments';
import { wordsOf, asError } from '../errors/as-error';
import { DTLSError } from '../errors/errors';
import { channels, type DiagnosticsChannelName, type DiagnosticsEvents, type TypedChannel } from '../diagnostics/channels';
import { COUNTERS } from './counters';
import { checkOptions, checkRegister, type MetricsOptions } from './options';
import { countSessions, EndpointTotals } from './totals';

export type { MetricsOptions } from './options';

export interface Metrics {
  /** Takes the metrics out of the register, and stops counting. */
  close(): void;
}

// Retransmission begins after a second and doubles (RFC 6347 section 4.2.4.1): the bounds lie between.
const HANDSHAKE_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const HEARTBEAT_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** Loaded when it is needed, as who has none is told so by an error of this package. */
function promClientHere(): typeof promClient {
  try {
    // eslint-disable-next-line @typescript-eslint/no-require-imports
    return require('prom-client') as typeof promClient;
  } catch (error) {
    const { code, message } = wordsOf(asError(error));
    if (code !== 'MODULE_NOT_FOUND' || !message.includes("'prom-client'")) throw error;
    throw new DTLSError('dgram-dtls/metrics needs prom-client, which is not installed', {
      code,
      category: 'usage',
      hint: "'npm install prom-client' beside dgram-dtls: it is an optional peer dependency.",
      cause: error,
    });
  }
}

/**
 * Registers metrics of all servers, clients and sockets of this thread: of those that are there and of those to
 * come. Names, labels and meanings are in docs/metrics.md. Nothing is counted for it before it is called.
 *
 * @param register - Default: prom-client's own.
 * @throws {@link DTLSError} of category `usage` for what is no register, and for an option that is unknown, of a wrong
 * type or no use; prom-client's error when the register has metrics of these names already.
 */
export function metrics(register?: Registry, options?: MetricsOptions): Metrics;
export function metrics(...args: [Registry?, MetricsOptions?, ...unknown[]]): Metrics {
  noMore('metrics', args, 2);
  const { Counter, Gauge, Histogram, register: defaultRegister } = promClientHere();
  const [register = defaultRegister, options = {}] = args;
  checkRegister(register);
  checkOptions(options);
  const { prefix = 'dtls_', handshakeBuckets = HANDSHAKE_BUCKETS, heartbeatBuckets = HEARTBEAT_BUCKETS } = options;
  const totals = new EndpointTotals();
  const registers = [register];
  const made: string[] = [];
  const undo: (() => void)[] = [];
  const config = <T extends string>(name: string, help: string, ...labelNames: T[]) => {
    made.push(prefix + name);
    return { name: prefix + name, help, labelNames, registers };
  };
  const on = <K extends DiagnosticsChannelName>(
    channel: TypedChannel<DiagnosticsEvents[K]>,
    listener: (event: DiagnosticsEvents[K]) => void,
  ): void => {
    const listen = (event: unknown): void => {
      listener(event as DiagnosticsEvents[K]);
    };
    channel.subscribe(listen);
    undo.push(() => channel.unsubscribe(listen));
  };
  try {
    for (const { name, help, label, of } of COUNTERS) {
      new Counter({
        ...config(name, help, 'role', ...(label === undefined ? [] : [label])),
        collect() {
          this.reset();
          for (const [value, counter] of Object.entries(of)) {
            totals.each(counter, (role, sum) => {
              this.inc(label === undefined ? { role } : { role, [label]: value }, sum);
            });
          }
        },
      });
    }
    new Gauge({
      ...config('sessions', 'Sessions there are now.', 'role', 'state'),
      collect() {
        countSessions((role, state, count) => {
          this.set({ role, state }, count);
        });
      },
    });
    const completed = new Counter(
      config('handshakes_completed_total', 'Handshakes that ended well.', 'role', 'protocol', 'cipher', 'group', 'resumed'),
    );
    const failed = new Counter(
      config('handshakes_failed_total', 'Handshakes that failed, by error code.', 'role', 'code'),
    );
    const duration = new Histogram({
      ...config('handshake_duration_seconds', 'How long handshakes took that ended well.', 'role'),
      buckets: handshakeBuckets,
    });
    const closed = new Counter(
      config('sessions_closed_total', 'Sessions that ended, by error code; "close" without one.', 'role', 'code'),
    );
    const alerts = new Counter(
      config('alerts_total', 'Alerts that were sent or received.', 'role', 'direction', 'level', 'description'),
    );
    const rtt = new Histogram({
      ...config('heartbeat_rtt_seconds', 'Round trips of heartbeats (RFC 6520).', 'role'),
      buckets: heartbeatBuckets,
    });
    on<'dgram-dtls.handshake.done'>(channels.handshakeDone, ({ socket, duration: ms, protocol, cipher }) => {
      const { [kRole]: role } = socket;
      const group = socket.getSharedGroup() ?? '';
      completed.inc({ role, protocol, cipher, group, resumed: String(socket.isSessionReused()) });
      duration.observe({ role }, ms / 1000);
    });
    on<'dgram-dtls.handshake.failed'>(channels.handshakeFailed, ({ socket: { [kRole]: role }, error: { code } }) => {
      failed.inc({ role, code });
    });
    on<'dgram-dtls.session.close'>(channels.sessionClose, ({ socket: { [kRole]: role }, error }) => {
      closed.inc({ role, code: error?.code ?? 'close' });
    });
    on<'dgram-dtls.alert'>(channels.alert, ({ socket: { [kRole]: role }, direction, level, description }) => {
      alerts.inc({ role, direction, level, description });
    });
    on<'dgram-dtls.heartbeat'>(channels.heartbeat, ({ socket: { [kRole]: role }, rtt: ms }) => {
      if (ms !== undefined) rtt.observe({ role }, ms / 1000);
    });
  } catch (error) {
    // The name that was taken is somebody else's metric, and stays.
    made.pop();
    close();
    throw error;
  }
  function close(): void {
    totals.close();
    for (const step of undo.splice(0)) step();
    for (const name of made.splice(0)) register.removeSingleMetric(name);
  }
  return { close };
}
