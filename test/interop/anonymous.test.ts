// Protects strict servers and clients against OpenSSL's own anonymous ones: nobody gets in without a proof of who he
// is, not with a ticket either that a tolerant server of the same keys gave him.
import { expect } from 'chai';
import { randomBytes } from 'node:crypto';
import type { ServerOptions } from '../../lib/index';
import { ANONYMOUS, OPEN_MINDED } from '../helpers/anonymous';
import { createAuthority } from '../helpers/certificates';
import { cleanupAfterEach, requirePrograms, temporaryFiles } from '../helpers/peers';
import { FOREIGN, serverCertificate, type Foreign } from './foreign';
import { ourClient, ourServer } from './ours';

const [openssl] = FOREIGN as [Foreign];

describe('anonymous suites of OpenSSL', function () {
  const cleanup = cleanupAfterEach(this);
  const files = temporaryFiles(this);
  before(function () {
    requirePrograms(this, 'openssl');
  });

  const client = (port: number, ...extra: string[]) =>
    openssl.client(cleanup, files, port, { extra: ['-cipher', ANONYMOUS, ...extra] });

  it("a ticket of s_client's anonymous session opens no session at a server that demands certificates", async () => {
    const { certificatePem: ca } = await createAuthority();
    const options: ServerOptions = {
      ...(await serverCertificate()),
      ca,
      ciphers: OPEN_MINDED,
      ticketKeys: randomBytes(48),
    };
    const session = files.file('');
    const tolerant = await ourServer(cleanup, options);
    const first = client(tolerant.port, '-sess_out', session);
    await (await tolerant.watched.connection()).secure();
    await first.sees(/TLS session ticket:/);
    await first.stop();
    const again = client(tolerant.port, '-sess_in', session);
    await again.sees(/^Reused, TLSv1\.\d, Cipher is AECDH/m); // so the ticket is a good one
    await again.stop();

    const strict = await ourServer(cleanup, { ...options, requestCert: true });
    client(strict.port, '-sess_in', session);
    const error = await (await strict.watched.connection()).error();
    expect(error.code).to.equal('ERR_DTLS_PEER_UNAUTHENTICATED');
    expect(strict.server.stats.handshakesCompleted).to.equal(0);
  });

  it('s_server without a certificate is no server for a client that demands a proof', async () => {
    const { certificatePem: ca } = await createAuthority();
    const { port } = await openssl.server(cleanup, files, { extra: ['-cipher', ANONYMOUS] });
    const { client: strict } = ourClient(cleanup, { port, ca, ciphers: OPEN_MINDED });
    expect((await strict.error()).code).to.equal('ERR_DTLS_ALERT_HANDSHAKE_FAILURE');
  });
});
