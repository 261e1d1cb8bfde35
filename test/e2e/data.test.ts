/**
 * Protects: that messages arrive whole, once, in order and as they were, whatever they are made of and whenever they are
 * sent, and that memory which has been handed over or kept stays what it was.
 */
import { deepStrictEqual } from 'node:assert';
import { createHash, randomBytes } from 'node:crypto';
import { inspect } from 'node:util';
import { expect } from 'chai';
import { DTLSError } from '../../lib/index';
import { sent } from '../helpers/exchange';
import { Link } from '../helpers/link';
import {
  closeEverything,
  dial,
  listen,
  messages,
  next,
  openPsk,
  PSK_CLIENT,
  PSK_SERVER,
} from '../helpers/pair';
import { thrown } from '../helpers/thrown';

const MAX = 16384;

const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

describe('data', () => {
  afterEach(closeEverything);

  describe('messages', () => {
    it('are Buffers like any other', async () => {
      const { client, peer } = await openPsk();
      const two = messages(peer, 2);
      client.send('first');
      client.send('second');
      for (const [index, message] of (await two).entries()) {
        deepStrictEqual(message, Buffer.from(['first', 'second'][index] ?? ''));
        expect(message.constructor).to.equal(Buffer);
        expect(inspect(message)).to.match(/^<Buffer /);
      }
    });

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
});
