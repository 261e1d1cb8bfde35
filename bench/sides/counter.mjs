/** Counts what a handler got: events for each second of a stretch of time. */
export class Counter {
  count = 0;

  rate(milliseconds) {
    const start = process.hrtime.bigint();
    const before = this.count;
    return new Promise((resolve) => {
      setTimeout(() => {
        const seconds = Number(process.hrtime.bigint() - start) / 1e9;
        resolve((this.count - before) / seconds);
      }, milliseconds);
    });
  }
}

const BURST = 64;

/**
 * Sends until the time is over and gives the messages for each second. `send` says whether it
 * takes more at once; `drained` is awaited when it does not.
 */
export async function sendFor(milliseconds, send, drained) {
  const start = process.hrtime.bigint();
  const end = start + BigInt(milliseconds) * 1_000_000n;
  let count = 0;
  while (process.hrtime.bigint() < end) {
    let more = true;
    for (let i = 0; i < BURST && more; ++i) {
      more = send();
      ++count;
    }
    await (more ? new Promise((resolve) => setImmediate(resolve)) : drained());
  }
  return count / (Number(process.hrtime.bigint() - start) / 1e9);
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
