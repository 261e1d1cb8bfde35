// Protects: that what is none of DTLS can be sent from the port of a server, from a client and from createSocket: to whom it
// is for, in its place among messages, copied in the call, with callbacks, errors, backpressure and counters as messages
// have them; and that nothing leaves by it that the other end would take for DTLS.
import { expect } from 'chai';
import dgram from 'node:dgram';
import { AsyncLocalStorage } from 'node:async_hooks';
import { once } from 'node:events';
import { createServer, type ConnectOptions, type DTLSError, type DTLSSocket, type SecureDgramSocket, type ServerOptions } from '../../lib/index';
import { hasNativeUdp } from '../../lib/transport/native-udp';
import { DTLS13, describe13 } from '../helpers/dtls13';
import { bound, closeSockets, PSK, received, secure, sent } from '../dgram/support';
import { Link } from '../helpers/link';
import { closeStrangers, datagrams, events, packets, rtp, stranger, stun, textOf } from '../helpers/packets';
import { certificate, closeEverything, dial, dialTo, listen, next, openPsk, openOn, portOf, PSK_CLIENT, PSK_SERVER, within } from '../helpers/pair';
import { thrown } from '../helpers/thrown';

const TRANSPORTS = (['native', 'dgram'] as const).filter((transport) => transport === 'dgram' || hasNativeUdp);

const placeOf = (socket: dgram.Socket): { address: string; port: number } => ({ address: '127.0.0.1', port: socket.address().port });

const callbackOf = (send: (callback: (error: DTLSError | null) => void) => unknown): Promise<DTLSError | null> =>
  within(
    new Promise((resolve) => {
      send(resolve);
    }),
    'the callback of sendPacket',
  );

