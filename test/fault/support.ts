/** What the fault tests share: reading and writing DTLS on the wire, and a client and a server. */
import { once } from 'node:events';
import {
  connect,
  createServer,
  type DTLSError,
  type ConnectOptions,
  type DTLSServer,
  type DTLSSocket,
  type Peer,
  type ServerOptions,
} from '../../lib/index';
import { createAuthority } from '../helpers/certificates';
import { peerOf, type Link } from '../../lib/lab/index';

export const SERVER = ['10.0.0.1', 5684] as const;
export const CLIENT = ['10.0.0.2', 40000] as const;
export const SERVER_PEER = peerOf(...SERVER);
export const CLIENT_PEER = peerOf(...CLIENT);

/** Both ends at the pace of a test. */
export const QUICK = { retransmission: { initial: 30, max: 120 } } as const;

// ---- the wire, RFC 6347 sections 4.1 and 4.2.2 ----

export const CHANGE_CIPHER_SPEC = 20;
export const ALERT = 21;
export const HANDSHAKE = 22;
export const APPLICATION_DATA = 23;

export const CLIENT_HELLO = 1;
export const SERVER_HELLO = 2;
export const HELLO_VERIFY_REQUEST = 3;

export interface WireRecord {
  readonly type: number;
  readonly epoch: number;
  readonly sequence: number;
  readonly body: Buffer;
}

export interface WireFragment {
  readonly type: number;
  readonly messageLength: number;
  readonly messageSequence: number;
  readonly offset: number;
  readonly body: Buffer;
}

export function readRecords(datagram: Uint8Array): WireRecord[] {
  const bytes = Buffer.from(datagram.buffer, datagram.byteOffset, datagram.byteLength);
  const records: WireRecord[] = [];
  for (let at = 0; at + 13 <= bytes.length; ) {
    const end = at + 13 + bytes.readUInt16BE(at + 11);
    records.push({
      type: bytes.readUInt8(at),
      epoch: bytes.readUInt16BE(at + 3),
      sequence: bytes.readUIntBE(at + 5, 6),
      body: bytes.subarray(at + 13, end),
    });
    at = end;
  }
  return records;
}

export function writeRecord({ type, epoch, sequence, body }: WireRecord): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt8(type, 0);
  header.writeUInt16BE(0xfefd, 1);
  header.writeUInt16BE(epoch, 3);
  header.writeUIntBE(sequence, 5, 6);
  header.writeUInt16BE(body.length, 11);
  return Buffer.concat([header, body]);
}

/** The handshake fragment in a record in clear; undefined for any other record. */
export function readFragment({ type, epoch, body }: WireRecord): WireFragment | undefined {
  if (type !== HANDSHAKE || epoch !== 0 || body.length < 12) return undefined;
  return {
    type: body.readUInt8(0),
    messageLength: body.readUIntBE(1, 3),
    messageSequence: body.readUInt16BE(4),
    offset: body.readUIntBE(6, 3),
    body: body.subarray(12),
  };
}

export function writeFragment(fragment: WireFragment): Buffer {
  const header = Buffer.alloc(12);
  header.writeUInt8(fragment.type, 0);
  header.writeUIntBE(fragment.messageLength, 1, 3);
  header.writeUInt16BE(fragment.messageSequence, 4);
  header.writeUIntBE(fragment.offset, 6, 3);
  header.writeUIntBE(fragment.body.length, 9, 3);
  return Buffer.concat([header, fragment.body]);
}

export function handshakeTypes(datagram: Uint8Array): number[] {
  return readRecords(datagram).flatMap((record) => readFragment(record)?.type ?? []);
}

export function isProtected(datagram: Uint8Array): boolean {
  return readRecords(datagram).some(({ epoch }) => epoch > 0);
}

// ---- peers ----

export type Authentication = 'certificate' | 'mutual' | 'psk';

export interface Credentials {
  readonly server: ServerOptions;
  readonly client: Pick<ConnectOptions, 'ca' | 'cert' | 'key' | 'pskCallback'>;
}

