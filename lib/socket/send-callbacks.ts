import { turns } from '../core/outbox';

/** Milliseconds for which what was sent may keep its sender from closing. */
const PATIENCE = 1000;

/**
 * Callbacks of `send` that have yet to be called: each is called once, and before the `close` of whoever took its
 * message.
 */
export class SendCallbacks<A extends unknown[]> {
  readonly #waiting = new Set<(...args: A) => void>();
  #whenCalled: (() => void) | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** What is to be called in place of `callback`. */
  expect(callback: ((...args: A) => void) | undefined): ((...args: A) => void) | undefined {
    if (callback === undefined) return undefined;
    const call = (...args: A): void => {
      if (!this.#waiting.delete(call)) return;
      try {
        callback(...args);
      } finally {
        if (this.#waiting.size === 0) this.#called();
      }
    };
    this.#waiting.add(call);
    return call;
  }

  /** One of those that {@link expect} has returned will not be called. */
  forget(call: (...args: A) => void): void {
    this.#waiting.delete(call);
  }

  /** Calls `then` when all have been called. Those that keep it waiting for too long are called with `late`. */
  settle(then: () => void, ...late: A): void {
    this.#whenCalled = then;
    if (this.#waiting.size === 0) {
      this.#called();
      return;
    }
    this.#timer = setTimeout(() => {
      this.fail(...late);
    }, PATIENCE);
  }

  /** Calls those that wait, each in a turn of its own. */
  fail(...args: A): void {
    for (const call of this.#waiting) {
      turns.add(() => {
        call(...args);
        return true;
      });
    }
  }

  #called(): void {
    clearTimeout(this.#timer);
    const then = this.#whenCalled;
    this.#whenCalled = undefined;
    then?.();
  }
}
