/** One peer of a socket: the session that is open, those in the making, and what waits for them. */
import { kAsyncResource, kMessageLimit, kMoveWatch } from '../base/internals';
import type { Peer } from '../base/peer';
import { asError, wordsOf } from '../errors/as-error';
import { DTLSError, isReadable } from '../errors/errors';
import { copyOf, sizeOf } from '../base/memory';
import type { NonSharedBuffer } from '../base/non-shared-buffer';
import { errnoOf } from '../errors/system-error';
import { MAX_MESSAGE } from '../options/types';
import { turns } from '../core/outbox';
import { inItsContext, tooBig } from '../socket/messages';
import type { MoveWatch } from '../socket/set-peer';
import type { DTLSSocket } from '../socket/socket';
import type { SendCallback } from './arguments';
import type { Hold } from './hold';
import { ProvenNames, type Dialled } from './proven-names';
import type { Rules } from './rules';

/** Whoever has the peer's address can begin handshakes that fail for ever: the last try gives way to none. */
const MOST_OUTDONE = 3;

interface Waiting {
  readonly message: Buffer;
  readonly hostname: string | undefined;
  readonly callback: SendCallback | undefined;
}

/** What an association asks of its socket. */
export interface AssociationOwner {
  /** Its role has handshakes of its own. */
  readonly begins: boolean;
  readonly maxQueueSize: number;
  /** A peer that began by a pre-shared key has the one with which this side would have begun: that has no names to go by. */
  hasOwnKey(session: DTLSSocket): boolean;
  /** Each message that waits takes hold of it. */
  readonly hold: Hold;
  /** The rules where nobody is asked: those of the socket's own options. */
  readonly rules: Rules;
  /** `SNICallback` may choose the context of a peer that begins, and thereby the authorities that verified it. */
  readonly servesChosenContexts: boolean;
  /** What `peers` holds the peer to when it is called this. Undefined: there is no `peers`. Rejects where there is to be no session. */
  readonly rulesFor: ((peer: Peer, hostname: string) => Promise<Rules>) | undefined;
  /** Begins a handshake; the session, or why there is none, comes later or at once. */
  dial(association: Association, hostname: string | undefined): void;
  onMessage(message: NonSharedBuffer, session: DTLSSocket, identity: string | NonSharedBuffer | null): void;
  /** Returns false where nobody listens. */
  onSecure(session: DTLSSocket): boolean;
  onPeerError(error: Error, peer: Peer): void;
  /** Calls `onPeerError` in the next tick. */
  later(error: Error, peer: Peer): void;
  /** What the callback of a message to this peer hears of an error. */
  heard(error: Error, peer: Peer): Error | null;
  /** @throws Where there is to be no session at that address. */
  checkMove(association: Association, to: Peer): void;
  /** Its session goes on at another address. */
  onMove(association: Association, from: Peer): void;
  /** Nothing is left of it. */
  onEmpty(association: Association): void;
}

export class Association implements MoveWatch {
  readonly #owner: AssociationOwner;
  #peer: Peer;
  #session: DTLSSocket | undefined;
  /** Of the open session. */
  #proven: ProvenNames | undefined;
  readonly #inTheMaking = new Set<DTLSSocket>();
  #dialling = false;
  /** For whom this side began last, since something waits. */
  #attempt: { readonly hostname: string | undefined } | undefined;
  /** How often in a row a handshake of the peer's has come in between, and failed. */
  #outdone = 0;
  #queue: Waiting[] = [];
  #queuedBytes = 0;
  #lastError: Error | undefined;
  /** Messages to names about which `peers` is being asked, in order: an open session may not be for them. */
  readonly #asking = new Map<string, Waiting[]>();

  constructor(owner: AssociationOwner, peer: Peer) {
    this.#owner = owner;
    this.#peer = peer;
  }

  get peer(): Peer {
    return this.#peer;
  }

  /** A handshake goes on, or is about to begin. */
  get handshaking(): boolean {
    return this.#dialling || this.#inTheMaking.size > 0;
  }

