// Protects the UDP socket in C++: that datagrams are merged and taken apart again without loss or disorder, that
// what the system refuses is told and counted, that a flood leaves the event loop its turns, and that `messages`,
// `sendMany` and `copyMessages` do what they say.
import dgram from 'node:dgram';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { expect } from 'chai';
import { connect, createServer, features, type DTLSSocket } from '../../lib/index';
import { NativeDriver } from '../../lib/transport/native-udp';
import { PLAIN_UDP } from '../../lib/transport/transport';
import { closeEverything, dial, failure, listen, next, openPsk, portOf, PSK_CLIENT, PSK_SERVER, within } from '../helpers/pair';
import { patience } from '../helpers/patience';
import { skip } from '../helpers/peers';

const native = { transport: 'native' } as const;
const open = (
  server: object = {},
  client: object = {},
): ReturnType<typeof openPsk> => openPsk({ ...native, ...server }, { ...native, ...client });

/** Until so many messages have come. */
function gather(socket: DTLSSocket, count: number): Promise<Buffer[]> {
  const received: Buffer[] = [];
  return within(
    new Promise((resolve) => {
      socket.on('message', (message) => {
        if (received.push(message) === count) resolve(received);
      });
    }),
    `${String(count)} messages`,
  );
}

const numbered = (count: number, size: number): Buffer[] =>
  Array.from({ length: count }, (_, index) => {
    const message = Buffer.alloc(size, index & 0xff);
    message.writeUInt32BE(index);
    return message;
  });

const bindOptions = { ...PLAIN_UDP, family: 4, address: '127.0.0.1' } as const;

