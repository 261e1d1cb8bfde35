// Each side of a measurement is a process of its own, driven by calls over IPC.

import { fork } from 'node:child_process';
import { join } from 'node:path';

/** For start(): the library over node:dgram in place of its own socket. */
export const overDgram = { env: { DGRAM_DTLS_TRANSPORT: 'dgram' } };

const child = join(import.meta.dirname, 'child.mjs');
const running = new Set();

/** No call takes longer, however slow the machine. */
const PATIENCE = 120_000;

/**
 * Starts a process that serves the functions of a module in sides/: `side.call(name, ...args)`.
 * `side.stop()` ends it.
 */
export async function start(module, credentials, { execArgv = [], env = {} } = {}) {
  const subprocess = fork(child, [module], { execArgv, env: { ...process.env, ...env } });
  const waiting = new Map();
  let next = 0;
  running.add(subprocess);
  subprocess.on('message', (/** @type {any} */ { id, value, error }) => {
    const { resolve, reject } = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) resolve(value);
    else reject(new Error(`${module}: ${error}`));
  });
  subprocess.on('exit', (code, signal) => {
    running.delete(subprocess);
    for (const { reject } of waiting.values()) {
      reject(new Error(`${module} ended early (${signal ?? code})`));
    }
    waiting.clear();
  });
  const call = (name, ...args) => {
    const called = new Promise((resolve, reject) => {
      const id = next++;
      const late = setTimeout(() => reject(new Error(`${module}.${name}: no answer`)), PATIENCE);
      const settled = (settle) => (value) => {
        clearTimeout(late);
        settle(value);
      };
      waiting.set(id, { resolve: settled(resolve), reject: settled(reject) });
      subprocess.send({ id, name, args });
    });
    // Whoever awaits it sees it fail. Nobody does when something else has failed before.
    called.catch(() => undefined);
    return called;
  };
  await call('begin', credentials);
  return { call, stop: () => subprocess.kill('SIGKILL') };
}

/** Ends what a measurement that failed has left behind. */
export function stopAll() {
  for (const subprocess of running) subprocess.kill('SIGKILL');
}
