// Protects: that packets come to whom they are for, one by one or a wake-up's together, with one object for each peer; in
// memory as messages have it; that they keep their place among messages, come before the end that came after them, and that
// a handler which throws or closes takes nobody else's along; and that nobody pays for what nobody listens to.
import { expect } from 'chai';
import type dgram from 'node:dgram';
import { AsyncLocalStorage } from 'node:async_hooks';
import type { EventEmitter } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import type { ConnectOptions, DTLSServer, DTLSSocket, Peer, ServerOptions } from '../../lib/index';
import { Endpoint } from '../../lib/endpoint/endpoint';
import { hasNativeUdp } from '../../lib/transport/native-udp';
import { bound, closeSockets, PSK, secure } from '../dgram/support';
import { closeStrangers, events, packets, rtp, stranger, stun, textOf } from '../helpers/packets';
import { closeEverything, dial, listen, next, openOn, openPsk, portOf, PSK_CLIENT, PSK_SERVER, within } from '../helpers/pair';

const TRANSPORTS = (['native', 'dgram'] as const).filter((transport) => transport === 'dgram' || hasNativeUdp);

/** Collects what batches bring, until there are so many packets. */
function batches(emitter: DTLSServer | DTLSSocket, count: number): Promise<[texts: string[], peer: Peer][]> {
  const seen: [string[], Peer][] = [];
  let total = 0;
  return within(
    new Promise((resolve) => {
      (emitter as DTLSServer).on('packets', (batch, peer) => {
        seen.push([batch.map(textOf), peer]);
        total += batch.length;
        if (total === count) resolve(seen);
      });
    }),
    `${String(count)} packets in batches`,
  );
}

const send = (from: dgram.Socket, packet: Buffer, to: number): Promise<void> =>
  new Promise((resolve, reject) => {
    from.send(packet, to, '127.0.0.1', (error) => {
      if (error === null) resolve();
      else reject(error);
    });
  });

