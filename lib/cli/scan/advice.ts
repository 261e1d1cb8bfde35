/** What RFC 9325 (BCP 195) has to say about a server, and a few other documents where it has nothing. */
import type { CertificateReport, Report, VersionReport } from './survey';

export interface Advice {
  /** `must`: an attacker can make something of it, or a MUST is broken. `should`: better is known. */
  readonly level: 'must' | 'should';
  readonly about: string;
  readonly advice: string;
  readonly source: string;
}

interface SuiteRule {
  readonly matches: RegExp;
  readonly level: Advice['level'];
  readonly advice: string;
  readonly source: string;
}

/** The first that matches a suite speaks for it. */
const SUITE_RULES: readonly SuiteRule[] = [
  { matches: /_WITH_NULL_/, level: 'must', advice: 'nothing is encrypted: switch it off', source: 'RFC 9325 section 4.1' },
  { matches: /_EXPORT_|_DES_CBC_|_DES40_|_RC2_/, level: 'must', advice: 'less than 112 bits of security: switch it off', source: 'RFC 9325 section 4.1' },
  { matches: /_RC4_/, level: 'must', advice: 'RC4 is broken: switch it off', source: 'RFC 9325 section 4.1' },
  { matches: /_anon_/, level: 'must', advice: 'nobody is authenticated: anybody in between can read', source: 'RFC 5246 appendix F.1.1.1' },
  { matches: /_3DES_|_IDEA_/, level: 'should', advice: 'less than 128 bits of security, and blocks of 64 bits', source: 'RFC 9325 section 4.1' },
  { matches: /^TLS_RSA_WITH_/, level: 'should', advice: 'static RSA: no forward secrecy', source: 'RFC 9325 section 4.1' },
  { matches: /^TLS_(RSA_)?PSK_WITH_/, level: 'should', advice: 'no forward secrecy: who learns the key reads all that was recorded; prefer ECDHE_PSK', source: 'RFC 9325 section 4.1' },
  { matches: /_CCM_8$/, level: 'should', advice: 'tags of 64 bits: a forgery is not out of reach', source: 'RFC 9147 section 4.5.3' },
];

const named = (names: readonly string[]): string =>
  names.length > 3 ? `${names.slice(0, 2).join(', ')} and ${String(names.length - 2)} more` : names.join(', ');

function suiteAdvice({ version, suites }: VersionReport, report: Report): Advice[] {
  const advice = SUITE_RULES.flatMap(({ matches, level, advice, source }, rule) => {
    const weak = suites.filter((suite) => SUITE_RULES.findIndex((one) => one.matches.test(suite)) === rule && matches.test(suite));
    return weak.length === 0 ? [] : [{ level, about: `${version}: ${named(weak)}`, advice, source }];
  });
  const cbc = suites.filter((suite) => suite.includes('_CBC_'));
  if (cbc.length > 0 && report.extensions.encryptThenMac === false) {
    advice.push({
      level: 'should',
      about: `${version}: ${named(cbc)}`,
      advice: 'CBC without encrypt-then-MAC is open to padding oracles: switch these suites off, or encrypt-then-MAC on',
      source: 'RFC 7366',
    });
  }
  if (suites.length > 0 && !suites.some((suite) => /_(ECDHE|DHE|PSK_DHE)_/.test(suite))) {
    advice.push({ level: 'must', about: version, advice: 'no suite has forward secrecy', source: 'RFC 9325 section 4.1' });
  }
  return advice;
}

const DAY_MS = 86_400_000;

