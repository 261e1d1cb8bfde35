/**
 * Protects: that every event has the context (AsyncLocalStorage) of the socket or server that it is of, as an event of
 * node:net and node:dgram has that of its handle, whoever's call or handler has caused it, and whatever came in the same
 * wake-up before; and that what a handler enters is nobody else's.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import dgram from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { createServer, createSocket, generateCertificate, type DTLSServer, type DTLSSocket } from '../../lib/index';
import { hasNativeUdp } from '../../lib/transport/native-udp';
import * as nodeDtls from '../../lib/node-dtls/index';
import { closeEverything, dialTo, listen, portOf, PSK, PSK_CLIENT, PSK_SERVER, within } from '../helpers/pair';
import { patience } from '../helpers/patience';

const HOST = '127.0.0.1';
const transports = hasNativeUdp ? (['native', 'dgram'] as const) : (['dgram'] as const);
const storage = new AsyncLocalStorage<string>();

/** What each of those that note something here was in. */
class Log {
  readonly #seen = new Map<string, string[]>();

  /** A listener, which also enters a context of its own. */
  noting(whose: string, event: string): () => void {
    return () => {
      const lines = this.#seen.get(whose) ?? [];
      this.#seen.set(whose, lines);
      lines.push(`${event} in ${String(storage.getStore())}`);
      storage.enterWith(`a handler of ${whose}`);
    };
  }

