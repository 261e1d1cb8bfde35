// Protects the callbacks of a `node:dtls` session: what they are called with, and that a session may end in any of
// them.
import { expect } from 'chai';
import type { DTLSSession } from '../../lib/node-dtls/index';
import { within } from '../helpers/pair';
import { closeAll, connect, KEY, listen, message, open, pause, PSK, rejection, thrown } from './support';

const psk = { [PSK.identity]: KEY };

describe('node-dtls: callbacks', () => {
  afterEach(closeAll);

  it('are functions or null, undefined until set, bound to the session', async () => {
    const { client, server } = await open();
    for (const name of ['onmessage', 'onerror', 'onhandshake', 'onkeylog'] as const) {
      const fresh = name === 'onmessage' ? client[name] : server[name];
      expect(fresh, name).to.equal(undefined);
      expect(thrown(() => (client[name] = 1 as never)).code, name).to.equal('ERR_INVALID_ARG_TYPE');
      client[name] = () => undefined;
      expect(client[name], name).to.be.a('function');
      client[name] = null;
      expect(client[name], name).to.equal(undefined);
    }
    const self = new Promise<unknown>((resolve) => {
      server.onmessage = function (this: DTLSSession) {
        resolve(this);
      };
    });
    client.send('x');
    expect(await within(self, 'the message')).to.equal(server);
  });

  it('data arriving with no onmessage is counted and dropped, never replayed', async () => {
    const { client, server } = await open();
    client.send('lost');
    await pause();
    expect(server.stats.messagesReceived).to.equal(1n);
    const arrived = message(server);
    client.send('seen');
    expect(await arrived).to.equal('seen');
  });

  it('onhandshake has the protocol, onkeylog lines in NSS format', async () => {
    const endpoint = listen({ psk });
    const client = connect(endpoint, { psk: PSK });
    const seen: string[] = [];
    client.onhandshake = (protocol) => seen.push(protocol);
    client.onkeylog = (line) => seen.push(line);
    await client.opened;
    expect(seen.find((text) => /^CLIENT_RANDOM [0-9a-f]{64} [0-9a-f]{96}$/.test(text))).to.be.a('string');
    expect(seen).to.include('DTLSv1.2');
  });

  it('a throw in onkeylog fails that handshake, and the thrown value itself reaches onerror and opened', async () => {
    const client = connect(listen({ psk }), { psk: PSK });
    const told: unknown[] = [];
    const thrownThere = new Error('the disk is full');
    client.onerror = (error) => told.push(error);
    client.onkeylog = () => {
      throw thrownThere;
    };
    expect(await rejection(client.opened)).to.equal(thrownThere);
    expect(told).to.deep.equal([thrownThere]);
    await within(Promise.all([client.closed, client.endpoint.closed]), 'the end of both');
  });

  it('a session closed in onmessage hears of no further message', async () => {
    const { client, server } = await open();
    const heard: string[] = [];
    server.onmessage = (data) => {
      heard.push(data.toString());
      void server.close();
    };
    for (const text of ['one', 'two', 'three']) client.send(text);
    await within(client.closed, 'the client to hear of it');
    await pause();
    expect(heard).to.deep.equal(['one']);
  });

  it('a session may be destroyed in any of its callbacks', async () => {
    for (const name of ['onhandshake', 'onmessage', 'onkeylog'] as const) {
      let server: DTLSSession | undefined;
      const endpoint = listen({ psk }, (session) => {
        server = session;
        session[name] = () => {
          session.destroy();
        };
      });
      const client = connect(endpoint, { psk: PSK, handshakeTimeout: 500 });
      await client.opened.then(
        () => client.send('x'),
        () => undefined,
      );
      while (server === undefined) await pause(5);
      await within(server.closed, name);
      expect(server.destroyed, name).to.equal(true);
      client.destroy();
    }
  });
});
