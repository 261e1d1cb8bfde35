// Protects the versions of DTLS under rules by peer: a peer's rules may leave one out that its server has, and its handshake is
// then of another; they bring in none that the server has not. And who is refused hears nothing, whatever its hello looks like.
import { expect } from 'chai';
import { randomBytes } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import type { DTLSServer, PeerOptions, ServerOptions } from '../../lib/index';
import { describe13, DTLS13, UP_TO_DTLS13 } from '../helpers/dtls13';
import { clientHello } from '../helpers/hello';
import { closeStrangers, stranger } from '../helpers/packets';
import { certificate, closeEverything, dial, failure, listen, openOn, portOf, within } from '../helpers/pair';
import { withoutRules } from '../helpers/peer-rules';

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
          const { error: { code, cause } } = await withoutRules(server, UP_TO_DTLS13);
          expect([code, cause]).to.deep.include('ERR_DTLS_PEERS_CALLBACK');
          expect(cause).to.have.property('code', 'ERR_DTLS_CONFLICTING_OPTIONS');
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

  it('a peer that waits with a hello of DTLS 1.3 has none when the server has lost it meanwhile', async () => {
    const OPEN_OF_HOST = 32; // of src-native/core/endpoint/asked_peers.h: the next one has to prove its address first
    const { cert, key } = await certificate();
    const answers: ((rules: PeerOptions) => void)[] = [];
    const questions = new EventEmitter();
    const hostAsked = once(questions, String(OPEN_OF_HOST));
    const allAsked = once(questions, String(OPEN_OF_HOST + 1));
    const server = await listen({
      cert,
      key,
      ...UP_TO_DTLS13,
      peers: () =>
        new Promise((answer) => {
          questions.emit(String(answers.push(answer)));
        }),
    });
    for (let index = 0; index < OPEN_OF_HOST; index += 1) {
      (await stranger()).send(clientHello({ random: randomBytes(32) }), portOf(server), '127.0.0.1');
    }
    await within(hostAsked, 'the questions about peers that have proved nothing');
    const client = await dial(server, UP_TO_DTLS13);
    const ended = failure(client);
    await within(allAsked, 'the question about a peer with a cookie');
    expect(server.stats).to.include({ cookiesSent: 1, handshakesStarted: 0 });
    server.setSecureContext({ cert, key, ...DTLS12 });
    for (const answer of answers) answer({});
    expect((await ended).code).to.equal('ERR_DTLS_ALERT_PROTOCOL_VERSION');
    expect(server.stats.failures).to.deep.equal({ ERR_DTLS_VERSION_MISMATCH: 1 });
  });
});
