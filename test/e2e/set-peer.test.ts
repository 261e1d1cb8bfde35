// Protects: that an open session goes on when its peer is at another address, in either role, at DTLS 1.2 and 1.3, over each
// transport and over one of the user's: nothing is lost by it but what was sent to the old place, what is sent goes to the
// new one, what was on its way from the old one is opened, and nothing is left of a thousand moves.
import { expect } from 'chai';
import dgram from 'node:dgram';
import { once } from 'node:events';
import { networkInterfaces } from 'node:os';
import { connect, type ConnectOptions, type DTLSServer, type DTLSSocket, type Peer, type ServerOptions } from '../../lib/index';
import { hasNativeUdp } from '../../lib/transport/native-udp';
import { describeVersions, type OneVersion } from '../helpers/dtls13';
import { closeStrangers, packets, rtp, stranger, stun } from '../helpers/packets';
import { certificate, closeEverything, dialTo, listen, messages, next, portOf, PSK_CLIENT, PSK_SERVER, within } from '../helpers/pair';
import { closePaths, Path } from '../helpers/paths';
import { IceLike } from '../helpers/ice-like';
import { thrown } from '../helpers/thrown';

const TRANSPORTS = (['native', 'dgram'] as const).filter((transport) => transport === 'dgram' || hasNativeUdp);

interface Moving {
  readonly server: DTLSServer;
  readonly client: DTLSSocket;
  readonly peer: DTLSSocket;
  readonly ways: readonly [Path, Path, ...Path[]];
}

const placeOf = (socket: DTLSSocket): Pick<Peer, 'address' | 'port'> => ({ address: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 });

/** Both ends go over to another way. */
function moveBoth({ client, peer }: Moving, to: Path): void {
  client.setPeer(to.server.address, to.server.port);
  peer.setPeer(to.client.address, to.client.port);
}

/** Nothing of the handshake is on its way any more: at DTLS 1.3 a ticket and its ACK follow it. */
async function settled(client: DTLSSocket, peer: DTLSSocket): Promise<void> {
  const told = messages(client, 1);
  peer.send('behind the ticket');
  await told;
  const answered = messages(peer, 1);
  client.send('behind its ACK');
  await answered;
}

/** Counts what comes to a way that the client has left: its own socket is connected, and hears of the new place alone. */
function lostBehind({ client, ways }: Moving): { count: number } {
  const lost = { count: 0 };
  for (const way of ways) {
    way.passes = (_datagram, direction) => {
      if (direction === 'down' && client.remotePort !== way.server.port) lost.count += 1;
      return true;
    };
  }
  return lost;
}

/** What a socket receives from now on. */
function texts(socket: DTLSSocket): string[] {
  const seen: string[] = [];
  socket.on('message', (message) => seen.push(message.toString()));
  return seen;
}

const turn = (): Promise<void> => new Promise((resolve) => { setImmediate(resolve); });

async function until(what: string, done: () => boolean): Promise<void> {
  await within((async () => { while (!done()) await turn(); })(), what);
}

