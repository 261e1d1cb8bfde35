/**
 * Protects: the types that users see: of the arguments of every event, of calls and of options.
 * Checked by tsc, never run.
 */
import type { NonSharedBuffer } from '../../lib/base/non-shared-buffer';
import {
  connect,
  createSecureContext,
  createServer,
  createSocket,
  DTLSError,
  SecureDgramSocket,
  type AlertEvent,
  type ConnectOptions,
  type DatagramTransport,
  type DTLSErrorCategory,
  type DTLSServer,
  type DTLSSocket,
  type EndpointStats,
  type HandshakeEvent,
  type KeyLimitEvent,
  type Peer,
  type ReadyState,
  type SecureContext,
  type ServerOptions,
  type TrafficStats,
} from '../../lib/index';
import { expectType } from './expect';

export function socketEvents(socket: DTLSSocket): void {
  socket.on('secureConnect', (...nothing) => {
    expectType<[]>()(nothing);
  });
  socket.on('message', (message, info) => {
    expectType<NonSharedBuffer>()(message);
    expectType<Peer>()(info);
  });
  socket.on('handshake', (event) => {
    expectType<HandshakeEvent>()(event);
    expectType<'in' | 'out'>()(event.direction);
    expectType<boolean>()(event.retransmit);
  });
  socket.on('alert', (event) => {
    expectType<AlertEvent>()(event);
    expectType<'warning' | 'fatal'>()(event.level);
  });
  socket.on('keyLimit', (event) => {
    expectType<KeyLimitEvent>()(event);
    expectType<'in' | 'out'>()(event.direction);
    expectType<'integrity' | 'confidentiality' | 'numbers'>()(event.limit);
  });
  socket.on('keylog', (line) => {
    expectType<NonSharedBuffer>()(line);
  });
  socket.once('error', (error) => {
    expectType<DTLSError>()(error);
    expectType<DTLSErrorCategory>()(error.category);
    expectType<string>()(error.code);
    expectType<'DTLSError' | 'AbortError'>()(error.name);
  });
  socket.once('close', (hadError) => {
    expectType<boolean>()(hadError);
  });
  socket.on('timeout', () => undefined).on('drain', () => undefined);
  // @ts-expect-error -- no such argument
  socket.on('close', (hadError: string) => hadError);
}

export function serverEvents(server: DTLSServer): void {
  server.on('listening', () => undefined).on('close', () => undefined);
  server.on('connection', (socket) => {
    expectType<DTLSSocket>()(socket);
  });
  server.on('secureConnection', (socket) => {
    expectType<DTLSSocket>()(socket);
  });
  server.on('dtlsClientError', (error, socket) => {
    expectType<DTLSError>()(error);
    expectType<DTLSSocket>()(socket);
  });
  server.on('keylog', (line, socket) => {
    expectType<NonSharedBuffer>()(line);
    expectType<DTLSSocket>()(socket);
  });
  server.on('packet', (message, info) => {
    expectType<NonSharedBuffer>()(message);
    expectType<Peer>()(info);
  });
  server.on('packets', (packets, info) => {
    expectType<NonSharedBuffer[]>()(packets);
    expectType<Peer>()(info);
    expectType<boolean>()(server.sendPacket(packets[0] ?? '', info, (error) => {
      expectType<DTLSError | null>()(error);
    }));
  });
  server.on('drain', () => undefined);
  server.on('error', (error) => {
    expectType<DTLSError>()(error);
  });
}

export function packets(socket: DTLSSocket, server: DTLSServer, secure: SecureDgramSocket): void {
  socket.on('packet', (packet, info) => {
    expectType<NonSharedBuffer>()(packet);
    expectType<Peer>()(info);
  });
  socket.on('packets', (all, info) => {
    expectType<NonSharedBuffer[]>()(all);
    expectType<Peer>()(info);
  });
  expectType<Peer | undefined>()(socket.remotePeer);
  expectType<boolean>()(socket.sendPacket([Buffer.alloc(12), 'payload']));
  expectType<DTLSSocket>()(socket.setPeer('192.0.2.1', 3478));
  // @ts-expect-error -- a place has a port
  socket.setPeer('192.0.2.1');
  // @ts-expect-error -- which is a number
  socket.setPeer('ice:abcd', '1');
  socket.sendPacket('text', (error) => {
    expectType<DTLSError | null>()(error);
  });
  // @ts-expect-error -- a session has one peer
  socket.sendPacket('text', { address: '192.0.2.1', port: 3478 });
  server.sendPacket('text', { address: '192.0.2.1', port: 3478 });
  // @ts-expect-error -- a server has many
  server.sendPacket('text');
  // @ts-expect-error -- and each has a port
  server.sendPacket('text', { address: '192.0.2.1' });
  secure.sendPacket('text', { address: '192.0.2.1', port: 3478 }, (error, bytes) => {
    expectType<Error | null>()(error);
    expectType<number>()(bytes);
  });
  secure.sendPacket('to the peer that it is connected to', () => undefined);
  secure.on('packets', (all, info) => {
    expectType<NonSharedBuffer[]>()(all);
    expectType<Peer>()(info);
  });
}