  /** Bytes, and messages, that wait. */
  get queued(): readonly [bytes: number, messages: number] {
    let messages = this.#queue.length;
    for (const waiting of this.#asking.values()) messages += waiting.length;
    return [this.#queuedBytes, messages];
  }

  *sessions(): Generator<DTLSSocket> {
    if (this.#session !== undefined) yield this.#session;
    yield* this.#inTheMaking;
  }

  /** `hostname`: what the peer was called, if not by its address. */
  send(message: Buffer, hostname: string | undefined, callback: SendCallback | undefined): void {
    const refusal = refusalOf(message, this.peer);
    if (refusal !== undefined) {
      this.#refuse(message, callback, refusal);
    } else if (this.#session !== undefined && !this.#mustAsk(hostname)) {
      this.#write(this.#session, { message, hostname, callback });
    } else if (this.#queuedBytes + sizeOf(message) > this.#owner.maxQueueSize) {
      this.#refuse(
        message,
        callback,
        new DTLSError('too many messages wait for the handshake with this peer', {
          code: 'ERR_DTLS_QUEUE_FULL',
          category: 'usage',
          hint: "Send less before the first callback, or raise 'maxQueueSize'.",
          peer: this.peer,
        }),
      );
    } else {
      // The caller may reuse its memory.
      const copy = copyOf(message);
      this.#owner.hold.take();
      this.#queuedBytes += copy.length;
      this.#wait({ message: copy, hostname, callback: inItsContext(callback) });
    }
  }

  /** `peers` may hold this name to what the open session has not proved. */
  #mustAsk(hostname: string | undefined): hostname is string {
    return hostname !== undefined && this.#owner.rulesFor !== undefined && this.#proven?.has(hostname) === false;
  }

  /** A message, held and counted, waits for a session, or for word of its name. */
  #wait(waiting: Waiting): void {
    if (this.#session !== undefined) {
      const session = this.#session;
      if (this.#mustAsk(waiting.hostname)) this.#ask(waiting.hostname, waiting);
      else {
        this.#release(waiting, (one) => {
          this.#write(session, one);
        });
      }
      return;
    }
    this.#queue.push(waiting);
    if (!this.handshaking) this.#begin(waiting.hostname);
  }

  #begin(hostname: string | undefined): void {
    this.#dialling = true;
    this.#attempt = { hostname };
    this.#owner.dial(this, hostname);
  }

  #release(waiting: Waiting, use: (waiting: Waiting) => void): void {
    this.#queuedBytes -= waiting.message.length;
    use(waiting);
    this.#owner.hold.release();
  }

  #ask(hostname: string, waiting: Waiting): void {
    const others = this.#asking.get(hostname);
    if (others !== undefined) {
      others.push(waiting);
      return;
    }
    this.#asking.set(hostname, [waiting]);
    const proven = this.#proven;
    this.#owner.rulesFor?.(this.peer, hostname).then(
      (rules) => {
        // Where the session is another one by now, or none, the name is asked about anew.
        this.#told(hostname, proven === this.#proven ? proven?.refusal(hostname, rules) : undefined);
      },
      (error: unknown) => {
        this.#told(hostname, asError(error));
      },
    );
  }

  #told(hostname: string, refusal: Error | undefined): void {
    const waiting = this.#asking.get(hostname);
    if (waiting === undefined) return; // the socket has closed meanwhile
    this.#asking.delete(hostname);
    for (const one of waiting) {
      if (refusal === undefined) this.#wait(one);
      else this.#release(one, () => { this.#mismatched(one, refusal); });
    }
    this.#settle();
  }

  /**
   * The socket's dial can go on: nothing has come meanwhile that makes it needless. Without one there is nothing to wait
   * for. A handshake that the peer has begun comes first: of two at once each side would take the other's messages for
   * those of its own.
   */
  dialWanted(): boolean {
    const givesWay = this.#inTheMaking.size > 0 && this.#outdone < MOST_OUTDONE;
    if (this.#session === undefined && this.#queue.length > 0 && !givesWay) return true;
    this.#dialling = false;
    this.#attempt = undefined;
    this.#settle();
    return false;
  }

  /** @throws Where its session may not go on at that address. */
  check(to: Peer): void {
    if (this.#dialling || [...this.sessions()].length > 1) throw handshaking(this.#peer);
    this.#owner.checkMove(this, to);
  }

  /** Its session goes on there. */
  moved({ address, port, family }: Peer): void {
    const from = this.#peer;
    this.#peer = Object.freeze({ address, port, family });
    this.#proven?.moved(this.#peer);
    this.#owner.onMove(this, from);
  }

  /** A session with this peer begins. For one that this side began: how. */
  adopt(
    session: DTLSSocket,
    dialled?: Dialled,
  ): void {
    // One that the peer begins ends no dial: it may be given up, and what waits then waits for ours.
    if (dialled !== undefined) this.#dialling = false;
    this.#inTheMaking.add(session);
    session[kMoveWatch] = this;
    session.on('secureConnect', () => {
      this.#inTheMaking.delete(session);
      this.#session = session;
      this.#proven = new ProvenNames(session, this.peer, dialled, this.#owner);
      identity = session.pskIdentity;
      this.#flush();
      turns.add(() => this.#owner.onSecure(session), session[kAsyncResource]);
    });
    let identity: string | NonSharedBuffer | null = null;
    session.on('message', (message) => {
      this.#owner.onMessage(message, session, identity);
    });
    session.on('error', (error) => {
      // The peer dialled, too, and goes on: whether this side's handshake would have come to anything is not known.
      if (dialled !== undefined && wordsOf(error).code === 'ERR_DTLS_REPLACED') this.#attempt = undefined;
      this.lost(session, error);
    });
    session.on('close', () => {
      this.lost(session);
    });
  }

  /** A session is over. It may be heard of twice, and whoever sends after the first time begins a new one. */
  lost(session: DTLSSocket, error?: Error): void {
    const known = this.#inTheMaking.delete(session) || this.#session === session;
    if (this.#session === session) this.#session = this.#proven = undefined;
    try {
      if (error !== undefined) this.failed(error);
    } finally {
      if (known) this.#settle();
    }
  }

  /** A handshake failed, or an open session did. */
  failed(error: Error): void {
    // The other end dialled at the same time, or has restarted: another session goes on.
    if (wordsOf(error).code === 'ERR_DTLS_REPLACED') return;
    this.#lastError = error;
    this.#owner.onPeerError(error, this.peer);
  }

  /** There will be no session for what waits. */
  refuse(error: Error): void {
    this.#dialling = false;
    try {
      this.failed(error);
    } finally {
      this.#settle();
    }
  }

  /** The socket closes. */
  close(error: Error): void {
    this.#dialling = false;
    this.#fail(this.#queue.splice(0), error);
    for (const hostname of [...this.#asking.keys()]) this.#told(hostname, error);
    for (const session of [...this.sessions()]) session.close();
  }

  #settle(): void {
    if (this.#session !== undefined || this.handshaking) return;
    const error = this.#lastError ?? closed(this.peer);
    const attempt = this.#attempt;
    this.#lastError = this.#attempt = undefined;
    const queue = this.#queue;
    const [first] = queue;
    // What failed was a handshake of the peer's: this side's own may not.
    if (attempt === undefined && first !== undefined && this.#owner.begins && this.#outdone < MOST_OUTDONE) {
      this.#outdone += 1;
      this.#begin(first.hostname);
      return;
    }
    this.#outdone = 0;
    // What waits for another name has not had its handshake: the peer, if there is one, may be whom that name means.
    const isOver = ({ hostname }: Waiting): boolean =>
      attempt === undefined || hostname === attempt.hostname || isSilence(error);
    this.#queue = queue.filter((waiting) => !isOver(waiting));
    this.#fail(queue.filter(isOver), error);
    const [next] = this.#queue;
    if (next !== undefined) this.#begin(next.hostname);
    else if (this.#asking.size === 0) this.#owner.onEmpty(this);
  }

  #flush(): void {
    this.#outdone = 0;
    this.#attempt = undefined;
    const queue = this.#queue;
    this.#queue = [];
    for (const waiting of queue) this.#wait(waiting);
  }

  #fail(queue: readonly Waiting[], error: Error): void {
    for (const waiting of queue) {
      this.#release(waiting, ({ message, callback }) => {
        this.#report(message, callback, error);
      });
    }
  }

  #write(session: DTLSSocket, waiting: Waiting): void {
    const { message, hostname, callback } = waiting;
    const theirs = this.#proven?.theirs === true;
    const mismatch =
      hostname === undefined || this.#proven?.has(hostname) === true
        ? undefined
        : this.#proven?.refusal(hostname, this.#owner.rules);
    if (mismatch !== undefined) {
      this.#mismatched(waiting, mismatch);
    } else if (sizeOf(message) > session[kMessageLimit]) {
      const length = sizeOf(message);
      // A limit that the peer has asked for is no error of this side's.
      if (theirs && callback !== undefined) process.nextTick(callback, null, length);
      this.#refuse(message, theirs ? undefined : callback, tooBig(length, session[kMessageLimit]));
    } else if (callback === undefined) {
      session.send(message);
    } else {
      const length = sizeOf(message);
      const { hold } = this.#owner;
      hold.take();
      session.send(message, (error) => {
        hold.release();
        const told = error === null ? null : this.#owner.heard(error, this.peer);
        callback(told, told === null ? length : 0);
      });
    }
  }

  /** The session may have begun under another name, or by the peer, and is not for this one. */
  #mismatched({ callback }: Waiting, refusal: Error): void {
    this.#owner.later(refusal, this.peer);
    if (callback !== undefined) process.nextTick(callback, refusal, 0);
  }

  /** Refuses a message: by its callback, and by the event `peerError`, except for EMSGSIZE, which callbacks of dgram say as well. */
  #refuse(message: Buffer, callback: SendCallback | undefined, error: DTLSError): void {
    if (error.code !== 'EMSGSIZE') this.#owner.later(error, this.peer);
    this.#report(message, callback, error);
  }

  #report(message: Buffer, callback: SendCallback | undefined, error: Error): void {
    if (callback === undefined) return;
    const told = this.#owner.heard(error, this.peer);
    process.nextTick(callback, told, told === null ? sizeOf(message) : 0);
  }
}

