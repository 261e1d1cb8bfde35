/**
 * Protects `borrowMessages`: that a message is whole while its handlers run, that its memory is then used again, and
 * that nobody else's message is harmed by that: neither another session's of the same pass, nor one that was sent on,
 * nor one that a stream keeps.
 */
import { createHash, randomBytes } from 'node:crypto';
import { expect } from 'chai';
import type { ConnectOptions, DTLSSocket, ServerOptions } from '../../lib/index';
import { closeEverything, messages, openPsk, PSK_CLIENT, dial, listen, PSK_SERVER, within } from '../helpers/pair';

const COUNT = 30;

const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const someMessages = (): Buffer[] => Array.from({ length: COUNT }, (_, i) => randomBytes(1 + ((i * 37) % 1100)));

type Side = 'client' | 'server';

async function pair(
  side: Side,
  options: ServerOptions & Partial<ConnectOptions> = { borrowMessages: true },
): Promise<[borrower: DTLSSocket, other: DTLSSocket]> {
  const { client, peer } = await (side === 'client' ? openPsk({}, options) : openPsk(options));
  return side === 'client' ? [client, peer] : [peer, client];
}

/** What `take` makes of each message while its handler runs. */
function taken<T>(socket: DTLSSocket, count: number, take: (message: Buffer) => T): Promise<T[]> {
  const results: T[] = [];
  const all = new Promise<T[]>((resolve) => {
    socket.on('message', (message) => {
      results.push(take(message));
      if (results.length === count) resolve(results);
    });
  });
  return within(all, `${String(count)} messages`);
}

for (const side of ['client', 'server'] as const) {
  describe(`a borrowed message at the ${side}`, () => {
    afterEach(closeEverything);

    it('is whole while its handler runs', async () => {
      const [borrower, other] = await pair(side);
      const sent = someMessages();
      const digests = taken(borrower, COUNT, digest);
      other.sendMany(sent);
      expect(await digests).to.deep.equal(sent.map(digest));
    });

    it('is whole in a batch, all of which is there at once', async () => {
      const [borrower, other] = await pair(side);
      const sent = someMessages();
      const digests: string[] = [];
      const all = new Promise<void>((resolve) => {
        borrower.on('messages', (batch) => {
          digests.push(...batch.map(digest));
          if (digests.length === COUNT) resolve();
        });
      });
      other.sendMany(sent);
      await within(all, 'all messages');
      expect(digests).to.deep.equal(sent.map(digest));
    });

    it('gives its memory to the next', async () => {
      const [borrower, other] = await pair(side);
      const first = taken(borrower, 1, (message) => message);
      other.send('first');
      const [kept] = await first;
      borrower.removeAllListeners('message');
      const second = taken(borrower, 1, String);
      other.send('other');
      expect(await second).to.deep.equal(['other']);
      expect(String(kept)).to.equal('other');
    });

    it('may be sent on in its handler', async () => {
      const [borrower, other] = await pair(side);
      borrower.on('message', (message) => {
        borrower.send(message);
        borrower.send(message, () => undefined);
        message.fill(0);
      });
      const sent = someMessages();
      const echoes = taken(other, 2 * COUNT, digest);
      other.sendMany(sent);
      const expected = sent.flatMap((message) => [digest(message), digest(message)]);
      expect((await echoes).sort()).to.deep.equal(expected.sort());
    });

    it('harms no message that the other end keeps', async () => {
      const [borrower, other] = await pair(side);
      borrower.on('message', (message) => {
        borrower.send(message);
        message.fill(0);
      });
      const sent = someMessages();
      const kept = messages(other, COUNT);
      other.sendMany(sent);
      const first = await kept;
      const again = messages(other, COUNT);
      other.sendMany(someMessages());
      await again;
      expect(first.map(digest)).to.deep.equal(sent.map(digest));
    });

    it('is a copy for those who keep it: for await, and Web Streams', async () => {
      const [borrower, other] = await pair(side);
      const { readable } = borrower.toWeb();
      const sent = someMessages();
      const looped: Buffer[] = [];
      const looping = (async () => {
        for await (const message of borrower) if (looped.push(message) === COUNT) break;
      })();
      const streamed: Buffer[] = [];
      const streaming = (async () => {
        for await (const message of readable) if (streamed.push(message) === COUNT) break;
      })();
      for (const message of sent) {
        const arrived = taken(borrower, 1, () => undefined);
        other.send(message);
        await arrived;
      }
      await within(Promise.all([looping, streaming]), 'the loop and the stream');
      expect(looped.map(digest)).to.deep.equal(sent.map(digest));
      expect(streamed.map(digest)).to.deep.equal(sent.map(digest));
    });
  });
}

describe('borrowed messages of some sessions', () => {
  afterEach(closeEverything);

  it('leave those of others alone that came in the same pass', async () => {
    // All in one process, so that both kinds share the outbox, and often a pass.
    const server = await listen({ ...PSK_SERVER });
    server.on('connection', (peer) => {
      peer.on('message', (message) => peer.send(message));
    });
    const borrower = await dial(server, { ...PSK_CLIENT, borrowMessages: true });
    const keeper = await dial(server, PSK_CLIENT);
    const sent = someMessages();
    const kept = messages(keeper, COUNT);
    const digests = taken(borrower, COUNT, (message) => {
      const found = digest(message);
      message.fill(0);
      return found;
    });
    for (const message of sent) {
      borrower.send(message);
      keeper.send(message);
    }
    expect(await digests).to.deep.equal(sent.map(digest));
    expect((await kept).map(digest)).to.deep.equal(sent.map(digest));
  });
});
