/** What `session.session` gives and the `session` option takes: a session, and the identity that it is bound to. */
import type { NonSharedBuffer } from '../base/non-shared-buffer';
import { DTLSError } from '../errors/errors';
import { invalidArgType, invalidArgValue } from '../errors/node-errors';
import { readSession } from '../options/resumption';

/** The bytes that `node:dtls` begins its own with; what follows is our session, of the same OpenSSL and with more in it. */
const PREFIX = Buffer.from('\0nodejs:dtls:session:1\0');
const LENGTH_SIZE = 2;
const IDENTITY_AT = PREFIX.length + LENGTH_SIZE;

/** `identity`: as what the server was verified. */
export function wrapSession(session: NonSharedBuffer, identity: string): NonSharedBuffer {
  const name = Buffer.from(identity);
  const wrapped = Buffer.alloc(IDENTITY_AT + name.length + session.length);
  PREFIX.copy(wrapped);
  wrapped.writeUInt16BE(name.length, PREFIX.length);
  name.copy(wrapped, IDENTITY_AT);
  session.copy(wrapped, IDENTITY_AT + name.length);
  return wrapped;
}

/**
 * The session within.
 *
 * @throws `ERR_INVALID_ARG_TYPE` for anything but a Buffer; `ERR_INVALID_ARG_VALUE` for what `session.session` never
 * gave, or gave for another identity.
 */
export function unwrapSession(wrapped: unknown, identity: string): Buffer {
  if (!Buffer.isBuffer(wrapped)) {
    throw invalidArgType('options.session', 'an instance of Buffer', wrapped);
  }
  if (wrapped.length < IDENTITY_AT || !wrapped.subarray(0, PREFIX.length).equals(PREFIX)) {
    throw invalidArgValue('options.session', 'is not a session produced by session.session', wrapped);
  }
  const end = IDENTITY_AT + wrapped.readUInt16BE(PREFIX.length);
  if (wrapped.length < end) throw invalidArgValue('options.session', 'is truncated', wrapped);
  const bound = wrapped.toString('utf8', IDENTITY_AT, end);
  if (bound !== identity) {
    throw invalidArgValue(
      'options.session',
      `was authenticated for '${bound}' and cannot be reused for '${identity}'`,
      wrapped,
    );
  }
  const session = wrapped.subarray(end);
  try {
    readSession(session, '');
  } catch (error) {
    if (!(error instanceof DTLSError)) throw error;
    throw invalidArgValue('options.session', `is not a valid session: ${error.message}`, wrapped);
  }
  return session;
}
