/** Asks `peers` whom a handshake is to be held to, and waits for the answer no longer than for a handshake. */
import type { Peer } from '../base/peer';
import { isThenable } from '../base/thenable';
import { DTLSError } from '../errors/errors';
import { readAnswer, type PeerAnswer, type ResolvedSocket, type SocketPeerOptions } from './options';

type Ask = NonNullable<ResolvedSocket['peers']>;

/** Null: `peers` wants no session. */
type Answer = PeerAnswer | null | undefined;

function read(answer: SocketPeerOptions | null | undefined): Answer {
  if (answer === null) return null;
  return answer === undefined ? undefined : readAnswer(answer);
}

export class Questions {
  readonly #ask: Ask | undefined;
  readonly #timeout: number;
  readonly #timers = new Set<NodeJS.Timeout>();

  /** `timeout`: in milliseconds; 0: an answer may take for ever. */
  constructor(ask: Ask | undefined, timeout: number) {
    this.#ask = ask;
    this.#timeout = timeout;
  }

  /** Asks in a job of its own. Rejects with what `peers` throws, or when it has not answered in time: a later answer is nobody's. */
  ask(peer: Peer, hostname: string | undefined): Promise<Answer> {
    const ask = this.#ask;
    if (ask === undefined) return Promise.resolve(undefined);
    const answer = Promise.resolve().then((): Answer | Promise<Answer> => {
      // A copy: it is an argument of the user's, who may write to it.
      const given = ask({ ...peer }, hostname);
      // Read before anybody else is asked about: `peers` may return one object again and again, and change it.
      return isThenable(given) ? Promise.resolve(given).then(read) : read(given);
    });
    if (this.#timeout === 0) return answer;
    return new Promise((resolve, reject) => {
      // Counts for the event loop: a message waits, which would be lost with the process.
      const timer = setTimeout(() => {
        this.#timers.delete(timer);
        reject(unanswered(peer));
      }, this.#timeout);
      this.#timers.add(timer);
      answer.then(resolve, reject).finally(() => {
        this.#timers.delete(timer);
        clearTimeout(timer);
      });
    });
  }

  /** The socket closes: nobody waits any more. */
  close(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }
}

const unanswered = (peer: Peer): DTLSError =>
  new DTLSError("'peers' gave no answer within 'handshakeTimeout'", {
    code: 'ERR_DTLS_LOOKUP_TIMEOUT',
    category: 'timeout',
    hint: 'Look for a Promise that never settles.',
    peer,
  });
