/** What an AbortSignal can end: something that closes once. */
interface Closing {
  once(event: 'close', listener: () => void): unknown;
}

/**
 * Calls `abort` when `signal` says so, until `owner` has closed. When it has said so before: in the next
 * tick, and the answer is true.
 */
export function onAbort(signal: AbortSignal, owner: Closing, abort: () => void): boolean {
  if (signal.aborted) {
    process.nextTick(abort);
    return true;
  }
  signal.addEventListener('abort', abort, { once: true });
  owner.once('close', () => {
    signal.removeEventListener('abort', abort);
  });
  return false;
}
