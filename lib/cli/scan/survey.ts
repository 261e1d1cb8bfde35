/** Which questions are put to a server, and what its answers mean. */
import { X509Certificate } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

import { HandshakeType, Version } from '../../base/protocol';
import { alertName } from '../../errors/names';
import { native } from '../../core/native';
import { certificateChain, describeMessage, type Agreed } from '../decode/messages';
import { NothingFound } from '../exit';
import { chosenVersion, type Fields } from '../decode/hello';
import { ExtensionType, groupName, versionName } from '../decode/names';
import { Malformed } from '../decode/reader';
import { SUITES, SUITES_OF_13, suiteName } from '../decode/suites';
import type { Offer } from './client-hello';
import { probe, type Answer, type Question, type Where } from './probe';

interface SurveyOptions {
  readonly servername: string | undefined;
  readonly alpn: readonly string[] | undefined;
  /** Handshakes at most. */
  readonly most: number;
  /** Milliseconds between two of them. */
  readonly pace: number;
  readonly signal: AbortSignal;
  readonly onHandshake: (expected: number) => void;
  /** Milliseconds; default: by how long answers take. */
  readonly waits?: readonly number[];
}

export interface VersionReport {
  readonly version: string;
  /** IANA's names; in the order in which the server takes them when it decides. */
  readonly suites: readonly string[];
  /** Whether its order decides, and not the client's; null for less than two suites. */
  readonly serverDecides: boolean | null;
}

export interface CertificateReport {
  readonly subject: string;
  readonly names: string | null;
  readonly issuer: string;
  readonly validFrom: string;
  readonly validTo: string;
  readonly key: string;
  readonly bits: number | null;
  readonly signature: string;
  readonly selfSigned: boolean;
  /** Certificates in the chain that the server sends. */
  readonly chain: number;
}

export interface Report {
  readonly versions: readonly VersionReport[];
  /** Its suites of DTLS 1.3, in the order in which it takes them; none where it has no DTLS 1.3. */
  readonly dtls13: readonly string[];
  readonly groups: readonly string[];
  /** Smallest prime of a DHE suite, in bits. */
  readonly primeBits: number | null;
  readonly signatures: readonly string[];
  readonly cookie: {
    readonly asked: boolean;
    readonly length: number;
    /** Whether a forged one is refused; null where none is asked for. */
    readonly verified: boolean | null;
    /** Bytes of a hello without a cookie, and of what an address that was not verified gets for it. */
    readonly hello: number;
    readonly answer: number;
  };
  readonly flight: { readonly datagrams: number; readonly largest: number };
  readonly fragmentedHello: boolean | null;
  readonly extensions: {
    readonly extendedMasterSecret: boolean;
    /** Null where no CBC suite is there to ask with. */
    readonly encryptThenMac: boolean | null;
    readonly renegotiationInfo: boolean;
    readonly sessionTicket: boolean;
    /** Null where tickets stand in for them. */
    readonly sessionId: boolean | null;
    readonly heartbeat: string | null;
    readonly srtp: string | null;
    readonly alpn: string | null;
    readonly maxFragmentLength: boolean | null;
  };
  readonly compression: boolean;
  readonly clientCertificate: boolean;
  readonly pskHint: string | null;
  readonly certificates: readonly CertificateReport[];
  readonly handshakes: number;
  /** False: `most` was reached before all had been asked. */
  readonly complete: boolean;
  /** Suites about which nothing is known: by version those that `most` left out, and those that no scan offers. */
  readonly untried: readonly { readonly version: string | null; readonly suites: readonly string[] }[];
}

/** A server that cannot be scanned: it is silent, or refuses all that was offered. */
export class NoSurvey extends NothingFound {}


/** Groups for ECDHE, what is widely used first. */
const GROUPS = [29, 23, 24, 25, 30, 26, 27, 28, 22, 14, 21, 19];

/** Those of RFC 8446 section 4.2.7; a hello of DTLS 1.3 names no others. */
const GROUPS_OF_13 = [29, 23, 24, 25, 30];

// SRP needs an extension with a user's name, and without it ends the handshake. 0 is no suite to agree on.
const isOffered = ({ id, name }: { id: number; name: string }): boolean => id !== 0 && !name.includes('SRP_');
const ALL_SUITES = SUITES.filter(isOffered).map(({ id }) => id);
const NEVER_OFFERED = SUITES.filter((suite) => !isOffered(suite)).map(({ id }) => id);
/** Suites with AEAD, and those with digests of their own, came with 1.2 (RFC 5246 appendix A.5). */
const OLD_SUITES = ALL_SUITES.filter((id) => !/GCM|CCM|CHACHA|SHA256$|SHA384$/.test(suiteName(id)));
const FEW_HANDSHAKES = 24;

