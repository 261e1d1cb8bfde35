/** Opens records of DTLS 1.3 with the traffic secrets of a key log: RFC 9147 section 4.2, RFC 8446 section 7.3. */
import { createCipheriv, createDecipheriv, createHmac, type CipherCCMTypes, type CipherGCMTypes } from 'node:crypto';

import type { UnifiedRecord } from './records';
import { suiteName } from './suites';

interface Aead {
  readonly cipher: 'aes-128-gcm' | 'aes-256-gcm' | 'aes-128-ccm' | 'chacha20-poly1305';
  /** What hides the numbers: section 4.2.3. */
  readonly mask: 'aes-128-ecb' | 'aes-256-ecb' | 'chacha20';
  readonly key: 16 | 32;
  readonly tag: 8 | 16;
  readonly digest: 'sha256' | 'sha384';
}

/** RFC 8446 appendix B.4. */
const AEADS: Readonly<Record<string, Aead>> = {
  TLS_AES_128_GCM_SHA256: { cipher: 'aes-128-gcm', mask: 'aes-128-ecb', key: 16, tag: 16, digest: 'sha256' },
  TLS_AES_256_GCM_SHA384: { cipher: 'aes-256-gcm', mask: 'aes-256-ecb', key: 32, tag: 16, digest: 'sha384' },
  TLS_CHACHA20_POLY1305_SHA256: { cipher: 'chacha20-poly1305', mask: 'chacha20', key: 32, tag: 16, digest: 'sha256' },
  TLS_AES_128_CCM_SHA256: { cipher: 'aes-128-ccm', mask: 'aes-128-ecb', key: 16, tag: 16, digest: 'sha256' },
  TLS_AES_128_CCM_8_SHA256: { cipher: 'aes-128-ccm', mask: 'aes-128-ecb', key: 16, tag: 8, digest: 'sha256' },
};

/** HKDF-Expand-Label with an empty context and DTLS's prefix: RFC 8446 section 7.1, RFC 9147 section 5.9. */
function expandLabel(digest: string, secret: Buffer, label: string, size: number): Buffer {
  const full = Buffer.from(`dtls13${label}`);
  const info = Buffer.concat([Buffer.from([size >> 8, size & 0xff, full.length]), full, Buffer.from([0])]);
  let out = Buffer.alloc(0);
  let block = Buffer.alloc(0);
  for (let round = 1; out.length < size; ++round) {
    block = createHmac(digest, secret).update(block).update(info).update(Buffer.from([round])).digest();
    out = Buffer.concat([out, block]);
  }
  return out.subarray(0, size);
}

/** What a record was before it was sealed: DTLSInnerPlaintext of section 4. */
export interface Opened {
  readonly type: number;
  readonly content: Buffer;
  readonly epoch: number;
  readonly sequence: number;
}

/** The keys of one epoch of one direction. */
class EpochKeys {
  readonly epoch: number;
  readonly #aead: Aead;
  readonly #key: Buffer;
  readonly #iv: Buffer;
  readonly #numbers: Buffer;
  #next = 0;

  constructor(aead: Aead, epoch: number, secret: Buffer) {
    this.epoch = epoch;
    this.#aead = aead;
    this.#key = expandLabel(aead.digest, secret, 'key', aead.key);
    this.#iv = expandLabel(aead.digest, secret, 'iv', 12);
    this.#numbers = expandLabel(aead.digest, secret, 'sn', aead.key);
  }

