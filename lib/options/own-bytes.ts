/** Options that are read after the call that they were given to. */
import { secretCopy } from '../base/memory';

/** Options that are bytes, or have some in a list or an object of their own, beside those of a context. */
export const OF_BYTES: readonly string[] = ['psk', 'session', 'ALPNProtocols', 'peerPublicKeys', 'peerFingerprints'];

const isPlain = (value: object): boolean =>
  [Object.prototype, null].includes(Object.getPrototypeOf(value) as object | null);

/** `depth`: a list of objects with bytes in them, as of `pfx`, is the deepest. */
function owned(value: unknown, depth = 0): unknown {
  if (typeof value !== 'object' || value === null || depth > 2) return value;
  if (ArrayBuffer.isView(value)) return secretCopy(value as Uint8Array);
  if (Array.isArray(value)) return value.map((one) => owned(one, depth + 1));
  if (!isPlain(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, owned(one, depth + 1)]));
}

/** The same options with copies of the bytes in those of these names: who gave them may wipe or reuse its own when its call has returned. */
export function withOwnBytes<T extends object>(options: T, names: readonly string[]): T {
  const copied = Object.entries(options)
    .filter(([name]) => names.includes(name))
    .map(([name, value]) => [name, owned(value)] as const);
  const prototype = Object.getPrototypeOf(options) as object | null;
  return Object.assign(Object.create(prototype) as T, options, Object.fromEntries(copied));
}