const isCbc = (suite: string): boolean => suite.includes('_CBC_');
const isEcdhe = (suite: string): boolean => suite.includes('_ECDHE_') || suite.includes('_ECDH_anon');

export class Survey {
  readonly #where: Where;
  readonly #options: SurveyOptions;
  readonly #answers: Answer[] = [];
  readonly #untried: { version: string | null; suites: string[] }[] = [
    { version: null, suites: NEVER_OFFERED.map(suiteName) },
  ];
  #handshakes = 0;
  #complete = true;

  constructor(where: Where, options: SurveyOptions) {
    this.#where = where;
    this.#options = options;
  }

  async run(): Promise<Report> {
    const first = await this.#ask({ suites: ALL_SUITES });
    if (first === undefined) throw new NoSurvey('no handshake is allowed', 'Give a higher --most.');
    this.#requireLife(first);
    const versions: VersionReport[] = [];
    for (const [version, suites, known] of [
      [Version.Dtls12, ALL_SUITES, first],
      [Version.Dtls1, OLD_SUITES, undefined],
    ] as const) {
      const report = await this.#suites(version, suites, known);
      if (report.suites.length > 0) versions.push(report);
    }
    const [best] = versions;
    if (best === undefined) {
      const alert = first.alert === undefined ? '' : `: alert ${alertName(first.alert)}`;
      const newer = await this.#dtls13();
      if (newer.length > 0) throw new NoSurvey(`the server speaks DTLS 1.3 alone: ${newer.join(', ')}`, 'A scan shows no more of DTLS 1.3.');
      throw new NoSurvey(`the server refuses everything that was offered${alert}`, 'It may want a server name (--servername).');
    }
    const groups = await this.#groups(best);
    return this.#report(first, versions, groups);
  }

  #requireLife({ server, cookie, alert, datagrams }: Answer): void {
    if (server !== undefined || alert !== undefined) return;
    if (datagrams.length === 0 && cookie === undefined) {
      throw new NoSurvey('nothing came back', 'Is the port right, and does UDP get through? Some servers drop hellos that they do not like without a word.');
    }
    throw new NoSurvey(
      cookie === undefined ? 'what came back is no DTLS' : 'the server sends a cookie, and nothing after it',
      'It may serve one client at a time, and be busy.',
    );
  }

  /** Undefined when there were enough handshakes. */
  async #ask(offer: Partial<Offer>, more: Omit<Question, 'offer'> = {}): Promise<Answer | undefined> {
    const { most, pace, servername, alpn, signal, onHandshake } = this.#options;
    if (this.#handshakes >= most) {
      this.#complete = false;
      return undefined;
    }
    if (this.#handshakes > 0) await sleep(pace, undefined, { signal });
    signal.throwIfAborted();
    this.#handshakes += 1;
    const full = { version: Version.Dtls12, suites: ALL_SUITES, groups: GROUPS, servername, alpn, ...offer };
    const answer = await probe(this.#where, { ...more, offer: full }, this.#options.waits ?? this.#waits());
    this.#answers.push(answer);
    onHandshake(Math.max(FEW_HANDSHAKES, this.#handshakes + FEW_HANDSHAKES / 2));
    return answer;
  }

  /**
   * RFC 6347 section 4.2.4.1, with shorter waits: a scan is no place to insist. Some servers say no by
   * silence; once it is known how long an answer takes, that need not cost seconds each time.
   */
  #waits(): number[] {
    const slowest = Math.max(0, ...this.#answers.map(({ took }) => took ?? 0));
    const first = slowest === 0 ? 700 : Math.min(700, Math.max(250, 3 * slowest));
    return [first, 2 * first, 3 * first];
  }

  /** Finds the suites by elimination: what was chosen is not offered any more, until nothing is chosen. */
  async #suites(version: number, all: readonly number[], known: Answer | undefined): Promise<VersionReport> {
    const found: number[] = [];
    let left = [...all];
    let answer = known;
    while (left.length > 0) {
      answer ??= await this.#ask({ version, suites: left });
      if (answer === undefined) this.#untried.push({ version: versionName(version), suites: left.map(suiteName) });
      const server = answer?.server;
      if (server?.version !== version || !left.includes(server.suite)) break;
      found.push(server.suite);
      left = left.filter((id) => id !== server.suite);
      answer = undefined;
    }
    const suites = found.map(suiteName);
    const names = { version: versionName(version), suites };
    if (found.length < 2) return { ...names, serverDecides: null };
    const reversed = await this.#ask({ version, suites: [...found].reverse() });
    const chosen = reversed?.server?.suite;
    return { ...names, serverDecides: chosen === undefined ? null : chosen === found[0] };
  }

  /** By elimination, too. A HelloRetryRequest tells a suite as a ServerHello does, and costs the server nothing. */
  async #dtls13(): Promise<string[]> {
    const found: number[] = [];
    let left = SUITES_OF_13.map(({ id }) => id);
    while (left.length > 0) {
      const answer = await this.#ask({ version: Version.Dtls13, suites: left, groups: GROUPS_OF_13 });
      const server = answer?.server;
      if (server === undefined || chosenVersion(server) !== Version.Dtls13 || !left.includes(server.suite)) break;
      found.push(server.suite);
      left = left.filter((id) => id !== server.suite);
    }
    return found.map(suiteName);
  }

  /**
   * Finds the groups by elimination, too. A server may need the group of its ECDSA certificate among those offered, so
   * that one stays at the end, behind each of the others alone.
   */
  async #groups({ version: name, suites }: VersionReport): Promise<string[]> {
    const version = name === versionName(Version.Dtls12) ? Version.Dtls12 : Version.Dtls1;
    const ecdhe = suites.filter(isEcdhe).map((suite) => SUITES.find((one) => one.name === suite)?.id ?? 0);
    if (ecdhe.length === 0) return [];
    const found: number[] = [];
    const ask = async (groups: readonly number[]): Promise<number | undefined> => {
      const answer = await this.#ask({ version, suites: ecdhe, groups });
      return answer === undefined ? undefined : curveOf(answer);
    };
    let left = [...GROUPS];
    while (left.length > 0) {
      const group = await ask(left);
      if (group === undefined || !left.includes(group)) break;
      found.push(group);
      left = left.filter((one) => one !== group);
    }
    const needed = found.at(-1);
    if (needed === undefined || !suites.some((suite) => suite.includes('ECDSA'))) return found.map(groupName);
    for (const group of left) {
      if ((await ask([group, needed])) === group) found.push(group);
    }
    return found.map(groupName);
  }

  async #report(first: Answer, versions: readonly VersionReport[], groups: readonly string[]): Promise<Report> {
    const cookie = await this.#cookie(first);
    const whole = { suites: ALL_SUITES };
    const old = versions[0]?.version === versionName(Version.Dtls1);
    const offer = old ? { version: Version.Dtls1, suites: OLD_SUITES } : whole;
    const fragmented = await this.#ask(offer, { fragment: 200 });
    const limited = await this.#ask({ ...offer, maxFragmentLength: 1 });
    const dtls13 = await this.#dtls13();
    const shows = (type: number): boolean => this.#extension(type) !== undefined;
    const cbc = this.#answers.filter(({ server }) => server !== undefined && isCbc(suiteName(server.suite)));
    const keys: Fields[] = this.#answers.map((answer) => keyExchangeOf(answer) ?? {});
    const primes = keys.flatMap(({ prime_length }) => (typeof prime_length === 'number' ? [prime_length * 8] : []));
    const named = (field: string): string[] => [
      ...new Set(keys.map((key) => key[field]).filter((value) => typeof value === 'string')),
    ];
    const sessionIds = this.#answers.some(({ server }) => (server?.sessionId.length ?? 0) > 0);
    const usual = this.#answers.find(({ server }) => server !== undefined) ?? first;
    return {
      versions,
      dtls13,
      groups,
      primeBits: primes.length === 0 ? null : Math.min(...primes),
      signatures: named('signature_algorithm'),
      cookie,
      flight: { datagrams: usual.datagrams.length, largest: Math.max(0, ...usual.datagrams) },
      fragmentedHello: fragmented === undefined ? null : fragmented.server !== undefined,
      extensions: {
        extendedMasterSecret: shows(ExtensionType.ExtendedMasterSecret),
        encryptThenMac: cbc.length === 0 ? null : shows(ExtensionType.EncryptThenMac),
        renegotiationInfo: shows(ExtensionType.RenegotiationInfo),
        sessionTicket: shows(ExtensionType.SessionTicket),
        sessionId: sessionIds || !shows(ExtensionType.SessionTicket) ? sessionIds : null,
        heartbeat: this.#extension(ExtensionType.Heartbeat) ?? null,
        srtp: this.#extension(ExtensionType.UseSrtp) ?? null,
        alpn: this.#extension(ExtensionType.Alpn) ?? null,
        maxFragmentLength:
          limited === undefined ? null : extensionOf(limited, ExtensionType.MaxFragmentLength) !== undefined,
      },
      compression: this.#answers.some(({ server }) => (server?.compression ?? 0) !== 0),
      clientCertificate: this.#answers.some(({ messages }) => messages.has(HandshakeType.CertificateRequest)),
      pskHint: named('psk_identity_hint').find(Boolean) ?? null,
      certificates: certificatesOf(this.#answers),
      handshakes: this.#handshakes,
      complete: this.#complete,
      untried: this.#untried,
    };
  }

  async #cookie({ cookie, asked, answered }: Answer): Promise<Report['cookie']> {
    const report = { asked: cookie !== undefined, length: cookie?.length ?? 0, hello: asked, answer: answered };
    if (cookie === undefined) return { ...report, verified: null };
    const forged = await this.#ask({}, { forgedCookie: Buffer.alloc(cookie.length || 20, 0x5a) });
    return { ...report, verified: forged === undefined ? null : forged.server === undefined };
  }

  /** Its value in any of the ServerHellos, empty where it has none. */
  #extension(type: number): string | undefined {
    for (const answer of this.#answers) {
      const value = extensionOf(answer, type);
      if (value !== undefined) return value;
    }
    return undefined;
  }
}

