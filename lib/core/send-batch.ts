import { copyTo, sizeOf } from '../base/memory';
import type { NativeEndpoint } from './native';

/** A batch has at most so many messages, and so many bytes. */
const MESSAGES = 128;
const BYTES = 64 * 1024;
/** The words of the header of one message: slot, generation, length. EndpointWrap::send_batch reads them. */
const WORDS = 3;
/** In the length: what is none of DTLS, for a peer that slot and generation name as in `sendPacket`. */
const PACKET = 0x80000000;

/**
 * Messages of one tick, and packets, on their way down. A call of native code costs as much as the encryption of a small
 * message, so that one call takes many: they are copied here, one behind the other, until `flush`. It holds
 * those of one endpoint at a time, and every other call to that endpoint comes after them: what was
 * called first happens first.
 */
class SendBatch {
  readonly #headers = new Uint32Array(MESSAGES * WORDS);
  readonly #bytes = Buffer.allocUnsafeSlow(BYTES);
  #core: NativeEndpoint | undefined;
  #count = 0;
  #used = 0;

  /**
   * Adds a message, as a copy. No message of DTLS is as long as BYTES: of one that has grown since it was looked at, so
   * many bytes are enough to have it refused, and so is a packet.
   */
  add(core: NativeEndpoint, slot: number, generation: number, message: Uint8Array, isPacket = false): void {
    const size = Math.min(sizeOf(message), BYTES);
    const full = this.#count === MESSAGES || this.#used + size > BYTES;
    if (full || this.#core !== core) {
      this.flush();
      this.#core = core;
    }
    copyTo(this.#bytes, this.#used, message, size);
    const at = this.#count++ * WORDS;
    this.#headers[at] = slot;
    this.#headers[at + 1] = generation;
    this.#headers[at + 2] = isPacket ? size + PACKET : size;
    this.#used += size;
  }

  holds(core: NativeEndpoint | undefined): boolean {
    return this.#count !== 0 && this.#core === core;
  }

  /** That endpoint, when what waits here for it has gone down: any other call to it goes through this. */
  drained(core: NativeEndpoint): NativeEndpoint {
    if (this.holds(core)) this.flush();
    return core;
  }

  /** Hands the messages down. */
  flush(): void {
    const core = this.#core;
    const count = this.#count;
    this.#core = undefined;
    this.#count = this.#used = 0;
    if (count !== 0) core?.sendBatch(this.#headers, this.#bytes, count);
  }
}

export const sendBatch = new SendBatch();
