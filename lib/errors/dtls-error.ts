import type { Peer } from '../base/peer';

/** What kind of thing went wrong, for code that decides by it. */
export type DTLSErrorCategory =
  | 'usage'
  | 'io'
  | 'protocol'
  | 'alert'
  | 'certificate'
  | 'timeout'
  | 'closed'
  | 'internal';

/** Everything beside the message that a {@link DTLSError} can carry. */
export interface DTLSErrorDetails {
  code: string;
  category: DTLSErrorCategory;
  hint?: string | undefined;
  reason?: string | undefined;
  library?: string | undefined;
  openssl?: string | undefined;
  alert?: string | undefined;
  peer?: Peer | undefined;
  errno?: number | undefined;
  syscall?: string | undefined;
  cause?: unknown;
}

/**
 * Every error of this package: thrown, passed to a callback, or emitted.
 *
 * `code` is `ERR_DTLS_…`, OpenSSL's name for a certificate that was refused (`CERT_HAS_EXPIRED`), Node's
 * name where Node has one (`ERR_INVALID_ARG_TYPE`), or the errno name of a system error. All codes are
 * in docs/errors.md.
 */
export class DTLSError extends Error {
  // Node prints an error by the name of its class, and a bundler may have given that another one.
  static {
    Object.defineProperty(this, 'name', { value: 'DTLSError' });
  }
  /** `'AbortError'` where a `signal` was aborted, as with Node's own APIs: then `code` is `ABORT_ERR`. */
  override readonly name: 'DTLSError' | 'AbortError';
  readonly code: string;
  readonly category: DTLSErrorCategory;
  // Declared, not defined: what is not known is not there, and does not print as undefined.
  /** One sentence of what to check. */
  declare readonly hint?: string;
  /** OpenSSL's own words. */
  declare readonly reason?: string;
  /** The part of OpenSSL that spoke. */
  declare readonly library?: string;
  /** OpenSSL's whole line, `error:0A000410:SSL routines::…`, which is the message in `tls`. */
  declare readonly openssl?: string;
  /** The alert that was received, or that was sent because of this error. */
  declare readonly alert?: string;
  /** The peer that the error is about. */
  declare readonly peer?: Peer;
  declare readonly errno?: number;
  declare readonly syscall?: string;

  constructor(message: string, details: DTLSErrorDetails) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = details.code === 'ABORT_ERR' ? 'AbortError' : 'DTLSError';
    this.code = details.code;
    this.category = details.category;
    if (details.hint !== undefined && details.hint !== '') this.hint = details.hint;
    if (details.reason !== undefined && details.reason !== '') this.reason = details.reason;
    if (details.library !== undefined && details.library !== '') this.library = details.library;
    if (details.openssl !== undefined && details.openssl !== '') this.openssl = details.openssl;
    if (details.alert !== undefined) this.alert = details.alert;
    if (details.peer !== undefined) this.peer = details.peer;
    if (details.errno !== undefined) this.errno = details.errno;
    if (details.syscall !== undefined) this.syscall = details.syscall;
  }
}

export function usageError(code: string, message: string, hint?: string): DTLSError {
  return new DTLSError(message, { code, category: 'usage', hint });
}
