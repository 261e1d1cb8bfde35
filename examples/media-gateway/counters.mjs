// What the page shows live.

import { monitorEventLoopDelay } from 'node:perf_hooks';

/** Of a DTLS session, as long as it is there. */
export function sessionFacts(socket) {
  return {
    version: socket.getProtocol(),
    suite: socket.getCipher()?.standardName ?? null,
    group: socket.getSharedGroup(),
    srtp: socket.getSrtp()?.profile ?? null,
  };
}

const WINDOW_MS = 500;
/** Between two looks at the clock: what Node measures is this and the delay. */
const RESOLUTION_MS = 5;

/** How long the event loop kept everybody waiting, in milliseconds, in the last half second. */
export class LoopDelay {
  #histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  #read = { mean: '0.0', max: '0.0' };
  #timer = setInterval(() => this.#take(), WINDOW_MS).unref();

  constructor() {
    this.#histogram.enable();
  }

  read() {
    return this.#read;
  }

  stop() {
    clearInterval(this.#timer);
    this.#histogram.disable();
  }

  #take() {
    const { mean, max, count } = this.#histogram;
    const delay = (nanoseconds) => Math.max(0, Math.round(nanoseconds / 1e4) / 100 - RESOLUTION_MS).toFixed(1);
    if (count > 0) this.#read = { mean: delay(mean), max: delay(max) };
    this.#histogram.reset();
  }
}
