// Protects: that an end of ours with DTLS 1.2 and 1.3 meets OpenSSL's and GnuTLS's programs, which have 1.2 only, in both
// roles, on one port and in one call of `connect`, with cookies and without; and that one with 1.3 alone says why not.
import { expect } from 'chai';
import { describe13, DTLS13, UP_TO_DTLS13 } from '../helpers/dtls13';
import { cleanupAfterEach, requirePrograms, temporaryFiles } from '../helpers/peers';
import { clientCertificate, FOREIGN, PSK_IDENTITY, PSK_KEY, serverCertificate, suite } from './foreign';
import { ourClient, ourServer } from './ours';

/** Their alert protocol_version, or its number, as they print it. */
const VERSION_REFUSED: Record<string, RegExp> = {
  OpenSSL: /alert protocol version|alert read:fatal:protocol version/,
  GnuTLS: /Alert\[2\|70\]|protocol version/i,
};

for (const foreign of FOREIGN) {
  describe13(`both versions with ${foreign.name}, which has 1.2`, function () {
    const cleanup = cleanupAfterEach(this);
    const files = temporaryFiles(this);
    before(function () {
      requirePrograms(this, ...foreign.programs);
    });

    for (const cookieExchange of [true, false]) {
      const cookies = cookieExchange ? 'with' : 'without';

      it(`${foreign.clientName} meets our server at 1.2, ${cookies} cookies, and one of 1.3 comes to the same port`, async () => {
        const certificate = await clientCertificate();
        const { cert, key } = await serverCertificate();
        const { watched, port, server } = await ourServer(cleanup, {
          ...UP_TO_DTLS13,
          cert,
          key,
          ca: certificate.ca,
          requestCert: true,
          cookieExchange,
        });
        const peer = foreign.client(cleanup, files, port, { certificate, trust: certificate.ca });
        const ours = await watched.connection(0);
        await ours.secure();
        expect(ours.socket.getProtocol()).to.equal('DTLSv1.2');
        expect(ours.socket.authorized).to.equal(true);
        peer.write('there\n');
        expect((await ours.message()).toString()).to.equal('there\n');
        ours.socket.send('back\n');
        await peer.sees(/back/);

        const { client } = ourClient(cleanup, {
          ...UP_TO_DTLS13,
          port,
          ca: certificate.ca,
          cert: certificate.cert,
          key: certificate.key,
        });
        await client.secure();
        expect(client.socket.getProtocol()).to.equal('DTLSv1.3');
        expect(server.stats.sessions).to.equal(2);
      });
    }

    it(`our client meets ${foreign.serverName} at 1.2`, async () => {
      const certificate = await serverCertificate();
      const { peer, port } = await foreign.server(cleanup, files, { certificate });
      const { client } = ourClient(cleanup, { ...UP_TO_DTLS13, port, ca: certificate.ca });
      await client.secure();
      expect(client.socket.getProtocol()).to.equal('DTLSv1.2');
      expect(client.socket.authorized).to.equal(true);
      if (foreign.serverEchoes) {
        client.socket.send('there and back\n');
        expect((await client.message()).toString()).to.equal('there and back\n');
      } else {
        client.socket.send('there\n');
        await peer.sees(/there/);
        peer.write('back\n');
        expect((await client.message()).toString()).to.equal('back\n');
      }
    });

    it(`our client meets ${foreign.serverName} at 1.2 with a pre-shared key`, async () => {
      const only = suite('PSK-AES128-GCM-SHA256');
      const { port } = await foreign.server(cleanup, files, {
        psk: { identity: PSK_IDENTITY, key: PSK_KEY },
        suite: only,
      });
      const { client } = ourClient(cleanup, {
        ...UP_TO_DTLS13,
        port,
        ciphers: only.name,
        pskCallback: () => ({ identity: PSK_IDENTITY, psk: PSK_KEY }),
      });
      await client.secure();
      expect([client.socket.getProtocol(), client.socket.pskIdentity]).to.deep.equal(['DTLSv1.2', PSK_IDENTITY]);
    });

    it(`our server of 1.3 alone tells ${foreign.clientName} so`, async () => {
      const { cert, key } = await serverCertificate();
      const { port, server } = await ourServer(cleanup, { ...DTLS13, cert, key });
      const peer = foreign.client(cleanup, files, port, {});
      await peer.sees(VERSION_REFUSED[foreign.name] ?? /^$/);
      expect(server.stats).to.include({ sessions: 0, handshakesStarted: 0 });
    });

    it(`our client of 1.3 alone says why it does not meet ${foreign.serverName}`, async () => {
      const certificate = await serverCertificate();
      const { port } = await foreign.server(cleanup, files, { certificate });
      const { client } = ourClient(cleanup, { ...DTLS13, port, ca: certificate.ca });
      const { code, alert } = await client.error();
      // It says so itself where the server is of two minds, and is told so otherwise.
      expect(code).to.be.oneOf(['ERR_DTLS_VERSION_MISMATCH', 'ERR_DTLS_ALERT_PROTOCOL_VERSION']);
      expect(alert).to.equal('protocol_version');
    });
  });
}
