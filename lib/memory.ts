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

/**
 * A copy that shares its memory with nobody: what lies in Node's pool is seen through every other Buffer there. Whoever
 * asks for it wipes it.
 */
export function secretCopy(bytes: Uint8Array): Buffer {
  const copy = Buffer.from(unmovedMemory(sizeOf(bytes)));
  copy.set(bytes);
  return copy;
}

/** V8 makes short arrays on its heap, and moves them about there: each place before would keep what was in them. */
const unmovedMemory = (size: number): ArrayBuffer => new ArrayBuffer(size);

/** A secret on its way to native code. Nothing that looks at objects shows it. */
export class Secret {
  readonly #bytes: Buffer;

  /** Copies them: their owner may wipe them at once. */
  constructor(bytes: Uint8Array) {
    this.#bytes = secretCopy(bytes);
  }

  /** Native code has a copy of its own when `give` returns, and this one is wiped. */
  handDown(give: (bytes: Buffer) => void): void {
    give(this.#bytes);
    this.#bytes.fill(0);
  }
}

/**
 * Lends a secret as bytes. Those that are made of a string for that are wiped afterwards; a string itself cannot be.
 */
export function lend<T>(given: string | Uint8Array, use: (bytes: Uint8Array) => T): T {
  if (typeof given !== 'string') return use(given);
  const encoded = Buffer.from(unmovedMemory(Buffer.byteLength(given)));
  encoded.write(given);
  try {
    return use(encoded);
  } finally {
    encoded.fill(0);
  }
}
