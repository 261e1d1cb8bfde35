/** Asks a server's `peers` by which rules a peer is to be served, and keeps the answers until their sessions begin. */

import { kNative } from '../base/internals';
import type { Peer } from '../base/peer';
import { isThenable } from '../base/thenable';
import { turns } from '../core/outbox';
import type { NativeSecureContext, NativeSessionPolicy, NativeTicketKeys } from '../core/native';
import { asError, wordsOf } from '../errors/as-error';
import { DTLSError, isReadable } from '../errors/errors';
import type { SecureContext } from '../identity/secure-context';
import { readPeerOptions, resolvePeerOptions, type ResolvedPeer } from '../options/peer-rules';
import type { PeerOptions, ServerOptions } from '../options/types';

/** Answers that the core has yet to use, or has forgotten: it keeps half as many, for less than as long. */
const MOST = 8192;
const LIFETIME = 15000;

type Ask = NonNullable<ServerOptions['peers']>;
type Answer = PeerOptions | null | undefined;

/** What this needs of its server. */
export interface PeerRulesHost {
  readonly ask: Ask;
  /** Milliseconds for which a question may be open. */
  readonly timeout: number;
  readonly ticketKeys: NativeTicketKeys;
  /** What counts where an answer says nothing. */
  readonly given: ServerOptions;
  context(): SecureContext;
  policy(rules: ResolvedPeer): NativeSessionPolicy;
  /** Tells the core; without rules the peer is refused. False: it does not wait any more. */
  answer(question: number, peer: Peer, context?: NativeSecureContext, policy?: NativeSessionPolicy): boolean;
  /** Tells the server's user. False: nobody's code has run. */
  failed(error: DTLSError, peer: Peer): boolean;
}

interface Answered {
  readonly peer: Peer;
  readonly rules: ResolvedPeer;
  readonly until: number;
}

export class PeerRules {
  readonly #host: PeerRulesHost;
  /** In the order in which they came. */
  readonly #answers = new Map<number, Answered>();
  /** Questions that are open; those whose answer comes later have an end. */
  readonly #open = new Map<number, NodeJS.Timeout | undefined>();
  #lastPut = 0;

  constructor(host: PeerRulesHost) {
    this.#host = host;
  }

  /** The last question that has been put since the server listens, or 0. Numbers go on over all servers of a transport. */
  get lastPut(): number {
    return this.#lastPut;
  }

  /** A peer says hello. */
  ask(question: number, peer: Peer): void {
    this.#lastPut = question;
    this.#open.set(question, undefined);
    let answer: Answer; // where it does not come later
    let comesLater: PromiseLike<Answer> | undefined;
    const { ask } = this.#host; // a call of it there would hand the host to whoever reads `this`
    try {
      const given = ask(peer);
      if (isThenable(given)) comesLater = given;
      else answer = given;
    } catch (error) {
      if (this.#take(question)) this.#fail(question, peer, unusable(error, peer));
      return;
    }
    if (comesLater === undefined) {
      if (this.#take(question)) this.#decide(question, peer, answer);
      return;
    }
    if (this.#open.has(question)) { // the function has neither forgotten the peer nor closed the server
      const timer = setTimeout(() => {
        if (this.#open.delete(question)) this.#fail(question, peer, unanswered(peer));
      }, this.#host.timeout);
      this.#open.set(question, timer.unref()); // the server keeps the process alive, where it is to
    }
    Promise.resolve(comesLater).then(
      (answered) => {
        if (this.#take(question)) this.#decide(question, peer, answered);
      },
      (error: unknown) => {
        if (this.#take(question)) this.#fail(question, peer, unusable(error, peer));
      },
    );
  }

  /** The peer of that question has been forgotten: nobody waits for its answer any more, and what was answered is nobody's. */
  forget(question: number): void {
    this.#take(question);
    this.#answers.delete(question);
  }

  /** False: its time has passed, it was forgotten, or the server has closed. */
  #take(question: number): boolean {
    clearTimeout(this.#open.get(question));
    return this.#open.delete(question);
  }

  #decide(question: number, peer: Peer, answer: Answer): void {
    if (answer === null || answer === undefined) {
      this.#host.answer(question, peer);
      return;
    }
    let rules: ResolvedPeer;
    let policy: NativeSessionPolicy;
    try {
      const { given, ticketKeys } = this.#host;
      rules = resolvePeerOptions(readPeerOptions(answer), given, this.#host.context(), ticketKeys);
      policy = this.#host.policy(rules);
    } catch (error) {
      this.#fail(question, peer, unusable(error, peer));
      return;
    }
    // First: the session may begin within the call.
    this.#keep(question, { peer, rules, until: performance.now() + LIFETIME });
    if (!this.#host.answer(question, peer, rules.context[kNative], policy)) this.#answers.delete(question);
  }

  #keep(question: number, answered: Answered): void {
    const now = performance.now();
    for (const [old, { until }] of this.#answers) {
      if (now < until && this.#answers.size < MOST) break;
      this.#answers.delete(old);
    }
    this.#answers.set(question, answered);
  }

  /** What a listener throws at that is its program's to hear, and no answer of `peers`, nor the end of a Promise. */
  #fail(question: number, peer: Peer, error: DTLSError): void {
    this.#host.answer(question, peer);
    turns.add(() => this.#host.failed(error, peer));
  }

  /** Whom the answer is about, as `peers` was given it. */
  peerOf(question: number): Peer | undefined {
    return this.#answers.get(question)?.peer;
  }

  /** A session begins by this answer, which is used up with it. */
  use(question: number): ResolvedPeer | undefined {
    const answered = this.#answers.get(question);
    this.#answers.delete(question);
    return answered?.rules;
  }

  /** The server closes: nobody waits any more, and what comes later is nobody's. */
  close(): void {
    for (const timer of this.#open.values()) clearTimeout(timer);
    this.#open.clear();
    this.#answers.clear();
    this.#lastPut = 0; // of those that count
  }
}

const unanswered = (peer: Peer): DTLSError =>
  new DTLSError("'peers' gave no answer within 'handshakeTimeout'", {
    code: 'ERR_DTLS_LOOKUP_TIMEOUT',
    category: 'timeout',
    hint: 'Look for a Promise that never settles.',
    peer,
  });

function unusable(thrown: unknown, peer: Peer): DTLSError {
  const cause = asError(thrown);
  return new DTLSError(`'peers' gave no rules for this peer, which is refused: ${wordsOf(cause).message}`, {
    code: 'ERR_DTLS_PEERS_CALLBACK',
    category: 'usage',
    hint: isReadable(cause) && cause.hint !== undefined ? cause.hint : "It returns options, {} for the server's own, or null to refuse the peer; 'cause' is what it threw.",
    peer,
    cause,
  });
}
