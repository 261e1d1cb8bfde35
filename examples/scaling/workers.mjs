// One DTLS server for each thread of a process, all on one port: `node examples/scaling/workers.mjs`
// runs two of them, lets clients come, and ends by itself. What it takes is in docs/scaling.md.

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

import { createServer } from 'dgram-dtls';

import { developmentCertificate } from '../certificate.mjs';
import { tryOut } from './clients.mjs';

const THREADS = 2;

if (isMainThread) {
  const { cert, key, ca } = await developmentCertificate();
  const shared = { cert, key, cookieSecret: randomBytes(32), ticketKeys: randomBytes(48) };
  const workers = [];
  let port = 0;
  for (let i = 0; i < THREADS; ++i) {
    const worker = new Worker(new URL(import.meta.url), {
      workerData: { ...shared, name: `thread ${i + 1}`, port },
    });
    workers.push(worker);
    [port] = await once(worker, 'message');
  }
  // All of them are there before the first client comes: see docs/scaling.md on what changes else.
  await tryOut(port, ca);
  for (const worker of workers) worker.postMessage('close');
} else {
  const { cert, key, cookieSecret, ticketKeys, name, port } = workerData;
  const server = createServer({ cert, key, reusePort: true, cookieSecret, ticketKeys }, (socket) => {
    socket.on('message', () => socket.send(name));
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  parentPort.postMessage(server.address().port);
  await once(parentPort, 'message');
  server.close();
  parentPort.close();
}