export async function calls(socket: DTLSSocket, server: DTLSServer): Promise<void> {
  expectType<boolean>()(socket.send('text'));
  socket.send(['a', Buffer.from('b'), new Uint8Array(1), new DataView(new ArrayBuffer(1))]);
  socket.send(Buffer.alloc(8), 1, 2, (error) => {
    expectType<DTLSError | null>()(error);
    expectType<string | undefined>()(error?.code);
  });
  // @ts-expect-error -- a number is no message
  socket.send(5);
  // @ts-expect-error -- an offset needs a length
  socket.send('text', 1);
  expectType<DTLSSocket>()(socket.setTimeout(5, () => undefined).ref());
  expectType<ReadyState>()(socket.readyState);
  expectType<TrafficStats>()(socket.stats);
  expectType<EndpointStats>()(server.stats);
  expectType<string | NonSharedBuffer | null>()(socket.pskIdentity);
  for await (const message of socket) expectType<NonSharedBuffer>()(message);
  for (const session of server.sessions) expectType<DTLSSocket>()(session);
  await socket[Symbol.asyncDispose]();
  server.listen();
  server.listen(5684);
  server.listen(5684, () => undefined);
  server.listen(5684, '::1', () => undefined);
  server.listen(0, undefined, undefined, () => undefined);
  server.listen(0, null, 5, () => undefined);
  server.listen(0, undefined, () => undefined);
  createSocket('udp4').on('message', (message) => {
    expectType<NonSharedBuffer>()(message);
  });
  createSocket('udp6', (_message, info) => {
    expectType<boolean>()(info.authorized);
  });
  new SecureDgramSocket('udp4').close();
  server.listen({ port: 5684, host: '::1' }, () => undefined);
  server.listen(() => undefined);
  server.close((error) => {
    expectType<Error | undefined>()(error);
  });
}

export function options(context: SecureContext, transport: DatagramTransport): void {
  expectType<SecureContext>()(createSecureContext({ ca: ['pem', Buffer.from('pem')] }));
  const server: ServerOptions = {
    secureContext: context,
    pskCallback: async (socket, identity) => {
      expectType<DTLSSocket>()(socket);
      expectType<string | NonSharedBuffer>()(identity);
      return Promise.resolve(null);
    },
    transport,
  };
  expectType<DTLSServer>()(
    createServer(server, (socket) => {
      expectType<DTLSSocket>()(socket);
    }),
  );
  const client: ConnectOptions = {
    port: 5684,
    pskCallback: (hint) => {
      expectType<string | null>()(hint);
      return { identity: Buffer.from('id'), psk: new Uint8Array(16) };
    },
    checkServerIdentity: (hostname, certificate) => {
      expectType<string>()(hostname);
      return certificate.subject.CN === hostname ? undefined : new Error('no');
    },
  };
  expectType<DTLSSocket>()(connect(client, () => undefined));
  connect(5684, 'localhost', { servername: 'x' }, () => undefined);
  connect('5684', 'localhost', () => undefined);
  connect(5684, { host: 'localhost', servername: 'x' }, () => undefined);
  connect(5684, () => undefined);
  // @ts-expect-error -- a port is no host
  connect(5684, 5684);
  // @ts-expect-error -- nothing stands between the options and the listener
  connect({ port: 5684 }, 'localhost', () => undefined);
  // @ts-expect-error -- a port is needed
  connect({ host: 'localhost' });
  // @ts-expect-error -- no such option
  connect({ port: 5684, serverName: 'x' });
  // @ts-expect-error -- no such version
  createSecureContext({ minVersion: 'TLSv1.2' });
}

export function errors(thrown: unknown): string {
  if (!(thrown instanceof DTLSError)) return '';
  expectType<string | undefined>()(thrown.hint);
  expectType<Peer | undefined>()(thrown.peer);
  expectType<number | undefined>()(thrown.errno);
  return thrown.code;
}
