// Protects what most constrained devices speak: CoAP over DTLS with a pre-shared key and AES-128-CCM-8
// (RFC 7252 section 9.1.3.1), asked by libcoap's clients on OpenSSL and on GnuTLS.
import { expect } from 'chai';
import type { DTLSSocket, ServerOptions } from '../../lib/index';
import { cleanupAfterEach, requirePrograms, type PeerProcess } from '../helpers/peers';
import { ourServer } from './ours';
import type { WatchedServer } from '../helpers/watch';

const SUITE = 'PSK-AES128-CCM8';
const IDENTITY = 'sensor-7';
const KEY = 'a key of text';
const READING = '21.5 C';

/** Answers a GET with 2.05 Content, piggybacked on its acknowledgement (RFC 7252 sections 3 and 5.2.1). */
function serveReading(socket: DTLSSocket): void {
  socket.on('message', (request) => {
    const tokenLength = (request[0] ?? 0) & 0x0f;
    const head = Buffer.from([0x60 | tokenLength, 0x45]);
    const echoed = request.subarray(2, 4 + tokenLength); // message id, token
    socket.send([head, echoed, Buffer.from([0xff]), READING]);
  });
}

for (const program of ['coap-client-openssl', 'coap-client-gnutls']) {
  describe(program, function () {
    const cleanup = cleanupAfterEach(this);
    before(function () {
      requirePrograms(this, program);
    });

    async function ask(
      options: ServerOptions,
      key = KEY,
      identity = IDENTITY,
    ): Promise<{ server: WatchedServer; peer: PeerProcess }> {
      const { watched, port } = await ourServer(cleanup, {
        ciphers: `${SUITE}:@SECLEVEL=0`,
        pskCallback: async (_, given) =>
          Promise.resolve(given === IDENTITY ? Buffer.from(KEY) : null),
        ...options,
      });
      const peer = cleanup.start(program, [
        ...['-B', '5', '-v', '7', '-u', identity, '-k', key],
        `coaps://127.0.0.1:${port}/temperature`,
      ]);
      return { server: watched, peer };
    }

    for (const [title, options] of [
      ['is served', {}],
      ['is served, with a hint', { pskIdentityHint: 'plant-2' }],
      ['is served without cookie exchange', { cookieExchange: false }],
    ] as const) {
      it(title, async () => {
        const { server, peer } = await ask(options);
        const watched = await server.connection();
        serveReading(watched.socket);
        await watched.secure();
        expect(watched.socket.getCipher()?.name).to.equal(SUITE);
        expect(watched.socket.pskIdentity).to.equal(IDENTITY);
        await peer.sees(new RegExp(READING));
        expect(await peer.ends()).to.equal(0);
        expect(await watched.closed()).to.equal(false);
      });
    }

    it('with an identity that nobody knows is refused', async () => {
      const { server } = await ask({}, KEY, 'sensor-8');
      const error = await (await server.connection()).error();
      expect(error.code).to.equal('ERR_DTLS_PSK_IDENTITY_UNKNOWN');
    });

    it('with another key gets nowhere', async () => {
      const { server } = await ask({ handshakeTimeout: 1000 }, 'another key');
      const error = await (await server.connection()).error();
      expect(error.code).to.equal('ERR_DTLS_PSK_MISMATCH');
    });
  });
}
