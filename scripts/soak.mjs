// Load with sessions that come and go, and a look at the memory: npm run soak [-- --minutes 10]
//
// A server, and clients in the same process. Some sessions stay for long, others for a message; some are
// closed, some forgotten, some handshakes fail, rubbish comes in between. After a while to warm up,
// the memory that stays after a full garbage collection must not grow. Runs over the transport that
// DGRAM_DTLS_TRANSPORT names.

import { spawnSync } from 'node:child_process';
import dgram from 'node:dgram';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { setTimeout as sleep } from 'node:timers/promises';

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '10' } } });
const minutes = Number(values.minutes);
if (!(minutes > 0 && minutes <= 60)) throw new RangeError('--minutes: more than 0, at most 60');

// The collector can be called only when Node was started so. And the young generation has its full size from the
// start: by itself it doubles when V8 thinks fit, the last time by 16 MiB after most of a minute, which looks like a leak.
if (globalThis.gc === undefined) {
  const flags = ['--expose-gc', '--min-semi-space-size=16', '--max-semi-space-size=16'];
  const { status } = spawnSync(process.execPath, [...flags, ...process.argv.slice(1)], { stdio: 'inherit' });
  process.exit(status ?? 1);
}

const { connect, createServer, DTLSSocket } = await import('dgram-dtls');

/** Ends a session without a word to its peer, as a device does that loses its power. Users have no name for it. */
const abandon = Object.getOwnPropertySymbols(DTLSSocket.prototype).find(({ description }) => description === 'abandon');

/** Growth of resident memory, after the warm-up, that is no leak: fragments and noise, of which a minute has 1 MiB. */
const TOLERANCE = 8 * 2 ** 20;
const SAMPLES = 12;
const SETTLING = 0.25; // of the samples
const TALKERS = 20;
const VISITORS = 8;

const psk = { identity: 'soak', psk: Buffer.alloc(16, 7) };
const server = createServer({
  pskCallback: (_socket, identity) => (identity === psk.identity ? psk.psk : null),
  maxSessionsPerHost: 0,
  maxPendingHandshakes: 0,
  idleTimeout: 5000,
  // A wrong key looks like loss until this is over, and what is left at the end is waited for.
  handshakeTimeout: 5000,
  heartbeat: true,
});
server.on('secureConnection', (socket) => {
  socket.on('message', (message) => socket.send(message));
  socket.on('error', () => undefined);
});
server.on('dtlsClientError', () => undefined);
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const { port } = server.address();
const options = { host: '127.0.0.1', port, pskCallback: () => psk, heartbeat: true };

let over = false;
const count = { sessions: 0, messages: 0, failures: 0 };

/** Sends bursts for as long as the soak lasts, and comes back when a slow machine has cost it its session. */
async function talk() {
  const messages = [64, 200, 1200, 1200, 1200, 700].map((size) => Buffer.alloc(size, size));
  while (!over) {
    const socket = connect(options);
    const ended = new Promise((resolve) => {
      socket.once('close', resolve);
    });
    socket.on('error', () => undefined);
    socket.on('message', () => (count.messages += 1));
    await Promise.race([once(socket, 'secureConnect').catch(() => undefined), ended]);
    while (!over && socket.readyState === 'open') {
      if (!socket.sendMany(messages)) {
        await Promise.race([once(socket, 'drain').catch(() => undefined), ended]);
      }
      await sleep(5);
    }
    socket.close();
    await ended;
  }
}

/** Comes, says something, and goes in one way or another. */
async function visit(number) {
  const socket = connect(number % 10 === 9 ? { ...options, pskCallback: () => ({ ...psk, psk: Buffer.alloc(16) }), handshakeTimeout: 1000 } : options);
  const ended = new Promise((resolve) => {
    socket.once('close', resolve);
  });
  socket.on('error', () => (count.failures += 1));
  socket.once('secureConnect', () => {
    count.sessions += 1;
    socket.once('message', () => {
      if (number % 10 < 6) socket.close();
      else if (number % 10 === 6) socket.destroy(new Error('enough'));
      else if (number % 10 === 7) void socket.heartbeat().finally(() => socket.close());
      // The server hears nothing of this end, and has to find out: idleTimeout.
      else socket[abandon]();
    });
    socket.send(`visit ${number}`);
  });
  await ended;
}

async function keepVisiting(start) {
  for (let number = start; !over; ++number) await visit(number);
}

/** Rubbish, and the beginnings of handshakes that nobody goes on with. */
async function disturb() {
  const socket = dgram.createSocket('udp4');
  for (let i = 0; !over; ++i) {
    const rubbish = Buffer.alloc(1 + (i % 300), i);
    rubbish[0] = 20 + (i % 6);
    socket.send(rubbish, port, '127.0.0.1');
    await sleep(2);
  }
  socket.close();
}

function resident() {
  for (let i = 0; i < 4; ++i) globalThis.gc();
  return Number(readFileSync('/proc/self/statm', 'utf8').split(' ')[1]) * 4096;
}

const mebibytes = (bytes) => (bytes / 2 ** 20).toFixed(1);
const work = [
  ...Array.from({ length: TALKERS }, talk),
  ...Array.from({ length: VISITORS }, (_, index) => keepVisiting(index * 3)),
  disturb(),
];
const samples = [];
for (let i = 0; i < SAMPLES; ++i) {
  await sleep((minutes * 60_000) / SAMPLES);
  samples.push(resident());
  console.log(
    `${(((i + 1) * minutes) / SAMPLES).toFixed(1)} min: ${mebibytes(samples[i])} MiB, ` +
      `${server.stats.sessions} sessions, ${count.sessions} came, ${count.failures} failed, ${count.messages} messages`,
  );
}
over = true;
await Promise.all(work);
const waited = performance.now();
while (server.stats.sessions > 0 && performance.now() - waited < 20_000) await sleep(50);
const left = server.stats.sessions;
server.close();
await once(server, 'close');

// The middle of the first half after the warm-up against that of the second: single samples jump.
const settled = samples.slice(Math.ceil(SAMPLES * SETTLING));
const middle = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];
const half = settled.length >> 1;
const grown = middle(settled.slice(half)) - middle(settled.slice(0, half));
console.log(`memory grew by ${mebibytes(grown)} MiB; ${left} sessions were left`);
const failed = grown > TOLERANCE || left > 0 || count.sessions === 0 || count.messages === 0;
console.log(failed ? '0 passed, 1 failed, 0 skipped' : '1 passed, 0 failed, 0 skipped');
process.exit(failed ? 1 : 0);
