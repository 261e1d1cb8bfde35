/**
 * Tells when there was no traffic for a while, again and again. As with the core's idle timer, traffic only
 * notes the time, and the timer looks when it fires. The time is one that nobody sets.
 */
export class IdleTimer {
  readonly #onIdle: () => void;
  #timeout = 0;
  #lastActivity = 0;
  #timer: NodeJS.Timeout | undefined;
  #referenced: boolean;

  constructor(onIdle: () => void, referenced: boolean) {
    this.#onIdle = onIdle;
    this.#referenced = referenced;
  }

  /** Fires after so many milliseconds from now without traffic; after 0 never. */
  set(timeout: number): void {
    this.#timeout = timeout;
    this.touch();
    this.#arm();
  }

  /** There was traffic. */
  touch(): void {
    if (this.#timeout !== 0) this.#lastActivity = performance.now();
  }

  ref(): void {
    this.#referenced = true;
    this.#timer?.ref();
  }

  unref(): void {
    this.#referenced = false;
    this.#timer?.unref();
  }

  #arm(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#timeout === 0) return;
    const left = this.#lastActivity + this.#timeout - performance.now();
    this.#timer = setTimeout(this.#look, Math.max(Math.ceil(left), 0));
    if (!this.#referenced) this.#timer.unref();
  }

  readonly #look = (): void => {
    const idle = performance.now() >= this.#lastActivity + this.#timeout;
    if (idle) this.#lastActivity = performance.now();
    this.#arm(); // first: who is told may set another time, or throw
    if (idle) this.#onIdle();
  };
}
