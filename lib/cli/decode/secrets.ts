/** The secrets of a key log, and AEAD records of DTLS 1.2 opened with its master secrets. */
import { createDecipheriv, type CipherCCMTypes, type CipherGCMTypes } from 'node:crypto';

import { native } from '../../core/native';
import type { DtlsRecord } from './records';
import { suiteName } from './suites';

/** The lines of an NSS key log, `<label> <client random> <secret>`, by label and client's random. */
export function readKeyLog(text: string): Map<string, Buffer> {
  const secrets = new Map<string, Buffer>();
  for (const line of text.split('\n')) {
    const match = /^([A-Z_0-9]+) ([0-9a-f]{64}) ([0-9a-f]{64}|[0-9a-f]{96})\s*$/i.exec(line);
    if (match === null) continue;
    const [, label = '', random = '', secret = ''] = match;
    secrets.set(secretName(label.toUpperCase(), random), Buffer.from(secret, 'hex'));
  }
  return secrets;
}

/** Under what {@link readKeyLog} keeps a secret. */
export const secretName = (label: string, clientRandom: string): string => `${label} ${clientRandom.toLowerCase()}`;

interface Aead {
  readonly cipher: 'aes-128-gcm' | 'aes-256-gcm' | 'aes-128-ccm' | 'aes-256-ccm' | 'chacha20-poly1305';
  readonly key: number;
  readonly iv: number;
  readonly explicit: number;
  readonly tag: number;
  readonly digest: 'sha256' | 'sha384';
}

function aeadOf(suite: number): Aead | undefined {
  const name = suiteName(suite);
  const match = /_WITH_(?:AES_(128|256)_(GCM|CCM)(_8)?|(CHACHA20_POLY1305))/.exec(name);
  if (match === null) return undefined;
  const digest = name.endsWith('SHA384') ? 'sha384' : 'sha256';
  if (match[4] !== undefined) {
    return { cipher: 'chacha20-poly1305', key: 32, iv: 12, explicit: 0, tag: 16, digest };
  }
  const bits = match[1] === '256' ? 256 : 128;
  const mode = match[2] === 'CCM' ? 'ccm' : 'gcm';
  return {
    cipher: `aes-${bits}-${mode}`,
    key: bits / 8,
    iv: 4,
    explicit: 8,
    tag: match[3] === undefined ? 16 : 8,
    digest,
  };
}

export class RecordKeys {
  readonly #aead: Aead;
  readonly #keys: readonly { key: Buffer; iv: Buffer }[];

  private constructor(aead: Aead, keys: readonly { key: Buffer; iv: Buffer }[]) {
    this.#aead = aead;
    this.#keys = keys;
  }

  /** Undefined for a suite that is no AEAD. */
  static derive(suite: number, master: Buffer, clientRandom: Buffer, serverRandom: Buffer): RecordKeys | undefined {
    const aead = aeadOf(suite);
    if (aead === undefined) return undefined;
    const { key, iv, digest } = aead;
    const seed = Buffer.concat([serverRandom, clientRandom]);
    const block = native.prf(digest, master, 'key expansion', seed, 2 * (key + iv));
    const ivs = 2 * key;
    return new RecordKeys(aead, [
      { key: block.subarray(0, key), iv: block.subarray(ivs, ivs + iv) },
      { key: block.subarray(key, ivs), iv: block.subarray(ivs + iv) },
    ]);
  }

  /** The content of a record of the client's or the server's; of either's when that is not known. */
  open(record: DtlsRecord, fromClient: boolean | undefined): Buffer | undefined {
    const order = fromClient === undefined ? [0, 1] : [fromClient ? 0 : 1];
    for (const side of order) {
      const content = this.#openWith(record, side);
      if (content !== undefined) return content;
    }
    return undefined;
  }

  #openWith(record: DtlsRecord, side: number): Buffer | undefined {
    const keys = this.#keys[side];
    const { cipher, explicit, tag } = this.#aead;
    const { fragment, whole } = record;
    const size = fragment.length - explicit - tag;
    if (keys === undefined || size < 0) return undefined;
    let nonce = Buffer.concat([keys.iv, fragment.subarray(0, explicit)]);
    if (explicit === 0) {
      // RFC 7905 section 2: the IV XOR epoch and sequence number.
      nonce = Buffer.from(nonce);
      for (let at = 0; at < 8; ++at) nonce[4 + at] = (nonce[4 + at] ?? 0) ^ (whole[3 + at] ?? 0);
    }
    const additional = Buffer.alloc(13);
    whole.copy(additional, 0, 3, 11);
    whole.copy(additional, 8, 0, 3);
    additional.writeUInt16BE(size, 11);
    try {
      const options = { authTagLength: tag };
      const decipher = createDecipheriv(cipher as CipherGCMTypes & CipherCCMTypes, keys.key, nonce, options);
      decipher.setAuthTag(fragment.subarray(explicit + size));
      decipher.setAAD(additional, { plaintextLength: size });
      const content = decipher.update(fragment.subarray(explicit, explicit + size));
      return Buffer.concat([content, decipher.final()]);
    } catch {
      return undefined; // the tag does not match: another key, or not what was sent
    }
  }
}
