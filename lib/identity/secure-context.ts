import type tls from 'node:tls';

import { Version } from '../base/protocol';
import {
  kClientAuthorities,
  kForKeyAlone,
  kGiveTicketKeys,
  kHasIdentity,
  kKeysBarred,
  kNative,
  kSessionTimeout,
  kShowsKeyAlone,
  kTrustsSomebody,
  kVersions,
} from '../base/internals';
import { late } from '../base/late';
import { usageError, withTypedErrors } from '../errors/errors';
import { addIdentities, addPfx, list } from './identities';
import { keptSecret } from '../base/memory';
import { native, type NativeSecureContext, type NativeTicketKeys } from '../core/native';
import { pemHint } from './pem-hints';
import { requireRawPublicKeys } from './raw-public-keys';
import { noMore } from '../checks/arguments';
import { withoutObjectPrototype } from '../checks/no-inheritance';
import { CONTEXT_OPTIONS } from '../checks/option-names';
import { bytes, checkNames, checkObject, flag, integer, wrongForm, wrongType } from '../checks/validate';
import { checkTicketKeys } from './ticket-keys';
import type { SecureContextOptions } from './types';
import { isBelow, hintForDtls13, setAlgorithms, versionNumber, type KeysBarred, type ProtocolVersion } from './versions';

export type { ProtocolVersion };

/**
 * RFC 9325 section 4.2: AEAD with forward secrecy, ECDSA before RSA, AES-128 first because hardware makes
 * it fastest. The pre-shared key suites at the end take part only where `pskCallback` is given; those
 * without forward secrecy are what most devices have (RFC 7925 section 4.2).
 */
export const DEFAULT_CIPHERS = [
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
  'ECDHE-PSK-CHACHA20-POLY1305',
  'PSK-AES128-GCM-SHA256',
  'PSK-AES256-GCM-SHA384',
  'PSK-CHACHA20-POLY1305',
  'PSK-AES128-CCM',
  'PSK-AES256-CCM',
].join(':');

const KEY_CIPHERS = DEFAULT_CIPHERS.split(':')
  .filter((name) => name.includes('PSK'))
  .join(':');

/** Whoever gives one of these has thought of certificates, or of suites. */
const ABOUT_CERTIFICATES = [
  'cert', 'key', 'pfx', 'rawPublicKey', 'ca', 'crl', 'allowPartialTrustChain', 'ciphers',
] as const satisfies readonly (keyof SecureContextOptions)[];

const SSL_OP_CIPHER_SERVER_PREFERENCE = 0x00400000;

/** One of `node:tls`, or of another copy of this package. */
const isForeignContext = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && (value.constructor as { name?: unknown } | undefined)?.name === 'SecureContext';

function foreignContext(name: string, value: unknown): Error {
  return wrongType(
    name,
    'a SecureContext',
    value,
    isForeignContext(value)
      ? "It is a SecureContext of node:tls, or of another copy of this package ('npm ls dgram-dtls' shows copies): make it with createSecureContext() of this one."
      : 'Make it with createSecureContext(), or leave it out and pass its options here.',
  );
}

/** @internal */
export function requireSecureContext(name: string, value: unknown): asserts value is SecureContext {
  if (!(value instanceof SecureContext)) throw foreignContext(name, value);
}

/** @internal The authorities that a tls client trusts, in PEM: the same array until they are set anew. */
export function defaultAuthorities(): readonly string[] {
  const source = late.tls as typeof tls & { getCACertificates?: (type: 'default') => string[] };
  return source.getCACertificates?.('default') ?? source.rootCertificates;
}

/** Makes a context that trusts these authorities, which may be nobody. With all those of tls that takes several milliseconds. */
function parseAuthorities(
  pem: readonly string[],
  context = new native.SecureContext(),
): NativeSecureContext {
  if (pem.length > 0) withTypedErrors(() => { context.addCa(Buffer.from(pem.join('\n')), false); });
  return context;
}

