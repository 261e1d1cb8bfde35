/** Session tickets of servers, and sessions that clients have kept (docs/resumption.md). */
import { usageError, withTypedErrors } from './errors';
import { native, type NativeClientSession, type NativeTicketKeys } from './native';
import type { SecureContext } from './secure-context';
import { bytes, wrongType } from './validate';

const TICKET_KEYS_SIZE = 48;

/** A copy: the caller may wipe its own. */
export function checkTicketKeys(name: string, keys: unknown): Buffer {
  // A string would hardly have been meant: these are random bytes.
  if (!ArrayBuffer.isView(keys)) throw wrongType(name, 'a Buffer, TypedArray or DataView', keys);
  if (keys.byteLength !== TICKET_KEYS_SIZE) {
    throw usageError(
      'ERR_INVALID_ARG_VALUE',
      `'${name}' must have ${String(TICKET_KEYS_SIZE)} bytes, not ${String(keys.byteLength)}`,
      'Make them with crypto.randomBytes(48) and give them to every server of the fleet.',
    );
  }
  return Buffer.from(bytes(name, keys));
}

/** Each server has its own, also where several share a context: unless that was given keys. */
export function makeTicketKeys(context: SecureContext): NativeTicketKeys {
  const keys = new native.TicketKeys(context.sessionTimeout * 1000);
  const given = context.ticketKeys;
  if (given !== undefined) withTypedErrors(() => {
    keys.replace(given);
  });
  return keys;
}

/** Undefined when there is none, and when it is another host's: then the handshake is a full one. */
export function readSession(session: unknown, name: string): NativeClientSession | undefined {
  if (session === undefined) return undefined;
  if (!ArrayBuffer.isView(session)) {
    throw wrongType('session', 'a Buffer, TypedArray or DataView', session);
  }
  const kept = withTypedErrors(() => new native.ClientSession(bytes('session', session)));
  return kept.name() === name ? kept : undefined;
}