for (const transport of TRANSPORTS) {
  const open = (server: ServerOptions = {}, client: Partial<ConnectOptions> = {}) =>
    openPsk({ transport, ...server }, { transport, ...client });

  describe(`packets sent, transport '${transport}'`, () => {
    afterEach(async () => {
      closeStrangers();
      await closeEverything();
    });

    it('by a server go to an address that has no session', async () => {
      const server = await listen({ ...PSK_SERVER, transport });
      const other = await stranger();
      const arrived = events<[Buffer, dgram.RemoteInfo]>(other, 'message', 3);
      server.sendPacket(stun('one'), placeOf(other));
      server.sendPacket('\u0001two', placeOf(other));
      server.sendPacket([stun('th'), new DataView(Uint8Array.from(Buffer.from('ree')).buffer)], { address: '127.0.0.1', port: String(other.address().port) as unknown as number });
      const all = await arrived;
      expect(all.map(([packet]) => packet.toString('latin1'))).to.deep.equal(['\u0000\u0001one', '\u0001two', '\u0000\u0001three']);
      expect(all.map(([, info]) => info.port)).to.deep.equal([portOf(server), portOf(server), portOf(server)]);
      const { packetsSent, packetBytesSent, datagramsSent, bytesSent } = server.stats;
      expect([packetsSent, packetBytesSent, datagramsSent, bytesSent]).to.deep.equal([3, 16, 3, 16]);
    });

    it('answer whom the event names', async () => {
      const server = await listen({ ...PSK_SERVER, transport });
      const other = await stranger();
      server.on('packet', (packet, peer) => server.sendPacket(stun(`re ${textOf(packet)}`), peer));
      const arrived = datagrams(other, 1);
      other.send(stun('ping'), portOf(server), '127.0.0.1');
      expect(await arrived).to.deep.equal(['re ping']);
    });

    // Linux has all of 127.0.0.0/8, and node:dgram cannot say from which address it sends.
    if (transport === 'native') it('by a server that listens on all addresses leave from the address that the question came to', async () => {
      const server = await listen({ ...PSK_SERVER, transport }, '0.0.0.0');
      const other = await stranger();
      server.on('packet', (packet, peer) => server.sendPacket(packet, peer));
      const arrived = events<[Buffer, dgram.RemoteInfo]>(other, 'message', 1);
      other.send(stun('where?'), portOf(server), '127.0.0.7');
      const [[, info] = []] = await arrived;
      expect(info?.address).to.equal('127.0.0.7');
    });

    it('by a server for both versions of IP go to either', async () => {
      const server = await listen({ ...PSK_SERVER, transport }, '::');
      const [four, six] = [await stranger(), await stranger('udp6')];
      const arrived = Promise.all([datagrams(four, 2), datagrams(six, 1)]);
      server.on('packet', (packet, peer) => server.sendPacket(packet, peer));
      four.send(stun('by its event'), portOf(server), '127.0.0.1');
      server.sendPacket(stun('4'), placeOf(four));
      server.sendPacket(stun('6'), { address: '::1', port: six.address().port });
      const [of4, of6] = await arrived;
      expect(of4).to.have.members(['4', 'by its event']);
      expect(of6).to.deep.equal(['6']);
    });

    it('by either end of a session go to the other: the client hears, and of the rest the server', async () => {
      const { server, client, peer } = await open();
      const atServer = packets(server, 2);
      const atClient = packets(client, 2);
      client.sendPacket(rtp('from the client'));
      client.sendPacket([rtp('from'), ' the client']);
      peer.sendPacket(rtp('from its session'));
      server.sendPacket(rtp('from the server'), { address: client.localAddress ?? '', port: client.localPort ?? 0 });
      expect(await atServer).to.deep.equal(['from the client', 'from the client']);
      expect(await atClient).to.deep.equal(['from its session', 'from the server']);
      expect([client.stats.packetsSent, client.stats.packetBytesSent, client.stats.packetsReceived, client.stats.packetBytesReceived]).to.deep.equal([2, 32, 2, 33]);
      expect([peer.stats.packetsSent, peer.stats.packetsReceived]).to.deep.equal([1, 2]);
      expect([server.stats.packetsSent, server.stats.packetsReceived, server.stats.packetBytesReceived]).to.deep.equal([2, 2, 32]);
    });

    it('keep their place among messages, both ways, with callbacks and without', async () => {
      const { server, client, peer } = await open();
      for (const [from, to, hears] of [[client, peer, server], [peer, client, client]] as const) {
        const seen: string[] = [];
        const all = within(
          new Promise<void>((resolve) => {
            const note = (text: string): void => {
              if (seen.push(text) === 60) resolve();
            };
            to.on('message', (message) => { note(message.toString()); });
            (hears as DTLSSocket).on('packet', (packet) => { note(textOf(packet)); });
          }),
          'packets and messages',
        );
        const wanted: string[] = [];
        for (let i = 0; i < 60; ++i) {
          const text = `number ${String(i)}`;
          wanted.push(text);
          const callback = i % 5 === 4 ? () => undefined : undefined;
          if (i % 3 === 0) from.send(text, callback);
          else from.sendPacket(rtp(text), callback);
        }
        await all;
        expect(seen).to.deep.equal(wanted);
      }
    });

    it('are copied in the call: their memory may be changed, shared or transferred at once', async () => {
      const server = await listen({ ...PSK_SERVER, transport });
      const other = await stranger();
      const arrived = datagrams(other, 8);
      const wanted: string[] = [];
      for (let i = 0; i < 8; ++i) {
        const packet = new Uint8Array(rtp(`number ${String(i)}`, 200));
        server.sendPacket(packet, placeOf(other), i % 2 === 0 ? () => undefined : undefined);
        wanted.push(`number ${String(i)}`);
        if (i < 4) packet.fill(0xff);
        else structuredClone(packet, { transfer: [packet.buffer] });
      }
      expect(await arrived).to.deep.equal(wanted);
    });

    it('may be empty, as keep-alives are (RFC 6263 section 4.1)', async () => {
      const server = await listen({ ...PSK_SERVER, transport });
      const other = await stranger();
      const arrived = events<[Buffer]>(other, 'message', 2);
      server.sendPacket('', placeOf(other));
      server.sendPacket(Buffer.alloc(0), placeOf(other), () => undefined);
      expect((await arrived).map(([packet]) => packet.length)).to.deep.equal([0, 0]);
    });

    it('have a callback that comes later, once, and in the context of its call', async () => {
      const { client, server } = await open();
      const storage = new AsyncLocalStorage<string>();
      const other = await stranger();
      for (const send of [
        (done: (error: Error | null) => void) => client.sendPacket(rtp('x'), done),
        (done: (error: Error | null) => void) => server.sendPacket(rtp('x'), placeOf(other), done),
      ]) {
        let returned = false;
        const [error, context] = await within(
          new Promise<unknown[]>((resolve) => {
            storage.run('the call', () => {
              send((told) => {
                expect(returned, 'later').to.equal(true);
                resolve([told, storage.getStore()]);
              });
              returned = true;
            });
          }),
          'the callback',
        );
        expect([error, context]).to.deep.equal([null, 'the call']);
      }
    });

    it('that the system refuses are told by the callback and counted, and end nothing', async () => {
      const { client, server, peer } = await open();
      const tooLong = rtp('long', 70000);
      const before = server.stats.transportErrors;
      const to = { address: client.localAddress ?? '', port: client.localPort ?? 0 };
      const error = await callbackOf((callback) => server.sendPacket(tooLong, to, callback));
      expect(error).to.include({ code: 'EMSGSIZE', category: 'io' });
      expect(error?.peer).to.include(to);
      expect((await callbackOf((callback) => peer.sendPacket(tooLong, callback)))?.code).to.equal('EMSGSIZE');
      expect((await callbackOf((callback) => client.sendPacket(tooLong, callback)))?.code).to.equal('EMSGSIZE');
      server.sendPacket(tooLong, to);
      const arrived = packets(client, 1);
      server.sendPacket(rtp('short'), to);
      expect(await arrived).to.deep.equal(['short']);
      expect(server.stats.transportErrors - before).to.equal(3);
      expect([client.readyState, peer.readyState]).to.deep.equal(['open', 'open']);
    });

    it('to a port where nobody listens end nothing, and hold up no other', async () => {
      const { client, server, peer } = await open();
      const gone = await stranger();
      const nowhere = placeOf(gone);
      closeStrangers();
      const other = await stranger();
      const arrived = datagrams(other, 20);
      const failures: unknown[] = [];
      server.on('error', (error) => failures.push(error));
      for (let i = 0; i < 20; ++i) {
        server.sendPacket(rtp('nobody'), nowhere);
        server.sendPacket(rtp(String(i)), placeOf(other));
        await new Promise(setImmediate);
      }
      expect(await arrived).to.deep.equal(Array.from({ length: 20 }, (_, i) => String(i)));
      expect(failures).to.deep.equal([]);
      // Of a session's peer that is not there any more, too.
      const atClient = packets(client, 1);
      peer.sendPacket(rtp('still there'));
      expect(await atClient).to.deep.equal(['still there']);
    });

    it('of a client that the system refuses do not end its handshake', async () => {
      const server = await listen({ ...PSK_SERVER, transport });
      const client = await dial(server, { ...PSK_CLIENT, transport });
      client.sendPacket(rtp('long', 70000));
      const error = callbackOf((callback) => client.sendPacket(rtp('long', 70000), callback));
      await next(client, 'secureConnect');
      expect((await error)?.code).to.equal('EMSGSIZE');
    });

    it('by a client wait for its transport, and not for its handshake', async () => {
      const other = await stranger();
      const arrived = events<[Buffer]>(other, 'message', 3);
      const { port } = other.address();
      // Whoever is there answers no hello.
      const client = dialTo({ host: '127.0.0.1', port, ...PSK_CLIENT, transport });
      client.on('error', () => undefined);
      client.sendPacket(rtp('one'));
      const told = callbackOf((callback) => client.sendPacket(rtp('two'), callback));
      const seen = (await arrived).map(([datagram]) => datagram).filter(([first]) => first === 0x80).map(textOf);
      expect(seen).to.deep.equal(['one', 'two']);
      expect(await told).to.equal(null);
      expect(client.readyState).to.equal('opening');
    });

    it('cannot be sent after the end', async () => {
      const { client, server, peer } = await open();
      const other = await stranger();
      const to = placeOf(other);
      client.close();
      expect((await callbackOf((callback) => expect(client.sendPacket(rtp('x'), callback)).to.equal(false)))?.code).to.equal('ERR_DTLS_NOT_OPEN');
      await next(peer, 'close');
      expect((await callbackOf((callback) => peer.sendPacket(rtp('x'), callback)))?.code).to.equal('ERR_DTLS_NOT_OPEN');
      server.close();
      expect((await callbackOf((callback) => expect(server.sendPacket(rtp('x'), to, callback)).to.equal(false)))?.code).to.equal('ERR_SERVER_NOT_RUNNING');
    });

    it('leave before a close that follows, and their callbacks come before its event', async () => {
      const { client, server } = await open();
      const other = await stranger();
      const seen: string[] = [];
      const arrived = datagrams(other, 2);
      const atServer = packets(server, 2);
      client.sendPacket(rtp('1'));
      client.sendPacket(rtp('2'), () => seen.push('client: sent'));
      client.once('close', () => seen.push('client: close'));
      client.close();
      expect(await atServer).to.deep.equal(['1', '2']);
      const closed = once(server, 'close');
      server.sendPacket(rtp('3'), placeOf(other));
      server.sendPacket(rtp('4'), placeOf(other), () => seen.push('server: sent'));
      server.once('close', () => seen.push('server: close'));
      server.close();
      expect(await arrived).to.deep.equal(['3', '4']);
      await within(closed, "'close'");
      expect(seen.filter((what) => what.startsWith('client'))).to.deep.equal(['client: sent', 'client: close']);
      expect(seen.filter((what) => what.startsWith('server'))).to.deep.equal(['server: sent', 'server: close']);
    });

    it('that cannot be, or name nobody, are refused with typed errors', async () => {
      const { client, server } = await open();
      const to = { address: '127.0.0.1', port: 9 };
      const codes = (call: () => unknown): unknown => thrown(call).code;
      for (const first of [20, 22, 25, 26, 44, 63]) {
        const error = thrown(() => server.sendPacket(Buffer.from([first, 254, 253]), to));
        expect(error).to.include({ code: 'ERR_DTLS_NOT_A_PACKET', category: 'usage' });
        expect(codes(() => client.sendPacket(Buffer.from([first])))).to.equal('ERR_DTLS_NOT_A_PACKET');
      }
      expect(codes(() => client.sendPacket(['?', 'in parts']))).to.equal('ERR_DTLS_NOT_A_PACKET');
      const other = await stranger();
      const arrived = datagrams(other, 4);
      for (const first of [0, 19, 64, 255]) server.sendPacket(Buffer.from([first, 0, 65]), placeOf(other));
      await arrived;
      const wrong = server as unknown as { sendPacket(...args: unknown[]): unknown };
      const wrongClient = client as unknown as { sendPacket(...args: unknown[]): unknown };
      expect(codes(() => wrong.sendPacket(stun('x')))).to.equal('ERR_INVALID_ARG_TYPE');
      expect(codes(() => wrong.sendPacket(stun('x'), 'localhost'))).to.equal('ERR_INVALID_ARG_TYPE');
      expect(codes(() => wrong.sendPacket(stun('x'), { port: 9 }))).to.equal('ERR_INVALID_ARG_TYPE');
      expect(codes(() => wrong.sendPacket(5, to))).to.equal('ERR_INVALID_ARG_TYPE');
      expect(codes(() => wrong.sendPacket(stun('x'), to, 5))).to.equal('ERR_INVALID_ARG_TYPE');
      expect(codes(() => wrong.sendPacket(stun('x'), to, () => undefined, 1))).to.equal('ERR_INVALID_ARG_VALUE');
      expect(codes(() => wrongClient.sendPacket(stun('x'), to))).to.equal('ERR_INVALID_ARG_TYPE');
      expect(codes(() => server.sendPacket(stun('x'), { address: 'localhost', port: 9 }))).to.equal('ERR_INVALID_IP_ADDRESS');
      for (const port of [0, -1, 65536, 1.5]) {
        expect(codes(() => server.sendPacket(stun('x'), { address: '127.0.0.1', port }))).to.equal('ERR_SOCKET_BAD_PORT');
      }
      expect(codes(() => wrong.sendPacket(stun('x'), { address: '127.0.0.1' }))).to.equal('ERR_SOCKET_BAD_PORT');
    });
  });

  describe13(`packets sent beside DTLS 1.3, transport '${transport}'`, () => {
    afterEach(closeEverything);

    it('keep their place among messages', async () => {
      const { cert, key } = await certificate();
      const server = await listen({ cert, key, transport, ...DTLS13 });
      const { client, peer } = await openOn(server, { transport, ...DTLS13 });
      const seen: string[] = [];
      const all = within(
        new Promise<void>((resolve) => {
          const note = (text: string): void => {
            if (seen.push(text) === 4) resolve();
          };
          client.on('message', (message) => { note(message.toString()); });
          client.on('packet', (packet) => { note(textOf(packet)); });
        }),
        'packets and messages',
      );
      peer.send('1');
      peer.sendPacket(rtp('2'));
      peer.send('3');
      peer.sendPacket(rtp('4'));
      await all;
      expect(seen).to.deep.equal(['1', '2', '3', '4']);
    });
  });
}

