/** Memory that is shared with users: theirs that we read, and ours that lies in their hands. */
import * as threads from 'node:worker_threads';

// Other runtimes have node:worker_threads, but not all of it.
const mark = (threads as Partial<typeof threads>).markAsUntransferable;

/**
 * Memory that cannot be transferred away with one of the messages in it, as Node's own pool for Buffers cannot:
 * `postMessage` and `structuredClone` refuse it in a transfer list (Node 20: they copy it), and so does
 * `ArrayBuffer.prototype.transfer` from Node 24 on. Before that it detaches the memory, so whoever takes more of it
 * has to look whether it is still there.
 */
export function untransferable(memory: Buffer<ArrayBuffer>): Buffer<ArrayBuffer> {
  mark?.(memory.buffer);
  return memory;
}

const length = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), 'length');

/**
 * How many bytes there are now. The property `length` says so too, but anybody may put another one over it, and what
 * lies behind the end of a message is somebody else's.
 */
export function sizeOf(bytes: Uint8Array): number {
  return Number(length?.get?.call(bytes));
}

/** Their own, whatever becomes of the others. */
export function copyOf(bytes: Uint8Array): Buffer {
  const copy = Buffer.allocUnsafe(sizeOf(bytes));
  copy.set(bytes);
  return copy;
}
