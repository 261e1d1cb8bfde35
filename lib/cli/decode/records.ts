/** Records of a datagram (RFC 6347 section 4.1, RFC 9147 section 4) and the handshake fragments in them (section 4.2.2). */
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

/** A protected record of DTLS 1.3: RFC 9147 section 4. */
export interface UnifiedRecord {
  /** The low two bits of the epoch, which is all that the header has of it. */
  readonly epochBits: number;
  readonly header: Buffer;
  /** Where in the header the number is, hidden as it is on the wire. */
  readonly numberAt: number;
  readonly numberSize: 1 | 2;
  readonly fragment: Buffer;
}

export interface Fragment {
  readonly type: number;
  readonly length: number;
  readonly sequence: number;
  readonly offset: number;
  readonly body: Buffer;
}

export interface Records<T = DtlsRecord | UnifiedRecord> {
  readonly records: T[];
  /** Why the rest of the datagram is no record. */
  readonly malformed?: string;
}

const HEADER = 13;

const isUnified = (first: number): boolean => (first & 0xe0) === 0x20;

function readUnified(datagram: Buffer, start: number): UnifiedRecord {
  const reader = new Reader(datagram.subarray(start));
  const first = reader.number(1);
  // Its length was agreed on in hellos, and it is in no header.
  if ((first & 0x10) !== 0) throw new Malformed('a DTLS 1.3 record with a connection ID');
  const numberSize = (first & 0x08) === 0 ? 1 : 2;
  reader.bytes(numberSize);
  const fragment = (first & 0x04) === 0 ? reader.rest() : reader.vector(2);
  if (fragment.length < 16) throw new Malformed('a DTLS 1.3 record of less than 16 bytes'); // section 4.2.3
  const headerSize = 1 + numberSize + ((first & 0x04) === 0 ? 0 : 2);
  const header = datagram.subarray(start, start + headerSize);
  return { epochBits: first & 3, header, numberAt: 1, numberSize, fragment };
}

/** Where the first record ends, by its header; 0 where that does not say. More than there is: it is not whole. */
export function endOfFirstRecord(datagram: Buffer): number {
  const first = datagram[0] ?? 0;
  const connectionIdAndLength = first & 0x14;
  if (isUnified(first) && connectionIdAndLength !== 0x04) return 0;
  const lengthAt = !isUnified(first) ? HEADER - 2 : (first & 0x08) === 0 ? 2 : 3;
  const header = lengthAt + 2;
  return datagram.length < header ? header : header + datagram.readUInt16BE(lengthAt);
}

/** The records that are none of DTLS 1.3: those in clear, and those of older versions. */
export function readRecords(datagram: Buffer): Records<DtlsRecord> {
  const { records, ...rest } = readAllRecords(datagram, false);
  return { records: records.filter((record) => 'epoch' in record), ...rest };
}

/** `takesUnified`: whether a datagram may begin with a header of DTLS 1.3, which much that is no DTLS looks like. */
export function readAllRecords(datagram: Buffer, takesUnified: boolean): Records {
  const records: Records['records'] = [];
  const reader = new Reader(datagram);
  let start = 0;
  try {
    while (reader.left > 0) {
      const type = reader.number(1);
      if (isUnified(type) && (takesUnified || records.length > 0)) {
        const record = readUnified(datagram, start);
        records.push(record);
        const size = record.header.length + record.fragment.length;
        reader.bytes(size - 1);
        start += size;
        continue;
      }
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
