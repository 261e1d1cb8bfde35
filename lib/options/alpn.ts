/** Lists of application protocols: as users give them, and as they are on the wire (RFC 7301 section 3.1). */
import { usageError } from '../errors/errors';
import { bytes, wrongForm } from '../checks/validate';

/** Names in the order of preference, or the list as it is on the wire: each name behind its length. */
export type ALPNProtocols =
  readonly (string | NodeJS.ArrayBufferView)[] | NodeJS.ArrayBufferView;

/** The hello that carries the list has to fit one record of 16384 bytes with all the rest. */
const MAX_LIST = 8192;

/** The list on the wire; undefined: no ALPN. */
export function encodeProtocols(name: string, value: ALPNProtocols | undefined): Buffer | undefined {
  if (value === undefined) return undefined;
  const wire = Array.isArray(value) ? fromNames(name, value as readonly unknown[]) : checked(name, value);
  if (wire.length > MAX_LIST) {
    throw usageError(
      'ERR_OUT_OF_RANGE',
      `'${name}' has ${String(wire.length)} bytes on the wire, at most ${String(MAX_LIST)} fit a hello`,
      'Offer fewer protocols.',
    );
  }
  return wire.length === 0 ? undefined : wire;
}

function fromNames(name: string, names: readonly unknown[]): Buffer {
  const parts = names.map((given, index) => {
    const protocol = bytes(`${name}[${String(index)}]`, given);
    if (protocol.length === 0 || protocol.length > 255) {
      throw usageError(
        'ERR_OUT_OF_RANGE',
        `'${name}[${String(index)}]' has ${String(protocol.length)} bytes; it needs 1 to 255`,
        'A name of a protocol is as RFC 7301 has it, in one byte of length: shorten it, or leave it out.',
      );
    }
    return [Buffer.from([protocol.length]), protocol];
  });
  return Buffer.concat(parts.flat());
}

/** A copy: the caller may change its memory before a session needs it. */
function checked(name: string, value: unknown): Buffer {
  if (!ArrayBuffer.isView(value)) {
    throw wrongForm(name, 'an array of strings, or a Buffer, TypedArray or DataView', value, "Such as ['coap'], the preferred one first.");
  }
  const wire = Buffer.from(bytes(name, value));
  for (let at = 0; at < wire.length; at += 1 + (wire[at] ?? 0)) {
    const length = wire[at] ?? 0;
    if (length > 0 && at + 1 + length <= wire.length) continue;
    throw usageError(
      'ERR_INVALID_ARG_VALUE',
      `'${name}' is malformed at byte ${String(at)}`,
      'On the wire each name stands behind one byte with its length; an array of strings is simpler.',
    );
  }
  return wire;
}

/** The names in a list that is well formed. They are bytes: as in tls, each becomes one character. */
export function decodeProtocols(wire: Buffer): string[] {
  const names: string[] = [];
  for (let at = 0; at < wire.length; at += 1 + (wire[at] ?? 0)) {
    names.push(wire.toString('latin1', at + 1, at + 1 + (wire[at] ?? 0)));
  }
  return names;
}

/** One name of `decodeProtocols`, as a list on the wire. */
export const onlyProtocol = (protocol: string): Buffer =>
  Buffer.concat([Buffer.from([protocol.length]), Buffer.from(protocol, 'latin1')]);
