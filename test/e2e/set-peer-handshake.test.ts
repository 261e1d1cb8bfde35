// Protects: that a peer may be at another address while the handshake runs, wherever it has got to: what was lost on the old
// way leaves again at once on the new one, without a wait of the timer, the hello is not taken for another client's, and
// half a handshake that somebody has begun from the new address stands in nobody's way.
import { expect } from 'chai';
import type { ConnectOptions, DTLSServer, DTLSSocket, ServerOptions } from '../../lib/index';
import { hasNativeUdp } from '../../lib/transport/native-udp';
import { describeVersions, type OneVersion } from '../helpers/dtls13';
import { closeStrangers, stranger } from '../helpers/packets';
import { Link } from '../helpers/link';
import { patience } from '../helpers/patience';
import { certificate, closeEverything, dialTo, ending, failure, listen, messages, next, portOf, PSK_CLIENT, PSK_SERVER, within } from '../helpers/pair';
import { closePaths, Path } from '../helpers/paths';

const TRANSPORTS = (['native', 'dgram'] as const).filter((transport) => transport === 'dgram' || hasNativeUdp);

/** Nothing is repeated by a timer before a test is over. */
const NO_TIMER = { retransmission: { initial: 60_000, max: 60_000 } } as const;

const turn = (): Promise<void> => new Promise((resolve) => { setImmediate(resolve); });

/** Everything that was sent has come, or is lost. */
async function quiet(...ways: Path[]): Promise<void> {
  let seen = -1;
  for (let same = 0; same < 40; ) {
    await turn();
    const now = ways.reduce((sum, way) => sum + way.seen.up.length + way.seen.down.length, 0);
    same = now === seen ? same + 1 : 0;
    seen = now;
    if (same % 10 === 9) await new Promise((resolve) => { setTimeout(resolve, 5); });
  }
}

