import { bytesOf, copyOf } from '../base/memory';
import type { SendCallback } from './messages';

/** Bytes that may wait before `send` returns false. */
const HIGH_WATER_MARK = 16 * 1024;
/** Bytes that may wait at all. */
const LIMIT = 1024 * 1024;

interface EarlyMessage {
  readonly message: Buffer;
  readonly callback: SendCallback | undefined;
}

/** Messages that are sent before the handshake is over, and wait for it. */
export class EarlyMessages {
  #messages: EarlyMessage[] = [];
  #bytes = 0;

  /** More should not come. */
  get aboveHighWaterMark(): boolean {
    return this.#bytes > HIGH_WATER_MARK;
  }

  /** False when there is no room for it. */
  add(message: Uint8Array, callback: SendCallback | undefined): boolean {
    const still = bytesOf(message);
    if (this.#bytes + still.length > LIMIT) return false;
    // The caller may reuse its memory when send() returns, as with an open session.
    this.#messages.push({ message: copyOf(still), callback });
    this.#bytes += still.length;
    return true;
  }

  /** All of them, in order; none is left. */
  take(): EarlyMessage[] {
    const messages = this.#messages;
    this.#messages = [];
    this.#bytes = 0;
    return messages;
  }
}
