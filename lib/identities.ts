/** Own certificates and keys, as the options have them, into a native context. */
import { usageError } from './errors';
import type { NativeSecureContext } from './native';
import type { Bytes, PfxObject, SecureContextOptions } from './secure-context';
import { bytes, text } from './validate';

export function list<T>(value: T | readonly T[] | undefined): readonly T[] {
  if (value === undefined) return [];
  return Array.isArray(value) ? (value as readonly T[]) : [value as T];
}

/** An object with a passphrase of its own, in place of bytes. */
const isWrapped = <T, K extends string>(given: T, name: K): given is Extract<T, Record<K, unknown>> =>
  typeof given === 'object' && given !== null && name in given;

export interface Pfx {
  readonly bytes: Buffer;
  readonly passphrase: Buffer | undefined;
}

const secret = (name: string, ...candidates: (string | undefined)[]): Buffer | undefined => {
  const given = text(
    name,
    candidates.find((candidate) => candidate !== undefined),
  );
  return given === undefined ? undefined : Buffer.from(given);
};

/** Copies: the caller may change its memory before a client needs them. */
export function readPfx(options: SecureContextOptions): Pfx[] {
  return list(options.pfx).map((given) => {
    const { buf, passphrase }: PfxObject = isWrapped(given, 'buf') ? given : { buf: given };
    return {
      bytes: Buffer.from(bytes('pfx', buf)),
      passphrase: secret('pfx.passphrase', passphrase, options.passphrase),
    };
  });
}

/** As with tls, the order of the keys need not be that of the certificates. */
export function addIdentities(
  context: NativeSecureContext,
  options: SecureContextOptions,
  pfx: readonly Pfx[],
): void {
  const certs = list<Bytes>(options.cert);
  const keys = list(options.key);
  if (options.rawPublicKey === true && certs.length === 0 && pfx.length === 0 && keys.length === 0) {
    throw usageError('ERR_DTLS_NO_CREDENTIALS', "'rawPublicKey' needs a private key", "Pass 'key'.");
  }
  const keysAlone = options.rawPublicKey === true && certs.length === 0;
  if (certs.length !== keys.length && !keysAlone) {
    throw usageError(
      'ERR_DTLS_CONFLICTING_OPTIONS',
      `'cert' has ${String(certs.length)} chains and 'key' has ${String(keys.length)} keys`,
      'Each certificate needs its private key: pass both.',
    );
  }
  for (const cert of certs) context.addCertificate(bytes('cert', cert));
  for (const given of keys) {
    const { pem, passphrase } = isWrapped(given, 'pem') ? given : { pem: given, passphrase: undefined };
    context.addKey(bytes('key', pem), secret('key.passphrase', passphrase, options.passphrase));
  }
  for (const one of pfx) context.addPfx(one.bytes, one.passphrase, true);
  context.checkIdentities();
}
