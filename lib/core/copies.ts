import { untransferable } from '../base/memory';
import type { NonSharedBuffer } from '../base/non-shared-buffer';

/** Memory is allocated for about fifty messages at once: one allocation each costs as much as OpenSSL. */
const SLAB_BYTES = 64 * 1024;

type MakeBuffer = new (memory: ArrayBuffer, offset: number, length: number) => NonSharedBuffer;

/**
 * The class of which Buffers are, made of a piece of memory at once. `Buffer.subarray` asks V8 for the memory
 * of the other Buffer first, and `Buffer.from` checks what it is given: either takes twice as long, and there is
 * one for each message. That it is the species of Buffer is not documented, and found out by a test.
 */
const FastBuffer = (Buffer as unknown as { readonly [Symbol.species]: MakeBuffer })[Symbol.species];

/**
 * What users get of the arena's bytes, pass by pass: copies in slabs that many messages share, the last slab being
 * filled on by the next pass; or, to be borrowed, in slabs that the next pass takes again. A slab may be detached at
 * any time by those who hold a piece of it: it is looked at each time, and the arena still has what was in it.
 */
export class Copies {
  readonly #arena: NonSharedBuffer;
  readonly #slabs: Buffer<ArrayBuffer>[] | undefined; // those to take again
  #taken = 0; // of them in this pass
  // The pass, in the arena.
  #start = 0;
  #end = 0;
  // The slab in use, how much of it is, and which bytes of the arena it has: so much further on.
  #slab: Buffer<ArrayBuffer> = Buffer.alloc(0);
  #memory: ArrayBuffer = this.#slab.buffer;
  #used = 0;
  #from = 0;
  #to = 0;
  #shift = 0;

  /** `again`: what was copied for one pass is given up to the next. */
  constructor(arena: NonSharedBuffer, again: boolean) {
    this.#arena = arena;
    this.#slabs = again ? [] : undefined;
  }

  /** A pass begins, whose bytes lie there in the arena. */
  begin(start: number, end: number): void {
    this.#start = start;
    this.#end = end;
    this.#from = this.#to = 0;
    if (this.#slabs === undefined || this.#taken === 0) return;
    this.#taken = 0;
    this.#used = this.#slab.length;
  }

  /** These bytes of the arena, of the pass under way. */
  take(offset: number, length: number): NonSharedBuffer {
    // An empty Buffer is nobody else's: who gets it may give it properties, or transfer it.
    if (length === 0) return Buffer.alloc(0);
    if (offset < this.#from || offset + length > this.#to || this.#slab.length === 0) {
      this.#copy(offset, length);
    }
    return new FastBuffer(this.#memory, offset + this.#shift, length);
  }

  /**
   * Copies those bytes, and as many behind them as the slab has room for: one copy is for many records, since each
   * costs as much as the bytes of some. The first one begins with the pass, where that is near: datagrams are taken
   * before the messages between them.
   */
  #copy(offset: number, length: number): void {
    const near = this.#to === 0 && offset + length - this.#start <= SLAB_BYTES;
    const from = near ? this.#start : offset;
    const least = offset + length - from;
    // A slab that was detached has no room at all.
    if (this.#slab.length - this.#used < least) this.#next(least);
    const to = Math.min(this.#end, from + this.#slab.length - this.#used);
    this.#arena.copy(this.#slab, this.#used, from, to);
    this.#from = from;
    this.#to = to;
    this.#shift = this.#used - from;
    this.#used += to - from;
  }

  #next(least: number): void {
    const again = this.#slabs?.[this.#taken];
    const fits = again !== undefined && again.length >= least;
    this.#slab = fits ? again : untransferable(Buffer.allocUnsafeSlow(Math.max(SLAB_BYTES, least)));
    this.#memory = this.#slab.buffer;
    this.#used = 0;
    if (this.#slabs !== undefined) this.#slabs[this.#taken++] = this.#slab;
  }
}
