// Protects the versions of DTLS under rules by peer: a peer's rules may leave one out that its server has, and its handshake is
// then of another; they bring in none that the server has not. And who is refused hears nothing, whatever its hello looks like.
import { expect } from 'chai';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { DTLSServer, PeerOptions, ServerOptions } from '../../lib/index';
import { describe13, DTLS13, UP_TO_DTLS13 } from '../helpers/dtls13';
import { clientHello } from '../helpers/hello';
import { closeStrangers, stranger } from '../helpers/packets';
import { certificate, closeEverything, dial, failure, listen, next, openOn, portOf, within } from '../helpers/pair';

const DTLS12 = { minVersion: 'DTLSv1.2', maxVersion: 'DTLSv1.2' } as const;

describe13('versions under rules by peer', () => {
  afterEach(async () => {
    closeStrangers();
    await closeEverything();
  });

  for (const cookieExchange of [true, false]) {
    describe(`${cookieExchange ? 'with' : 'without'} cookies`, () => {
      const serve = async (rules: PeerOptions | null, options: ServerOptions): Promise<DTLSServer> => {
        const { cert, key } = await certificate();
        return listen({ cert, key, cookieExchange, peers: () => rules, ...options });
      };

      it('a peer has DTLS 1.2 where its rules have no other, and its server has', async () => {
        const { cert, key } = await certificate();
        for (const server of [UP_TO_DTLS13, DTLS13]) {
          const { client } = await openOn(await serve({ cert, key, ...DTLS12 }, server), UP_TO_DTLS13);
          expect(client.getProtocol()).to.equal('DTLSv1.2');
        }
      });

      it('a peer has no DTLS 1.3 where its server has not, and is told why', async () => {
        const { cert, key } = await certificate();
        for (const versions of [UP_TO_DTLS13, DTLS13]) {
          const server = await serve({ cert, key, ...versions }, DTLS12);
          const told = next(server, 'peerError');
          const client = await dial(server, { ...UP_TO_DTLS13, handshakeTimeout: 200 });
          const [{ code, cause }] = await told;
          expect([code, cause]).to.deep.include('ERR_DTLS_PEERS_CALLBACK');
          expect(cause).to.have.property('code', 'ERR_DTLS_CONFLICTING_OPTIONS');
          await failure(client);
          expect(server.stats.handshakesStarted).to.equal(0);
        }
      });

      it('a peer that is refused gets no alert for a hello with a cookie of a version that the server has not', async () => {
        const server = await serve(null, DTLS13);
        const peer = await stranger();
        peer.send(clientHello({ random: randomBytes(32), cookie: randomBytes(32) }), portOf(server), '127.0.0.1');
        // What is behind it is dealt with after it.
        const heard = once(server, 'packet');
        peer.send('\0', portOf(server), '127.0.0.1');
        await within(heard, 'the packet behind the hello');
        expect(server.stats).to.include({ peersAsked: 1, datagramsSent: 0 });
      });
    });
  }
});
