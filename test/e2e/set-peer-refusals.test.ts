// Protects: what setPeer refuses, by a typed error that says what to do, and that the session then goes on as it was: what is
// no address, or none that the socket reaches, or is another session's; limits for a host and block lists hold for the new
// address; and that a session that is not there yet, or ends, does not move. And what those who watch are told.
import { expect } from 'chai';
import diagnostics from 'node:diagnostics_channel';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { BlockList } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ConnectOptions, DiagnosticsEvents, DTLSSocket, Peer, ServerOptions } from '../../lib/index';
import { hasNativeUdp } from '../../lib/transport/native-udp';
import { HalfOpen } from '../helpers/hello';
import { closeStrangers, packets, stranger, stun } from '../helpers/packets';
import { closeEverything, dial, dialTo, listen, messages, next, openOn, openPsk, portOf, PSK_CLIENT, PSK_SERVER, withCertificate } from '../helpers/pair';
import { closePaths, Path } from '../helpers/paths';
import { thrown } from '../helpers/thrown';

const TRANSPORTS = (['native', 'dgram'] as const).filter((transport) => transport === 'dgram' || hasNativeUdp);

/** The session is where it was, and works. */
async function goesOn(client: DTLSSocket, peer: DTLSSocket): Promise<void> {
  const both = Promise.all([messages(peer, 1), messages(client, 1)]);
  client.send('up');
  peer.send('down');
  expect((await both).map(String)).to.deep.equal(['up', 'down']);
}

function notOpen(socket: DTLSSocket): void {
  const error = thrown(() => socket.setPeer('127.0.0.1', 5000));
  expect(error.code).to.equal('ERR_DTLS_NOT_OPEN');
  // Within the handshake it can be called.
  expect(error.hint).to.include('looked up').and.not.include('secureConnect');
}

/** Of the socket on that port, as Linux tells it. */
function connectedTo(localPort: number | undefined): number | undefined {
  const sockets = readFileSync('/proc/net/udp', 'utf8').split('\n').slice(1).map((line) => line.trim().split(/\s+/));
  const portIn = (address = ''): number => Number.parseInt(address.split(':')[1] ?? '', 16);
  const found = sockets.find(([, local]) => portIn(local) === localPort);
  return found && portIn(found[2]);
}

