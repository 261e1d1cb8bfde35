/** Own certificates and keys, as the options have them, into a native context. */
import { usageError, withTypedErrors } from '../errors/errors';
import { lend } from '../base/memory';
import type { NativeSecureContext } from '../core/native';
import { pemHint, pfxHint } from './pem-hints';
import { bytes, hintForBytes, lendBytes, text, wrongType } from '../checks/validate';
import type { Bytes, PfxObject, SecureContextOptions } from './types';

export function list<T>(value: T | readonly T[] | undefined): readonly T[] {
  if (value === undefined) return [];
  return Array.isArray(value) ? (value as readonly T[]) : [value as T];
}

/** An object with a passphrase of its own, in place of bytes. */
const isWrapped = <T, K extends string>(given: T, name: K): given is Extract<T, Record<K, unknown>> =>
  typeof given === 'object' && given !== null && name in given;

/** Lends the first passphrase that there is, as bytes. */
function unlock(
  name: string,
  candidates: readonly (string | undefined)[],
  use: (passphrase: Uint8Array | undefined) => void,
): void {
  const given = text(
    name,
    candidates.find((candidate) => candidate !== undefined),
  );
  if (given === undefined) use(undefined);
  else lend(given, use);
}

/** `withIdentity` false: only trusts the authorities in it. */
export function addPfx(context: NativeSecureContext, options: SecureContextOptions, withIdentity: boolean): void {
  for (const given of list(options.pfx)) {
    const { buf, passphrase }: PfxObject = isWrapped(given, 'buf') ? given : { buf: given };
    if (!ArrayBuffer.isView(buf)) {
      throw wrongType('pfx', 'a Buffer, TypedArray or DataView', buf, typeof buf === 'string' ? pfxHint(buf) : hintForBytes('pfx', buf));
    }
    const pfx = bytes('pfx', buf);
    unlock('pfx.passphrase', [passphrase, options.passphrase], (secret) => {
      context.addPfx(pfx, secret, withIdentity);
    });
  }
}

/** Gives a context its certificates and keys. Their order need not be the same, as with tls. */
export function addIdentities(context: NativeSecureContext, options: SecureContextOptions): void {
  const certs = list<Bytes>(options.cert);
  const keys = list(options.key);
  if (options.rawPublicKey === true && certs.length === 0 && list(options.pfx).length === 0 && keys.length === 0) {
    throw usageError('ERR_DTLS_NO_CREDENTIALS', "'rawPublicKey' needs a private key", "Pass 'key'.");
  }
  const keysAlone = options.rawPublicKey === true && certs.length === 0;
  if (certs.length !== keys.length && !keysAlone) {
    throw usageError(
      'ERR_DTLS_CONFLICTING_OPTIONS',
      `'cert' and 'key' differ in number: ${String(certs.length)} and ${String(keys.length)}`,
      'Each certificate needs its private key: pass both.',
    );
  }
  for (const cert of certs) {
    withTypedErrors(
      () => { context.addCertificate(bytes('cert', cert)); },
      () => pemHint('cert', cert),
    );
  }
  for (const given of keys) {
    const { pem, passphrase } = isWrapped(given, 'pem') ? given : { pem: given, passphrase: undefined };
    unlock('key.passphrase', [passphrase, options.passphrase], (secret) => {
      lendBytes('key', pem, (key) => {
        withTypedErrors(
          () => { context.addKey(key, secret); },
          () => pemHint('key', pem),
        );
      });
    });
  }
  addPfx(context, options, true);
}
