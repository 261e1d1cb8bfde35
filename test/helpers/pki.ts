/** What OpenSSL's program makes of test certificates: PKCS #12 files and OCSP responses. */
import { X509Certificate } from 'node:crypto';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { createAuthority, type Certificate } from './certificates';

/** In a folder of their own that goes when `use` has returned. */
function withFiles<T>(files: Readonly<Record<string, string>>, use: (folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), 'dgram-dtls-pki-'));
  try {
    for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
    return use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const openssl = (folder: string, ...args: string[]): Buffer =>
  execFileSync('openssl', args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });

export interface PfxOptions {
  readonly passphrase: string;
  /** More certificates to put in, in PEM. */
  readonly others?: string;
  /** More arguments of `openssl pkcs12 -export`. */
  readonly extra?: readonly string[];
}

export function makePfx(
  { cert, key }: Pick<Certificate, 'cert' | 'key'>,
  { passphrase, others = '', extra = [] }: PfxOptions,
): Buffer {
  return withFiles({ cert: cert + others, key }, (folder) =>
    openssl(
      folder,
      ...['pkcs12', '-export', '-in', 'cert', '-inkey', 'key', '-passout', `pass:${passphrase}`],
      ...extra,
    ),
  );
}

/** DER, signed by the authority of all test certificates. */
export async function ocspResponse(
  { cert }: Pick<Certificate, 'cert'>,
  status: 'good' | 'revoked',
): Promise<Buffer> {
  const { certificatePem, keyPem } = await createAuthority();
  const { serialNumber, validTo } = new X509Certificate(cert);
  const asn1Time = (date: Date): string => `${date.toISOString().replace(/\D/g, '').slice(2, 14)}Z`;
  const index = [
    status === 'good' ? 'V' : 'R',
    asn1Time(new Date(validTo)),
    status === 'good' ? '' : asn1Time(new Date(Date.now() - 3_600_000)),
    serialNumber,
    'unknown',
    '/CN=x',
  ].join('\t');
  const files = { cert, ca: certificatePem, key: keyPem, index: `${index}\n` };
  return withFiles(files, (folder) => {
    openssl(folder, ...'ocsp -issuer ca -cert cert -no_nonce -reqout request'.split(' '));
    openssl(
      folder,
      ...'ocsp -index index -CA ca -rsigner ca -rkey key -ndays 1'.split(' '),
      ...'-reqin request -respout response'.split(' '),
    );
    return readFileSync(join(folder, 'response'));
  });
}

/** What a response says of a certificate, and whether the authority signed it: OpenSSL's words. */
export async function readOcspResponse(
  response: Buffer,
  { cert }: Pick<Certificate, 'cert'>,
): Promise<string> {
  const { certificatePem } = await createAuthority();
  return withFiles({ cert, ca: certificatePem }, (folder) => {
    writeFileSync(join(folder, 'response'), response);
    const { stdout, stderr } = spawnSync(
      'openssl',
      'ocsp -issuer ca -CAfile ca -cert cert -no_nonce -respin response'.split(' '),
      { cwd: folder, encoding: 'utf8' },
    );
    return stderr + stdout;
  });
}

/** What `openssl verify` says of a chain, the leaf first, under RFC 5280's strict rules: 'OK' or its complaints. */
export function opensslVerify({ cert, ca, purpose }: { cert: string; ca: string; purpose: string }): string {
  return withFiles({ cert, ca }, (folder) => {
    const { status, stdout, stderr } = spawnSync(
      'openssl',
      ['verify', '-x509_strict', '-purpose', purpose, '-CAfile', 'ca', '-untrusted', 'cert', 'cert'],
      { cwd: folder, encoding: 'utf8' },
    );
    return status === 0 ? 'OK' : stdout + stderr;
  });
}
