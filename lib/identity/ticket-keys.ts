/** The keys of session tickets (RFC 5077), as options and calls have them. */
import { bytes, wrongForm } from '../checks/validate';
import { usageError } from '../errors/errors';

const TICKET_KEYS_SIZE = 48;

const HOW_TO_MAKE = 'Make them with crypto.randomBytes(48) and give them to every server of the fleet.';

export function checkTicketKeys(name: string, keys: unknown): Buffer {
  // A string would hardly have been meant: these are random bytes.
  if (!ArrayBuffer.isView(keys)) throw wrongForm(name, 'a Buffer, TypedArray or DataView', keys, HOW_TO_MAKE);
  const given = bytes(name, keys);
  if (given.length !== TICKET_KEYS_SIZE) {
    throw usageError(
      'ERR_INVALID_ARG_VALUE',
      `'${name}' must have ${String(TICKET_KEYS_SIZE)} bytes, not ${String(given.length)}`,
      HOW_TO_MAKE,
    );
  }
  return given;
}
