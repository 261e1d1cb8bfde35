/**
 * SRTP and SRTCP by node:crypto, from RFC 3711 and RFC 7714: shows that the keys of `getSrtp` are those that the
 * browser has. Each of one direction.
 */
import { createCipheriv, createDecipheriv, createHmac, timingSafeEqual } from 'node:crypto';
import type { SrtpKeys } from '../../lib/index';

type Profile = SrtpKeys['profile'];

/** The first label of each (RFC 3711 section 4.3.2): encryption, then authentication, then salt. */
const RTP_LABELS = 0;
const RTCP_LABELS = 3;
const GCM_TAG = 16;
const RTCP_TAG = 10;
const RTCP_HEADER = 8;
const ENCRYPTED = 0x80000000;
const SEQUENCES = 0x10000;

const isGcm = (profile: Profile): boolean => profile.startsWith('SRTP_AEAD_');

function word(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}

/** RFC 3711 section 4.3.3, without key derivation at intervals. */
function derive(key: Buffer, salt: Buffer, label: number, length: number): Buffer {
  const x = Buffer.concat([salt, Buffer.alloc(16 - salt.length)]); // a salt of 12 bytes: RFC 7714 section 11
  x.writeUInt8(x.readUInt8(7) ^ label, 7);
  return createCipheriv(`aes-${key.length * 8}-ctr`, key, x).update(Buffer.alloc(length));
}

/** What seals packets of one kind. */
class Keys {
  readonly #gcm: boolean;
  readonly #key: Buffer;
  readonly #salt: Buffer;
  readonly #authentication: Buffer;

  constructor(profile: Profile, key: Buffer, salt: Buffer, labels: number) {
    this.#gcm = isGcm(profile);
    this.#key = derive(key, salt, labels, key.length);
    this.#authentication = derive(key, salt, labels + 1, 20);
    this.#salt = derive(key, salt, labels + 2, salt.length);
  }

