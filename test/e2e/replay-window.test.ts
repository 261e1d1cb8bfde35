// Protects the option `replayWindow`: how late a record may come, and whether one that comes twice is delivered twice,
// over real sockets and in both directions.
import { expect } from 'chai';
import type { ConnectOptions, DTLSSocket, ServerOptions } from '../../lib/index';
import { closeEverything, dial, listen, messages, next, portOf, PSK_CLIENT, PSK_SERVER } from '../helpers/pair';
import { Relay, type Direction } from '../helpers/relay';

type Both = Partial<ServerOptions & ConnectOptions>;

interface Path {
  readonly relay: Relay;
  readonly from: DTLSSocket;
  readonly to: DTLSSocket;
  /** All messages that `to` has been given. */
  readonly heard: string[];
}

describe('replayWindow', () => {
  const relays: Relay[] = [];

  afterEach(async () => {
    await closeEverything();
    for (const relay of relays.splice(0)) relay.close();
  });

  async function open(direction: Direction, options: Both): Promise<Path> {
    const server = await listen({ ...PSK_SERVER, ...options });
    const relay = await Relay.to(portOf(server));
    relays.push(relay);
    const secure = next(server, 'secureConnection');
    const client = await dial(server, { ...PSK_CLIENT, ...options, port: relay.port });
    await next(client, 'secureConnect');
    const [peer] = await secure;
    const [from, to] = direction === 'toServer' ? [client, peer] : [peer, client];
    const heard: string[] = [];
    to.on('message', (message) => heard.push(message.toString()));
    return { relay, from, to, heard };
  }

  /** The datagrams of what `act` sends. They arrive when `passes`. */
  async function caught(
    { relay }: Path,
    direction: Direction,
    passes: boolean,
    act: () => void,
  ): Promise<Buffer> {
    const first = new Promise<Buffer>((resolve) => {
      relay.passes = (datagram, way) => {
        if (way !== direction) return true;
        relay.passes = () => true;
        resolve(datagram);
        return passes;
      };
    });
    act();
    return first;
  }

  /** A last message has come, and so has all that was sent before it. */
  async function settled({ from, to }: Path): Promise<void> {
    const done = new Promise<void>((resolve) => {
      to.on('message', (message) => {
        if (message.toString() === 'end') resolve();
      });
    });
    from.send('end');
    await done;
  }

  for (const direction of ['toServer', 'toClient'] as const) {
    describe(direction, () => {
      for (const [replayWindow, times] of [[0, 2], [64, 1], [undefined, 1], [1024, 1]] as const) {
        it(`a repeated datagram is delivered ${times === 1 ? 'once' : 'twice'} with ${replayWindow}`, async () => {
          const path = await open(direction, { replayWindow });
          const arrived = messages(path.to, 1);
          const datagram = await caught(path, direction, true, () => path.from.send('pay'));
          await arrived;
          path.relay.send(datagram, direction);
          await settled(path);
          expect(path.heard).to.deep.equal([...Array<string>(times).fill('pay'), 'end']);
          expect(path.to.stats).to.include({ replays: 2 - times, badRecords: 0 });
        });
      }

      for (const [replayWindow, replays] of [[0, 0], [64, 1], [101, 0], [1024, 0]] as const) {
        it(`a record 100 numbers late is ${replays === 0 ? 'delivered' : 'dropped'} with ${replayWindow}`, async () => {
          const path = await open(direction, { replayWindow });
          const late = await caught(path, direction, false, () => path.from.send('late'));
          const arrived = messages(path.to, 100);
          for (let number = 0; number < 100; ++number) path.from.send(`message ${number}`);
          await arrived;
          path.relay.send(late, direction);
          await settled(path);
          expect(path.heard.slice(100)).to.deep.equal(replays === 0 ? ['late', 'end'] : ['end']);
          expect(path.to.stats).to.include({ replays, badRecords: 0 });
        });
      }

      it('with 0 a repeated heartbeat is no second one: nobody above could tell', async () => {
        const path = await open(direction, { replayWindow: 0, heartbeat: true });
        const answered = next(path.from, 'heartbeat').then(() => next(path.from, 'heartbeat'));
        const request = await caught(path, direction, true, () => void path.from.heartbeat());
        await answered;
        const { heartbeatsReceived, heartbeatsSent } = path.to.stats;
        path.relay.send(request, direction);
        await settled(path);
        expect(path.to.stats).to.include({ replays: 1, heartbeatsReceived, heartbeatsSent });
      });

      for (const replayWindow of [0, 1024]) {
        it(`a CBC suite has OpenSSL's window, also with ${replayWindow}`, async () => {
          const path = await open(direction, { replayWindow, ciphers: 'PSK-AES128-CBC-SHA256' });
          const arrived = messages(path.to, 1);
          const datagram = await caught(path, direction, true, () => path.from.send('pay'));
          await arrived;
          path.relay.send(datagram, direction);
          await settled(path);
          expect(path.heard).to.deep.equal(['pay', 'end']);
          expect(path.to.stats).to.include({ replays: 1, badRecords: 0 });
        });
      }
    });
  }
});
