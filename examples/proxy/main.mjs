// A CoAP server that knows no DTLS becomes one of coaps: `dgram-dtls proxy` stands in front of it.
// It needs `npm install coap`; `node examples/proxy/main.mjs` runs it; it ends by itself.

import coap from 'coap';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';

import { createSocket } from 'dgram-dtls';

// ---- the server: plain CoAP, for this machine only ----

const server = coap.createServer((request, response) => {
  const { address, port } = Object(request.rsinfo);
  console.log(`server   ${request.method} ${request.url} from ${address}, port ${port}`);
  response.end(`${20 + Math.round(Math.random() * 5)} °C`);
});
const plainPort = 15683;
await new Promise((resolve) => {
  server.listen(plainPort, '127.0.0.1', () => resolve(undefined));
});

// ---- the proxy, with a file of keys ----

const folder = mkdtempSync(join(tmpdir(), 'dgram-dtls-example-'));
const keys = join(folder, 'keys.txt');
const psk = { identity: 'thermometer-1', psk: randomBytes(16) };
writeFileSync(keys, `${psk.identity}:${psk.psk.toString('hex')}\n`, { mode: 0o600 });

// What `npx dgram-dtls` runs.
const root = dirname(createRequire(import.meta.url).resolve('dgram-dtls/package.json'));
const proxy = spawn(
  process.execPath,
  [
    join(root, 'dist', 'cli', 'main.js'),
    ...['proxy', '--listen', '127.0.0.1:0', '--target', `127.0.0.1:${plainPort}`],
    ...['--psk-file', keys, '--json'],
  ],
  { stdio: ['ignore', 'pipe', 'inherit'] },
);
const log = createInterface({ input: proxy.stdout });
const listening = new Promise((resolve) => {
  log.on('line', (line) => {
    const event = JSON.parse(line);
    if (event.event === 'listening') resolve(event.port);
    if (event.event === 'open') console.log(`proxy    ${event.identity} came from ${event.peer}, ${event.cipher}`);
  });
});
const port = await listening;

// ---- the device ----

const socket = createSocket({ type: 'udp4', dtls: { role: 'client', psk } });
const agent = new coap.Agent({ socket });
const request = agent.request({ hostname: '127.0.0.1', port, pathname: '/temperature' });
request.end();
const [response] = await once(request, 'response');
console.log(`device   ${response.code} ${response.payload}`);

agent.close();
socket.close();
server.close();
proxy.kill('SIGTERM');
const [code] = await once(proxy, 'exit');
console.log(`proxy    exit code ${code}`);
rmSync(folder, { recursive: true });
