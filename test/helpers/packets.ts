/** What shares a port with DTLS, for tests: datagrams that begin as STUN or RTP does, and sockets that send them. */
import dgram from 'node:dgram';
import { once, type EventEmitter } from 'node:events';
import type { Peer } from '../../lib/index';
import { within } from './pair';

/** Begins as a STUN message. */
export const stun = (text: string): Buffer => Buffer.from(`\u0000\u0001${text}`);
/** Begins as an RTP packet, of so many bytes. */
export const rtp = (text: string, size = 0): Buffer => {
  const packet = Buffer.alloc(Math.max(size, 1 + Buffer.byteLength(text)));
  packet[0] = 0x80;
  packet.write(text, 1);
  return packet;
};
/** What is in such a packet, without what fills it up. */
export const textOf = (packet: Buffer): string =>
  packet.subarray(packet[0] === 0x80 ? 1 : 2).toString().replaceAll('\u0000', '');

/** The next events of that name, as many as asked for: their arguments. */
export function events<T extends unknown[]>(emitter: EventEmitter, name: string, count: number): Promise<T[]> {
  const seen: T[] = [];
  return within(
    new Promise((resolve) => {
      const on = (...args: unknown[]): void => {
        if (seen.push(args as T) < count) return;
        emitter.off(name, on);
        resolve(seen);
      };
      emitter.on(name, on);
    }),
    `${String(count)} of '${name}', of which came ${String(seen.length)}`,
  );
}

export const packets = async (emitter: unknown, count: number): Promise<string[]> =>
  (await events<[Buffer, Peer]>(emitter as EventEmitter, 'packet', count)).map(([packet]) => textOf(packet));

const plain = new Set<dgram.Socket>();

/** A socket of dgram's on loopback, of somebody who has no session. */
export async function stranger(type: dgram.SocketType = 'udp4', host = type === 'udp6' ? '::1' : '127.0.0.1'): Promise<dgram.Socket> {
  const socket = dgram.createSocket(type);
  plain.add(socket);
  socket.bind(0, host);
  await once(socket, 'listening');
  return socket;
}

/** For afterEach. */
export function closeStrangers(): void {
  for (const socket of plain) socket.close();
  plain.clear();
}

/** Datagrams that came to a socket of dgram's, as many as asked for. */
export const datagrams = async (socket: dgram.Socket, count: number): Promise<string[]> =>
  (await events<[Buffer, dgram.RemoteInfo]>(socket, 'message', count)).map(([datagram]) => textOf(datagram));
