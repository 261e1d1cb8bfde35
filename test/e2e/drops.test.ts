// Protects: that whatever is dropped of what a socket gets is seen from outside. Each forged record moves one counter,
// and is told once on the channel `dgram-dtls.dropped`, whatever its type, in both roles.
import { expect } from 'chai';
import dgram from 'node:dgram';
import * as diagnostics from 'node:diagnostics_channel';
import { once } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import type { DiagnosticsEvents, DTLSSocket } from '../../lib/index';
import { writeRecord } from '../fault/support';
import {
  closeEverything,
  dial,
  listen,
  messages,
  next,
  portOf,
  PSK_CLIENT,
  PSK_SERVER,
  type Pair,
} from '../helpers/pair';
import { patience } from '../helpers/patience';

type Dropped = DiagnosticsEvents['dgram-dtls.dropped'];

const KINDS = [
  ['forged', 1, 60],
  ['too short for its suite', 1, 5],
  ['empty', 1, 0],
  ['of a later epoch', 2, 60],
  ['in clear', 0, 60],
] as const;

describe('what is dropped', () => {
  const events: Dropped[] = [];
  const listener = (event: unknown): void => {
    events.push(event as Dropped);
  };
  let between: dgram.Socket[] = [];

  interface Between extends Pair {
    readonly toServer: (datagram: Buffer) => void;
    readonly toClient: (datagram: Buffer) => void;
  }

  /** A session whose datagrams pass through here, so that more can be sent to either side in its peer's name. */
  async function through(ciphers: string): Promise<Between> {
    const server = await listen({ ...PSK_SERVER, ciphers });
    const [near, far] = (between = [dgram.createSocket('udp4'), dgram.createSocket('udp4')]);
    if (near === undefined || far === undefined) throw new Error('no sockets');
    for (const socket of between) {
      socket.bind(0, '127.0.0.1');
      await once(socket, 'listening');
    }
    const toServer = (datagram: Buffer): void => {
      far.send(datagram, portOf(server), '127.0.0.1');
    };
    let clientPort = 0;
    const toClient = (datagram: Buffer): void => {
      near.send(datagram, clientPort, '127.0.0.1');
    };
    near.on('message', (datagram, { port }) => {
      clientPort = port;
      toServer(datagram);
    });
    far.on('message', toClient);
    const accepted = next(server, 'secureConnection');
    const client = await dial(server, { ...PSK_CLIENT, ciphers, port: near.address().port });
    const connected = next(client, 'secureConnect');
    const [[peer]] = await Promise.all([accepted, connected]);
    return { server, client, peer, toServer, toClient };
  }

  const dropsOf = ({ stats }: DTLSSocket): number =>
    stats.badRecords + stats.discardedRecords + stats.replays + stats.heartbeatsDiscarded;

  beforeEach(() => {
    events.length = 0;
    diagnostics.subscribe('dgram-dtls.dropped', listener);
  });

  afterEach(async () => {
    diagnostics.unsubscribe('dgram-dtls.dropped', listener);
    await closeEverything();
    for (const socket of between) socket.close();
    between = [];
  });

  for (const ciphers of ['PSK-AES128-GCM-SHA256', 'PSK-AES128-CBC-SHA256']) {
    it(`moves one counter and the channel: forged records of types 20, 21, 22 and all others, ${ciphers}`, async () => {
      const { client, peer, toServer, toClient } = await through(ciphers);
      for (const [receiver, send] of [
        [peer, toServer],
        [client, toClient],
      ] as const) {
        let sequence = 1000;
        for (const type of [20, 21, 22, 23, 24, 25, 63]) {
          for (const [kind, epoch, length] of KINDS) {
            const what = `${kind}, type ${type}`;
            const before = dropsOf(receiver);
            const heard = receiver.stats.datagramsReceived;
            events.length = 0;
            send(writeRecord({ type, epoch, sequence: ++sequence, body: Buffer.alloc(length, 0x11) }));
            const deadline = Date.now() + patience(2000);
            while (receiver.stats.datagramsReceived === heard && Date.now() < deadline) await setTimeout(1);
            while (events.length === 0 && Date.now() < deadline) await setTimeout(1);
            expect(dropsOf(receiver) - before, what).to.equal(1);
            expect(events.map(({ socket, reasons }) => ({ socket: socket === receiver, reasons })), what).to.deep.equal([
              { socket: true, reasons: { [epoch === 1 && type < 24 ? 'badRecords' : 'discardedRecords']: 1 } },
            ]);
          }
        }
        expect(receiver.readyState).to.equal('open');
      }
      const arrived = messages(peer, 1);
      client.send('alive');
      expect((await arrived).toString()).to.equal('alive');
    });
  }
});
