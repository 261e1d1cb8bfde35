/** What a proxy tells of its work: lines for people on standard error, or JSON, one text for each event. */
import { addressOf } from '../../diagnostics/channels';
import { printable } from '../../errors/printable';
import { describeError, type Output } from '../output';
import type { Relay } from './relay';
import type { RelaySession } from './session';
import { counted } from '../counted';

/** Anybody can make a handshake fail: so many lines a second about failures, and no more. */
const FAILURES_A_SECOND = 10;

export class ProxyLog {
  readonly #output: Output;
  readonly #quiet: boolean;
  #second = 0;
  #failures = 0;
  #unsaid = 0;

  /** `quiet`: nothing about sessions that are opened and closed. */
  constructor(output: Output, quiet: boolean) {
    this.#output = output;
    this.#quiet = quiet;
  }

  follow(relay: Relay): void {
    relay.on('open', (session) => {
      if (!this.#quiet) this.#opened(session);
    });
    relay.on('shut', (session, error) => {
      if (!this.#quiet) this.#shut(session, error);
    });
    relay.on('failed', (peer, error) => {
      const who = addressOf(peer);
      const { code, message, hint } = describeError(error);
      this.#failure(`${who} failed: ${message} [${code ?? ''}]${hint === undefined ? '' : ` ${hint}`}`, {
        event: 'failed',
        peer: who,
        error: describeError(error),
      });
    });
    relay.on('overflow', (waiting) => {
      this.say(`${counted(waiting, 'message waits', 'messages wait')} for the target: more are lost until it takes them`, {
        ...{ event: 'overflow', waiting },
      });
    });
    relay.on('caughtUp', (lost) => {
      this.say(`nothing waits any more, ${counted(lost, 'message was', 'messages were')} lost`, { event: 'caught-up', lost });
    });
    relay.on('trouble', (session, error) => {
      this.#failure(`${this.#name(session)}: the plain side: ${error.message}`, {
        event: 'trouble',
        session: session.id,
        error: describeError(error),
      });
    });
  }

  say(text: string, event: Record<string, unknown>): void {
    this.#output.note(printable(text));
    this.#output.data({ time: new Date().toISOString(), ...event });
  }

  #opened(session: RelaySession): void {
    const { id, peer, socket } = session;
    const identity = socket.pskIdentity ?? socket.getPeerX509Certificate()?.subject.replaceAll('\n', ', ') ?? null;
    const name = typeof identity === 'string' ? identity : (identity?.toString('hex') ?? null);
    const protocol = socket.getProtocol();
    const cipher = socket.getCipher()?.name ?? null;
    this.say(`${this.#name(session)} opened: ${protocol ?? ''} ${cipher ?? ''}${name === null ? '' : `, ${name}`}`, {
      ...{ event: 'open', session: id, peer: addressOf(peer), protocol, cipher },
      ...{ identity: name, resumed: socket.isSessionReused() },
    });
  }

  #shut(session: RelaySession, error: Error | undefined): void {
    const { id, peer, age, toTarget, fromTarget, dropped } = session;
    const reason = error === undefined ? null : (describeError(error).code ?? error.message);
    const seconds = (age / 1000).toFixed(1);
    this.say(
      `${this.#name(session)} closed after ${seconds} s${reason === null ? '' : `, ${reason}`}: ` +
        `${counted(toTarget.datagrams, 'datagram')} to the target, ${String(fromTarget.datagrams)} from it, ${String(dropped)} dropped`,
      { event: 'close', session: id, peer: addressOf(peer), reason, duration: age, toTarget, fromTarget, dropped },
    );
  }

  #name({ id, peer }: RelaySession): string {
    return `#${String(id)} ${addressOf(peer)}`;
  }

  #failure(text: string, event: Record<string, unknown>): void {
    const second = Math.floor(performance.now() / 1000);
    if (second !== this.#second) {
      const unsaid = this.#unsaid;
      this.#second = second;
      this.#failures = 0;
      this.#unsaid = 0;
      if (unsaid > 0) this.say(`${String(unsaid)} more failures`, { event: 'unsaid', failures: unsaid });
    }
    this.#failures += 1;
    if (this.#failures > FAILURES_A_SECOND) this.#unsaid += 1;
    else this.say(text, event);
  }
}
