/**
 * Protects: that a message is one datagram and arrives whole, unchanged and by itself, whatever it
 * is made of and whoever reuses which memory; and that senders learn when to wait and what failed.
 */
import { createHash, randomBytes } from 'node:crypto';
import { expect } from 'chai';
import { DTLSError, type DTLSSocket } from '../../lib/index';
import { Link } from '../helpers/link';
import {
  closeEverything,
  dial,
  listen,
  messages,
  next,
  openOn,
  openPsk,
  PSK_CLIENT,
  PSK_SERVER,
  within,
} from '../helpers/pair';

const MAX = 16384;

/** What the callback of one send gets. */
function sent(socket: DTLSSocket, message: string | Buffer): Promise<Error | null> {
  return within(
    new Promise((resolve) => {
      socket.send(message, resolve);
    }),
    "send's callback",
  );
}

function thrown(call: () => unknown): DTLSError {
  try {
    call();
  } catch (error) {
    if (error instanceof DTLSError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

describe('data', () => {
  afterEach(closeEverything);

  describe('messages', () => {
    it('of every kind of size arrive whole, in both directions', async () => {
      const { client, peer } = await openPsk();
      const sizes = [1, 2, 15, 16, 17, 255, 256, 1199, 1200, 1201, 1472, 1473, 4096, 9000, 16383];
      for (const size of [...sizes, MAX]) {
        const message = randomBytes(size);
        const atPeer = messages(peer, 1);
        client.send(message);
        expect((await atPeer)[0]).to.deep.equal(message);
        const atClient = messages(client, 1);
        peer.send(message);
        expect((await atClient)[0]).to.deep.equal(message);
      }
    });

    it('of every length up to 600 bytes arrive whole', async () => {
      const { client, peer } = await openPsk();
      const content = randomBytes(600);
      peer.on('message', (message) => peer.send(message));
      for (let size = 1; size <= 600; ++size) {
        const echo = messages(client, 1);
        client.send(content.subarray(0, size));
        expect((await echo)[0]).to.deep.equal(content.subarray(0, size));
      }
    });

    it('above 16384 bytes are refused, and the session lives on', async () => {
      const { client, peer } = await openPsk();
      const error = thrown(() => client.send(Buffer.alloc(MAX + 1)));
      expect(error).to.include({ code: 'ERR_DTLS_MESSAGE_TOO_BIG', category: 'usage' });
      expect(error.message).to.match(/16385/);
      expect(error.hint).to.be.a('string').that.is.not.empty;
      const parts = [Buffer.alloc(MAX), 'x'];
      expect(thrown(() => client.send(parts)).code).to.equal('ERR_DTLS_MESSAGE_TOO_BIG');
      const arrived = messages(peer, 1);
      client.send('still here');
      expect((await arrived)[0]?.toString()).to.equal('still here');
    });

    it('without content are refused, and the session lives on', async () => {
      const { client, peer } = await openPsk();
      for (const empty of ['', Buffer.alloc(0), [], ['', new Uint8Array()]]) {
        const error = thrown(() => client.send(empty));
        expect(error).to.include({ code: 'ERR_DTLS_EMPTY_MESSAGE', category: 'usage' });
        expect(error.hint).to.be.a('string').that.is.not.empty;
      }
      expect(thrown(() => client.send('abc', 3, 0)).code).to.equal('ERR_DTLS_EMPTY_MESSAGE');
      const arrived = messages(peer, 1);
      client.send('still here');
      expect((await arrived)[0]?.toString()).to.equal('still here');
    });

    it('keep their order and their borders', async () => {
      const { client, peer } = await openPsk();
      const expected = Array.from({ length: 60 }, (_, index) =>
        Buffer.alloc(1 + ((index * 37) % 300), index),
      );
      const arrived = messages(peer, expected.length);
      for (const message of expected) client.send(message);
      expect(await arrived).to.deep.equal(expected);
    });

    it('can be strings, buffers, typed arrays and views', async () => {
      const { client, peer } = await openPsk();
      const memory = new Uint8Array([9, 1, 2, 3, 4, 9]);
      const cases: [string | NodeJS.ArrayBufferView, number[]][] = [
        ['é', [0xc3, 0xa9]],
        [Buffer.from([1, 2]), [1, 2]],
        [new Uint8Array(memory.buffer, 1, 3), [1, 2, 3]],
        [new DataView(memory.buffer, 2, 2), [2, 3]],
        [new Uint16Array([0x0201]), [1, 2]],
        [new Float64Array([0]), [0, 0, 0, 0, 0, 0, 0, 0]],
      ];
      for (const [message, bytes] of cases) {
        const arrived = messages(peer, 1);
        client.send(message);
        expect([...((await arrived)[0] ?? [])]).to.deep.equal(bytes);
      }
    });

    it('can be made of parts', async () => {
      const { client, peer } = await openPsk();
      const arrived = messages(peer, 1);
      client.send(['head ', Buffer.from('body '), new Uint8Array(Buffer.from('tail'))]);
      expect((await arrived)[0]?.toString()).to.equal('head body tail');
    });

    it('can be a section of a buffer', async () => {
      const { client, peer } = await openPsk();
      const arrived = messages(peer, 2);
      client.send(Buffer.from('0123456789'), 2, 3);
      const callback = new Promise<Error | null>((resolve) => {
        client.send('0123456789', 7, 3, resolve);
      });
      expect((await arrived).map(String)).to.deep.equal(['234', '789']);
      expect(await callback).to.equal(null);
      for (const [offset, length] of [
        [-1, 2],
        [11, 1],
        [8, 3],
        [0.5, 1],
        [0, Number.NaN],
      ] as const) {
        const error = thrown(() => client.send('0123456789', offset, length));
        expect(error.code, `${offset}, ${length}`).to.equal('ERR_OUT_OF_RANGE');
      }
    });

    it('of a wrong type are refused', async () => {
      const { client } = await openPsk();
      for (const wrong of [undefined, null, 1, {}, true, [1], [undefined]]) {
        const error = thrown(() => client.send(wrong as string));
        expect(error).to.include({ code: 'ERR_INVALID_ARG_TYPE', category: 'usage' });
      }
      const error = thrown(() => client.send('x', 'y' as unknown as () => void));
      expect(error.code).to.equal('ERR_INVALID_ARG_TYPE');
    });

    it('say where they came from', async () => {
      const { client, peer } = await openPsk();
      const arrived = next(peer, 'message');
      client.send('x');
      const [, info] = await arrived;
      expect(info).to.include({ address: '127.0.0.1', port: client.localPort, family: 'IPv4' });
    });

    it('can be sent from the handlers of others', async () => {
      const { client, peer } = await openPsk();
      peer.on('message', (message) => {
        peer.send(message);
        peer.send(message);
      });
      const arrived = messages(client, 6);
      client.once('message', () => client.send('second'));
      client.send('first');
      client.send('third');
      expect((await arrived).map(String).sort()).to.deep.equal(
        ['first', 'first', 'third', 'third', 'second', 'second'].sort(),
      );
    });

    it('sent just before close arrive', async () => {
      const { client, peer } = await openPsk();
      const arrived = messages(peer, 10);
      for (let i = 0; i < 10; ++i) client.send(`message ${i}`);
      client.close();
      expect(await arrived).to.have.length(10);
    });
  });

  describe('memory', () => {
    it('may be reused by the sender when send returns', async () => {
      const { client, peer } = await openPsk();
      const arrived = messages(peer, 20);
      const memory = Buffer.alloc(500);
      for (let i = 0; i < 20; ++i) client.send(memory.fill(i));
      memory.fill(0xff);
      const expected = Array.from({ length: 20 }, (_, index) => Buffer.alloc(500, index));
      expect(await arrived).to.deep.equal(expected);
    });

    it('may be reused although the message waits for the handshake', async () => {
      const server = await listen(PSK_SERVER);
      const accepted = next(server, 'secureConnection');
      const client = await dial(server, PSK_CLIENT);
      const memory = Buffer.from('original');
      client.send(memory);
      memory.fill('x');
      const [peer] = await accepted;
      expect((await messages(peer, 1))[0]?.toString()).to.equal('original');
    });

    it('of a message that was kept stays as it was', async () => {
      const { client, peer } = await openPsk();
      // Few enough for any socket's receive buffer, which the system fills before anybody reads.
      const count = 30;
      const arrived = messages(peer, count);
      const digests: string[] = [];
      for (let i = 0; i < count; ++i) {
        const message = randomBytes(1000);
        digests.push(digest(message));
        client.send(message);
      }
      const kept = await arrived;
      const later = messages(peer, count);
      for (let i = 0; i < count; ++i) client.send(Buffer.alloc(1000, i));
      await later;
      expect(kept.map(digest)).to.deep.equal(digests);
    });

    it('of a message is its receiver\'s to write to', async () => {
      const { client, peer } = await openPsk();
      const arrived: string[] = [];
      const all = messages(peer, 3);
      peer.on('message', (message) => {
        arrived.push(message.toString());
        message.fill(0);
      });
      for (const text of ['one', 'two', 'three']) client.send(text);
      await all;
      expect(arrived).to.deep.equal(['one', 'two', 'three']);
    });
  });

  describe('before the session is open', () => {
    it('messages wait, in order, and their callbacks with them', async () => {
      const server = await listen(PSK_SERVER);
      const accepted = next(server, 'secureConnection');
      const client = await dial(server, PSK_CLIENT);
      const outcomes = ['one', 'two', 'three'].map((text) => sent(client, text));
      expect(client.readyState).to.equal('opening');
      const [peer] = await accepted;
      expect((await messages(peer, 3)).map(String)).to.deep.equal(['one', 'two', 'three']);
      expect(await Promise.all(outcomes)).to.deep.equal([null, null, null]);
    });

    it('a server may send in connection', async () => {
      const server = await listen(PSK_SERVER);
      server.on('connection', (socket) => socket.send('welcome'));
      const client = await dial(server, PSK_CLIENT);
      expect((await messages(client, 1))[0]?.toString()).to.equal('welcome');
    });

    it('send returns false above 16 KiB, and drain comes after secureConnect', async () => {
      const server = await listen(PSK_SERVER);
      const client = await dial(server, PSK_CLIENT);
      const order: string[] = [];
      client.on('secureConnect', () => order.push('secureConnect'));
      client.on('drain', () => order.push('drain'));
      expect(client.send(Buffer.alloc(MAX))).to.be.true;
      expect(client.send('one more')).to.be.false;
      await next(client, 'drain');
      expect(order).to.deep.equal(['secureConnect', 'drain']);
    });

    it('1 MiB may wait, and no more', async () => {
      // Nobody answers, so that nothing leaves the queue.
      const link = await Link.bound();
      link.outgoing = () => [];
      const server = await listen(PSK_SERVER);
      const client = await dial(server, { ...PSK_CLIENT, transport: link });
      const waiting: Promise<Error | null>[] = [];
      for (let i = 0; i < 64; ++i) waiting.push(sent(client, Buffer.alloc(MAX)));
      const refused = await sent(client, 'one more');
      expect(refused).to.be.instanceOf(DTLSError);
      expect(refused).to.include({ code: 'ERR_DTLS_QUEUE_FULL', category: 'usage' });
      expect(refused).to.have.property('hint').that.is.not.empty;
      client.destroy();
      for (const outcome of await Promise.all(waiting)) {
        expect(outcome).to.have.property('code', 'ERR_DTLS_NOT_OPEN');
      }
    });
  });

  describe('callbacks', () => {
    it('come later, once, with null, in order', async () => {
      const { client } = await openPsk();
      const order: string[] = [];
      const done = new Promise<void>((resolve) => {
        client.send('one', (error) => order.push(`one ${String(error)}`));
        client.send('two', (error) => {
          order.push(`two ${String(error)}`);
          setImmediate(resolve);
        });
      });
      order.push('returned');
      await within(done, 'the callbacks');
      expect(order).to.deep.equal(['returned', 'one null', 'two null']);
    });

    it('get ERR_DTLS_NOT_OPEN after the end', async () => {
      const { client, peer } = await openPsk();
      client.close();
      expect(await sent(client, 'late')).to.include({
        code: 'ERR_DTLS_NOT_OPEN',
        category: 'closed',
      });
      expect(client.send('late')).to.be.false;
      await next(peer, 'close');
      expect(await sent(peer, 'late')).to.have.property('code', 'ERR_DTLS_NOT_OPEN');
    });

    for (const end of ['close', 'destroy'] as const) {
      it(`come for what was sent just before ${end}, on both sides`, async () => {
        const { client, peer } = await openPsk();
        const outcomes = [client, peer].flatMap((socket) => {
          const callbacks = Array.from({ length: 20 }, () => sent(socket, 'the last words'));
          socket[end]();
          return callbacks;
        });
        // They left before the close_notify: nobody has to be told of an error.
        expect(await Promise.all(outcomes)).to.deep.equal(Array(40).fill(null));
      });
    }

    it('get what a transport threw, and the session lives on', async () => {
      const server = await listen(PSK_SERVER);
      const link = await Link.bound();
      const { client, peer } = await openOn(server, { ...PSK_CLIENT, transport: link });
      link.outgoing = () => {
        throw Object.assign(new Error('no route'), { code: 'ENETUNREACH' });
      };
      const error = await sent(client, 'lost');
      expect(error).to.be.instanceOf(DTLSError);
      expect(error).to.include({ code: 'ENETUNREACH', category: 'io' });
      link.outgoing = (datagram) => [datagram];
      const arrived = messages(peer, 1);
      client.send('through');
      expect((await arrived)[0]?.toString()).to.equal('through');
    });
  });

  describe('backpressure', () => {
    it('over UDP: a burst is taken whole, and drain follows each false', async () => {
      const { client } = await openPsk();
      let refused = 0;
      let drains = 0;
      client.on('drain', () => ++drains);
      const message = Buffer.alloc(MAX);
      // Whether the system's buffer is ever full is the system's affair; on loopback it hardly is.
      const outcomes = Array.from({ length: 500 }, () =>
        within(
          new Promise<Error | null>((resolve) => {
            if (!client.send(message, resolve)) ++refused;
          }),
          "send's callback",
        ),
      );
      expect(drains).to.equal(0);
      expect(new Set(await Promise.all(outcomes))).to.deep.equal(new Set([null]));
      expect(drains).to.equal(refused === 0 ? 0 : 1);
      expect(client.stats.messagesSent).to.equal(500);
      expect(client.send('x')).to.be.true;
    });

    it('over a transport of the user\'s, for every session on it', async () => {
      const server = await listen(PSK_SERVER);
      const other = await listen(PSK_SERVER);
      const link = await Link.bound();
      const first = await openOn(server, { ...PSK_CLIENT, transport: link });
      const second = await openOn(other, { ...PSK_CLIENT, transport: link });
      const drained: string[] = [];
      first.client.on('drain', () => drained.push('first'));
      second.client.on('drain', () => drained.push('second'));
      const arrived = messages(first.peer, 2);
      link.full = true;
      expect(first.client.send('one')).to.be.false;
      expect(first.client.send('two')).to.be.false;
      expect(second.client.send('one')).to.be.false;
      // False says to wait, not that the message was dropped.
      expect((await arrived).map(String)).to.deep.equal(['one', 'two']);
      expect(drained).to.deep.equal([]);
      link.relieve();
      expect(drained.sort()).to.deep.equal(['first', 'second']);
      expect(first.client.send('three')).to.be.true;
      link.relieve();
      expect(drained).to.have.length(2);
    });
  });

  describe('iteration', () => {
    it('gives the messages and ends with the session', async () => {
      const { client, peer } = await openPsk();
      const received: string[] = [];
      const reading = (async () => {
        for await (const message of peer) received.push(message.toString());
      })();
      for (const text of ['one', 'two', 'three']) client.send(text);
      client.close();
      await within(reading, 'the end of the loop');
      expect(received).to.deep.equal(['one', 'two', 'three']);
    });

    it('lets the session live when the loop is left', async () => {
      const { client, peer } = await openPsk();
      client.send('one');
      for await (const message of peer) {
        expect(message.toString()).to.equal('one');
        break;
      }
      expect(peer.listenerCount('message')).to.equal(0);
      expect(peer.readyState).to.equal('open');
      const arrived = messages(peer, 1);
      client.send('two');
      expect((await arrived)[0]?.toString()).to.equal('two');
    });

    it('throws what error would have said', async () => {
      const { client } = await openPsk();
      const reading = (async () => {
        for await (const message of client) expect(message).to.equal(undefined);
      })();
      client.destroy(new Error('enough'));
      const error: unknown = await within(reading, 'the error').catch((reason: unknown) => reason);
      expect(error).to.be.instanceOf(DTLSError).and.have.property('message', 'enough');
    });

    it('is over at once after the end', async () => {
      const { client } = await openPsk();
      await client[Symbol.asyncDispose]();
      for await (const message of client) expect(message).to.equal(undefined);
    });
  });

  describe('statistics', () => {
    it('count exactly in a clean session, and add up on the server', async () => {
      const server = await listen(PSK_SERVER);
      const pairs = [await openOn(server, PSK_CLIENT), await openOn(server, PSK_CLIENT)];
      for (const [index, { client, peer }] of pairs.entries()) {
        const atPeer = messages(peer, index + 2);
        for (let i = 0; i < index + 2; ++i) client.send(Buffer.alloc(100));
        await atPeer;
        const atClient = messages(client, 1);
        peer.send('answer');
        await atClient;
        const none = { retransmissions: 0, replays: 0, badRecords: 0, discardedRecords: 0 };
        expect(client.stats).to.include({
          ...none,
          messagesSent: index + 2,
          messageBytesSent: (index + 2) * 100,
          messagesReceived: 1,
          messageBytesReceived: 6,
          alertsReceived: 0,
          alertsSent: 0,
        });
        expect(peer.stats).to.include({
          ...none,
          messagesReceived: index + 2,
          messageBytesReceived: (index + 2) * 100,
          messagesSent: 1,
          messageBytesSent: 6,
          alertsReceived: 0,
          alertsSent: 0,
        });
        // The client has the cookie exchange on top: one datagram each way, of which the server's
        // session knows nothing, as there is none before a cookie has come back.
        expect(client.stats.datagramsSent).to.equal(peer.stats.datagramsReceived + 1);
        expect(client.stats.datagramsReceived).to.equal(peer.stats.datagramsSent + 1);
      }
      const closed = pairs.flatMap(({ client, peer }) => [
        next(client, 'close'),
        next(peer, 'close'),
      ]);
      for (const { client } of pairs) client.close();
      await Promise.all(closed);
      for (const { client, peer } of pairs) {
        expect(client.stats).to.include({ alertsSent: 1, alertsReceived: 0 });
        expect(peer.stats).to.include({ alertsSent: 1, alertsReceived: 1 });
      }
      const { stats } = server;
      expect(stats).to.deep.include({
        cookiesSent: 2,
        cookiesAccepted: 2,
        cookiesRefused: 0,
        handshakesStarted: 2,
        handshakesCompleted: 2,
        handshakesFailed: 0,
        sessionsRefused: 0,
        nonDtlsDatagrams: 0,
        emptyDatagrams: 0,
        malformedDatagrams: 0,
        transportErrors: 0,
        sessions: 0,
        failures: {},
      });
      for (const name of [
        'messagesReceived',
        'messagesSent',
        'messageBytesReceived',
        'messageBytesSent',
        'alertsReceived',
        'alertsSent',
        'retransmissions',
        'badRecords',
      ] as const) {
        const sum = pairs.reduce((total, { peer }) => total + peer.stats[name], 0);
        expect(stats[name], name).to.equal(sum);
      }
      const incoming = pairs.reduce((total, { client }) => total + client.stats.datagramsSent, 0);
      expect(stats.datagramsReceived).to.equal(incoming);
      const outgoing = pairs.reduce((total, { peer }) => total + peer.stats.datagramsSent, 0);
      expect(stats.datagramsSent).to.equal(outgoing + stats.cookiesSent);
    });

    it('count bytes as they are on the wire', async () => {
      const { client, peer } = await openPsk({}, { ciphers: 'PSK-AES128-GCM-SHA256' });
      const before = { sent: client.stats.bytesSent, received: peer.stats.bytesReceived };
      const arrived = messages(peer, 1);
      client.send(Buffer.alloc(100));
      await arrived;
      // Header 13, explicit nonce 8, tag 16 (RFC 5288).
      expect(client.stats.bytesSent - before.sent).to.equal(137);
      expect(peer.stats.bytesReceived - before.received).to.equal(137);
    });

    it('count replays and what cannot be authenticated', async () => {
      const server = await listen(PSK_SERVER);
      const link = await Link.bound();
      const { client, peer } = await openOn(server, { ...PSK_CLIENT, transport: link });
      const received: string[] = [];
      peer.on('message', (message) => received.push(message.toString()));
      link.outgoing = (datagram) => {
        const forged = Buffer.from(datagram);
        forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1;
        return [forged, datagram, datagram];
      };
      client.send('once');
      link.outgoing = (datagram) => [datagram];
      client.send('end');
      await messages(peer, 2 - received.length);
      expect(received).to.deep.equal(['once', 'end']);
      expect(peer.stats).to.include({ replays: 1, badRecords: 1, messagesReceived: 2 });
    });

    it('stay readable after the end, and are zero before the beginning', async () => {
      const server = await listen(PSK_SERVER);
      expect(server.stats.handshakesStarted).to.equal(0);
      const early = await dial(server, PSK_CLIENT);
      expect(early.stats.datagramsSent).to.equal(0);
      const { client } = await openOn(server, PSK_CLIENT);
      client.send('x');
      await client[Symbol.asyncDispose]();
      expect(client.stats.messagesSent).to.equal(1);
      await server[Symbol.asyncDispose]();
      expect(server.stats.handshakesCompleted).to.be.at.least(1);
    });
  });
});
