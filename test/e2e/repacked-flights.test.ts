/**
 * Protects: that a handshake is read by its messages, however a peer or a box in between packed them into fragments
 * and records, with pre-shared keys and with certificates, in both roles; and that what arrives while a callback
 * takes its time has the outcome that it has with a quick one.
 */
import { expect } from 'chai';
import type { ConnectOptions, DTLSSocket, ServerOptions } from '../../lib/index';
import { converse } from '../helpers/exchange';
import { Link } from '../helpers/link';
import { patience } from '../helpers/patience';
import {
  certificate,
  closeEverything,
  dialTo,
  ending,
  listen,
  messages,
  next,
  portOf,
  PSK,
  PSK_CLIENT,
  PSK_SERVER,
  type Pair,
} from '../helpers/pair';
import { HANDSHAKE, readFragment, readRecords, writeFragment, writeRecord, type WireFragment } from '../fault/support';

const HELLOS = [1, 3];
const HELLO_REQUEST = 0;
const FATAL_HANDSHAKE_FAILURE = Buffer.from([2, 40]);
const CLOSE_NOTIFY = Buffer.from([1, 0]);

const part = (message: WireFragment, from: number, to: number): Buffer =>
  writeFragment({ ...message, offset: from, body: message.body.subarray(from, to) });
const whole = (message: WireFragment): Buffer => part(message, 0, message.body.length);

/** The messages of a flight become the bodies of records. */
const PACKINGS: Readonly<Record<string, (messages: readonly WireFragment[]) => Buffer[]>> = {
  'in one record': (flight) => [Buffer.concat(flight.map(whole))],
  'in one record, backwards': (flight) => [Buffer.concat(flight.map(whole).reverse())],
  'the first one\'s tail in one record with the rest': ([first, ...rest]) => {
    if (first === undefined) return [];
    const half = first.body.length >> 1;
    const tail = part(first, half, first.body.length);
    return [part(first, 0, half), Buffer.concat([tail, ...rest.map(whole)])];
  },
  'with empty fragments': (flight) => [
    Buffer.concat(flight.flatMap((message) => [part(message, 0, 0), whole(message)])),
  ],
  'a HelloRequest before': (flight) => {
    const sequence = flight[0]?.messageSequence ?? 0;
    const request = { type: HELLO_REQUEST, messageLength: 0, messageSequence: sequence, offset: 0, body: Buffer.alloc(0) };
    // Only a server sends one.
    const before = flight[0]?.type === 2 ? [whole(request)] : [];
    return [Buffer.concat([...before, ...flight.map(whole)])];
  },
};

/** Repacks what is in clear, on from the number of the first record; hellos and their like pass. */
function repacking(pack: (flight: readonly WireFragment[]) => Buffer[]): (datagram: Buffer) => Buffer[] {
  let number = 0;
  return (datagram) => {
    const records = readRecords(datagram);
    const flight = records.flatMap((record) => readFragment(record) ?? []);
    if (flight.length === 0 || flight.some(({ type }) => HELLOS.includes(type))) return [datagram];
    const bodies = pack(flight.map((message) => ({ ...message, body: Buffer.from(message.body) })));
    number = Math.max(number, records[0]?.sequence ?? 0);
    const rest = records.filter(({ type, epoch }) => type !== HANDSHAKE || epoch !== 0);
    return [
      ...bodies.map((body) => writeRecord({ type: HANDSHAKE, epoch: 0, sequence: number++, body })),
      ...rest.map((record) => writeRecord(record.epoch === 0 ? { ...record, sequence: number++ } : record)),
    ];
  };
}

/** A session over a link on one side; the other side has the transport of the test run. */
async function openOver(
  link: Link,
  side: 'server' | 'client',
  forServer: ServerOptions,
  forClient: Partial<ConnectOptions>,
): Promise<Pair> {
  const server = await listen({ ...forServer, ...(side === 'server' ? { transport: link } : {}) });
  const accepted = next(server, 'secureConnection');
  const port = side === 'server' ? link.socket.address().port : portOf(server);
  const client = dialTo({ host: '127.0.0.1', port, ...forClient, ...(side === 'client' ? { transport: link } : {}) });
  const connected = next(client, 'secureConnect');
  const [[peer]] = await Promise.all([accepted, connected]);
  return { server, client, peer };
}

