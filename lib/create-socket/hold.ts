/** The longest time that a Node timer can wait. */
const FOREVER = 0x7fffffff;

/**
 * Keeps the process while a socket that does not (`unref`) has something to send: dgram's socket has sent it before
 * `send` returns, this one may have to shake hands first.
 */
export class Hold {
  #waiting = 0;
  #referenced = true;
  #timer: NodeJS.Timeout | undefined;

  /** Sets whether the socket itself keeps the process. */
  set referenced(referenced: boolean) {
    this.#referenced = referenced;
    this.#update();
  }

  /** One more thing waits; each is released once. */
  take(): void {
    this.#waiting += 1;
    if (!this.#referenced) this.#update();
  }

  release(): void {
    this.#waiting -= 1;
    if (!this.#referenced) this.#update();
  }

  #update(): void {
    const needed = !this.#referenced && this.#waiting > 0;
    if (needed) this.#timer ??= setInterval(() => undefined, FOREVER);
    else {
      clearInterval(this.#timer);
      this.#timer = undefined;
    }
  }
}
