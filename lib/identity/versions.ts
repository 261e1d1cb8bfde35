/** Protocol versions and algorithms against the OpenSSL that is there, and what others would need. */
import { Version } from '../base/protocol';
import { usageError, withTypedErrors, type DTLSError } from '../errors/errors';
import { native, type NativeSecureContext } from '../core/native';
import { nearest, text } from '../checks/validate';

export type ProtocolVersion = 'DTLSv1' | 'DTLSv1.2' | 'DTLSv1.3';

/** The versions as the wire has them. */
const VERSIONS: Readonly<Record<ProtocolVersion, number>> = {
  DTLSv1: Version.Dtls1,
  'DTLSv1.2': Version.Dtls12,
  'DTLSv1.3': Version.Dtls13,
};

/** The versions that this package can drive, where OpenSSL has them. */
const DRIVEN: readonly ProtocolVersion[] = ['DTLSv1', 'DTLSv1.2'];

const NEEDS_DTLS13 = 'DTLS 1.3 needs OpenSSL 4.1 or later, and a release of this package that uses it.';

/** Groups to look for: those of RFC 8422 and RFC 7027, and one more that OpenSSL has. */
const GROUPS = [
  ...['X25519', 'X448', 'P-256', 'P-384', 'P-521', 'secp256k1'],
  ...['brainpoolP256r1', 'brainpoolP384r1', 'brainpoolP512r1'],
];

let versions: readonly ProtocolVersion[] | undefined;

/** Asked once: making an SSL_CTX to ask takes a millisecond. */
export const offeredVersions = (): readonly ProtocolVersion[] =>
  (versions ??= Object.freeze(
    DRIVEN.filter((version) => native.offersVersion(VERSIONS[version])),
  ));

export const offeredGroups = (): string[] => GROUPS.filter((name) => native.offersGroup(name));

const unsupported = (what: string, hint: string): DTLSError =>
  usageError('ERR_DTLS_UNSUPPORTED', `${what} (OpenSSL here: ${native.openssl})`, hint);

/** The number of a version that can be asked for here. */
export function versionNumber(name: string, value: ProtocolVersion): number {
  text(name, value);
  if (!Object.hasOwn(VERSIONS, value)) {
    throw usageError(
      'ERR_INVALID_ARG_VALUE',
      `'${name}' cannot be '${value}'`,
      `Use one of ${offeredVersions().join(', ')}.`,
    );
  }
  if (!DRIVEN.includes(value)) throw unsupported(`'${name}' cannot be '${value}' yet`, NEEDS_DTLS13);
  if (!offeredVersions().includes(value)) {
    throw unsupported(
      `'${name}' cannot be '${value}'`,
      `This OpenSSL was built without it: 'features.versions' has what there is.`,
    );
  }
  return VERSIONS[value];
}

/** Names that only DTLS 1.3 has: suites of RFC 8446, hybrid groups, and post-quantum signatures. */
const OF_DTLS13 = /^(TLS_(AES|CHACHA20)_\w+|.*MLKEM\d+|MLDSA\d+|SLH-?DSA.*)$/i;

/** What OpenSSL calls a suite that was given by IANA's name; undefined where it has none of that name. */
function openSslName(name: string): string | undefined {
  const spelt = name
    .toUpperCase()
    .replace(/^TLS_/, '')
    .replace('_WITH_', '-')
    .replace(/(AES|ARIA|CAMELLIA)_(?=\d)/, '$1')
    .replace('CCM_8', 'CCM8')
    .replaceAll('_', '-')
    .replace('PSK-DHE-', 'DHE-PSK-')
    .replace(/-POLY1305-SHA256$/, '-POLY1305');
  const candidates = [spelt, spelt.replace('-CBC', ''), spelt.replace(/^RSA-/, ''), spelt.replace(/^RSA-/, '').replace('-CBC', '')];
  const offered = native.offeredCiphers();
  return candidates.find((candidate) => offered.includes(candidate));
}

/** A hint where a list has names of IANA's. */
function openSslNames(names: readonly string[]): string | undefined {
  const isForeign = (name: string): boolean => /^(TLS|SSL)_\w+$/i.test(name);
  const foreign = names.filter(isForeign);
  if (foreign.length === 0) return undefined;
  const said = "'ciphers' takes OpenSSL's names, and these are IANA's";
  if (foreign.every((name) => openSslName(name) === undefined)) return `${said}: 'features.ciphers' has what there is.`;
  const list = names.flatMap((name) => (isForeign(name) ? (openSslName(name) ?? []) : [name])).join(':');
  if (takes(list)) return `${said}: write '${list}'.`;
  return `${said}: write '${list}:@SECLEVEL=0', as the security level permits these at 0 only.`;
}

/** Whether OpenSSL has such a list, and its security level permits something of it. */
function takes(list: string): boolean {
  try {
    new native.SecureContext().setCiphers(list);
    return true;
  } catch {
    return false;
  }
}

/** So many letters of a suite's name may be wrong. */
const MOST_TYPOS = 2;

/** A hint where no name of a list is a suite here, and one of them is nearly one. */
function misspeltSuites(names: readonly string[]): string | undefined {
  const suites = names.filter((name) => /^[A-Z][A-Z0-9]*(-[A-Z0-9]+)+$/i.test(name));
  const offered = native.offeredCiphers();
  if (suites.some((name) => offered.includes(name))) return undefined;
  const near = suites.flatMap((name) => {
    const { candidate, distance } = nearest(name, offered);
    return distance <= MOST_TYPOS ? [`there is no '${name}' here: did you mean '${candidate}'?`] : [];
  });
  const [first] = near;
  return first === undefined ? undefined : `'ciphers' is an OpenSSL cipher list, and ${first}`;
}

/** What {@link setAlgorithms} takes: lists with colons, as in `tls`. */
interface Algorithms {
  ciphers: string;
  sigalgs: string | undefined;
  ecdhCurve: string | undefined;
}

/**
 * Sets lists of algorithms.
 *
 * @throws `ERR_DTLS_UNSUPPORTED` for a list that OpenSSL refuses and that names what only another one has,
 * else as errors.def says.
 */
export function setAlgorithms(context: NativeSecureContext, lists: Algorithms): void {
  const set = (
    option: keyof Algorithms,
    setter: 'setCiphers' | 'setSigalgs' | 'setGroups',
    isKnown: (name: string) => boolean,
  ): void => {
    const list = lists[option];
    if (list === undefined) return;
    const names = list.split(':');
    const newer = names.filter((name) => OF_DTLS13.test(name));
    const refusal = (): DTLSError =>
      unsupported(`'${option}' names ${newer.join(', ')}, of DTLS 1.3`, NEEDS_DTLS13);
    // OpenSSL 3.5 takes such a list, and fails in every handshake.
    if (newer.length === names.length) throw refusal();
    try {
      withTypedErrors(
        () => { context[setter](list); },
        () => (option === 'ciphers' ? (openSslNames(names) ?? misspeltSuites(names)) : undefined),
      );
    } catch (error) {
      throw newer.some((name) => !isKnown(name)) ? refusal() : error;
    }
  };
  set('ciphers', 'setCiphers', () => false);
  set('sigalgs', 'setSigalgs', (name) => native.offersSigalg(name));
  if (lists.ecdhCurve !== 'auto') set('ecdhCurve', 'setGroups', (name) => native.offersGroup(name));
}
