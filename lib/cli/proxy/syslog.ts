/**
 * Syslog over DTLS (RFC 6012; the frames are those of RFC 5425 section 4.3): a record holds one frame or several,
 * `MSG-LEN SP SYSLOG-MSG`, where MSG-LEN is the count of octets of SYSLOG-MSG alone, in decimal digits, the first of
 * which is not 0.
 */

/** No record holds a message of more octets: 16384 has five digits. */
const MOST_DIGITS = 5;
const SPACE = 0x20;
const ZERO = 0x30;
const NINE = 0x39;

export function frame(message: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(`${String(message.length)} `, 'latin1'), message]);
}

interface Unframed {
  /** Views of the record. */
  readonly messages: readonly Uint8Array[];
  /** What follows them is no frame, or one that its record does not hold to its end. */
  readonly malformed: boolean;
}

/**
 * The messages of a record. What follows a malformed frame is dropped with it, as nothing says where a next one would
 * begin. A message ends with its record: the next record may be lost, or arrive before this one.
 */
export function unframe(record: Uint8Array): Unframed {
  const messages: Uint8Array[] = [];
  let at = 0;
  do {
    const begin = at;
    let length = 0;
    while (at - begin < MOST_DIGITS && isDigit(record[at])) length = length * 10 + (record[at++] ?? 0) - ZERO;
    if (length === 0 || record[begin] === ZERO || record[at] !== SPACE) return { messages, malformed: true };
    at += 1;
    if (length > record.length - at) return { messages, malformed: true };
    messages.push(record.subarray(at, at + length));
    at += length;
  } while (at < record.length);
  return { messages, malformed: false };
}

const isDigit = (octet: number | undefined): boolean => octet !== undefined && octet >= ZERO && octet <= NINE;