/** What the two sides need to trust one another; `extraBytes` pads the certificates. */
export async function credentials(kind: Authentication, extraBytes = 0): Promise<Credentials> {
  const authority = await createAuthority();
  if (kind === 'psk') {
    const psk = Buffer.alloc(16, 0x5a);
    return {
      server: { pskCallback: () => psk },
      // The authority has no part in it, but spares each client the reading of Node's whole list.
      client: { pskCallback: () => ({ identity: 'device', psk }), ca: authority.certificatePem },
    };
  }
  const server = await authority.issue({
    commonName: 'server',
    ipAddresses: [SERVER[0]],
    extraBytes,
  });
  if (kind === 'certificate') {
    return { server: { cert: server.cert, key: server.key }, client: { ca: server.ca } };
  }
  const client = await authority.issue({ commonName: 'client', clientAuth: true, extraBytes });
  return {
    server: { cert: server.cert, key: server.key, ca: client.ca, requestCert: true },
    client: { cert: client.cert, key: client.key, ca: server.ca },
  };
}

export async function listen(link: Link, options: ServerOptions): Promise<DTLSServer> {
  const server = createServer({ ...QUICK, ...options, transport: link.attach(...SERVER) });
  server.listen();
  await once(server, 'listening');
  return server;
}

export function dial(
  link: Link,
  options: Partial<ConnectOptions>,
  from: readonly [string, number] = CLIENT,
): DTLSSocket {
  const [host, port] = SERVER;
  return connect({ host, port, ...QUICK, ...options, transport: link.attach(...from) });
}

/** Resolves when the handshake is over; rejects with what ended the socket before. */
export function opened(socket: DTLSSocket): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('secureConnect', resolve);
    socket.once('error', reject);
    socket.once('close', () => {
      reject(new Error('closed before the handshake was over'));
    });
  });
}

/** The server's end of the next session that opens; rejects when a handshake fails before. */
export function accepted(server: DTLSServer): Promise<DTLSSocket> {
  return new Promise((resolve, reject) => {
    server.once('secureConnection', resolve);
    server.once('dtlsClientError', reject);
  });
}

export interface Pair {
  readonly server: DTLSServer;
  readonly client: DTLSSocket;
  /** The server's end of the session. */
  readonly remote: DTLSSocket;
  close(): Promise<void>;
}

/** A client and a server on the link with an open session. */
export async function openPair(
  link: Link,
  trust: Credentials,
  both: Pick<ServerOptions, 'mtu' | 'retransmission' | 'handshakeTimeout'> = {},
): Promise<Pair> {
  const server = await listen(link, { ...trust.server, ...both });
  const client = dial(link, { ...trust.client, ...both });
  try {
    const [remote] = await Promise.all([accepted(server), opened(client)]);
    return { server, client, remote, close: () => closeAll(server, client) };
  } catch (error) {
    await closeAll(server, client);
    throw error;
  }
}

/** Ends sockets and then servers, however far they have come. */
export async function closeAll(...all: (DTLSSocket | DTLSServer)[]): Promise<void> {
  const sockets = all.filter((one): one is DTLSSocket => 'destroy' in one);
  for (const one of [...sockets, ...all.filter((one) => !('destroy' in one))]) {
    await new Promise<void>((resolve) => {
      if ('destroy' in one && one.readyState === 'closed') {
        resolve();
        return;
      }
      one.close(() => {
        resolve();
      });
    });
  }
}

/** The error that ends the socket. */
export function failure(socket: DTLSSocket): Promise<DTLSError> {
  return new Promise((resolve, reject) => {
    socket.once('error', resolve);
    socket.once('close', (hadError) => {
      if (!hadError) reject(new Error('closed without an error'));
    });
  });
}

/** The first handshake of the server's that fails. */
export function clientError(server: DTLSServer): Promise<DTLSError> {
  return new Promise((resolve) => {
    server.once('dtlsClientError', resolve);
  });
}

/** Waits until `reached` holds; `missing` says what the test then did not get within `ms`. */
export async function until(reached: () => boolean, missing: string, ms = 5000): Promise<void> {
  const end = Date.now() + ms;
  while (!reached()) {
    if (Date.now() > end) throw new Error(`waited ${ms} ms in vain for ${missing}`);
    await pause(2);
  }
}

/** Until nothing is on its way any more. */
export function idle(link: Link): Promise<void> {
  return until(() => link.inFlight === 0, 'the link to be idle');
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

/** Sends a message on one end and waits for it at the other. */
export async function exchange(from: DTLSSocket, to: DTLSSocket, text: string): Promise<void> {
  let arrived = false;
  const look = (message: Buffer): void => {
    arrived ||= message.toString() === text;
  };
  to.on('message', look);
  from.send(text);
  await until(() => arrived, `'${text}' to arrive`);
  to.off('message', look);
}

export function sameEnd(one: Peer, other: Peer): boolean {
  return one.port === other.port && one.address === other.address;
}
