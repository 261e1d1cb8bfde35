// Sessions of DTLS 1.2 and 1.3 in the same process, as servers or as clients.

import { once } from 'node:events';
import { getHeapStatistics } from 'node:v8';
import { connect as connectDtls, createSecureContext, createServer } from 'dgram-dtls';
import { loadAddon } from '../native.mjs';
import { sendFor, Stopwatch } from './counter.mjs';

const HOST = '127.0.0.1';
const PSK = { identity: 'bench', psk: Buffer.from('0123456789abcdef') };
/** A session is open when something has come. */
const GREETING = Buffer.from('open');

let credentials;

export function begin(given) {
  credentials = given;
}

const range = (version) => ({ minVersion: version, maxVersion: version });
/** Handshakes are by 'certificate', by 'psk', or 'resumed' with a ticket of the first. */
const byCertificate = (how) => how !== 'psk';

// ---- servers ----

const servers = new Map();

/** A server that greets every session and counts what comes: its port. */
export async function serve(version, how, options = {}) {
  const { cert, key } = credentials;
  const serving = { received: 0 };
  const server = createServer(
    {
      ...range(version),
      ...(byCertificate(how) ? { cert, key } : { pskCallback: () => PSK.psk }),
      ecdhCurve: 'X25519:P-256',
      maxSessions: 0,
      maxSessionsPerHost: 0,
      maxPendingHandshakesPerHost: 0,
      ...options,
    },
    (session) => {
      session.on('message', () => {
        ++serving.received;
      });
      session.send(GREETING);
    },
  );
  server.listen(0, HOST);
  await once(server, 'listening');
  const { port } = server.address();
  servers.set(port, serving);
  return port;
}

/** What comes in a stretch of time. */
export async function received(port, milliseconds) {
  const serving = servers.get(port);
  const watch = new Stopwatch();
  const before = serving.received;
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
  return watch.rates(serving.received - before);
}

// ---- clients ----

const contexts = new Map();

function clientOptions(version, how, options) {
  const key = JSON.stringify([version, how, options]);
  if (!contexts.has(key)) {
    contexts.set(key, {
      secureContext: createSecureContext({
        ...range(version),
        ...(byCertificate(how) ? { ca: credentials.ca } : {}),
        ecdhCurve: 'X25519:P-256',
        ...options,
      }),
      servername: 'localhost',
      ...(byCertificate(how) ? {} : { pskCallback: () => PSK }),
    });
  }
  return contexts.get(key);
}

const sessions = new Map();

/** A session with a server, for send(). */
export async function connect(port, version, how, options = {}) {
  const socket = connectDtls({ port, host: HOST, ...clientOptions(version, how, options) });
  await once(socket, 'message');
  if (socket.getProtocol() !== version) throw new Error(`${socket.getProtocol()} in place of ${version}`);
  sessions.set(port, socket);
  return socket.getCipher().name;
}

export function send(port, size, milliseconds) {
  const socket = sessions.get(port);
  const message = Buffer.alloc(size, 0x5a);
  return sendFor(
    milliseconds,
    () => socket.send(message),
    () => once(socket, 'drain'),
  );
}

const tickets = new Map();

/** A ticket of a server by certificate, for handshakes that are 'resumed'. */
async function ticketOf(port, version) {
  if (!tickets.has(port)) {
    const socket = connectDtls({ port, host: HOST, ...clientOptions(version, 'certificate', {}) });
    const [session] = await once(socket, 'session');
    tickets.set(port, session);
    socket.close();
    await once(socket, 'close');
  }
  return tickets.get(port);
}

/** From the first hello to the server's greeting, and the end. */
async function handshake(options, reused) {
  const client = connectDtls(options);
  await once(client, 'message');
  if (client.isSessionReused() !== reused) throw new Error(reused ? 'it was not resumed' : 'it was resumed');
  client.close();
  await once(client, 'close');
}

/** A few at once: there is always something to do while a datagram is under way. */
const WORKERS = 8;

/** How many handshakes there were, and how much CPU time they took here. */
export async function handshakes(port, version, how, milliseconds) {
  const reused = how === 'resumed';
  const options = {
    port,
    host: HOST,
    ...clientOptions(version, how === 'psk' ? 'psk' : 'certificate', {}),
    ...(reused ? { session: await ticketOf(port, version) } : {}),
  };
  let count = 0;
  const before = process.cpuUsage();
  const end = performance.now() + milliseconds;
  const worker = async () => {
    for (; performance.now() < end; ++count) await handshake(options, reused);
  };
  await Promise.all(Array.from({ length: WORKERS }, worker));
  const { user, system } = process.cpuUsage(before);
  return { count, cpu: (user + system) / 1e6 };
}

/** Seconds of CPU time since the process began. */
export function cpuTime() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

// ---- memory ----

const idle = [];

/** So many sessions more with a server, which nobody speaks in. */
export async function hold(port, version, count) {
  const options = { port, host: HOST, ...clientOptions(version, 'certificate', {}) };
  const worker = async () => {
    while (count-- > 0) {
      const socket = connectDtls(options);
      await once(socket, 'message');
      idle.push(socket);
    }
  };
  await Promise.all(Array.from({ length: WORKERS }, worker));
}

/** What the process has: by the system, by malloc, and of JavaScript's objects. */
export function memory() {
  for (let i = 0; i < 4; ++i) globalThis.gc();
  const addon = loadAddon();
  return {
    resident: addon.residentBytes(),
    native: addon.allocatedBytes(),
    javascript: getHeapStatistics().used_heap_size,
  };
}
