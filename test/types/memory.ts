/**
 * Protects: the types of what users are given to keep: bytes that no other thread has, as Node's own functions return them,
 * so that what takes no shared memory (WebCrypto, Blob) takes them; and that createSocket stands in for dgram's. Checked
 * by tsc, never run.
 */
import type dgram from 'node:dgram';
import { createSocket, type DTLSServer, type DTLSSocket, type SecureDgramSocket } from '../../lib/index';

/** What takes no shared memory. */
declare function keep(bytes: Uint8Array<ArrayBuffer>): void;

export async function messages(socket: DTLSSocket, server: DTLSServer, secure: SecureDgramSocket): Promise<void> {
  socket.on('message', (message) => {
    keep(message);
  });
  socket.on('messages', (batch) => {
    batch.forEach(keep);
  });
  socket.on('keylog', keep).on('session', keep);
  server.on('packet', (message) => {
    keep(message);
  });
  server.on('packets', (packets) => {
    packets.forEach(keep);
  });
  socket.on('packet', (packet) => {
    keep(packet);
  });
  secure.on('packets', (packets) => {
    packets.forEach(keep);
  });
  secure.on('message', (message) => {
    keep(message);
  });
  createSocket('udp4', (message) => {
    keep(message);
  });
  for await (const message of socket) keep(message);
  keep(socket.exportKeyingMaterial(32, 'EXPERIMENTAL-x'));
  keep(server.getTicketKeys());
}

export const make: typeof dgram.createSocket = createSocket;
export const socket: dgram.Socket = make('udp4', (message, { address }) => {
  keep(message);
  address.toLowerCase();
});
