/**
 * Protects: that every session, server, thread and process ends as it should: told to the peer,
 * once, with nothing lost that was said before, nothing left open, and never with a crash, whoever
 * ends it and from whichever handler.
 */
import { once } from 'node:events';
import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Worker } from 'node:worker_threads';
import { expect } from 'chai';
import type * as Package from '../../lib/index';
import {
  createServer,
  DTLSError,
  type AlertEvent,
  type ConnectOptions,
  type DTLSServer,
  type DTLSSocket,
  type ServerOptions,
} from '../../lib/index';
import { fixture, run } from '../helpers/child';
import { Link } from '../helpers/link';
import {
  certificate,
  clientFailure,
  closeEverything,
  dial,
  dialTo,
  ending,
  failure,
  listen,
  messages,
  next,
  open,
  openOn,
  openPsk,
  PSK,
  PSK_CLIENT,
  PSK_SERVER,
  within,
} from '../helpers/pair';
import { patience } from '../helpers/patience';

const ORDERLY = { hadError: false, errors: [] };

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

  describe('time', () => {
    it('idleTimeout ends a session that is silent, on both sides', async () => {
      const { client, peer } = await openPsk({}, { idleTimeout: 60 });
      const atPeer = ending(peer);
      const error = await failure(client);
      expect(error).to.include({ code: 'ERR_DTLS_IDLE_TIMEOUT', category: 'timeout' });
      expect(error.hint).to.be.a('string').that.is.not.empty;
      expect(await atPeer).to.deep.equal(ORDERLY);
    });

    it("idleTimeout of a server's session is the socket's error when heard", async () => {
      const { client, peer } = await openPsk({ idleTimeout: 60 });
      const atClient = ending(client);
      expect((await failure(peer)).code).to.equal('ERR_DTLS_IDLE_TIMEOUT');
      expect(await atClient).to.deep.equal(ORDERLY);
    });

    it("idleTimeout of a server's session is dtlsClientError otherwise", async () => {
      const { server, client } = await openPsk({ idleTimeout: 60 });
      const atClient = ending(client);
      expect((await clientFailure(server)).code).to.equal('ERR_DTLS_IDLE_TIMEOUT');
      await atClient;
    });

    it('idleTimeout waits while there is traffic', async () => {
      const { client, peer } = await openPsk({}, { idleTimeout: 120 });
      const start = performance.now();
      const error = failure(client);
      peer.on('message', (message) => {
        setTimeout(() => peer.send(message), 20);
      });
      let rounds = 0;
      client.on('message', () => {
        if (++rounds < 8) client.send('again');
      });
      client.send('first');
      expect((await error).code).to.equal('ERR_DTLS_IDLE_TIMEOUT');
      expect(rounds).to.equal(8);
      expect(performance.now() - start).to.be.above(8 * 20 + 100);
    });

    it('setTimeout tells of silence and ends nothing', async () => {
      const { client } = await openPsk();
      let calls = 0;
      client.setTimeout(30, () => ++calls);
      await next(client, 'timeout');
      await next(client, 'timeout');
      expect(calls).to.equal(1);
      expect(client.readyState).to.equal('open');
      client.setTimeout(0);
      const closed = next(client, 'close');
      client.on('timeout', () => {
        throw new Error('switched off');
      });
      setTimeout(() => client.close(), 60);
      await closed;
    });
  });

  describe('a server', () => {
    it('that closes tells every session', async () => {
      const server = await listen(PSK_SERVER);
      const pairs = [await openOn(server, PSK_CLIENT), await openOn(server, PSK_CLIENT)];
      const ends = pairs.flatMap(({ client, peer }) => [ending(client), ending(peer)]);
      const order: string[] = [];
      for (const { peer } of pairs) peer.on('close', () => order.push('session'));
      server.on('close', () => order.push('server'));
      const called = new Promise<Error | undefined>((resolve) => server.close(resolve));
      expect(server.listening).to.be.false;
      expect(await within(called, "close's callback")).to.equal(undefined);
      for (const end of await Promise.all(ends)) expect(end).to.deep.equal(ORDERLY);
      expect(order).to.deep.equal(['session', 'session', 'server']);
      expect(server.address()).to.equal(null);
      expect(server.stats.handshakesCompleted).to.equal(2);
    });

    it('that closes during handshakes', async () => {
      let asked: () => void = () => undefined;
      const waiting = new Promise<void>((resolve) => (asked = resolve));
      const server = await listen({
        pskCallback: () => {
          asked();
          return new Promise(() => undefined);
        },
      });
      const client = await dial(server, { ...PSK_CLIENT, retransmission: { initial: 30 } });
      const end = failure(client);
      await within(waiting, 'the question');
      const [socket] = [...server.sessions];
      if (socket === undefined) throw new Error('no session');
      const atServer = ending(socket);
      server.close();
      await next(server, 'close');
      expect(await atServer).to.deep.equal(ORDERLY);
      expect((await end).code).to.equal('ERR_DTLS_ALERT_CLOSE_NOTIFY');
    });

    it('that closes before it listens', async () => {
      const server = createServer(PSK_SERVER);
      const closed = next(server, 'close');
      server.listen(0, '127.0.0.1');
      server.close();
      await closed;
      expect(server.address()).to.equal(null);
    });

    it('that never listened, or has closed, says so', async () => {
      const server = createServer(PSK_SERVER);
      const outcome = (): Promise<Error | undefined> =>
        within(new Promise((resolve) => server.close(resolve)), "close's callback");
      expect(await outcome()).to.have.property('code', 'ERR_SERVER_NOT_RUNNING');
      server.listen(0, '127.0.0.1');
      await next(server, 'listening');
      expect(await outcome()).to.equal(undefined);
      expect(await outcome()).to.have.property('code', 'ERR_SERVER_NOT_RUNNING');
    });

    it('that closes in its own handlers', async () => {
      for (const event of ['connection', 'secureConnection'] as const) {
        const server = await listen(PSK_SERVER);
        const client = await dial(server, { ...PSK_CLIENT, retransmission: { initial: 20 } });
        const end = ending(client);
        server.on(event, () => {
          server.close();
        });
        await next(server, 'close');
        const { errors } = await end;
        // Told so in the middle of its handshake, or afterwards that nobody is there any more.
        for (const error of errors) {
          expect(error.code).to.be.oneOf(['ECONNREFUSED', 'ERR_DTLS_ALERT_CLOSE_NOTIFY']);
        }
      }
    });

    it("whose transport the user closes ends its sessions, and itself", async () => {
      const server = await listen(PSK_SERVER);
      const link = await Link.bound();
      const { client } = await openOn(server, { ...PSK_CLIENT, transport: link });
      const error = failure(client);
      link.receiver.closed();
      expect(await error).to.include({ code: 'ERR_DTLS_TRANSPORT_CLOSED', category: 'io' });
    });
  });

  describe('AbortSignal', () => {
    it('destroys a client, in the handshake and after', async () => {
      const server = await listen(PSK_SERVER);
      for (const early of [true, false]) {
        const controller = new AbortController();
        const options = { ...PSK_CLIENT, signal: controller.signal };
        const client = early
          ? await dial(server, options)
          : (await openOn(server, options)).client;
        const error = failure(client);
        controller.abort(new Error('changed my mind'));
        expect(await error).to.include({ code: 'ABORT_ERR', category: 'closed' });
        expect((await error).cause).to.have.property('message', 'changed my mind');
      }
    });

    it('that was aborted before lets nothing begin', async () => {
      const client = dialTo({ port: 5684, ...PSK_CLIENT, signal: AbortSignal.abort() });
      expect((await failure(client)).code).to.equal('ABORT_ERR');
      expect(client.stats.datagramsSent).to.equal(0);
    });

    it('closes a server', async () => {
      const controller = new AbortController();
      const { server, client } = await openPsk({ signal: controller.signal });
      const closed = Promise.all([next(server, 'close'), ending(client)]);
      controller.abort();
      expect((await closed)[1]).to.deep.equal(ORDERLY);
    });

    it('that was aborted before lets no server begin', async () => {
      const server = createServer({ ...PSK_SERVER, signal: AbortSignal.abort() });
      const closed = next(server, 'close');
      server.on('listening', () => {
        throw new Error('it listens');
      });
      server.listen(0, '127.0.0.1');
      await closed;
    });
  });

  describe('a process', () => {
    it('ends by itself when everything is closed', async () => {
      const outcome = await run('exit.ts', ['close']);
      expect(outcome).to.include({ code: 0, stderr: '' });
      expect(outcome.stdout.split('\n').sort()).to.deep.equal(
        ['', 'client close false', 'exit 0', 'server close'].sort(),
      );
    });

    it('is not held by a server that was unreferenced', async () => {
      expect(await run('exit.ts', ['unref'])).to.include({
        code: 0,
        stdout: 'exit 0\n',
        stderr: '',
      });
    });

    it('is held by what is referenced again', async () => {
      expect(await run('exit.ts', ['ref'])).to.include({
        code: 0,
        stdout: 'held by the server\nheld by the session\nclient close false\nexit 0\n',
        stderr: '',
      });
    });

    it('is not held by sessions that were unreferenced', async () => {
      expect(await run('exit.ts', ['unref-session'])).to.include({
        code: 0,
        stdout: 'open\nexit 0\n',
        stderr: '',
      });
    });

    it("is held, or not, by a server's end of a session as it says", async () => {
      expect(await run('exit.ts', ['unref-peer'])).to.include({
        code: 0,
        stdout: 'held by the peer\nexit 0\n',
        stderr: '',
      });
    });

    it('is not held by sessions that were unreferenced at once', async () => {
      expect(await run('exit.ts', ['unref-early'])).to.include({
        code: 0,
        stdout: 'exit 0\n',
        stderr: '',
      });
    });

    it('may exit while sessions are open', async () => {
      expect(await run('exit.ts', ['exit'])).to.include({
        code: 7,
        stdout: 'exit 7\n',
        stderr: '',
      });
    });

    it("goes on after a handler has thrown, and loses nobody's events", async () => {
      const outcome = await run('exit.ts', ['throw']);
      expect(outcome).to.include({ code: 0, stderr: '' });
      const [thrown] = outcome.stdout.split('\n');
      const places = (thrown ?? '').replace('thrown ', '').split(', ').sort();
      expect(places.filter((place) => place === 'at secureConnect')).to.have.length(3);
      expect(places.filter((place) => place === 'at secureConnection')).to.have.length(3);
      expect(places.filter((place) => /^at [abc][12]$/.test(place))).to.have.length(5);
      expect(outcome.stdout.match(/client close false/g)).to.have.length(3);
      expect(outcome.stdout).to.include('server close');
    });

    it('gets the rest of what came with an event whose handler has thrown', async () => {
      const outcome = await run('exit.ts', ['throw-first-of-two']);
      expect(outcome).to.include({ code: 0, stderr: '' });
      // In the next tick, which Node 26 runs only after one immediate when a handler has thrown.
      const order = outcome.stdout.split('\n').filter((line) => line !== 'later');
      expect(order.slice(0, 2)).to.deep.equal(['thrown at first', 'second']);
      expect(outcome.stdout).to.include('client close false').and.include('server close');
    });

    it('collects what nobody holds, and nothing that is in use', async () => {
      expect(await run('garbage.ts', [], ['--expose-gc'])).to.include({
        code: 0,
        stdout: 'collected\n',
        stderr: '',
      });
    });
  });

  describe('a worker', () => {
    const start = (workerData: string): Worker =>
      new Worker(fixture('worker.ts'), { workerData, execArgv: ['--require', 'tsx/cjs'] });

    it('ends by itself when everything is closed', async () => {
      const worker = start('close');
      const exit = once(worker, 'exit');
      expect((await once(worker, 'message'))[0]).to.equal('from a worker');
      expect((await exit)[0]).to.equal(0);
    });

    it('is one of several beside the main thread, and can be terminated at any point', async () => {
      const { client, peer } = await openPsk();
      const workers = ['flood', 'flood', 'stay', 'exit'].map(start);
      const exits = workers.map((worker) => once(worker, 'exit'));
      await within(
        Promise.all(workers.map((worker) => once(worker, 'message'))),
        'the workers',
      );
      await Promise.all(workers.slice(0, 3).map((worker) => worker.terminate()));
      expect((await Promise.all(exits)).map(([code]: unknown[]) => code)).to.deep.equal([
        1, 1, 1, 3,
      ]);
      const arrived = messages(peer, 1);
      client.send('still here');
      expect((await arrived)[0]?.toString()).to.equal('still here');
    });

    it('may have open sessions when the process exits', async () => {
      expect(await run('workers-exit.ts')).to.include({ code: 5, signal: null, stderr: '' });
    });
  });

  describe('two copies of the package in one process', () => {
    let copy = '';

    before(() => {
      const root = path.join(__dirname, '..', '..');
      copy = mkdtempSync(path.join(tmpdir(), 'dgram-dtls-'));
      for (const part of ['lib', 'package.json', 'build/Release/dgram_dtls.node']) {
        cpSync(path.join(root, part), path.join(copy, part), { recursive: true });
      }
      symlinkSync(path.join(root, 'node_modules'), path.join(copy, 'node_modules'), 'junction');
    });

    after(() => {
      rmSync(copy, { recursive: true, force: true });
    });

    it('talk to each other', async () => {
      // eslint-disable-next-line @typescript-eslint/no-require-imports -- its path is made here
      const other = require(path.join(copy, 'lib', 'index')) as typeof Package;
      expect(other.createServer).to.not.equal(createServer);
      const theirs = other.createServer(PSK_SERVER);
      theirs.listen(0, '127.0.0.1');
      await next(theirs, 'listening');
      theirs.on('secureConnection', (socket) => {
        socket.on('message', (message) => socket.send(message));
      });
      const client = await dial(theirs, PSK_CLIENT);
      const echo = messages(client, 1);
      client.send('across');
      expect((await echo)[0]?.toString()).to.equal('across');
      const closed = next(client, 'close');
      await theirs[Symbol.asyncDispose]();
      await closed;
      const { cert, key } = await certificate();
      const pair = await open({ cert, key });
      expect(pair.client.authorized).to.be.true;
    });
  });
});
