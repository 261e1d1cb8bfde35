// createSocket: a socket used as node:dgram's would be.

import { once } from 'node:events';
import { createSocket } from 'dgram-dtls';
import { echoOver, pingOver } from './counter.mjs';

let credentials;
let socket;

export function begin(given) {
  credentials = given;
}

export async function serveEcho() {
  const { cert, key } = credentials;
  socket = createSocket({ type: 'udp4', dtls: { cert, key, role: 'server' } });
  socket.on('message', (message, info) => socket.send(message, info.port, info.address));
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return socket.address().port;
}

/** Connects, and sends the first message: the handshake is not part of what is measured. */
export async function connect(port) {
  const { ca } = credentials;
  socket = createSocket({ type: 'udp4', dtls: { ca, role: 'client' } });
  socket.connect(port, '127.0.0.1');
  await once(socket, 'connect');
  socket.send('first');
  await once(socket, 'message');
}

export const ping = (size, milliseconds) => pingOver(socket, size, milliseconds);
export const echo = (size, milliseconds) => echoOver(socket, size, milliseconds);
