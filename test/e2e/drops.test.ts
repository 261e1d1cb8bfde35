// Protects: that whatever is dropped of what a socket gets is seen from outside. Each forged record moves one counter,
// and is told once on the channel `dgram-dtls.dropped`, whatever its type, in both roles.
import { expect } from 'chai';
import dgram from 'node:dgram';
import * as diagnostics from 'node:diagnostics_channel';
import { once } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import type { DiagnosticsEvents, DTLSSocket } from '../../lib/index';
import { HANDSHAKE, HELLO_VERIFY_REQUEST, until, writeFragment, writeRecord } from '../fault/support';
import { clientHello, cookieIn } from '../helpers/hello';
import {
  closeEverything,
  dial,
  dialTo,
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
    /** That the server asks for next. */
    readonly cookie: () => Promise<Buffer>;
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
    const cookie = async (): Promise<Buffer> => {
      const [datagram] = (await once(far, 'message')) as [Buffer];
      return cookieIn(datagram) ?? Buffer.alloc(0);
    };
    return { server, client, peer, toServer, toClient, cookie };
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

  it('moves one counter: a forged protected record while a handshake begins beside the session', async () => {
    const { server, client, peer, toServer, cookie } = await through('PSK-AES128-GCM-SHA256');
    const random = Buffer.alloc(32, 9);
    const asked = cookie();
    toServer(clientHello({ random, suite: 0x00a8 }));
    toServer(clientHello({ random, suite: 0x00a8, cookie: await asked }));
    await until(() => server.stats.sessions === 2, 'a second session');
    let sequence = 5000;
    // More than a handshake keeps of records that come before their keys.
    for (let round = 0; round < 100; ++round) {
      for (const type of [20, 21, 22, 23]) {
        const { badRecords, discardedRecords, replays, datagramsReceived } = server.stats;
        events.length = 0;
        toServer(writeRecord({ type, epoch: 1, sequence: ++sequence, body: Buffer.alloc(60, 0x11) }));
        await until(() => server.stats.datagramsReceived > datagramsReceived, 'the record');
        expect(server.stats, `${type}`).to.include({ badRecords: badRecords + 1, discardedRecords, replays });
        // The client drops what the other handshake's flight says.
        const told = (): Dropped[] => events.filter(({ socket }) => socket !== client);
        await until(() => told().length > 0, 'the event');
        expect(told().map(({ reasons }) => reasons)).to.deep.equal([{ badRecords: 1 }]);
      }
    }
    expect(peer.readyState).to.equal('open');
  });

  it('moves one counter and the channel: each HelloVerifyRequest that a client drops', async () => {
    const [raw] = (between = [dgram.createSocket('udp4')]);
    if (raw === undefined) throw new Error('no socket');
    raw.bind(0, '127.0.0.1');
    await once(raw, 'listening');
    const client = dialTo({
      ...PSK_CLIENT,
      host: '127.0.0.1',
      port: raw.address().port,
      retransmission: { initial: 60_000 },
    });
    client.on('error', () => undefined);
    const [, { port }] = (await once(raw, 'message')) as [Buffer, dgram.RemoteInfo];
    const request = (messageSequence: number, body: Buffer, messageLength = body.length): Buffer => {
      const fragment = writeFragment({ type: HELLO_VERIFY_REQUEST, messageSequence, messageLength, offset: 0, body });
      return writeRecord({ type: HANDSHAKE, epoch: 0, sequence: messageSequence, body: fragment });
    };
    const asking = (cookie: Buffer): Buffer => Buffer.concat([Buffer.from([0xfe, 0xff, cookie.length]), cookie]);
    const dropped = async (datagram: Buffer, what: string, expected = 1): Promise<void> => {
      const before = client.stats;
      events.length = 0;
      raw.send(datagram, port, '127.0.0.1');
      await until(() => client.stats.datagramsReceived > before.datagramsReceived, what);
      await setTimeout(5);
      expect(client.stats.discardedRecords - before.discardedRecords, what).to.equal(expected);
      expect(events.map(({ reasons }) => reasons), what).to.deep.equal(
        expected === 0 ? [] : [{ discardedRecords: 1 }],
      );
    };
    await dropped(request(3, asking(Buffer.alloc(20, 1))), 'one that answers no hello');
    await dropped(request(0, Buffer.from([0xfe, 0xff, 0])), 'one without a cookie');
    await dropped(request(0, Buffer.from([0xfe, 0xff, 9, 1])), 'one whose cookie is cut');
    await dropped(request(0, asking(Buffer.alloc(20, 1)), 99), 'a part of one');
    for (let cookie = 0; cookie < 8; ++cookie) {
      await dropped(request(0, asking(Buffer.alloc(20, cookie))), 'one that is answered', 0);
      await dropped(request(0, asking(Buffer.alloc(20, cookie))), 'the same again', 0);
    }
    for (let cookie = 8; cookie < 8 + 32; ++cookie) {
      await dropped(request(0, asking(Buffer.alloc(20, cookie))), 'one that waits for the timer', 0);
    }
    await dropped(request(0, asking(Buffer.alloc(20, 99))), 'one for which there is no room');
  });
});
