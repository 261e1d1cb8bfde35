/** Errors of the core in the words of `node:dtls`. */
import { getSystemErrorMap } from 'node:util';

import type { DTLSError } from '../errors/errors';
import { invalidState } from './checks';

interface Circumstances {
  /** What a callback of the user's threw, and with it ended the handshake. */
  readonly thrown?: { value: unknown } | undefined;
  /** A session was given to be resumed. */
  readonly resuming?: boolean | undefined;
}

export function nodeError(error: DTLSError, { thrown, resuming }: Circumstances = {}): unknown {
  if (thrown !== undefined) return thrown.value;
  // An option that `node:dtls` has not.
  if (error.code === 'ERR_DTLS_IDLE_TIMEOUT') return invalidState('DTLS session idle timeout', error);
  // Keys that differ are found out at the handshake's deadline; `node:dtls` knows of nothing but the deadline.
  if (error.category === 'timeout' || error.code === 'ERR_DTLS_PSK_MISMATCH') {
    return invalidState('DTLS handshake timeout', error);
  }
  // Where `node:dtls` resumes and then looks, a session without trust is not offered here, and the full handshake fails.
  if (resuming === true && error.category === 'certificate') {
    return invalidState(`Peer certificate verification failed: ${error.code}`, error);
  }
  if (error.category === 'io' && error.errno !== undefined) {
    const [, text] = getSystemErrorMap().get(error.errno) ?? [];
    return invalidState(text ?? error.message, error);
  }
  return invalidState(error.openssl ?? error.message, error);
}
