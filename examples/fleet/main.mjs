// Two servers of a fleet that keep their sessions in Redis: a client that was with one of them is
// resumed by the other. It needs a Redis, and `npm install redis`:
// `REDIS_URL=redis://127.0.0.1:6379 node examples/fleet/main.mjs`; it ends by itself.
//
// Session ids are for clients without tickets. For all others `ticketKeys` on every server is enough,
// and needs no store (docs/resumption.md); this client has its tickets switched off.

import { constants } from 'node:crypto';
import { once } from 'node:events';

import { connect, createServer } from 'dgram-dtls';
import { createClient } from 'redis';

import { developmentCertificate } from '../certificate.mjs';

const SESSION_TIMEOUT = 300; // seconds

const redis = createClient({ url: process.env.REDIS_URL ?? 'redis://127.0.0.1:6379' });
await redis.connect();

/** What is stored holds master secrets: the store needs to be as safe as the servers. */
const keyOf = (id) => `dtls-session:${id.toString('hex')}`;

function keepSessionsInRedis(server) {
  server.on('newSession', (id, session, callback) => {
    redis
      .set(keyOf(id), session.toString('base64'), { EX: SESSION_TIMEOUT })
      // A session that could not be stored is a good one all the same.
      .catch((error) => console.error('not stored:', error.message))
      .then(callback);
  });
  server.on('resumeSession', (id, callback) => {
    redis.get(keyOf(id)).then(
      (found) => callback(null, found === null ? null : Buffer.from(String(found), 'base64')),
      // Without the store: a full handshake.
      () => callback(null, null),
    );
  });
}

const { cert, key, ca } = await developmentCertificate();

async function startServer(name) {
  const server = createServer({ cert, key, sessionTimeout: SESSION_TIMEOUT });
  keepSessionsInRedis(server);
  server.on('secureConnection', (socket) => {
    socket.on('message', (message) => socket.send(`${name}: ${message}`));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

const servers = [await startServer('server A'), await startServer('server B')];

let session;
for (const server of [...servers, ...servers]) {
  const socket = connect({
    host: 'localhost',
    port: server.address().port,
    family: 4,
    ca,
    secureOptions: constants.SSL_OP_NO_TICKET,
    session,
  });
  socket.on('session', (data) => {
    session = data;
  });
  await once(socket, 'secureConnect');
  socket.send('hello');
  const [answer] = await once(socket, 'message');
  console.log(`${answer} (${socket.isSessionReused() ? 'resumed' : 'full handshake'})`);
  socket.close();
  await once(socket, 'close');
}

for (const server of servers) server.close();
await redis.close();
