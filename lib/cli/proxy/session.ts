/** One session of a proxy: DTLS on one side, plain datagrams on the other. Copies, counts, and drops as UDP does. */
import { kMessageLimit } from '../../base/internals';
import type { Peer } from '../../base/peer';
import type { DTLSSocket } from '../../socket/socket';
import { frame, unframe } from './syslog';

interface Traffic {
  datagrams: number;
  /** The application's bytes: what the datagrams held. */
  bytes: number;
}

/**
 * `empty`: OpenSSL sends no empty records. `too_big`: above one DTLS record. `congested`: that side takes no more
 * for now. `not_ready`: the other side is not there yet, or not any more. `limit`: too many sessions.
 * `held_back`: the target has just refused a session. `queue_full`: so many wait for the shared session as may.
 * `malformed`: no syslog frame, or half of one. `answer`: of the target, where there is nobody to pass it on to.
 */
const DROP_REASONS = [
  'empty',
  'too_big',
  'congested',
  'not_ready',
  'limit',
  'held_back',
  'queue_full',
  'malformed',
  'answer',
] as const;
export type DropReason = (typeof DROP_REASONS)[number];

/** What a proxy has done since it began. */
export class RelayCounters {
  readonly toTarget: Traffic = { datagrams: 0, bytes: 0 };
  readonly fromTarget: Traffic = { datagrams: 0, bytes: 0 };
  readonly dropped = Object.fromEntries(DROP_REASONS.map((reason) => [reason, 0])) as Record<DropReason, number>;
  sessionsOpened = 0;
  sessionsFailed = 0;
  plainErrors = 0;
}

/** How the datagrams of a session go through it. */
export interface Passage {
  /** What comes by DTLS goes to the target; otherwise what comes by plain UDP does. */
  readonly decrypts: boolean;
  /** What goes to the target is framed on the DTLS side (RFC 6012). */
  readonly syslog: boolean;
  /** What the target says is passed on, too. */
  readonly answers: boolean;
}

/** The way to the plain side. */
export interface PlainLeg {
  /** Returns false where it takes no more for now, and this datagram is lost. */
  send(datagram: Uint8Array): boolean;
  close(): void;
}

/** Messages that wait for the plain side, which is there after a few turns of the event loop. */
const WAITING_LIMIT = 16;

export class RelaySession {
  readonly id: number;
  /** The client of the proxy. */
  readonly peer: Peer;
  readonly socket: DTLSSocket;
  readonly toTarget: Traffic = { datagrams: 0, bytes: 0 };
  readonly fromTarget: Traffic = { datagrams: 0, bytes: 0 };
  dropped = 0;
  readonly #startedAt = performance.now();
  readonly #counters: RelayCounters;
  readonly #passage: Passage;
  #lastTraffic = performance.now();
  #leg: PlainLeg | undefined;
  #waiting: Buffer[] = [];
  #closed = false;

  constructor(id: number, peer: Peer, socket: DTLSSocket, passage: Passage, counters: RelayCounters) {
    this.id = id;
    this.peer = peer;
    this.socket = socket;
    this.#counters = counters;
    this.#passage = passage;
    socket.on('message', (message) => {
      this.#fromSocket(message);
    });
    socket.once('close', () => {
      this.#closed = true;
      this.#waiting = [];
      this.#leg?.close();
    });
  }

  /** Milliseconds since it began. */
  get age(): number {
    return performance.now() - this.#startedAt;
  }

  /** Milliseconds without a datagram either way. */
  get quietFor(): number {
    return performance.now() - this.#lastTraffic;
  }

  /** The plain side is there. */
  attach(leg: PlainLeg): void {
    if (this.#closed) {
      leg.close();
      return;
    }
    this.#leg = leg;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const message of waiting) this.#fromSocket(message);
  }

  /** A message can leave now. */
  get ready(): boolean {
    return this.socket.readyState === 'open' && !this.socket.writableNeedDrain;
  }

  /** A datagram of the plain side. */
  fromPlain(datagram: Uint8Array): void {
    const { decrypts, syslog, answers } = this.#passage;
    if (decrypts && !answers) {
      this.drop('answer');
      return;
    }
    const message = syslog && datagram.length > 0 ? frame(datagram) : datagram;
    if (message.length === 0) this.drop('empty');
    else if (message.length > this.socket[kMessageLimit]) this.drop('too_big');
    else if (this.#closed || this.socket.readyState === 'closing') this.drop('not_ready');
    // send() would keep it in memory; on UDP what cannot leave is lost.
    else if (this.socket.writableNeedDrain) this.drop('congested');
    else {
      this.socket.send(message);
      this.#count(decrypts ? 'fromTarget' : 'toTarget', datagram.length);
    }
  }

  drop(reason: DropReason): void {
    this.dropped += 1;
    this.#counters.dropped[reason] += 1;
  }

  #fromSocket(message: Buffer): void {
    const { decrypts, syslog, answers } = this.#passage;
    if (!decrypts && !answers) {
      this.drop('answer');
    } else if (this.#leg === undefined) {
      if (this.#waiting.length < WAITING_LIMIT) this.#waiting.push(message);
      else this.drop('not_ready');
    } else if (syslog) {
      const { messages, malformed } = unframe(message);
      for (const one of messages) this.#toPlain(this.#leg, one);
      if (malformed) this.drop('malformed');
    } else {
      this.#toPlain(this.#leg, message);
    }
  }

  #toPlain(leg: PlainLeg, datagram: Uint8Array): void {
    if (leg.send(datagram)) this.#count(this.#passage.decrypts ? 'toTarget' : 'fromTarget', datagram.length);
    else this.drop('congested');
  }

  #count(way: 'toTarget' | 'fromTarget', bytes: number): void {
    this.#lastTraffic = performance.now();
    for (const traffic of [this[way], this.#counters[way]]) {
      traffic.datagrams += 1;
      traffic.bytes += bytes;
    }
  }
}
