// One DTLS server for each process of a cluster, all on one port: `node examples/scaling/cluster.mjs`
// runs two of them, lets clients come, and ends by itself. What it takes is in docs/scaling.md.

import cluster from 'node:cluster';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';

import { createServer } from 'dgram-dtls';

import { developmentCertificate } from '../certificate.mjs';
import { tryOut } from './clients.mjs';

const WORKERS = 2;

if (cluster.isPrimary) {
  const { cert, key, ca } = await developmentCertificate();
  // The same for all of them. Binary data travels as base64 in IPC messages.
  const shared = {
    cert,
    key,
    cookieSecret: randomBytes(32).toString('base64'),
    ticketKeys: randomBytes(48).toString('base64'),
  };
  let port = 0;
  for (let i = 0; i < WORKERS; ++i) {
    const worker = cluster.fork();
    await once(worker, 'message'); // it listens for what it is to be told
    worker.send({ ...shared, name: `process ${i + 1}`, port });
    const [listening] = await once(worker, 'message');
    port = listening.port;
  }
  // All of them are there before the first client comes: see docs/scaling.md on what changes else.
  await tryOut(port, ca);
  cluster.disconnect();
} else {
  process.send('ready');
  const [{ cert, key, cookieSecret, ticketKeys, name, port }] = await once(process, 'message');
  const server = createServer(
    {
      cert,
      key,
      reusePort: true,
      cookieSecret: Buffer.from(cookieSecret, 'base64'),
      ticketKeys: Buffer.from(ticketKeys, 'base64'),
    },
    (socket) => {
      socket.on('message', () => socket.send(name));
    },
  );
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  process.send({ port: server.address().port });
  process.once('disconnect', () => server.close());
}