  /** Those of one, each event once, in their order. */
  of(whose: string): string[] {
    return [...new Set(this.#seen.get(whose) ?? [])];
  }
}

/** Before Node 24 what a handler of node:net enters stays with its handle, and is what the next event of that one has. */
async function contextIsKept(): Promise<boolean> {
  const seen: unknown[] = [];
  const server = net.createServer((socket) => {
    socket.on('data', () => {
      seen.push(storage.getStore());
      storage.enterWith('kept');
    });
  });
  server.listen(0, HOST);
  await once(server, 'listening');
  const client = net.connect((server.address() as net.AddressInfo).port, HOST);
  for (const wanted of [1, 2]) {
    client.write('x');
    while (seen.length < wanted) await sleep(1);
  }
  client.destroy();
  server.close();
  return seen[1] === 'kept';
}

const SOCKET_EVENTS = ['secureConnect', 'message', 'messages', 'alert', 'timeout', 'close'] as const;

describe('contexts of events', function () {
  this.timeout(patience(20_000));
  afterEach(closeEverything);

  let kept = false;
  before(async () => {
    kept = await contextIsKept();
  });

  /** The events, the first in the context of its socket, and those behind it as Node has it. */
  const inOrder = (whose: string, context: string, events: readonly string[]): string[] =>
    events.map((event, i) => `${event} in ${kept && i > 0 ? `a handler of ${whose}` : context}`);

  for (const transport of transports) {
    it(`what a server says of its certificates has the context of its listen, over ${transport}`, async () => {
      const folder = mkdtempSync(join(tmpdir(), 'dgram-dtls-contexts-'));
      const [certFile, keyFile] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
      const write = ({ cert, key }: { cert: string; key: string }): void => {
        writeFileSync(certFile, cert);
        writeFileSync(keyFile, key);
      };
      const seen: string[] = [];
      try {
        const made = await generateCertificate({ days: 1 });
        write(made);
        const server = storage.run('createServer', () => createServer({ ...made, transport }));
        const events = ['certificateExpiring', 'secureContextReload', 'secureContextError'] as const;
        for (const event of events) {
          server.on(event, () => seen.push(`${event} in ${String(storage.getStore())}`));
        }
        const said = async (what: string): Promise<void> => {
          const until = Date.now() + patience(4000);
          while (!seen.some((line) => line.startsWith(what)) && Date.now() < until) await sleep(5);
        };
        storage.run('watch', () => server.watchSecureContext({ certFile, keyFile, interval: 20 }));
        storage.run('listen', () => server.listen(0, HOST));
        await once(server, 'listening');
        await said('certificateExpiring');
        // Another that expires soon, in a call of somebody's.
        const next = await generateCertificate({ days: 1 });
        storage.run('setSecureContext', () => {
          server.setSecureContext(next);
        });
        writeFileSync(certFile, 'no certificate');
        await said('secureContextError');
        write(await generateCertificate());
        await said('secureContextReload');
        await storage.run('close', () => server[Symbol.asyncDispose]());
        expect([...new Set(seen)].sort()).to.deep.equal([...events].sort().map((event) => `${event} in listen`));
        expect(seen.filter((line) => line.startsWith('certificateExpiring'))).to.have.length(2);
      } finally {
        rmSync(folder, { recursive: true });
      }
    });

    it(`each event of a session has the context of its own socket, over ${transport}`, async () => {
      const log = new Log();
      const peers: DTLSSocket[] = [];
      const server = await storage.run('the server', () => listen({ ...PSK_SERVER, transport }));
      server.on('connection', (peer) => {
        const name = `peer ${peers.push(peer)}`;
        log.noting(name, 'connection')();
        for (const event of SOCKET_EVENTS) if (event !== 'messages') peer.on(event, log.noting(name, event));
      });
      server.on('secureConnection', (peer) => {
        log.noting(`peer ${peers.indexOf(peer) + 1}`, 'secureConnection')();
      });
      server.on('close', log.noting('server', 'close'));
      const clients = ['client 1', 'client 2'].map((name) =>
        storage.run(name, () => {
          const client = dialTo({ ...PSK_CLIENT, host: HOST, port: portOf(server), transport });
          for (const event of SOCKET_EVENTS) if (event !== 'message') client.on(event, log.noting(name, event));
          return client;
        }),
      );
      await within(Promise.all(clients.map((client) => once(client, 'secureConnect'))), 'secureConnect');
      while (peers.some(({ readyState }) => readyState !== 'open') || peers.length < 2) await sleep(1);
      for (let round = 0; round < 3; ++round) {
        // All in one wake-up, and then again in another.
        storage.run('a sender', () => {
          for (const socket of [...clients, ...peers]) socket.sendMany(['a', 'b']);
        });
        await sleep(patience(5));
      }
      storage.run('who sets it', () => {
        for (const client of clients) client.setTimeout(1);
      });
      await within(Promise.all(clients.map((client) => once(client, 'timeout'))), 'timeout');
      const closed = Promise.all([...clients, ...peers].map((socket) => once(socket, 'close')));
      storage.run('who closes', () => {
        for (const client of clients) client.close();
      });
      await within(closed, 'close');
      const over = once(server, 'close');
      storage.run('who closes', () => server.close());
      await within(over, 'close');

      for (const name of ['client 1', 'client 2']) {
        expect(log.of(name).filter((line) => !line.startsWith('alert'))).to.deep.equal(
          inOrder(name, name, ['secureConnect', 'messages', 'timeout', 'close']),
        );
      }
      for (const name of ['peer 1', 'peer 2']) {
        expect(log.of(name)).to.deep.equal(
          inOrder(name, 'the server', ['connection', 'secureConnect', 'secureConnection', 'message', 'alert', 'close']),
        );
      }
      expect(log.of('server')).to.deep.equal(['close in the server']);
    });

    it(`sessions on one transport have contexts of their own, over ${transport}`, async () => {
      const log = new Log();
      const server = await storage.run('the server', () => listen({ ...PSK_SERVER, transport }));
      const shared = dgram.createSocket('udp4');
      try {
        shared.bind(0, HOST);
        await once(shared, 'listening');
        const names = ['client 1', 'client 2'];
        const servers: DTLSServer[] = [server, await listen({ ...PSK_SERVER, transport })];
        const clients = names.map((name, i) =>
          storage.run(name, () => {
            const port = portOf(servers[i] ?? server);
            const client = dialTo({ ...PSK_CLIENT, host: HOST, port, transport: shared });
            client.on('secureConnect', log.noting(name, 'secureConnect'));
            client.on('close', log.noting(name, 'close'));
            return client;
          }),
        );
        await within(Promise.all(clients.map((client) => once(client, 'secureConnect'))), 'secureConnect');
        await within(
          Promise.all(clients.map((client) => storage.run('who closes', () => once(client.close(), 'close')))),
          'close',
        );
        for (const name of names) {
          expect(log.of(name)).to.deep.equal(inOrder(name, name, ['secureConnect', 'close']));
        }
      } finally {
        shared.close();
      }
    });

    it(`an event behind a lone message has the context of its own server, over ${transport}`, async () => {
      const seen: string[] = [];
      const server = storage.run('created', () => createServer({ ...PSK_SERVER, transport }));
      storage.run('ours', () => server.listen(0, HOST));
      await once(server, 'listening');
      server.on('secureConnection', (peer) => {
        peer.on('message', () => {
          seen.push(`message in ${String(storage.getStore())}`);
          storage.enterWith('a handler');
          // What follows from it in the same delivery.
          peer.close();
          server.close();
        });
      });
      server.on('close', () => seen.push(`close in ${String(storage.getStore())}`));
      const client = dialTo({ ...PSK_CLIENT, host: HOST, port: portOf(server), transport });
      client.send('x');
      await within(once(server, 'close'), 'close');
      expect(seen).to.deep.equal(['message in ours', 'close in ours']);
    });

    it(`all peers of createSocket are one socket's, over ${transport}`, async () => {
      const before = process.env.DGRAM_DTLS_TRANSPORT;
      process.env.DGRAM_DTLS_TRANSPORT = transport;
      const log = new Log();
      const make = (): dgram.Socket => createSocket({ type: 'udp4', dtls: { psk: PSK } });
      const sockets = [storage.run('ours', make), make(), make()];
      try {
        const [ours] = sockets;
        for (const event of ['secureConnection', 'message']) ours?.on(event, log.noting('ours', event));
        for (const socket of sockets) storage.run('who binds', () => socket.bind(0, HOST));
        await Promise.all(sockets.map((socket) => once(socket, 'listening')));
        const [port, first, second] = sockets.map((socket) => socket.address().port);
        let messages = 0;
        ours?.on('message', () => (messages += 1));
        // One begins with us, with the other we begin.
        storage.run('a sender', () => {
          sockets[1]?.send('x', port ?? 0, HOST);
          ours?.send('x', second ?? 0, HOST);
        });
        await once(sockets.at(-1) ?? make(), 'message');
        sockets[2]?.send('x', port ?? 0, HOST);
        while (messages < 2) await sleep(1);
        expect(first).to.not.equal(second);
        const all = log.of('ours');
        const context = kept ? 'a handler of ours' : 'ours';
        expect(all[0]).to.match(/ in ours$/);
        expect(new Set(all.slice(1).map((line) => line.replace(/^\w+ in /, '')))).to.deep.equal(new Set([context]));
      } finally {
        for (const socket of sockets) socket.close();
        if (before === undefined) delete process.env.DGRAM_DTLS_TRANSPORT;
        else process.env.DGRAM_DTLS_TRANSPORT = before;
      }
    });

    it(`callbacks of node-dtls have the contexts of listen and connect, over ${transport}`, async () => {
      const before = process.env.DGRAM_DTLS_TRANSPORT;
      process.env.DGRAM_DTLS_TRANSPORT = transport;
      const log = new Log();
      try {
        const endpoint = storage.run('listen', () =>
          nodeDtls.listen(
            (session) => {
              log.noting('session', 'onsession')();
              session.onhandshake = log.noting('session', 'onhandshake');
              session.onmessage = log.noting('session', 'onmessage');
            },
            { host: HOST, port: 0, psk: { [PSK.identity]: PSK.psk } },
          ),
        );
        const port = endpoint.address?.port ?? 0;
        const client = storage.run('connect', () =>
          nodeDtls.connect(HOST, port, { psk: { identity: PSK.identity, key: PSK.psk } }),
        );
        client.onhandshake = log.noting('client', 'onhandshake');
        await within(client.opened, 'opened');
        storage.run('a sender', () => client.send('x'));
        while (log.of('session').length < 3) await sleep(1);
        await client.close();
        await endpoint.close();
        expect(log.of('client')).to.deep.equal(['onhandshake in connect']);
        expect(log.of('session')).to.deep.equal(inOrder('session', 'listen', ['onsession', 'onhandshake', 'onmessage']));
      } finally {
        if (before === undefined) delete process.env.DGRAM_DTLS_TRANSPORT;
        else process.env.DGRAM_DTLS_TRANSPORT = before;
      }
    });
  }
});
