// Protects the versions of DTLS under rules by peer: a peer's rules may leave one out that its server has, and its handshake is
// then of another; they bring in none that the server has not. And who is refused hears nothing, whatever its hello looks like.
import { expect } from 'chai';
import { randomBytes } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';
import type { ConnectOptions, DTLSServer, DTLSSocket, PeerOptions, ServerOptions } from '../../lib/index';
import { describe13, DTLS13, UP_TO_DTLS13 } from '../helpers/dtls13';
import { clientHello } from '../helpers/hello';
import { closeStrangers, stranger } from '../helpers/packets';
import { certificate, clientFailure, closeEverything, dial, failure, listen, next, openOn, portOf, within, withCertificate } from '../helpers/pair';
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

  it('a peer has the versions of its rules also where they were given before the server had DTLS 1.3', async () => {
    const rules = await withCertificate(DTLS12);
    const server = await listen(await withCertificate({ ...DTLS12, peers: () => rules }));
    const early = await stranger();
    const answered = once(early, 'message');
    early.send(clientHello({ random: randomBytes(32) }), portOf(server), '127.0.0.1');
    await within(answered, 'an answer to the hello');
    const { port: localPort } = early.address();
    closeStrangers();
    server.setSecureContext(await withCertificate(UP_TO_DTLS13));
    const client = await dial(server, { ...UP_TO_DTLS13, localPort });
    await next(client, 'secureConnect');
    expect(client.getProtocol()).to.equal('DTLSv1.2');
    expect(server.stats.peersAsked).to.equal(1);
  });

  describe('a peer that was asked for a cookie of DTLS 1.3 before its rules were known', () => {
    /** A client whose question is open, and which has such a cookie: so many others of its host wait that it had to prove its address first. */
    const asked = async (options: Partial<ConnectOptions>): Promise<{ server: DTLSServer; client: DTLSSocket; answer: (rules: PeerOptions) => void }> => {
      const OPEN_OF_HOST = 32; // of src-native/core/endpoint/asked_peers.h
      const answers: ((rules: PeerOptions) => void)[] = [];
      const questions = new EventEmitter();
      const hostAsked = once(questions, String(OPEN_OF_HOST));
      const allAsked = once(questions, String(OPEN_OF_HOST + 1));
      const server = await listen(
        await withCertificate({
          ...UP_TO_DTLS13,
          peers: () =>
            new Promise((answer) => {
              questions.emit(String(answers.push(answer)));
            }),
        }),
      );
      for (let index = 0; index < OPEN_OF_HOST; index += 1) {
        (await stranger()).send(clientHello({ random: randomBytes(32) }), portOf(server), '127.0.0.1');
      }
      await within(hostAsked, 'the questions about peers that have proved nothing');
      const client = await dial(server, options);
      await within(allAsked, 'the question about a peer with a cookie');
      expect(server.stats).to.include({ cookiesSent: 1, handshakesStarted: 0 });
      return { server, client, answer: (rules) => { answers[OPEN_OF_HOST]?.(rules); } };
    };

    it('begins anew at DTLS 1.2 where its rules have no other, by the same answer', async () => {
      const { server, client, answer } = await asked(UP_TO_DTLS13);
      const opened = next(client, 'secureConnect');
      answer(await withCertificate(DTLS12));
      await opened;
      expect(client.getProtocol()).to.equal('DTLSv1.2');
      expect(server.stats).to.include({ peersAsked: 33, cookiesRefused: 1, handshakesStarted: 1, handshakesFailed: 0 });
    });

    it('begins anew at DTLS 1.2 where the server has lost DTLS 1.3 meanwhile', async () => {
      const { server, client, answer } = await asked(UP_TO_DTLS13);
      const opened = next(client, 'secureConnect');
      server.setSecureContext(await withCertificate(DTLS12));
      answer({});
      await opened;
      expect(client.getProtocol()).to.equal('DTLSv1.2');
    });

    it('waits while the server is busy, as others do, and its answer stays', async () => {
      const { server, client, answer } = await asked({ ...UP_TO_DTLS13, retransmission: { initial: 100, backoff: 1 } });
      const opened = next(client, 'secureConnect');
      server.busy = true;
      answer({});
      while (server.stats.hellosWhileBusy === 0) await wait(5);
      expect(server.stats).to.include({ handshakesStarted: 0, peersAsked: 33 });
      server.busy = false;
      await opened;
      expect(client.getProtocol()).to.equal('DTLSv1.3');
      expect(server.stats).to.include({ handshakesStarted: 1, peersAsked: 33 });
    });

    it('fails with a reason where its rules have DTLS 1.2 alone, and it has not', async () => {
      const { server, client, answer } = await asked(DTLS13);
      const [ended, refused] = [failure(client), clientFailure(server)];
      answer(await withCertificate(DTLS12));
      expect((await ended).code).to.equal('ERR_DTLS_ALERT_PROTOCOL_VERSION');
      const { code, message } = await refused;
      expect(code).to.equal('ERR_DTLS_VERSION_MISMATCH');
      expect(message).to.match(/chosen for this client has no DTLSv1\.3/);
    });
  });
});
