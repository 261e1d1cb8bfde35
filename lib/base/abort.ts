/** What an AbortSignal can end: something that closes once. */
interface Closing {
  once(event: 'close', listener: () => void): unknown;
  off(event: 'close', listener: () => void): unknown;
}

// The getter that every signal inherits: a property of that name on one of them may say anything, or throw.
const aborted = Object.getOwnPropertyDescriptor(AbortSignal.prototype, 'aborted');

/** Whether it has been aborted. @throws For what is no signal. */
export const isAborted = (signal: AbortSignal): boolean => Boolean(aborted?.get?.call(signal));

/** Whether it is a signal. What only inherits from `AbortSignal.prototype` is none: it cannot be asked for anything. */
export function isAbortSignal(value: unknown): value is AbortSignal {
  if (!(value instanceof AbortSignal)) return false;
  try {
    isAborted(value);
    return true;
  } catch {
    return false;
  }
}

/**
 * Calls `abort` when `signal` says so from now on, until `owner` has closed or what is returned is called. Whether it
 * has said so before is for the caller to see.
 */
export function onAbort(signal: AbortSignal, owner: Closing, abort: () => void): () => void {
  const forget = (): void => {
    signal.removeEventListener('abort', abort);
    owner.off('close', forget);
  };
  signal.addEventListener('abort', abort, { once: true });
  owner.once('close', forget);
  return forget;
}
