// Protects updates of keys in open sessions of DTLS 1.3 over real sockets (RFC 9147 section 8): whatever of an update is
// lost, late or crosses another one, messages go on under the old keys or the new ones, and each of those that the path
// lets through arrives once. And what follows a handshake while its last flight has not been acknowledged.
import { expect } from 'chai';
import type { DTLSSocket } from '../../lib/index';
import { seededRandom } from '../../lib/lab/index';
import { describe13, DTLS13 } from '../helpers/dtls13';
import { converse } from '../helpers/exchange';
import { certificate, closeEverything, dialTo, listen, next, portOf, withCertificate, within } from '../helpers/pair';
import { until } from '../fault/support';
import { patience } from '../helpers/patience';
import { Relay, type Direction } from '../helpers/relay';

/** Long enough to look at what happens before it. */
const PACE = { initial: patience(200), max: patience(200) };
const QUICK = { initial: 30, max: 60 };
const FIRST_DATA_EPOCH = 3;

/** The two lowest bits of the epoch, which a record under keys has in its first byte: RFC 9147 section 4. */
const epochBits = (datagram: Buffer): number => (datagram.readUInt8(0) & 0xe0) === 0x20 ? datagram.readUInt8(0) & 3 : -1;

const TRANSPORTS: readonly ('native' | 'dgram')[] = process.platform === 'linux' ? ['native', 'dgram'] : ['dgram'];

interface Session {
  readonly relay: Relay;
  readonly client: DTLSSocket;
  readonly peer: DTLSSocket;
  readonly pace: typeof PACE;
}

