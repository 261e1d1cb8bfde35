// A user's first program, in TypeScript: scripts/smoke-pack.mjs compiles it with several versions of
// the compiler, and runs it where the package is installed.
import { once } from 'node:events';
import {
  connect,
  createServer,
  features,
  type ConnectOptions,
  type DTLSError,
  type DTLSSocket,
  type Features,
  type ServerOptions,
} from 'dgram-dtls';

const psk = Buffer.alloc(16, 7);
const serverOptions: ServerOptions = { pskCallback: (_socket, identity) => (identity === 'smoke' ? psk : null) };
const server = createServer(serverOptions, (socket: DTLSSocket) => {
  socket.on('message', (message) => {
    socket.send(message);
  });
});
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const address = server.address();
const clientOptions: ConnectOptions = {
  host: '127.0.0.1',
  port: address?.port ?? 0,
  pskCallback: () => ({ identity: 'smoke', psk }),
};
const client = connect(clientOptions);
client.on('error', (error: DTLSError) => {
  console.error(error.code, error.hint);
});
await once(client, 'secureConnect');
client.send('hello');
for await (const message of client) {
  const { openssl }: Features = features;
  const text: string = message.toString();
  console.log(`${text} by ${client.getProtocol() ?? 'nothing'} on OpenSSL ${openssl}`);
  break;
}
client.close();
server.close();

// @ts-expect-error: no such option
export const refused = (): DTLSSocket => connect({ port: 1, servernam: 'misspelt' });
