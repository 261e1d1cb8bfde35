/** What options say of resumption: a server's ticket keys, and the session that a client has kept. */
import { kGiveTicketKeys, kSessionTimeout } from '../base/internals';
import { bytes, wrongForm } from '../checks/validate';
import { native, type NativeKeptSession, type NativeTicketKeys } from '../core/native';
import { withTypedErrors } from '../errors/errors';
import type { SecureContext } from '../identity/secure-context';

/** Each server has its own, also where several share a context: unless that was given keys. */
export function makeTicketKeys(context: SecureContext): NativeTicketKeys {
  const keys = new native.TicketKeys(context[kSessionTimeout] * 1000);
  withTypedErrors(() => {
    context[kGiveTicketKeys](keys);
  });
  return keys;
}

/** The session to resume. Undefined when there is none, and when it is another host's: then the handshake is a full one. */
export function readSession(session: unknown, name: string): NativeKeptSession | undefined {
  if (session === undefined) return undefined;
  if (!ArrayBuffer.isView(session)) {
    throw wrongForm('session', 'a Buffer, TypedArray or DataView', session, "It is what getSession(), or the event 'session', of an earlier socket gave.");
  }
  const kept = withTypedErrors(() => new native.KeptSession(bytes('session', session)));
  return kept.name() === name ? kept : undefined;
}
