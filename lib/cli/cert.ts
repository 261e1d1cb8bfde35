import { X509Certificate } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';

import { generateCertificate } from '../generate-certificate';
import { readNamed } from './arguments';
import type { CertFlags } from './cert-command';
import { CommandLineError, ExitCode } from './exit';
import { Output } from './output';

export async function runCert(names: string[], flags: CertFlags): Promise<number> {
  const output = new Output(flags.json === true);
  const files = { cert: `${flags.out}-cert.pem`, key: `${flags.out}-key.pem` };
  for (const file of Object.values(files)) {
    if (existsSync(file) && flags.force !== true) {
      throw new CommandLineError(`${file} exists`, 'Choose another --out, or overwrite it with --force.');
    }
  }
  if (flags.ca === true && flags.client === true) throw new CommandLineError('--ca and --client exclude one another');
  const issuer =
    flags.issuer === undefined
      ? undefined
      : {
          cert: readNamed('--issuer', `${flags.issuer}-cert.pem`).toString(),
          key: readNamed('--issuer', `${flags.issuer}-key.pem`).toString(),
        };
  const { cert, key } = await generateCertificate({
    ...(flags.ca === true
      ? { ca: true, subject: names[0] ?? 'dgram-dtls authority' }
      : { altNames: names, usage: flags.client === true ? 'client' : 'server' }),
    days: flags.days,
    keyType: flags.rsa === true ? 'rsa' : 'ec',
    ...(issuer === undefined ? {} : { issuer }),
  });
  writeFileSync(files.cert, cert);
  writeFileSync(files.key, key, { mode: 0o600 });
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
