/**
 * Protects: that what has no bytes is delivered as anything else, and harms nobody: an authentic record without content
 * is a message on each OpenSSL, is counted as one and keeps the session from being idle; and each such message or
 * packet is a Buffer of its own.
 */
import { createSocket } from 'node:dgram';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import type { ConnectOptions, DTLSSocket, ServerOptions } from '../../lib/index';
import { Link, peerOf } from '../../lib/lab/index';
import { closeEverything, dial, listen, messages, next, portOf, PSK_CLIENT, PSK_SERVER, within } from '../helpers/pair';
import { Sealer } from '../helpers/seal';

const APPLICATION_DATA = 23;
const NOTHING = Buffer.alloc(0);
const here = peerOf('10.0.0.1', 5684);
const there = peerOf('10.0.0.2', 40000);

interface Wired {
  readonly receiver: DTLSSocket;
  /** A record of the other end's. */
  readonly inject: (plaintext: Buffer) => void;
}

/** `options`: of the end that receives. */
async function wired(side: 'client' | 'server', options: ServerOptions & Partial<ConnectOptions> = {}): Promise<Wired> {
  const link = new Link('empty');
  const suite = { ciphers: 'PSK-AES128-GCM-SHA256' };
  const [servers, clients] = side === 'server' ? [options, {}] : [{}, options];
  const server = await listen({ ...PSK_SERVER, ...suite, ...servers, transport: link.attach(here.address, here.port) });
  const sealer = new Sealer(link, server);
  const accepted = next(server, 'secureConnection');
  const transport = link.attach(there.address, there.port);
  const client = await dial(server, { ...PSK_CLIENT, ...suite, ...clients, host: here.address, port: here.port, transport });
  const [[peer]] = await Promise.all([accepted, next(client, 'secureConnect')]);
  const from = side === 'server' ? 'client' : 'server';
  const [sender, to] = side === 'server' ? [there, here] : [here, there];
  const inject = (plaintext: Buffer): void => {
    sealer.inject(from, APPLICATION_DATA, plaintext, sender, to);
  };
  return { receiver: side === 'server' ? peer : client, inject };
}

for (const side of ['client', 'server'] as const) {
  describe(`an empty record of a ${side}'s peer`, () => {
    afterEach(closeEverything);

    it('is a message, and counted as one', async () => {
      const { receiver, inject } = await wired(side);
      const { messagesReceived, badRecords, replays } = receiver.stats;
      const arrived = messages(receiver, 3);
      inject(NOTHING);
      inject(NOTHING);
      inject(Buffer.from('after'));
      expect((await arrived).map(String)).to.deep.equal(['', '', 'after']);
      expect(receiver.stats).to.include({ messagesReceived: messagesReceived + 3, badRecords, replays });
    });

    it('keeps the session from being idle', async () => {
      const { receiver, inject } = await wired(side, { idleTimeout: 400 });
      for (let i = 0; i < 6; ++i) {
        inject(NOTHING);
        await delay(100);
      }
      expect(receiver.readyState).to.equal('open');
    });

    it('is a Buffer of its own: properties and transfers of one are nothing to another', async () => {
      const { receiver, inject } = await wired(side);
      const arrived = messages(receiver, 2);
      inject(NOTHING);
      inject(NOTHING);
      const [one, other] = (await arrived) as [Buffer, Buffer];
      expect(one).not.to.equal(other);
      structuredClone(one, { transfer: [one.buffer as ArrayBuffer] });
      expect(Buffer.concat([other, Buffer.from('x')]).toString()).to.equal('x');
      expect(structuredClone(other).length).to.equal(0);
    });

    it('is delivered after the memory of a borrowed message was taken away', async () => {
      const { receiver, inject } = await wired(side, { borrowMessages: true });
      const lengths: number[] = [];
      let refused = '';
      receiver.on('message', (message) => {
        lengths.push(message.length);
        if (message.length === 0) return;
        try {
          (message.buffer as { transfer?: () => ArrayBuffer }).transfer?.();
        } catch (error) {
          refused = (error as Error).name;
        }
      });
      inject(Buffer.from('hello'));
      await next(receiver, 'message');
      const empty = next(receiver, 'message');
      inject(NOTHING);
      await empty;
      const after = next(receiver, 'message');
      inject(Buffer.from('after'));
      await after;
      expect(lengths).to.deep.equal([5, 0, 5]);
      expect(refused).to.be.oneOf(['', 'TypeError']); // refused from Node 24 on
    });
  });
}

for (const transport of ['auto', 'dgram'] as const) {
  describe(`an empty datagram, transport '${transport}'`, () => {
    afterEach(closeEverything);

    it('is a packet, and a Buffer of its own', async () => {
      const server = await listen({ ...PSK_SERVER, ...(transport === 'auto' ? {} : { transport }) });
      const seen: Buffer[] = [];
      const both = new Promise<void>((resolve) => {
        server.on('packet', (packet) => {
          seen.push(packet);
          structuredClone(packet, { transfer: [packet.buffer] });
          if (seen.length === 2) resolve();
        });
      });
      const socket = createSocket('udp4');
      try {
        socket.send('', portOf(server), '127.0.0.1');
        socket.send('', portOf(server), '127.0.0.1');
        await within(both, 'both packets');
      } finally {
        socket.close();
      }
      expect(seen[0]).not.to.equal(seen[1]);
    });
  });
}
