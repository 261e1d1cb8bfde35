/** Messages between two ends, and a plain socket for tests that need one. */
import dgram from 'node:dgram';
import { once } from 'node:events';
import { expect } from 'chai';
import type { DTLSSocket } from '../../lib/index';
import { messages, within, type Pair } from './pair';

/** A message each way arrives. */
export async function converse({ client, peer }: Pick<Pair, 'client' | 'peer'>): Promise<void> {
  const atPeer = messages(peer, 1);
  client.send('ping');
  expect((await atPeer)[0]?.toString()).to.equal('ping');
  const atClient = messages(client, 1);
  peer.send('pong');
  expect((await atClient)[0]?.toString()).to.equal('pong');
}

/** What the callback of one send gets. */
export function sent(socket: DTLSSocket, message: string | Buffer): Promise<Error | null> {
  return within(
    new Promise((resolve) => {
      socket.send(message, resolve);
    }),
    "send's callback",
  );
}

export async function boundSocket(): Promise<dgram.Socket> {
  const socket = dgram.createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return socket;
}
