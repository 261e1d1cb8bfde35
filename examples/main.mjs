// What this package is for, on one screen: a DTLS server and a client on loopback, and everything that
// happens between them. `npm start` runs it; it ends by itself.

import { once } from 'node:events';

import { connect, createServer, features } from 'dgram-dtls';

import { developmentCertificate } from './certificate.mjs';

const narrate = (who, socket) => {
  socket.on('handshake', ({ direction, message, length }) => {
    console.log(`${who}  ${direction === 'out' ? '->' : '<-'} ${message} (${length} bytes)`);
  });
  socket.on('alert', ({ direction, level, description }) => {
    console.log(`${who}  ${direction === 'out' ? '->' : '<-'} alert ${level} ${description}`);
  });
  socket.on('heartbeat', ({ direction, type, length }) => {
    console.log(`${who}  ${direction === 'out' ? '->' : '<-'} heartbeat ${type} (${length} bytes)`);
  });
};

const { cert, key, ca } = await developmentCertificate();
console.log(`dgram-dtls on OpenSSL ${features.openssl}, ${features.versions.join(' and ')}\n`);

const server = createServer({ cert, key, heartbeat: true });
server.on('connection', (socket) => {
  console.log(`server    a cookie came back from ${socket.remoteAddress}:${socket.remotePort}`);
  narrate('server', socket);
});
server.on('secureConnection', (socket) => {
  socket.on('message', (message) => {
    console.log(`server    received "${message}"`);
    socket.send(`you said: ${message}`);
  });
});
server.listen(0, '127.0.0.1');
await once(server, 'listening');

const client = connect({ host: '127.0.0.1', port: server.address().port, ca, heartbeat: true });
narrate('client', client);
await once(client, 'secureConnect');
console.log(`\nclient    ${client.getProtocol()} with ${client.getCipher().standardName}\n`);

client.send('hello over DTLS');
const [answer] = await once(client, 'message');
console.log(`client    received "${answer}"\n`);

const { rtt } = await client.heartbeat();
console.log(`client    heartbeat answered after ${rtt.toFixed(2)} ms\n`);

const { messagesSent, messagesReceived, datagramsSent, datagramsReceived } = client.stats;
client.close();
await once(client, 'close');
// Its close_notify is still on the way.
if (server.stats.sessions > 0) await once([...server.sessions][0], 'close');
server.close();
await once(server, 'close');

console.log(
  `\nclient    ${messagesSent} message out, ${messagesReceived} in; ` +
    `${datagramsSent} datagrams out, ${datagramsReceived} in`,
);
const { cookiesSent, cookiesAccepted, handshakesCompleted } = server.stats;
console.log(
  `server    ${cookiesSent} cookie sent, ${cookiesAccepted} accepted, ` +
    `${handshakesCompleted} handshake completed`,
);