for (const transport of TRANSPORTS) {
  const open = (server: ServerOptions = {}, client: Partial<ConnectOptions> = {}) =>
    openPsk({ transport, ...server }, { transport, ...client });

  describe(`packets heard, transport '${transport}'`, () => {
    afterEach(async () => {
      closeStrangers();
      await closeEverything();
    });

    it('have one object for each peer, which is the one of its messages', async () => {
      const server = await listen({ ...PSK_SERVER, transport });
      const [one, other] = [await stranger(), await stranger()];
      const arrived = events<[Buffer, Peer]>(server, 'packet', 6);
      for (let i = 0; i < 3; ++i) {
        one.send(stun('one'), portOf(server), '127.0.0.1');
        other.send(rtp('other'), portOf(server), '127.0.0.1');
      }
      const all = await arrived;
      const peers = new Map(all.map(([packet, peer]) => [peer, textOf(packet)]));
      expect([...peers.values()].sort()).to.deep.equal(['one', 'other']);
      for (const [peer, text] of peers) {
        const { port } = (text === 'one' ? one : other).address();
        expect(peer).to.deep.equal({ address: '127.0.0.1', port, family: 'IPv4' });
      }
      // A session that begins first, and one that begins after its first packet.
      const first = await openOn(server, { ...PSK_CLIENT, transport });
      const second = await dial(server, { ...PSK_CLIENT, transport });
      const packet = next(server, 'packet');
      second.sendPacket(rtp('early'));
      const accepted = next(server, 'secureConnection');
      const [, early] = await packet;
      const [session] = await accepted;
      for (const [client, peer] of [[first.client, first.peer], [second, session]] as const) {
        const [heard, said] = [next(server, 'packet'), next(peer, 'message')];
        client.sendPacket(rtp('x'));
        client.send('x');
        const [[, ofPacket], [, ofMessage]] = await Promise.all([heard, said]);
        expect(ofPacket).to.equal(ofMessage);
        expect(ofPacket).to.equal(peer.remotePeer);
        if (client === second) expect(ofPacket).to.equal(early);
      }
    });

    it('come together, those of each peer in order, where somebody listens for that', async () => {
      const server = await listen({ ...PSK_SERVER, transport });
      const [one, other] = [await stranger(), await stranger()];
      server.on('packet', () => { throw new Error('this event is not for who has the other'); });
      const arrived = batches(server, 40);
      for (let i = 0; i < 20; ++i) {
        one.send(rtp(`one ${String(i)}`), portOf(server), '127.0.0.1');
        other.send(rtp(`other ${String(i)}`), portOf(server), '127.0.0.1');
      }
      const all = await arrived;
      for (const [name, socket] of [['one', one], ['other', other]] as const) {
        const own = all.filter(([, { port }]) => port === socket.address().port);
        expect(own.flatMap(([texts]) => texts)).to.deep.equal(Array.from({ length: 20 }, (_, i) => `${name} ${String(i)}`));
        expect(new Set(own.map(([, peer]) => peer)).size).to.equal(1);
      }
      server.removeAllListeners('packets').removeAllListeners('packet');
      const again = packets(server, 1);
      one.send(rtp('one by one'), portOf(server), '127.0.0.1');
      expect(await again).to.deep.equal(['one by one']);
    });

    if (transport === 'native') it('of one sender come in few events, as the native socket sends them together', async () => {
      const { server, client, peer } = await open();
      for (const [from, to] of [[peer, client], [client, server]] as const) {
        const arrived = batches(to, 64);
        for (let i = 0; i < 64; ++i) from.sendPacket(rtp(`number ${String(i)}`, 500));
        const all = await arrived;
        expect(all.flatMap(([texts]) => texts)).to.deep.equal(Array.from({ length: 64 }, (_, i) => `number ${String(i)}`));
        expect(all.length).to.be.below(16);
        const [[, { port }] = [[], { port: 0 }]] = all;
        expect(port).to.equal(from === peer ? portOf(server) : client.localPort);
      }
    });

    it('keep their places among messages', async () => {
      const { server, client, peer } = await open();
      const seen: string[] = [];
      const all = within(
        new Promise<void>((resolve) => {
          const note = (text: string): void => {
            if (seen.push(text) === 100) resolve();
          };
          peer.on('message', (message) => { note(message.toString()); });
          server.on('packet', (packet) => { note(textOf(packet)); });
        }),
        'packets and messages',
      );
      for (let i = 0; i < 100; ++i) {
        if (i % 7 < 3) client.send(`number ${String(i)}`);
        else client.sendPacket(rtp(`number ${String(i)}`));
      }
      await all;
      expect(seen).to.deep.equal(Array.from({ length: 100 }, (_, i) => `number ${String(i)}`));
    });

    it('that came before the end come before it, together, too', async () => {
      const { server, client, peer } = await open();
      const seen: string[] = [];
      client.on('packets', (batch) => seen.push(...batch.map(textOf)));
      client.on('close', () => seen.push('close'));
      const closed = next(client, 'close');
      for (const text of ['1', '2', '3']) peer.sendPacket(rtp(text));
      peer.close();
      await closed;
      expect(seen).to.deep.equal(['1', '2', '3', 'close']);
      expect(server.listening).to.equal(true);
    });

    for (const [name, options] of [['copied', { copyMessages: true }], ['borrowed', { borrowMessages: true }]] as const) {
      it(`are ${name} as messages are, at either side and in batches`, async () => {
        const { server, client, peer } = await open(options, options);
        for (const [hearer, sender] of [[server, client], [client, peer]] as const) {
          for (const event of ['packet', 'packets'] as const) {
            const kept: Buffer[] = [];
            const texts: string[] = [];
            for (const text of ['first', 'other']) {
              const come = within(
                new Promise<void>((resolve) => {
                  (hearer as EventEmitter).once(event, (given: Buffer | Buffer[]) => {
                    for (const packet of [given].flat()) {
                      kept.push(packet);
                      texts.push(textOf(packet));
                    }
                    resolve();
                  });
                }),
                event,
              );
              sender.sendPacket(rtp(text));
              await come;
            }
            expect(texts).to.deep.equal(['first', 'other']);
            const [first = Buffer.alloc(0), second = Buffer.alloc(0)] = kept;
            expect(textOf(first)).to.equal(name === 'borrowed' ? 'other' : 'first');
            if (name === 'borrowed') continue;
            expect(first.buffer.byteLength).to.equal(first.length);
            expect(first.buffer).to.not.equal(second.buffer);
          }
        }
      });
    }

    it('have the context of whom they are for', async () => {
      const storage = new AsyncLocalStorage<string>();
      const server = await storage.run('server', () => listen({ ...PSK_SERVER, transport }));
      const { client, peer } = await storage.run('client', () => openOn(server, { ...PSK_CLIENT, transport }));
      const contextOf = (emitter: EventEmitter, event: string): Promise<unknown> =>
        within(new Promise((resolve) => emitter.once(event, () => { resolve(storage.getStore()); })), event);
      for (const event of ['packet', 'packets']) {
        const contexts = Promise.all([contextOf(server, event), contextOf(client, event)]);
        client.sendPacket(rtp('x'));
        peer.sendPacket(rtp('x'));
        expect(await contexts).to.deep.equal(['server', 'client']);
      }
    });

    it('are not lost by a handler that throws or closes', async () => {
      const { server, client, peer } = await open();
      const uncaught: unknown[] = [];
      const before = process.listeners('uncaughtException');
      process.removeAllListeners('uncaughtException');
      process.on('uncaughtException', (error) => uncaught.push(error));
      try {
        const seen: string[] = [];
        server.on('packet', (packet) => {
          seen.push(textOf(packet));
          if (seen.length % 2 === 1) throw new Error(`after ${textOf(packet)}`);
        });
        for (let i = 0; i < 6; ++i) client.sendPacket(rtp(`number ${String(i)}`));
        while (seen.length < 6) await setTimeout(1);
        expect(seen).to.deep.equal(Array.from({ length: 6 }, (_, i) => `number ${String(i)}`));
        server.removeAllListeners('packet');
        const [one, other] = [await stranger(), await stranger()];
        const ports = new Set<number>();
        server.on('packets', (_, { port }) => {
          ports.add(port);
          throw new Error(`after ${String(port)}`);
        });
        one.send(rtp('x'), portOf(server), '127.0.0.1');
        other.send(rtp('x'), portOf(server), '127.0.0.1');
        while (ports.size < 2) await setTimeout(1);
        expect(uncaught.map((error) => (error as Error).message)).to.deep.equal(['after number 0', 'after number 2', 'after number 4', ...[...ports].map((port) => `after ${String(port)}`)]);
        const closed = next(client, 'close');
        client.on('packet', () => { client.destroy(); });
        for (let i = 0; i < 3; ++i) peer.sendPacket(rtp('x'));
        await closed;
      } finally {
        process.removeAllListeners('uncaughtException');
        for (const listener of before) process.on('uncaughtException', listener);
      }
    });

    it('are for a client from any of its ways to listen, and until it listens no more', async () => {
      const { client, peer } = await open();
      const heard = (listen: (listener: (packet: Buffer) => void) => unknown): Promise<string> =>
        within(new Promise((resolve) => listen((packet) => { resolve(textOf(packet)); })), 'a packet');
      for (const how of ['once', 'prependOnceListener', 'on', 'addListener', 'prependListener'] as const) {
        const packet = heard((listener) => client[how]('packet', listener));
        peer.sendPacket(rtp(how));
        expect(await packet).to.equal(how);
        client.removeAllListeners('packet');
      }
      const before = client.stats.packetsReceived;
      const message = next(client, 'message');
      peer.sendPacket(rtp('nobody'));
      peer.send('x');
      await message;
      expect(client.stats.packetsReceived).to.equal(before);
    });

    it("of a server's sessions are the server's", async () => {
      const { client, server, peer } = await open();
      let wrong = 0;
      peer.on('packet', () => (wrong += 1));
      const heard = packets(server, 1);
      client.sendPacket(rtp('x'));
      expect(await heard).to.deep.equal(['x']);
      expect(wrong).to.equal(0);
    });

    it('are counted where nobody listens, and cost no more', async () => {
      const server = await listen({ ...PSK_SERVER, transport });
      const other = await stranger();
      for (let i = 0; i < 5; ++i) await send(other, stun('x'), portOf(server));
      await send(other, Buffer.alloc(0), portOf(server));
      while (server.stats.nonDtlsDatagrams < 6) await setTimeout(1);
      const { datagramsReceived, bytesReceived, nonDtlsDatagrams, emptyDatagrams, packetsReceived, packetBytesReceived } = server.stats;
      expect({ datagramsReceived, bytesReceived, nonDtlsDatagrams, emptyDatagrams, packetsReceived, packetBytesReceived }).to.deep.equal({
        datagramsReceived: 6, bytesReceived: 15, nonDtlsDatagrams: 6, emptyDatagrams: 1, packetsReceived: 0, packetBytesReceived: 0,
      });
    });
  });
}

