/** Sockets of createSocket, closed after each test; and the promises that dgram has none of. */
import dgram from 'node:dgram';
import { once } from 'node:events';
import {
  createSocket,
  type DTLSError,
  type PeerInfo,
  type SecureDgramSocket,
  type SocketDtlsOptions,
  type SocketOptions,
} from '../../lib/index';
import { within } from '../helpers/pair';

export const KEY = Buffer.from('00112233445566778899aabbccddeeff', 'hex');
/** One key on both ends. */
export const PSK: SocketDtlsOptions = { psk: { identity: 'device', psk: KEY } };
/** So that what is not answered fails soon. */
export const QUICK = {
  handshakeTimeout: 700,
  retransmission: { initial: 50, max: 200 },
} satisfies SocketDtlsOptions;

const open = new Set<dgram.Socket>();

export function track<T extends dgram.Socket>(socket: T): T {
  open.add(socket);
  socket.once('close', () => open.delete(socket));
  return socket;
}

export const secure = (
  dtls: SocketDtlsOptions = PSK,
  options: Partial<SocketOptions> = {},
): SecureDgramSocket => track(createSocket({ type: 'udp4', ...options, dtls }));

export async function closeSockets(): Promise<void> {
  for (const socket of [...open]) {
    socket.on('error', () => undefined);
    const closed = once(socket, 'close');
    try {
      socket.close();
    } catch {
      open.delete(socket);
      continue;
    }
    await within(closed, 'a socket to close');
  }
}

export async function bound<T extends dgram.Socket>(socket: T, port = 0): Promise<T> {
  const listening = once(socket, 'listening');
  socket.bind(port, socket instanceof dgram.Socket ? '127.0.0.1' : undefined);
  await within(listening, "'listening'");
  return socket;
}

export type Outcome = { bytes: number } | { error: Error & { code?: string } };

/** What the callback of a send says. */
export function sent(
  socket: dgram.Socket,
  message: string | Buffer,
  to: dgram.Socket | { port: number; address: string },
): Promise<Outcome> {
  const { port, address } = 'send' in to ? to.address() : to;
  return within(
    new Promise((resolve) => {
      socket.send(message, port, address, (error, bytes) => {
        resolve(error === null ? { bytes } : { error });
      });
    }),
    'the callback of send',
  );
}

export interface Received {
  text: string;
  message: Buffer;
  info: PeerInfo;
}

export function received(socket: dgram.Socket): Promise<Received> {
  return within(
    new Promise((resolve) => {
      socket.once('message', (message: Buffer, info: dgram.RemoteInfo) => {
        resolve({ text: message.toString(), message, info: info as PeerInfo });
      });
    }),
    'a message',
  );
}

/** The code of the next `peerError`. */
export async function peerErrorOf(socket: dgram.Socket): Promise<string> {
  const [error] = (await within(once(socket, 'peerError'), 'peerError')) as [DTLSError];
  return error.code;
}

export const codeOf = (outcome: Outcome): string | undefined =>
  'error' in outcome ? outcome.error.code : undefined;
