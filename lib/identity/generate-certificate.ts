/** Certificates made here, by the addon's OpenSSL: for development, and for peers that know one another's fingerprint. */
import type { KeyObject, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { domainToASCII } from 'node:url';
import { promisify } from 'node:util';

import { late } from '../base/late';
import { bytesOf, lend } from '../base/memory';
import { asError, isA, shown } from '../errors/as-error';
import { DTLSError, usageError, withTypedErrors } from '../errors/errors';
import { native } from '../core/native';
import { noMore } from '../checks/arguments';
import { withoutObjectPrototype } from '../checks/no-inheritance';
import { bytes, checkNames, checkObject, flag, integer, lendBytes, wrongForm, wrongType } from '../checks/validate';

/** Whom a certificate is about, by the short names of X.500 as `X509Certificate.subject` prints them. */
export interface CertificateSubject {
  /** Common name, up to 64 characters. */
  readonly CN?: string;
  /** Organization. */
  readonly O?: string;
  /** Organizational unit. */
  readonly OU?: string;
  /** Locality. */
  readonly L?: string;
  /** State or province. */
  readonly ST?: string;
  /** Country: two letters. */
  readonly C?: string;
}

/** The authority that signs a new certificate. */
export interface CertificateIssuer {
  /** PEM; of a chain the first certificate, which must be an authority's. */
  readonly cert: string | Buffer;
  /** Its private key: PEM, or a private `crypto.KeyObject`. */
  readonly key: string | Buffer | KeyObject;
  /** The passphrase of a key that is encrypted. */
  readonly passphrase?: string;
}

export interface GenerateCertificateOptions {
  /**
   * The common name, or several names. Default: the first of `altNames`; without any of the two, `localhost`, with
   * `altNames` for this machine alone (`localhost`, `127.0.0.1`, `::1`).
   */
  readonly subject?: string | CertificateSubject;
  /**
   * DNS names and IP addresses that clients may reach the bearer by: what `connect` compares its `host` or `servername`
   * with (RFC 9525). Default: the common name, where it is a host name or an address; none for an authority. A common name
   * such as `my device` is neither: without `altNames` a client that compares names refuses such a certificate.
   */
  readonly altNames?: readonly string[];
  /** `'ec'` is ECDSA on P-256, `'rsa'` has 2048 bits. Default: `'ec'`, which every DTLS stack has and which is small. */
  readonly keyType?: 'ec' | 'rsa' | 'ed25519';
  /** Valid for so many days, 1 to 36500, and from an hour ago on, since clocks differ. Default: 30. */
  readonly days?: number;
  /** An authority's, to issue others from. Default: false. */
  readonly ca?: boolean;
  /** What the bearer is to its peers (extended key usage). Default: `'both'`. Not with `ca`. */
  readonly usage?: 'server' | 'client' | 'both';
  /** Who signs. Default: nobody else, the certificate is self-signed. */
  readonly issuer?: CertificateIssuer;
}

/** What {@link generateCertificate} makes: options of `createServer`, `connect` and `createSecureContext`. */
export interface GeneratedCertificate {
  /** PEM: the certificate, then those of its issuers, without a root. */
  readonly cert: string;
  /** The private key: PEM, PKCS #8, not encrypted. */
  readonly key: string;
}

const DAY_S = 86_400;
const ATTRIBUTES = ['CN', 'O', 'OU', 'L', 'ST', 'C'] as const;
const KEY_TYPES = ['ec', 'rsa', 'ed25519'] as const;
type KeyType = (typeof KEY_TYPES)[number];
const USAGES = ['server', 'client', 'both'] as const;
const OPTIONS = ['subject', 'altNames', 'keyType', 'days', 'ca', 'usage', 'issuer'] as const;
/** The names of this machine that only it knows. */
export const LOCALHOST = ['localhost', '127.0.0.1', '::1'];

/**
 * Makes a key and a certificate for it (X.509 v3): self-signed, or signed by `issuer`. Keys are made outside the event
 * loop's thread.
 *
 * A self-signed certificate is what WebRTC and other peers use that tell one another their fingerprints
 * (`new X509Certificate(cert).fingerprint256`, `peerFingerprints`), and what a client on the same machine trusts as `ca`. Nothing here revokes or renews: for names
 * in public, use an authority that does.
 *
 * Rejects with a {@link DTLSError} of the category `usage`: Node's codes for options, `ERR_DTLS_INVALID_SUBJECT`,
 * `ERR_DTLS_INVALID_CERTIFICATE`, `ERR_DTLS_INVALID_KEY` and `ERR_DTLS_KEY_MISMATCH` for names and issuers.
 *
 * @example
 * const { cert, key } = await generateCertificate({ altNames: ['localhost', '127.0.0.1'] });
 * createServer({ cert, key }).listen(5684);
 */
export function generateCertificate(options?: GenerateCertificateOptions): Promise<GeneratedCertificate>;
export async function generateCertificate(...args: [GenerateCertificateOptions?, ...unknown[]]): Promise<GeneratedCertificate> {
  noMore('generateCertificate', args, 1);
  const [options = {}] = args;
  const { subject, names, keyType, days, usage, issuer } = resolve(options);
  const { privateKey } = await makeKey(keyType);
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const now = Math.floor(Date.now() / 1000);
  const make = (own: Uint8Array, issuerKey?: Uint8Array): Buffer =>
    withTypedErrors(() =>
      native.makeCertificate({
        subject,
        dnsNames: names.filter((name) => isIP(name) === 0),
        ipAddresses: names.filter((name) => isIP(name) !== 0),
        notBefore: now - DAY_S / 24,
        notAfter: now + days * DAY_S,
        usage,
        key: own,
        issuerCertificate: issuer?.certificate,
        issuerKey,
      }),
    );
  const der = lend(key, (own) => (issuer === undefined ? make(own) : lend(issuer.key, (theirs) => make(own, theirs))));
  return { cert: new late.crypto.X509Certificate(der).toString() + (issuer?.chain ?? ''), key };
}

function makeKey(type: KeyType): Promise<{ privateKey: KeyObject }> {
  const keyPair = promisify(late.crypto.generateKeyPair);
  switch (type) {
    case 'ec':
      return keyPair('ec', { namedCurve: 'P-256' });
    case 'rsa':
      return keyPair('rsa', { modulusLength: 2048 });
    case 'ed25519':
      return keyPair('ed25519');
  }
}

function resolve(given: GenerateCertificateOptions): {
  subject: string[];
  names: string[];
  keyType: KeyType;
  days: number;
  usage: 'authority' | 'server' | 'client' | 'both';
  issuer: Issuer | undefined;
} {
  checkObject('options', given, nameInstead(given));
  checkNames(given, OPTIONS);
  const options = withoutObjectPrototype(given, OPTIONS);
  const ca = flag('ca', options.ca, false);
  if (ca && options.usage !== undefined) {
    throw usageError(
      'ERR_INVALID_ARG_VALUE',
      "'usage' cannot go with 'ca'",
      "An authority signs certificates and does nothing else: issue another one for the end, with 'issuer'.",
    );
  }
  if (ca && options.altNames !== undefined) {
    throw usageError('ERR_INVALID_ARG_VALUE', "'altNames' cannot go with 'ca'", "Name the authority by 'subject'.");
  }
  const usage = oneOf('usage', options.usage, USAGES, 'both');
  const names = resolveNames(options, ca);
  return {
    subject: resolveSubject(options.subject, names),
    names: ca ? [] : names,
    keyType: oneOf('keyType', options.keyType, KEY_TYPES, 'ec'),
    days: integer('days', options.days, 30, 1, 36_500),
    usage: ca ? 'authority' : usage,
    issuer: options.issuer === undefined ? undefined : resolveIssuer(options.issuer),
  };
}

/** A name that was given, or one that shows what a name is. */
const exampleOf = (given: string): string => hostName(given) ?? 'localhost';

/** Names in place of options. */
function nameInstead(options: unknown): string | undefined {
  if (typeof options === 'string') return `A name is an option: generateCertificate({ subject: '${exampleOf(options)}' }).`;
  return Array.isArray(options) ? 'Names are an option: generateCertificate({ altNames: […] }).' : undefined;
}

function oneOf<T extends string>(name: string, value: T | undefined, known: readonly T[], fallback: T): T {
  if (value === undefined) return fallback;
  if (known.includes(value)) return value;
  throw usageError('ERR_INVALID_ARG_VALUE', `'${name}' cannot be ${shown(value)}`, `Use ${known.map((one) => `'${one}'`).join(', ').replace(/, (?=[^,]*$)/, ' or ')}.`);
}

/** The name in ASCII, as certificates have it (RFC 5280 section 4.2.1.6); a wildcard may be the first label (RFC 9525 section 6.3). */
function hostName(name: string): string | undefined {
  if (isIP(name) !== 0) return name.includes('%') ? undefined : name;
  const wildcard = name.startsWith('*.') ? '*.' : '';
  // domainToASCII is of URLs: it takes what is in front of some of these, leaves others out, and decodes the rest.
  if (/[\0-\x20\x7f/\\?#@:%]/.test(name)) return undefined;
  const rest = domainToASCII(name.slice(wildcard.length));
  if (isIP(rest) !== 0) return undefined; // it reads numbers as addresses: '12' is 0.0.0.12
  const label = /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/;
  return rest.length <= 253 && rest.split('.').every((part) => label.test(part)) ? wildcard + rest : undefined;
}

function resolveNames({ subject, altNames }: GenerateCertificateOptions, ca: boolean): string[] {
  if (altNames === undefined) {
    if (subject === undefined) return ca ? ['dgram-dtls authority'] : LOCALHOST;
    const name = typeof subject === 'string' ? subject : (subject as CertificateSubject | null)?.CN;
    const host = typeof name === 'string' ? hostName(name) : undefined;
    return host === undefined ? [] : [host];
  }
  if (!Array.isArray(altNames)) {
    throw wrongType('altNames', 'an array of strings', altNames, typeof altNames === 'string' ? `Write altNames: ['${exampleOf(altNames)}'].` : undefined);
  }
  // Holes are seen, and no method of the array's own is called.
  return Array.from<unknown, string>(altNames, (name) => {
    if (typeof name !== 'string') throw wrongType('altNames', 'an array of strings', name, `Write altNames: ['localhost'].`);
    const host = hostName(name);
    if (host !== undefined) return host;
    throw usageError(
      'ERR_INVALID_ARG_VALUE',
      `'altNames' has '${name.slice(0, 200)}', which is no host name and no address`,
      "Names look like 'coap.example', '*.devices.example' or '192.0.2.1': without port, scheme or path.",
    );
  });
}

/** Attribute, text, attribute, text. */
function resolveSubject(given: string | CertificateSubject | undefined, names: readonly string[]): string[] {
  if (given === undefined) {
    // A longer name is in the alternative names alone, and then the subject is empty.
    const first = names.find(({ length }) => length <= 64);
    if (first === undefined && names.length === 0) throw nameless();
    return first === undefined ? [] : ['CN', first];
  }
  if (typeof given === 'string') return ['CN', attributeText('CN', given)];
  if (typeof given !== 'object' || (given as unknown) === null) throw wrongType('subject', 'a string, or an object with names', given, "A string is the name (CN); { CN: 'device-7', O: 'Example' } has more of them.");
  checkObject('subject', given);
  checkAttributes(given);
  const known = ATTRIBUTES.flatMap((attribute) => {
    const text: unknown = given[attribute];
    if (text === undefined) return [];
    if (typeof text !== 'string') throw wrongForm(`subject.${attribute}`, 'a string', text, 'Leave it out where there is none.');
    return [attribute, attributeText(attribute, text)];
  });
  if (known.length > 0 || names.length > 0) return known;
  throw nameless();
}

/** Names of one and two letters: what is close to one of them is close to others, too. */
function checkAttributes(given: object): void {
  const unknown = Object.keys(given).find((name) => !(ATTRIBUTES as readonly string[]).includes(name));
  if (unknown === undefined) return;
  const meant = ATTRIBUTES.find((attribute) => attribute.toLowerCase() === unknown.toLowerCase());
  throw usageError(
    'ERR_DTLS_UNKNOWN_OPTION',
    `unknown name '${unknown}' in 'subject'`,
    meant === undefined ? `A subject has ${ATTRIBUTES.join(', ')}.` : `Did you mean '${meant}'?`,
  );
}

const nameless = (): DTLSError =>
  usageError('ERR_DTLS_INVALID_SUBJECT', 'the certificate would have no name', "Give a 'subject', or 'altNames'.");

/** Whoever reads names as C strings would see the front of such a text, as if it were the whole of it. */
function attributeText(attribute: string, text: string): string {
  if (!text.includes('\0') && !/\p{Surrogate}/u.test(text)) return text;
  throw usageError(
    'ERR_DTLS_INVALID_SUBJECT',
    `the subject's ${attribute} has a NUL or half of a surrogate pair`,
    'No certificate can say such a text: leave it out.',
  );
}

interface Issuer {
  readonly certificate: Buffer;
  /** PEM. */
  readonly key: string;
  /** PEM, to follow what it signs; a root is known to whoever trusts it (RFC 5246 section 7.4.2). */
  readonly chain: string;
}

function resolveIssuer(given: CertificateIssuer): Issuer {
  checkObject('issuer', given);
  checkNames(given, ['cert', 'key', 'passphrase']);
  const [certificate, ...above] = read('cert', 'ERR_DTLS_INVALID_CERTIFICATE', () => certificatesIn(bytes('issuer.cert', given.cert)));
  if (!certificate.ca) {
    throw usageError(
      'ERR_DTLS_INVALID_CERTIFICATE',
      "'issuer.cert' is no authority's certificate",
      'What it signed would be trusted by nobody: make one with { ca: true }.',
    );
  }
  const key = read('key', 'ERR_DTLS_INVALID_KEY', () => privateKey(given));
  return {
    certificate: Buffer.from(certificate.toString()),
    key: key.export({ type: 'pkcs8', format: 'pem' }).toString(),
    chain: [certificate, ...above]
      .filter((one) => !one.checkIssued(one))
      .map(String)
      .join(''),
  };
}

/** The issuer's own, and those that follow it where it is PEM. */
function certificatesIn(given: Buffer): [X509Certificate, ...X509Certificate[]] {
  const all = given.toString('latin1').match(/-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----/gs) ?? [];
  const [first = given, ...rest] = all;
  return [new late.crypto.X509Certificate(first), ...rest.map((pem) => new late.crypto.X509Certificate(pem))];
}

function privateKey({ key, passphrase }: CertificateIssuer): KeyObject {
  if (key instanceof late.crypto.KeyObject) {
    if (key.type === 'private') return key;
    throw wrongType('issuer.key', 'a private key', key, 'A public key signs nothing: pass the other half.');
  }
  return lendBytes('issuer.key', key, (pem) =>
    late.crypto.createPrivateKey({ key: bytesOf(pem), ...(passphrase === undefined ? {} : { passphrase }) }));
}

function read<T>(what: 'cert' | 'key', code: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (isA(error, DTLSError)) throw error;
    throw usageError(code, `'issuer.${what}' cannot be read: ${asError(error).message}`, "It must be PEM; an encrypted key needs 'passphrase'.");
  }
}
