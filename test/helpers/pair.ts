/**
 * A server and its clients on loopback, waiting that has an end, and the closing of everything that
 * a test has opened.
 */
import type { EventEmitter } from 'node:events';
import {
  connect,
  createServer,
  type ConnectOptions,
  type DTLSError,
  type DTLSServer,
  type DTLSServerEvents,
  type DTLSSocket,
  type DTLSSocketEvents,
  type ServerOptions,
} from '../../lib/index';
import { createAuthority, type Certificate, type IssueOptions } from './certificates';
import { patience } from './patience';

const LIMIT_MS = patience(5000);

const servers = new Set<DTLSServer>();
const clients = new Set<DTLSSocket>();

/** The promise, or a failure that says what was waited for. */
export async function within<T>(promise: Promise<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`waited ${LIMIT_MS} ms for ${what}`));
    }, LIMIT_MS);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The arguments of the next event of that name; a failure when `close` comes first. */
export function next<K extends keyof DTLSSocketEvents>(
  socket: DTLSSocket,
  name: K,
): Promise<DTLSSocketEvents[K]>;
export function next<K extends keyof DTLSServerEvents>(
  server: DTLSServer,
  name: K,
): Promise<DTLSServerEvents[K]>;
export function next(source: DTLSSocket | DTLSServer, name: string): Promise<unknown[]> {
  const emitter = source as unknown as EventEmitter;
  return within(
    new Promise((resolve, reject) => {
      const closed = (): void => {
        reject(new Error(`closed before '${name}'`));
      };
      emitter.once(name, (...args: unknown[]) => {
        emitter.off('close', closed);
        resolve(args);
      });
      if (name !== 'close') emitter.once('close', closed);
    }),
    `'${name}'`,
  );
}

/** A certificate of the tests' authority for this machine's loopback names, or with other names. */
export async function certificate(options: Partial<IssueOptions> = {}): Promise<Certificate> {
  const authority = await createAuthority();
  return authority.issue({
    commonName: 'localhost',
    dnsNames: ['localhost'],
    ipAddresses: ['127.0.0.1', '::1'],
    ...options,
  });
}

/** A server's options with a certificate. */
export async function withCertificate(options: ServerOptions = {}): Promise<ServerOptions> {
  const { cert, key } = await certificate();
  return { cert, key, ...options };
}

export const PSK = { identity: 'device-1', psk: Buffer.from('0123456789abcdef') };
/** One pre-shared key on both sides, for tests to which certificates do not matter. */
export const PSK_SERVER = {
  pskCallback: (_: DTLSSocket, identity: string | Buffer): Buffer | null =>
    identity === PSK.identity ? PSK.psk : null,
} satisfies ServerOptions;
export const PSK_CLIENT = { pskCallback: () => PSK } satisfies Partial<ConnectOptions>;

/** A listening server on 127.0.0.1, or on another host. */
export async function listen(options: ServerOptions, host = '127.0.0.1', port = 0): Promise<DTLSServer> {
  const server = createServer(options);
  servers.add(server);
  server.once('close', () => servers.delete(server));
  server.listen(port, host);
  await next(server, 'listening');
  return server;
}

export function portOf(server: DTLSServer): number {
  const address = server.address();
  if (address === null) throw new Error('the server does not listen');
  return address.port;
}

/** A client of any server. */
export function dialTo(options: ConnectOptions): DTLSSocket {
  const client = connect(options);
  clients.add(client);
  client.once('close', () => clients.delete(client));
  return client;
}

/** A client of that server. It trusts the tests' authority. */
export async function dial(
  server: DTLSServer,
  options: Partial<ConnectOptions> = {},
): Promise<DTLSSocket> {
  const { certificatePem: ca } = await createAuthority();
  const trust = options.secureContext !== undefined ? {} : { ca };
  return dialTo({ host: '127.0.0.1', port: portOf(server), ...trust, ...options });
}

export interface Pair {
  readonly server: DTLSServer;
  readonly client: DTLSSocket;
  /** The server's end of the client's session. */
  readonly peer: DTLSSocket;
}

/** A session that is open on both sides. */
export async function openOn(
  server: DTLSServer,
  options: Partial<ConnectOptions> = {},
): Promise<Pair> {
  const accepted = next(server, 'secureConnection');
  const client = await dial(server, options);
  const connected = next(client, 'secureConnect');
  const [[peer]] = await Promise.all([accepted, connected]);
  return { server, client, peer };
}

export async function open(
  serverOptions: ServerOptions,
  clientOptions: Partial<ConnectOptions> = {},
): Promise<Pair> {
  return openOn(await listen(serverOptions), clientOptions);
}

/** A session under a pre-shared key. */
export const openPsk = (
  serverOptions: ServerOptions = {},
  clientOptions: Partial<ConnectOptions> = {},
): Promise<Pair> =>
  open({ ...PSK_SERVER, ...serverOptions }, { ...PSK_CLIENT, ...clientOptions });

export interface Ending {
  readonly hadError: boolean;
  readonly errors: readonly DTLSError[];
}

/** How a session ends that is closed. */
export const ORDERLY: Ending = { hadError: false, errors: [] };

/** How a socket ends: to be called before it does. */
export function ending(socket: DTLSSocket): Promise<Ending> {
  const errors: DTLSError[] = [];
  socket.on('error', (error) => errors.push(error));
  return next(socket, 'close').then(([hadError]) => ({ hadError, errors }));
}

/** The one error that a socket ends with. */
export async function failure(socket: DTLSSocket): Promise<DTLSError> {
  const { hadError, errors } = await ending(socket);
  const [error] = errors;
  if (error === undefined || errors.length > 1 || !hadError) {
    throw new Error(`one error was expected, ${errors.length} came, hadError ${String(hadError)}`);
  }
  return error;
}

/** The error that a server reports of its next client that fails. */
export async function clientFailure(server: DTLSServer): Promise<DTLSError> {
  const [error] = await next(server, 'dtlsClientError');
  return error;
}

/** The next messages, as many as asked for. */
export function messages(socket: DTLSSocket, count: number): Promise<Buffer[]> {
  const received: Buffer[] = [];
  return within(
    new Promise((resolve, reject) => {
      const onMessage = (message: Buffer): void => {
        if (received.push(message) < count) return;
        socket.off('message', onMessage);
        socket.off('close', onClose);
        resolve(received);
      };
      const onClose = (): void => {
        reject(new Error(`closed after ${received.length} of ${count} messages`));
      };
      socket.on('message', onMessage);
      socket.once('close', onClose);
    }),
    `${count} messages`,
  );
}

/** For afterEach: ends what a test has left open, and waits until it has gone. */
export async function closeEverything(): Promise<void> {
  for (const client of clients) {
    client.on('error', () => undefined);
    client.destroy();
  }
  await Promise.all(
    [...servers].map(async (server) => {
      const closed = next(server, 'close');
      server.close((error) => {
        if (error !== undefined) servers.delete(server); // it never listened, or has gone
      });
      if (servers.has(server) && server.address() !== null) await closed;
      else closed.catch(() => undefined);
    }),
  );
  servers.clear();
  clients.clear();
}
