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

const isThere = (version: ProtocolVersion): boolean =>
  version === 'DTLSv1.3' ? native.dtls13().engine !== undefined : native.offersVersion(VERSIONS[version]);

/** Why there is no DTLS 1.3 here, and what it takes. */
const needsDtls13 = (): string =>
  `DTLS 1.3 needs the OpenSSL 3.5 of Node 22.20, 24.5 or later: ${native.dtls13().missing ?? 'it is there'} ('features.dtls13Missing').`;


/** Groups to look for: those of RFC 8422 and RFC 7027, and one more that OpenSSL has. */
const GROUPS = [
  ...['X25519', 'X448', 'P-256', 'P-384', 'P-521', 'secp256k1'],
  ...['brainpoolP256r1', 'brainpoolP384r1', 'brainpoolP512r1'],
];

let versions: readonly ProtocolVersion[] | undefined;

/** Asked once: making an SSL_CTX to ask takes a millisecond. */
export const offeredVersions = (): readonly ProtocolVersion[] =>
  (versions ??= Object.freeze((Object.keys(VERSIONS) as ProtocolVersion[]).filter(isThere)));

/** DTLS versions count downwards. */
export const isBelow = (version: number, other: number): boolean => version > other;

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
  if (!isThere(value)) {
    throw unsupported(
      `'${name}' cannot be '${value}'`,
      value === 'DTLSv1.3'
        ? needsDtls13()
        : `This OpenSSL was built without it: 'features.versions' has what there is.`,
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

/** The suites of DTLS 1.3: RFC 8446 appendix B.4. */
const DTLS13_SUITES = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'TLS_AES_128_CCM_SHA256',
  'TLS_AES_128_CCM_8_SHA256',
];

/** Those that are offered where nobody names any, AES-128 first as among the others. */
const DEFAULT_DTLS13_SUITES = DTLS13_SUITES.slice(0, 3).join(':');

const isDtls13Suite = (name: string): boolean => /^TLS_(AES|CHACHA20)_/i.test(name);

const THOSE_OF_DTLS13 = `Those of DTLS 1.3 are ${DTLS13_SUITES.join(', ')}.`;

/** A name of IANA's that is no suite's, of whichever version, be the security level what it may. An OpenSSL with DTLS 1.3 takes those. */
const isNoSuite = (name: string): boolean =>
  /^TLS_\w+$/i.test(name) && !DTLS13_SUITES.includes(name.toUpperCase()) && !takes(`${name}:@SECLEVEL=0`);

/** @throws For a list of DTLS 1.3 with a name of IANA's that there is not: OpenSSL would leave it out in silence. */
function requireSuites(names: readonly string[]): void {
  const unknown = names.find(isNoSuite);
  if (unknown === undefined) return;
  const { candidate, distance } = nearest(unknown, DTLS13_SUITES);
  const meant = distance <= MOST_TYPOS ? `Did you mean '${candidate}'? ` : '';
  throw usageError('ERR_DTLS_INVALID_CIPHERS', `there is no suite '${unknown}'`, `${meant}${THOSE_OF_DTLS13}`);
}

/** What to do about a list that DTLS 1.3 can use nothing of; undefined where it is no matter of the version. */
export function hintForDtls13(code: string, reason: string | undefined, ciphers: string | undefined): string | undefined {
  const level = /@SECLEVEL=(\d)/.exec(ciphers ?? '')?.[1];
  const higher = level === undefined ? '' : `, and security level ${level} ('@SECLEVEL' in 'ciphers') permits not all of them`;
  // Without one OpenSSL knows a name not.
  if (reason === undefined && code !== 'ERR_DTLS_INVALID_CIPHERS') return undefined;
  switch (code) {
    case 'ERR_DTLS_INVALID_CIPHERS':
      return ciphers?.includes('CCM_8') === true ? "A tag of 64 bits needs '@SECLEVEL=0' in 'ciphers'." : undefined;
    case 'ERR_DTLS_INVALID_CURVES':
      return `DTLS 1.3 can use none of 'ecdhCurve': it has X25519, X448, P-256, P-384, P-521, X25519MLKEM768 and the like${higher}.`;
    case 'ERR_DTLS_INVALID_SIGALGS':
      return `DTLS 1.3 can use none of 'sigalgs': it has ECDSA and RSA-PSS with SHA-256 and above, Ed25519 and the like${higher}.`;
    default:
      return undefined;
  }
}

/** What {@link setAlgorithms} takes: lists with colons, as in `tls`. */
interface Algorithms {
  ciphers: string | undefined;
  sigalgs: string | undefined;
  ecdhCurve: string | undefined;
}

/**
 * When pre-shared keys are no use with these lists: in DTLS 1.3 a key is bound to a digest, which is SHA-256 where nothing
 * else is said (RFC 8446 section 4.2.11), and a suite with another one does not take it.
 */
export type KeysBarred = 'always' | 'at DTLS 1.3' | undefined;

/** Which versions the lists are for, as the wire has them. */
interface Range {
  min: number;
  max: number;
}

type List = keyof Algorithms;

const WITH_DTLS12 =
  "A list is for all versions between 'minVersion' and 'maxVersion', which both count: name something of DTLS 1.2, too, or leave that out (minVersion: 'DTLSv1.3').";

/**
 * Sets lists of algorithms: those of DTLS 1.2 and before, and those of 1.3, which one list may name together. Returns
 * when these have no use for pre-shared keys.
 *
 * @throws For a list that OpenSSL refuses and that names what only DTLS 1.3 has: `ERR_DTLS_UNSUPPORTED` where that is
 * not there, `ERR_DTLS_CONFLICTING_OPTIONS` where it is not asked for. The latter, too, for a list that leaves a version
 * without any; else as errors.def says.
 */
export function setAlgorithms(
  context: NativeSecureContext,
  lists: Algorithms,
  defaultCiphers: string,
  { min, max }: Range,
): KeysBarred {
  const with13 = max === Version.Dtls13;
  const only13 = min === Version.Dtls13;
  const refusal = (option: List, newer: readonly string[]): DTLSError =>
    native.dtls13().engine === undefined
      ? unsupported(`'${option}' names ${newer.join(', ')}, of DTLS 1.3`, needsDtls13())
      : usageError(
          'ERR_DTLS_CONFLICTING_OPTIONS',
          `'${option}' names ${newer.join(', ')}, of DTLS 1.3, and 'maxVersion' is DTLSv1.2`,
          "Ask for DTLS 1.3, too (maxVersion: 'DTLSv1.3'), or name suites, groups and signatures of DTLS 1.2.",
        );
  const nothingFor = (option: List, version: string): DTLSError =>
    usageError('ERR_DTLS_CONFLICTING_OPTIONS', `'${option}' names nothing that ${version} has`, only13 ? THOSE_OF_DTLS13 : WITH_DTLS12);
  const set12 = (
    option: List,
    setter: 'setCiphers' | 'setSigalgs' | 'setGroups',
    list: string,
    isKnown: (name: string) => boolean,
  ): void => {
    const names = list.split(':').filter((name) => !name.startsWith('@'));
    const newer = names.filter((name) => OF_DTLS13.test(name));
    // OpenSSL 3.5 takes such a list, and fails in every handshake.
    if (newer.length === names.length) throw with13 ? nothingFor(option, 'DTLS 1.2') : refusal(option, newer);
    const older = with13 ? list.split(':').filter((name) => !OF_DTLS13.test(name)).join(':') : list;
    try {
      withTypedErrors(
        () => { context[setter](older); },
        () => (option === 'ciphers' ? (openSslNames(names) ?? misspeltSuites(names)) : undefined),
      );
    } catch (error) {
      throw newer.some((name) => !isKnown(name)) ? refusal(option, newer) : error;
    }
  };
  const { ciphers, sigalgs } = lists;
  const ecdhCurve = lists.ecdhCurve === 'auto' ? undefined : lists.ecdhCurve;
  const given = (ciphers ?? '').split(':');
  if (with13) requireSuites(given);
  // The security level is part of the list of 1.2's suites, and counts for 1.3, too.
  const levels = given.filter((name) => name.startsWith('@SECLEVEL='));
  const older = only13 && ciphers !== undefined ? [defaultCiphers, ...levels].join(':') : (ciphers ?? defaultCiphers);
  set12('ciphers', 'setCiphers', older, () => false);
  // An empty one is none to OpenSSL, of whichever version.
  if ((!only13 || sigalgs === '') && sigalgs !== undefined) set12('sigalgs', 'setSigalgs', sigalgs, (name) => native.offersSigalg(name));
  if (!only13 && ecdhCurve !== undefined) set12('ecdhCurve', 'setGroups', ecdhCurve, (name) => native.offersGroup(name));

  const named = given.filter(isDtls13Suite).map((name) => name.toUpperCase());
  if (only13 && ciphers !== undefined && named.length === 0) {
    // OpenSSL says whether it is a list at all.
    set12('ciphers', 'setCiphers', ciphers, () => false);
    throw nothingFor('ciphers', 'DTLS 1.3');
  }
  const suites = named.length === 0 ? DEFAULT_DTLS13_SUITES : named.join(':');
  context.setDtls13(suites, ecdhCurve ?? '', sigalgs ?? '');
  // Level 4 permits nothing below 192 bits.
  const level = Number(levels.at(-1)?.replace('@SECLEVEL=', '') ?? 0);
  const usable = suites.split(':').filter((name) => level < 4 || !name.includes('_128_'));
  if (usable.length === 0 || usable.some((name) => !name.endsWith('_SHA384'))) return undefined;
  return only13 ? 'always' : 'at DTLS 1.3';
}
