/** Memory that is shared with users: theirs that we read, and ours that lies in their hands. */
import { types } from 'node:util';

import { late } from './late';
import type { NonSharedBuffer } from './non-shared-buffer';

/**
 * Memory that cannot be transferred away with one of the messages in it, as Node's own pool for Buffers cannot:
 * `postMessage` and `structuredClone` refuse it in a transfer list (Node 20: they copy it), and so does
 * `ArrayBuffer.prototype.transfer` from Node 24 on. Before that it detaches the memory, so whoever takes more of it
 * has to look whether it is still there.
 */
export function untransferable<T extends ArrayBufferView>(memory: T): T {
  late.threads.markAsUntransferable(memory.buffer);
  return memory;
}

type View = ArrayBufferView;

/**
 * What V8 itself knows of a view. The property of that name says so too, but anybody may put another one over it. Bound
 * in this way V8 knows which getter is called, and puts what it does in place of the call: each send asks three times.
 */
function known(prototype: object, name: PropertyKey): (view: View) => unknown {
  const property: { get?: unknown } = Object.getOwnPropertyDescriptor(prototype, name) ?? {};
  return Function.prototype.call.bind(property.get as (this: View) => unknown);
}

const placeIn = (prototype: object) => ({
  buffer: known(prototype, 'buffer') as (view: View) => ArrayBuffer,
  offset: known(prototype, 'byteOffset') as (view: View) => number,
  size: known(prototype, 'byteLength') as (view: View) => number,
});

const TYPED_ARRAY = Object.getPrototypeOf(Uint8Array.prototype) as object;
const typedArray = placeIn(TYPED_ARRAY);
const dataView = placeIn(DataView.prototype);
const length = known(TYPED_ARRAY, 'length') as (view: View) => number;
const kind = known(TYPED_ARRAY, Symbol.toStringTag);

/** How many bytes there are now: what lies behind the end of a message is somebody else's. */
export const sizeOf = (bytes: Uint8Array): number => length(bytes);

/** Whether the elements of a view are bytes, whatever class it pretends to be of. */
export const isByteArray = (view: View): view is Uint8Array => kind(view) === 'Uint8Array';

/** A DataView whose memory has been taken away throws where a TypedArray has no bytes. */
function sizeOfDataView(view: DataView): number {
  try {
    return dataView.size(view);
  } catch {
    return 0;
  }
}

/** The bytes of a view as a Buffer that says nothing but the truth of them. */
export function bytesOf(view: View): Buffer {
  const place = types.isDataView(view) ? dataView : typedArray;
  const size = types.isDataView(view) ? sizeOfDataView(view) : place.size(view);
  return size === 0 ? Buffer.alloc(0) : Buffer.from(place.buffer(view), place.offset(view), size);
}

/**
 * A copy in memory of its own, of as many bytes as there are now. Memory that threads share may grow at any time (`SharedArrayBuffer.grow`),
 * and a view of all of it with it: one that is asked for its size and copied then may have become larger than its copy.
 */
export function copyOf(bytes: Uint8Array): NonSharedBuffer {
  const still = bytesOf(bytes);
  const copy = Buffer.allocUnsafe(still.length);
  copy.set(still);
  return copy;
}

/** A copy in memory of its own, and not in Buffer's pool, which many share. */
export function ownCopy(message: Buffer): NonSharedBuffer {
  const copy = Buffer.allocUnsafeSlow(message.length);
  message.copy(copy);
  return copy;
}

/** Copies the first `size` bytes, which is how many they were when they were counted: there may be more by now. */
export function copyTo(target: Uint8Array, at: number, bytes: Uint8Array, size: number): void {
  try {
    target.set(bytes, at); // what there is more of comes behind them, where nobody has written yet
  } catch {
    // It had no room for those. Another view of each message would cost too much, and this is rare.
    target.set(bytesOf(bytes).subarray(0, size), at);
  }
}

/**
 * A copy that shares its memory with nobody: what lies in Node's pool is seen through every other Buffer there. Whoever
 * asks for it wipes it.
 */
export function secretCopy(bytes: Uint8Array): NonSharedBuffer {
  const still = bytesOf(bytes);
  const copy = Buffer.from(unmovedMemory(still.length));
  copy.set(still);
  return copy;
}

/** What has been kept is wiped through another view of its memory: a view that is to be collected cannot be held for that. */
const forgotten = new FinalizationRegistry<Uint8Array>((bytes) => bytes.fill(0));

/** As {@link secretCopy}, for as long as somebody has it: when it is collected it is wiped. Nobody may keep a part of it alone. */
export function keptSecret(bytes: Uint8Array): NonSharedBuffer {
  const copy = secretCopy(bytes);
  forgotten.register(copy, new Uint8Array(copy.buffer));
  return copy;
}

/** V8 makes short arrays on its heap, and moves them about there: each place before would keep what was in them. */
const unmovedMemory = (size: number): ArrayBuffer => new ArrayBuffer(size);

/** A secret on its way to native code, to which it may never come. Nothing that looks at objects shows it. */
export class Secret {
  readonly #bytes: NonSharedBuffer;

  /** Copies them: their owner may wipe them at once. */
  constructor(bytes: Uint8Array) {
    this.#bytes = keptSecret(bytes);
  }

  /** Native code has a copy of its own when `give` returns, and this one is wiped. */
  handDown(give: (bytes: NonSharedBuffer) => void): void {
    give(this.#bytes);
    this.#bytes.fill(0);
  }
}

/** The bytes of a text that may be a secret: not in Node's pool, as those of `Buffer.from` are. */
export function encoded(text: string): NonSharedBuffer {
  const bytes = Buffer.from(unmovedMemory(Buffer.byteLength(text)));
  bytes.write(text);
  return bytes;
}

/**
 * Lends a secret as bytes. Those that are made of a string for that are wiped afterwards; a string itself cannot be.
 */
export function lend<T>(given: string | Uint8Array, use: (bytes: Uint8Array) => T): T {
  if (typeof given !== 'string') return use(given);
  const bytes = encoded(given);
  try {
    return use(bytes);
  } finally {
    bytes.fill(0);
  }
}
