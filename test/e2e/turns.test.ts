/**
 * Protects: that every event has a turn of its own, as an event of node:dgram has: ticks and promise jobs run between
 * two of them, whatever brings the datagrams, whether or not this Node has a function that runs ticks, and whatever
 * a handler does. That what is sent meanwhile still leaves together.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { once } from 'node:events';
import path from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { expect } from 'chai';
import { createSocket } from '../../lib/index';
import { hasNativeUdp } from '../../lib/transport/native-udp';
import { run } from '../helpers/child';
import { closeEverything, dial, ending, listen, messages, openPsk, ORDERLY, PSK, PSK_CLIENT, PSK_SERVER, within } from '../helpers/pair';
import { patience } from '../helpers/patience';
import { skip } from '../helpers/peers';

const transports = hasNativeUdp ? (['native', 'dgram'] as const) : (['dgram'] as const);
const WITHOUT = path.join(__dirname, '../fixtures/no-tick-callback.cjs');

/** Ways in which a process may have the function that runs ticks. */
const nodes: readonly [name: string, flags: readonly string[]][] = [
  ['with process._tickCallback', []],
  ['with --pending-deprecation', ['--pending-deprecation']],
  ['without process._tickCallback', ['--require', WITHOUT]],
];

async function logsOf(flags: readonly string[], ...args: string[]): Promise<Record<string, string[]>> {
  const { code, signal, stdout, stderr } = await run('turns.ts', args, flags);
  expect({ code, signal, stderr }, stdout).to.deep.equal({ code: 0, signal: null, stderr: '' });
  return JSON.parse(stdout) as Record<string, string[]>;
}

/** The events of a log; a failure when one came before what an earlier one had left to do was done. */
function eventsOf(log: readonly string[] | undefined = []): string[] {
  const events: string[] = [];
  for (let at = 0; at < log.length; at += 4) {
    expect(log.slice(at + 1, at + 4), log.join(', ')).to.deep.equal(['tick', 'job', 'tick of the job']);
    events.push(log[at] ?? '');
  }
  return events;
}

const of = (whose: string, events: readonly string[]): string[] =>
  events.filter((event) => event.startsWith(`${whose} `)).map((event) => event.slice(whose.length + 1));

