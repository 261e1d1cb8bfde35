import type { AsyncResource } from 'node:async_hooks';

import { Ticks } from '../base/ticks';

/** What events come from. */
export interface EventSource {
  /** How many wait, silent ones included. */
  readonly waiting: number;
  /** Does what can be done ahead of events, without running anybody's code. */
  prepare(): void;
  /** Finds the next event. False: there is none. */
  ready(): boolean;
  /** Delivers it, in the context of whom it is for. False when nobody's code has run. */
  deliver(): boolean;
}

/** Delivers an event. False when nobody's code has run: nothing need be done before the next one. */
export type Step = () => boolean;

/**
 * One event after the other, each in a turn of its own: ticks and promise jobs run between two of them, as between
 * two callbacks of Node's. A program that awaits one event has its listeners in place when the next one comes.
 *
 * Ticks may run only where nobody's code is on the stack. That is so in a callback from our own native code
 * ({@link wake}); from anywhere else events come in a tick of their own ({@link soon}), and never before the caller
 * has returned.
 *
 * A caller may be ended in the middle of a call, by a timeout of `node:vm`: then no `finally` runs. What is called from
 * user code therefore notes nothing that it would have to take back, and has a tick scheduled before it notes that it has.
 *
 * The contexts (AsyncLocalStorage) of all these callers mean nothing to an event: each has that of the socket or server
 * that it is of, as an event of Node's has that of its handle.
 */
export class Turns {
  readonly #source: EventSource;
  readonly #ticks: Ticks;
  #steps: Step[] = [];
  readonly #afterwards: (() => void)[] = [];
  // A delivery is running while it is on the stack, which handlers and ticks that call us find, and under way from its
  // beginning to its end, which whoever comes while the rest waits for its tick finds.
  #running = false;
  #underWay = false;
  #hopping = false;
  #immediates = 0;
  /** Somebody's code has run: a turn is due before the next event. */
  #ran = false;

  constructor(source: EventSource, ticks = new Ticks()) {
    this.#source = source;
    this.#ticks = ticks;
  }

  /** Delivers all there is, now. For callbacks from native code only. */
  wake(): void {
    this.#deliver();
  }

  /** Does now what runs nobody's code, and delivers events when the caller has returned. */
  soon(): void {
    this.#source.prepare();
    if (this.#running || this.#hopping || (this.#source.waiting === 0 && this.#steps.length === 0)) return;
    if (this.#ready(false)) this.#hop();
    else this.#underWay = this.#ran = false;
  }

  /**
   * Adds an event that is not of the source's. It comes ahead of what the source has, and after those that were added
   * before. It runs in the context of `whose`; without one it keeps its own, as a callback of `send` does.
   */
  add(step: Step, whose?: AsyncResource): void {
    this.#steps.push(whose === undefined ? step : () => whose.runInAsyncScope(step));
    this.#hop();
  }

  /** Calls when all events there are have been delivered. */
  afterwards(call: () => void): void {
    this.#afterwards.push(call);
    this.#hop();
  }

  /** Calls at the end of this tick; while events are being delivered, when they have been. */
  later(call: () => void): void {
    if (this.#underWay) this.#afterwards.push(call);
    else process.nextTick(call);
  }

  #deliver(): void {
    if (this.#running) return;
    this.#running = true;
    let over = false;
    try {
      while (this.#ready(true)) {
        this.#underWay = true;
        if (this.#ran) {
          if (!this.#ticks.run()) return;
          this.#ran = false;
        }
        // What throws has run, too.
        this.#ran = true;
        // As a rule there is none: V8 has no fast way to find that out by taking one.
        const step = this.#steps.length === 0 ? undefined : this.#steps.shift();
        this.#ran = step === undefined ? this.#source.deliver() : step();
      }
      over = true;
    } finally {
      this.#running = false;
      if (over) {
        this.#underWay = this.#ran = false;
      } else {
        // A handler or a tick threw: that is its error to report, and the rest goes on in a tick of its own.
        this.#hop();
      }
    }
  }

  /** `here`: whether what waits for the end of the events may be called. */
  #ready(here: boolean): boolean {
    for (;;) {
      if (this.#steps.length > 0 || this.#source.ready()) return true;
      const call = here && this.#afterwards.length > 0 ? this.#afterwards.shift() : undefined;
      if (call === undefined) return false;
      call();
    }
  }

  /** Goes on in a tick; where Node lets nobody run ticks, in immediates: it runs them between two of these. */
  #hop(): void {
    if (this.#running) return;
    if (this.#ticks.available) {
      // Whoever has caused this may have more ticks and promise jobs under way.
      this.#ran = true;
      if (this.#hopping) return;
      process.nextTick(this.#goOn);
      this.#hopping = true;
      return;
    }
    const wanted = this.#steps.length + this.#source.waiting + 1;
    for (; this.#immediates < wanted; ++this.#immediates) setImmediate(this.#goOnAlone);
  }

  readonly #goOn = (): void => {
    this.#hopping = false;
    this.#deliver();
  };

  readonly #goOnAlone = (): void => {
    this.#immediates -= 1;
    this.#ran = false;
    this.#deliver();
  };
}
