/**
 * Runs what waits for the next tick, and promise jobs, until nothing is left of either: what Node does after each
 * callback of its own. `process._tickCallback` is that function. It is not documented, and deprecated (DEP0134: a
 * warning under `--pending-deprecation`), but the only way to do it within one callback, at a tenth of what a
 * callback for each event costs. So it is believed in only when it has been seen to do so.
 */

type TickCallback = () => void;

/** What `process` has under that name; null where it has nothing. */
const found = (process as { _tickCallback?: unknown })._tickCallback ?? null;

/** Node's own function: `--pending-deprecation` puts a wrapper that warns in its place, with the function for its prototype. */
function unwrapped(callback: unknown): TickCallback | undefined {
  if (typeof callback !== 'function') return undefined;
  const inner: unknown = Object.getPrototypeOf(callback);
  const wrapped = typeof inner === 'function' && typeof Object.getPrototypeOf(inner) === 'function';
  return (wrapped ? inner : callback) as TickCallback;
}

export class Ticks {
  #run: TickCallback | undefined;
  #proven = false;

  constructor(callback: unknown = found) {
    this.#run = unwrapped(callback);
  }

  /** False when ticks cannot be run from here: in a callback of Node's each, events have them anyway. */
  get available(): boolean {
    return this.#run !== undefined;
  }

  /**
   * Runs the ticks. Nobody's code may be on the stack: they must not run in the middle of it. False when it
   * turns out that this cannot be done. Throws what a tick throws.
   */
  run(): boolean {
    if (!this.#proven) return this.#prove();
    this.#run?.();
    return true;
  }

  // Called when the first tick is wanted. While the package is loaded the program's own ticks would run in the middle of
  // its `import`.
  #prove(): boolean {
    if (this.#run === undefined) return false;
    let seen = 0;
    const see = (): void => {
      seen += 1;
    };
    process.nextTick(see);
    queueMicrotask(see);
    this.#run();
    this.#proven = seen === 2;
    if (!this.#proven) this.#run = undefined;
    return this.#proven;
  }
}
