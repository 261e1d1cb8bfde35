// Protects what is left when sessions have moved and peers were asked about, in any order: nothing. Clients come, vanish and
// come back elsewhere over a link that loses; their sessions are moved there, back, and onto places of others; rules are
// answered at once, late, never, or taken back; sessions are destroyed in the middle. In the end there is no session, no open
// question and no timer, the counters add up, and each host has its places again. The seed is in the title.
import { expect } from 'chai';
import { setTimeout as wait } from 'node:timers/promises';
import type { DatagramTransport, DTLSServer, DTLSSocket, Peer, PeerOptions } from '../../lib/index';
import { Link, seededRandom } from '../../lib/lab/index';
import { describeVersions } from '../helpers/dtls13';
import { closeEverything, dialTo, listen, next, PSK_CLIENT, PSK_SERVER } from '../helpers/pair';

const SEEDS = ['one', 'two', 'three'];
const STEPS = 300;
const MOST_CLIENTS = 8;
const SERVER = { host: '10.0.0.1', port: 5684 };
const HOSTS = ['10.0.1.1', '10.0.2.1', '10.0.3.1'];
const PLACES = HOSTS.flatMap((address) => [1, 2, 3].map((port) => ({ address, port })));
type Place = Pick<Peer, 'address' | 'port'>;
const REFUSALS = ['ERR_DTLS_PEER_IN_USE', 'ERR_DTLS_TOO_MANY_SESSIONS', 'ERR_DTLS_NOT_OPEN'];

const turn = (): Promise<void> => new Promise((resolve) => { setImmediate(resolve); });
const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
const isAt = (place: Place, peer: Peer | undefined): boolean => place.address === peer?.address && place.port === peer.port;

interface Question {
  readonly resolve: (answer: PeerOptions | null) => void;
  readonly reject: (error: Error) => void;
}

interface Client {
  readonly socket: DTLSSocket;
  readonly transport: DatagramTransport;
  place: Place;
}

class World {
  readonly link: Link;
  asked = 0;
  moves = 0;
  #calm = false;
  readonly #random: () => number;
  readonly #versions: object;
  #server: DTLSServer | undefined;
  #clients: Client[] = [];
  readonly #questions: Question[] = [];

  constructor(seed: string, versions: object) {
    this.link = new Link(seed, { loss: 0.15, duplicate: 0.1, reorder: 0.2 });
    this.#random = seededRandom(seed);
    this.#versions = versions;
  }

