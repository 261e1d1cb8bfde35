// The library over transports that carry datagrams in memory: no kernel, one thread.

import { channel, subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { Registry } from 'prom-client';
import { connect, createSecureContext, createServer } from 'dgram-dtls';
import { metrics } from 'dgram-dtls/metrics';
import { loadAddon } from '../native.mjs';
import { Stopwatch } from './counter.mjs';

/** Transports by address; a datagram arrives in a later turn, as it would from a socket. */
class Network {
  #nodes = new Map();
  #queue = [];
  #scheduled = false;

  transport(address, port) {
    const peer = { address, port, family: 'IPv4' };
    const key = `${address}:${port}`;
    return {
      start: (receiver) => this.#nodes.set(key, receiver),
      send: (datagrams, to, done) => {
        for (const datagram of datagrams) this.#queue.push([datagram, peer, to]);
        if (!this.#scheduled) {
          this.#scheduled = true;
          setImmediate(() => this.#deliver());
        }
        if (done) process.nextTick(done, null);
        return true;
      },
      address: () => peer,
      close: (done) => {
        this.#nodes.delete(key);
        process.nextTick(done);
      },
    };
  }

  #deliver() {
    this.#scheduled = false;
    for (const [datagram, from, { address, port }] of this.#queue.splice(0)) {
      this.#nodes.get(`${address}:${port}`)?.receive(datagram, from);
    }
  }
}

let credentials;

export function begin(given) {
  credentials = given;
  loadAddon().setCredentials(given.cert, given.key, given.ca);
}

const serverOptions = () => ({
  cert: credentials.cert,
  key: credentials.key,
  ecdhCurve: 'X25519:P-256',
  maxSessions: 0,
  maxSessionsPerHost: 0,
});

/** Full handshakes, server and client in this thread. */
export async function handshakes(milliseconds) {
  const network = new Network();
  const server = createServer({
    ...serverOptions(),
    transport: network.transport('10.0.0.1', 4433),
  });
  server.listen();
  await once(server, 'listening');
  const secureContext = createSecureContext({ ca: credentials.ca, ecdhCurve: 'X25519:P-256' });
  const handshake = (port) =>
    new Promise((resolve, reject) => {
      const client = connect(
        {
          host: '10.0.0.1',
          port: 4433,
          servername: 'localhost',
          secureContext,
          transport: network.transport('10.0.0.2', port),
        },
        () => client.close(),
      );
      client.on('close', resolve);
      client.on('error', reject);
    });
  let count = 0;
  const watch = new Stopwatch();
  const end = performance.now() + milliseconds;
  for (; performance.now() < end; ++count) await handshake(1024 + (count % 60000));
  const rates = watch.rates(count);
  server.close();
  await once(server, 'close');
  return rates;
}

/** Nanoseconds of CPU time for each of `count` messages that come from `sessions` peers in turn. */
export async function receiveFromMany(sessions, count, size) {
  const { MemoryClient } = loadAddon();
  /** @type {any} */
  let receiver;
  let outgoing = [];
  let received = 0;
  const server = createServer(
    {
      ...serverOptions(),
      transport: {
        start(given) {
          receiver = given;
        },
        send(datagrams) {
          outgoing.push(...datagrams);
          return true;
        },
        address: () => ({ address: '10.0.0.1', port: 4433, family: 'IPv4' }),
        close: (done) => process.nextTick(done),
      },
    },
    (socket) => {
      socket.on('message', () => {
        ++received;
      });
    },
  );
  server.listen();
  await once(server, 'listening');

  // Datagrams lie in memory in the order of their arrival, each with its peer spelled out anew: that is how a socket
  // brings them.
  const peerOf = (i) => ({ address: `10.1.${i >> 8}.${i & 255}`, port: 40000, family: 'IPv4' });
  const each = count / sessions;
  let wire = Buffer.alloc(0);
  let length = 0;
  for (let i = 0; i < sessions; ++i) {
    const peer = peerOf(i);
    const client = new MemoryClient();
    // Two turns of cookie exchange, two of the handshake.
    for (let turn = 0; turn < 4; ++turn) {
      for (const datagram of client.step(outgoing.splice(0))) receiver.receive(datagram, peer);
    }
    client.seal(size, each).forEach((record, n) => {
      length = record.length;
      if (wire.length === 0) wire = Buffer.alloc(count * length);
      record.copy(wire, (n * sessions + i) * length);
    });
    if (i % 100 === 99) await new Promise((resolve) => setImmediate(resolve));
  }
  if (server.stats.handshakesCompleted !== sessions) throw new Error('handshakes failed');
  globalThis.gc?.();

  const start = process.cpuUsage();
  for (let n = 0; n < count; ++n) {
    receiver.receive(wire.subarray(n * length, (n + 1) * length), peerOf(n % sessions));
    // Events have turns of their own, which come when this one is over; as many datagrams to one as to a socket's wake-up.
    if (n % 64 === 63) await new Promise((resolve) => setImmediate(resolve));
  }
  await new Promise((resolve) => setImmediate(resolve));
  const { user, system } = process.cpuUsage(start);
  if (received !== count) throw new Error(`${received} of ${count} messages came`);
  return ((user + system) * 1000) / count;
}

const CHANNELS = ['session.start', 'handshake.message', 'handshake.done', 'handshake.failed', 'retransmission'].concat([
  'alert',
  'heartbeat',
  'session.close',
  'dropped',
]);
let events = 0;
const count = () => {
  ++events;
};
let counting;

/** Watches all channels, or counts for Prometheus. */
export function watch(how) {
  events = 0;
  if (how === 'metrics') counting = metrics(new Registry());
  else for (const name of CHANNELS) subscribe(`dgram-dtls.${name}`, count);
}

/** Returns how many events there were. */
export function unwatch() {
  counting?.close();
  counting = undefined;
  for (const name of CHANNELS) unsubscribe(`dgram-dtls.${name}`, count);
  return events;
}

/** Nanoseconds for a look whether a channel has subscribers, as before each event. */
export function checkTime(times) {
  const channels = CHANNELS.map((name) => channel(`dgram-dtls.${name}`));
  let subscribed = 0;
  const start = process.hrtime.bigint();
  for (let i = 0; i < times; ++i) if (channels[i % CHANNELS.length].hasSubscribers) ++subscribed;
  const elapsed = Number(process.hrtime.bigint() - start);
  if (subscribed > 0) throw new Error('somebody watches');
  return elapsed / times;
}
