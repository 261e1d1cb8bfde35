/** The option `psk`: who this side is, in place of a `pskCallback`. */
import { usageError } from '../errors/errors';
import { MAX_PSK, MAX_PSK_IDENTITY, NO_KEY, type ClientPskCallback, type PskCredentials, type ServerPskCallback } from './types';
import type { SecureContext } from '../identity/secure-context';
import { kVersions } from '../base/internals';
import { keptSecret, sizeOf } from '../base/memory';
import { bytes, callable, lendBytes, wrongType } from '../checks/validate';

interface Credentials {
  readonly identity: Buffer;
  readonly psk: Buffer;
}

const BOTH = "'identity' is the name of the key, which both sides know, and 'psk' the key itself.";
const KEYS_OF_OTHERS = "A function that gives the keys of clients is 'pskCallback'.";
/** A server may have a key for each client, and whoever has them in a Map, an array or an object passes that. */
const ONE_OF_MANY = `${BOTH} It is the one key that clients may have; of several, 'pskCallback' finds each: (socket, identity) => keys.get(identity.toString()).`;

function outOfRange(name: string, size: number, min: number, max: number): Error {
  return usageError(
    'ERR_OUT_OF_RANGE',
    `'${name}' must have ${String(min)} to ${String(max)} bytes, not ${String(size)}`,
    size === 0 ? NO_KEY : undefined,
  );
}

function checkCredentials(given: PskCredentials, expected: string, hint = BOTH): Credentials {
  if (typeof given !== 'object' || (given as unknown) === null) {
    throw wrongType('psk', expected, given, typeof given === 'function' ? KEYS_OF_OTHERS : hint);
  }
  const missing = (['identity', 'psk'] as const).filter((name) => given[name] === (undefined as unknown));
  if (missing.length > 0) {
    throw usageError(
      'ERR_INVALID_ARG_TYPE',
      `'psk' must be ${expected}, and has no '${missing.join("' and no '")}'`,
      hint,
    );
  }
  // Copies: the caller may wipe or reuse its own.
  const identity = Buffer.from(bytes('psk.identity', given.identity));
  const psk = lendBytes('psk.psk', given.psk, keptSecret);
  if (identity.length > MAX_PSK_IDENTITY) throw outOfRange('psk.identity', identity.length, 0, MAX_PSK_IDENTITY);
  if (psk.length === 0 || psk.length > MAX_PSK) throw outOfRange('psk.psk', psk.length, 1, MAX_PSK);
  if (!identity.includes(0)) return { identity, psk };
  throw usageError(
    'ERR_DTLS_PSK_IDENTITY_INVALID',
    "'psk.identity' has a NUL byte and cannot be sent: OpenSSL would cut it",
    'Use another identity.',
  );
}

/**
 * RFC 8446 section 4.2.11: an identity has a byte at least. Where DTLS 1.3 is all that there is, one without is of no use.
 *
 * @throws For the identity of an option; what callbacks give is judged in the handshake.
 */
export function requireName(psk: unknown, { [kVersions]: { minVersion } }: SecureContext): void {
  if (minVersion !== 'DTLSv1.3' || typeof psk !== 'object' || psk === null) return;
  if (sizeOf(bytes('psk.identity', (psk as PskCredentials).identity)) > 0) return;
  throw usageError(
    'ERR_DTLS_PSK_IDENTITY_INVALID',
    "'psk.identity' is empty, and DTLS 1.3 has no empty identity",
    'Give the key a name that both sides know, or leave DTLS 1.2 in: `minVersion: \'DTLSv1.2\'`.',
  );
}

/** What is read of credentials, of whatever class they are. Other values stay as they are. */
export function plainCredentials(psk: unknown): unknown {
  if (typeof psk !== 'object' || psk === null) return psk;
  const { identity, psk: key } = psk as Partial<PskCredentials>;
  return { identity: ownBytes(identity), psk: ownBytes(key) };
}

const ownBytes = (value: unknown): unknown => (ArrayBuffer.isView(value) ? keptSecret(value as Uint8Array) : value);

/** Whom a side that begins says it is. */
export function clientPsk(psk: PskCredentials | ClientPskCallback | undefined): ClientPskCallback | undefined {
  if (psk === undefined) return undefined;
  if (typeof psk === 'function') return psk;
  const credentials = checkCredentials(psk, 'a function, or { identity, psk }');
  return () => credentials;
}

/** A server that knows this identity, and no other. */
export function serverPsk(psk: PskCredentials | undefined): ServerPskCallback | undefined {
  if (psk === undefined) return undefined;
  const own = checkCredentials(psk, '{ identity, psk }', ONE_OF_MANY);
  return (_socket, identity) => (own.identity.equals(bytes('identity', identity)) ? own.psk : null);
}

/** Both name the same thing, on a server and on a client. */
export function oneOf<T>(callback: T | undefined, psk: T | undefined): T | undefined {
  const checked = callable('pskCallback', callback);
  if (checked === undefined || psk === undefined) return checked ?? psk;
  throw usageError(
    'ERR_DTLS_CONFLICTING_OPTIONS',
    "'psk' has no effect beside 'pskCallback'",
    'Leave one of them out.',
  );
}
