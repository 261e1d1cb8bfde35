/**
 * Plain UDP in, DTLS out: all senders share one session with the target. It begins with the first message; what comes
 * while it is not there waits, in the order of arrival. Answers go nowhere: nobody knows whom they are for.
 */
import type { Peer } from '../../base/peer';
import { DTLSError } from '../../errors/errors';
import type { ConnectOptions } from '../../options/types';
import type { SecureContext } from '../../identity/secure-context';
import type { Address } from '../arguments';
import { HOLD_BACK_MS, Originator } from './originator';
import type { Health } from './relay';
import type { RelaySession } from './session';

/** The hold-back doubles with each failure, up to this. */
const LONGEST_HOLD_MS = 30_000;
/** What has waited leaves in turns: all at once it would run over the receive buffer of the target. */
const TURN_MESSAGES = 64;
const TURN_MS = 1;

interface SharedOptions {
  readonly syslog: boolean;
  /** Messages that may wait. */
  readonly queue: number;
}

export class SharedSession extends Originator {
  readonly #syslog: boolean;
  readonly #limit: number;
  #session: RelaySession | undefined;
  /** Why the last attempt failed, if it did. */
  #failure: Error | undefined;
  #failures = 0;
  #lost = 0;
  #ended = false;
  #dialAt = 0;
  #dialTimer: NodeJS.Timeout | undefined;
  #turnTimer: NodeJS.Timeout | undefined;

  constructor(
    where: Address,
    target: Peer,
    context: SecureContext,
    options: ConnectOptions,
    { syslog, queue }: SharedOptions,
  ) {
    super(where, target, context, options);
    this.#syslog = syslog;
    this.#limit = queue;
  }

  get pending(): number {
    return this.queued > 0 || this.#session?.socket.connecting === true ? 1 : 0;
  }

  override get health(): Health {
    if (this.draining) return super.health;
    if (this.#session?.socket.readyState === 'open') return { ok: true, state: 'open' };
    const without = this.queued > 0 ? 'waiting' : 'idle';
    const state = this.#session === undefined ? without : 'dialing';
    if (this.#failure === undefined) return { ok: true, state };
    return { ok: false, state, ...(this.#failure instanceof DTLSError ? { code: this.#failure.code } : {}) };
  }

  protected drained(): void {
    // Nothing is sent by way of the port.
  }

  protected async endSessions(): Promise<void> {
    // Datagrams come until the port is closed.
    this.#ended = true;
    clearTimeout(this.#dialTimer);
    clearTimeout(this.#turnTimer);
    this.counters.dropped.not_ready += this.waiting.splice(0).length;
    await this.#session?.socket[Symbol.asyncDispose]();
  }

  protected receive(datagram: Uint8Array): void {
    const session = this.#session;
    if (session?.ready === true && this.queued === 0) session.fromPlain(datagram);
    else this.#wait(datagram);
  }

  #wait(datagram: Uint8Array): void {
    const { dropped } = this.counters;
    if (this.#ended || (this.draining && this.#session === undefined)) {
      dropped.not_ready += 1;
    } else if (this.queued >= this.#limit) {
      dropped.queue_full += 1;
      this.#lost += 1;
      if (this.#lost === 1) this.emit('overflow', this.#limit);
    } else {
      this.waiting.push(Buffer.from(datagram));
      this.#wake();
    }
  }

  /** Something waits: a session is needed. */
  #wake(): void {
    if (this.#session !== undefined || this.#dialTimer !== undefined) return;
    const wait = this.#dialAt - performance.now();
    if (wait <= 0) {
      this.#begin();
      return;
    }
    this.#dialTimer = setTimeout(() => {
      this.#dialTimer = undefined;
      this.#begin();
    }, wait);
  }

  #begin(): void {
    const { target } = this;
    const socket = this.dial();
    const session = this.nextSession(target, socket, { decrypts: false, syslog: this.#syslog, answers: false });
    this.#session = session;
    let opened = false;
    socket.once('secureConnect', () => {
      opened = true;
      this.#failures = 0;
      this.#failure = undefined;
      this.opened(session);
      this.#send();
    });
    socket.on('drain', () => {
      this.#send();
    });
    socket.on('error', (error) => {
      if (opened) return;
      this.#failure = error;
      this.failed(target, error);
    });
    socket.once('close', () => {
      this.#session = undefined;
      // It is dialled after a while, at a random moment: the target may be about to come back, and is not to have all
      // proxies at once.
      const longest = Math.min(HOLD_BACK_MS * 2 ** this.#failures, LONGEST_HOLD_MS);
      this.#dialAt = performance.now() + longest * (0.5 + Math.random() / 2);
      if (!opened) this.#failures += 1;
      if (this.queued > 0) this.#wake();
    });
  }

  /** Sends a turn of what has waited. */
  #send(): void {
    if (this.#turnTimer !== undefined) return;
    const session = this.#session;
    for (let sent = 0; sent < TURN_MESSAGES && session?.ready === true; ++sent) {
      const datagram = this.waiting.shift();
      if (datagram === undefined) break;
      session.fromPlain(datagram);
    }
    if (this.queued === 0) {
      const lost = this.#lost;
      this.#lost = 0;
      if (lost > 0) this.emit('caughtUp', lost);
    } else if (session?.ready === true) {
      this.#turnTimer = setTimeout(() => {
        this.#turnTimer = undefined;
        this.#send();
      }, TURN_MS);
    }
  }
}