function extensionOf({ server }: Answer, type: number): string | undefined {
  const found = server?.extensions.find((extension) => extension.type === type);
  return found === undefined ? undefined : [found.value ?? ''].flat().join(', ');
}

function keyExchangeOf({ server, messages }: Answer): Fields | undefined {
  const body = messages.get(HandshakeType.ServerKeyExchange);
  if (server === undefined || body === undefined) return undefined;
  const agreed: Agreed = { version: server.version, suite: suiteName(server.suite) };
  return describeMessage(HandshakeType.ServerKeyExchange, body, agreed);
}

function curveOf(answer: Answer): number | undefined {
  const curve = keyExchangeOf(answer)?.curve;
  return GROUPS.find((group) => groupName(group) === curve);
}

/** One for each that the server has, as with keys of several types. */
function certificatesOf(answers: readonly Answer[]): CertificateReport[] {
  const found = new Map<string, CertificateReport>();
  for (const { messages } of answers) {
    const chain = chainOf(messages.get(HandshakeType.Certificate));
    const [leaf] = chain;
    if (leaf === undefined) continue;
    const certificate = readCertificate(leaf, chain.length);
    if (certificate !== undefined) found.set(leaf.toString('latin1'), certificate);
  }
  return [...found.values()];
}

function chainOf(body: Buffer | undefined): Buffer[] {
  try {
    return body === undefined ? [] : certificateChain(body);
  } catch (error) {
    if (error instanceof Malformed) return [];
    throw error;
  }
}

