/** This package's ends of the connections: opened, watched, and closed after the test. */
import { once } from 'node:events';
import {
  connect,
  createServer,
  DEFAULT_CIPHERS,
  type ConnectOptions,
  type DTLSServer,
  type ServerOptions,
} from '../../lib/index';
import { PATIENCE_MS } from '../helpers/patience';
import type { Cleanup } from '../helpers/peers';
import { WatchedServer, WatchedSocket } from '../helpers/watch';
import type { Suite } from './foreign';

export async function ourServer(
  cleanup: Cleanup,
  options: ServerOptions,
): Promise<{ server: DTLSServer; watched: WatchedServer; port: number; keylog: string[] }> {
  const keylog: string[] = [];
  const server = createServer(options);
  const watched = new WatchedServer(server);
  server.on('keylog', (line) => keylog.push(line.toString()));
  server.listen(0, '127.0.0.1');
  cleanup.add(() => server[Symbol.asyncDispose]());
  await once(server, 'listening', { signal: AbortSignal.timeout(PATIENCE_MS) });
  const address = server.address();
  if (address === null) throw new Error('the server has no address');
  return { server, watched, port: address.port, keylog };
}

export function ourClient(
  cleanup: Cleanup,
  options: ConnectOptions,
): { client: WatchedSocket; keylog: string[] } {
  const keylog: string[] = [];
  const socket = connect({ host: '127.0.0.1', ...options });
  const client = new WatchedSocket(socket);
  socket.on('keylog', (line) => keylog.push(line.toString()));
  cleanup.add(() => socket[Symbol.asyncDispose]());
  return { client, keylog };
}

/** The `ciphers` with which a suite can be had: none where the defaults have it. */
export function ciphersFor(suite: Suite): { ciphers?: string } {
  if (DEFAULT_CIPHERS.split(':').includes(suite.name)) return {};
  // A tag of 64 bits is below OpenSSL's security level 1.
  return { ciphers: suite.name.endsWith('CCM8') ? `${suite.name}:@SECLEVEL=0` : suite.name };
}

/** Sessions come back by their ids, too. What is kept, by id in hexadecimal. */
export function keepSessions(server: DTLSServer): Map<string, Buffer> {
  const sessions = new Map<string, Buffer>();
  server.on('newSession', (id, session, callback) => {
    sessions.set(id.toString('hex'), session);
    setImmediate(callback);
  });
  server.on('resumeSession', (id, callback) => {
    const session = sessions.get(id.toString('hex'));
    setImmediate(() => {
      callback(null, session);
    });
  });
  return sessions;
}
