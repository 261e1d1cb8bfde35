/** The one timer of an endpoint: it fires when the earliest of its sessions' deadlines has come. */
import { native } from '../core/native';

/** The longest time that a Node timer can wait. */
const MAX_TIMEOUT = 0x7fffffff;

export class DeadlineTimer {
  /** Where the core writes the deadline, in its own milliseconds. */
  readonly deadline: Float64Array = new Float64Array(1);
  readonly #due: () => void;
  #timer: NodeJS.Timeout | undefined;
  #timerAt = Infinity;
  #referenced = true;
  #stopped = false;

  /** `due` may be called early: a timer is not moved to a later time. */
  constructor(due: () => void) {
    this.#due = due;
  }

  ref(): void {
    this.#referenced = true;
    this.#timer?.ref();
  }

  unref(): void {
    this.#referenced = false;
    this.#timer?.unref();
  }

  /** The deadline may have moved. */
  arm(): void {
    const at = this.deadline[0] ?? Infinity;
    // A timer that fires early finds nothing due and is set again: cheaper than moving it each time.
    if (at >= this.#timerAt || this.#stopped) return;
    // Who calls may be ended within any of these calls, by a timeout of node:vm: a timer is noted once there is one.
    this.#timerAt = Infinity;
    clearTimeout(this.#timer);
    const delay = Math.min(Math.max(Math.ceil(at - native.now()), 0), MAX_TIMEOUT);
    const timer = setTimeout(this.#onTimer, delay);
    if (!this.#referenced) timer.unref();
    this.#timer = timer;
    this.#timerAt = at;
  }

  /** It fires no more. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** What has come is read first: a loop that was held up has datagrams to read that came in time. */
  readonly #onTimer = (): void => {
    this.#timer = undefined;
    // Counts for the loop also where the endpoint does not: the loop sleeps over an immediate that does not count, until
    // something else wakes it. It is of this turn, and keeps no process that the timer has not found alive.
    setImmediate(() => {
      this.#timerAt = Infinity;
      if (!this.#stopped) this.#due();
    });
  };
}
