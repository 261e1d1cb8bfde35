/**
 * What was done in a stretch of time: for each second by the clock, and for each second of this
 * process's CPU time, which other work on the machine does not touch.
 */
export class Stopwatch {
  #start = process.hrtime.bigint();
  #cpu = process.cpuUsage();

  rates(count) {
    const { user, system } = process.cpuUsage(this.#cpu);
    const seconds = Number(process.hrtime.bigint() - this.#start) / 1e9;
    return { clock: count / seconds, cpu: count / ((user + system) / 1e6) };
  }
}

/** Counts what a handler got. */
export class Counter {
  count = 0;

  rates(milliseconds) {
    const watch = new Stopwatch();
    const before = this.count;
    return new Promise((resolve) => {
      setTimeout(() => resolve(watch.rates(this.count - before)), milliseconds);
    });
  }

  /** The rates until no more come, after the first. */
  async untilSilence() {
    const watch = new Stopwatch();
    const before = this.count;
    const end = performance.now() + 60_000;
    for (let last = before; last === before || this.count > last;) {
      if (performance.now() > end) break;
      last = this.count;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    return watch.rates(this.count - before);
  }
}

const BURST = 64;

/**
 * Sends until the time is over and gives the rates of messages. `send` says whether it
 * takes more at once; `drained` is awaited when it does not.
 */
export async function sendFor(milliseconds, send, drained) {
  const watch = new Stopwatch();
  const end = process.hrtime.bigint() + BigInt(milliseconds) * 1_000_000n;
  let count = 0;
  while (process.hrtime.bigint() < end) {
    let more = true;
    for (let i = 0; i < BURST && more; ++i) {
      more = send();
      ++count;
    }
    await (more ? new Promise((resolve) => setImmediate(resolve)) : drained());
  }
  return watch.rates(count);
}

/** The times of one question and its answer after the other, in microseconds. */
export function pingFor(milliseconds, send, onAnswer) {
  const times = [];
  const end = process.hrtime.bigint() + BigInt(milliseconds) * 1_000_000n;
  return new Promise((resolve) => {
    let sentAt = 0n;
    const ask = () => {
      sentAt = process.hrtime.bigint();
      send();
    };
    onAnswer(() => {
      const now = process.hrtime.bigint();
      times.push(Number(now - sentAt) / 1e3);
      if (now < end) {
        ask();
        return;
      }
      times.sort((a, b) => a - b);
      resolve({
        median: times[times.length >> 1],
        p99: times[Math.floor(times.length * 0.99)],
      });
    });
    ask();
  });
}

const UNDER_WAY = 32;

/** Questions that are answered, a few of them under way at any time. */
export async function echoFor(milliseconds, send, onAnswer) {
  const watch = new Stopwatch();
  let count = 0;
  onAnswer(() => {
    ++count;
    send();
  });
  for (let i = 0; i < UNDER_WAY; ++i) send();
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
  const rates = watch.rates(count);
  onAnswer(() => undefined);
  return rates;
}

const listen = (socket) => (answered) => {
  socket.removeAllListeners('message').on('message', answered);
};

/** `pingFor` over a connected socket, node:dgram's or one like it. */
export function pingOver(socket, size, milliseconds) {
  const message = Buffer.alloc(size, 0x5a);
  return pingFor(milliseconds, () => socket.send(message), listen(socket));
}

/** `echoFor`, likewise. */
export function echoOver(socket, size, milliseconds) {
  const message = Buffer.alloc(size, 0x5a);
  return echoFor(milliseconds, () => socket.send(message), listen(socket));
}
