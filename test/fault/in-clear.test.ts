// Protects the process from whatever is said in clear, in whatever order: forged answers, hellos, alerts and ACKs of both versions
// among the genuine records, and those of several servers in one datagram. Handshakes begin anew, go back to DTLS 1.2 and return in
// the middle of a datagram; they may fail by it, and nothing else may.
import { expect } from 'chai';
import type { AddressInfo } from 'node:net';
import { connect, createServer, features, type ConnectOptions, type DatagramReceiver, type DatagramTransport, type DTLSServer, type Peer, type ServerOptions } from '../../lib/index';
import { peerOf, seededRandom } from '../../lib/lab/index';
import { PSK, PSK_CLIENT, PSK_SERVER, certificate } from '../helpers/pair';
import { createAuthority } from '../helpers/certificates';
import { closeAll, pause, writeFragment, writeRecord } from './support';

const [CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, DATA, HEARTBEAT, ACK] = [20, 21, 22, 23, 24, 26];
const RETRY_RANDOM = Buffer.from('cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c', 'hex');
const DOWNGRADED = Buffer.from('DOWNGRD\u0001');
const [VERIFY_REQUEST, CLIENT_HELLO, SERVER_HELLO, SERVER_KEY_EXCHANGE, SERVER_HELLO_DONE] = [3, 1, 2, 12, 14];

const u16 = (value: number): Buffer => Buffer.from([value >> 8, value & 0xff]);
const behindU16 = (bytes: Buffer): Buffer => Buffer.concat([u16(bytes.length), bytes]);
const extension = (type: number, data: Buffer): Buffer => Buffer.concat([u16(type), behindU16(data)]);
const OF_13 = extension(43, u16(0xfefc));

/** Draws, and what can be made up without a key. */
class Forger {
  readonly #random: () => number;

  constructor(seed: string) {
    this.#random = seededRandom(seed);
  }

  below(bound: number): number {
    return Math.floor(this.#random() * bound);
  }
  /** One time in so many. */
  one(of: number): boolean {
    return this.below(of) === 0;
  }
  pick<T>(...of: readonly T[]): T {
    return of[this.below(of.length)] as T;
  }
  bytes(size: number): Buffer {
    return Buffer.from(Array.from({ length: size }, () => this.below(256)));
  }

  #serverHello(random: Buffer, suite: number, ...extensions: Buffer[]): Buffer {
    const fields = [u16(0xfefd), random, Buffer.of(0), u16(suite), Buffer.of(0)];
    return Buffer.concat(extensions.length === 0 ? fields : [...fields, behindU16(Buffer.concat(extensions))]);
  }

  #message(): [type: number, body: Buffer] {
    const share = (key: Buffer): Buffer => extension(51, Buffer.concat([u16(0x1d), behindU16(key)]));
    const hello = (random: Buffer, suite: number, ...extensions: Buffer[]): [number, Buffer] => [SERVER_HELLO, this.#serverHello(random, suite, ...extensions)];
    return this.pick<() => [number, Buffer]>(
      () => [VERIFY_REQUEST, Buffer.concat([u16(0xfeff), Buffer.of(4), this.bytes(4)])],
      () => hello(RETRY_RANDOM, 0x1301, OF_13, extension(44, behindU16(this.bytes(40)))),
      () => hello(RETRY_RANDOM, 0x1301, OF_13, extension(51, u16(0x18))),
      () => hello(this.bytes(32), this.pick(0x1301, 0x1302, 0x13ff), OF_13, share(this.bytes(32))),
      () => hello(Buffer.concat([this.bytes(24), DOWNGRADED]), this.pick(0xc02b, 0x00a8)),
      () => hello(this.bytes(32), this.pick(0xc02b, 0x00a8, 0xc0ac), extension(23, Buffer.alloc(0))),
      () => [SERVER_HELLO_DONE, Buffer.alloc(0)],
      () => [SERVER_KEY_EXCHANGE, behindU16(this.bytes(this.below(20)))],
      () => [CLIENT_HELLO, Buffer.concat([u16(0xfefd), this.bytes(32), Buffer.of(0, 0, 0, 2, 0xc0, 0x2b, 1, 0)])],
      () => [this.below(26), this.bytes(this.below(60))],
    )();
  }

