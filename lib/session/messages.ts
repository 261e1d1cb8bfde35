/** What a message may be, and what becomes of it. */
import { usageError } from '../errors';
import { MAX_MESSAGE } from '../options';

export type Message = string | NodeJS.ArrayBufferView;
export type SendCallback = (error: Error | null) => void;

export function checkSize(message: Buffer): void {
  if (message.length > MAX_MESSAGE) {
    throw usageError(
      'ERR_DTLS_MESSAGE_TOO_BIG',
      `a message of ${String(message.length)} bytes is above the ${String(MAX_MESSAGE)} of one DTLS record`,
      'DTLS does not split messages: divide it, or send it another way.',
    );
  }
  if (message.length === 0) {
    throw usageError(
      'ERR_DTLS_EMPTY_MESSAGE',
      'OpenSSL sends no records without content',
      'Send at least one byte.',
    );
  }
}

/** Not from Buffer's pool, which many share. */
export function ownCopy(message: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(message.length);
  message.copy(copy);
  return copy;
}

/** To be called `count` times; the last call calls `callback`, with the first error. */
export function afterAll(count: number, callback: SendCallback): SendCallback {
  let left = count;
  let failure: Error | null = null;
  return (error) => {
    failure ??= error;
    left -= 1;
    if (left === 0) callback(failure);
  };
}
