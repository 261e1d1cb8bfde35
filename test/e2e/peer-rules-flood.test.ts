// Protects a server with rules by peer from hellos under forged addresses: they have the rules asked for seldom, keep few
// questions open and little memory, and shut nobody out; who has proved its address takes the place of a handshake.
import { randomBytes } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { expect } from 'chai';
import type { DTLSServer, Peer, PeerOptions, ServerOptions } from '../../lib/index';
import { describeVersions } from '../helpers/dtls13';
import { clientHello, cookieIn } from '../helpers/hello';
import { NamedLink } from '../helpers/named-link';
import { closeEverything, listen, openOn, withCertificate } from '../helpers/pair';

const MANY = 10_000;
/** Of src-native/core/endpoint/asked_peers.h. */
const [AT_ONCE, PER_SECOND, OPEN, OPEN_OF_HOST] = [128, 128, 256, 32];

const hostOf = (index: number): string => `10.${String(index >> 16)}.${String((index >> 8) & 255)}.${String(index & 255)}`;
const isHonest = ({ address }: Peer): boolean => address.startsWith('ice:');

describeVersions('rules by peer, and a flood of forged hellos', (only, is13) => {
  afterEach(closeEverything);
  const versions = is13 ? { maxVersion: 'DTLSv1.3' } as const : only;

  async function serve(ask: (peer: Peer) => ReturnType<NonNullable<ServerOptions['peers']>>, options: ServerOptions = {}): Promise<{ server: DTLSServer; forger: NamedLink; asked: Peer[] }> {
    const forger = await NamedLink.bound();
    const asked: Peer[] = [];
    const server = await listen(
      await withCertificate({
        ...versions,
        transport: forger,
        peers: (peer) => {
          if (isHonest(peer)) return {};
          asked.push(peer);
          return ask(peer);
        },
        ...options,
      }),
    );
    return { server, forger, asked };
  }

  /** Whoever turns nobody away would have all of them asked about. */
  async function flood(forger: NamedLink, addressOf: (index: number) => [string, number]): Promise<number> {
    const began = performance.now();
    for (let index = 0; index < MANY; index += 1) {
      forger.forge(clientHello({ random: randomBytes(32) }), ...addressOf(index));
      if (index % 500 === 499) await wait(0); // events have their turn
    }
    return (performance.now() - began) / 1000;
  }

  const never = (): Promise<PeerOptions> => new Promise(() => undefined);

  it('that are never answered keep few questions open, and a peer that is honest is served meanwhile', async () => {
    const { server, forger, asked } = await serve(never);
    forger.forge(clientHello({ random: randomBytes(32) }), hostOf(1 << 20), 1);
    await wait(0);
    const before = process.memoryUsage().rss;
    const seconds = await flood(forger, (index) => [hostOf(index), 1]);
    expect(asked.length).to.be.within(AT_ONCE, Math.min(OPEN, AT_ONCE + 1 + Math.ceil(PER_SECOND * seconds)));
    expect(forger.answers).to.have.length(MANY + 1 - asked.length); // a cookie for each of the others
    expect(server.stats).to.include({ handshakesStarted: 0, sessions: 0 });
    expect((process.memoryUsage().rss - before) / 2 ** 20).to.be.below(64);
    const { client } = await openOn(server, only);
    expect(client.authorized).to.equal(true);
  });

  it('from one host have few questions open', async () => {
    const { forger, asked } = await serve(never);
    await flood(forger, (index) => ['10.0.0.1', 1 + index]);
    expect(asked).to.have.length(OPEN_OF_HOST);
  });

  it('that are refused at once have the function called seldom', async () => {
    const { server, forger, asked } = await serve(() => null);
    const seconds = await flood(forger, (index) => [hostOf(index), 1]);
    expect(asked.length).to.be.within(AT_ONCE, AT_ONCE + Math.ceil(PER_SECOND * seconds));
    expect(server.stats.peersRefused).to.equal(asked.length);
    expect(forger.answers.map(({ peer }) => peer.address)).to.not.include.members(asked.map(({ address }) => address));
    await openOn(server, only);
  });

  it('of peers that have proved their address take the places of handshakes, of one host and of all', async () => {
    const { server, forger, asked } = await serve(never, { maxPendingHandshakes: 5, maxPendingHandshakesPerHost: 3 });
    await flood(forger, (index) => [hostOf(index), 1]); // there is no room for questions without proof
    const [before, refused] = [asked.length, server.stats.sessionsRefused];
    forger.answers.length = 0;
    const clients = [['10.9.0.1', 4], ['10.9.0.2', 4]] as const;
    const hellos = clients.flatMap(([address, count]) =>
      Array.from({ length: count }, (_, at) => ({ address, port: at + 1, random: randomBytes(32) })),
    );
    for (const { address, port, random } of hellos) {
      // The next of the questions that are free every 8 ms may be for this one.
      for (let tries = 0; forger.answers.at(-1)?.peer.port !== port || forger.answers.at(-1)?.peer.address !== address; tries += 1) {
        if (tries > 0) server.forgetPeer({ address, port });
        forger.forge(clientHello({ random }), address, port);
        await wait(0);
      }
      const cookie = cookieIn(forger.answers.at(-1)?.datagram ?? Buffer.alloc(0));
      if (cookie === undefined) throw new Error('no cookie');
      server.forgetPeer({ address, port });
      forger.forge(clientHello({ random, cookie }), address, port);
      await wait(0);
    }
    const proven = server.stats.sessionsRefused - refused;
    expect(proven).to.equal(3);
    expect(asked.slice(before).filter(({ address }) => address === '10.9.0.1').length).to.be.at.least(3);
    expect(server.stats.handshakesStarted).to.equal(0);
  });
});
