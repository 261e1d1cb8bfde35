/** Callbacks of `send`, by the tokens under which datagrams go down and records say what became of them. */
import { turns } from '../core/outbox';
import { unsent, type DTLSError } from '../errors/errors';

export type Sent = (error: DTLSError | null) => void;

export class SendTokens {
  readonly #callbacks = new Map<number, Sent>();
  #next = 1;

  /** The token by which `callback` will be known; never 0. */
  expect(callback: Sent): number {
    const token = this.#next;
    this.#next = (this.#next % 0xffffffff) + 1;
    this.#callbacks.set(token, callback);
    return token;
  }

  /** The callback with that token, which is known by it no more. */
  take(token: number): Sent | undefined {
    const callback = this.#callbacks.get(token);
    if (callback !== undefined) this.#callbacks.delete(token);
    return callback;
  }

  /** Nothing becomes of what has not left by now. */
  close(): void {
    for (const callback of this.#callbacks.values()) reportSent(callback, unsent());
    this.#callbacks.clear();
  }
}

/** The callback of a `send` has a turn of its own, as any event. */
export function reportSent(callback: Sent, error: DTLSError | null): void {
  turns.add(() => {
    callback(error);
    return true;
  });
}
