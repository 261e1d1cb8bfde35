/** Where a link gets its time from: the machine's clock, or one that only counts. */
export interface Clock {
  /** Calls back in a later turn, when so many milliseconds have passed. Returns what prevents it. */
  after(ms: number, callback: () => void): () => void;
}

export const realClock: Clock = {
  after(ms, callback) {
    if (ms > 0) {
      const timer = setTimeout(callback, ms);
      return () => {
        clearTimeout(timer);
      };
    }
    const immediate = setImmediate(callback);
    return () => {
      clearImmediate(immediate);
    };
  },
};

interface Appointment {
  readonly at: number;
  readonly callback: () => void;
}

/** Time that passes only by `step`, from one appointment to the next. */
export class VirtualClock implements Clock {
  #now = 0;
  /** The appointments in the order of their times; those of one time in the order in which they were made. */
  readonly #appointments: Appointment[] = [];

  /** Milliseconds since the beginning. */
  get now(): number {
    return this.#now;
  }

  after(ms: number, callback: () => void): () => void {
    const appointment = { at: this.#now + Math.max(0, ms), callback };
    const later = this.#appointments.findIndex(({ at }) => at > appointment.at);
    this.#appointments.splice(later < 0 ? this.#appointments.length : later, 0, appointment);
    return () => {
      const index = this.#appointments.indexOf(appointment);
      if (index >= 0) this.#appointments.splice(index, 1);
    };
  }

  /** Goes to the next appointment and keeps it. False: there is none. */
  step(): boolean {
    const next = this.#appointments.shift();
    if (next === undefined) return false;
    this.#now = next.at;
    next.callback();
    return true;
  }
}
