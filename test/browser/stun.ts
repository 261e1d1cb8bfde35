/** What an ICE-lite endpoint has of STUN (RFC 8489, RFC 8445): it answers binding requests, and sends none. */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { crc32 } from 'node:zlib';

const MAGIC = 0x2112a442;
const HEADER = 20;
const BINDING_REQUEST = 0x0001;
const BINDING_SUCCESS = 0x0101;
const USERNAME = 0x0006;
const MESSAGE_INTEGRITY = 0x0008;
const XOR_MAPPED_ADDRESS = 0x0020;
const USE_CANDIDATE = 0x0025;
const FINGERPRINT = 0x8028;
const FINGERPRINT_XOR = 0x5354554e;

export interface Credentials {
  readonly ufrag: string;
  readonly pwd: string;
}

function attribute(type: number, value: Buffer): Buffer {
  const header = Buffer.alloc(4);
  header.writeUInt16BE(type, 0);
  header.writeUInt16BE(value.length, 2);
  return Buffer.concat([header, value, Buffer.alloc(-value.length & 3)]);
}

/** What both integrity checks are made over: all before them, with a length that counts them in. */
function upTo(message: Buffer, offset: number, length: number): Buffer {
  const before = Buffer.from(message.subarray(0, offset));
  before.writeUInt16BE(offset - HEADER + length, 2);
  return before;
}

const integrity = (message: Buffer, offset: number, pwd: string): Buffer =>
  createHmac('sha1', pwd).update(upTo(message, offset, 24)).digest();

function fingerprint(message: Buffer, offset: number): Buffer {
  const value = Buffer.alloc(4);
  value.writeUInt32BE((crc32(upTo(message, offset, 8)) ^ FINGERPRINT_XOR) >>> 0);
  return value;
}

/** The attributes up to MESSAGE-INTEGRITY, once that and FINGERPRINT are right. */
function read(message: Buffer, { ufrag, pwd }: Credentials): Set<number> | undefined {
  const seen = new Set<number>();
  let authentic = false;
  for (let offset = HEADER; offset + 4 <= message.length; ) {
    const type = message.readUInt16BE(offset);
    const length = message.readUInt16BE(offset + 2);
    const value = message.subarray(offset + 4, offset + 4 + length);
    if (type === MESSAGE_INTEGRITY) {
      if (length !== 20 || !timingSafeEqual(value, integrity(message, offset, pwd))) return undefined;
      authentic = true;
    } else if (type === FINGERPRINT) {
      if (!value.equals(fingerprint(message, offset))) return undefined;
    } else if (!authentic) {
      if (type === USERNAME && !value.toString().startsWith(`${ufrag}:`)) return undefined;
      seen.add(type);
    }
    offset += 4 + length + (-length & 3);
  }
  return authentic && seen.has(USERNAME) ? seen : undefined;
}

/** Whose credentials a binding request is under, as it says: of `ours:theirs` the first. */
export function requestedUfrag(request: Buffer): string | undefined {
  for (let offset = HEADER; offset + 4 <= request.length; ) {
    const length = request.readUInt16BE(offset + 2);
    if (request.readUInt16BE(offset) === USERNAME) {
      return request.toString('utf8', offset + 4, offset + 4 + length).split(':')[0];
    }
    offset += 4 + length + (-length & 3);
  }
  return undefined;
}

/** The answer to a binding request under these credentials, or undefined for whatever else it is. */
export function answerBinding(
  request: Buffer,
  credentials: Credentials,
  { address, port }: { readonly address: string; readonly port: number },
): { answer: Buffer; nominated: boolean } | undefined {
  if (request.length < HEADER || request.readUInt16BE(0) !== BINDING_REQUEST) return undefined;
  if (request.readUInt32BE(4) !== MAGIC) return undefined;
  const attributes = read(request, credentials);
  if (attributes === undefined) return undefined;

  const header = Buffer.from(request.subarray(0, HEADER));
  header.writeUInt16BE(BINDING_SUCCESS, 0);
  const mapped = Buffer.alloc(8);
  mapped.writeUInt8(1, 1); // IPv4
  mapped.writeUInt16BE(port ^ (MAGIC >>> 16), 2);
  const bytes = address.split('.').map(Number);
  mapped.writeUInt32BE((Buffer.from(bytes).readUInt32BE(0) ^ MAGIC) >>> 0, 4);
  let answer = Buffer.concat([header, attribute(XOR_MAPPED_ADDRESS, mapped)]);
  answer = Buffer.concat([
    answer,
    attribute(MESSAGE_INTEGRITY, integrity(answer, answer.length, credentials.pwd)),
  ]);
  answer = Buffer.concat([answer, attribute(FINGERPRINT, fingerprint(answer, answer.length))]);
  answer.writeUInt16BE(answer.length - HEADER, 2);
  return { answer, nominated: attributes.has(USE_CANDIDATE) };
}

/** The check of a browser that has selected this path: with the other side's credentials. */
export function bindingRequest({ ufrag, pwd }: Credentials): Buffer {
  const header = Buffer.alloc(HEADER);
  header.writeUInt16BE(BINDING_REQUEST, 0);
  header.writeUInt32BE(MAGIC, 4);
  randomBytes(12).copy(header, 8);
  let request = Buffer.concat([header, attribute(USERNAME, Buffer.from(`${ufrag}:browser`)), attribute(USE_CANDIDATE, Buffer.alloc(0))]);
  request = Buffer.concat([request, attribute(MESSAGE_INTEGRITY, integrity(request, request.length, pwd))]);
  request = Buffer.concat([request, attribute(FINGERPRINT, fingerprint(request, request.length))]);
  request.writeUInt16BE(request.length - HEADER, 2);
  return request;
}