describe('the native UDP socket', function () {
  this.timeout(patience(20_000));

  before(function () {
    if (process.platform !== 'linux') skip(this, 'it is there on Linux only');
  });
  afterEach(closeEverything);

  describe('binding', () => {
    it('has happened when the constructor returns', () => {
      const transport = NativeDriver.bind({ ...bindOptions });
      expect(transport.address()).to.include({ address: '127.0.0.1', family: 'IPv4' });
      transport.close(() => undefined);
    });

    it('fails as the system says: code, errno, syscall', () => {
      const first = NativeDriver.bind({ ...bindOptions });
      const { port } = first.address();
      expect(() => NativeDriver.bind({ ...bindOptions, port }))
        .to.throw(/bind EADDRINUSE/)
        .that.includes({ code: 'EADDRINUSE', syscall: 'bind' });
      first.close(() => undefined);
    });

    it('several sockets share a port with reusePort, on any Node', async () => {
      const first = await listen({ ...PSK_SERVER, ...native, reusePort: true });
      const second = createServer({ ...PSK_SERVER, ...native, reusePort: true });
      second.listen(portOf(first), '127.0.0.1');
      await next(second, 'listening');
      second.close();
      await next(second, 'close');
    });

    it('takes buffer sizes, and errors of the server come as from dgram', async () => {
      const server = await listen({ ...PSK_SERVER, ...native, recvBufferSize: 65536, sendBufferSize: 65536 });
      const taken = createServer({ ...PSK_SERVER, ...native });
      const failed = next(taken, 'error');
      taken.listen(portOf(server), '127.0.0.1');
      expect((await failed)[0]).to.include({ code: 'EADDRINUSE', category: 'io', syscall: 'bind' });
    });
  });

  describe('merging', () => {
    it('is there where the kernel has it', () => {
      expect(features).to.have.property('gso').that.is.a('boolean');
      expect(features).to.have.property('gro').that.is.a('boolean');
    });

    for (const size of [64, 1200]) {
      it(`of messages of ${String(size)} bytes loses and reorders nothing`, async () => {
        const { client, peer, server } = await open();
        // As much as a receive buffer of the usual size holds.
        const sent = numbered(100, size);
        const arrived = gather(peer, sent.length);
        client.sendMany(sent);
        expect(await arrived).to.deep.equal(sent);
        const { udp } = server.stats;
        expect(udp?.gso).to.equal(features.gso);
        if (features.gro) expect(udp?.receivedMerged).to.be.above(50);
        expect(udp?.receiveCalls).to.be.below(100);
      });
    }

    it('of unequal sizes, the last one smaller, and of the largest', async () => {
      const { client, peer } = await open();
      const sent = [900, 900, 900, 17, 900, 1, 2, 3, 3, 16384, 16384, 5].map((size, index) =>
        Buffer.alloc(size, index + 1),
      );
      const arrived = gather(peer, sent.length);
      client.sendMany(sent);
      expect(await arrived).to.deep.equal(sent);
    });

    it('goes on datagram by datagram where a message is above the MTU of the device', async () => {
      // Loopback takes 65,536 bytes: two records of 16 KiB merge, five do not fit one message.
      const { client, peer } = await open();
      const sent = numbered(12, 16000);
      const arrived = gather(peer, sent.length);
      client.sendMany(sent);
      expect(await arrived).to.deep.equal(sent);
    });

    it('of what a plain socket sends, 65,507 bytes and rubbish among it, disturbs nobody', async () => {
      const { client, peer, server } = await open();
      const sender = dgram.createSocket('udp4');
      const send = (bytes: Buffer): Promise<unknown> =>
        new Promise((resolve) => {
          sender.send(bytes, portOf(server), '127.0.0.1', resolve);
        });
      await send(Buffer.alloc(65507, 22));
      await send(Buffer.alloc(0));
      await send(Buffer.alloc(1, 0xff));
      sender.close();
      const arrived = gather(peer, 1);
      client.send('alive');
      expect(String((await arrived)[0])).to.equal('alive');
      expect(server.stats.malformedDatagrams + server.stats.nonDtlsDatagrams).to.equal(3);
    });
  });

  describe('sending', () => {
    it('leaves in the same tick, and its callback comes later', async () => {
      const { client, peer } = await open();
      const arrived = gather(peer, 1);
      let returned = false;
      const called = new Promise<boolean>((resolve) => {
        client.send('now', (error) => {
          expect(error).to.equal(null);
          resolve(returned);
        });
      });
      returned = true;
      expect(await called).to.equal(true);
      await arrived;
    });

    it('sendMany calls back once, and refuses all when one is too big', async () => {
      const { client, peer } = await open();
      const arrived = gather(peer, 3);
      let calls = 0;
      await new Promise<void>((resolve) => {
        client.sendMany(['a', 'b', 'c'], (error) => {
          calls += 1;
          expect(error).to.equal(null);
          resolve();
        });
      });
      await arrived;
      expect(calls).to.equal(1);
      expect(() => client.sendMany(['fine', Buffer.alloc(16385)]))
        .to.throw()
        .with.property('code', 'ERR_DTLS_MESSAGE_TOO_BIG');
      expect(client.stats.messagesSent).to.equal(3);
      client.sendMany([], (error) => {
        calls += error === null ? 1 : 100;
      });
      await new Promise(setImmediate);
      expect(calls).to.equal(2);
    });

    it('tells by false and drain when the queue is long, and loses nothing of it', async () => {
      const { client, peer } = await open({ recvBufferSize: 8 << 20 }, { sendBufferSize: 4096 });
      const count = 400;
      let drained = 0;
      let falses = 0;
      let callbacks = 0;
      client.on('drain', () => (drained += 1));
      const arrived: number[] = [];
      peer.on('message', (message) => arrived.push(message.readUInt32BE()));
      for (const message of numbered(count, 4000)) {
        if (!client.send(message, () => (callbacks += 1))) falses += 1;
        if (message.readUInt32BE() % 40 === 39) await new Promise(setImmediate);
      }
      while (callbacks < count) await new Promise(setImmediate);
      expect(callbacks).to.equal(count);
      if (falses > 0) expect(drained).to.be.above(0);
      expect(client.stats.messagesSent).to.equal(count);
      // In the order in which they were sent; the kernel may drop what finds no room at the receiver.
      expect(arrived).to.deep.equal([...arrived].sort((a, b) => a - b));
    });

    it('calls back for each message that was queued when the socket closes', async () => {
      const { client } = await open({}, { sendBufferSize: 4096 });
      let callbacks = 0;
      for (const message of numbered(100, 4000)) client.send(message, () => (callbacks += 1));
      const closed = next(client, 'close');
      client.close();
      await closed;
      await within(
        (async () => {
          while (callbacks < 100) await new Promise(setImmediate);
        })(),
        'the callbacks',
      );
      expect(callbacks).to.equal(100);
    });

    it('counts the buffers that the system drops: datagrams that are not merged one by one', async function () {
      const { client, peer, server } = await open({ recvBufferSize: 4096 });
      const dropped = (): number | undefined => server.stats.udp?.buffersDropped;
      // test/native has it there on every Linux whose kernel is the real one.
      if (dropped() === undefined) {
        skip(this, 'this system does not count them (SO_MEMINFO)');
      }
      let arrived = 0;
      peer.on('message', () => (arrived += 1));
      // Growing sizes are not merged. All leave in one tick: the server has no turn in between.
      const sent = Array.from({ length: 200 }, (_, index) => Buffer.alloc(1000 + index));
      client.sendMany(sent);
      await within(
        (async () => {
          while (arrived + (dropped() ?? 0) < sent.length) {
            await new Promise(setImmediate);
          }
        })(),
        'all to be accounted for',
      );
      expect(dropped()).to.be.above(0);
      expect(dropped()).to.equal(sent.length - arrived);
    });

    it('counts the buffers that the system drops: merged datagrams as one', async function () {
      const { client, peer, server } = await open({ recvBufferSize: 4096 });
      const dropped = (): number => server.stats.udp?.buffersDropped ?? 0;
      if (!features.gso || !features.gro) skip(this, 'this system merges nothing (UDP_SEGMENT, UDP_GRO)');
      if (server.stats.udp?.buffersDropped === undefined) skip(this, 'this system does not count them (SO_MEMINFO)');
      let arrived = 0;
      peer.on('message', () => (arrived += 1));
      const before = client.stats.datagramsSent;
      client.sendMany(numbered(640, 200));
      await within(
        (async () => {
          while (dropped() === 0) await new Promise(setImmediate);
        })(),
        'the system to drop some',
      );
      const lost = client.stats.datagramsSent - before - arrived;
      expect(dropped()).to.be.below(lost / 2);
    });

    it('peers that take turns have their messages merged', async function () {
      if (!features.gso) skip(this, 'this system has no UDP_SEGMENT');
      const { client, peer, server } = await open();
      const accepted = next(server, 'secureConnection');
      const other = await dial(server, { ...PSK_CLIENT, ...native });
      await next(other, 'secureConnect');
      const [otherPeer] = await accepted;
      const both = [gather(client, 30), gather(other, 30)];
      const sent = numbered(30, 300);
      for (const message of sent) {
        peer.send(message);
        otherPeer.send(message);
      }
      expect(await Promise.all(both)).to.deep.equal([sent, sent]);
      expect(server.stats.udp?.sentMerged).to.be.at.least(60);
    });

    it('a port where nobody listens is ECONNREFUSED', async () => {
      const spare = await listen({ ...PSK_SERVER, ...native });
      const port = portOf(spare);
      spare.close();
      await next(spare, 'close');
      const client = connect({ host: '127.0.0.1', port, ...PSK_CLIENT, ...native });
      expect((await failure(client)).code).to.equal('ECONNREFUSED');
    });

    it('answers leave from the address that was asked, on a socket for all addresses', async () => {
      const server = await listen({ ...PSK_SERVER, ...native }, '::');
      for (const host of ['127.0.0.1', '127.0.0.2', '::1']) {
        const client = connect({ host, port: portOf(server), ...PSK_CLIENT, ...native });
        await next(client, 'secureConnect');
        client.destroy();
      }
    });
  });

  describe('receiving', () => {
    it('messages has all that one wake-up brought, and message is silent then', async () => {
      const { client, peer } = await open();
      const batches: Buffer[][] = [];
      peer.on('messages', (batch) => batches.push(batch));
      peer.on('message', () => expect.fail('message beside messages'));
      const sent = numbered(100, 200);
      client.sendMany(sent);
      await within(
        (async () => {
          while (batches.flat().length < sent.length) await new Promise(setImmediate);
        })(),
        'the messages',
      );
      expect(batches.flat()).to.deep.equal(sent);
      expect(batches.length).to.be.below(sent.length / 2);
    });

    it('messages of large batches that are kept stay as they were', async () => {
      const { client, peer } = await open({ recvBufferSize: 4 << 20 });
      const kept = gather(peer, 650);
      const all: Buffer[] = [];
      for (let round = 0; round < 5; ++round) {
        const sent = numbered(130, 1200).map((message) => Buffer.concat([message, Buffer.of(round)]));
        all.push(...sent);
        client.sendMany(sent);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      expect(Buffer.concat(await kept).equals(Buffer.concat(all))).to.equal(true);
    });

    it('copyMessages gives each message its own memory', async () => {
      for (const copyMessages of [false, true]) {
        const { client, peer } = await open({ copyMessages });
        const arrived = gather(peer, 3);
        client.sendMany(['one', 'two', 'three']);
        for (const { buffer, length } of await arrived) {
          expect(buffer.byteLength === length).to.equal(copyMessages);
        }
      }
    });

    it('a flood from one peer leaves the event loop, timers and the others their turns', async () => {
      const { client, peer, server } = await open();
      const other = await dial(server, { ...PSK_CLIENT, ...native });
      const accepted = next(server, 'secureConnection');
      await next(other, 'secureConnect');
      const [otherPeer] = await accepted;
      let flooded = 0;
      peer.on('message', () => (flooded += 1));
      otherPeer.on('message', (message) => otherPeer.send(message));
      const delay = monitorEventLoopDelay({ resolution: 1 });
      delay.enable();
      const flood = numbered(100, 1000);
      const end = Date.now() + 1000;
      let answered = 0;
      other.on('message', () => (answered += 1));
      let asked = 0;
      while (Date.now() < end) {
        client.sendMany(flood);
        other.send('and me?');
        asked += 1;
        await new Promise(setImmediate);
      }
      delay.disable();
      await new Promise((resolve) => setTimeout(resolve, 100));
      expect(flooded).to.be.above(1000);
      expect(answered / asked).to.be.above(0.5);
      expect(delay.percentile(90) / 1e6).to.be.below(patience(100));
    });
  });
});
