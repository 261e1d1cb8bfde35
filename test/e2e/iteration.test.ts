/**
 * Protects: that `for await` gives the messages of a socket, ends as it ends, and leaves it alone when it is left.
 */
import { expect } from 'chai';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { DTLSError } from '../../lib/index';
import { closeEverything, messages, openPsk, within } from '../helpers/pair';

describe('data iteration', () => {
  afterEach(closeEverything);

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

  it('throws it also where it begins before it was said', async () => {
    const { client } = await openPsk();
    const reading = new Promise<unknown>((resolve) => {
      const begin = (event: unknown): void => {
        if ((event as { socket: unknown }).socket !== client) return;
        unsubscribe('dgram-dtls.session.close', begin);
        expect(client.readyState).to.equal('closed');
        client[Symbol.asyncIterator]().next().then(resolve, resolve);
      };
      subscribe('dgram-dtls.session.close', begin);
    });
    client.destroy(new Error('enough'));
    expect(await within(reading, 'the error')).to.be.instanceOf(DTLSError).and.have.property('message', 'enough');
    expect(client.listenerCount('error')).to.equal(0);
  });

  it('is over at once after the end', async () => {
    const { client } = await openPsk();
    await client[Symbol.asyncDispose]();
    for await (const message of client) expect(message).to.equal(undefined);
    await client.toWeb().readable.cancel();
    await new Promise(setImmediate);
    expect(client.listenerCount('error')).to.equal(1); // the writable's
  });
});