for (const transport of TRANSPORTS) {
  describe(`what setPeer refuses, transport '${transport}'`, () => {
    afterEach(async () => {
      closePaths();
      closeStrangers();
      await closeEverything();
    });
    const open = (server: ServerOptions = {}, client: Partial<ConnectOptions> = {}) =>
      openPsk({ transport, ...server }, { transport, ...client });

    it('what is no address, or no port, of which the session hears nothing', async () => {
      const { client, peer } = await open();
      const before = [client.remotePeer, peer.remotePeer];
      for (const socket of [client, peer]) {
        const refusal = (...args: unknown[]) => thrown(() => (socket.setPeer as (...all: unknown[]) => unknown)(...args));
        for (const name of ['localhost', 'device.example', 'ice:abcd', '', '127.0.0.1:5000', '[::1]']) {
          const error = refusal(name, 5000);
          expect([error.code, error.category], name).to.deep.equal(['ERR_INVALID_IP_ADDRESS', 'usage']);
          expect(error.hint).to.include('lookup');
        }
        for (const port of [0, -1, 65536, 1.5, undefined, 'x', null]) expect(refusal('127.0.0.1', port).code, String(port)).to.equal('ERR_SOCKET_BAD_PORT');
        for (const address of [undefined, null, 5, {}]) expect(refusal(address, 5000).code).to.equal('ERR_INVALID_ARG_TYPE');
        expect(refusal(socket.remotePeer).hint).to.include('setPeer(peer.address, peer.port)');
        expect(refusal('127.0.0.1', 5000, 'x').code).to.equal('ERR_INVALID_ARG_VALUE');
      }
      expect([client.remotePeer, peer.remotePeer]).to.deep.equal(before);
      await goesOn(client, peer);
    });

    it('an address of the other family, and the socket\u2019s own', async () => {
      const { server, client, peer } = await open();
      for (const socket of [client, peer]) {
        const error = thrown(() => socket.setPeer('::1', 5000));
        expect([error.code, error.category]).to.deep.equal(['EINVAL', 'io']);
        expect(error.hint).to.include('udp4');
        expect(error.hint).to.include("listens on '::'");
        expect(error.peer).to.deep.equal({ address: '::1', port: 5000, family: 'IPv6' });
      }
      expect(thrown(() => client.setPeer('127.0.0.1', client.localPort ?? 0)).code).to.equal('ERR_DTLS_NO_SESSION');
      expect(thrown(() => peer.setPeer('127.0.0.1', portOf(server))).code).to.equal('ERR_DTLS_NO_SESSION');
      await goesOn(client, peer);
    });

    it('takes an IPv4 address on a socket for both versions of IP, in the form in which events have it', async () => {
      const server = await listen({ ...PSK_SERVER, transport }, '::');
      const ways = [await Path.to(portOf(server)), await Path.to(portOf(server))] as const;
      const accepted = next(server, 'secureConnection');
      const client = dialTo({ host: '127.0.0.1', port: ways[0].server.port, ...PSK_CLIENT, transport });
      const [[peer]] = await Promise.all([accepted, next(client, 'secureConnect')]);
      expect(peer.remoteAddress).to.equal('::ffff:127.0.0.1');
      for (const form of ['127.0.0.1', '::FFFF:127.0.0.1']) {
        const way = form === '127.0.0.1' ? ways[1] : ways[0];
        way.clientPort = client.localPort;
        peer.setPeer(form, way.client.port);
        client.setPeer('127.0.0.1', way.server.port);
        expect(peer.remotePeer).to.deep.equal({ address: '::ffff:127.0.0.1', port: way.client.port, family: 'IPv6' });
        await goesOn(client, peer);
      }
    });

    it('an address that another session has', async () => {
      const { server, client, peer } = await open();
      const second = await openOn(server, { ...PSK_CLIENT, transport });
      const error = thrown(() => peer.setPeer('127.0.0.1', second.client.localPort ?? 0));
      expect([error.code, error.category]).to.deep.equal(['ERR_DTLS_PEER_IN_USE', 'usage']);
      expect(error.peer).to.deep.equal(second.peer.remotePeer);
      expect(error.hint).to.include('close the other one');
      await goesOn(client, peer);
      await goesOn(second.client, second.peer);
      // When that one has gone, nothing is in the way.
      const gone = next(second.peer, 'close');
      const free = second.client.localPort ?? 0;
      second.client.close();
      await gone;
      peer.setPeer('127.0.0.1', free);
      expect(peer.remotePort).to.equal(free);
    });

    it('before there is a session, when it ends, and after', async () => {
      const { client, peer } = await open();
      const early = dialTo({ host: 'localhost', port: 5000, ...PSK_CLIENT, transport, lookup: () => undefined });
      notOpen(early);
      const closed = Promise.all([next(client, 'close'), next(peer, 'close')]);
      client.close();
      notOpen(client);
      await closed;
      notOpen(client);
      notOpen(peer);
    });

    it('an address on the block list of the server, as it is at the moment', async () => {
      const blockList = new BlockList();
      const { client, peer } = await open({ blockList });
      blockList.addAddress('127.0.0.8');
      const error = thrown(() => peer.setPeer('127.0.0.8', 5000));
      expect([error.code, error.category]).to.deep.equal(['ERR_IP_BLOCKED', 'usage']);
      expect(error.hint).to.include('block list');
      await goesOn(client, peer);
    });

    it('a host that has as many sessions as it may; the old one has one less', async () => {
      const server = await listen({ ...PSK_SERVER, transport, maxSessionsPerHost: 2 }, '0.0.0.0');
      const pairs = [];
      for (const localAddress of ['127.0.0.1', '127.0.0.1', '127.0.0.2']) pairs.push(await openOn(server, { ...PSK_CLIENT, transport, localAddress }));
      const [first, , third] = pairs;
      if (first === undefined || third === undefined) throw new Error('three');
      const error = thrown(() => third.peer.setPeer('127.0.0.1', 5000));
      expect([error.code, error.category]).to.deep.equal(['ERR_DTLS_TOO_MANY_SESSIONS', 'usage']);
      expect(error.hint).to.include('maxSessionsPerHost');
      await goesOn(third.client, third.peer);
      first.peer.setPeer('127.0.0.2', 5000); // there is room for one more
      third.peer.setPeer('127.0.0.1', 5001); // and now here
      expect(thrown(() => first.peer.setPeer('127.0.0.1', 5002)).code).to.equal('ERR_DTLS_TOO_MANY_SESSIONS');
      first.peer.setPeer('127.0.0.2', 5003); // among its own
    });

    it('a host that has more sessions than it may: nobody\u2019s handshake has ended for that', async () => {
      const socket = await stranger();
      const server = await listen(await withCertificate({ transport: socket, maxSessionsPerHost: 1 }));
      const { client, peer } = await openOn(server, { transport });
      const begun = next(server, 'connection');
      const half = await HalfOpen.begin('127.0.0.2', portOf(server));
      try {
        const [pending] = await begun;
        // Sessions that this side begins have no limit.
        const silent = await stranger('udp4', '127.0.0.2');
        const dialled = once(silent, 'message');
        dialTo({ host: '127.0.0.2', port: silent.address().port, ...PSK_CLIENT, transport: socket });
        await dialled;
        const error = thrown(() => peer.setPeer('127.0.0.2', half.socket.address().port));
        expect(error.code).to.equal('ERR_DTLS_TOO_MANY_SESSIONS');
        expect(server.stats).to.include({ handshakesFailed: 0, handshakesDisplaced: 0 });
        expect(pending.readyState).to.equal('opening');
        await goesOn(client, peer);
      } finally {
        half.socket.close();
      }
    });

    it('nothing of a limit that is for others: a client of many', async () => {
      const server = await listen({ ...PSK_SERVER, transport, maxSessionsPerHost: 1 });
      const client = await dial(server, { ...PSK_CLIENT, transport });
      await next(client, 'secureConnect');
      client.setPeer('127.0.0.1', 5000);
      expect(client.remotePort).to.equal(5000);
    });

    if (process.platform === 'linux' && transport === 'native') it('when the session has ended and nobody has been told yet: its socket stays, too', async () => {
      const { server, client, peer } = await open();
      const last = next(client, 'message');
      client.once('message', () => {
        notOpen(client);
        expect(connectedTo(client.localPort)).to.equal(portOf(server));
      });
      peer.send('the last one');
      peer.close(); // with it, in one wake-up
      await last;
      await next(client, 'close');
    });

    if (process.platform === 'linux') it('what the system refuses: the session is where it was', async () => {
      const { client, peer } = await open();
      const error = thrown(() => client.setPeer('255.255.255.255', 5000)); // a socket that may not broadcast
      expect([error.code, error.category]).to.deep.equal(['EACCES', 'io']);
      await goesOn(client, peer);
    });
  });
}

