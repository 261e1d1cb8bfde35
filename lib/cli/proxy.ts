import type { AddressInfo } from 'node:net';
import { networkInterfaces } from 'node:os';

import type { Peer } from '../base/peer';
import { addressOf } from '../diagnostics/channels';
import { logKeysTo } from '../diagnostics/keylog';
import { counted } from './counted';
import { CommandLineError, ExitCode, interruption } from './exit';
import { checkKeylog } from './keylog';
import { describeError, Output } from './output';
import { ProxyLog } from './proxy/log';
import type { MetricsServer, ProxyState } from './proxy/metrics-server';
import type { Relay } from './proxy/relay';
import { SenderSessions } from './proxy/sender-sessions';
import {
  clientSettings,
  readSettings,
  serverSettings,
  watchedFiles,
  type Settings,
  type ProxyFlags,
} from './proxy/settings';
import { SharedSession } from './proxy/shared-session';
import { Terminator } from './proxy/terminator';
import { watchFiles } from './proxy/watch';

export async function runProxy(flags: ProxyFlags): Promise<number> {
  checkFlags(flags);
  if (flags.keylog !== undefined) {
    checkKeylog(flags.keylog);
    logKeysTo(flags.keylog, '--keylog');
  }
  const log = new ProxyLog(new Output(flags.json === true), flags.quiet === true);
  const proxy = new ProxyRun(flags, await readSettings(flags), log);
  const { relay } = proxy;
  const failed = new Promise<Error>((resolve) => relay.once('error', resolve));
  log.follow(relay);
  // Signals are waited for before anybody is told that the proxy listens: one that nobody waits for ends a process.
  const interrupted = interruption();
  const stopReloading = proxy.reloadWhenTold();
  const address = await relay.start();
  let metrics: MetricsServer | undefined;
  try {
    refuseItself(address, proxy.target);
    metrics = await startMetrics(flags, relay, proxy);
  } catch (error) {
    await relay.close();
    throw error;
  }
  proxy.announce(address, metrics?.address);
  const ended = await Promise.race([interrupted, failed]);
  stopReloading();
  if (ended === 'SIGTERM') {
    const { size } = relay.sessions;
    log.say(`draining ${counted(size, 'session')}`, { event: 'drain', sessions: size });
    await relay.drain(flags.drain);
  } else {
    await relay.close();
  }
  await metrics?.close();
  if (ended instanceof Error) throw ended;
  const { toTarget, fromTarget, dropped, sessionsOpened, sessionsFailed } = relay.counters;
  log.say(`ended after ${counted(sessionsOpened, 'session')}`, {
    ...{ event: 'end', sessionsOpened, sessionsFailed, toTarget, fromTarget, dropped },
  });
  return ended === 'SIGINT' ? ExitCode.Interrupted : ExitCode.Ok;
}

function checkFlags({ client, shared, queue, cert, psk, pskFile, servername, insecure }: ProxyFlags): void {
  if (shared === true && client !== true) {
    throw new CommandLineError('--shared is for --client: where DTLS comes in, each client has its own session', 'Add --client, or leave --shared out.');
  }
  if (queue !== undefined && shared !== true) {
    throw new CommandLineError('--queue is for --shared: nothing else waits', 'Add --client --shared, or leave it out.');
  }
  if (client === true) {
    if (pskFile !== undefined) throw new CommandLineError('--psk-file is for servers', 'Give a client --psk and --psk-identity.');
    return;
  }
  if (cert === undefined && psk === undefined && pskFile === undefined) {
    throw new CommandLineError(
      'a proxy that takes DTLS needs --cert and --key, --psk, or --psk-file',
      'dgram-dtls cert makes a certificate for development.',
    );
  }
  if (servername !== undefined || insecure === true) {
    throw new CommandLineError('--servername and --insecure are for --client', 'Add --client, or leave them out.');
  }
}

/** All that came would come again, for ever. */
function refuseItself(own: AddressInfo, target: Peer): void {
  const here = Object.values(networkInterfaces()).flat();
  const everywhere = ['0.0.0.0', '::'].includes(own.address) && here.some((one) => one?.address === target.address);
  if (own.port !== target.port || (own.address !== target.address && !everywhere)) return;
  throw new CommandLineError(
    `--target ${target.address}, port ${String(target.port)}, is where the proxy itself listens`,
    'Give --listen another port than that of the server behind it.',
  );
}

