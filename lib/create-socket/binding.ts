/** Where a socket is on its way to a port, and who waits for it to have one. */
export class Binding {
  state: 'unbound' | 'binding' | 'bound' = 'unbound';
  #waiting: ((error: Error | null) => void)[] = [];

  /** Calls `then` at once where the socket is bound, or when {@link settle} is called. */
  whenBound(then: (error: Error | null) => void): void {
    if (this.state === 'bound') then(null);
    else this.#waiting.push(then);
  }

  /** Those who wait hear that the socket is bound (null), or why it is not. */
  settle(error: Error | null): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const then of waiting) then(error);
  }
}
