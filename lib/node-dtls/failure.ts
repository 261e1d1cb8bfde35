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
  if (error.category === 'certificate' && error.code !== 'ERR_DTLS_PEER_CERTIFICATE_MISSING') {
    // OpenSSL's words for whatever is wrong with a certificate; `cause` has the code.
    return invalidState('error:0A000086:SSL routines::certificate verify failed', error);
  }
  if (error.category === 'io' && error.errno !== undefined) {
    const [, text] = getSystemErrorMap().get(error.errno) ?? [];
    return invalidState(text ?? error.message, error);
  }
  if (error.reason !== undefined) {
    return invalidState(`error:0A000000:SSL routines::${error.reason}`, error);
  }
  return invalidState(error.message, error);
}
