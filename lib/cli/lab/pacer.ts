/**
 * One end of a lab's link, in virtual time.
 *
 * OpenSSL's retransmission timer runs by the machine's clock and by no other. So in the lab it runs
 * fast, and what it makes is not sent but kept: a repetition leaves when the virtual timer, which
 * goes by the schedule that was asked for, says so. What OpenSSL repeats before is taken from the
 * store then, what it has not made yet is waited for, and what is never due is thrown away. Neither
 * the other end nor the result can tell the difference: a repetition has the bytes of the first
 * sending but for record numbers, and only what was sent first depends on what came in.
 */
import type { AddressInfo } from 'node:net';

import type { Peer } from '../../base/peer';
import type { VirtualClock } from '../../lab/clock';
import type { DatagramReceiver, DatagramTransport } from '../../transport/transport';
import { Progress, read, type Reading } from './flights';

/** Milliseconds, as the `retransmission` option. */
export interface Schedule {
  readonly initial: number;
  readonly max: number;
  readonly backoff: number;
}

/** OpenSSL gives a flight up after so many repetitions: a client begins anew, a server is silent. */
const MOST_REPETITIONS = 12;

/** One sending of a flight. */
interface Sending {
  readonly datagrams: Uint8Array[];
  readonly peer: Peer;
  /** A client's new attempt, of which this is the ClientHello. */
  readonly anew?: { readonly attempt: number; readonly flight: Flight };
}

/** The flight that waits for its answer. */
interface Flight {
  readonly progress: Progress;
  /** Its first message, by which a repetition is known to begin. */
  first: number;
  /** The turn of `receive` in which it came: what is new in another turn is another flight. */
  turn: number;
  wait: number;
  repetitions: number;
  /** Repetitions that OpenSSL has made and that are not due yet. */
  store: Sending[];
  starving: boolean;
  cancel: () => void;
}

interface PacerOptions {
  readonly schedule: Schedule;
  readonly isClient: boolean;
  /** Called for each datagram that leaves. */
  readonly beforeSending: () => void;
}

export class Pacer implements DatagramTransport {
  readonly #end: DatagramTransport;
  readonly #clock: VirtualClock;
  readonly #schedule: Schedule;
  readonly #beginsAnew: boolean;
  readonly #beforeSending: () => void;
  readonly #flights = new Map<number, Flight>();
  #wake: (() => void) | undefined;
  #turn = 0;
  #attempt = 0;
  #lastWasNew = true;
  #settled = false;
  #silent = false;
  #started = false;
  #repeatedTurn = -1;
  /** Flights that were sent again, by the timer or because the peer repeated its own. */
  repeated = 0;
  /** OpenSSL has gone further than the virtual clock, and may have given up too early. */
  slipped = false;

  constructor(end: DatagramTransport, clock: VirtualClock, options: PacerOptions) {
    this.#end = end;
    this.#clock = clock;
    this.#schedule = options.schedule;
    this.#beginsAnew = options.isClient;
    this.#beforeSending = options.beforeSending;
  }

  /** Its repetition is due, and OpenSSL has not made it yet. */
  get starving(): boolean {
    return [...this.#flights.values()].some(({ starving }) => starving);
  }

  get started(): boolean {
    return this.#started;
  }

  /** Calls back once, when OpenSSL has sent something. */
  whenItSends(wake: () => void): void {
    this.#wake = wake;
  }

  /** The handshake is over on this side: whatever is sent from now on leaves at once. */
  settle(): void {
    this.forget();
    this.#settled = true;
  }

  /** The session has ended, and its timers with it; another one may begin. */
  forget(): void {
    for (const flight of this.#flights.values()) flight.cancel();
    this.#flights.clear();
  }

  /** What is sent from now on is no part of the trial. */
  silence(): void {
    this.forget();
    this.#silent = true;
  }

  /** Sends what was starved for, when it is there. */
  feed(): void {
    for (const flight of this.#flights.values()) {
      if (flight.starving && flight.store.length > 0) this.#repeat(flight);
    }
  }

  // ---- DatagramTransport ----

  start(receiver: DatagramReceiver): void {
    this.#end.start({
      receive: (datagram, peer) => {
        this.#turn += 1;
        for (const { store, repetitions } of this.#flights.values()) {
          if (store.length > 0 && repetitions + store.length >= MOST_REPETITIONS) this.slipped = true;
        }
        receiver.receive(datagram, peer);
      },
      drain: () => {
        receiver.drain();
      },
      error: (error, peer) => {
        receiver.error(error, peer);
      },
      closed: () => {
        receiver.closed();
      },
    });
  }