let shared: { readonly pem: readonly string[]; readonly context: NativeSecureContext } | undefined;

function sharedAuthorities(): NativeSecureContext {
  const pem = defaultAuthorities();
  if (shared?.pem !== pem) shared = { pem, context: parseAuthorities(pem) };
  return shared.context;
}

/** What the options of a context said of versions, and what it has, in words. */
interface NamedVersions {
  readonly minVersion: ProtocolVersion | undefined;
  readonly maxVersion: ProtocolVersion | undefined;
  readonly newest: ProtocolVersion;
  readonly all: string;
}

/**
 * @throws Where a peer's own context has DTLS 1.3 and its server has not, by whose versions a hello is answered: OpenSSL would
 * mark its ServerHello of DTLS 1.2 as one that was forced (RFC 8446 section 4.1.3), and no client that has both would go on.
 */
export function requireNoNewerVersion({ [kVersions]: own }: SecureContext, { [kVersions]: server }: SecureContext): void {
  if (own.newest !== 'DTLSv1.3' || server.newest === 'DTLSv1.3') return;
  throw usageError(
    'ERR_DTLS_CONFLICTING_OPTIONS',
    `the server has ${server.all}, and the rules of this peer ${own.all}`,
    "Give createServer() maxVersion: 'DTLSv1.3', too: rules may leave out a version that the server has, and bring in none.",
  );
}

/** @throws Where a context that names no versions would change those of the server whose context it is to be. */
export function requireSameVersions({ [kVersions]: now }: SecureContext, { [kVersions]: before }: SecureContext): void {
  if (now.minVersion !== undefined || now.maxVersion !== undefined || now.all === before.all) return;
  throw usageError(
    'ERR_DTLS_CONFLICTING_OPTIONS',
    `the server has ${before.all}, and a context that was made without 'minVersion' and 'maxVersion' has ${now.all}`,
    'Name the versions in createSecureContext, or pass the options themselves, which leave them as they are.',
  );
}

/**
 * Certificates, keys, trust and algorithms for any number of sessions: one SSL_CTX. Validated when it is
 * made, and immutable. Make it with {@link createSecureContext}.
 */
export class SecureContext {
  /** @internal */
  readonly [kNative]: NativeSecureContext;
  /** @internal Seconds for which a session can be resumed. */
  readonly [kSessionTimeout]: number;
  // Private: nobody who has the context can read its keys.
  readonly #ticketKeys: Buffer | undefined;
  /** @internal There is a certificate, or a raw public key, to show. */
  readonly [kHasIdentity]: boolean;
  /** @internal There is a raw public key to show, and no certificate. */
  readonly [kShowsKeyAlone]: boolean;
  /** @internal When its suites take no pre-shared key. */
  readonly [kKeysBarred]: KeysBarred;
  /** @internal It names whom to trust. */
  readonly [kTrustsSomebody]: boolean;
  // The options of a context that says nothing of certificates: there is no secret among them, and nothing that its
  // owner could change. Diffie-Hellman's parameters are a server's.
  readonly #plain: SecureContextOptions | undefined;
  #keyAlone: SecureContext | undefined;
  readonly #crl: readonly Buffer[];
  /** @internal What its options said of versions. */
  readonly [kVersions]: NamedVersions;
  // What trusts the authorities of the options' PKCS #12 files, which are not kept.
  readonly #fromPfx: NativeSecureContext | undefined;
  #authorities: NativeSecureContext | undefined;