for (const transport of TRANSPORTS) {
  describe13(`updates of keys over ${transport}`, function () {
    this.timeout(patience(20_000));
    const relays: Relay[] = [];

    afterEach(async () => {
      for (const relay of relays.splice(0)) relay.close();
      await closeEverything();
    });

    async function begin(
      pace = PACE,
      prepare: (relay: Relay, client: DTLSSocket) => void = () => undefined,
    ): Promise<Session> {
      const { ca } = await certificate();
      const both = { ...DTLS13, transport, retransmission: pace };
      const server = await listen(await withCertificate(both));
      const relay = await Relay.to(portOf(server));
      relays.push(relay);
      const accepted = next(server, 'secureConnection');
      const client = dialTo({ ...both, host: '127.0.0.1', port: relay.port, ca });
      prepare(relay, client);
      const [[peer]] = await Promise.all([accepted, next(client, 'secureConnect')]);
      return { relay, client, peer, pace };
    }

    /** Tickets and ACKs have come and gone: what passes next is what the test does. */
    async function quiet({ relay, pace }: Session): Promise<void> {
      let last = Date.now();
      const { passes } = relay;
      relay.passes = (...args) => {
        last = Date.now();
        return passes(...args);
      };
      while (Date.now() - last < 3 * pace.max) await new Promise((resolve) => setTimeout(resolve, 10));
      relay.passes = passes;
    }

    async function opened(pace = PACE): Promise<Session> {
      const session = await begin(pace);
      await quiet(session);
      return session;
    }

    /** The next datagram of the direction does not arrive: resolves with it. */
    const loseNext = (relay: Relay, direction: Direction): Promise<Buffer> =>
      within(
        new Promise((resolve) => {
          relay.passes = (datagram, way) => {
            if (way !== direction) return true;
            relay.passes = () => true;
            resolve(datagram);
            return false;
          };
        }),
        'a datagram to lose',
      );

    /** The epoch bits of the next datagram of `socket`'s that is as long as the message. */
    async function epochOf({ relay, client, peer }: Session, socket: DTLSSocket): Promise<number> {
      const [direction, other]: [Direction, DTLSSocket] = socket === client ? ['toServer', peer] : ['toClient', client];
      const message = Buffer.alloc(600, 'e');
      const arrived = next(other, 'message');
      const seen = new Promise<number>((resolve) => {
        relay.passes = (datagram, way) => {
          if (way === direction && datagram.length > message.length) resolve(epochBits(datagram));
          return true;
        };
      });
      socket.send(message);
      expect(String((await arrived)[0])).to.equal(message.toString());
      return seen;
    }

    /** Until the keys of `socket` have changed so many times: it may be told to change them once more. */
    const updated = (socket: DTLSSocket): Promise<void> => until(() => socket.updateKeys(), 'the end of the update before', patience(10_000));

    /** How many the socket has read since. */
    const reads = (socket: DTLSSocket): (() => number) => {
      let events = 0;
      socket.on('handshake', ({ message, direction }) => {
        if (message === 'key_update' && direction === 'in') ++events;
      });
      return () => events;
    };

    for (const side of ['client', 'peer'] as const) {
      it(`a KeyUpdate of the ${side === 'client' ? 'client' : 'server'} that is lost is said again, and messages go on meanwhile`, async () => {
        const session = await opened();
        const [from, to] = side === 'client' ? [session.client, session.peer] : [session.peer, session.client];
        const read = reads(to);
        const { retransmissions } = from.stats;
        const told = next(to, 'handshake');
        const lost = loseNext(session.relay, side === 'client' ? 'toServer' : 'toClient');
        expect(from.updateKeys()).to.equal(true);
        await lost;
        expect(await epochOf(session, from)).to.equal(FIRST_DATA_EPOCH);
        expect((await told)[0]).to.include({ message: 'key_update', direction: 'in' });
        await converse(session);
        await quiet(session);
        expect(await epochOf(session, from)).to.equal((FIRST_DATA_EPOCH + 1) & 3);
        expect(await epochOf(session, to)).to.equal(FIRST_DATA_EPOCH);
        expect([read(), from.stats.retransmissions - retransmissions]).to.deep.equal([1, 1]);
      });

      it(`the ACK of one of the ${side === 'client' ? 'client' : 'server'} that is lost comes again, and the update counts once`, async () => {
        const session = await opened();
        const [from, to] = side === 'client' ? [session.client, session.peer] : [session.peer, session.client];
        const read = reads(to);
        const { retransmissions } = from.stats;
        const lost = loseNext(session.relay, side === 'client' ? 'toClient' : 'toServer');
        const told = next(to, 'handshake');
        expect(from.updateKeys()).to.equal(true);
        await told;
        await lost;
        expect(await epochOf(session, from), 'no ACK has come').to.equal(FIRST_DATA_EPOCH);
        await quiet(session);
        expect(await epochOf(session, from)).to.equal((FIRST_DATA_EPOCH + 1) & 3);
        expect([read(), from.stats.retransmissions - retransmissions]).to.deep.equal([1, 1]);
        expect([from.stats.badRecords, to.stats.badRecords]).to.deep.equal([0, 0]);
      });
    }

    it('both sides at once, each wishing the same of the other', async () => {
      const session = await opened();
      const { client, peer } = session;
      const both = [reads(client), reads(peer)];
      expect([client.updateKeys({ peer: true }), peer.updateKeys({ peer: true })]).to.deep.equal([true, true]);
      await converse(session);
      await quiet(session);
      // Each has changed its keys of itself, and once more as the other wished.
      expect(both.map((read) => read())).to.deep.equal([2, 2]);
      for (const socket of [client, peer]) {
        expect(await epochOf(session, socket)).to.equal((FIRST_DATA_EPOCH + 2) & 3);
        expect(socket.stats.badRecords).to.equal(0);
      }
    });

    it('records of old keys that are overtaken by those of new ones arrive, once', async () => {
      const session = await opened();
      const { relay, client, peer } = session;
      const late: Buffer[] = [];
      const received: string[] = [];
      peer.on('message', (message) => received.push(message.subarray(0, 3).toString()));
      const messageOf = (name: string): Buffer => Buffer.from(name.padEnd(600, '.'));
      // Of each of three epochs one is kept back.
      for (const name of ['e 3', 'e 4', 'e 5']) {
        const lost = loseNext(relay, 'toServer');
        client.send(messageOf(name));
        late.push(await lost);
        await updated(client);
        await quiet(session);
      }
      const arrived = next(peer, 'message');
      client.send(messageOf('e 6'));
      await arrived;
      expect(received).to.deep.equal(['e 6']);
      expect(late.map(epochBits)).to.deep.equal([3, 0, 1]);
      for (const datagram of [...late].reverse()) relay.send(datagram, 'toServer');
      for (const datagram of late) relay.send(datagram, 'toServer');
      await until(() => received.length === 4, 'all of them');
      await converse(session);
      expect(received.slice(0, 4)).to.deep.equal(['e 6', 'e 5', 'e 4', 'e 3']);
      expect(peer.stats).to.include({ badRecords: 0, replays: 3 });
    });

    it('fifty in a row, a fifth of everything lost: exactly what passed arrives, once', async () => {
      const session = await opened(QUICK);
      const { relay, client, peer } = session;
      const random = seededRandom('fifty updates');
      const UPDATES = 50;
      /** Longer than anything else that passes, and each of another length: so the relay knows which it is. */
      const FIRST_LENGTH = 500;
      let added = 0;
      const measured = next(peer, 'message');
      relay.passes = (datagram) => {
        added = datagram.length - FIRST_LENGTH;
        return true;
      };
      client.send(Buffer.alloc(FIRST_LENGTH));
      await measured;

      const read = reads(peer);
      const passed: Record<Direction, number[]> = { toServer: [], toClient: [] };
      const received: Record<Direction, number[]> = { toServer: [], toClient: [] };
      peer.on('message', ({ length }) => received.toServer.push(length));
      client.on('message', ({ length }) => received.toClient.push(length));
      relay.passes = (datagram, direction) => {
        const passes = random() >= 0.2;
        if (passes && datagram.length > FIRST_LENGTH + added) passed[direction].push(datagram.length - added);
        return passes;
      };
      for (let update = 1; update <= UPDATES; ++update) {
        await updated(client);
        for (const socket of [client, peer]) socket.send(Buffer.alloc(FIRST_LENGTH + update));
      }
      await quiet(session);
      relay.passes = () => true;
      await converse(session);
      expect(read()).to.equal(UPDATES);
      expect(await epochOf(session, client)).to.equal((FIRST_DATA_EPOCH + UPDATES) & 3);
      const long = (lengths: number[]): number[] => lengths.filter((length) => length > FIRST_LENGTH && length !== 600);
      const inOrder = (one: number, other: number): number => one - other;
      for (const direction of ['toServer', 'toClient'] as const) {
        expect(long(passed[direction]).length).to.be.within(25, 49);
        expect(long(received[direction]).sort(inOrder)).to.deep.equal(long(passed[direction]).sort(inOrder));
      }
      expect([client.stats.badRecords, peer.stats.badRecords]).to.deep.equal([0, 0]);
    });

    it("messages before the ACK of the client's last flight, and before that flight itself", async () => {
      const held: Buffer[] = [];
      const received: string[] = [];
      let lastFlights = 0;
      let acks = 0;
      const session = await begin(QUICK, (path, dialling) => {
        dialling.send('early');
        let underKeys = false;
        path.passes = (datagram, direction) => {
          if (epochBits(datagram) < 0) return true;
          if (direction === 'toServer' && !underKeys) {
            // The client's first datagram under keys is its last flight: lost. Behind it comes its message.
            underKeys = true;
            ++lastFlights;
            return false;
          }
          return true;
        };
        dialling.on('secureConnect', () => {
          dialling.send('before the ACK');
        });
      });
      const { relay, client, peer } = session;
      peer.on('message', (message) => received.push(message.toString()));
      // From here on no datagram of the server's arrives: its ACK and its ticket neither.
      relay.passes = (datagram, direction) => {
        if (direction === 'toServer') return true;
        ++acks;
        held.push(datagram);
        return false;
      };
      for (let index = 0; index < 5; ++index) client.send(`message ${index}`);
      await until(() => received.length === 7, 'seven messages');
      expect(lastFlights).to.equal(1);
      expect([...received].sort()).to.deep.equal(
        ['early', 'before the ACK', ...Array.from({ length: 5 }, (_, index) => `message ${index}`)].sort(),
      );
      relay.passes = () => true;
      for (const datagram of held) relay.send(datagram, 'toClient');
      await converse(session);
      await quiet(session);
      expect(acks).to.be.at.least(1);
      expect(peer.stats.badRecords).to.equal(0);
      expect(client.updateKeys()).to.equal(true);
      await converse(session);
    });
  });
}
