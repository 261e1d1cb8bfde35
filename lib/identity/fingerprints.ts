/** Fingerprints of certificates, as SDP has them (RFC 8122 section 5). */
import { shown } from '../errors/as-error';
import { usageError } from '../errors/errors';
import { wrongType } from '../checks/validate';

/**
 * `'sha-256 AB:CD:…'`, also without colons, the same without its algorithm for SHA-256 (`X509Certificate.fingerprint256`),
 * what `openssl x509 -fingerprint -sha256` prints, or as WebRTC's `RTCDtlsFingerprint`.
 */
export type PeerFingerprint = string | { algorithm: string; value: string };

const BYTES: Readonly<Record<string, number>> = { 'sha-256': 32, 'sha-384': 48, 'sha-512': 64 };

const HINT =
  "Use 'sha-256 AB:CD:…', also with sha-384 or sha-512: two hexadecimal digits for each byte, with colons or without. Of a certificate it is new X509Certificate(cert).fingerprint256, or what 'openssl x509 -noout -fingerprint -sha256' prints, which without -sha256 is of SHA-1.";

/** Undefined: by an algorithm that is none of ours. */
function parse(given: unknown): Buffer | undefined {
  const [algorithm, value] = isPair(given) ? [given.algorithm, given.value] : split(given);
  if (typeof algorithm !== 'string' || typeof value !== 'string') {
    throw wrongType('peerFingerprints', 'strings, or objects { algorithm, value }', given, HINT);
  }
  // OpenSSL writes sha256.
  const name = algorithm.toLowerCase().replace(/^sha(?=\d)/, 'sha-');
  const size = Object.hasOwn(BYTES, name) ? BYTES[name] : undefined;
  if (size === undefined) return undefined;
  const digits = value.replaceAll(':', '');
  if (!/^(?:[0-9a-f]{2}(?::[0-9a-f]{2})*|[0-9a-f]+)$/i.test(value) || digits.length !== size * 2) {
    throw usageError(
      'ERR_INVALID_ARG_VALUE',
      `'peerFingerprints' has a ${algorithm} fingerprint that is not ${String(size)} bytes: ${shown(value.slice(0, 200))}`,
      HINT,
    );
  }
  return Buffer.from(digits, 'hex');
}

const isPair = (given: unknown): given is Record<'algorithm' | 'value', unknown> =>
  typeof given === 'object' && given !== null;

function split(given: unknown): [string | undefined, string | undefined] {
  if (typeof given !== 'string') return [undefined, undefined];
  // 'sha256 Fingerprint=AB:CD:…' is what `openssl x509 -fingerprint` prints.
  const parts = given.trim().replace(/^(\S+) fingerprint=/i, '$1 ').split(/ +/);
  if (parts.length === 1) return ['sha-256', parts[0]];
  return [parts[0], parts.slice(1).join(' ')];
}

const nameOf = (given: unknown): unknown => (isPair(given) ? given.algorithm : split(given)[0]);

/**
 * The fingerprints that count, which are those of the strongest algorithm among the ones given: RFC 8122 section 5 has
 * a certificate match under the one that is considered most secure. Algorithms that are none of ours (a peer may list sha-1
 * and sha-224 beside them, or such as are to come) count for nothing, and something has to be left.
 */
export function resolveFingerprints(
  given: PeerFingerprint | readonly PeerFingerprint[],
): readonly Buffer[] {
  const all = (Array.isArray(given) ? given : [given]) as readonly PeerFingerprint[];
  if (all.length === 0) {
    throw usageError(
      'ERR_INVALID_ARG_VALUE',
      "'peerFingerprints' cannot be empty",
      'No certificate would do: leave it out, or name the fingerprints of the peer.',
    );
  }
  const values = all.map(parse).filter((value) => value !== undefined);
  if (values.length === 0) {
    throw usageError(
      'ERR_INVALID_ARG_VALUE',
      all.length === 1
        ? `'peerFingerprints' cannot have the algorithm ${shown(nameOf(all[0]))}`
        : `'peerFingerprints' has none by an algorithm that can be used, but ${all.map((one) => shown(nameOf(one))).join(', ')}`,
      HINT,
    );
  }
  const strongest = Math.max(...values.map(({ length }) => length));
  return values.filter(({ length }) => length === strongest);
}
