/**
 * Certificates for the tests, made in this process: no files, no programs, nothing that expires
 * in a repository. Each one is made once per process, however often it is asked for.
 */
import 'reflect-metadata';
import { randomBytes } from 'node:crypto';
import * as x509 from '@peculiar/x509';

export type KeyType = 'ecdsa-p256' | 'rsa-2048' | 'ed25519';

export interface CertificateOptions {
  readonly commonName: string;
  readonly dnsNames?: readonly string[];
  readonly ipAddresses?: readonly string[];
  readonly keyType?: KeyType;
  readonly notBefore?: Date;
  readonly notAfter?: Date;
  /** Made for a client's end (extended key usage) instead of a server's. */
  readonly clientAuth?: boolean;
  /** Names no end it was made for. */
  readonly anyUse?: boolean;
  /** Pads the certificate by so many bytes, for flights that take many datagrams. */
  readonly extraBytes?: number;
}

export interface IssueOptions extends CertificateOptions {
  /** Issues by way of an intermediate authority, which `cert` then carries. */
  readonly intermediate?: boolean | 'for clients';
}

export interface Certificate {
  /** The chain in PEM, the leaf first, without the root. */
  readonly cert: string;
  /** The private key in PEM (PKCS #8). */
  readonly key: string;
  /** What a peer has to trust, in PEM. */
  readonly ca: string;
}

export interface CrlOptions {
  /** PEM; of chains the first certificate. */
  readonly revoked: readonly string[];
  /** When the list was due for renewal. Default: in a day. */
  readonly nextUpdate?: Date;
}

export interface Authority {
  readonly certificatePem: string;
  /** The private key in PEM (PKCS #8), for programs that sign in the authority's name. */
  readonly keyPem: string;
  issue(options: IssueOptions): Promise<Certificate>;
  /** A revocation list in PEM. */
  crl(options: CrlOptions): Promise<string>;
}

interface Issuer {
  readonly name: string;
  readonly keys: CryptoKeyPair;
}

const DAY_MS = 86_400_000;

// Under the number that RFC 5612 sets aside for examples.
const PADDING_OID = '1.3.6.1.4.1.32473.1';

