// A user's first program, as CommonJS: scripts/smoke-pack.mjs runs it where the package is installed.
const { createServer, connect, features } = require('dgram-dtls');

const psk = Buffer.alloc(16, 7);
const server = createServer({ pskCallback: () => psk }, (socket) => {
  socket.on('message', (message) => socket.send(message));
});
server.listen(0, '127.0.0.1', () => {
  const client = connect(
    {
      host: '127.0.0.1',
      port: server.address().port,
      pskCallback: () => ({ identity: 'smoke', psk }),
    },
    () => client.send('hello'),
  );
  client.once('message', (message) => {
    console.log(`${message} by ${client.getProtocol()} on OpenSSL ${features.openssl}`);
    client.close();
    server.close();
  });
});