function certificateAdvice(certificate: CertificateReport, now: number): Advice[] {
  const { subject, key, bits, signature, validFrom, validTo, selfSigned } = certificate;
  const advice: Advice[] = [];
  const add = (level: Advice['level'], text: string, source: string): void => {
    advice.push({ level, about: `certificate ${subject || '(without a subject)'}`, advice: text, source });
  };
  const left = Date.parse(validTo) - now;
  if (left < 0) add('must', `it expired on ${validTo}`, 'RFC 5280 section 4.1.2.5');
  else if (left < 14 * DAY_MS) add('should', `it expires on ${validTo}`, 'RFC 5280 section 4.1.2.5');
  if (Date.parse(validFrom) > now) add('must', `it is not valid before ${validFrom}`, 'RFC 5280 section 4.1.2.5');
  if (key.startsWith('rsa') && bits !== null && bits < 2048) {
    add('must', `an RSA key of ${String(bits)} bits: at least 2048 are needed`, 'RFC 9325 section 4.5');
  }
  if (/(192|160|112)/.test(key)) add('must', `the curve ${key} has less than 224 bits`, 'RFC 9325 section 4.5');
  if (!selfSigned && /SHA-1\b|MD5/.test(signature)) add('must', `signed with ${signature}`, 'RFC 9325 section 4.5');
  return advice;
}

export function adviceOn(report: Report, now = Date.now()): Advice[] {
  const { versions, groups, primeBits, signatures, cookie, flight, extensions } = report;
  const advice: Advice[] = [];
  const add = (level: Advice['level'], about: string, text: string, source: string): void => {
    advice.push({ level, about, advice: text, source });
  };
  if (versions.some(({ version }) => version === 'DTLS 1.0')) {
    add('must', 'DTLS 1.0', 'it must not be used any more: switch it off', 'RFC 9325 section 3.1.2, RFC 8996');
  }
  if (!versions.some(({ version }) => version === 'DTLS 1.2')) {
    add('must', 'DTLS 1.2', 'it must be there', 'RFC 9325 section 3.1.2');
  }
  if (!cookie.asked) {
    const times = (cookie.answer / cookie.hello).toFixed(1);
    add('must', 'cookies', `none is asked for: whoever forges an address has it sent ${times} times the bytes, and a session made`, 'RFC 6347 section 4.2.1');
  } else if (cookie.verified === false) {
    add('must', 'cookies', 'a forged one is taken: the exchange protects nobody', 'RFC 6347 section 4.2.1');
  }
  if (cookie.asked && cookie.answer > cookie.hello) {
    add('should', 'cookies', 'the answer to a hello without a cookie is longer than the hello', 'RFC 6347 section 4.2.1');
  }
  for (const version of versions) advice.push(...suiteAdvice(version, report));
  const weakGroups = groups.filter((group) => /sect|19[0-9]|secp192/.test(group));
  if (weakGroups.length > 0) add('must', named(weakGroups), 'too small, or a binary curve', 'RFC 9325 section 4.5, RFC 8422 section 5.1.1');
  if (primeBits !== null && primeBits < 2048) {
    add('must', 'DHE', `a prime of ${String(primeBits)} bits: at least 2048 are needed`, 'RFC 9325 section 4.5');
  }
  const weakSignatures = signatures.filter((name) => /md5|sha1/.test(name));
  if (weakSignatures.length > 0) add('must', named(weakSignatures), 'the handshake is signed with a digest that is broken', 'RFC 9155');
  if (!extensions.extendedMasterSecret) {
    add('must', 'extended_master_secret', 'not there: two sessions can be given one master secret', 'RFC 9325 section 3.5, RFC 7627');
  }
  if (!extensions.renegotiationInfo) {
    add('must', 'renegotiation_info', 'not there: what a client says can be appended to what an attacker has said', 'RFC 9325 section 3.5, RFC 5746');
  }
  if (report.compression) add('should', 'compression', 'lengths betray the plaintext: switch it off', 'RFC 9325 section 3.3');
  if (report.fragmentedHello === false) {
    add('should', 'fragmented ClientHello', 'it is not answered: clients whose hello does not fit a datagram, as with post-quantum groups, cannot connect', 'RFC 6347 section 4.2.3');
  }
  if (flight.largest > 1452) {
    add('should', 'handshake datagrams', `up to ${String(flight.largest)} bytes: more than an Ethernet frame has room for`, 'RFC 6347 section 4.1.1.1');
  }
  for (const certificate of report.certificates) advice.push(...certificateAdvice(certificate, now));
  return advice.sort((left, right) => (left.level === right.level ? 0 : left.level === 'must' ? -1 : 1));
}
