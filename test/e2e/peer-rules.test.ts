// Protects rules by peer: a server asks about each peer once for each handshake, before the peer is answered, and serves it
// under the certificate, the fingerprints, keys and limits that it was told, and under no others; who is refused hears nothing.
import { X509Certificate } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { expect } from 'chai';
import { type DTLSServer, type Peer, type PeerOptions, type ServerOptions } from '../../lib/index';
import { selfSigned, type Certificate } from '../helpers/certificates';
import { describeVersions } from '../helpers/dtls13';
import { NamedLink } from '../helpers/named-link';
import {
  clientFailure,
  closeEverything,
  dial,
  failure,
  listen,
  messages,
  next,
  openOn,
  withCertificate,
} from '../helpers/pair';
import { fingerprintOf, identityOf, withoutRules } from '../helpers/peer-rules';

afterEach(closeEverything);

/** One peer's end, and the server's for it: each has a certificate of its own. */
interface Party {
  readonly server: Certificate;
  readonly client: Certificate;
}

const TRANSPORTS: readonly [string, () => Promise<ServerOptions>][] = [
  ['over the native socket', () => Promise.resolve({ transport: 'auto' })],
  ['over node:dgram', () => Promise.resolve({ transport: 'dgram' })],
  ['over a transport with names of its own', async () => ({ transport: await NamedLink.bound() })],
];

describeVersions('rules by peer', (only) => {
  let first: Party;
  let second: Party;

  before(async () => {
    const party = async (name: string): Promise<Party> => ({
      server: await selfSigned({ commonName: `server of ${name}` }),
      client: await selfSigned({ commonName: name }),
    });
    [first, second] = [await party('first'), await party('second')];
  });

  const rulesOf = ({ server, client }: Party): PeerOptions => ({ ...identityOf(server), peerFingerprints: fingerprintOf(client) });
  const clientOf = ({ server, client }: Party) => ({ ...identityOf(client), ...only, peerFingerprints: fingerprintOf(server), ca: undefined });

  for (const [where, transport] of TRANSPORTS) {
    for (const cookieExchange of [true, false]) {
      describe(`${where}, ${cookieExchange ? 'with' : 'without'} cookies`, () => {
        const serve = async (peers: NonNullable<ServerOptions['peers']>, options: ServerOptions = {}): Promise<DTLSServer> =>
          listen({ ...only, ...(await transport()), cookieExchange, peers, ...options });

        it('give each peer its own certificate and fingerprint, asked once, and a server needs none itself', async () => {
          const asked: Peer[] = [];
          const parties = [first, second];
          const server = await serve((peer) => {
            asked.push(peer);
            const party = parties[asked.length - 1];
            return party === undefined ? null : rulesOf(party);
          });
          for (const party of parties) {
            const { client, peer } = await openOn(server, clientOf(party));
            expect(peer.authorized && client.authorized).to.equal(true);
            expect(client.getPeerX509Certificate()?.subject).to.equal(new X509Certificate(party.server.cert).subject);
            expect(peer.getPeerX509Certificate()?.subject).to.equal(new X509Certificate(party.client.cert).subject);
            expect(peer.remotePeer).to.equal(asked.at(-1));
            const there = messages(peer, 1);
            client.send('there');
            expect(String((await there)[0])).to.equal('there');
          }
          expect(server.stats).to.include({ peersAsked: 2, peersRefused: 0, sessionsRefused: 0 });
        });

        it('refuse the certificate of another peer within the handshake, with bad_certificate', async () => {
          const server = await serve(() => rulesOf(first));
          const refused = clientFailure(server);
          const client = await dial(server, { ...clientOf(first), ...identityOf(second.client) });
          const heard = failure(client);
          expect(await refused).to.include({ code: 'ERR_DTLS_FINGERPRINT', alert: 'bad_certificate' });
          expect(await heard).to.include({ category: 'alert', alert: 'bad_certificate' });
        });

        it('come by a Promise, while which nothing is answered and no session is there', async () => {
          let answer: ((rules: PeerOptions) => void) | undefined;
          const server = await serve(() => new Promise((resolve) => { answer = resolve; }));
          const client = await dial(server, { ...clientOf(first), retransmission: { initial: 50 } });
          let flights = 0;
          client.on('handshake', ({ direction }) => { if (direction === 'in') flights += 1; });
          const opened = next(client, 'secureConnect');
          while (answer === undefined || server.stats.hellosWhileAsked < 2) await wait(5);
          expect([flights, [...server.sessions].length, server.stats.datagramsSent]).to.deep.equal([0, 0, 0]);
          answer(rulesOf(first));
          await opened;
          expect(server.stats.peersAsked).to.equal(1);
        });

        it('come while a hello of several datagrams waits, none of which has to be said again', async () => {
          const server = await serve(async () => { await wait(50); return rulesOf(first); });
          const client = await dial(server, {
            ...clientOf(first), mtu: 256, ALPNProtocols: Array.from({ length: 6 }, (_, i) => String(i).repeat(200)), retransmission: { initial: 20_000 },
          });
          await next(client, 'secureConnect');
          expect(client.stats.retransmissions).to.equal(0);
          expect(server.stats).to.include({ peersAsked: 1, hellosWhileAsked: 0 });
        });

        it('refuse a peer by null: it gets no answer at all', async () => {
          for (const none of [null, undefined]) {
            const server = await serve(() => none);
            const client = await dial(server, { ...clientOf(first), handshakeTimeout: 250, retransmission: { initial: 50 } });
            expect((await failure(client)).category).to.equal('timeout');
            expect(server.stats).to.include({ peersAsked: 1, datagramsSent: 0, cookiesSent: 0, handshakesStarted: 0 });
            expect(server.stats.peersRefused).to.be.above(1);
          }
        });
      });
    }
  }

  it("are the server's own where the answer has nothing to say", async () => {
    const server = await listen(await withCertificate({ ...only, peers: () => ({}) }));
    const { client } = await openOn(server, only);
    expect(client.authorized).to.equal(true);
  });

  it('are refused where neither they nor the server have a certificate, and the server hears why', async () => {
    const server = await listen({ ...only, peers: () => ({}) });
    const { error, peer } = await withoutRules(server, only);
    expect(error).to.include({ code: 'ERR_DTLS_PEERS_CALLBACK', category: 'usage' });
    expect(error.cause).to.have.property('code', 'ERR_DTLS_NO_CREDENTIALS');
    expect(error.peer).to.equal(peer);
    expect(server.stats.datagramsSent).to.equal(0);
  });
});