describe('what those who watch hear of setPeer', () => {
  afterEach(async () => {
    closePaths();
    closeStrangers();
    await closeEverything();
  });

  it('is an event of the channel, when the call has returned, and a line of the log', async () => {
    const qlogDir = mkdtempSync(join(tmpdir(), 'dgram-dtls-move-'));
    const seen: DiagnosticsEvents['dgram-dtls.session.move'][] = [];
    const on = (event: unknown): void => { seen.push(event as DiagnosticsEvents['dgram-dtls.session.move']); };
    diagnostics.subscribe('dgram-dtls.session.move', on);
    try {
      const { client, peer } = await openPsk({ qlogDir });
      const from = peer.remotePeer;
      peer.setPeer('127.0.0.1', 5000);
      peer.setPeer('127.0.0.1', 5000);
      expect(seen).to.deep.equal([]);
      await new Promise((resolve) => { setImmediate(resolve); });
      const to: Peer = { address: '127.0.0.1', port: 5000, family: 'IPv4' };
      expect(seen).to.have.length(1);
      expect(seen[0]).to.deep.include({ from, peer: to });
      expect(seen[0]?.socket).to.equal(peer);
      const [file = ''] = readdirSync(qlogDir);
      const lines = readFileSync(join(qlogDir, file), 'utf8').split('\u001e').filter((line) => line !== '').map((line) => JSON.parse(line) as { name?: string; data?: object });
      const moves = lines.filter(({ name }) => name === 'dtls:session_moved').map(({ data }) => data);
      expect(moves).to.deep.equal([{ from: `127.0.0.1:${String(from?.port)}`, peer: '127.0.0.1:5000' }]);
      const closed = Promise.all([next(client, 'close'), next(peer, 'close')]);
      client.close();
      await closed;
    } finally {
      diagnostics.unsubscribe('dgram-dtls.session.move', on);
      rmSync(qlogDir, { recursive: true });
    }
  });

  it('names each place, of moves in one tick, too', async () => {
    const seen: [number, number][] = [];
    const on = (event: unknown): void => {
      const { from, peer } = event as DiagnosticsEvents['dgram-dtls.session.move'];
      seen.push([from.port, peer.port]);
    };
    diagnostics.subscribe('dgram-dtls.session.move', on);
    try {
      const { peer } = await openPsk();
      const first = peer.remotePort ?? 0;
      for (const port of [5000, 5001, first]) peer.setPeer('127.0.0.1', port);
      await new Promise((resolve) => { setImmediate(resolve); });
      expect(seen).to.deep.equal([[first, 5000], [5000, 5001], [5001, first]]);
    } finally {
      diagnostics.unsubscribe('dgram-dtls.session.move', on);
    }
  });

  it('counts on where it was: counters are the session\u2019s, and its packets and drops are of nobody at the old place', async () => {
    const { server, client, peer } = await openPsk();
    const other = await stranger();
    await goesOn(client, peer);
    const before = peer.stats;
    peer.setPeer('127.0.0.1', other.address().port);
    expect(peer.stats).to.deep.equal(before);
    const heard = packets(server, 2);
    other.send(stun('from the new place'), portOf(server));
    client.sendPacket(stun('from the old place'));
    await heard;
    expect(peer.stats.packetsReceived).to.equal(1);
  });
});
