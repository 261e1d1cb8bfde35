/** Records of a datagram (RFC 6347 section 4.1) and the handshake fragments in them (section 4.2.2). */
import { Malformed, Reader } from './reader';

export interface DtlsRecord {
  readonly type: number;
  readonly version: number;
  readonly epoch: number;
  readonly sequence: number;
  readonly fragment: Buffer;
  /** Header and fragment. */
  readonly whole: Buffer;
}

export interface Fragment {
  readonly type: number;
  readonly length: number;
  readonly sequence: number;
  readonly offset: number;
  readonly body: Buffer;
}

export interface Records {
  readonly records: DtlsRecord[];
  /** Why the rest of the datagram is no record. */
  readonly malformed?: string;
}

const HEADER = 13;

export function readRecords(datagram: Buffer): Records {
  const records: DtlsRecord[] = [];
  const reader = new Reader(datagram);
  let start = 0;
  try {
    while (reader.left > 0) {
      const type = reader.number(1);
      // RFC 9147 section 4: such a first byte begins a protected record of DTLS 1.3, which needs its keys to be read.
      if ((type & 0xe0) === 0x20) throw new Malformed('a DTLS 1.3 ciphertext record');
      const version = reader.number(2);
      const epoch = reader.number(2);
      const sequence = reader.number(6);
      if (version >> 8 !== 0xfe && version !== 0x0100) throw new Malformed(`not DTLS: version 0x${version.toString(16)}`);
      const fragment = reader.vector(2);
      const end = start + HEADER + fragment.length;
      records.push({ type, version, epoch, sequence, fragment, whole: datagram.subarray(start, end) });
      start = end;
    }
    return { records };
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    return { records, malformed: error.message };
  }
}

/** @throws {@link Malformed} */
export function readFragments(content: Buffer): Fragment[] {
  const fragments: Fragment[] = [];
  const reader = new Reader(content);
  while (reader.left > 0) {
    const type = reader.number(1);
    const length = reader.number(3);
    const sequence = reader.number(2);
    const offset = reader.number(3);
    const body = reader.vector(3);
    if (offset + body.length > length) throw new Malformed('a fragment reaches beyond its message');
    fragments.push({ type, length, sequence, offset, body });
  }
  return fragments;
}

/** The longest message that is put together: a capture may say anything. */
const LONGEST_MESSAGE = 1 << 18;
const MOST_MESSAGES = 64;

/** Puts the messages of one direction together from fragments in any order. */
export class Assembly {
  readonly #parts = new Map<string, { bytes: Buffer; have: Uint8Array; missing: number }>();

  /** The whole message, when this fragment was the last that it lacked. */
  add({ type, length, sequence, offset, body }: Fragment): Buffer | undefined {
    if (body.length === length) return body;
    if (length > LONGEST_MESSAGE) return undefined;
    const name = `${String(sequence)} ${String(type)} ${String(length)}`;
    let part = this.#parts.get(name);
    if (part === undefined) {
      if (this.#parts.size >= MOST_MESSAGES) this.#parts.clear();
      part = { bytes: Buffer.alloc(length), have: new Uint8Array(length), missing: length };
      this.#parts.set(name, part);
    }
    body.copy(part.bytes, offset);
    for (let at = offset; at < offset + body.length; ++at) {
      if (part.have[at] === 0) part.missing -= 1;
      part.have[at] = 1;
    }
    if (part.missing > 0) return undefined;
    this.#parts.delete(name);
    return part.bytes;
  }
}
