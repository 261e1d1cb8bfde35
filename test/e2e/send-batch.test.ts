// Protects: that messages without a callback, which go down together, still go in the order of the calls, with
// those that have one, with other calls and between endpoints; that they are copied, whatever their number; and that
// those of a session that has ended trouble nobody.
import { expect } from 'chai';
import type { DTLSSocket } from '../../lib/index';
import { closeEverything, listen, messages, next, openOn, openPsk, PSK_CLIENT, PSK_SERVER } from '../helpers/pair';

const texts = async (socket: DTLSSocket, count: number): Promise<string[]> =>
  (await messages(socket, count)).map(String);

describe('messages that nobody waits for', () => {
  afterEach(closeEverything);

  it('keep their order with those that have a callback', async () => {
    const { client, peer } = await openPsk();
    const arrived = texts(peer, 5);
    const called: (Error | null)[] = [];
    client.send('1');
    client.send('2', (error) => called.push(error));
    client.send('3');
    client.send('4', (error) => called.push(error));
    client.send('5');
    expect(await arrived).to.deep.equal(['1', '2', '3', '4', '5']);
    expect(called).to.deep.equal([null, null]);
  });

  it('leave before the close_notify of a close that follows', async () => {
    const { client, peer } = await openPsk();
    const arrived = texts(peer, 3);
    const closed = next(peer, 'close');
    for (const text of ['1', '2', '3']) client.send(text);
    client.close();
    expect(await arrived).to.deep.equal(['1', '2', '3']);
    await closed;
  });

  it('are counted as soon as anybody asks', async () => {
    const { client } = await openPsk();
    const before = client.stats.messagesSent;
    client.send('1');
    client.send('22');
    expect(client.stats.messagesSent).to.equal(before + 2);
  });

  it('are copied: the caller may use the memory again at once', async () => {
    const { client, peer } = await openPsk();
    const arrived = texts(peer, 3);
    const memory = Buffer.alloc(4);
    for (const text of ['eins', 'zwei', 'drei']) {
      memory.write(text);
      client.send(memory);
    }
    memory.fill(0);
    expect(await arrived).to.deep.equal(['eins', 'zwei', 'drei']);
  });

  it('of several sockets in one tick each arrive at their own peer, in order', async () => {
    const server = await listen(PSK_SERVER);
    const first = await openOn(server, PSK_CLIENT);
    const second = await openOn(server, PSK_CLIENT);
    const arrived = Promise.all([texts(first.peer, 3), texts(second.peer, 3)]);
    for (const index of [0, 1, 2]) {
      first.client.send(`first ${String(index)}`);
      second.client.send(`second ${String(index)}`);
    }
    expect(await arrived).to.deep.equal([
      ['first 0', 'first 1', 'first 2'],
      ['second 0', 'second 1', 'second 2'],
    ]);
  });

  it('may be more than go down at once, and longer', async () => {
    const { client, peer } = await openPsk();
    const many = Array.from({ length: 160 }, (_, index) => String(index));
    const arrivedMany = texts(peer, many.length);
    for (const text of many) client.send(text);
    expect(await arrivedMany).to.deep.equal(many);

    const long = Array.from({ length: 5 }, (_, index) => Buffer.alloc(16384, index));
    const arrivedLong = messages(peer, long.length);
    for (const message of long) client.send(message);
    expect(await arrivedLong).to.deep.equal(long);
  });

  it('to a peer that has just gone are lost with it, and nobody else hears of it', async () => {
    const server = await listen(PSK_SERVER);
    const gone = await openOn(server, PSK_CLIENT);
    const stays = await openOn(server, PSK_CLIENT);
    const closed = next(gone.client, 'close');
    gone.peer.destroy();
    expect(gone.peer.send('too late')).to.equal(false);
    const arrived = texts(stays.client, 1);
    stays.peer.send('here');
    expect(await arrived).to.deep.equal(['here']);
    await closed;
  });
});
