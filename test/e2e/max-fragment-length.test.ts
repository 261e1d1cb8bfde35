/**
 * Protects: that max_fragment_length (RFC 6066 section 4) holds for everything that is sent: a message above it is
 * refused by name, that message alone, by whichever door it came; flights, heartbeats and the MTU search keep
 * within it; and a resumed session has it still.
 */
import { expect } from 'chai';
import { createSocket, type DTLSError, type DTLSSocket } from '../../lib/index';
import { listen as listenNode, type DTLSSession } from '../../lib/node-dtls/index';
import { Link } from '../helpers/link';
import {
  certificate,
  closeEverything,
  dialTo,
  listen,
  messages,
  next,
  openOn,
  openPsk,
  portOf,
  PSK,
  PSK_CLIENT,
  PSK_SERVER,
  withCertificate,
  within,
  type Pair,
} from '../helpers/pair';
import { thrown } from '../helpers/thrown';

const LENGTHS = [512, 1024, 2048, 4096] as const;

function expectTooBig(error: unknown, length: number, most: number): void {
  expect(error).to.include({ code: 'ERR_DTLS_MESSAGE_TOO_BIG', category: 'usage' });
  expect((error as DTLSError).message).to.equal(
    `a message of ${length} bytes is above the ${most} that the peers agreed on (max_fragment_length)`,
  );
}

/** Until that message arrives, whatever comes before it. */
function hears(socket: DTLSSocket, text: string): Promise<void> {
  return within(
    new Promise((resolve) => {
      socket.on('message', (message) => {
        if (message.toString() === text) resolve();
      });
    }),
    text,
  );
}

async function stillTalks({ client, peer }: Pair): Promise<void> {
  const both = Promise.all([hears(client, 'here'), hears(peer, 'still')]);
  client.send('still');
  peer.send('here');
  await both;
}

/** The records of a datagram: content type, epoch, and bytes on the wire. */
function* records(datagram: Buffer): Generator<{ type: number; epoch: number; length: number }> {
  for (let at = 0; at < datagram.length; ) {
    const length = datagram.readUInt16BE(at + 11);
    yield { type: datagram.readUInt8(at), epoch: datagram.readUInt16BE(at + 3), length };
    at += 13 + length;
  }
}

