/** A real store for lookups: a Redis server of the test's own, without a port. */
import { createClient } from 'redis';
import type { Cleanup, PeerProcess, TemporaryFiles } from './peers';

const connectTo = (path: string) => createClient({ socket: { path, tls: false } });

export type RedisClient = ReturnType<typeof connectTo>;

export interface Store {
  readonly client: RedisClient;
  /** The program: `signal('SIGSTOP')` makes every lookup wait, until `signal('SIGCONT')`. */
  readonly server: PeerProcess;
}

/** Listens on a socket file and keeps nothing; ends with the test, or suite, that `cleanup` belongs to. */
export async function startRedis(cleanup: Cleanup, files: TemporaryFiles): Promise<Store> {
  const path = `${files.file('redis')}.sock`;
  const server = cleanup.start('redis-server', [
    ...['--port', '0', '--unixsocket', path, '--unixsocketperm', '600'],
    ...['--save', '', '--appendonly', 'no', '--daemonize', 'no'],
  ]);
  await server.sees(/accept connections (?:on unix socket|at )/);
  const client = connectTo(path);
  client.on('error', () => undefined); // what matters comes to whoever waits for an answer
  await client.connect();
  cleanup.add(() => {
    server.signal('SIGCONT');
    client.destroy();
  });
  return { client, server };
}
