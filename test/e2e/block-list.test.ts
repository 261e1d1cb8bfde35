// Protects: a server's `blockList` is checked for the peer's address before anything else is spent on a datagram, over
// both transports and one of the user's, and counts as a reason for a drop.
import { expect } from 'chai';
import dgram from 'node:dgram';
import * as diagnostics from 'node:diagnostics_channel';
import { once } from 'node:events';
import { BlockList } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import type { DiagnosticsEvents, DTLSServer } from '../../lib/index';
import { run } from '../helpers/child';
import { Link } from '../helpers/link';
import { closeEverything, dialTo, failure, listen, messages, next, portOf, PSK_CLIENT, PSK_SERVER } from '../helpers/pair';
import { patience } from '../helpers/patience';
import { skipWhereNodeAborts } from '../helpers/workers';

const QUICK = { handshakeTimeout: 300, retransmission: { initial: 50, max: 50 } };

const blocking = (...addresses: string[]): BlockList => {
  const list = new BlockList();
  for (const address of addresses) list.addAddress(address, address.includes(':') ? 'ipv6' : 'ipv4');
  return list;
};

const transports: readonly ('native' | 'dgram')[] = process.platform === 'linux' ? ['native', 'dgram'] : ['dgram'];

for (const transport of transports) {
  describe(`blockList over ${transport}`, function () {
    // Other systems have only one address on loopback.
    if (process.platform !== 'linux') return;
    afterEach(closeEverything);

    const client = (server: DTLSServer, localAddress: string, host = '127.0.0.1'): ReturnType<typeof dialTo> =>
      dialTo({ host, port: portOf(server), localAddress, transport, ...PSK_CLIENT, ...QUICK });

    it('a peer on it gets no answer, and costs nothing but a counter; others are served', async () => {
      const server = await listen({ ...PSK_SERVER, transport, blockList: blocking('127.0.0.2') });
      expect((await failure(client(server, '127.0.0.2'))).code).to.equal('ERR_DTLS_NO_RESPONSE');
      expect(server.stats.blockedDatagrams).to.be.above(1);
      expect(server.stats.datagramsReceived).to.equal(server.stats.blockedDatagrams);
      expect(server.stats).to.include({ cookiesSent: 0, handshakesStarted: 0, datagramsSent: 0 });
      await next(client(server, '127.0.0.3'), 'secureConnect');
    });

    it('whoever is put on it is not heard any more, in an open session either, until it is taken off', async () => {
      const blockList = new BlockList();
      const server = await listen({ ...PSK_SERVER, transport, blockList });
      const accepted = next(server, 'secureConnection');
      const one = client(server, '127.0.0.2');
      await next(one, 'secureConnect');
      const [peer] = await accepted;
      const first = messages(peer, 1);
      one.send('heard');
      expect((await first).toString()).to.equal('heard');
      blockList.addSubnet('127.0.0.2', 32);
      peer.on('message', () => {
        throw new Error('it was heard');
      });
      one.send('not heard');
      const deadline = Date.now() + patience(2000);
      while (server.stats.blockedDatagrams === 0 && Date.now() < deadline) await setTimeout(1);
      expect(server.stats.blockedDatagrams).to.equal(1);
    });

    it('an IPv4 subnet is on it for a socket of both families, too', async () => {
      const blockList = new BlockList();
      blockList.addSubnet('127.0.0.0', 30);
      const server = await listen({ ...PSK_SERVER, transport, blockList }, '::');
      expect((await failure(client(server, '127.0.0.2'))).code).to.equal('ERR_DTLS_NO_RESPONSE');
      await next(client(server, '127.0.0.5'), 'secureConnect');
      await next(client(server, '::1', '::1'), 'secureConnect');
    });

    it('is a reason of the channel dgram-dtls.dropped, whatever the datagram is', async () => {
      const server = await listen({ ...PSK_SERVER, transport, blockList: blocking('127.0.0.2') });
      let packets = 0;
      server.on('packet', () => (packets += 1));
      const events: DiagnosticsEvents['dgram-dtls.dropped'][] = [];
      const listener = (event: unknown): void => void events.push(event as (typeof events)[0]);
      diagnostics.subscribe('dgram-dtls.dropped', listener);
      const stranger = dgram.createSocket('udp4');
      stranger.bind(0, '127.0.0.2');
      await once(stranger, 'listening');
      const sent = [Buffer.alloc(0), Buffer.from([0, 1]), Buffer.alloc(60, 0x16), Buffer.alloc(9, 0x80)];
      for (const datagram of sent) {
        stranger.send(datagram, portOf(server), '127.0.0.1');
        const deadline = Date.now() + patience(2000);
        const before = events.length;
        while (events.length === before && Date.now() < deadline) await setTimeout(1);
      }
      diagnostics.unsubscribe('dgram-dtls.dropped', listener);
      const { port } = stranger.address();
      stranger.close();
      expect(events).to.deep.equal(
        sent.map(({ length }) => ({
          socket: undefined,
          peer: { address: '127.0.0.2', port, family: 'IPv4' },
          length,
          reasons: { blockedDatagrams: 1 },
        })),
      );
      expect(packets).to.equal(0);
    });

    it('no code of the user runs for a datagram, though a subclass has its own check', async () => {
      class Own extends BlockList {
        override check(): boolean {
          throw new Error('it was called');
        }
      }
      const blockList = new Own();
      blockList.addAddress('127.0.0.2');
      const server = await listen({ ...PSK_SERVER, transport, blockList });
      expect((await failure(client(server, '127.0.0.2'))).code).to.equal('ERR_DTLS_NO_RESPONSE');
      await next(client(server, '127.0.0.3'), 'secureConnect');
    });
  });
}

