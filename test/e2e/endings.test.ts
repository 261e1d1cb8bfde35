/**
 * Protects: that a session ends as it should, whoever ends it and from whichever handler: told to the peer, once, with
 * nothing lost that was said before, and never with a crash.
 */
import { expect } from 'chai';
import {
  DTLSError,
  type AlertEvent,
  type ConnectOptions,
  type DTLSServer,
  type DTLSSocket,
  type ServerOptions,
} from '../../lib/index';
import {
  certificate,
  clientFailure,
  closeEverything,
  dial,
  dialTo,
  ending,
  failure,
  listen,
  next,
  openOn,
  openPsk,
  ORDERLY,
  PSK,
  PSK_CLIENT,
  PSK_SERVER,
} from '../helpers/pair';
import { patience } from '../helpers/patience';

/** Waits until no event that was caused so far can still be on its way through this process. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; ++turn) await new Promise(setImmediate);
}

describe('endings', () => {
  afterEach(closeEverything);

  describe('close', () => {
    for (const side of ['client', 'peer'] as const) {
      it(`by the ${side} reaches both without an error`, async () => {
        const pair = await openPsk();
        const alerts: string[] = [];
        for (const name of ['client', 'peer'] as const) {
          pair[name].on('alert', ({ direction, description }: AlertEvent) =>
            alerts.push(`${name} ${direction} ${description}`),
          );
        }
        const ends = Promise.all([ending(pair.client), ending(pair.peer)]);
        pair[side].close();
        expect(await ends).to.deep.equal([ORDERLY, ORDERLY]);
        const other = side === 'client' ? 'peer' : 'client';
        expect(alerts).to.deep.equal([
          `${side} out close_notify`,
          `${other} in close_notify`,
          `${other} out close_notify`,
        ]);
      });
    }

    it('by both at once', async () => {
      const { client, peer } = await openPsk();
      const ends = Promise.all([ending(client), ending(peer)]);
      client.close();
      peer.close();
      expect(await ends).to.deep.equal([ORDERLY, ORDERLY]);
    });

    it('calls back once, and may be called again', async () => {
      const { client } = await openPsk();
      let calls = 0;
      const closed = next(client, 'close');
      client.close(() => ++calls);
      client.close(() => ++calls);
      client.destroy();
      await closed;
      await settled();
      expect(calls).to.equal(2);
      client.close();
      client.destroy(new Error('too late'));
      await settled();
    });

    it('during the handshake opens nothing', async () => {
      const server = await listen(PSK_SERVER);
      const client = await dial(server, PSK_CLIENT);
      const events: string[] = [];
      client.on('secureConnect', () => events.push('secureConnect'));
      client.on('handshake', ({ direction, message }) => {
        if (direction === 'in' && message === 'finished') {
          client.close();
          expect(client.readyState).to.equal('closing');
        }
      });
      expect(await ending(client)).to.deep.equal(ORDERLY);
      expect(events).to.deep.equal([]);
    });

    it('in the tick in which the host turns out to be unknown, is the end all the same', async () => {
      const client = dialTo({
        ...PSK_CLIENT,
        host: 'nowhere.example',
        port: 1,
        lookup: (_host, _options, callback) => {
          setImmediate(() => {
            callback(new Error('unknown'), '');
            client.close();
          });
        },
      });
      expect(await ending(client)).to.deep.equal(ORDERLY);
    });

    it('at once, before anything was sent', async () => {
      const server = await listen(PSK_SERVER);
      const client = await dial(server, PSK_CLIENT);
      const end = ending(client);
      client.close();
      expect(await end).to.deep.equal(ORDERLY);
      expect(client.stats.datagramsSent).to.equal(0);
    });

    it('awaited by Symbol.asyncDispose', async () => {
      const { server, client, peer } = await openPsk();
      const closed = next(peer, 'close');
      await client[Symbol.asyncDispose]();
      expect(client.readyState).to.equal('closed');
      await closed;
      await client[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
      expect(server.listening).to.be.false;
      await server[Symbol.asyncDispose]();
    });

    it('awaited by Symbol.asyncDispose where its error is being told', async () => {
      const { client } = await openPsk();
      let closed = false;
      client.on('close', () => {
        closed = true;
      });
      client.destroy(new Error('enough'));
      await new Promise((resolve) => client.once('error', resolve));
      expect(client.readyState).to.equal('closed');
      await client[Symbol.asyncDispose]();
      expect(closed).to.be.true;
    });
  });

  describe('a fatal alert', () => {
    it('reaches the peer before the session is gone', async () => {
      const server = await listen(PSK_SERVER);
      const sent: AlertEvent[] = [];
      server.on('connection', (socket) => {
        socket.on('alert', (alert) => sent.push(alert));
      });
      const client = await dial(server, { pskCallback: () => ({ ...PSK, identity: 'nobody' }) });
      const received: AlertEvent[] = [];
      client.on('alert', (alert) => received.push(alert));
      await Promise.all([clientFailure(server), failure(client)]);
      const alert = { level: 'fatal', description: 'unknown_psk_identity', code: 115 } as const;
      expect(sent).to.deep.equal([{ direction: 'out', ...alert }]);
      expect(received).to.deep.equal([{ direction: 'in', ...alert }]);
    });
  });

  describe('destroy', () => {
    it('with an error emits it, and tells the peer of an orderly end', async () => {
      const { client, peer } = await openPsk();
      const atPeer = ending(peer);
      const atClient = failure(client);
      const cause = new Error('enough');
      client.destroy(cause);
      const error = await atClient;
      expect(error).to.be.instanceOf(DTLSError);
      expect(error).to.include({ message: 'enough', cause, category: 'closed' });
      expect(await atPeer).to.deep.equal(ORDERLY);
    });

    it('with an error emits it after close(), too, as with streams', async () => {
      const { client, peer } = await openPsk();
      const cause = new Error('enough');
      for (const socket of [client, peer]) {
        const [end, error] = [ending(socket), failure(socket)];
        socket.close();
        socket.destroy(cause);
        socket.destroy(new Error('another one'));
        expect(await error).to.include({ message: 'enough', cause });
        expect((await end).hadError).to.equal(true);
      }
      const early = await dial(await listen(PSK_SERVER), PSK_CLIENT);
      const refused = failure(early);
      early.close();
      early.destroy(cause);
      expect(await refused).to.include({ message: 'enough', cause });
    });

    it('before anything was sent', async () => {
      const server = await listen(PSK_SERVER);
      const client = await dial(server, PSK_CLIENT);
      const end = ending(client);
      client.destroy();
      expect(await end).to.deep.equal(ORDERLY);
      expect(server.stats.datagramsReceived).to.equal(0);
    });

    /** A place in which a handler of the user's runs, and destroys the socket that it is about. */
    interface Place {
      readonly name: string;
      readonly server?: ServerOptions;
      readonly client?: Partial<ConnectOptions>;
      /** Called with each socket as early as there is one. */
      readonly onServerSocket?: (socket: DTLSSocket) => void;
      readonly onClientSocket?: (socket: DTLSSocket) => void;
      readonly onServer?: (server: DTLSServer) => void;
      /** Called with both open, where they open. */
      readonly onOpen?: (client: DTLSSocket, peer: DTLSSocket) => void;
    }

    const destroyOn =
      (event: 'handshake' | 'alert' | 'secureConnect' | 'message' | 'close' | 'drain' | 'keylog') =>
      (socket: DTLSSocket): void => {
        socket.on(event, () => {
          socket.destroy();
        });
      };
    const handshakeMessages = [
      'out client_hello',
      'in hello_verify_request',
      'in server_hello',
      'in server_hello_done',
      'out client_key_exchange',
      'out change_cipher_spec',
      'out finished',
      'in change_cipher_spec',
      'in finished',
    ];
    const destroyAtMessage =
      (name: string) =>
      (socket: DTLSSocket): void => {
        socket.on('handshake', ({ direction, message }) => {
          if (`${direction} ${message}` === name) socket.destroy();
        });
      };
    const turned = (name: string): string =>
      name.startsWith('in ') ? name.replace('in ', 'out ') : name.replace('out ', 'in ');
    const exchange = (client: DTLSSocket, peer: DTLSSocket): void => {
      client.send('x');
      peer.send('y');
    };
    let asking: DTLSSocket | undefined;

    const places: Place[] = [
      ...handshakeMessages.map((name) => ({
        name: `the client's handshake event ${name}`,
        onClientSocket: destroyAtMessage(name),
      })),
      ...handshakeMessages
        .filter((name) => !name.endsWith('hello_verify_request'))
        .map((name) => ({
          name: `the server's handshake event ${turned(name)}`,
          onServerSocket: destroyAtMessage(turned(name)),
        })),
      {
        name: 'connection',
        onServer: (server) => server.on('connection', (socket) => socket.destroy()),
      },
      {
        name: 'secureConnection',
        onServer: (server) => server.on('secureConnection', (socket) => socket.destroy()),
      },
      { name: "the server's secureConnect", onServerSocket: destroyOn('secureConnect') },
      { name: "the client's secureConnect", onClientSocket: destroyOn('secureConnect') },
      { name: "the client's keylog", onClientSocket: destroyOn('keylog') },
      {
        name: "the server's keylog",
        onServer: (server) => server.on('keylog', (_, socket) => socket.destroy()),
      },
      {
        name: "the client's message",
        onClientSocket: destroyOn('message'),
        onOpen: exchange,
      },
      {
        name: "the server's message",
        onServerSocket: destroyOn('message'),
        onOpen: exchange,
      },
      {
        name: 'every message of both',
        onClientSocket: destroyOn('message'),
        onServerSocket: destroyOn('message'),
        onOpen: exchange,
      },
      {
        name: "the client's alert",
        onClientSocket: destroyOn('alert'),
        onOpen: (_, peer) => peer.close(),
      },
      {
        name: "the server's alert",
        onServerSocket: destroyOn('alert'),
        onOpen: (client) => client.close(),
      },
      {
        name: 'its own alert',
        onClientSocket: destroyOn('alert'),
        onOpen: (client) => client.close(),
      },
      {
        name: 'close of both',
        onClientSocket: destroyOn('close'),
        onServerSocket: destroyOn('close'),
        onOpen: (client) => client.close(),
      },
      {
        name: 'drain',
        onClientSocket: (socket) => {
          destroyOn('drain')(socket);
          socket.send(Buffer.alloc(16384));
          socket.send('above the mark');
        },
      },
      {
        name: "the callback of a message that waited",
        onClientSocket: (socket) => {
          socket.send('x', () => socket.destroy());
        },
      },
      {
        name: "the server's pskCallback",
        server: {
          pskCallback: (socket) => {
            socket.destroy();
            return PSK.psk;
          },
        },
      },
      {
        name: "the server's pskCallback, which answers later",
        server: {
          pskCallback: async (socket) => {
            await new Promise(setImmediate);
            socket.destroy();
            return PSK.psk;
          },
        },
      },
      {
        name: "the client's pskCallback",
        onClientSocket: (socket) => (asking = socket),
        client: {
          pskCallback: () => {
            asking?.destroy();
            return PSK;
          },
        },
      },
    ];

    async function endsOnce(place: Place): Promise<void> {
      const ends: string[] = [];
      const after: string[] = [];
      const watch = (name: string, socket: DTLSSocket): void => {
        let closed = false;
        socket.on('error', () => undefined);
        socket.on('close', () => {
          ends.push(name);
          closed = true;
        });
        for (const event of ['secureConnect', 'message', 'handshake', 'alert', 'drain'] as const) {
          socket.on(event, () => {
            if (closed || socket.destroyed) after.push(`${name} ${event} after the end`);
          });
        }
      };
      const server = await listen({ ...PSK_SERVER, ...place.server });
      let accepted = 0;
      server.on('dtlsClientError', () => undefined);
      server.on('connection', (socket) => {
        accepted += 1;
        watch('server', socket);
        place.onServerSocket?.(socket);
      });
      place.onServer?.(server);
      const client = await dial(server, {
        ...PSK_CLIENT,
        handshakeTimeout: patience(300),
        ...place.client,
      });
      watch('client', client);
      place.onClientSocket?.(client);
      if (place.onOpen !== undefined) {
        const { onOpen } = place;
        const both = Promise.all([next(server, 'secureConnection'), next(client, 'secureConnect')]);
        const [[peer]] = await both;
        onOpen(client, peer);
      }
      const closed =
        client.readyState === 'closed' ? Promise.resolve() : next(client, 'close').then();
      // A side that nobody tells of the end would wait for its deadline: close both.
      await settled();
      if (!place.name.includes('server')) await closed;
      server.close();
      await next(server, 'close');
      client.close();
      await closed;
      await settled();
      expect(after).to.deep.equal([]);
      expect(ends.filter((name) => name === 'client')).to.have.length(1);
      expect(ends.filter((name) => name === 'server')).to.have.length(accepted);
      expect(client.readyState).to.equal('closed');
    }

    for (const place of places) {
      it(`in ${place.name} ends both sides once`, () => endsOnce(place));
    }

    it("in checkServerIdentity ends both sides once", async () => {
      const { cert, key } = await certificate();
      const server = await listen({ cert, key });
      const ends: string[] = [];
      server.on('connection', (socket) => {
        socket.on('close', () => ends.push('server'));
      });
      const client = await dial(server, {
        checkServerIdentity: () => {
          client.destroy();
          return undefined;
        },
      });
      const opened: string[] = [];
      client.on('secureConnect', () => opened.push('secureConnect'));
      client.on('close', () => ends.push('client'));
      await next(client, 'close');
      server.close();
      await next(server, 'close');
      expect(ends.sort()).to.deep.equal(['client', 'server']);
      expect(opened).to.deep.equal([]);
    });

    it('in the handler of an error', async () => {
      const server = await listen(PSK_SERVER);
      const client = await dial(server, { pskCallback: () => null });
      let ends = 0;
      client.on('error', () => {
        client.destroy(new Error('again'));
      });
      client.on('close', () => ++ends);
      await next(client, 'close');
      await settled();
      expect(ends).to.equal(1);
    });

    it('of every session in the handler of one', async () => {
      const server = await listen(PSK_SERVER);
      const pairs = [];
      for (let i = 0; i < 5; ++i) pairs.push(await openOn(server, PSK_CLIENT));
      const ends = pairs.map(({ client }) => ending(client));
      pairs[0]?.peer.once('message', () => {
        for (const socket of [...server.sessions]) socket.destroy();
      });
      for (const { client } of pairs) client.send('x');
      for (const end of await Promise.all(ends)) expect(end).to.deep.equal(ORDERLY);
      expect([...server.sessions]).to.deep.equal([]);
    });
  });
});