  open({ header, numberAt, numberSize, fragment }: UnifiedRecord): Opened | undefined {
    const { cipher, tag } = this.#aead;
    const size = fragment.length - tag;
    if (size < 1 || fragment.length < 16) return undefined;
    const mask = this.#mask(fragment.subarray(0, 16));
    const additional = Buffer.from(header);
    for (let at = 0; at < numberSize; ++at) additional[numberAt + at] = (header[numberAt + at] ?? 0) ^ (mask[at] ?? 0);
    const sequence = this.#whole(additional.readUIntBE(numberAt, numberSize), numberSize);
    const nonce = Buffer.from(this.#iv);
    const number = Buffer.alloc(8);
    number.writeBigUInt64BE(BigInt(sequence));
    for (let at = 0; at < 8; ++at) nonce[4 + at] = (nonce[4 + at] ?? 0) ^ (number[at] ?? 0);
    let inner: Buffer;
    try {
      const name = cipher as CipherGCMTypes & CipherCCMTypes;
      const decipher = createDecipheriv(name, this.#key, nonce, { authTagLength: tag });
      decipher.setAuthTag(fragment.subarray(size));
      decipher.setAAD(additional, { plaintextLength: size });
      inner = Buffer.concat([decipher.update(fragment.subarray(0, size)), decipher.final()]);
    } catch {
      return undefined; // the tag does not match: another epoch's key, or not what was sent
    }
    let end = inner.length;
    while (end > 0 && inner[end - 1] === 0) end -= 1;
    if (end === 0) return undefined; // nothing but padding: section 4 has such records dropped
    this.#next = Math.max(this.#next, sequence + 1);
    return { type: inner[end - 1] ?? 0, content: inner.subarray(0, end - 1), epoch: this.epoch, sequence };
  }

  #mask(sample: Buffer): Buffer {
    const { mask } = this.#aead;
    // ChaCha20 takes its counter and nonce from the sample, in the order in which OpenSSL wants them.
    if (mask === 'chacha20') return createCipheriv(mask, this.#numbers, sample).update(Buffer.alloc(2));
    return createCipheriv(mask, this.#numbers, null).update(sample);
  }

  /** The number with these low bits that is closest to the one expected next: section 4.2.2. */
  #whole(low: number, size: number): number {
    const range = 256 ** size;
    const near = this.#next - (this.#next % range) + low;
    const candidates = [near - range, near, near + range].filter((number) => number >= 0);
    const distance = (number: number): number => Math.abs(number - this.#next);
    return candidates.reduce((best, one) => (distance(one) < distance(best) ? one : best));
  }
}

/** One direction: the handshake's epoch, that of application data, and those that KeyUpdates have made. */
class Direction {
  readonly #aead: Aead;
  /** The newest first. */
  readonly #epochs: EpochKeys[] = [];
  #secret: Buffer | undefined;

  constructor(aead: Aead, handshake: Buffer | undefined, traffic: Buffer | undefined) {
    this.#aead = aead;
    this.#secret = traffic;
    if (handshake !== undefined) this.#epochs.push(new EpochKeys(aead, 2, handshake));
    if (traffic !== undefined) this.#epochs.unshift(new EpochKeys(aead, 3, traffic));
  }

  open(record: UnifiedRecord): Opened | undefined {
    for (const keys of this.#epochs) {
      const opened = (keys.epoch & 3) === record.epochBits ? keys.open(record) : undefined;
      if (opened !== undefined) return opened;
    }
    return this.#openWithNext(record);
  }

  #openWithNext(record: UnifiedRecord): Opened | undefined {
    const epoch = (this.#epochs[0]?.epoch ?? 0) + 1;
    if (this.#secret === undefined || (epoch & 3) !== record.epochBits) return undefined;
    const { digest } = this.#aead;
    const secret = expandLabel(digest, this.#secret, 'traffic upd', this.#secret.length);
    const keys = new EpochKeys(this.#aead, epoch, secret);
    const opened = keys.open(record);
    if (opened === undefined) return undefined;
    this.#secret = secret;
    this.#epochs.unshift(keys);
    this.#epochs.length = Math.min(this.#epochs.length, 4); // no header can name more than four
    return opened;
  }
}

export class RecordKeys13 {
  readonly #client: Direction;
  readonly #server: Direction;

  private constructor(client: Direction, server: Direction) {
    this.#client = client;
    this.#server = server;
  }

  /** `secretOf`: the secret with that label of the key log. Undefined for a suite that is none of DTLS 1.3. */
  static derive(suite: number, secretOf: (label: string) => Buffer | undefined): RecordKeys13 | undefined {
    const aead = AEADS[suiteName(suite)];
    if (aead === undefined) return undefined;
    const direction = (side: string): Direction =>
      new Direction(aead, secretOf(`${side}_HANDSHAKE_TRAFFIC_SECRET`), secretOf(`${side}_TRAFFIC_SECRET_0`));
    return new RecordKeys13(direction('CLIENT'), direction('SERVER'));
  }

  /** Of the client's or the server's; of either's when that is not known. */
  open(record: UnifiedRecord, fromClient: boolean | undefined): Opened | undefined {
    if (fromClient === undefined) return this.#client.open(record) ?? this.#server.open(record);
    return (fromClient ? this.#client : this.#server).open(record);
  }
}