/** OpenSSL's names of what signs, and those of RFC 8017, RFC 6979 and of FIPS 180. */
const SIGNERS: Readonly<Record<string, string>> = {
  'id-ecPublicKey': 'ECDSA',
  rsaEncryption: 'RSASSA-PKCS1-v1_5',
  rsassaPss: 'RSA-PSS',
};

/** What a certificate was signed with, such as "ECDSA with SHA-256". */
function signatureAlgorithm(der: Buffer): string {
  const [key, digest] = native.certificateSignature(der);
  const name = SIGNERS[key] ?? (key === '' ? 'unknown' : key);
  return digest === '' ? name : `${name} with ${digest.replace(/^SHA(?=\d)/, 'SHA-')}`;
}

function readCertificate(der: Buffer, chain: number): CertificateReport | undefined {
  try {
    const certificate = new X509Certificate(der);
    const { subject, subjectAltName, issuer, validFrom, validTo, publicKey } = certificate;
    const { asymmetricKeyType = 'unknown', asymmetricKeyDetails } = publicKey;
    return {
      subject: subject.replaceAll('\n', ', '),
      names: subjectAltName ?? null,
      issuer: issuer.replaceAll('\n', ', '),
      validFrom,
      validTo,
      key: asymmetricKeyDetails?.namedCurve ?? asymmetricKeyType,
      bits: asymmetricKeyDetails?.modulusLength ?? null,
      signature: signatureAlgorithm(der),
      selfSigned: certificate.checkIssued(certificate),
      chain,
    };
  } catch {
    return undefined; // a certificate that OpenSSL cannot read is none to report on
  }
}