describe('max_fragment_length', () => {
  afterEach(closeEverything);

  for (const most of LENGTHS) {
    it(`${most}: a message above it is refused, that message alone, on both sides`, async () => {
      const pair = await openPsk({}, { maxFragmentLength: most });
      for (const [from, to] of [
        [pair.client, pair.peer],
        [pair.peer, pair.client],
      ] as const) {
        expectTooBig(thrown(() => from.send(Buffer.alloc(most + 1))), most + 1, most);
        expectTooBig(thrown(() => from.send([Buffer.alloc(most), 'x'])), most + 1, most);
        const arrived = messages(to, 1);
        from.send(Buffer.alloc(most, 7));
        expect((await arrived)[0]).to.deep.equal(Buffer.alloc(most, 7));
      }
      await stillTalks(pair);
    });
  }

  it('is not asked for by default, and a server has no need of an option', async () => {
    const { client, peer } = await openPsk();
    expect([client.maxMessageSize, peer.maxMessageSize].every((size) => size > 1100)).to.equal(true);
    const arrived = messages(client, 1);
    peer.send(Buffer.alloc(16384));
    expect((await arrived)[0]).to.have.length(16384);
  });

  it('bounds maxMessageSize, whatever the MTU', async () => {
    const { client, peer } = await openPsk({}, { maxFragmentLength: 512 });
    expect([client.maxMessageSize, peer.maxMessageSize]).to.deep.equal([512, 512]);
    client.setMtu(300);
    expect(client.maxMessageSize).to.be.within(200, 299);
    client.setMtu(4000);
    expect(client.maxMessageSize).to.equal(512);
  });

  it('sendMany: nothing is sent', async () => {
    const pair = await openPsk({}, { maxFragmentLength: 512 });
    const sent = pair.client.stats.messagesSent;
    const error = thrown(() => pair.client.sendMany(['fine', Buffer.alloc(513)]));
    expectTooBig(error, 513, 512);
    await stillTalks(pair);
    expect(pair.client.stats.messagesSent).to.equal(sent + 1);
  });

  it('with a callback, too, and many in one batch', async () => {
    const pair = await openPsk({}, { maxFragmentLength: 512 });
    const arrived = messages(pair.peer, 20);
    for (let i = 0; i < 20; ++i) {
      pair.client.send(Buffer.alloc(512));
      expectTooBig(thrown(() => pair.client.send(Buffer.alloc(513), () => undefined)), 513, 512);
    }
    expect(await arrived).to.have.length(20);
  });

  it('before the handshake is over: its callback has the error, the others leave', async () => {
    const server = await listen(PSK_SERVER);
    const accepted = next(server, 'secureConnection');
    const pair = openOn(server, { ...PSK_CLIENT, maxFragmentLength: 512 });
    const connection = next(server, 'connection');
    const [early] = await connection;
    const refused = new Promise((resolve) => early.send(Buffer.alloc(513), resolve));
    const kept = new Promise((resolve) => early.send(Buffer.alloc(512), resolve));
    early.send(Buffer.alloc(513)); // nobody asks what became of it
    const [peer] = await accepted;
    expect(peer).to.equal(early);
    expectTooBig(await refused, 513, 512);
    expect(await kept).to.equal(null);
    const { client } = await pair;
    await stillTalks({ server, client, peer });
  });

  it('Web Streams: the write is refused, the session lives on', async () => {
    const pair = await openPsk({}, { maxFragmentLength: 512 });
    const writer = pair.client.toWeb().writable.getWriter();
    writer.closed.catch(() => undefined);
    const arrived = messages(pair.peer, 1);
    await writer.write(Buffer.alloc(512));
    await arrived;
    expectTooBig(await writer.write(Buffer.alloc(513)).catch((error: unknown) => error), 513, 512);
    await stillTalks(pair);
  });

  it('createSocket: by the callback, before and after the handshake', async () => {
    const server = await listen(PSK_SERVER);
    const accepted = next(server, 'secureConnection');
    const socket = createSocket({ type: 'udp4', dtls: { psk: PSK, maxFragmentLength: 512 } });
    const send = (size: number): Promise<Error | null> =>
      within(
        new Promise((resolve) => {
          socket.send(Buffer.alloc(size), portOf(server), '127.0.0.1', resolve);
        }),
        `the callback of ${size} bytes`,
      );
    try {
      const early = Promise.all([send(513), send(512)]);
      const [peer] = await accepted;
      const arrived = messages(peer, 2);
      const [refused, fine] = await early;
      expectTooBig(refused, 513, 512);
      expect(fine).to.equal(null);
      expectTooBig(await send(600), 600, 512);
      expect(await send(100)).to.equal(null);
      expect((await arrived).map(({ length }) => length)).to.deep.equal([512, 100]);
    } finally {
      socket.close();
    }
  });

  it('flights are within it, in both directions', async () => {
    const own = await certificate({ extraBytes: 3000 });
    const seen: { type: number; epoch: number; length: number }[] = [];
    const [near, far] = [await Link.bound(), await Link.bound()];
    for (const link of [near, far]) {
      link.outgoing = (datagram) => {
        seen.push(...records(datagram));
        return [datagram];
      };
    }
    const server = await listen({
      ...{ cert: own.cert, key: own.key, ca: own.ca, requestCert: true, rejectUnauthorized: false },
      ...{ transport: far, mtu: 3000 },
    });
    const { port } = far.socket.address();
    const accepted = next(server, 'secureConnection');
    const client = dialTo({
      ...{ host: '127.0.0.1', port, transport: near, ca: own.ca, cert: own.cert, key: own.key },
      ...{ maxFragmentLength: 512, mtu: 3000 },
    });
    const connected = next(client, 'secureConnect');
    const [[peer]] = await Promise.all([accepted, connected]);
    await stillTalks({ server, client, peer });
    const flights = seen.filter(({ type, epoch }) => type === 22 && epoch === 0);
    expect(flights.length).to.be.above(15);
    // The ClientHello asks for it and may be longer; here it is not.
    expect(Math.max(...flights.map(({ length }) => length))).to.equal(512);
  });

  it('heartbeats and discoverMtu keep within it', async () => {
    const pair = await openPsk({ heartbeat: true }, { heartbeat: true, maxFragmentLength: 512 });
    const heartbeats: number[] = [];
    pair.client.on('heartbeat', ({ length }) => heartbeats.push(length));
    for (const socket of [pair.client, pair.peer]) {
      await socket.heartbeat(Buffer.alloc(512 - 3 - 16));
      const error = await socket.heartbeat(Buffer.alloc(512 - 3 - 15)).catch((cause: unknown) => cause);
      expect(error).to.include({ code: 'ERR_DTLS_HEARTBEAT_TOO_BIG' });
    }
    const mtu = await pair.client.discoverMtu();
    expect(pair.client.maxMessageSize).to.equal(512);
    expect(mtu).to.be.within(513, 600);
    const above = await pair.client.discoverMtu({ min: mtu + 1 }).catch((cause: unknown) => cause);
    expect(above).to.include({ code: 'ERR_OUT_OF_RANGE', category: 'usage' });
    expect(await pair.client.discoverMtu({ min: mtu })).to.equal(mtu);
    expect(Math.max(...heartbeats)).to.equal(512);
    await stillTalks(pair);
  });

  it('a resumed session has it, and no session is resumed under another one', async () => {
    const server = await listen(await withCertificate());
    const first = await openOn(server, { maxFragmentLength: 1024 });
    const session = first.client.getSession() ?? (await next(first.client, 'session'))[0];
    const same = await openOn(server, { maxFragmentLength: 1024, session });
    expect([same.client.isSessionReused(), same.peer.isSessionReused()]).to.deep.equal([true, true]);
    for (const socket of [same.client, same.peer]) {
      expect(socket.maxMessageSize).to.equal(1024);
      expectTooBig(thrown(() => socket.send(Buffer.alloc(1025))), 1025, 1024);
    }
    await stillTalks(same);
    for (const maxFragmentLength of [512, undefined] as const) {
      const other = await openOn(server, { maxFragmentLength, session });
      expect(other.client.isSessionReused()).to.equal(false);
      expect(other.client.maxMessageSize === 512).to.equal(maxFragmentLength === 512);
      await stillTalks(other);
    }
  });

  it('node:dtls: as what is above the limit of a record', async () => {
    const served = new Promise<DTLSSession>((resolve) => {
      const endpoint = listenNode(resolve, { host: '127.0.0.1', port: 0, psk: { [PSK.identity]: PSK.psk } });
      const client = dialTo({
        ...PSK_CLIENT,
        ...{ host: '127.0.0.1', port: endpoint.address?.port ?? 0, maxFragmentLength: 512 },
      });
      client.once('close', () => {
        void endpoint.close();
      });
    });
    const session = await within(served, 'the session');
    await within(session.opened, 'the handshake');
    expect(session.send(Buffer.alloc(512))).to.equal(512);
    expect(() => session.send(Buffer.alloc(513)))
      .to.throw(RangeError, /exceeds the 512 byte maximum/)
      .with.property('code', 'ERR_OUT_OF_RANGE');
    expect(session.send('still here')).to.equal(10);
  });
});