function refusalOf(message: Buffer, peer: Peer): DTLSError | undefined {
  const size = sizeOf(message);
  if (size === 0) {
    return new DTLSError('OpenSSL sends no records without content', {
      code: 'ERR_DTLS_EMPTY_MESSAGE',
      category: 'usage',
      hint: 'Send at least one byte.',
      peer,
    });
  }
  if (size <= MAX_MESSAGE) return undefined;
  const error = new DTLSError(`a message of ${String(size)} bytes is above the ${String(MAX_MESSAGE)} of one DTLS record`, {
    code: 'EMSGSIZE',
    category: 'usage',
    hint: 'DTLS does not split messages: divide it, or send it another way.',
    errno: errnoOf('EMSGSIZE'),
    syscall: 'send',
    peer,
  });
  return Object.assign(error, { address: peer.address, port: peer.port });
}

/** Nobody has answered, whatever they are called. */
function isSilence(error: Error): boolean {
  if (!isReadable(error)) return false;
  return error.category === 'io' || (error.category === 'timeout' && error.code !== 'ERR_DTLS_LOOKUP_TIMEOUT');
}

const handshaking = (peer: Peer): DTLSError =>
  new DTLSError('another handshake with this peer is under way', {
    code: 'ERR_DTLS_PEER_IN_USE',
    category: 'usage',
    hint: 'There is one session with an address, and which of the two will go on is not known yet: call setPeer() when that is over.',
    peer,
  });

const closed = (peer: Peer): DTLSError =>
  new DTLSError('the session ended before the message was sent', {
    code: 'ERR_DTLS_NOT_OPEN',
    category: 'closed',
    hint: 'Send it again, and there will be a new session with the peer.',
    peer,
  });
