// A certificate for trying things out on this machine, made anew by each process. A real server's
// comes from an authority that its clients already trust.

import 'reflect-metadata';
import { randomBytes } from 'node:crypto';
import * as x509 from '@peculiar/x509';

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

/** A certificate for localhost, its key, and the authority that a client has to trust, in PEM. */
export async function developmentCertificate() {
  const authority = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const server = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);

  const sign = (subject, publicKey, extensions) =>
    x509.X509CertificateGenerator.create({
      serialNumber: `4d${randomBytes(15).toString('hex')}`,
      subject,
      issuer: 'CN=dgram-dtls development authority',
      notBefore: new Date(Date.now() - 3_600_000),
      notAfter: new Date(Date.now() + 30 * 86_400_000),
      publicKey,
      signingKey: authority.privateKey,
      signingAlgorithm: algorithm,
      extensions,
    });

  const ca = await sign('CN=dgram-dtls development authority', authority.publicKey, [
    new x509.BasicConstraintsExtension(true, undefined, true),
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
  ]);
  const cert = await sign('CN=localhost', server.publicKey, [
    new x509.BasicConstraintsExtension(false, undefined, true),
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
    new x509.SubjectAlternativeNameExtension([
      { type: 'dns', value: 'localhost' },
      { type: 'ip', value: '127.0.0.1' },
      { type: 'ip', value: '::1' },
    ]),
  ]);

  return {
    cert: cert.toString('pem'),
    key: x509.PemConverter.encode(
      await crypto.subtle.exportKey('pkcs8', server.privateKey),
      'PRIVATE KEY',
    ),
    ca: ca.toString('pem'),
  };
}
