/** What a message may be, and what becomes of it. */
import { AsyncResource } from 'node:async_hooks';

import { usageError, type DTLSError } from '../errors/errors';
import { sizeOf } from '../base/memory';
import { MAX_MESSAGE } from '../options/types';
import { noMore } from '../checks/arguments';
import { bytes, integer, payload, wrongType } from '../checks/validate';

export type Message = string | NodeJS.ArrayBufferView;
export type SendCallback = (error: DTLSError | null) => void;

/** One message of several parts. All are read before any is looked at: to read one may take another's memory away. */
export const joined = (name: string, parts: readonly Message[]): Buffer =>
  Buffer.concat(Array.from(parts).map((part) => (typeof part === 'string' ? Buffer.from(part) : bytes(name, part))));

/** The message and the callback that the arguments of `send` mean. */
export function readSend(
  message: Message | readonly Message[],
  offsetOrCallback: number | SendCallback | undefined,
  length: number | undefined,
  callback: SendCallback | undefined,
): [message: Uint8Array, callback: SendCallback | undefined] {
  let given = Array.isArray(message) ? joined('message', message) : payload('message', message);
  let done = callback;
  refuseAddress(offsetOrCallback, length, callback);
  if (typeof offsetOrCallback === 'number') {
    const whole = bytes('message', given);
    const offset = integer('offset', offsetOrCallback, 0, 0, whole.length);
    const size = integer('length', length, whole.length - offset, 0, whole.length - offset);
    given = whole.subarray(offset, offset + size);
  } else if (offsetOrCallback !== undefined) {
    if (length !== undefined || callback !== undefined) noMore('send', [message, offsetOrCallback, length, callback], 2);
    done = offsetOrCallback;
  } else if (typeof length === 'function') {
    throw wrongType('length', 'a number', length, 'send(message[, offset, length][, callback]).');
  }
  checkCallback(done);
  return [given, done];
}

/** The arguments of dgram's `send`: a port and an address, or a callback behind the port. */
function refuseAddress(port: unknown, address: unknown, behind: unknown): void {
  if (typeof port !== 'number' && typeof port !== 'string') return;
  if (typeof address === 'string' || typeof address === 'function') throw wrongType('length', 'a number', address, ONE_PEER);
  if (typeof behind === 'number') throw wrongType('callback', 'a function', behind, ONE_PEER);
}

const ONE_PEER = 'A DTLSSocket has one peer, and takes no port and address: send(message[, offset, length][, callback]).';

export function checkCallback(callback: SendCallback | undefined): void {
  if (callback !== undefined && typeof callback !== 'function') {
    throw wrongType('callback', 'a function', callback, 'send(message[, offset, length][, callback]): it is called with null, or with what went wrong.');
  }
}

/** The callback of a `send`: it has the context (AsyncLocalStorage) of that call, as dgram's has, whoever calls it. */
export function inItsContext<A extends unknown[]>(
  callback: ((...args: A) => void) | undefined,
): ((...args: A) => void) | undefined {
  if (callback === undefined) return undefined;
  const context = new AsyncResource('DGRAM_DTLS_SEND');
  return (...args) => {
    try {
      context.runInAsyncScope(callback, undefined, ...args);
    } finally {
      context.emitDestroy();
    }
  };
}

/** `most`: MAX_MESSAGE, or less where the session has negotiated that. */
export function tooBig(length: number, most: number): DTLSError {
  const whose = most < MAX_MESSAGE ? 'that the peers agreed on (max_fragment_length)' : 'of one DTLS record';
  return usageError(
    'ERR_DTLS_MESSAGE_TOO_BIG',
    `a message of ${String(length)} bytes is above the ${String(most)} ${whose}`,
    'DTLS does not split messages: divide it, or send it another way.',
  );
}

export function checkSize(message: Uint8Array, most: number): void {
  const size = sizeOf(message);
  if (size > most) throw tooBig(size, most);
  if (size === 0) {
    throw usageError(
      'ERR_DTLS_EMPTY_MESSAGE',
      'OpenSSL sends no records without content',
      'Send at least one byte.',
    );
  }
}

/** Makes a function that is to be called `count` times; the last call calls `callback`, with the first error. */
export function afterAll(count: number, callback: SendCallback): SendCallback {
  let left = count;
  let failure: DTLSError | null = null;
  return (error) => {
    failure ??= error;
    left -= 1;
    if (left === 0) callback(failure);
  };
}