const ALGORITHMS = {
  'ecdsa-p256': { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' },
  'rsa-2048': {
    name: 'RSASSA-PKCS1-v1_5',
    modulusLength: 2048,
    publicExponent: new Uint8Array([1, 0, 1]),
    hash: 'SHA-256',
  },
  ed25519: { name: 'Ed25519' },
} as const;

const made = new Map<string, Promise<unknown>>();

function once<T>(make: () => Promise<T>, ...key: unknown[]): Promise<T> {
  const name = JSON.stringify(key);
  const known = made.get(name) as Promise<T> | undefined;
  const promise = known ?? make();
  made.set(name, promise);
  return promise;
}

async function generateKeys(keyType: KeyType): Promise<CryptoKeyPair> {
  // The type takes in key agreement too, which has no pair in common with signing here.
  const keys = await crypto.subtle.generateKey(ALGORITHMS[keyType], true, ['sign', 'verify']);
  return keys as CryptoKeyPair;
}

async function exportKey(keys: CryptoKeyPair): Promise<string> {
  return x509.PemConverter.encode(
    await crypto.subtle.exportKey('pkcs8', keys.privateKey),
    'PRIVATE KEY',
  );
}

function sign(
  subject: Issuer,
  issuer: Issuer,
  extensions: x509.Extension[],
  notBefore = new Date(Date.now() - DAY_MS),
  notAfter = new Date(Date.now() + 30 * DAY_MS),
): Promise<x509.X509Certificate> {
  const algorithm = issuer.keys.privateKey.algorithm.name;
  return x509.X509CertificateGenerator.create({
    // The first byte keeps the number positive and without leading zeros.
    serialNumber: `4d${randomBytes(15).toString('hex')}`,
    subject: [{ CN: [subject.name] }],
    issuer: [{ CN: [issuer.name] }],
    notBefore,
    notAfter,
    publicKey: subject.keys.publicKey,
    signingKey: issuer.keys.privateKey,
    signingAlgorithm: { name: algorithm, hash: 'SHA-256' },
    extensions,
  });
}

function authorityExtensions(usages: x509.ExtendedKeyUsageType[] = []): x509.Extension[] {
  return [
    ...(usages.length > 0 ? [new x509.ExtendedKeyUsageExtension(usages)] : []),
    new x509.BasicConstraintsExtension(true, undefined, true),
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
  ];
}

function leafExtensions(options: CertificateOptions): x509.Extension[] {
  const names = [
    ...(options.dnsNames ?? []).map((value) => ({ type: 'dns' as const, value })),
    ...(options.ipAddresses ?? []).map((value) => ({ type: 'ip' as const, value })),
  ];
  const usage = options.clientAuth
    ? x509.ExtendedKeyUsage.clientAuth
    : x509.ExtendedKeyUsage.serverAuth;
  return [
    new x509.BasicConstraintsExtension(false, undefined, true),
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
    ...(options.anyUse ? [] : [new x509.ExtendedKeyUsageExtension([usage])]),
    ...(names.length > 0 ? [new x509.SubjectAlternativeNameExtension(names)] : []),
    ...(options.extraBytes
      ? [new x509.Extension(PADDING_OID, false, new Uint8Array(options.extraBytes))]
      : []),
  ];
}

async function issueFrom(root: Issuer, ca: string, options: IssueOptions): Promise<Certificate> {
  const leaf = {
    name: options.commonName,
    keys: await generateKeys(options.keyType ?? 'ecdsa-p256'),
  };
  let issuer = root;
  let chain = '';
  if (options.intermediate) {
    issuer = { name: `${root.name} intermediate`, keys: await generateKeys('ecdsa-p256') };
    const usages = options.intermediate === 'for clients' ? [x509.ExtendedKeyUsage.clientAuth] : [];
    chain = `\n${(await sign(issuer, root, authorityExtensions(usages))).toString('pem')}`;
  }
  const { notBefore, notAfter } = options;
  const certificate = await sign(leaf, issuer, leafExtensions(options), notBefore, notAfter);
  return { cert: `${certificate.toString('pem')}${chain}\n`, key: await exportKey(leaf.keys), ca };
}

/** A leaf of the first of two authorities that have certified each other, which `ca` has in both ways. */
export async function crossCertified(): Promise<Certificate> {
  const [one, other] = [
    { name: 'cross one', keys: await generateKeys('ecdsa-p256') },
    { name: 'cross other', keys: await generateKeys('ecdsa-p256') },
  ];
  const authorities = await Promise.all([
    sign(one, other, authorityExtensions()),
    sign(other, one, authorityExtensions()),
  ]);
  const ca = authorities.map((authority) => `${authority.toString('pem')}\n`).join('');
  return issueFrom(one, ca, { commonName: 'leaf', dnsNames: ['localhost'] });
}

async function revoke(root: Issuer, { revoked, nextUpdate }: CrlOptions): Promise<string> {
  const list = await x509.X509CrlGenerator.create({
    issuer: [{ CN: [root.name] }],
    thisUpdate: new Date(Date.now() - 2 * DAY_MS),
    nextUpdate: nextUpdate ?? new Date(Date.now() + DAY_MS),
    entries: revoked.map((pem) => ({
      serialNumber: new x509.X509Certificate(pem).serialNumber,
      revocationDate: new Date(Date.now() - DAY_MS),
    })),
    signingAlgorithm: { name: root.keys.privateKey.algorithm.name, hash: 'SHA-256' },
    signingKey: root.keys.privateKey,
  });
  return `${x509.PemConverter.encode(list.rawData, 'X509 CRL')}\n`; // the name that OpenSSL knows
}

/** A root authority; asking for the same name again gives the same one. */
export function createAuthority(
  name = 'dgram-dtls test authority',
  keyType: KeyType = 'ecdsa-p256',
): Promise<Authority> {
  return once(
    async () => {
      const root = { name, keys: await generateKeys(keyType) };
      const certificatePem = `${(await sign(root, root, authorityExtensions())).toString('pem')}\n`;
      return {
        certificatePem,
        keyPem: await exportKey(root.keys),
        crl: (options) => revoke(root, options),
        issue: (options) =>
          once(() => issueFrom(root, certificatePem, options), 'issue', name, options),
      };
    },
    'authority',
    name,
  );
}

/** A certificate that is its own authority. */
export function selfSigned(options: CertificateOptions): Promise<Certificate> {
  return once(
    async () => {
      const self = {
        name: options.commonName,
        keys: await generateKeys(options.keyType ?? 'ecdsa-p256'),
      };
      const { notBefore, notAfter } = options;
      const certificate = await sign(self, self, leafExtensions(options), notBefore, notAfter);
      const cert = `${certificate.toString('pem')}\n`;
      return { cert, key: await exportKey(self.keys), ca: cert };
    },
    'self-signed',
    options,
  );
}
