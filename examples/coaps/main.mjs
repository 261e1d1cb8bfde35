// coaps with node-coap, which knows nothing of DTLS: its server and its agent get sockets of createSocket.
// It needs `npm install coap`; `node examples/coaps/main.mjs` runs it; it ends by itself.

import coap from 'coap';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';

import { createSocket } from 'dgram-dtls';

// What a device and its server have in common. AES-128-CCM-8 is what RFC 7252 makes mandatory; OpenSSL has
// it below its default security level.
const psk = { identity: 'thermometer-1', psk: randomBytes(16) };
const ciphers = 'PSK-AES128-CCM8:@SECLEVEL=0';

// ---- the server ----

const serverSocket = createSocket({
  type: 'udp4',
  dtls: {
    role: 'server',
    ciphers,
    // Called once for each device; a Promise from a database would do, too.
    pskCallback: (_session, identity) => (identity === psk.identity ? psk.psk : null),
  },
});
serverSocket.bind(0, '127.0.0.1');
await once(serverSocket, 'listening');

let ticking;
const server = coap.createServer((request, response) => {
  /** @type {import('dgram-dtls').PeerInfo} */
  const rinfo = Object(request.rsinfo);
  const { pskIdentity } = rinfo; // who asks, proved by the handshake
  console.log(`server   ${request.method} ${request.url} from ${pskIdentity}`);
  if (request.headers.Observe !== 0) {
    response.end(`hello ${pskIdentity}`);
    return;
  }
  let temperature = 20;
  ticking = setInterval(() => response.write(`${(temperature += 0.5)} °C`), 100);
});
server.listen(serverSocket);

// ---- the device ----

const socket = createSocket({ type: 'udp4', dtls: { role: 'client', psk, ciphers } });
socket.on('secureConnection', (session) => {
  const { standardName } = session.getCipher();
  console.log(`device   ${session.getProtocol()} with ${standardName}`);
});
const agent = new coap.Agent({ socket });
const where = { hostname: '127.0.0.1', port: serverSocket.address().port };

const request = agent.request({ ...where, pathname: '/greeting' });
request.end();
const [response] = await once(request, 'response');
console.log(`device   ${response.code} ${response.payload}`);

const observation = agent.request({ ...where, pathname: '/temperature', observe: true });
observation.end();
const [stream] = await once(observation, 'response');
let count = 0;
for await (const value of stream) {
  console.log(`device   ${value}`);
  count += 1;
  if (count === 3) break;
}

clearInterval(ticking);
agent.close();
server.close();
socket.close();
serverSocket.close();
