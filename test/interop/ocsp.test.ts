// Protects OCSP stapling against foreign programs: what our server staples is understood and
// verified by OpenSSL's and GnuTLS's clients, and what their servers staple reaches our client.
import { expect } from 'chai';
import { setTimeout } from 'node:timers/promises';
import { createAuthority } from '../helpers/certificates';
import { cleanupAfterEach, requirePrograms, temporaryFiles } from '../helpers/peers';
import { ocspResponse, readOcspResponse } from '../helpers/pki';
import { FOREIGN, serverCertificate } from './foreign';
import { ourClient, ourServer } from './ours';

for (const foreign of FOREIGN) {
  describe(`OCSP stapling with ${foreign.name}`, function () {
    const cleanup = cleanupAfterEach(this);
    const isOpenSsl = foreign.name === 'OpenSSL';
    const files = temporaryFiles(this);

    before(function () {
      requirePrograms(this, 'openssl', ...foreign.programs);
    });

    it(`${foreign.clientName} gets what our server staples`, async () => {
      const own = await serverCertificate();
      const { server, watched, port } = await ourServer(cleanup, own);
      const response = await ocspResponse(own, 'good');
      server.on('OCSPRequest', (_certificate, _issuer, callback) => {
        void setTimeout(50).then(() => {
          callback(null, response);
        });
      });
      const peer = foreign.client(cleanup, files, port, {
        trust: own.ca,
        extra: isOpenSsl ? ['-status'] : [],
      });
      const ours = await watched.connection();
      await ours.secure();
      await peer.sees(isOpenSsl ? /Cert Status: good/ : /- Options: .*OCSP status request/);
    });

    it(`${foreign.clientName} gets none where our server has none`, async () => {
      const own = await serverCertificate();
      const { watched, port } = await ourServer(cleanup, own);
      const peer = foreign.client(cleanup, files, port, {
        trust: own.ca,
        extra: isOpenSsl ? ['-status'] : [],
      });
      const ours = await watched.connection();
      await ours.secure();
      await peer.sees(isOpenSsl ? /OCSP response: no response sent/ : /Handshake was completed/);
      expect(peer.output).not.to.match(/OCSP status request,/);
    });

    if (!isOpenSsl) {
      it(`${foreign.clientName} refuses a revoked certificate by it`, async () => {
        const own = await serverCertificate();
        const { server, port } = await ourServer(cleanup, own);
        const response = await ocspResponse(own, 'revoked');
        server.on('OCSPRequest', (_certificate, _issuer, callback) => {
          callback(null, response);
        });
        const peer = foreign.client(cleanup, files, port, { trust: own.ca });
        await peer.sees(/revoked/);
      });
    }

    for (const status of ['good', 'revoked'] as const) {
      it(`our client gets what ${foreign.serverName} staples: ${status}`, async () => {
        const theirs = await serverCertificate();
        const response = await ocspResponse(theirs, status);
        const { port } = await foreign.server(cleanup, files, {
          certificate: theirs,
          extra: isOpenSsl
            ? ['-status_file', files.file(response)]
            : [`--ocsp-response=${files.file(response)}`, '--ignore-ocsp-response-errors'],
        });
        const { certificatePem: ca } = await createAuthority();
        const { client } = ourClient(cleanup, { port, ca, requestOCSP: true });
        const stapled: (Buffer | null)[] = [];
        client.socket.on('OCSPResponse', (one) => stapled.push(one));
        await client.secure();
        expect(stapled).to.have.length(1);
        const [got] = stapled;
        if (got === null || got === undefined) throw new Error('nothing was stapled');
        expect(got.equals(response)).to.equal(true);
        expect(await readOcspResponse(got, theirs)).to.match(
          new RegExp(`Response verify OK[^]*: ${status}`),
        );
      });
    }

    it(`${foreign.serverName} learns that our client refuses what it stapled`, async () => {
      const theirs = await serverCertificate();
      const response = await ocspResponse(theirs, 'revoked');
      const { peer, port } = await foreign.server(cleanup, files, {
        certificate: theirs,
        extra: isOpenSsl
          ? ['-status_file', files.file(response)]
          : [`--ocsp-response=${files.file(response)}`, '--ignore-ocsp-response-errors'],
      });
      const { certificatePem: ca } = await createAuthority();
      const { client } = ourClient(cleanup, { port, ca, requestOCSP: true });
      client.socket.once('OCSPResponse', (_response, waitUntil) => {
        waitUntil(setTimeout(20).then(() => Promise.reject(new Error('revoked'))));
      });
      expect((await client.error()).code).to.equal('ERR_DTLS_OCSP_RESPONSE');
      await peer.sees(foreign.received('bad_certificate_status_response'));
    });
  });
}
