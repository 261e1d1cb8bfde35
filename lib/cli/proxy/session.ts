/** One session of a proxy: DTLS on one side, plain datagrams on the other. Copies, counts, and drops as UDP does. */
import type { DTLSSocket } from '../../socket';
import type { Peer } from '../../transport';

export interface Traffic {
  datagrams: number;
  /** Of the application: what the datagrams held. */
  bytes: number;
}

/**
 * `empty`: OpenSSL sends no empty records. `too_big`: above one DTLS record. `congested`: that side takes no more
 * for now. `not_ready`: the other side is not there yet, or not any more. `limit`: too many sessions.
 * `held_back`: the target has just refused a session.
 */
export const DROP_REASONS = ['empty', 'too_big', 'congested', 'not_ready', 'limit', 'held_back'] as const;
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

/** The way to the plain side. */
export interface PlainLeg {
  /** False: it takes no more for now, and this datagram is lost. */
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
  readonly #fromDtls: 'toTarget' | 'fromTarget';
  readonly #toDtls: 'toTarget' | 'fromTarget';
  #lastTraffic = performance.now();
  #leg: PlainLeg | undefined;
  #waiting: Buffer[] = [];
  #closed = false;

  /** `decrypts`: what comes by DTLS goes to the target. */
  constructor(id: number, peer: Peer, socket: DTLSSocket, decrypts: boolean, counters: RelayCounters) {
    this.id = id;
    this.peer = peer;
    this.socket = socket;
    this.#counters = counters;
    this.#fromDtls = decrypts ? 'toTarget' : 'fromTarget';
    this.#toDtls = decrypts ? 'fromTarget' : 'toTarget';
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

  /** A datagram of the plain side. */
  fromPlain(datagram: Uint8Array): void {
    if (datagram.length === 0) this.drop('empty');
    else if (datagram.length > this.socket.messageLimit) this.drop('too_big');
    else if (this.#closed || this.socket.readyState === 'closing') this.drop('not_ready');
    // send() would keep it in memory; on UDP what cannot leave is lost.
    else if (this.socket.writableNeedDrain) this.drop('congested');
    else {
      this.socket.send(datagram);
      this.#count(this.#toDtls, datagram.length);
    }
  }

  drop(reason: DropReason): void {
    this.dropped += 1;
    this.#counters.dropped[reason] += 1;
  }

  #fromSocket(message: Buffer): void {
    if (this.#leg === undefined) {
      if (this.#waiting.length < WAITING_LIMIT) this.#waiting.push(message);
      else this.drop('not_ready');
    } else if (this.#leg.send(message)) {
      this.#count(this.#fromDtls, message.length);
    } else {
      this.drop('congested');
    }
  }

  #count(way: 'toTarget' | 'fromTarget', bytes: number): void {
    this.#lastTraffic = performance.now();
    for (const traffic of [this[way], this.#counters[way]]) {
      traffic.datagrams += 1;
      traffic.bytes += bytes;
    }
  }
}