describe('repacked flights', () => {
  afterEach(closeEverything);

  for (const [name, pack] of Object.entries(PACKINGS)) {
    for (const side of ['server', 'client'] as const) {
      it(`${name}: a ${side}'s flight with a pre-shared key`, async () => {
        const link = await Link.bound();
        link.outgoing = repacking(pack);
        let asked = 0;
        const pair = await openOver(
          link,
          side,
          { ...PSK_SERVER, pskIdentityHint: 'plant 7' },
          {
            pskCallback: (hint) => {
              expect(hint).to.equal('plant 7');
              asked += 1;
              return PSK;
            },
          },
        );
        await converse(pair);
        expect(asked).to.equal(1);
        expect([pair.client.stats.retransmissions, pair.peer.stats.retransmissions]).to.deep.equal([0, 0]);
      });

      it(`${name}: a ${side}'s flight with certificates on both sides`, async () => {
        const link = await Link.bound();
        link.outgoing = repacking(pack);
        const own = await certificate();
        const both = { cert: own.cert, key: own.key, ca: own.ca, mtu: 3000 };
        const pair = await openOver(link, side, { ...both, requestCert: true, rejectUnauthorized: false }, both);
        await converse(pair);
        expect([pair.client.stats.retransmissions, pair.peer.stats.retransmissions]).to.deep.equal([0, 0]);
      });
    }
  }

  const soon = <T>(value: T, slow: boolean): T | Promise<T> =>
    slow ? new Promise((resolve) => setTimeout(resolve, patience(60), value)) : value;

  /** Names of what happened to a socket, in order, with the code of its error. */
  function chronicle(socket: DTLSSocket): string[] {
    const told: string[] = [];
    socket.on('handshake', ({ direction, message }) => told.push(`${direction} ${message}`));
    socket.on('alert', ({ direction, description }) => told.push(`${direction} alert ${description}`));
    socket.on('secureConnect', () => told.push('secureConnect'));
    socket.on('message', (message) => told.push(`message ${message.toString()}`));
    socket.on('error', ({ code }) => told.push(`error ${code}`));
    socket.on('close', (hadError) => told.push(`close ${String(hadError)}`));
    return told;
  }

  for (const [name, alert] of Object.entries({ 'a fatal alert': FATAL_HANDSHAKE_FAILURE, close_notify: CLOSE_NOTIFY })) {
    it(`${name} behind the flight that makes a client ask: the same with a slow pskCallback`, async () => {
      const outcomes: string[][] = [];
      for (const slow of [false, true]) {
        const link = await Link.bound();
        let closed = false;
        link.outgoing = (datagram) => {
          if (closed) return [];
          const types = readRecords(datagram).map((record) => readFragment(record)?.type);
          if (!types.includes(14)) return [datagram];
          closed = true;
          return [datagram, writeRecord({ type: 21, epoch: 0, sequence: 100, body: alert })];
        };
        await listen({ ...PSK_SERVER, transport: link });
        const client = dialTo({
          host: '127.0.0.1',
          port: link.socket.address().port,
          pskCallback: () => soon(PSK, slow),
        });
        const told = chronicle(client);
        await ending(client);
        outcomes.push(told);
      }
      const [quick, slow] = outcomes;
      expect(slow).to.deep.equal(quick);
      expect(quick?.slice(-2)[0]).to.match(/^error ERR_DTLS_ALERT/);
    });
  }

  it('messages behind a resumed client\'s Finished reach a server whose callback is slow', async () => {
    for (const slow of [false, true]) {
      const server = await listen({ pskCallback: (_, identity) => soon(PSK_SERVER.pskCallback(_, identity), slow) });
      const first = dialTo({ host: '127.0.0.1', port: portOf(server), ...PSK_CLIENT });
      await next(first, 'secureConnect');
      const session = first.getSession();
      const accepted = new Promise<Buffer[]>((resolve, reject) => {
        server.once('secureConnection', (peer) => {
          messages(peer, 3).then(resolve, reject);
        });
      });
      const client = dialTo({ host: '127.0.0.1', port: portOf(server), ...PSK_CLIENT, session });
      for (const text of ['a', 'b', 'c']) client.send(text);
      const arrived = await accepted;
      expect(client.isSessionReused()).to.equal(true);
      expect(arrived.map(String)).to.deep.equal(['a', 'b', 'c']);
    }
  });
});