  /**
   * Does what {@link createSecureContext} does.
   *
   * @throws As `createSecureContext`.
   */
  constructor(options?: SecureContextOptions);
  /**
   * @internal `trusted`: authorities to trust and not to name. `renews`: the context in whose place it comes, whose
   * versions it has where its own options name none.
   */
  // eslint-disable-next-line @typescript-eslint/unified-signatures -- the declarations of the package show the one above alone
  constructor(options: SecureContextOptions, trusted: readonly string[] | undefined, renews?: SecureContext);
  constructor(given: SecureContextOptions = {}, trusted?: readonly string[], renews?: SecureContext) {
    if (isForeignContext(given)) throw foreignContext('options', given);
    checkObject('options', given);
    checkNames(given, CONTEXT_OPTIONS);
    const options = withoutObjectPrototype(given, CONTEXT_OPTIONS);
    const range = {
      minVersion: options.minVersion ?? renews?.[kVersions].minVersion,
      maxVersion: options.maxVersion ?? renews?.[kVersions].maxVersion,
    };
    const minVersion = range.minVersion ?? 'DTLSv1.2';
    // Who asks for 1.3 at least has asked for 1.3.
    const maxVersion = range.maxVersion ?? (minVersion === 'DTLSv1.3' ? minVersion : 'DTLSv1.2');
    const min = versionNumber('minVersion', minVersion);
    const max = versionNumber('maxVersion', maxVersion);
    if (isBelow(max, min)) {
      throw usageError(
        'ERR_DTLS_CONFLICTING_OPTIONS',
        `'minVersion' ${minVersion} is above 'maxVersion' ${maxVersion}`,
        range.minVersion === undefined
          ? "'minVersion' is DTLSv1.2 where it is not given: RFC 9325 has DTLS 1.0 as a thing not to be used. Who needs it gives both."
          : "Give a range: 'minVersion' is the older one.",
      );
    }
    this[kVersions] = { ...range, newest: maxVersion, all: minVersion === maxVersion ? minVersion : `${minVersion} to ${maxVersion}` };
    const context = new native.SecureContext();
    this[kNative] = context;
    const strings = {
      ciphers: options.ciphers,
      sigalgs: options.sigalgs,
      ecdhCurve: options.ecdhCurve,
      passphrase: options.passphrase,
      sessionIdContext: options.sessionIdContext,
    };
    for (const [name, value] of Object.entries(strings)) {
      if (value !== undefined && typeof value !== 'string') {
        throw wrongType(name, 'a string', value, Array.isArray(value) ? "A list is one string, with colons: it.join(':')." : undefined);
      }
    }
    this[kSessionTimeout] = integer('sessionTimeout', options.sessionTimeout, 300, 1, 604800);
    // A copy: the caller may wipe its own.
    this.#ticketKeys =
      options.ticketKeys === undefined ? undefined : keptSecret(checkTicketKeys('ticketKeys', options.ticketKeys));
    const rawPublicKey = flag('rawPublicKey', options.rawPublicKey, false);
    if (rawPublicKey) requireRawPublicKeys('rawPublicKey');
    // Copies: the caller may change its memory before a client needs them.
    this.#crl = list(options.crl).map((pem) => Buffer.from(bytes('crl', pem)));
    this[kKeysBarred] = withTypedErrors(() => {
      context.setVersions(min, max, range.minVersion !== undefined || range.maxVersion !== undefined);
      const keysBarred = setAlgorithms(context, strings, DEFAULT_CIPHERS, { min, max });
      if (options.dhparam !== undefined) context.setDhparam(bytes('dhparam', options.dhparam));
      if (strings.sessionIdContext !== undefined) {
        context.setSessionIdContext(Buffer.from(strings.sessionIdContext));
      }
      context.setSessionTimeout(this[kSessionTimeout]);
      const secureOptions = options.secureOptions ?? 0;
      if (typeof secureOptions !== 'number') throw wrongForm('secureOptions', 'a number', secureOptions, "It is made of node:crypto's constants SSL_OP_…, with | between them.");
      context.setOptions(secureOptions);
      if (flag('honorCipherOrder', options.honorCipherOrder, true)) {
        context.setOptions(SSL_OP_CIPHER_SERVER_PREFERENCE);
      }
      if (flag('allowPartialTrustChain', options.allowPartialTrustChain, false)) {
        context.allowPartialChain();
      }
      addIdentities(context, options);
      if (rawPublicKey) context.showRawKey();
      for (const pem of list(options.ca)) {
        withTypedErrors(
          () => { context.addCa(bytes('ca', pem), true); },
          () => pemHint('ca', pem),
        );
      }
      // Naming all of them would make a CertificateRequest of 14 KB, in a dozen datagrams.
      if (trusted !== undefined && trusted.length > 0) context.addCa(Buffer.from(trusted.join('\n')), false);
      context.checkIdentities();
      for (const pem of this.#crl) {
        withTypedErrors(
          () => { context.addCrl(pem); },
          () => pemHint('crl', pem),
        );
      }
      if (max === Version.Dtls13) {
        withTypedErrors(
          () => { context.prepareDtls13(); },
          ({ code, reason }) => hintForDtls13(code, reason, strings.ciphers),
        );
      }
      return keysBarred;
    });
    this[kTrustsSomebody] = options.ca !== undefined;
    const hasCertificate = options.cert !== undefined || options.pfx !== undefined;
    this[kHasIdentity] = hasCertificate || rawPublicKey;
    this[kShowsKeyAlone] = rawPublicKey && !hasCertificate;
    const about = ABOUT_CERTIFICATES.some((name) => options[name] !== undefined);
    if (!about) {
      this.#plain = Object.fromEntries(Object.entries(options).filter(([name]) => name !== 'ticketKeys' && name !== 'dhparam'));
    }
    if (!this[kTrustsSomebody] && options.pfx !== undefined) {
      this.#fromPfx = new native.SecureContext();
      addPfx(this.#fromPfx, options, false);
    }
  }

  /**
   * @internal For a client that has a pre-shared key and nothing to judge a certificate by: the same without suites
   * of certificates, unless the options speak of certificates, or name suites. A server that has both would take
   * a certificate, which nobody here could judge.
   */
  [kForKeyAlone](): SecureContext {
    // In DTLS 1.3 a suite says nothing of certificates.
    if (this.#plain === undefined || this.#plain.minVersion === 'DTLSv1.3') return this;
    return (this.#keyAlone ??= new SecureContext({ ...this.#plain, ciphers: KEY_CIPHERS }));
  }

  /** @internal Has tickets sealed with the `ticketKeys` of the options from now on, where those have any. */
  [kGiveTicketKeys](to: NativeTicketKeys): void {
    if (this.#ticketKeys !== undefined) to.replace(this.#ticketKeys);
  }

  /**
   * @internal Whom a client trusts when the options name nobody: the authorities of tls. Kept apart from
   * the context itself, which a server may share and must not trust more for it.
   */
  [kClientAuthorities](): NativeSecureContext | undefined {
    if (this[kTrustsSomebody]) return undefined;
    if (this.#crl.length === 0 && this.#fromPfx === undefined) return sharedAuthorities();
    if (this.#authorities === undefined) {
      const own = parseAuthorities(defaultAuthorities(), this.#fromPfx);
      for (const pem of this.#crl) own.addCrl(pem);
      this.#authorities = own;
    }
    return this.#authorities;
  }
}

/**
 * Makes a context to share between servers and connections.
 *
 * @throws {@link DTLSError} of category `usage` when an option is unknown, of a wrong type, or refused by
 * OpenSSL: `ERR_DTLS_INVALID_CERTIFICATE`, `…_INVALID_KEY`, `…_KEY_MISMATCH`, `…_INVALID_PFX`, `…_PASSPHRASE`, `…_INVALID_CA`, `…_INVALID_CRL`,
 * `…_INVALID_CIPHERS`, `…_INVALID_CURVES`, `…_INVALID_SIGALGS`, `…_INVALID_DHPARAM`.
 */
export function createSecureContext(options?: SecureContextOptions): SecureContext;
export function createSecureContext(...args: [SecureContextOptions?, ...unknown[]]): SecureContext {
  noMore('createSecureContext', args, 1);
  return new SecureContext(args[0]);
}
