/** Certificates for development, by @peculiar/x509 over Node's own cryptography. */
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';
import { createPrivateKey, randomBytes, webcrypto } from 'node:crypto';
import { isIP } from 'node:net';

import { CommandLineError } from './exit';

const DAY_MS = 86_400_000;

const ALGORITHMS = {
  ecdsa: { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' },
  rsa: {
    name: 'RSASSA-PKCS1-v1_5',
    modulusLength: 2048,
    publicExponent: new Uint8Array([1, 0, 1]),
    hash: 'SHA-256',
  },
} as const;

export interface Identity {
  /** PEM: the chain, own certificate first. */
  readonly cert: string;
  /** PEM, PKCS #8. */
  readonly key: string;
}

export interface CertificateRequest {
  readonly names: readonly string[];
  readonly days: number;
  readonly keyType?: keyof typeof ALGORITHMS;
  readonly usage?: 'server' | 'client' | 'authority';
  readonly issuer?: Identity;
}

async function importIssuer({ cert, key }: Identity): Promise<{ name: string; publicKey: x509.PublicKey; privateKey: webcrypto.CryptoKey; algorithm: (typeof ALGORITHMS)['rsa' | 'ecdsa'] }> {
  let certificate: x509.X509Certificate;
  let kind: string | undefined;
  try {
    certificate = new x509.X509Certificate(cert);
    kind = createPrivateKey(key).asymmetricKeyType;
  } catch (error) {
    throw new CommandLineError(`the authority cannot be read: ${String(error)}`);
  }
  const algorithm = kind === 'rsa' ? ALGORITHMS.rsa : kind === 'ec' ? ALGORITHMS.ecdsa : undefined;
  if (algorithm === undefined) throw new CommandLineError(`an authority's key is RSA or ECDSA, not ${String(kind)}`);
  const der = createPrivateKey(key).export({ type: 'pkcs8', format: 'der' });
  return {
    name: certificate.subject,
    publicKey: certificate.publicKey,
    privateKey: await webcrypto.subtle.importKey('pkcs8', der, algorithm, false, ['sign']),
    algorithm,
  };
}

function extensions(names: readonly string[], usage: 'server' | 'client' | 'authority'): x509.Extension[] {
  if (usage === 'authority') {
    const { keyCertSign, cRLSign } = x509.KeyUsageFlags;
    return [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(keyCertSign | cRLSign, true),
    ];
  }
  const { serverAuth, clientAuth } = x509.ExtendedKeyUsage;
  return [
    new x509.BasicConstraintsExtension(false, undefined, true),
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
    new x509.ExtendedKeyUsageExtension([usage === 'client' ? clientAuth : serverAuth]),
    new x509.SubjectAlternativeNameExtension(
      names.map((value) => ({ type: isIP(value) === 0 ? ('dns' as const) : ('ip' as const), value })),
    ),
  ];
}

export async function makeCertificate(request: CertificateRequest): Promise<Identity> {
  const { names, days, keyType = 'ecdsa', usage = 'server', issuer } = request;
  const algorithm = ALGORITHMS[keyType];
  const keys = (await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']));
  const subject = [{ CN: [names[0] ?? 'localhost'] }];
  const from = issuer === undefined ? undefined : await importIssuer(issuer);
  const certificate = await x509.X509CertificateGenerator.create(
    {
      // The first byte keeps the number positive and without leading zeros.
      serialNumber: `4d${randomBytes(15).toString('hex')}`,
      subject,
      issuer: from?.name ?? subject,
      // Clocks differ.
      notBefore: new Date(Date.now() - DAY_MS / 24),
      notAfter: new Date(Date.now() + days * DAY_MS),
      publicKey: keys.publicKey,
      signingKey: from?.privateKey ?? keys.privateKey,
      signingAlgorithm: from?.algorithm ?? algorithm,
      extensions: [
        ...extensions(names, usage),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
        await x509.AuthorityKeyIdentifierExtension.create(from?.publicKey ?? keys.publicKey),
      ],
    },
  );
  const der = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
  return {
    cert: `${certificate.toString('pem')}\n`,
    key: `${x509.PemConverter.encode(der, 'PRIVATE KEY')}\n`,
  };
}

/** What a certificate was signed with, such as "ECDSA with SHA-256". */
export function signatureAlgorithm(der: Buffer): string {
  const { name, hash } = new x509.X509Certificate(Uint8Array.from(der)).signatureAlgorithm as { name: string; hash?: { name: string } };
  return hash === undefined ? name : `${name} with ${hash.name}`;
}
