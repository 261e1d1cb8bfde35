// node:dgram without encryption.

import dgram from 'node:dgram';
import { once } from 'node:events';
import { Counter, echoOver, pingOver, sendFor } from './counter.mjs';

const counter = new Counter();
let socket;

export function begin() {
  socket = dgram.createSocket('udp4');
}

async function bind() {
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return socket.address().port;
}

export function serve() {
  socket.on('message', () => {
    ++counter.count;
  });
  return bind();
}

export const received = (milliseconds) => counter.rates(milliseconds);

export function serveEcho() {
  socket.on('message', (message, info) => socket.send(message, info.port, info.address));
  return bind();
}

export async function connect(port) {
  socket.connect(port, '127.0.0.1');
  await once(socket, 'connect');
}

const HIGH_WATER_MARK = 256 * 1024;

export function send(size, milliseconds) {
  const message = Buffer.alloc(size, 0x5a);
  let drained;
  const onSent = () => {
    if (socket.getSendQueueSize() === 0) drained?.();
  };
  return sendFor(
    milliseconds,
    () => {
      socket.send(message, onSent);
      return socket.getSendQueueSize() <= HIGH_WATER_MARK;
    },
    () =>
      new Promise((resolve) => {
        drained = resolve;
      }),
  );
}

export const ping = (size, milliseconds) => pingOver(socket, size, milliseconds);
export const echo = (size, milliseconds) => echoOver(socket, size, milliseconds);