describe('packets sent over a transport of the user', () => {
  afterEach(async () => {
    closeStrangers();
    await closeEverything();
  });

  it('are its to send, whatever its peers are called; it says when whoever sends should wait', async () => {
    const transport = await Link.bound();
    const server = await listen({ ...PSK_SERVER, transport }, undefined, transport.address().port);
    const other = await stranger();
    const left: unknown[] = [];
    // eslint-disable-next-line @typescript-eslint/unbound-method -- always called by call
    const { send } = transport;
    transport.send = (datagrams, peer, done) => {
      if (peer.address !== 'ice:ufrag') return send.call(transport, datagrams, peer, done);
      left.push([...datagrams.map((datagram) => Buffer.from(datagram).toString('latin1')), peer.address, peer.port]);
      if (done !== undefined) process.nextTick(done, null);
      return !transport.full;
    };
    expect(server.sendPacket(stun('ice'), { address: 'ice:ufrag', port: 0 })).to.equal(true);
    expect(left).to.deep.equal([['\u0000\u0001ice', 'ice:ufrag', 0]]);
    const arrived = datagrams(other, 1);
    server.sendPacket(stun('udp'), placeOf(other));
    expect(await arrived).to.deep.equal(['udp']);
    transport.full = true;
    let drained = 0;
    server.on('drain', () => (drained += 1));
    expect(server.sendPacket(stun('x'), { address: 'ice:ufrag', port: 0 })).to.equal(false);
    expect(server.sendPacket(stun('y'), { address: 'ice:ufrag', port: 0 })).to.equal(false);
    expect(drained).to.equal(0);
    const drain = next(server, 'drain');
    transport.relieve();
    await drain;
    expect(server.sendPacket(stun('z'), { address: 'ice:ufrag', port: 0 })).to.equal(true);
    expect(drained).to.equal(1);
    expect(thrown(() => server.sendPacket(stun('x'), { address: 'x'.repeat(62), port: 0 })).code).to.equal('ERR_INVALID_IP_ADDRESS');
  });

  it('may be as long as a datagram of UDP, and longer ones hold up nothing, either way', async () => {
    const transport = await Link.bound();
    const server = await listen({ ...PSK_SERVER, transport }, undefined, transport.address().port);
    const heard = packets(server, 2);
    const peer = { address: 'a', port: 1, family: 'IPv4' } as const;
    const left: number[] = [];
    transport.send = (datagrams, _, done) => {
      left.push(...datagrams.map(({ length }) => length));
      if (done !== undefined) process.nextTick(done, null);
      return true;
    };
    for (const size of [2 << 20, 0x10000]) {
      transport.receiver.receive(rtp('long', size), peer);
      const error = await callbackOf((callback) => server.sendPacket(rtp('long', size), peer, callback));
      expect(error).to.include({ code: 'EMSGSIZE', category: 'io' });
      server.sendPacket(rtp('long', size), peer);
    }
    transport.receiver.receive(rtp('1', 0xffff), peer);
    transport.receiver.receive(rtp('2'), peer);
    expect(await heard).to.deep.equal(['1', '2']);
    expect(await callbackOf((callback) => server.sendPacket(rtp('x', 0xffff), peer, callback))).to.equal(null);
    expect(left).to.deep.equal([0xffff]);
    expect(server.stats.transportErrors).to.equal(4);
  });

  it('that throws are an error for the callback, and nobody else', async () => {
    const transport = await Link.bound();
    const server = await listen({ ...PSK_SERVER, transport }, undefined, transport.address().port);
    transport.send = () => {
      throw new Error('no way');
    };
    const error = await callbackOf((callback) => server.sendPacket(stun('x'), { address: 'a', port: 1 }, callback));
    expect(error).to.include({ code: 'ERR_DTLS_IO', message: 'no way' });
    server.sendPacket(stun('x'), { address: 'a', port: 1 });
    await new Promise(setImmediate);
    expect(server.stats.transportErrors).to.equal(2);
  });

  it('go over the dgram.Socket that a client and a server share, each to its own', async () => {
    const shared = await stranger();
    const server = await listen({ ...PSK_SERVER, transport: shared }, undefined, shared.address().port);
    const remote = await listen(PSK_SERVER);
    const { client } = await openOn(remote, { ...PSK_CLIENT, transport: shared });
    const other = await stranger();
    const atServer = packets(server, 1);
    const atClient = packets(client, 1);
    remote.sendPacket(stun('for the client'), { address: '127.0.0.1', port: shared.address().port });
    other.send(stun('for the server'), shared.address().port, '127.0.0.1');
    expect([await atServer, await atClient]).to.deep.equal([['for the server'], ['for the client']]);
    client.removeAllListeners('packet');
    const rest = packets(server, 1);
    remote.sendPacket(stun('nobody listens there'), { address: '127.0.0.1', port: shared.address().port });
    expect(await rest).to.deep.equal(['nobody listens there']);
  });
});