describe("a dgram.Socket of the user's, and packets that nobody listens for", () => {
  afterEach(async () => {
    closeStrangers();
    await closeEverything();
    await closeSockets();
  });

  it('hands none of them to native code', async () => {
    const shared = await stranger();
    const server = await listen({ ...PSK_SERVER, transport: shared }, undefined, shared.address().port);
    const other = await stranger();
    let spared = 0;
    // eslint-disable-next-line @typescript-eslint/unbound-method -- always called by apply
    const { unheard } = Endpoint.prototype;
    Endpoint.prototype.unheard = function (this: Endpoint, size) {
      spared += 1;
      unheard.apply(this, [size]);
    };
    try {
      for (let i = 0; i < 5; ++i) await send(other, rtp('x'), shared.address().port);
      while (server.stats.nonDtlsDatagrams < 5) await setTimeout(1);
      expect(spared).to.equal(5);
      const heard = packets(server, 1);
      await send(other, rtp('y'), shared.address().port);
      expect(await heard).to.deep.equal(['y']);
      expect(spared).to.equal(5);
    } finally {
      Endpoint.prototype.unheard = unheard;
    }
  });

  it('createSocket has batches, too, each with its peer', async () => {
    const socket = await bound(secure(PSK));
    const other = await stranger();
    const heard = within(
      new Promise<[string[], Peer]>((resolve) => {
        const texts: string[] = [];
        socket.on('packets', (batch: Buffer[], peer: Peer) => {
          texts.push(...batch.map(textOf));
          if (texts.length === 3) resolve([texts, peer]);
        });
      }),
      'three packets',
    );
    for (const text of ['1', '2', '3']) await send(other, rtp(text), socket.address().port);
    const [texts, peer] = await heard;
    expect(texts).to.deep.equal(['1', '2', '3']);
    expect(peer).to.deep.equal({ address: '127.0.0.1', port: other.address().port, family: 'IPv4' });
  });
});