for (const transport of TRANSPORTS) {
  describeVersions(`a peer that moves in the handshake, transport '${transport}'`, (only: OneVersion) => {
    afterEach(async () => {
      closePaths();
      closeStrangers();
      await closeEverything();
    });

    const serve = async (options: ServerOptions): Promise<DTLSServer> => listen({ ...only, ...NO_TIMER, transport, ...options });
    const dialOver = (way: Path, options: Partial<ConnectOptions>): DTLSSocket =>
      dialTo({ host: way.server.address, port: way.server.port, ...only, ...NO_TIMER, transport, ...options });

    for (const cookieExchange of [true, false]) {
      it(`goes on with it at once, after each datagram of it, ${cookieExchange ? 'with' : 'without'} a cookie exchange`, async function () {
        this.timeout(patience(60_000));
        const { cert, key } = await certificate();
        let through = 0;
        for (let lossy = true; lossy; ++through) {
          const server = await serve({ cert, key, cookieExchange });
          const [first, second] = [await Path.to(portOf(server)), await Path.to(portOf(server))];
          const sessions: DTLSSocket[] = [];
          server.on('connection', (socket) => sessions.push(socket));
          const accepted = next(server, 'secureConnection');
          let left = through;
          first.passes = () => left-- > 0;
          const client = dialOver(first, { rejectUnauthorized: false });
          const connected = next(client, 'secureConnect');
          await quiet(first);
          lossy = left < 0;
          second.clientPort = client.localPort;
          for (const session of sessions) session.setPeer(second.client.address, second.client.port);
          client.setPeer(second.server.address, second.server.port);
          const [[peer]] = await within(Promise.all([accepted, connected]), `a handshake that has lost what came behind datagram ${String(through)}`);
          const both = Promise.all([messages(peer, 1), messages(client, 1)]);
          client.send('up');
          peer.send('down');
          expect((await both).map(String)).to.deep.equal(['up', 'down']);
          expect(peer.remotePort).to.equal(second.client.port);
          expect(sessions.length, `sessions after datagram ${String(through)}`).to.equal(1);
          closePaths();
          await closeEverything();
        }
        expect(through).to.be.above(3);
      });
    }

    it('has said its hello from the new place before: that one goes on', async () => {
      const server = await serve({ ...PSK_SERVER, cookieExchange: false });
      const [first, second] = [await Path.to(portOf(server)), await Path.to(portOf(server))];
      const begun = next(server, 'connection');
      let left = 1;
      first.passes = () => left-- > 0;
      const client = dialOver(first, PSK_CLIENT);
      const [one] = await begun;
      await quiet(first);
      const again = next(server, 'connection');
      const accepted = next(server, 'secureConnection');
      client.setPeer(second.server.address, second.server.port);
      const [other] = await again;
      expect(() => one.setPeer(second.client.address, second.client.port)).to.throw().with.property('code', 'ERR_DTLS_PEER_IN_USE');
      const [peer] = await accepted;
      expect(peer).to.equal(other);
    });

    it('repeats its hello from the old place: that begins no second session', async () => {
      const server = await serve({ ...PSK_SERVER, cookieExchange: false, pskCallback: async () => new Promise<null>(() => undefined) });
      const [first, second] = [await Path.to(portOf(server)), await Path.to(portOf(server))];
      const begun = next(server, 'connection');
      let hello: Buffer | undefined;
      first.passes = (datagram) => {
        hello ??= datagram;
        return true;
      };
      const client = dialOver(first, PSK_CLIENT);
      const ended = ending(client);
      const [session] = await begun;
      await quiet(first);
      session.setPeer(second.client.address, second.client.port);
      let others = 0;
      server.on('connection', () => { others += 1; });
      const handshakes = server.stats.handshakesStarted;
      first.passes = () => true;
      first.inject(hello ?? Buffer.alloc(0));
      await quiet(first, second);
      expect([others, server.stats.handshakesStarted - handshakes]).to.deep.equal([0, 0]);
      client.destroy();
      await ended;
    });

    it('has the way of half a handshake that is at the new place, and not that of a session', async () => {
      const server = await serve({ ...PSK_SERVER });
      const [first, second] = [await Path.to(portOf(server)), await Path.to(portOf(server))];
      const accepted = next(server, 'secureConnection');
      const client = dialOver(first, PSK_CLIENT);
      const [[peer]] = await Promise.all([accepted, next(client, 'secureConnect')]);
      // Somebody begins from there, and gets no further.
      const begun = next(server, 'connection');
      let left = 4;
      second.passes = () => left-- > 0;
      const other = dialOver(second, PSK_CLIENT);
      const otherEnds = failure(other);
      const [half] = await begun;
      half.on('error', () => undefined);
      const replaced = next(server, 'dtlsClientError');
      peer.setPeer(second.client.address, second.client.port);
      const [error, whose] = await replaced;
      expect(whose).to.equal(half);
      expect(error.code).to.equal('ERR_DTLS_REPLACED');
      other.destroy(new Error('enough'));
      await otherEnds;
      second.passes = () => true;
      client.setPeer(second.server.address, second.server.port);
      const both = Promise.all([messages(peer, 1), messages(client, 1)]);
      client.send('up');
      await quiet(second);
      peer.send('down');
      expect((await both).map(String)).to.deep.equal(['up', 'down']);
    });

    it('does so in handlers of the handshake, and what waits for the handshake goes to the new place', async () => {
      const server = await serve({ ...PSK_SERVER });
      const [first, second] = [await Path.to(portOf(server)), await Path.to(portOf(server))];
      server.once('connection', (socket) => {
        first.cut();
        second.clientPort = client.localPort;
        socket.setPeer(second.client.address, second.client.port);
      });
      const accepted = next(server, 'secureConnection');
      const client = dialOver(first, PSK_CLIENT);
      client.send('early');
      await next(server, 'connection');
      client.setPeer(second.server.address, second.server.port);
      const [peer] = await accepted;
      const [message] = await messages(peer, 1);
      expect(String(message)).to.equal('early');
    });

    it('is a peer that cannot be reached there: the handshake ends as it would have', async () => {
      const closed = await stranger();
      const { port } = closed.address();
      closeStrangers();
      const server = await serve({ ...PSK_SERVER });
      const first = await Path.to(portOf(server));
      first.cut();
      const client = dialOver(first, { ...PSK_CLIENT, retransmission: { initial: 50, max: 50 } });
      await quiet(first);
      const failed = failure(client);
      client.setPeer('127.0.0.1', port);
      const error = await failed;
      expect(error.code).to.equal('ECONNREFUSED');
      expect(error.peer).to.deep.include({ address: '127.0.0.1', port });
    });

    it('is not what a refusal of its old place is about', async () => {
      const server = await serve({ ...PSK_SERVER });
      const closed = await stranger();
      const { port } = closed.address();
      closeStrangers();
      const client = dialTo({ host: '127.0.0.1', port, ...PSK_CLIENT, ...only, ...NO_TIMER, transport });
      // The refusal is on its way, or there, when the peer is at another place.
      const connected = next(client, 'secureConnect');
      await new Promise((resolve) => { process.nextTick(resolve); });
      for (let i = 0; i < 3 && client.localPort === undefined; ++i) await new Promise((resolve) => { process.nextTick(resolve); });
      client.setPeer('127.0.0.1', portOf(server));
      await connected;
    });
  });
}

describe('a peer that moves in the handshake, over a transport of the user\'s', () => {
  afterEach(closeEverything);

  it('is not what a refusal of its old place is about that was heard before, and would be told behind what has come', async () => {
    const server = await listen(PSK_SERVER);
    const link = await Link.bound();
    const old = { address: '127.0.0.1', port: 9, family: 'IPv4' } as const;
    link.outgoing = () => []; // until it has moved nothing arrives
    const client = dialTo({ ...PSK_CLIENT, ...NO_TIMER, host: old.address, port: old.port, transport: link });
    await next(client, 'handshake'); // its hello has left
    const connected = next(client, 'secureConnect');
    link.receiver.error(Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }), old);
    link.outgoing = (datagram) => [datagram];
    client.setPeer('127.0.0.1', portOf(server));
    await connected;
  });
});