for (const transport of transports) {
  describe(`code of the user's where a socket asks while it receives, over ${transport}`, function () {
    this.timeout(patience(45_000));

    // Node's own functions are asked as they were, and so is an emitter that counts its listeners in its own way.
    for (const place of ['isIP', 'check', 'split', 'listenerCount', 'socket']) {
      it(`is not called, by ${place}`, async () => {
        const { stdout, stderr } = await run('in-the-way.ts', [place, 'throw', transport]);
        expect(JSON.parse(stdout || '{}'), stderr).to.deep.equal({ ran: false, uncaught: [], lived: true });
      });
    }

    // What JavaScript itself calls cannot be kept out.
    for (const place of ['proxy', 'hasSubscribers']) {
      for (const act of ['close', 'throw']) {
        it(`does no harm by ${place} when it is to ${act}`, async () => {
          const { stdout, stderr } = await run('in-the-way.ts', [place, act, transport]);
          const uncaught = act === 'throw' ? ['on purpose'] : [];
          expect(JSON.parse(stdout || '{}'), stderr).to.deep.equal({ ran: true, uncaught, lived: true });
        });
      }
    }

    it('a worker that is terminated while its block list is asked takes no other along', async function () {
      skipWhereNodeAborts(this, transport);
      const { code, signal, stdout, stderr } = await run('terminated-server.ts', [transport, '5'], [], {
        milliseconds: patience(40_000),
      });
      expect({ code, signal, stdout }, stderr).to.deep.equal({ code: 0, signal: null, stdout: 'ended 5' });
    });
  });
}

describe('blockList over a transport of the user', () => {
  afterEach(closeEverything);

  it('is asked about its peers, and lets those be that are no addresses', async () => {
    const link = await Link.bound();
    const server = await listen({ ...PSK_SERVER, transport: link, blockList: blocking('fe80::1', '192.0.2.7') });
    const datagram = Buffer.from('1602fefd', 'hex');
    for (const address of ['fe80::1%eth0', '::ffff:192.0.2.7', '192.0.2.7', '192.0.2.8', 'fe80::2%eth0', 'a name']) {
      link.receiver.receive(datagram, { address, port: 1, family: address.includes(':') ? 'IPv6' : 'IPv4' });
    }
    expect(server.stats).to.include({ blockedDatagrams: 3, malformedDatagrams: 3, datagramsReceived: 6 });
  });
});
