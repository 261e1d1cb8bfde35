// A user's first program, as an ES module: scripts/smoke-pack.mjs runs it where the package is installed.
import { once } from 'node:events';
import { connect, createServer, features } from 'dgram-dtls';

const psk = Buffer.alloc(16, 7);
const server = createServer({ pskCallback: () => psk }, (socket) => {
  socket.on('message', (message) => socket.send(message));
});
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const client = connect({
  host: '127.0.0.1',
  port: server.address().port,
  pskCallback: () => ({ identity: 'smoke', psk }),
});
await once(client, 'secureConnect');
client.send('hello');
const [message] = await once(client, 'message');
console.log(`${message} by ${client.getProtocol()} on OpenSSL ${features.openssl}`);
client.close();
server.close();
