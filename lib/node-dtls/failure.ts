/** Errors of the core in the words of `node:dtls`. */
import { getSystemErrorMap } from 'node:util';

import type { DTLSError } from '../errors';
import { invalidState } from './checks';

/**
 * `thrown`: what a callback of the user's threw, and with it ended the handshake. Keys that differ are found out
 * at the handshake's deadline, and `node:dtls` knows of nothing but the deadline.
 */
export function nodeError(error: DTLSError, thrown?: { value: unknown }): unknown {
  if (thrown !== undefined) return thrown.value;
  if (error.category === 'timeout' || error.code === 'ERR_DTLS_PSK_MISMATCH') {
    return invalidState('DTLS handshake timeout', error);
  }
  if (error.category === 'io' && error.errno !== undefined) {
    const [, text] = getSystemErrorMap().get(error.errno) ?? [];
    return invalidState(text ?? error.message, error);
  }
  return invalidState(error.openssl ?? error.message, error);
}
