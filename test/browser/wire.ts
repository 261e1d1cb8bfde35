/** What can be read of hellos on the wire, for tests that look at them: RFC 6347 section 4.2, RFC 8446 section 4. */
import { readFragment, readRecords, type WireFragment } from '../fault/support';

const KEY_SHARE = 51;
const HELLO_RETRY_REQUEST = 'cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c';
export const X25519MLKEM768 = 0x11ec;

/** The fragments in clear of the messages of a type, in the order of the datagrams. */
export function fragments(datagrams: readonly Buffer[], type: number): WireFragment[] {
  return datagrams
    .flatMap((datagram) => readRecords(datagram))
    .map((record) => readFragment(record))
    .filter((fragment) => fragment?.type === type) as WireFragment[];
}

/** Whole messages of a type, each number once. */
export function messages(datagrams: readonly Buffer[], type: number): Buffer[] {
  const whole = new Map<number, Buffer>();
  for (const { messageSequence, messageLength, offset, body } of fragments(datagrams, type)) {
    const message = whole.get(messageSequence) ?? Buffer.alloc(messageLength);
    body.copy(message, offset);
    whole.set(messageSequence, message);
  }
  return [...whole.values()];
}

/** A ServerHello that is a HelloRetryRequest. */
export const isRetry = (hello: Buffer): boolean => hello.toString('hex', 2, 34) === HELLO_RETRY_REQUEST;

/** The body of an extension in a list of them with its length before it. */
function extension(list: Buffer, type: number): Buffer | undefined {
  for (let at = 2; at + 4 <= list.length; at += 4 + list.readUInt16BE(at + 2)) {
    if (list.readUInt16BE(at) === type) return list.subarray(at + 4, at + 4 + list.readUInt16BE(at + 2));
  }
  return undefined;
}

/** What comes behind the version, the random and the session id of either hello. */
const afterSession = (hello: Buffer): Buffer => hello.subarray(35 + hello.readUInt8(34));

/** The group of the share in a ServerHello of DTLS 1.3. */
export function serverGroup(hello: Buffer): number | undefined {
  return extension(afterSession(hello).subarray(3), KEY_SHARE)?.readUInt16BE(0);
}

/** Whether a ClientHello brings a share of the group. */
export function offersGroup(hello: Buffer, group: number): boolean {
  const cookie = afterSession(hello);
  const suites = cookie.subarray(1 + cookie.readUInt8(0));
  const compressions = suites.subarray(2 + suites.readUInt16BE(0));
  const shares = extension(compressions.subarray(1 + compressions.readUInt8(0)), KEY_SHARE);
  if (shares === undefined) return false;
  for (let at = 2; at + 4 <= shares.length; at += 4 + shares.readUInt16BE(at + 2)) {
    if (shares.readUInt16BE(at) === group) return true;
  }
  return false;
}
