/**
 * Protects: that a callback of `send` comes before the `close` of its socket, also when its message was not sent, and
 * that a callback of `close` is called once, in whatever state it is given.
 */
import dgram from 'node:dgram';
import { once } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import { expect } from 'chai';
import { createServer, createSocket, type DatagramTransport, type DTLSServer, type DTLSSocket } from '../../lib/index';
import { hasNativeUdp } from '../../lib/transport/native-udp';
import { closeEverything, dial, dialTo, listen, next, openPsk, portOf, PSK, PSK_CLIENT, PSK_SERVER, within } from '../helpers/pair';
import { patience } from '../helpers/patience';
import { Wire } from '../helpers/link';

const HOST = '127.0.0.1';
const transports = hasNativeUdp ? (['native', 'dgram'] as const) : (['dgram'] as const);

const codeOf = (error: Error | null | undefined): string => (error === null || error === undefined ? 'sent' : String((error as { code?: string }).code));

/** Some turns of the event loop, in which whatever is called twice would be. */
async function settle(): Promise<void> {
  for (let i = 0; i < 5; ++i) await turn();
}

describe('callbacks and close', function () {
  this.timeout(patience(20_000));
  afterEach(closeEverything);

  for (const transport of transports) {
    const pair = (): ReturnType<typeof openPsk> => openPsk({ transport }, { transport });

    const endings: readonly [name: string, end: (socket: DTLSSocket) => void, last: readonly string[]][] = [
      ['close()', (socket) => socket.close(), ['close']],
      ['destroy()', (socket) => socket.destroy(), ['close']],
      ['destroy(error)', (socket) => socket.destroy(new Error('enough')), ['error', 'close']],
    ];
    for (const [name, end, last] of endings) {
      for (const role of ['client', 'peer'] as const) {
        it(`callbacks of what the ${role} sent before ${name} come before 'close', over ${transport}`, async () => {
          const { [role]: socket } = await pair();
          const events: string[] = [];
          socket.on('error', () => events.push('error'));
          const closed = new Promise<void>((resolve) => {
            socket.on('close', () => {
              events.push('close');
              resolve();
            });
          });
          socket.send('x', (error) => events.push(`first ${codeOf(error)}`));
          socket.sendMany(['y', 'z'], (error) => events.push(`many ${codeOf(error)}`));
          end(socket);
          await within(closed, 'close');
          await settle();
          expect(events).to.deep.equal(['first sent', 'many sent', ...last]);
        });
      }
    }

    it(`callbacks of what waited for the handshake come before 'error' and 'close', over ${transport}`, async () => {
      const server = await listen({ pskCallback: () => null, transport });
      const client = await dial(server, { ...PSK_CLIENT, transport });
      const events: string[] = [];
      client.on('error', () => events.push('error'));
      client.on('close', () => events.push('close'));
      client.send('x', (error) => events.push(codeOf(error) === 'sent' ? 'sent' : 'not sent'));
      await within(
        new Promise((resolve) => {
          client.once('close', resolve);
        }),
        'close',
      );
      expect(events).to.deep.equal(['not sent', 'error', 'close']);
      for (const closing of ['close', 'destroy'] as const) {
        const early = await dial(server, { ...PSK_CLIENT, transport });
        const seen: string[] = [];
        early.on('close', () => seen.push('close'));
        early.send('x', (error) => seen.push(codeOf(error)));
        const closed = once(early, 'close');
        early[closing]();
        await within(closed, 'close');
        expect(seen).to.deep.equal(['ERR_DTLS_NOT_OPEN', 'close']);
      }
    });

    it(`callbacks of createSocket come before 'close', over ${transport}`, async () => {
      const before = process.env.DGRAM_DTLS_TRANSPORT;
      process.env.DGRAM_DTLS_TRANSPORT = transport;
      const make = (lookup?: dgram.SocketOptions['lookup']): dgram.Socket =>
        createSocket({ type: 'udp4', dtls: { psk: PSK }, ...(lookup === undefined ? {} : { lookup }) });
      const server = make();
      try {
        server.bind(0, HOST);
        await once(server, 'listening');
        const { port } = server.address();
        const closing = async (socket: dgram.Socket): Promise<string[]> => {
          const events: string[] = [];
          socket.on('close', () => events.push('close'));
          socket.send('x', port, HOST, (error) => events.push(codeOf(error)));
          socket.send('y', port, HOST, (error) => events.push(codeOf(error)));
          const closed = once(socket, 'close');
          socket.close();
          await within(closed, 'close');
          await settle();
          return events;
        };
        const open = make();
        open.send('hello', port, HOST);
        await within(once(open, 'secureConnection'), 'secureConnection');
        expect(await closing(open)).to.deep.equal(['sent', 'sent', 'close']);
        const never = 'ERR_SOCKET_DGRAM_NOT_RUNNING';
        expect(await closing(make())).to.deep.equal([never, never, 'close']);
        // The name is never looked up.
        expect(await closing(make(() => undefined))).to.deep.equal([never, never, 'close']);
      } finally {
        server.close();
        if (before === undefined) delete process.env.DGRAM_DTLS_TRANSPORT;
        else process.env.DGRAM_DTLS_TRANSPORT = before;
      }
    });

    it(`close(callback) of a socket calls it once, in every state, over ${transport}`, async () => {
      const { server, client, peer } = await pair();
      const calls: string[] = [];
      const note = (name: string) => (): void => void calls.push(name);
      const connecting = await dial(server, { ...PSK_CLIENT, transport });
      const all = [client, peer, connecting];
      const closed = Promise.all(all.map((socket) => once(socket, 'close')));
      for (const [i, socket] of all.entries()) {
        socket.once('close', () => socket.close(note(`${i} in close`)));
        socket.close(note(`${i} first`));
        socket.close(note(`${i} second`));
        socket.destroy().close(note(`${i} destroyed`));
      }
      await within(closed, 'close');
      for (const [i, socket] of all.entries()) {
        const before = calls.length;
        expect(socket.close(note(`${i} after`))).to.equal(socket);
        expect(calls.length).to.equal(before); // never before it returns
      }
      await settle();
      expect(calls.slice().sort()).to.deep.equal(
        all.flatMap((_, i) => ['after', 'destroyed', 'first', 'in close', 'second'].map((name) => `${i} ${name}`)),
      );
    });

    it(`close(callback) of a server calls it once, in every state, over ${transport}`, async () => {
      const calls: string[] = [];
      const note = (name: string) => (error?: Error): void => {
        calls.push(`${name} ${error === undefined ? 'closed' : codeOf(error)}`);
      };
      const idle = createServer({ ...PSK_SERVER, transport });
      idle.close(note('idle'));
      const binding = createServer({ ...PSK_SERVER, transport });
      binding.listen(0, HOST);
      const bindingClosed = once(binding, 'close');
      binding.close(note('binding'));
      binding.close(note('binding again'));
      await within(bindingClosed, 'close');
      const { server, client } = await pair();
      const closed = once(server, 'close');
      // Each time that one of its sessions or its socket closes it is in another state.
      const sockets = [client, ...server.sessions];
      let during = 0;
      for (const socket of sockets) {
        socket.on('close', () => {
          server.close(note('during'));
          during += 1;
          process.nextTick(() => { process.nextTick(() => {
            server.close(note('leaving'));
          }); });
        });
      }
      server.once('close', () => server.close(note('in close')));
      server.close(note('listening'));
      server.close(note('closing'));
      await within(closed, 'close');
      expect(server.close(note('after'))).to.equal(server);
      await settle();
      expect(calls.filter((call) => call.startsWith('leaving'))).to.have.length(during);
      expect(calls.filter((call) => call.startsWith('during'))).to.have.length(during);
      const once_ = calls.filter((call) => !/^(leaving|during)/.test(call)).sort();
      expect(once_).to.deep.equal([
        'after ERR_SERVER_NOT_RUNNING',
        'binding again closed',
        'binding closed',
        'closing closed',
        'idle ERR_SERVER_NOT_RUNNING',
        'in close ERR_SERVER_NOT_RUNNING',
        'listening closed',
      ]);
    });

    it(`no callback of close says closed before the server has, over ${transport}`, async () => {
      const { server, client, peer } = await pair();
      const events: string[] = [];
      server.on('close', () => events.push('close'));
      peer.on('close', () => {
        const ask = (left: number): void => {
          server.close(() => events.push('callback'));
          if (left > 0) process.nextTick(ask, left - 1);
        };
        ask(3);
      });
      const closed = once(server, 'close');
      server.close();
      await within(closed, 'close');
      await settle();
      expect(events[0]).to.equal('close');
      expect(events).to.have.length(5);
      client.destroy();
    });

    it(`close of createSocket that has closed throws as dgram's, over ${transport}`, async () => {
      const before = process.env.DGRAM_DTLS_TRANSPORT;
      process.env.DGRAM_DTLS_TRANSPORT = transport;
      try {
        const seen = [];
        for (const socket of [dgram.createSocket('udp4'), createSocket({ type: 'udp4', dtls: { psk: PSK } })]) {
          const calls: string[] = [];
          socket.bind(0, HOST);
          await once(socket, 'listening');
          socket.close(() => calls.push('first'));
          let code = '';
          try {
            socket.close(() => calls.push('second'));
          } catch (error) {
            code = codeOf(error as Error);
          }
          await settle();
          seen.push([code, ...calls]);
        }
        expect(seen[1]).to.deep.equal(seen[0]);
        expect(seen[0]).to.deep.equal(['ERR_SOCKET_DGRAM_NOT_RUNNING', 'first', 'second']);
      } finally {
        if (before === undefined) delete process.env.DGRAM_DTLS_TRANSPORT;
        else process.env.DGRAM_DTLS_TRANSPORT = before;
      }
    });
  }

  it('a transport that never says what became of a message holds up close for a second only', async () => {
    const [ours, theirs] = Wire.pair();
    const mute: DatagramTransport = {
      start: (receiver) => {
        ours.start(receiver);
      },
      send: (datagrams, to) => ours.send(datagrams, to),
      address: () => ours.address(),
      close: (done) => {
        ours.close(done);
      },
    };
    const server: DTLSServer = createServer({ ...PSK_SERVER, transport: theirs });
    server.listen();
    await next(server, 'listening');
    const client = dialTo({ ...PSK_CLIENT, host: theirs.address().address, port: portOf(server), transport: mute });
    await next(client, 'secureConnect');
    const events: string[] = [];
    client.on('close', () => events.push('close'));
    client.send('x', (error) => events.push(codeOf(error)));
    const closed = once(client, 'close');
    client.close();
    await within(closed, 'close');
    expect(events).to.deep.equal(['ECANCELED', 'close']);
    server.close();
  });
});