for (const transport of TRANSPORTS) {
  describeVersions(`a peer at another address, transport '${transport}'`, (only: OneVersion) => {
    afterEach(async () => {
      closePaths();
      closeStrangers();
      await closeEverything();
    });

    /** A session over the first of several ways. */
    async function open(server: ServerOptions = {}, client: Partial<ConnectOptions> = {}, host = '127.0.0.1'): Promise<Moving> {
      const listening = await listen({ ...PSK_SERVER, ...only, transport, ...server }, host);
      const ways = [await Path.to(portOf(listening)), await Path.to(portOf(listening)), await Path.to(portOf(listening))] as const;
      const accepted = next(listening, 'secureConnection');
      const dialled = dialTo({ host: ways[0].server.address, port: ways[0].server.port, ...PSK_CLIENT, ...only, transport, ...client });
      const connected = next(dialled, 'secureConnect');
      const [[peer]] = await Promise.all([accepted, connected]);
      for (const way of ways) way.clientPort = dialled.localPort;
      await settled(dialled, peer);
      return { server: listening, client: dialled, peer, ways: [...ways] };
    }

    it('is found there, and heard from there: messages go on both ways', async () => {
      const moving = await open();
      const { server, client, peer, ways: [first, second] } = moving;
      const before = [first.seen.up.length, first.seen.down.length];
      moveBoth(moving, second);
      const arrived = Promise.all([messages(peer, 3), messages(client, 3)]);
      for (const text of ['1', '2', '3']) {
        client.send(`up ${text}`);
        peer.send(`down ${text}`);
      }
      const [up, down] = await arrived;
      expect(up.map(String)).to.deep.equal(['up 1', 'up 2', 'up 3']);
      expect(down.map(String)).to.deep.equal(['down 1', 'down 2', 'down 3']);
      expect([second.seen.up.length, second.seen.down.length]).to.deep.equal([3, 3]);
      expect([first.seen.up.length, first.seen.down.length]).to.deep.equal(before);
      expect(placeOf(client)).to.deep.equal(second.server);
      expect(placeOf(peer)).to.deep.equal(second.client);
      expect(client.remoteFamily).to.equal('IPv4');
      expect(server.stats.unknownPeerDatagrams).to.equal(0);
      expect([...server.sessions]).to.deep.equal([peer]);
    });

    it('has the place in messages, and in what both ends say at the end', async () => {
      const moving = await open();
      const { client, peer, ways: [, second] } = moving;
      moveBoth(moving, second);
      const named = once(peer, 'message') as Promise<[Buffer, Peer]>;
      client.send('x');
      const [, from] = await within(named, 'a message');
      expect(from).to.equal(peer.remotePeer);
      expect(from).to.include(second.client);
      const closed = Promise.all([next(client, 'close'), next(peer, 'close')]);
      client.close();
      await closed;
      expect(placeOf(peer)).to.deep.equal(second.client);
    });

    it('loses nothing while data flows both ways, but what was lost on the old way', async () => {
      const moving = await open();
      const { client, peer, ways } = moving;
      const [up, down] = [texts(peer), texts(client)];
      const lost = lostBehind(moving);
      const wanted: string[] = [];
      for (let i = 0; i < 300; ++i) {
        if (i % 30 === 29) moveBoth(moving, ways[((i + 1) / 30) % ways.length] ?? ways[0]);
        const text = `number ${String(i)}`;
        wanted.push(text);
        if (i % 2 === 0) {
          client.send(text);
          peer.send(text);
        } else {
          client.send(text, () => undefined);
          peer.send(text, () => undefined);
        }
        if (i % 7 === 0) await turn();
      }
      await until('all messages', () => up.length >= 300 && down.length + lost.count >= 300);
      expect(up.sort()).to.deep.equal([...wanted].sort());
      expect(new Set(down).size).to.equal(300 - lost.count);
      expect(lost.count).to.be.below(150);
      expect(ways.every(({ seen }) => seen.up.length > 0 && seen.down.length > 0)).to.equal(true);
    });

    it('moves at one end before the other: each hears the other from where it is', async () => {
      const moving = await open();
      const { client, peer, ways: [, second] } = moving;
      // The server's end is told first, and the client still speaks from the old place.
      peer.setPeer(second.client.address, second.client.port);
      const late = messages(peer, 1);
      client.send('from the old place');
      expect(String(await late)).to.equal('from the old place');
      client.setPeer(second.server.address, second.server.port);
      const both = Promise.all([messages(peer, 1), messages(client, 1)]);
      client.send('up');
      peer.send('down');
      expect((await both).map(String)).to.deep.equal(['up', 'down']);
    });

    it('opens what was on its way from the old place, once, and answers none of it there', async () => {
      const moving = await open();
      const { server, client, peer, ways: [first, second] } = moving;
      first.hold();
      for (const text of ['1', '2', '3']) client.send(text);
      await until('datagrams', () => first.held === 3);
      moveBoth(moving, second);
      const down = first.seen.down.length;
      const late = messages(peer, 3);
      first.release();
      expect((await late).map(String)).to.deep.equal(['1', '2', '3']);
      expect(peer.stats.badRecords).to.equal(0);
      const replays = peer.stats.replays;
      const again = first.seen.up.at(-1) ?? Buffer.alloc(0);
      const other = await stranger();
      other.send(again, portOf(server)); // from a third place it is nobody's
      await until('a datagram of nobody', () => server.stats.unknownPeerDatagrams === 1);
      expect(peer.stats.replays).to.equal(replays);
      expect(first.seen.down.length).to.equal(down);
    });

    it('is found at its old place no more by a client that begins there', async () => {
      const moving = await open();
      const { server, peer, ways: [first, second] } = moving;
      moveBoth(moving, second);
      const accepted = next(server, 'secureConnection');
      const other = dialTo({ host: first.server.address, port: first.server.port, ...PSK_CLIENT, ...only, transport });
      const [theirs] = await accepted;
      if (other.connecting) await next(other, 'secureConnect');
      expect(theirs).not.to.equal(peer);
      const all = Promise.all([messages(theirs, 1), messages(peer, 1)]);
      other.send('another');
      moving.client.send('the first');
      expect((await all).map(String)).to.deep.equal(['another', 'the first']);
      expect([...server.sessions].length).to.equal(2);
    });

    it('goes back and forth a thousand times, and keeps nothing of it', async function () {
      this.timeout(60_000);
      const moving = await open();
      const { server, client, peer, ways: [first, second] } = moving;
      const [up, down] = [texts(peer), texts(client)];
      const lost = lostBehind(moving);
      const round = async (count: number): Promise<void> => {
        for (let i = 0; i < count; ++i) {
          moveBoth(moving, i % 2 === 0 ? second : first);
          client.send('up');
          peer.send('down');
          if (i % 10 === 9) await turn();
        }
      };
      await round(200);
      global.gc?.();
      const before = process.memoryUsage();
      await round(800);
      await until('all messages', () => up.length === 1000 && down.length + lost.count === 1000);
      global.gc?.();
      const after = process.memoryUsage();
      expect(after.external - before.external).to.be.below(4e6);
      expect([client.stats.badRecords, peer.stats.badRecords, peer.stats.replays, client.stats.replays]).to.deep.equal([0, 0, 0, 0]);
      expect([...server.sessions]).to.deep.equal([peer]);
      const closed = Promise.all([next(client, 'close'), next(peer, 'close')]);
      client.close();
      await closed;
      expect(server.stats.unknownPeerDatagrams).to.equal(0);
    });

    it('has the mtu of the options again, since another way was measured', async () => {
      const moving = await open({}, { mtu: 1100 });
      const { client, peer, ways: [, second] } = moving;
      client.setMtu(600);
      peer.setMtu(700);
      moveBoth(moving, second);
      expect([client.mtu, peer.mtu]).to.deep.equal([1100, 1200]);
      client.setMtu(500);
      client.setPeer(second.server.address, second.server.port); // where it is already
      expect(client.mtu).to.equal(500);
    });

    it('is that of packets, too: those from the new place are the session\u2019s, and its own go there', async () => {
      const moving = await open();
      const { server, client, peer, ways: [first, second] } = moving;
      const heard: Peer[] = [];
      server.on('packet', (_packet, from) => heard.push(from));
      const told = packets(server, 1);
      const before = await stranger();
      before.send(stun('who is there?'), portOf(server));
      await told;
      // ICE checks the way first.
      client.setPeer(second.server.address, second.server.port);
      const checked = packets(server, 1);
      client.sendPacket(stun('check'));
      await checked;
      const [, from] = heard;
      peer.setPeer(second.client.address, second.client.port);
      expect(peer.remotePeer).to.equal(from);
      const both = Promise.all([packets(server, 1), packets(client, 1)]);
      client.sendPacket(rtp('up'));
      peer.sendPacket(rtp('down'));
      expect(await both).to.deep.equal([['up'], ['down']]);
      expect(heard.at(-1)).to.equal(from);
      expect(peer.stats.packetsReceived).to.equal(1);
      expect(second.seen.down.length).to.be.above(0);
      expect(first.seen.up.every((datagram) => (datagram[0] ?? 0) >= 20)).to.equal(true);
    });

    it('is told of by getters in handlers, and moves in handlers: of messages, of packets and of its own events', async () => {
      const moving = await open();
      const { client, peer, ways: [, second, third] } = moving;
      peer.on('message', (message) => {
        const to = message.toString() === 'to 2' ? second : third ?? second;
        peer.setPeer(to.client.address, to.client.port);
        peer.send(`at ${String(peer.remotePort)}`);
      });
      for (const [text, to] of [['to 2', second], ['to 3', third ?? second]] as const) {
        const answer = messages(client, 1);
        client.send(text); // which goes to where the peer is
        client.setPeer(to.server.address, to.server.port);
        expect(String(await answer)).to.equal(`at ${String(to.client.port)}`);
      }
    });

    if (transport === 'native') it('answers from the address that its peer has reached, once it has proved itself there', async () => {
      const moving = await open({}, {}, '0.0.0.0');
      const { client, peer, ways: [first, second] } = moving;
      await until('answers', () => first.answeredFrom !== undefined);
      second.serverAddress = '127.0.0.9';
      moveBoth(moving, second);
      const heard = messages(client, 1);
      peer.send('from where it was reached before');
      await heard;
      expect(second.answeredFrom).to.equal('127.0.0.1');
      const asked = messages(peer, 1);
      client.send('to another address of the server');
      await asked;
      const answered = messages(client, 1);
      peer.send('x');
      await answered;
      expect(second.answeredFrom).to.equal('127.0.0.9');
    });

    const outside = Object.values(networkInterfaces()).flat().find((one) => one !== undefined && !one.internal && one.family === 'IPv4')?.address;
    if (outside !== undefined) it('is reached from the address of this host that leads there, by the port that the client had', async () => {
      const server = await listen({ ...PSK_SERVER, ...only, transport }, '0.0.0.0');
      const accepted = next(server, 'secureConnection');
      const client = dialTo({ host: '127.0.0.1', port: portOf(server), ...PSK_CLIENT, ...only, transport });
      const [[peer]] = await Promise.all([accepted, next(client, 'secureConnect')]);
      const port = client.localPort;
      expect(client.localAddress).to.equal('127.0.0.1');
      client.setPeer(outside, portOf(server));
      expect([client.localAddress, client.localPort]).to.deep.equal([outside, port]);
      peer.setPeer(outside, port ?? 0);
      const up = messages(peer, 1);
      client.send('up');
      expect(String(await up)).to.equal('up');
      const down = messages(client, 1);
      peer.send('down');
      expect(String(await down)).to.equal('down');
      client.setPeer('127.0.0.1', portOf(server));
      expect([client.localAddress, client.localPort]).to.deep.equal(['127.0.0.1', port]);
    });

    it('of one of two clients on a socket that they share moves alone', async () => {
      const server = await listen({ ...PSK_SERVER, ...only, transport });
      const ways = [await Path.to(portOf(server)), await Path.to(portOf(server)), await Path.to(portOf(server))] as const;
      const shared = await stranger();
      ways[2].clientPort = shared.address().port;
      const ends: [DTLSSocket, DTLSSocket][] = [];
      for (const way of [ways[0], ways[1]]) {
        const accepted = next(server, 'secureConnection');
        const client = dialTo({ host: way.server.address, port: way.server.port, ...PSK_CLIENT, ...only, transport: shared });
        const [[peer]] = await Promise.all([accepted, next(client, 'secureConnect')]);
        ends.push([client, peer]);
      }
      const [[one, atOne], [two, atTwo]] = ends as [[DTLSSocket, DTLSSocket], [DTLSSocket, DTLSSocket]];
      one.setPeer(ways[2].server.address, ways[2].server.port);
      atOne.setPeer(ways[2].client.address, ways[2].client.port);
      const all = Promise.all([messages(one, 1), messages(two, 1), messages(atOne, 1), messages(atTwo, 1)]);
      one.send('one');
      two.send('two');
      atOne.send('to one');
      atTwo.send('to two');
      expect((await all).map(String)).to.deep.equal(['to one', 'to two', 'one', 'two']);
    });

    it('follows a dgram.Socket that its owner has connected to the new place', async () => {
      const server = await listen({ ...PSK_SERVER, ...only, transport });
      const ways = [await Path.to(portOf(server)), await Path.to(portOf(server))] as const;
      const own = dgram.createSocket('udp4');
      own.bind(0, '127.0.0.1');
      await once(own, 'listening');
      try {
        own.connect(ways[0].server.port, '127.0.0.1');
        await once(own, 'connect');
        const accepted = next(server, 'secureConnection');
        const client = dialTo({ host: '127.0.0.1', port: ways[0].server.port, ...PSK_CLIENT, ...only, transport: own });
        const [[peer]] = await Promise.all([accepted, next(client, 'secureConnect')]);
        expect(() => client.setPeer('127.0.0.1', ways[1].server.port)).to.throw().with.property('code', 'EISCONN');
        expect(client.remotePort).to.equal(ways[0].server.port);
        own.disconnect();
        own.connect(ways[1].server.port, '127.0.0.1');
        await once(own, 'connect');
        ways[1].clientPort = own.address().port; // Linux has taken the first one back
        client.setPeer('127.0.0.1', ways[1].server.port);
        peer.setPeer('127.0.0.1', ways[1].client.port);
        const both = Promise.all([messages(peer, 1), messages(client, 1)]);
        client.send('up');
        peer.send('down');
        expect((await both).map(String)).to.deep.equal(['up', 'down']);
        client.close();
        await next(client, 'close');
      } finally {
        own.close();
      }
    });
  });
}

