import { DTLSError } from '../../lib/index';

/** The error of ours that a call throws. */
export function thrown(call: () => unknown): DTLSError {
  try {
    call();
  } catch (error) {
    if (error instanceof DTLSError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}
