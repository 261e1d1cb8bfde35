/**
 * Makes authentic records of a session between two ends of a {@link Link}: for what no well-behaved
 * peer sends. Works for AES-128-GCM with SHA-256 only, from the key log and the hellos in clear.
 */
import { createCipheriv, createHmac } from 'node:crypto';
import type { DTLSServer, DTLSSocket, Peer } from '../../lib/index';
import type { Link } from '../../lib/lab/index';

const HEADER = 13;
const TAG = 16;
const VERSION = 0xfefd;

/** RFC 5246 section 5. */
function prf(secret: Buffer, label: string, seed: Buffer, size: number): Buffer {
  const hmac = (data: Buffer): Buffer => createHmac('sha256', secret).update(data).digest();
  const whole = Buffer.concat([Buffer.from(label), seed]);
  const blocks: Buffer[] = [];
  for (let chain: Buffer = whole; blocks.length * 32 < size; ) {
    chain = hmac(chain);
    blocks.push(hmac(Buffer.concat([chain, whole])));
  }
  return Buffer.concat(blocks).subarray(0, size);
}

export class Sealer {
  readonly #link: Link;
  #master: Buffer = Buffer.alloc(0);
  #clientRandom: Buffer = Buffer.alloc(0);
  #serverRandom: Buffer = Buffer.alloc(0);
  #sequence = 1000; // above what the session itself has used

  /** To be made before the handshake begins. */
  constructor(link: Link, source: DTLSServer | DTLSSocket) {
    this.#link = link;
    (source as DTLSSocket).on('keylog', (line: Buffer) => {
      const [, random = '', master = ''] = line.toString().trim().split(' ');
      this.#clientRandom = Buffer.from(random, 'hex');
      this.#master = Buffer.from(master, 'hex');
    });
    link.observe = ({ datagram }) => {
      const serverHello = 2;
      if (datagram[0] !== 22 || datagram[HEADER] !== serverHello) return;
      this.#serverRandom = Buffer.from(datagram.subarray(HEADER + 12 + 2, HEADER + 12 + 34));
    };
  }

  /** Delivers a record of that type, as if `from` had sent it to `to`. */
  inject(role: 'client' | 'server', type: number, plaintext: Buffer, from: Peer, to: Peer): void {
    const seed = Buffer.concat([this.#serverRandom, this.#clientRandom]);
    const block = prf(this.#master, 'key expansion', seed, 40);
    const [key, salt] =
      role === 'client'
        ? [block.subarray(0, 16), block.subarray(32, 36)]
        : [block.subarray(16, 32), block.subarray(36, 40)];
    const header = Buffer.alloc(HEADER);
    header.writeUInt8(type, 0);
    header.writeUInt16BE(VERSION, 1);
    header.writeUInt16BE(1, 3);
    header.writeUIntBE(this.#sequence++, 5, 6);
    const explicit = header.subarray(3, 11);
    const aad = Buffer.alloc(13);
    explicit.copy(aad);
    header.copy(aad, 8, 0, 3);
    aad.writeUInt16BE(plaintext.length, 11);
    const cipher = createCipheriv('aes-128-gcm', key, Buffer.concat([salt, explicit]), {
      authTagLength: TAG,
    });
    cipher.setAAD(aad);
    const sealed = Buffer.concat([explicit, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
    header.writeUInt16BE(sealed.length, 11);
    this.#link.inject(Buffer.concat([header, sealed]), from, to);
  }
}

/** A whole handshake message. */
export function handshakeMessage(type: number, sequence: number, body: Buffer): Buffer {
  const header = Buffer.alloc(12);
  header.writeUInt8(type, 0);
  header.writeUIntBE(body.length, 1, 3);
  header.writeUInt16BE(sequence, 4);
  header.writeUIntBE(body.length, 9, 3);
  return Buffer.concat([header, body]);
}
