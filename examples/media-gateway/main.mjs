// A media gateway: a page sends its camera, and sees everybody else's. `npm run example:media-gateway` installs what it
// needs and starts it; then open the address that it prints, twice. docs/webrtc.md explains it, file by file.
//
// PORT          of the page; 8080. 0: any
// HOST          where the page is served; 127.0.0.1
// MEDIA_ADDRESS where browsers send media; 127.0.0.1. Another machine's browser needs an address that it reaches
// MEDIA_PORT    one UDP port for all of it; any
// PUBLIC_ADDRESS, PUBLIC_PORT   what browsers see of that, behind a router that translates addresses

import { features } from 'dgram-dtls';
import { Gateway } from './gateway.mjs';
import { serve } from './web.mjs';

const { PORT = '8080', HOST = '127.0.0.1', MEDIA_ADDRESS = '127.0.0.1', MEDIA_PORT = '0' } = process.env;
const { PUBLIC_ADDRESS, PUBLIC_PORT } = process.env;

const gateway = await Gateway.open({
  address: MEDIA_ADDRESS,
  port: Number(MEDIA_PORT),
  announced: { address: PUBLIC_ADDRESS, port: PUBLIC_PORT === undefined ? undefined : Number(PUBLIC_PORT) },
});
const web = await serve(gateway, { host: HOST, port: Number(PORT) }).catch((error) => {
  if (error.code !== 'EADDRINUSE') throw error;
  console.error(`port ${PORT} of ${HOST} is in use: choose another one by PORT=… in the environment`);
  process.exit(1);
});
const { port: webPort } = /** @type {import('node:net').AddressInfo} */ (web.address());

const { address, port } = gateway.address;
console.log(`media    ${address}:${port}, by ${gateway.maxVersion} on OpenSSL ${features.openssl}`);
console.log(`open     http://${HOST === '127.0.0.1' ? 'localhost' : HOST}:${webPort}/ in two windows`);

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    web.close();
    web.closeAllConnections();
    gateway.close(() => console.log('closed'));
  });
}
