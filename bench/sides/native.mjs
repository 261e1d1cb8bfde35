// Plain C, in a process of its own.

import { loadAddon } from '../native.mjs';
import { Stopwatch } from './counter.mjs';

const addon = loadAddon();

export function begin({ cert, key, ca }) {
  addon.setCredentials(cert, key, ca);
}

export const {
  accept,
  blast,
  blastBare,
  blastMixed,
  connect,
  connectPlain,
  countDatagrams,
  echo,
  openSessions,
  openSink,
  ping,
  receiveFromMany,
  sealSessions,
  serveHandshakes,
  shakeHands,
  speak,
} = addon;

export function received(milliseconds, sink, merged) {
  const watch = new Stopwatch();
  return watch.rates(addon[merged ? "countMerged" : "countMessages"](sink, milliseconds).count);
}

/** By EVP in place of SSL. */
export function receivedBare(milliseconds, sink) {
  const watch = new Stopwatch();
  return watch.rates(addon.countBare(sink, milliseconds).count);
}

export function send(size, milliseconds, session) {
  const watch = new Stopwatch();
  return watch.rates(addon.blast(session, size, milliseconds, true).count);
}

/** By EVP in place of SSL. */
export function sendBare(size, milliseconds, session) {
  const watch = new Stopwatch();
  return watch.rates(addon.blastBare(session, size, milliseconds, true).count);
}

export function handshakes(milliseconds) {
  const watch = new Stopwatch();
  return watch.rates(addon.handshakes(milliseconds).count);
}

export function handshakesOverLoopback(milliseconds) {
  const watch = new Stopwatch();
  return watch.rates(addon.handshakesOverLoopback(milliseconds).count);
}

/** The server's side of bare SSLs, for their memory. */
export function prepareHold() {
  const [sink, port] = addon.openSink();
  return { sink, port };
}

export function hold(sink, count) {
  addon.holdSessions(sink, count);
}

/** Counts the messages of all that are held until no more come. */
export function receiveUntilSilence(sink) {
  const watch = new Stopwatch();
  return watch.rates(addon.countOfHeld(sink, 60_000).count);
}

export function residentBytes() {
  for (let i = 0; i < 4; ++i) globalThis.gc();
  return addon.residentBytes();
}