describeVersions('a peer under another name, on a transport of the user\u2019s', (only: OneVersion) => {
  afterEach(closeEverything);

  it('goes on under it, in either role, and there is nothing at the old one', async () => {
    const [here, there] = IceLike.pair('ice:server', 'ice:client');
    const { cert, key } = await certificate();
    const server = await listen({ cert, key, ...only, transport: there });
    const accepted = next(server, 'secureConnection');
    const client = dialTo({ host: 'ice:server', port: 1, rejectUnauthorized: false, ...only, transport: here });
    const [[peer]] = await Promise.all([accepted, next(client, 'secureConnect')]);
    expect(peer.servername).to.equal(null);
    expect(peer.remoteAddress).to.equal('ice:client');
    // Whoever names the pairs names them anew: each side tells its own.
    [here.otherIs, there.otherIs] = ['ice:server/relay', 'ice:client/relay'];
    client.setPeer('ice:server/relay', 0);
    peer.setPeer('ice:client/relay', 0);
    const both = Promise.all([messages(peer, 1), messages(client, 1)]);
    client.send('up');
    peer.send('down');
    expect((await both).map(String)).to.deep.equal(['up', 'down']);
    expect([client.remoteAddress, client.remotePort]).to.deep.equal(['ice:server/relay', 0]);
    expect(here.sentTo.at(-1)).to.equal('ice:server/relay');
    expect(there.sentTo.at(-1)).to.equal('ice:client/relay');
    expect(server.stats.unknownPeerDatagrams).to.equal(0);
  });

  it('has the family of the transport whose name it is, whoever says it first; an IP address has its own', async () => {
    const { cert, key } = await certificate();
    for (const family of ['IPv4', 'IPv6'] as const) {
      const [here, there] = IceLike.pair('ice:server', 'ice:client');
      here.family = there.family = family;
      const server = await listen({ cert, key, ...only, transport: there });
      const accepted = next(server, 'secureConnection');
      const client = dialTo({ host: 'ice:server', port: 1, rejectUnauthorized: false, ...only, transport: here });
      const [[peer]] = await Promise.all([accepted, next(client, 'secureConnect')]);
      const families = () => [client, peer].map(({ remoteFamily, remotePeer }) => `${remoteFamily ?? ''} ${remotePeer?.family ?? ''}`);
      expect(families()).to.deep.equal([`${family} ${family}`, `${family} ${family}`]);
      client.setPeer('ice:server/relay', 0);
      peer.setPeer('ice:client/relay', 0);
      expect(families()).to.deep.equal([`${family} ${family}`, `${family} ${family}`]);
      server.sendPacket('\0', { address: 'ice:another', port: 0 });
      expect(there.families.at(-1)).to.equal(family);
      client.setPeer('192.0.2.1', 1);
      peer.setPeer('2001:db8::1', 1);
      expect(families()).to.deep.equal(['IPv4 IPv4', 'IPv6 IPv6']);
    }
  });

  it('has IPv4 where the transport has no address to tell', async () => {
    const [here] = IceLike.pair('ice:server', 'ice:client');
    here.address = () => { throw new Error('there is none'); };
    const client = dialTo({ host: 'ice:server', port: 0, ...only, transport: here });
    while (here.sentTo.length === 0) await new Promise((resolve) => { setImmediate(resolve); });
    expect(client.remoteFamily).to.equal('IPv4');
  });

  it('may have the port 0 from the beginning, and is refused at once where its name is too long', async () => {
    const name = `ice:${'x'.repeat(51)}/relay`; // 61 bytes, of a port 0
    const [here, there] = IceLike.pair(name, 'ice:client/relay');
    const { cert, key } = await certificate();
    const server = await listen({ cert, key, ...only, transport: there });
    const accepted = next(server, 'secureConnection');
    const options = { rejectUnauthorized: false, ...only, transport: here };
    for (const long of [() => connect({ host: `${name}x`, port: 0, ...options }), () => connect(0, `${name}x`, options)]) {
      const error = thrown(long);
      expect([error.code, error.category]).to.deep.equal(['ERR_INVALID_IP_ADDRESS', 'usage']);
      expect(error.hint).to.include('61 bytes');
    }
    for (const port of [-1, 65536, 0.5]) {
      const error = thrown(() => connect({ host: name, port, ...options }));
      expect([error.code, error.hint?.includes('any port')]).to.deep.equal(['ERR_SOCKET_BAD_PORT', false]);
    }
    // Over UDP nobody has it.
    for (const dial of [() => connect({ port: 0, ...only }), () => connect(0, '127.0.0.1', only)]) {
      expect(thrown(dial).code).to.equal('ERR_SOCKET_BAD_PORT');
    }
    const client = dialTo({ host: name, port: 0, ...options });
    const [[peer]] = await Promise.all([accepted, next(client, 'secureConnect')]);
    expect([client.remoteAddress, client.remotePort, peer.remotePort]).to.deep.equal([name, 0, 0]);
    const heard = messages(peer, 1);
    client.send('up');
    expect((await heard).map(String)).to.deep.equal(['up']);
  });

  it('is told what the handshake of its transport asks: a name that is a host is sent, one that is none is not', async () => {
    for (const [host, servername] of [['ice:abcd', null], ['device.example', 'device.example'], ['a+b/c', null], ['192.0.2.1', null], ['-x', null]] as const) {
      const [here, there] = IceLike.pair(host, 'ice:client');
      const { cert, key } = await certificate();
      const server = await listen({ cert, key, ...only, transport: there });
      const accepted = next(server, 'secureConnection');
      const client = dialTo({ host, port: 1, rejectUnauthorized: false, ...only, transport: here });
      const [[peer]] = await Promise.all([accepted, next(client, 'secureConnect')]);
      expect(peer.servername, host).to.equal(servername);
      await closeEverything();
    }
  });
});
