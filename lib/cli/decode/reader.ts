/** What is being read ends before it should, or says what it cannot. */
export class Malformed extends Error {}

/** Reads fields from the front of bytes that nobody vouches for. */
export class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  number(size: 1 | 2 | 3 | 4 | 6): number {
    return this.bytes(size).readUIntBE(0, size);
  }

  bytes(size: number): Buffer {
    if (size > this.left) {
      throw new Malformed(`${String(size)} bytes were expected and ${String(this.left)} are left`);
    }
    const start = this.#at;
    this.#at += size;
    return this.#bytes.subarray(start, this.#at);
  }

  /** A vector: its length in `lengthSize` bytes, then its content. */
  vector(lengthSize: 1 | 2 | 3): Buffer {
    return this.bytes(this.number(lengthSize));
  }

  rest(): Buffer {
    return this.bytes(this.left);
  }
}

/** All items of a vector. */
export function items<T>(bytes: Buffer, read: (reader: Reader) => T): T[] {
  const reader = new Reader(bytes);
  const found: T[] = [];
  while (reader.left > 0) found.push(read(reader));
  return found;
}

export const hex = (value: number, digits = 4): string => `0x${value.toString(16).padStart(digits, '0')}`;
