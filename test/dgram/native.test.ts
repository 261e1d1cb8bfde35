/**
 * Protects: that createSocket's sockets use the native UDP socket where there is one, and remain dgram
 * sockets by it: what is no DTLS still arrives as a packet, what waits is told, the port is free when it
 * says so, the process may end, and every callback is called when a socket closes under load.
 */
import { expect } from 'chai';
import dgram from 'node:dgram';
import { once } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import { features } from '../../lib/index';
import { run } from '../helpers/child';
import { within } from '../helpers/pair';
import { skip } from '../helpers/peers';
import { bound, closeSockets, PSK, received, secure, sent, track } from './support';

const overNative = process.platform === 'linux' && process.env.DGRAM_DTLS_TRANSPORT !== 'dgram';

describe('createSocket: the socket below', () => {
  afterEach(closeSockets);

  it('is the native one on Linux, and its counters are there', async () => {
    const server = await bound(secure());
    const client = await bound(secure());
    await sent(client, 'hello', server);
    for (const { stats } of [server, client]) {
      expect(stats.udp !== undefined, 'has counters of it').to.equal(overNative);
      if (stats.udp === undefined) continue;
      expect(stats.udp.receiveCalls).to.be.greaterThan(0);
      expect(stats.udp.gro).to.equal(features.gro);
    }
  });

  for (const role of ['client', 'both'] as const) {
    it(`what is no DTLS is a packet for a socket of role '${role}', and says from whom`, async () => {
      const socket = await bound(secure({ ...PSK, role }));
      const stranger = await bound(track(dgram.createSocket('udp4')));
      const arrival = once(socket, 'packet');
      stranger.send('\u0000\u0001 as STUN begins', socket.address().port, '127.0.0.1');
      const [packet, info] = (await within(arrival, 'packet')) as [Buffer, dgram.RemoteInfo];
      expect(packet.toString()).to.equal('\u0000\u0001 as STUN begins');
      expect(info).to.include({ port: stranger.address().port, family: 'IPv4', size: packet.length });
    });
  }

  it('moves bursts of every size in order, nothing lost and nothing merged', async () => {
    const server = await bound(secure());
    const client = await bound(secure());
    server.setRecvBufferSize(4 << 20);
    const first = received(server);
    await sent(client, 'first', server);
    await first;
    const { port } = server.address();
    const sizes = Array.from({ length: 300 }, (_, i) => 4 + ((i * 37) % 1200));
    const seen: number[] = [];
    const all = new Promise<void>((resolve) => {
      server.on('message', (message: Buffer) => {
        const index = message.readUInt32BE();
        expect(message.length).to.equal(sizes[index]);
        if (seen.push(index) === sizes.length) resolve();
      });
    });
    for (const [index, size] of sizes.entries()) {
      const message = Buffer.alloc(size);
      message.writeUInt32BE(index);
      client.send(message, port, '127.0.0.1');
      // A few at a time: the kernel's buffer for a socket may be small.
      if (index % 50 === 49) await turn();
    }
    await within(all, 'all of them');
    expect(seen).to.deep.equal(sizes.map((_, index) => index));
  });

  it('counts what waits in its queue', async () => {
    const server = await bound(secure());
    const client = await bound(secure());
    await sent(client, 'first', server);
    const callback = within(
      new Promise((resolve) => {
        client.send('waits for the end of the tick', server.address().port, '127.0.0.1', resolve);
      }),
      'the callback',
    );
    if (overNative) {
      expect(client.getSendQueueCount()).to.equal(1);
      expect(client.getSendQueueSize()).to.be.greaterThan(29);
    }
    await callback;
    expect([client.getSendQueueCount(), client.getSendQueueSize()]).to.deep.equal([0, 0]);
  });

  it('calls every callback when it closes under load', async () => {
    const server = await bound(secure());
    const client = await bound(secure());
    await sent(client, 'first', server);
    let called = 0;
    const COUNT = 500;
    const all = new Promise<void>((resolve) => {
      for (let i = 0; i < COUNT; ++i) {
        client.send(Buffer.alloc(1000), server.address().port, '127.0.0.1', () => {
          if (++called === COUNT) resolve();
        });
      }
    });
    client.close();
    await within(all, 'every callback');
  });

  it('frees its port at once, and a session over the new socket works', async () => {
    const server = await bound(secure());
    server.on('message', (message, info) => {
      server.send(message, info.port, info.address);
    });
    let socket = await bound(secure());
    const { port } = socket.address();
    for (let i = 0; i < 5; ++i) {
      const answer = received(socket);
      await sent(socket, String(i), server);
      expect((await answer).text).to.equal(String(i));
      socket.close();
      socket = await bound(secure(), port);
    }
  });

  it('goes on over dgram where the process has no second descriptor for it', async function () {
    this.timeout(60_000);
    if (process.platform === 'win32') skip(this, 'Windows has no limit of descriptors');
    const { code, stdout, stderr } = await run('no-descriptor.ts', [], [], { descriptors: 256 });
    expect(stdout, stderr).to.not.equal('');
    expect(JSON.parse(stdout)).to.deep.equal({ native: [false, false], heard: 're: hello' });
    expect(code).to.equal(0);
  });

  it('unref lets the process end, ref holds it', async function () {
    this.timeout(60_000);
    const [free, held] = await Promise.all([run('dgram-ref.ts'), run('dgram-ref.ts', ['ref'])]);
    expect(free).to.include({ code: 0, stdout: 'bound' });
    expect(held).to.include({ code: 0, stdout: 'bound, held' });
  });
});
