import { X509Certificate } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';

import { DTLSError } from '../errors/errors';
import {
  generateCertificate,
  LOCALHOST,
  type GenerateCertificateOptions,
  type GeneratedCertificate,
} from '../identity/generate-certificate';
import { readNamed } from './arguments';
import { CommandLineError, ExitCode } from './exit';
import { Output } from './output';

export interface CertFlags {
  readonly json?: boolean;
  readonly out: string;
  readonly ca?: boolean;
  readonly issuer?: string;
  readonly client?: boolean;
  readonly rsa?: boolean;
  readonly days: number;
  readonly force?: boolean;
}

/** What its errors say of options becomes what the command line calls them. */
async function inWordsOf(
  { issuer = '' }: CertFlags,
  options: GenerateCertificateOptions,
): Promise<GeneratedCertificate> {
  const words: readonly [string, string][] = [
    ["'altNames' has", 'among the names is'],
    ["'issuer.cert'", `--issuer: ${issuer}-cert.pem`],
    ["'issuer.key'", `--issuer: ${issuer}-key.pem`],
    ["'issuer'", '--issuer'],
    ['make one with { ca: true }', "make one with 'dgram-dtls cert --ca'"],
    ["an encrypted key needs 'passphrase'", 'a key that is encrypted is not taken here'],
  ];
  const translated = (text: string): string =>
    words.reduce((so, [option, word]) => so.replaceAll(option, word), text);
  try {
    return await generateCertificate(options);
  } catch (error) {
    if (!(error instanceof DTLSError)) throw error;
    const { code, category, hint, reason, cause } = error;
    throw new DTLSError(translated(error.message), {
      code,
      category,
      hint: hint === undefined ? undefined : translated(hint),
      reason,
      cause,
    });
  }
}

function writeNamed(file: string, text: string, mode: number): void {
  try {
    writeFileSync(file, text, { mode });
  } catch (error) {
    const { message, code } = error as NodeJS.ErrnoException;
    const hint = '--out is the beginning of two file names, in a folder that is there and may be written to.';
    throw new CommandLineError(`--out: ${message}`, hint, code);
  }
}

export async function runCert(given: string[], flags: CertFlags): Promise<number> {
  const output = new Output(flags.json === true);
  const names = given.length > 0 || flags.ca === true ? given : LOCALHOST;
  const files = { cert: `${flags.out}-cert.pem`, key: `${flags.out}-key.pem` };
  if (flags.ca === true && names.length > 1) {
    throw new CommandLineError(
      `--ca makes one authority, and has ${String(names.length)} names: ${names.join(', ')}`,
      'An authority has one name of its own; quote it if it has spaces.',
    );
  }
  if (flags.ca === true && flags.client === true) throw new CommandLineError('--ca and --client exclude one another', 'Leave one of them out: an authority is no client.');
  const issuer =
    flags.issuer === undefined
      ? undefined
      : {
          cert: readNamed('--issuer', `${flags.issuer}-cert.pem`).toString(),
          key: readNamed('--issuer', `${flags.issuer}-key.pem`).toString(),
        };
  for (const file of Object.values(files)) {
    if (existsSync(file) && flags.force !== true) {
      throw new CommandLineError(`${file} exists`, 'Choose another --out, or overwrite it with --force.');
    }
  }
  const { cert, key } = await inWordsOf(flags, {
    ...(flags.ca === true
      ? { ca: true, subject: names[0] ?? 'dgram-dtls authority' }
      : { altNames: names, usage: flags.client === true ? 'client' : 'server' }),
    days: flags.days,
    keyType: flags.rsa === true ? 'rsa' : 'ec',
    ...(issuer === undefined ? {} : { issuer }),
  });
  writeNamed(files.cert, cert, 0o644);
  writeNamed(files.key, key, 0o600);
  const { subject, issuer: by, validTo, fingerprint256 } = new X509Certificate(cert);
  output.table(
    ['', ''],
    [
      ['certificate', files.cert],
      ['private key', files.key],
      ['subject', subject],
      ['issuer', by],
      ['names', flags.ca === true ? '' : names.join(', ')],
      ['valid until', validTo],
      ['SHA-256', fingerprint256],
    ],
  );
  output.data({ ...files, subject, issuer: by, names, validTo, fingerprint256 });
  return ExitCode.Ok;
}