describe('backpressure of packets', () => {
  afterEach(async () => {
    closeStrangers();
    await closeEverything();
  });

  for (const transport of TRANSPORTS) {
    it(`over UDP: a burst is taken whole, and drain follows a false, transport '${transport}'`, async () => {
      const { server, client, peer } = await openPsk({ transport, sendBufferSize: 4096 }, { transport, sendBufferSize: 4096 });
      const to = { address: client.localAddress ?? '', port: client.localPort ?? 0 };
      const packet = rtp('x', 4000);
      for (const [sender, send] of [
        [server, (done: () => void) => server.sendPacket(packet, to, done)],
        [peer, (done: () => void) => peer.sendPacket(packet, done)],
        [client, (done: () => void) => client.sendPacket(packet, done)],
      ] as const) {
        // Whether the system's buffer is ever full is the system's affair; on loopback it hardly is.
        let [refused, drains] = [0, 0];
        const drain = (): void => void (drains += 1);
        (sender as DTLSSocket).on('drain', drain);
        await within(
          Promise.all(
            Array.from({ length: 500 }, () =>
              new Promise<void>((resolve) => {
                if (!send(resolve)) refused += 1;
              }),
            ),
          ),
          'the callbacks',
        );
        await new Promise(setImmediate);
        expect(drains).to.equal(refused === 0 ? 0 : 1);
        expect(send(() => undefined)).to.equal(true);
        (sender as DTLSSocket).off('drain', drain);
      }
      expect([server.stats.packetsSent, client.stats.packetsSent]).to.deep.equal([1002, 501]);
    });
  }

  it("over a transport of the user's: told by each that sends, drain is for all who wait", async () => {
    const [left, right] = [await Link.bound(), await Link.bound()];
    const server = await listen({ ...PSK_SERVER, transport: left }, undefined, left.address().port);
    const { client, peer } = await openOn(server, { ...PSK_CLIENT, transport: right });
    const drained: string[] = [];
    client.on('drain', () => drained.push('client'));
    peer.on('drain', () => drained.push('peer'));
    server.on('drain', () => drained.push('server'));
    left.full = right.full = true;
    expect(client.sendPacket(rtp('x'))).to.equal(false);
    expect(client.writableNeedDrain).to.equal(true);
    expect(peer.sendPacket(rtp('x'))).to.equal(false);
    expect(server.sendPacket(rtp('x'), { address: '127.0.0.1', port: right.address().port })).to.equal(false);
    right.relieve();
    left.relieve();
    await new Promise(setImmediate);
    expect(drained).to.deep.equal(['client', 'peer', 'server']);
    expect([client.sendPacket(rtp('x')), peer.sendPacket(rtp('x'))]).to.deep.equal([true, true]);
  });

  it('of early packets ends with the transport, and that of early messages with the handshake', async () => {
    const server = await listen(PSK_SERVER);
    const client = await dial(server, PSK_CLIENT);
    const order: string[] = [];
    client.on('drain', () => order.push('drain'));
    client.on('secureConnect', () => order.push('secureConnect'));
    expect(client.sendPacket(rtp('x', 20000))).to.equal(false);
    await next(client, 'drain');
    expect(order).to.deep.equal(['drain']);
    await next(client, 'secureConnect');
    const second = await dial(server, PSK_CLIENT);
    second.on('drain', () => order.push('drain'));
    second.on('secureConnect', () => order.push('secureConnect'));
    expect([second.send(Buffer.alloc(16384, 1)), second.send('more')]).to.deep.equal([true, false]);
    expect(second.sendPacket(rtp('x', 20000))).to.equal(false);
    order.length = 0;
    await next(second, 'drain');
    expect(order).to.deep.equal(['secureConnect', 'drain']);
    const third = await dial(server, PSK_CLIENT);
    third.sendPacket(rtp('x', 1 << 20));
    const error = await callbackOf((callback) => third.sendPacket(rtp('x'), callback));
    expect(error?.code).to.equal('ERR_DTLS_QUEUE_FULL');
  });
});