  #fragment(): Buffer {
    const [type, body] = this.#message();
    const offset = this.one(4) ? this.below(body.length) : 0;
    const part = body.subarray(offset, this.one(4) ? offset + 1 + this.below(body.length) : body.length);
    return writeFragment({ type, messageLength: body.length, messageSequence: this.below(3), offset, body: part });
  }

  record(): Buffer {
    const inClear = (type: number, body: Buffer, epoch = 0): Buffer =>
      writeRecord({ type, epoch, sequence: this.pick(this.below(4), this.below(70_000)), body });
    const unified = (body: Buffer): Buffer => Buffer.concat([Buffer.of(0x2c | this.below(4)), this.bytes(2), behindU16(body)]);
    return this.pick(
      () => inClear(ALERT, Buffer.of(1 + this.below(3), this.pick(0, 40, 47, 70, 80, 90, 100))),
      () => inClear(CHANGE_CIPHER_SPEC, Buffer.of(1)),
      () => inClear(ACK, this.one(2) ? u16(0) : behindU16(Buffer.concat([Buffer.alloc(15), Buffer.of(this.below(4))]))),
      () => inClear(this.pick(ALERT, HANDSHAKE, DATA, HEARTBEAT), this.bytes(this.pick(8, 24, 40, 200)), 1),
      () => unified(this.bytes(this.pick(10, 16, 40, 300))),
      () => this.bytes(1 + this.below(40)),
      ...Array.from({ length: 6 }, () => () => inClear(HANDSHAKE, Buffer.concat(Array.from({ length: this.pick(1, 1, 3) }, () => this.#fragment())))),
    )();
  }
  records(most: number): Buffer[] {
    return Array.from({ length: 1 + this.below(most) }, () => this.record());
  }
}

const nameOf = ({ address, port }: Peer): string => `${address}:${String(port)}`;

/** All ends, in memory. What a client says may come to any server, and the client takes all answers for its own server's. */
class Network {
  readonly #forger: Forger;
  readonly servers: End[] = [];
  readonly clients = new Map<string, End>();

  constructor(forger: Forger) {
    this.#forger = forger;
  }

  carry(from: End, datagram: Buffer, peer: Peer): void {
    if (from.home === undefined) {
      const client = this.clients.get(nameOf(peer));
      if (client?.home !== undefined) this.#deliver(client, datagram, client.home.peer);
      return;
    }
    this.#deliver(from.home, datagram, from.peer);
    if (this.#forger.one(5)) this.#deliver(this.#forger.pick(...this.servers), datagram, from.peer);
  }

  #deliver(to: End, datagram: Buffer, from: Peer): void {
    for (const arriving of this.#garbled(to, datagram)) {
      if (this.#forger.one(3)) setTimeout(() => { to.hear(arriving, from); }, this.#forger.below(30));
      else queueMicrotask(() => { to.hear(arriving, from); });
    }
  }

  #garbled({ kept }: End, datagram: Buffer): Buffer[] {
    const forger = this.#forger;
    const whole = [datagram];
    return forger.pick(
      () => whole,
      () => whole,
      () => { kept.push(datagram); return []; },
      () => [datagram, datagram],
      () => [...forger.records(3), datagram],
      () => [Buffer.concat([datagram, ...forger.records(3)])],
      () => [Buffer.concat([...forger.records(3), datagram])],
      () => [Buffer.concat([...kept.splice(0), ...forger.records(1), datagram])],
      () => {
        const flipped = Buffer.from(datagram);
        const at = forger.below(Math.min(flipped.length, 100));
        flipped[at] = (flipped[at] ?? 0) ^ (1 << forger.below(8));
        return [flipped];
      },
    )();
  }
}

/** The end of a client, which has a home, or of a server. */
class End implements DatagramTransport {
  readonly #network: Network;
  readonly peer: Peer;
  readonly home: End | undefined;
  readonly kept: Buffer[] = [];
  #receiver: DatagramReceiver | undefined;

  constructor(network: Network, peer: Peer, home?: End) {
    this.#network = network;
    this.peer = peer;
    this.home = home;
  }

  start(receiver: DatagramReceiver): void {
    this.#receiver = receiver;
  }
  hear(datagram: Buffer, from: Peer): void {
    this.#receiver?.receive(datagram, from);
  }
  send(datagrams: readonly Uint8Array[], peer: Peer, done?: (error: Error | null) => void): boolean {
    for (const datagram of datagrams) this.#network.carry(this, Buffer.from(datagram), peer);
    if (done !== undefined) process.nextTick(done, null);
    return true;
  }
  address(): AddressInfo {
    return { ...this.peer, family: 'IPv4' };
  }
  close(done: () => void): void {
    this.#receiver = undefined;
    process.nextTick(done);
  }
}

const UP_TO = features.dtls13 === false ? (['DTLSv1.2'] as const) : (['DTLSv1.2', 'DTLSv1.3', 'DTLSv1.3'] as const);
const QUICK = { handshakeTimeout: 600, retransmission: { initial: 40, max: 200 } } as const;
const [ROUNDS, AT_ONCE] = [4, 120];

describe('what is said in clear, in whatever order', function () {
  this.timeout(60_000);

  for (const seed of ['one', 'two', 'three']) {
    it(`ends no more than handshakes: seed ${seed}`, async () => {
      const forger = new Forger(seed);
      const network = new Network(forger);
      const { cert, key } = await certificate();
      const { certificatePem: ca } = await createAuthority();
      const serve = async (options: ServerOptions): Promise<DTLSServer> => {
        const end = new End(network, peerOf('10.0.0.1', 1 + network.servers.length));
        network.servers.push(end);
        const server = createServer({ cert, key, transport: end, ...QUICK, ...options });
        server.on('dtlsClientError', () => undefined).on('peerError', () => undefined);
        server.on('secureConnection', (socket) => { socket.on('error', () => undefined); });
        await new Promise<void>((resolve) => { server.listen(0, () => { resolve(); }); });
        return server;
      };
      const servers: DTLSServer[] = [];
      for (const maxVersion of new Set(UP_TO)) {
        for (const cookieExchange of [true, false]) {
          for (const more of [{}, PSK_SERVER, { peers: () => pause(5).then(() => ({})) }]) {
            servers.push(await serve({ maxVersion, cookieExchange, ...more }));
          }
        }
      }
      let open = 0;
      const dial = async (port: number): Promise<void> => {
        const home = forger.pick(...network.servers);
        const end = new End(network, peerOf('10.0.0.2', port), home);
        network.clients.set(nameOf(end.peer), end);
        const options: ConnectOptions = { transport: end, host: home.peer.address, port: home.peer.port, servername: 'localhost', ca, ...QUICK, maxVersion: forger.pick(...UP_TO) };
        const client = connect({
          ...options,
          ...(forger.one(3) && PSK_CLIENT),
          ...(forger.one(4) && { pskCallback: () => pause(10).then(() => PSK) }),
          ...(forger.one(3) && { requestOCSP: true }),
        });
        client.on('error', () => undefined);
        client.on('OCSPResponse', (_response, waitUntil) => { waitUntil(pause(forger.below(20))); });
        client.on('secureConnect', () => {
          ++open;
          setTimeout(() => { client.destroy(); }, forger.below(50));
        });
        const closed = new Promise<void>((resolve) => { client.once('close', () => { resolve(); }); });
        for (let burst = forger.below(6); burst > 0; --burst) {
          setTimeout(() => {
            end.hear(Buffer.concat(forger.records(4)), home.peer);
            home.hear(Buffer.concat(forger.records(4)), end.peer);
          }, forger.below(150));
        }
        await closed;
        network.clients.delete(nameOf(end.peer));
      };
      for (let round = 0; round < ROUNDS; ++round) {
        await Promise.all(Array.from({ length: AT_ONCE }, (_, index) => dial(1 + AT_ONCE * round + index)));
      }
      expect(open).to.be.above(20);
      await closeAll(...servers);
      expect(servers.map(({ stats }) => stats.sessions)).to.deep.equal(servers.map(() => 0));
    });
  }
});
