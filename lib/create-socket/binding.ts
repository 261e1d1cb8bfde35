import { late } from '../base/late';
import { hostMistake } from '../checks/host';
import { ioHint } from '../errors/errors';

const IN_A_CLUSTER =
  "Workers cannot share a port as they do with plain UDP, for a session lives in one process: give each worker a port of its own, or all of them 'reusePort' (Node 22.12 or later), by which the system keeps each peer with one worker.";

/** Where a socket is on its way to a port, and who waits for it to have one. */
export class Binding {
  state: 'unbound' | 'binding' | 'bound' = 'unbound';
  #host: unknown;
  #waiting: ((error: Error | null) => void)[] = [];

  /**
   * The arguments of dgram's `bind`, as they are given to it. In a worker of `node:cluster` they always say `exclusive`: each
   * datagram to a port that workers share goes to any of them, and only one of them has the session.
   */
  place(args: unknown[]): unknown[] {
    const [first, second] = args;
    const isObject = typeof first === 'object' && first !== null;
    // A handle, or a socket that has one, is somebody's who has bound it.
    if (isObject && 'recvStart' in first) return args;
    this.#host = isObject ? (first as { address?: unknown }).address : second;
    if (!late.cluster.isWorker) return args;
    const callback = args.at(-1);
    const place = isObject
      ? { ...first, exclusive: true }
      : {
          ...(typeof first === 'function' ? {} : { port: first }),
          ...(typeof second === 'function' ? {} : { address: second }),
          exclusive: true,
        };
    return typeof callback === 'function' ? [place, callback] : [place];
  }

  /** What to do about an error of that `bind`. */
  hint({ code }: Error & { code?: string }): string | undefined {
    if (code === 'EADDRINUSE' && late.cluster.isWorker) return IN_A_CLUSTER;
    return (typeof this.#host === 'string' ? hostMistake(this.#host) : undefined) ?? (code === undefined ? undefined : ioHint(code));
  }

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
