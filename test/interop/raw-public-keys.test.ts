// Protects raw public keys (RFC 7250) against GnuTLS, the one foreign program here that has them: in
// both roles, with keys on both sides. On an OpenSSL before 3.2 there are none to test.
import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { expect } from 'chai';
import { features } from '../../lib/index';
import { cleanupAfterEach, freePort, requirePrograms, temporaryFiles } from '../helpers/peers';
import { ourClient, ourServer } from './ours';

const PRIORITY = 'NORMAL:-VERS-ALL:+VERS-DTLS1.2:+CTYPE-SRV-RAWPK:+CTYPE-CLI-RAWPK';

function make(): { key: string; pem: string; publicKey: KeyObject } {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    pem: publicKey.export({ type: 'spki', format: 'pem' }) as string,
    publicKey,
  };
}

if (features.rawPublicKeys) {
  describe('raw public keys with GnuTLS', function () {
    const cleanup = cleanupAfterEach(this);
    const [ours, theirs] = [make(), make()];
    const files = temporaryFiles(this);

    before(function () {
      requirePrograms(this, 'gnutls-cli', 'gnutls-serv');
    });

    const keyFiles = (): string[] => [
      `--rawpkkeyfile=${files.file(theirs.key)}`,
      `--rawpkfile=${files.file(theirs.pem)}`,
      `--priority=${PRIORITY}`,
    ];

    it("gnutls-cli and our server know each other's key", async () => {
      const { watched, port } = await ourServer(cleanup, {
        key: ours.key,
        rawPublicKey: true,
        peerPublicKeys: theirs.publicKey,
      });
      const peer = cleanup.start('gnutls-cli', [
        ...['--udp', '--insecure', ...keyFiles(), `--port=${port}`, '127.0.0.1'],
      ]);
      const socket = await watched.connection();
      await socket.secure();
      expect(socket.socket.authorized).to.equal(true);
      expect(socket.socket.getPeerPublicKey()?.equals(createPublicKey(theirs.pem))).to.equal(true);
      await peer.sees(/Handshake was completed/);
    });

    it("gnutls-serv and our client know each other's key", async () => {
      const port = await freePort();
      const peer = cleanup.start('gnutls-serv', [
        ...['--udp', '--echo', '--require-client-cert', ...keyFiles(), `--port=${port}`],
      ]);
      await peer.sees(/listening on IPv4 .*done/);
      const { client } = ourClient(cleanup, {
        port,
        key: ours.key,
        rawPublicKey: true,
        peerPublicKeys: theirs.publicKey,
      });
      await client.secure();
      expect(client.socket.authorized).to.equal(true);
      client.socket.send('to gnutls-serv');
      expect((await client.message()).toString()).to.include('to gnutls-serv');
    });
  });
}