describe('turns', function () {
  this.timeout(patience(20_000));
  afterEach(closeEverything);

  for (const transport of transports) {
    for (const [name, flags] of nodes) {
      describe(`over ${transport}, ${name}`, () => {
        let logs: Record<string, string[]> = {};
        before(async () => {
          logs = await logsOf(flags, transport, 'plain', 'createSocket', 'sessions', 'failures', 'callbacks');
        });

        it('ticks and promise jobs run between two messages of createSocket, as of node:dgram', () => {
          const received = ['message a', 'message b', 'message c', 'close'];
          expect(eventsOf(logs.plain)).to.deep.equal(received);
          expect(eventsOf(logs.createSocket)).to.deep.equal(['secureConnection', ...received]);
        });

        it('ticks and promise jobs run between the events of sessions and servers, and what comes with them', () => {
          const events = eventsOf(logs.sessions);
          const received = ['message a', 'message b', 'message c'];
          expect(of('server', events)).to.deep.equal(['connection', 'secureConnection', 'close']);
          expect(of('client', events)).to.deep.equal(['secureConnect', ...received, 'alert', 'alert', 'close']);
          expect(of('peer', events).slice(0, 1)).to.deep.equal(['secureConnect']);
          expect(of('peer', events).at(-1)).to.equal('close');
          expect(events.indexOf('peer secureConnect')).to.be.below(events.indexOf('server secureConnection'));
        });

        it('ticks and promise jobs run between error and close, dtlsClientError and close', () => {
          const events = eventsOf(logs.failures);
          expect(of('client', events).slice(-2)).to.deep.equal(['error', 'close']);
          expect(of('late', events)).to.deep.equal(['error', 'close']);
          const failed = events.indexOf('server dtlsClientError');
          expect(events.indexOf('peer close')).to.be.above(failed).and.above(-1);
        });

        it('ticks and promise jobs run between the callbacks of node-dtls, opened before the first message', () => {
          const events = eventsOf(logs.callbacks);
          const messagesSeen = ['onmessage a', 'onmessage b', 'onmessage c'];
          expect(events.filter((event) => event.startsWith('on'))).to.deep.equal(['onsession', 'onhandshake', ...messagesSeen]);
          expect(events).to.include('peer onhandshake');
        });
      });

      it(`a handler, a tick or a promise that throws loses nobody's messages, over ${transport}, ${name}`, async () => {
        const { throwing } = await logsOf(flags, transport, 'throwing');
        expect(throwing?.slice().sort()).to.deep.equal(['aaabbbccc', 'handler', 'promise', 'tick']);
      });

      it(`each event has the context that node:dgram gives it, over ${transport}, ${name}`, async () => {
        const { plainContexts = [], contexts = [] } = await logsOf(flags, transport, 'plainContexts', 'contexts');
        expect(contexts.slice().sort()).to.deep.equal(plainContexts.slice().sort());
        expect(contexts).to.include.members(['a in ours', 'b in ours', 'c in ours', 'tick in a tick']);
      });
    }

    it(`what a handler has entered is the context of what node:dgram gives it to, over ${transport}`, async () => {
      const { plainContexts = [], contexts = [] } = await logsOf([], transport, 'plainContexts', 'contexts', 'enterWith');
      expect(contexts.slice().sort()).to.deep.equal(plainContexts.slice().sort());
      expect(contexts).to.include.members(['a in ours', 'tick in a tick']);
    });

    it(`each callback of send has the context of its send, over ${transport}`, async () => {
      const storage = new AsyncLocalStorage<string>();
      const server = await listen({ ...PSK_SERVER, transport });
      const sockets = [];
      const seen: string[] = [];
      const note = (name: string) => (): void => {
        seen.push(`${name} in ${String(storage.getStore())}`);
      };
      for (const name of ['a', 'b']) {
        const socket = await dial(server, { ...PSK_CLIENT, transport });
        sockets.push(socket);
        // It waits for the handshake.
        storage.run(name, () => socket.send('x', note(name)));
      }
      await Promise.all(sockets.map((socket) => once(socket, 'secureConnect')));
      sockets.forEach((socket, i) => {
        const name = ['c', 'd'][i] ?? '';
        storage.run(name, () => socket.send('x', note(name)));
        storage.run(name, () => socket.sendMany(['x', 'y'], note(name)));
      });
      const given = createSocket({ type: 'udp4', dtls: { psk: PSK } });
      try {
        const port = server.address()?.port ?? 0;
        const give = (name: string): void => {
          given.send('x', port, '127.0.0.1', note(name));
        };
        for (const name of ['e', 'f']) storage.run(name, give, name);
        await once(given, 'secureConnection');
        for (const name of ['g', 'h']) storage.run(name, give, name);
        while (seen.length < 10) await turn();
      } finally {
        given.close();
      }
      expect(seen.sort()).to.deep.equal('a b c c d d e f g h'.split(' ').map((name) => `${name} in ${name}`));
    });

    it(`await once(socket, 'message') in a loop loses nothing, over ${transport}`, async () => {
      const { client, peer } = await openPsk({ transport }, { transport });
      peer.sendMany(['a', 'b', 'c', 'd', 'e']);
      let seen = '';
      while (seen.length < 5) {
        const [message] = (await within(once(client, 'message'), 'a message')) as [Buffer];
        seen += message.toString();
      }
      expect(seen).to.equal('abcde');
    });

    it(`await once(socket, 'secureConnect') misses no greeting, over ${transport}`, async () => {
      const server = await listen({ ...PSK_SERVER, transport });
      server.on('secureConnection', (socket) => socket.send('welcome'));
      const client = await dial(server, { ...PSK_CLIENT, transport });
      await once(client, 'secureConnect');
      const [greeting] = (await within(once(client, 'message'), 'the greeting')) as [Buffer];
      expect(greeting.toString()).to.equal('welcome');
    });

    it(`await once(server, 'secureConnection') misses no message that came with the handshake, over ${transport}`, async () => {
      const server = await listen({ ...PSK_SERVER, transport });
      const client = await dial(server, { ...PSK_CLIENT, transport });
      client.sendMany(['a', 'b']);
      const [socket] = (await once(server, 'secureConnection')) as [typeof client];
      expect((await messages(socket, 2)).map(String)).to.deep.equal(['a', 'b']);
    });

    it(`a batch for 'messages' comes before the close that came with it, over ${transport}`, async () => {
      const { client, peer } = await openPsk({ transport }, { transport });
      const events: string[] = [];
      client.on('messages', (batch) => events.push(...batch.map(String)));
      client.on('close', () => events.push('close'));
      const ended = ending(client);
      peer.sendMany(['a', 'b', 'c']);
      peer.close();
      expect(await ended).to.deep.equal(ORDERLY);
      expect(events).to.deep.equal(['a', 'b', 'c', 'close']);
    });

    it(`sessions whose messages take turns have batches of their own, in order, over ${transport}`, async () => {
      const { server, client, peer } = await openPsk({ transport }, { transport });
      const accepted = once(server, 'secureConnection');
      const second = await dial(server, { ...PSK_CLIENT, transport });
      const [secondPeer] = (await within(accepted, 'the second session')) as [typeof peer];
      const heard: [string[], string[]] = [[], []];
      peer.on('messages', (batch) => heard[0].push(...batch.map(String)));
      secondPeer.on('messages', (batch) => heard[1].push(...batch.map(String)));
      const sent = Array.from({ length: 12 }, (_, index) => `message ${index}`);
      // Whoever waits for the callback knows that a message has left, before anything is read.
      const leaves = (socket: typeof client, message: string): Promise<unknown> =>
        new Promise((resolve) => {
          socket.send(message, resolve);
        });
      for (const message of sent) {
        await leaves(client, `${message} of one`);
        if (message !== 'message 3') await leaves(second, `${message} of two`);
      }
      const all = async (): Promise<void> => {
        while (heard.flat().length < 2 * sent.length - 1) await turn();
      };
      await within(all(), 'all messages');
      expect(heard[0]).to.deep.equal(sent.map((message) => `${message} of one`));
      expect(heard[1]).to.deep.equal(sent.map((message) => `${message} of two`).filter((message) => !message.startsWith('message 3 ')));
    });

    it(`a socket that is destroyed between two turns hears of nothing but its close, over ${transport}`, async () => {
      const { client, peer } = await openPsk({ transport }, { transport });
      const events: string[] = [];
      client.on('message', (message) => {
        events.push(message.toString());
        void Promise.resolve().then(() => client.destroy());
      });
      const ended = ending(client);
      peer.sendMany(['a', 'b', 'c']);
      expect(await ended).to.deep.equal(ORDERLY);
      expect(events).to.deep.equal(['a']);
    });

    it(`close() in a turn ends the server when its sessions have closed, over ${transport}`, async () => {
      const { server, client, peer } = await openPsk({ transport }, { transport });
      const events: string[] = [];
      peer.on('close', () => events.push('peer'));
      server.on('close', () => events.push('server'));
      peer.send('a');
      await once(client, 'message');
      client.close();
      server.close();
      await Promise.all([once(client, 'close'), once(server, 'close')]);
      expect(events).to.deep.equal(['peer', 'server']);
    });
  }

  it('what the turns of one wake-up send leaves together', async function () {
    if (!hasNativeUdp) skip(this, 'over the native socket only');
    const { server, client, peer } = await openPsk({ transport: 'native' }, { transport: 'native' });
    peer.on('message', (message) => {
      void Promise.resolve().then(() => peer.send(message));
    });
    const calls = (): number => server.stats.udp?.sendCalls ?? 0;
    await turn();
    const before = calls();
    const echoes = messages(client, 32);
    client.sendMany(Array.from({ length: 32 }, () => Buffer.alloc(100)));
    await echoes;
    expect(calls() - before).to.be.within(1, 4);
  });
});
