// Certificates for trying things out on this machine, made anew by each process. A real server's
// comes from an authority that its clients already trust.

import { generateCertificate } from 'dgram-dtls';

/** A certificate for localhost, its key, and the authority that a client has to trust, in PEM. */
export async function developmentCertificate() {
  const authority = await generateCertificate({ ca: true, subject: 'development authority' });
  const server = await generateCertificate({
    altNames: ['localhost', '127.0.0.1', '::1'],
    usage: 'server',
    issuer: authority,
  });
  return { ...server, ca: authority.cert };
}
