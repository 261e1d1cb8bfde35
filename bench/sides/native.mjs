// Plain C, in a process of its own.

import { loadAddon } from '../native.mjs';

const addon = loadAddon();

export function begin({ cert, key, ca }) {
  addon.setCredentials(cert, key, ca);
}

export const {
  accept,
  blast,
  connect,
  connectPlain,
  countDatagrams,
  countMessages,
  handshakes,
  openSessions,
  openSink,
  receiveFromMany,
} = addon;

/** Bytes that each of `count` idle sessions takes: what the server's side of a bare SSL costs. */
export async function prepareHold() {
  const [sink, port] = addon.openSink();
  return { sink, port };
}

export function hold(sink, count) {
  addon.holdSessions(sink, count);
}

export function residentBytes() {
  for (let i = 0; i < 4; ++i) globalThis.gc();
  return addon.residentBytes();
}
