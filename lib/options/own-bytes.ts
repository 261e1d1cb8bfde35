/** Options that are read after the call that they were given to. */
import { keptSecret } from '../base/memory';
import { bare, withoutObjectPrototype } from '../checks/no-inheritance';

/** Options that are bytes, or have some in a list or an object of their own, beside those of a context; `psk` is resolved in the call. */
export const OF_BYTES: readonly string[] = ['session', 'ALPNProtocols', 'peerPublicKeys', 'peerFingerprints'];

/** What is read of an object in an option that is bytes, of whatever class: one of `pfx` or `key`, or a fingerprint. */
const PARTS = ['buf', 'pem', 'passphrase', 'algorithm', 'value'];
const hasBytes = (value: object): boolean => ['buf', 'pem', 'value'].some((name) => name in value);

/** `depth`: a list of objects with bytes in them, as of `pfx`, is the deepest. */
function owned(value: unknown, depth = 0): unknown {
  if (typeof value !== 'object' || value === null || depth > 2) return value;
  if (ArrayBuffer.isView(value)) return keptSecret(value as Uint8Array);
  if (Array.isArray(value)) return value.map((one) => owned(one, depth + 1));
  return hasBytes(value) ? read(value, PARTS, (one) => owned(one, depth + 1)) : value;
}

const read = (from: object, names: readonly string[], as: (value: unknown, name: string) => unknown): object =>
  bare(
    names.filter((name) => name in from).map((name) => [name, as((from as Record<string, unknown>)[name], name)]),
  );

/**
 * The options of these names in an object of its own, also those that a class or a prototype has, with copies of the bytes in those
 * `ofBytes`: who gave them may wipe or reuse its own when its call has returned.
 */
export function ownOptions<T extends object>(given: T, names: readonly string[], ofBytes: readonly string[]): T {
  return read(withoutObjectPrototype(given, names), names, (value, name) => (ofBytes.includes(name) ? owned(value) : value)) as T;
}