  get server(): DTLSServer {
    if (this.#server === undefined) throw new Error('begin() comes first');
    return this.#server;
  }

  async begin(): Promise<void> {
    this.#server = await listen({
      ...PSK_SERVER,
      ...this.#versions,
      transport: this.link.attach(SERVER.host, SERVER.port),
      maxSessionsPerHost: 3,
      maxPendingHandshakesPerHost: 2,
      retransmission: { initial: 20 },
      peers: () => this.#answer(),
    });
    this.#server.on('peerError', () => undefined);
    this.#server.on('dtlsClientError', () => undefined);
  }

  #below(count: number): number {
    return Math.floor(this.#random() * count);
  }

  #one<T>(of: readonly T[]): T | undefined {
    return of[this.#below(of.length)];
  }

  #place(): Place {
    return this.#one(PLACES) ?? { address: '10.0.1.1', port: 1 };
  }

  #answer(): PeerOptions | null | Promise<PeerOptions | null> {
    this.asked += 1;
    if (this.#calm) return {};
    const how = this.#below(10);
    if (how < 5) return {};
    if (how === 5) return null;
    return new Promise((resolve, reject) => { this.#questions.push({ resolve, reject }); });
  }

  async step(): Promise<void> {
    const what = this.#below(12);
    if (what < 2) this.dial(this.#place());
    else if (what < 6) this.#move();
    else if (what === 6) this.#settle();
    else if (what === 7) this.server.forgetPeer(this.#place());
    else if (what === 8) (this.#below(2) === 0 ? this.#one([...this.server.sessions]) : this.#one(this.#clients)?.socket)?.destroy();
    else if (what === 9) for (const socket of this.server.sessions) socket.send('down');
    else await wait(this.#below(8));
    await turn();
  }

  /** Whoever was there before hears nothing any more. */
  dial(place: Place): DTLSSocket {
    this.#clients = this.#clients.filter(({ socket }) => socket.readyState !== 'closed');
    if (this.#clients.length >= MOST_CLIENTS && !this.#calm) this.#clients[0]?.socket.destroy();
    const transport = this.link.attach(place.address, place.port);
    const socket = dialTo({ ...SERVER, ...PSK_CLIENT, ...this.#versions, transport, retransmission: { initial: 20 } });
    socket.on('error', () => undefined);
    this.#clients.push({ socket, transport, place });
    return socket;
  }

  #move(): void {
    const socket = this.#one([...this.server.sessions]);
    const to = this.#place();
    if (socket === undefined) return;
    const from = socket.remotePeer;
    try {
      socket.setPeer(to.address, to.port);
    } catch (error) {
      expect(REFUSALS).to.include((error as { code: string }).code);
      expect(socket.remotePeer).to.equal(from);
      return;
    }
    this.moves += 1;
    expect(isAt(to, socket.remotePeer)).to.equal(true);
    const client = this.#clients.filter(({ place }) => isAt(place, from)).at(-1);
    if (client === undefined || this.#below(4) === 0 || client.socket.readyState === 'closed') return;
    try {
      this.link.rebind(client.transport, to);
      client.place = to;
    } catch (error) {
      expect(error).to.have.property('code', 'ERR_INVALID_ARG_VALUE'); // another one has its place
    }
  }

  #settle(): void {
    const [question] = this.#questions.splice(this.#below(this.#questions.length), 1);
    const how = this.#below(4);
    if (how < 2) question?.resolve({});
    else if (how === 2) question?.resolve(null);
    else question?.reject(new Error('of the store'));
  }

  async end(): Promise<void> {
    this.link.conditions = {};
    for (const { socket } of this.#clients) socket.destroy();
    for (const place of PLACES) this.server.forgetPeer(place);
    while (this.link.inFlight > 0) await turn();
    for (const place of PLACES) this.server.forgetPeer(place); // whose hello came last
    for (const question of this.#questions) question.resolve({}); // nobody waits for it
    await turn();
    for (const socket of this.server.sessions) socket.destroy();
    await turn();
    await turn();
    this.#calm = true;
  }
}

describeVersions('sessions that move, and peers that are asked about, at random', (only) => {
  afterEach(closeEverything);

  for (const seed of SEEDS) {
    it(`leave nothing behind: seed '${seed}'`, async () => {
      await turn(); // Mocha sets a timer of its own
      const before = timers();
      const world = new World(seed, only);
      await world.begin();
      const { server, link } = world;
      for (let step = 0; step < STEPS; step += 1) await world.step();
      await world.end();
      expect(world.moves).to.be.above(5);
      const left = server.stats;
      expect([[...server.sessions].length, left.sessions]).to.deep.equal([0, 0]);
      expect(left.handshakesStarted).to.equal(left.handshakesCompleted + left.handshakesFailed);
      expect(left.peersAsked).to.equal(world.asked);
      await wait(100);
      expect(server.stats).to.include({ sessions: 0, handshakesStarted: left.handshakesStarted, peersAsked: left.peersAsked });
      expect(link.inFlight).to.equal(0);
      for (const address of HOSTS) {
        for (const port of [4, 5, 6]) await next(world.dial({ address, port }), 'secureConnect');
      }
      expect(server.stats.sessions).to.equal(3 * HOSTS.length);
      await closeEverything();
      await wait(0);
      expect(timers()).to.equal(before);
    });
  }
});