for (const transport of ['auto', 'dgram'] as const) {
  describe(`packets of createSocket, transport '${transport}'`, () => {
    const given = process.env.DGRAM_DTLS_TRANSPORT;
    before(() => {
      if (transport === 'dgram') process.env.DGRAM_DTLS_TRANSPORT = 'dgram';
    });
    after(() => {
      if (given === undefined) delete process.env.DGRAM_DTLS_TRANSPORT;
      else process.env.DGRAM_DTLS_TRANSPORT = given;
    });
    afterEach(async () => {
      closeStrangers();
      await closeSockets();
    });

    for (const role of ['client', 'server', 'both'] as const) {
      it(`are sent in clear by a socket of role '${role}', and begin no session`, async () => {
        const socket = await bound(secure({ ...PSK, role }));
        const other = await stranger();
        const arrived = datagrams(other, 3);
        socket.sendPacket(stun('1'), placeOf(other));
        const [error, bytes] = await within(
          new Promise<[Error | null, number]>((resolve) => {
            socket.sendPacket(stun('22'), placeOf(other), (...told) => { resolve(told); });
          }),
          'the callback',
        );
        expect([error, bytes]).to.deep.equal([null, 4]);
        socket.once('packet', (packet: Buffer, info: dgram.RemoteInfo) => { socket.sendPacket(packet, info); });
        other.send(stun('echo'), socket.address().port, '127.0.0.1');
        expect(await arrived).to.deep.equal(['1', '22', 'echo']);
        expect([...socket.sessions]).to.deep.equal([]);
        expect([socket.stats.packetsSent, socket.stats.packetsReceived]).to.deep.equal([3, 1]);
      });
    }

    it('wait for the bind, which they begin', async () => {
      const socket: SecureDgramSocket = secure(PSK);
      const other = await stranger();
      const arrived = datagrams(other, 2);
      const memory = stun('first');
      socket.sendPacket(memory, placeOf(other));
      memory.fill(0xff);
      socket.sendPacket(stun('second'), placeOf(other), () => undefined);
      expect(await arrived).to.deep.equal(['first', 'second']);
    });

    it('keep their place among messages', async () => {
      const [one, two] = [await bound(secure({ ...PSK, role: 'client' })), await bound(secure({ ...PSK, role: 'server' }))];
      const first = received(two);
      await sent(one, 'hello', two);
      await first;
      const seen: string[] = [];
      const all = within(
        new Promise<void>((resolve) => {
          const note = (text: string): void => {
            if (seen.push(text) === 4) resolve();
          };
          two.on('message', (message: Buffer) => { note(message.toString()); });
          two.on('packet', (packet: Buffer) => { note(textOf(packet)); });
        }),
        'packets and messages',
      );
      one.send('1', two.address().port, '127.0.0.1');
      one.sendPacket(rtp('2'), { address: '127.0.0.1', port: two.address().port });
      one.send('3', two.address().port, '127.0.0.1');
      one.sendPacket(rtp('4'), { address: '127.0.0.1', port: two.address().port });
      await all;
      expect(seen).to.deep.equal(['1', '2', '3', '4']);
    });

    it('of a connected socket go to its peer, and nowhere else', async () => {
      const socket = await bound(secure({ ...PSK, role: 'client' }));
      const other = await stranger();
      const connected = once(socket, 'connect');
      socket.connect(other.address().port, '127.0.0.1');
      await within(connected, "'connect'");
      const arrived = datagrams(other, 3);
      socket.sendPacket(stun('1'));
      socket.sendPacket(stun('2'), () => undefined);
      socket.sendPacket(stun('3'), placeOf(other));
      expect(await arrived).to.deep.equal(['1', '2', '3']);
      expect(() => { socket.sendPacket(stun('4'), { address: '127.0.0.1', port: 9 }); })
        .to.throw()
        .with.property('code', 'ERR_SOCKET_DGRAM_IS_CONNECTED');
    });

    it('are refused with typed errors where they cannot be', async () => {
      const socket = await bound(secure(PSK));
      const codes = (call: () => unknown): unknown => thrown(call).code;
      const wrong = socket as unknown as { sendPacket(...args: unknown[]): unknown };
      expect(codes(() => { socket.sendPacket(Buffer.from([22]), { address: '127.0.0.1', port: 9 }); })).to.equal('ERR_DTLS_NOT_A_PACKET');
      expect(codes(() => { socket.sendPacket(stun('x'), { address: 'localhost', port: 9 }); })).to.equal('ERR_INVALID_IP_ADDRESS');
      expect(codes(() => { socket.sendPacket(stun('x'), { address: '127.0.0.1', port: 0 }); })).to.equal('ERR_SOCKET_BAD_PORT');
      expect(codes(() => wrong.sendPacket(stun('x')))).to.equal('ERR_INVALID_ARG_TYPE');
      expect(codes(() => wrong.sendPacket(stun('x'), { address: '127.0.0.1', port: 9 }, 5))).to.equal('ERR_INVALID_ARG_TYPE');
      socket.close();
      expect(() => { socket.sendPacket(stun('x'), { address: '127.0.0.1', port: 9 }); })
        .to.throw()
        .with.property('code', 'ERR_SOCKET_DGRAM_NOT_RUNNING');
    });
  });
}

describe('packets sent over a dgram.Socket of the user\u2019s', () => {
  afterEach(async () => {
    closeStrangers();
    await closeEverything();
  });

  it('that its owner has closed: the callback says so, and nothing is thrown', async () => {
    const [own, other] = [dgram.createSocket('udp4'), await stranger()];
    const server = createServer({ ...PSK_SERVER, transport: own.bind(0, '127.0.0.1') });
    server.listen();
    await next(server, 'listening');
    const closed = next(server, 'close');
    own.close();
    const error = await callbackOf((callback) => server.sendPacket(stun('x'), placeOf(other), callback));
    expect(error).to.include({ name: 'DTLSError', code: 'ERR_SOCKET_DGRAM_NOT_RUNNING', category: 'io' });
    await closed;
  });
});
