/**
 * Protects: a session as Web Streams. Each chunk is one message; a reader that is too slow loses messages
 * and no memory; a writer is asked to wait; ends and errors of one world are those of the other.
 */
import { expect } from 'chai';
import { ReadableStream } from 'node:stream/web';
import { setImmediate as turn } from 'node:timers/promises';
import { DTLSError } from '../../lib/index';
import { hasNativeUdp } from '../../lib/transport/native-udp';
import { closeEverything, dial, listen, messages, next, openPsk, PSK_CLIENT, PSK_SERVER, within, type Pair } from '../helpers/pair';

describe('toWeb', () => {
  afterEach(closeEverything);

  it('carries messages both ways, one chunk each', async () => {
    const { client, peer } = await openPsk();
    const { readable, writable } = peer.toWeb();
    void readable.pipeTo(writable); // an echo
    const back = messages(client, 3);
    for (const text of ['one', 'two', 'three']) client.send(text);
    expect((await back).map(String)).to.deep.equal(['one', 'two', 'three']);
  });

  it('writes strings, Buffers and views, and waits for the handshake', async () => {
    const server = await listen(PSK_SERVER);
    const accepted = next(server, 'secureConnection');
    const client = await dial(server, { ...PSK_CLIENT, ca: undefined });
    const writer = client.toWeb().writable.getWriter();
    const writes = [writer.write('text'), writer.write(Buffer.from('bytes')), writer.write(new Uint8Array([120]))];
    const [peer] = await accepted;
    expect((await messages(peer, 3)).map(String)).to.deep.equal(['text', 'bytes', 'x']);
    await Promise.all(writes);
  });

  it('asks the writer to wait', async () => {
    const { client } = await openPsk();
    const writer = client.toWeb({ writableHighWaterMark: 2 }).writable.getWriter();
    expect(writer.desiredSize).to.equal(2);
    const writes = [writer.write('a'), writer.write('b'), writer.write('c')];
    expect(writer.desiredSize).to.be.below(1);
    await Promise.all(writes);
    await writer.ready;
    expect(writer.desiredSize).to.equal(2);
  });

  it('drops what a slow reader leaves, and counts it', async () => {
    const { client, peer } = await openPsk();
    const streams = peer.toWeb({ readableHighWaterMark: 1000 });
    const arrived = messages(peer, 50);
    for (let i = 0; i < 50; ++i) client.send(Buffer.alloc(100, i));
    await arrived;
    expect(streams.dropped).to.equal(40);
    const reader = streams.readable.getReader();
    for (let i = 0; i < 10; ++i) expect((await reader.read()).value?.[0]).to.equal(i);
    const late = reader.read();
    client.send('again');
    expect(String((await within(late, 'a message')).value)).to.equal('again');
    expect(streams.dropped).to.equal(40);
  });

  it('a loop over the socket keeps at most 1 MiB', async () => {
    const { client, peer } = await openPsk();
    const loop = peer[Symbol.asyncIterator]();
    const first = loop.next();
    client.send(Buffer.from([0]));
    await first;
    for (let sent = 0; sent < 100; sent += 10) {
      const arrived = messages(peer, 10);
      for (let i = 0; i < 10; ++i) client.send(Buffer.alloc(16384, sent + i));
      await arrived;
    }
    client.close();
    await next(peer, 'close');
    let count = 0;
    for await (const message of loop) {
      expect(message[0]).to.equal(count);
      count += 1;
    }
    // 64 of 16 KiB make 1 MiB.
    expect(count).to.be.within(64, 65);
  });

  it('closing writable closes the session, and ends readable', async () => {
    const { client, peer } = await openPsk();
    const { readable } = peer.toWeb();
    const { writable } = client.toWeb();
    const writer = writable.getWriter();
    await writer.write('last');
    await within(writer.close(), 'close');
    expect(client.readyState).to.equal('closed');
    const all: string[] = [];
    for await (const message of readable) all.push(message.toString());
    expect(all).to.deep.equal(['last']);
  });

  for (const transport of hasNativeUdp ? (['native', 'dgram'] as const) : (['dgram'] as const)) {
    for (const [who, end] of [
      ['the peer closes', ({ peer }: Pair) => peer.close()],
      ['the peer destroys its end', ({ peer }: Pair) => peer.destroy()],
      ['this side closes', ({ client }: Pair) => client.close()],
    ] as const) {
      it(`writable notices that the session ends without an error: ${who}, over ${transport}`, async () => {
        const pair = await openPsk({ transport }, { transport });
        const [one, other] = [pair.client.toWeb().writable, pair.client.toWeb().writable];
        // Nothing is ever written: only the end of the session can end these.
        const piped = new ReadableStream<string>().pipeTo(one).catch((error: unknown) => error);
        const { closed } = other.getWriter();
        const ended = closed.catch((error: unknown) => error);
        end(pair);
        for (const error of [await within(piped, 'pipeTo'), await within(ended, 'writer.closed')]) {
          expect(error).to.be.instanceOf(DTLSError).and.have.property('code', 'ERR_DTLS_NOT_OPEN');
        }
      });
    }

    it(`writable of a session that has ended says so, over ${transport}`, async () => {
      const { client } = await openPsk({ transport }, { transport });
      const closed = next(client, 'close');
      client.close();
      await closed;
      const ended = client.toWeb().writable.getWriter().closed.catch((error: unknown) => error);
      expect(await within(ended, 'writer.closed')).to.have.property('code', 'ERR_DTLS_NOT_OPEN');
    });

    it(`writable that closes ends well, over ${transport}`, async () => {
      const { client } = await openPsk({ transport }, { transport });
      const writer = client.toWeb().writable.getWriter();
      await within(Promise.all([writer.close(), writer.closed]), 'the end');
      expect(client.readyState).to.equal('closed');
    });
  }

  it('aborting writable destroys the session with the reason', async () => {
    const { client } = await openPsk();
    const errors: DTLSError[] = [];
    client.on('error', (error) => errors.push(error));
    const closed = next(client, 'close');
    await client.toWeb().writable.abort(new Error('enough'));
    await closed;
    expect(errors.map(({ message }) => message)).to.deep.equal(['enough']);
  });

  it('cancelling readable only stops listening', async () => {
    const { client, peer } = await openPsk();
    const { readable } = peer.toWeb();
    expect(peer.listenerCount('message')).to.equal(1);
    await readable.cancel();
    expect(peer.listenerCount('message')).to.equal(0);
    const arrived = messages(peer, 1);
    client.send('still here');
    expect(String((await arrived)[0])).to.equal('still here');
  });

  it('an error of the session is the error of both streams', async () => {
    const { client } = await openPsk();
    const { readable, writable } = client.toWeb();
    const reading = readable.getReader().read().catch((error: unknown) => error);
    client.destroy(new Error('broken'));
    const error = await within(reading, 'the error');
    expect(error).to.be.instanceOf(DTLSError).and.have.property('message', 'broken');
    await turn();
    const writing: unknown = await writable.getWriter().write('x').catch((reason: unknown) => reason);
    expect(writing).to.have.property('message', 'broken');
  });

  it('a chunk that is no message fails its write', async () => {
    const { client } = await openPsk();
    const writer = client.toWeb().writable.getWriter();
    writer.closed.catch(() => undefined);
    const refused: unknown = await writer.write(7 as never).catch((reason: unknown) => reason);
    expect(refused).to.have.property('code', 'ERR_INVALID_ARG_TYPE');
    expect(client.readyState).to.equal('open');
  });

  it('after the end there is nothing to read', async () => {
    const { client } = await openPsk();
    await client[Symbol.asyncDispose]();
    expect(await client.toWeb().readable.getReader().read()).to.deep.equal({ done: true, value: undefined });
  });

  it('refuses options that it does not know', async () => {
    const { client } = await openPsk();
    expect(() => client.toWeb({ highWaterMark: 1 } as never))
      .to.throw()
      .with.property('code', 'ERR_DTLS_UNKNOWN_OPTION');
    expect(() => client.toWeb({ readableHighWaterMark: 0 }))
      .to.throw()
      .with.property('code', 'ERR_OUT_OF_RANGE');
  });
});
