// Protects max_fragment_length (RFC 6066 section 4) against foreign implementations, asked for by either side.
import { expect } from 'chai';
import { cleanupAfterEach, requirePrograms, temporaryFiles } from '../helpers/peers';
import { thrown } from '../helpers/thrown';
import { FOREIGN, PSK_IDENTITY, PSK_KEY, suite } from './foreign';
import { ourClient, ourServer } from './ours';

const SETUP = { suite: suite('PSK-AES128-GCM-SHA256'), psk: { identity: PSK_IDENTITY, key: PSK_KEY } };
const ASKS: Readonly<Record<string, string>> = { OpenSSL: '-maxfraglen=512', GnuTLS: '--recordsize=512' };

for (const foreign of FOREIGN) {
  describe(`max_fragment_length with ${foreign.name}`, function () {
    const cleanup = cleanupAfterEach(this);
    const files = temporaryFiles(this);

    before(function () {
      requirePrograms(this, ...foreign.programs);
    });

    it('its client asks for 512: a message above is refused, and 512 bytes arrive', async () => {
      const server = await ourServer(cleanup, { pskCallback: () => PSK_KEY });
      const extra = (ASKS[foreign.name] ?? '').split(foreign.name === 'OpenSSL' ? '=' : '\n');
      const peer = foreign.client(cleanup, files, server.port, { ...SETUP, extra });
      const ours = await server.watched.connection();
      await ours.secure();
      expect(ours.socket.maxMessageSize).to.equal(512);
      expect(thrown(() => ours.socket.send(Buffer.alloc(513))).code).to.equal('ERR_DTLS_MESSAGE_TOO_BIG');
      ours.socket.send(`${'x'.repeat(511)}\n`);
      await peer.sees(/x{511}$/m);
      peer.write('understood\n');
      expect((await ours.message()).toString()).to.equal('understood\n');
    });

    it('its server is asked for 512: a message above is refused, and 512 bytes arrive', async () => {
      const { peer, port } = await foreign.server(cleanup, files, SETUP);
      const { client } = ourClient(cleanup, {
        port,
        pskCallback: () => ({ identity: PSK_IDENTITY, psk: PSK_KEY }),
        maxFragmentLength: 512,
      });
      await client.secure();
      expect(client.socket.maxMessageSize).to.equal(512);
      expect(thrown(() => client.socket.send(Buffer.alloc(513))).code).to.equal('ERR_DTLS_MESSAGE_TOO_BIG');
      client.socket.send(`${'x'.repeat(511)}\n`);
      // GnuTLS's echoes lines of 254 bytes at most.
      if (foreign.serverEchoes) expect((await client.message()).toString()).to.match(/^x{254}/);
      else await peer.sees(/x{511}$/m);
    });
  });
}
