// The library, over its own socket or, with DGRAM_DTLS_TRANSPORT=dgram, over node:dgram.

import { once } from 'node:events';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';
import { connect as connectDtls, createSecureContext, createServer } from 'dgram-dtls';
import { loadAddon } from '../native.mjs';
import { Counter, echoOver, pingFor, sendFor, Stopwatch } from './counter.mjs';

const counter = new Counter();
let credentials;
let socket;
let echoing;
let sending;

/** What a record of AES-GCM adds to its message: header, explicit nonce and tag. */
const RECORD_OVERHEAD = 13 + 8 + 16;

export function begin(given) {
  credentials = given;
}

async function listen(onSession, options = {}) {
  const { cert, key } = credentials;
  const server = createServer({ cert, key, ecdhCurve: 'X25519:P-256', ...options }, onSession);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

export async function serve(options) {
  const server = await listen((session) => {
    session.on('message', () => {
      ++counter.count;
    });
  }, options);
  return server.address().port;
}

export async function serveBatches() {
  const server = await listen((session) => {
    session.on('messages', (messages) => {
      counter.count += messages.length;
    });
  });
  return server.address().port;
}

/** Counts what is none of DTLS, and messages where they come among it. */
export async function servePackets(options) {
  const server = await listen((session) => {
    session.on('message', () => {
      ++counter.count;
    });
  }, options);
  server.on('packet', () => {
    ++counter.count;
  });
  return server.address().port;
}

export async function servePacketBatches() {
  const server = await listen((session) => {
    session.on('messages', (messages) => {
      counter.count += messages.length;
    });
  });
  server.on('packets', (packets) => {
    counter.count += packets.length;
  });
  return server.address().port;
}

export const received = (milliseconds) => counter.rates(milliseconds);

export async function serveEcho() {
  const answer = (session) => {
    session.on('message', (message) => session.send(message));
  };
  echoing = await listen(answer, { heartbeat: true, maxSessions: 0, maxSessionsPerHost: 0 });
  return echoing.address().port;
}

/** How late the event loop is, and handshakes for each second of CPU time, while others shake hands. */
export async function delays(milliseconds) {
  const resolution = 1;
  const delay = monitorEventLoopDelay({ resolution });
  const before = echoing.stats.handshakesCompleted;
  const watch = new Stopwatch();
  delay.enable();
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
  delay.disable();
  const { cpu } = watch.rates(echoing.stats.handshakesCompleted - before);
  return { p99: delay.percentile(99) / 1e6 - resolution, cpu };
}

const clientOptions = () => ({
  secureContext: createSecureContext({ ca: credentials.ca, ecdhCurve: 'X25519:P-256' }),
  servername: 'localhost',
});

export async function connect(port) {
  socket = connectDtls({ port, host: '127.0.0.1', heartbeat: true, ...clientOptions() });
  await once(socket, 'secureConnect');
}

export function send(size, milliseconds) {
  const message = Buffer.alloc(size, 0x5a);
  return sendFor(
    milliseconds,
    () => socket.send(message),
    () => once(socket, 'drain'),
  );
}

/** A server that has somebody to send packets to, who is nobody's peer. */
export async function listenFor(port) {
  sending = { server: await listen(), peer: { address: '127.0.0.1', port } };
}

export function sendPackets(size, milliseconds) {
  const packet = Buffer.alloc(size, 0x80);
  const { server, peer } = sending;
  return sendFor(
    milliseconds,
    () => server.sendPacket(packet, peer),
    () => once(server, 'drain'),
  );
}

/** Messages of a session and packets of the size of their records, in turns. */
export function sendMixed(size, milliseconds) {
  const message = Buffer.alloc(size, 0x5a);
  const packet = Buffer.alloc(size + RECORD_OVERHEAD, 0x80);
  let turn = false;
  return sendFor(
    milliseconds,
    () => {
      turn = !turn;
      return turn ? socket.send(message) : socket.sendPacket(packet);
    },
    () => once(socket, 'drain'),
  );
}

export function ping(size, milliseconds) {
  const message = Buffer.alloc(size, 0x5a);
  return pingFor(
    milliseconds,
    () => socket.send(message),
    (answered) => socket.removeAllListeners('message').on('message', answered),
  );
}

export const echo = (size, milliseconds) => echoOver(socket, size, milliseconds);

/** Has `received` count, of a client, what comes from now on. */
export function hear() {
  socket.removeAllListeners('message').on('message', () => {
    ++counter.count;
  });
}

/** Handshakes with a server elsewhere, one after the other. */
export async function shakeHands(milliseconds, port) {
  const options = clientOptions();
  const watch = new Stopwatch();
  const end = performance.now() + milliseconds;
  let count = 0;
  for (; performance.now() < end; ++count) await handshake(port, options);
  return watch.rates(count);
}

export function heartbeat(size, milliseconds) {
  const payload = Buffer.alloc(size, 0x5a);
  let answered;
  return pingFor(
    milliseconds,
    () => void socket.heartbeat(payload).then(() => answered()),
    (given) => {
      answered = given;
    },
  );
}

// ---- many sessions ----

let held = 0;

/** A server that keeps every session, and listens to it if so asked; the senders have an address each. */
export async function prepareHold(listening = false) {
  const onMessage = () => {
    ++counter.count;
  };
  const server = await listen(
    (session) => {
      ++held;
      if (listening) session.on('message', onMessage);
    },
    { maxSessions: 0, maxSessionsPerHost: 0, maxPendingHandshakesPerHost: 0 },
  );
  return { port: server.address().port };
}

export async function holding(count) {
  // A client's handshake ends before its server's does.
  for (let turn = 0; turn < 100 && held < count; ++turn) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  if (held < count) throw new Error(`${held} sessions instead of ${count}`);
}

/** Counts the messages of all that are held until no more come. */
export const receiveUntilSilence = () => counter.untilSilence();

export function residentBytes() {
  for (let i = 0; i < 4; ++i) globalThis.gc();
  return loadAddon().residentBytes();
}

/** What objects of JavaScript take, compiled code among them. */
export function heapBytes() {
  for (let i = 0; i < 4; ++i) globalThis.gc();
  return getHeapStatistics().used_heap_size;
}

// ---- handshakes over the loopback interface ----

async function handshake(port, options) {
  const client = connectDtls({ port, host: '127.0.0.1', ...options });
  await once(client, 'secureConnect');
  client.close();
  await once(client, 'close');
}

export async function handshakes(milliseconds) {
  const server = await listen(undefined, { maxSessionsPerHost: 0 });
  const { port } = server.address();
  const options = clientOptions();
  const worker = async (end) => {
    let count = 0;
    for (; performance.now() < end; ++count) await handshake(port, options);
    return count;
  };
  const watch = new Stopwatch();
  const end = performance.now() + milliseconds;
  // A few at once: there is always something to do while a datagram is under way.
  const workers = Array.from({ length: 8 }, () => worker(end));
  const counts = await Promise.all(workers);
  const rates = watch.rates(counts.reduce((a, b) => a + b));
  server.close();
  await once(server, 'close');
  return rates;
}