  /** RFC 3711 section 4.1.1, RFC 7714 sections 8.1 and 9.1: `place` is the source and an index of 48 bits. */
  #iv(place: Buffer): Buffer {
    const padded = this.#gcm
      ? Buffer.concat([Buffer.alloc(2), place])
      : Buffer.concat([Buffer.alloc(4), place, Buffer.alloc(2)]);
    return Buffer.from(padded.map((byte, index) => byte ^ (this.#salt[index] ?? 0)));
  }

  get #aes(): 'aes-128-gcm' | 'aes-256-gcm' {
    return this.#key.length === 32 ? 'aes-256-gcm' : 'aes-128-gcm';
  }

  seal(header: Buffer, payload: Buffer, place: Buffer, more: Buffer, tagLength: number): { text: Buffer; tag: Buffer } {
    if (this.#gcm) {
      const cipher = createCipheriv(this.#aes, this.#key, this.#iv(place), { authTagLength: GCM_TAG });
      cipher.setAAD(Buffer.concat([header, more]));
      return { text: Buffer.concat([cipher.update(payload), cipher.final()]), tag: cipher.getAuthTag() };
    }
    const text = createCipheriv('aes-128-ctr', this.#key, this.#iv(place)).update(payload);
    return { text, tag: this.#tag(header, text, more, tagLength) };
  }

  open(header: Buffer, text: Buffer, tag: Buffer, place: Buffer, more: Buffer): Buffer {
    if (this.#gcm) {
      const decipher = createDecipheriv(this.#aes, this.#key, this.#iv(place), { authTagLength: GCM_TAG });
      decipher.setAAD(Buffer.concat([header, more])).setAuthTag(tag);
      return Buffer.concat([decipher.update(text), decipher.final()]);
    }
    if (!timingSafeEqual(tag, this.#tag(header, text, more, tag.length))) throw new Error('a wrong SRTP tag');
    return createDecipheriv('aes-128-ctr', this.#key, this.#iv(place)).update(text);
  }

  #tag(header: Buffer, text: Buffer, more: Buffer, length: number): Buffer {
    const mac = createHmac('sha1', this.#authentication).update(header).update(text).update(more).digest();
    return mac.subarray(0, length);
  }
}

/** The length of an RTP header with its sources and its extension. */
function headerLength(packet: Buffer): number {
  const first = packet.readUInt8(0);
  const fixed = 12 + 4 * (first & 0x0f);
  return (first & 0x10) === 0 ? fixed : fixed + 4 + 4 * packet.readUInt16BE(fixed + 2);
}

/** The packets that are counted over what 16 bits hold, of each source. */
class Counters {
  readonly #highest = new Map<number, number>();

  /** RFC 3711 section 3.3.1: the index of a packet, from the 16 bits of it that it carries. */
  index(ssrc: number, sequence: number): number {
    const highest = this.#highest.get(ssrc) ?? sequence;
    const base = highest - (highest % SEQUENCES) + sequence;
    const index = [base - SEQUENCES, base, base + SEQUENCES]
      .filter((candidate) => candidate >= 0)
      .reduce((best, next) => (Math.abs(next - highest) < Math.abs(best - highest) ? next : best));
    this.#highest.set(ssrc, Math.max(index, highest));
    return index;
  }
}

export class Srtp {
  readonly #gcm: boolean;
  readonly #tagLength: number;
  readonly #rtp: Keys;
  readonly #rtcp: Keys;
  readonly #counters = new Counters();
  #reports = 0;

  constructor(profile: Profile, key: Buffer, salt: Buffer) {
    this.#gcm = isGcm(profile);
    this.#tagLength = this.#gcm ? GCM_TAG : profile === 'SRTP_AES128_CM_SHA1_32' ? 4 : 10;
    this.#rtp = new Keys(profile, key, salt, RTP_LABELS);
    this.#rtcp = new Keys(profile, key, salt, RTCP_LABELS);
  }

  /** An RTP packet as it was before it was protected. Throws where its tag is wrong. */
  unprotect(packet: Buffer): Buffer {
    const { header, place, rollover } = this.#packet(packet);
    const text = packet.subarray(header.length, -this.#tagLength);
    return Buffer.concat([header, this.#rtp.open(header, text, packet.subarray(-this.#tagLength), place, rollover)]);
  }

  protect(packet: Buffer): Buffer {
    const { header, place, rollover } = this.#packet(packet);
    const { text, tag } = this.#rtp.seal(header, packet.subarray(header.length), place, rollover, this.#tagLength);
    return Buffer.concat([header, text, tag]);
  }

  unprotectRtcp(packet: Buffer): Buffer {
    const header = packet.subarray(0, RTCP_HEADER);
    // With GCM the index is behind the tag, otherwise before it.
    const tag = this.#gcm ? packet.subarray(-4 - GCM_TAG, -4) : packet.subarray(-RTCP_TAG);
    const text = packet.subarray(RTCP_HEADER, this.#gcm ? -4 - GCM_TAG : -4 - RTCP_TAG);
    const index = this.#gcm ? packet.subarray(-4) : packet.subarray(-4 - RTCP_TAG, -RTCP_TAG);
    return Buffer.concat([header, this.#rtcp.open(header, text, tag, this.#report(header, index), index)]);
  }

  protectRtcp(packet: Buffer): Buffer {
    const header = packet.subarray(0, RTCP_HEADER);
    const index = word(ENCRYPTED + ++this.#reports);
    const place = this.#report(header, index);
    const { text, tag } = this.#rtcp.seal(header, packet.subarray(RTCP_HEADER), place, index, RTCP_TAG);
    return Buffer.concat(this.#gcm ? [header, text, tag, index] : [header, text, index, tag]);
  }

  #packet(packet: Buffer): { header: Buffer; place: Buffer; rollover: Buffer } {
    const ssrc = packet.subarray(8, 12);
    const index = this.#counters.index(ssrc.readUInt32BE(0), packet.readUInt16BE(2));
    const counted = word(Math.floor(index / SEQUENCES));
    return {
      header: packet.subarray(0, headerLength(packet)),
      place: Buffer.concat([ssrc, counted, packet.subarray(2, 4)]),
      rollover: this.#gcm ? Buffer.alloc(0) : counted,
    };
  }

  #report(header: Buffer, index: Buffer): Buffer {
    if ((index.readUInt32BE(0) & ENCRYPTED) === 0) throw new Error('an SRTCP packet in clear');
    return Buffer.concat([header.subarray(4, 8), Buffer.alloc(2), word(index.readUInt32BE(0) & ~ENCRYPTED)]);
  }
}