async function startMetrics(
  { metrics: where }: ProxyFlags,
  relay: Relay,
  state: ProxyState,
): Promise<MetricsServer | undefined> {
  if (where === undefined) return undefined;
  const { serveMetrics } = await import('./proxy/metrics-server.js').catch((error: unknown) => {
    const [why = ''] = String(error).split('\n');
    throw new CommandLineError(`--metrics needs prom-client: ${why}`, 'npm install prom-client, or npx -p dgram-dtls -p prom-client dgram-dtls proxy …');
  });
  return serveMetrics(where, relay, () => state);
}

/** Messages that wait for a shared session. */
const DEFAULT_QUEUE = 1000;

/** The relay that the flags ask for, and what is read again while it runs. */
class ProxyRun implements ProxyState {
  readonly relay: Relay;
  readonly reloads = { ok: 0, failed: 0 };
  readonly #flags: ProxyFlags;
  readonly #log: ProxyLog;
  #settings: Settings;
  #reloading: Promise<void> = Promise.resolve();

  constructor(flags: ProxyFlags, settings: Settings, log: ProxyLog) {
    this.#flags = flags;
    this.#settings = settings;
    this.#log = log;
    this.relay = this.#makeRelay();
  }

  get target(): Peer {
    return this.#settings.target;
  }

  get validTo(): Date | undefined {
    return this.#settings.validTo;
  }

  announce({ address, port }: AddressInfo, metrics: AddressInfo | undefined): void {
    const mode = this.#flags.client === true ? 'client' : 'server';
    const target = addressOf(this.#settings.target);
    const at = metrics === undefined ? '' : `, metrics on ${metrics.address}, port ${String(metrics.port)}`;
    const [from, to] = mode === 'client' ? ['plain UDP', 'DTLS'] : ['DTLS', 'plain UDP'];
    this.#log.say(
      `listening for ${from} on ${address}, port ${String(port)}, ${to} to ${target}${this.#expiry()}${at}`,
      { event: 'listening', mode, address, port, target, metrics: metrics ?? null, validTo: this.validTo ?? null },
    );
  }

  #makeRelay(): Relay {
    const { client, shared, listen, queue = DEFAULT_QUEUE } = this.#flags;
    const { context, target } = this.#settings;
    const syslog = this.#flags.syslog === true;
    if (shared === true) {
      return new SharedSession(listen, target, context, clientSettings(this.#flags), { syslog, queue });
    }
    const options = {
      syslog,
      maxSessions: this.#flags.maxSessions,
      maxSessionsPerHost: this.#flags.maxSessionsPerHost,
      maxPendingHandshakes: this.#flags.maxPending,
      maxPendingHandshakesPerHost: this.#flags.maxPendingPerHost,
    };
    if (client === true) return new SenderSessions(listen, target, context, clientSettings(this.#flags), options);
    return new Terminator(listen, target, context, serverSettings(this.#flags, () => this.#settings.keys), options);
  }

  /** Reloads on SIGHUP, and when a file has changed. Returns how to stop. */
  reloadWhenTold(): () => void {
    const reload = (): void => {
      this.#reloading = this.#reloading.then(() => this.#reload());
    };
    process.on('SIGHUP', reload);
    const unwatch = this.#flags.watch ? watchFiles(watchedFiles(this.#flags), reload) : undefined;
    return () => {
      process.off('SIGHUP', reload);
      unwatch?.();
    };
  }

  /** What cannot be read leaves everything as it was. */
  async #reload(): Promise<void> {
    try {
      const settings = await readSettings(this.#flags);
      this.relay.replace(settings.context, settings.target);
      this.#settings = settings;
      this.reloads.ok += 1;
      this.#log.say(`reloaded${this.#expiry()}`, { event: 'reload', ok: true, validTo: this.validTo ?? null });
    } catch (error) {
      this.reloads.failed += 1;
      const { message } = describeError(error);
      this.#log.say(`not reloaded, all goes on as before: ${message}`, {
        ...{ event: 'reload', ok: false, error: describeError(error) },
      });
    }
  }

  #expiry(): string {
    return this.validTo === undefined ? '' : `, certificate valid until ${this.validTo.toISOString()}`;
  }
}
