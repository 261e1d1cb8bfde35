/**
 * Protects: that the sender of a message hears what became of it, and when to wait, over UDP as over a transport of the
 * user's own.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { expect } from 'chai';
import { DTLSError } from '../../lib/index';
import { sent } from '../helpers/exchange';
import { Link } from '../helpers/link';
import {
  closeEverything,
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

describe('data', () => {
  afterEach(closeEverything);

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

  it('callbacks get errors of this package alone: with a code, whatever a transport says', async () => {
    const server = await listen(PSK_SERVER);
    const link = await Link.bound();
    const { client } = await openOn(server, { ...PSK_CLIENT, transport: link });
    const failure = Object.assign(new Error('no room'), { code: 'ENOBUFS' });
    link.send = (_datagrams, _peer, done) => {
      if (done !== undefined) process.nextTick(done, failure);
      return true;
    };
    const error = await sent(client, 'lost');
    expect(error).to.be.instanceOf(DTLSError);
    expect(error).to.include({ code: 'ENOBUFS', category: 'io', cause: failure });
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
      await turn();
      expect(drained.sort()).to.deep.equal(['first', 'second']);
      expect(first.client.send('three')).to.be.true;
      link.relieve();
      await turn();
      expect(drained).to.have.length(2);
    });
  });
});