  send(datagrams: readonly Uint8Array[], peer: Peer, done?: (error: Error | null) => void): boolean {
    for (const datagram of datagrams) this.#take(datagram, peer);
    if (done !== undefined) process.nextTick(done, null);
    this.#started = true;
    this.#wake?.();
    this.#wake = undefined;
    return true;
  }

  address(): AddressInfo {
    return this.#end.address();
  }

  close(done: () => void): void {
    this.silence();
    this.#end.close(done);
  }

  // ---- what OpenSSL makes ----

  #take(datagram: Uint8Array, peer: Peer): void {
    const reading = read(datagram);
    if (this.#settled || reading.single) {
      const isHandshake = reading.fragments.length > 0 || reading.changeCipherSpec;
      if (this.#settled && isHandshake && this.#repeatedTurn !== this.#turn) {
        this.#repeatedTurn = this.#turn;
        this.repeated += 1;
      }
      this.#leave(datagram, peer);
      return;
    }
    const attempt = reading.attempt ?? this.#attempt;
    if (this.#beginsAnew && attempt > this.#attempt) {
      this.#keepAttempt(attempt, datagram, peer, reading);
      return;
    }
    this.#attempt = attempt;
    let flight = this.#flights.get(attempt);
    if (flight === undefined) {
      flight = this.#newFlight();
      this.#flights.set(attempt, flight);
    }
    if (reading.attempt !== undefined) this.#lastWasNew = flight.progress.advance(reading);
    if (this.#lastWasNew) this.#sendFirst(flight, datagram, peer, reading);
    else this.#keep(flight, datagram, peer, reading);
  }

  /** OpenSSL has given up and the client has begun anew: what the last repetition is followed by. */
  #keepAttempt(attempt: number, datagram: Uint8Array, peer: Peer, reading: Reading): void {
    const before = this.#flights.get(this.#attempt);
    const waiting = before?.store.at(-1);
    if (before === undefined) return;
    if (waiting?.anew === undefined) {
      const flight = this.#newFlight();
      flight.progress.advance(reading);
      before.store.push({ datagrams: [datagram], peer, anew: { attempt, flight } });
    } else if (waiting.anew.flight.progress.advance(reading)) {
      waiting.datagrams.push(datagram);
    } else {
      this.#keep(waiting.anew.flight, datagram, peer, reading);
    }
  }

  #newFlight(): Flight {
    return {
      progress: new Progress(),
      first: 0,
      turn: -1,
      wait: this.#schedule.initial,
      repetitions: 0,
      store: [],
      starving: false,
      cancel: () => undefined,
    };
  }

  #sendFirst(flight: Flight, datagram: Uint8Array, peer: Peer, { fragments }: Reading): void {
    if (flight.turn !== this.#turn) {
      flight.turn = this.#turn;
      flight.first = fragments[0]?.sequence ?? Infinity;
      flight.wait = this.#schedule.initial;
      flight.repetitions = 0;
      flight.store = [];
      flight.starving = false;
      this.#arm(flight);
    }
    this.#leave(datagram, peer);
  }

  #keep(flight: Flight, datagram: Uint8Array, peer: Peer, { fragments }: Reading): void {
    const begins = fragments.some(({ sequence, offset }) => sequence === flight.first && offset === 0);
    const last = flight.store.at(-1);
    if (begins || last === undefined) flight.store.push({ datagrams: [datagram], peer });
    else last.datagrams.push(datagram);
  }

  // ---- what leaves ----

  /** RFC 6347 section 4.2.4.1. */
  #arm(flight: Flight): void {
    flight.cancel();
    flight.cancel = this.#clock.after(flight.wait, () => {
      if (flight.store.length > 0) this.#repeat(flight);
      else if (flight.repetitions < MOST_REPETITIONS || this.#beginsAnew) flight.starving = true;
    });
  }

  #repeat(flight: Flight): void {
    const sending = flight.store.shift();
    if (sending === undefined) return;
    const { datagrams, peer, anew } = sending;
    flight.starving = false;
    flight.repetitions += 1;
    this.repeated += 1;
    let next = flight;
    if (anew !== undefined) {
      this.forget();
      this.#flights.set(anew.attempt, anew.flight);
      this.#attempt = anew.attempt;
      next = anew.flight;
      next.turn = this.#turn;
    }
    next.wait = Math.min(flight.wait * this.#schedule.backoff, this.#schedule.max);
    this.#arm(next);
    for (const datagram of datagrams) this.#leave(datagram, peer);
  }

  #leave(datagram: Uint8Array, peer: Peer): void {
    if (this.#silent) return;
    this.#beforeSending();
    this.#end.send([datagram], peer);
  }
}
