import { features } from 'dgram-dtls';
import { alternate, row, sleep } from '../measure.mjs';
import { start } from '../processes.mjs';
import { handshakeRoundTrips } from '../sides/steps.mjs';

const VERSIONS = { newer: 'DTLSv1.3', older: 'DTLSv1.2' };
const VERSUS = 'DTLS 1.2';

/** What DTLS 1.3 is to reach of our own 1.2. */
const HANDSHAKES = 0.8;
const MESSAGES = 0.9;
const MEMORY = 1.2;

const SUITES = {
  'AES-128-GCM': { newer: 'TLS_AES_128_GCM_SHA256', older: 'ECDHE-ECDSA-AES128-GCM-SHA256' },
  'ChaCha20-Poly1305': { newer: 'TLS_CHACHA20_POLY1305_SHA256', older: 'ECDHE-ECDSA-CHACHA20-POLY1305' },
};

/** After ten seconds without traffic a session of ours gives back what its records are opened and sealed with. */
const REST = 11_000;

/**
 * DTLS 1.3 against our own 1.2, both between a server and a client of ours. The two processes are
 * the same for both versions, which take turns that are shorter than what else the machine does.
 */
export async function measure(settings) {
  if (features.dtls13 === false) {
    console.error(`dtls13 is left out: ${features.dtls13Missing}`);
    return [];
  }
  return [
    ...(await handshakes(settings)),
    ...(await messages(settings)),
    ...(await memory(settings)),
    ...(await roundTrips()),
  ];
}

const startPair = (credentials, options = {}) =>
  Promise.all([start('versions', credentials, options), start('versions', credentials, options)]);

/** Short turns, and more of them. */
const turns = (settings) => ({ rounds: 5 * settings.rounds, milliseconds: settings.milliseconds / 5 });

async function handshakes(settings) {
  const { rounds, milliseconds } = turns(settings);
  const [server, client] = await startPair(settings.credentials);
  const rows = [];
  for (const how of ['certificate', 'psk', 'resumed']) {
    const shakeHands = async (version) => {
      const port = await server.call('serve', version, how);
      return async () => {
        const before = await server.call('cpuTime');
        const { count, cpu } = await client.call('handshakes', port, version, how, milliseconds);
        const there = (await server.call('cpuTime')) - before;
        return { both: count / (cpu + there), server: count / there, client: count / cpu };
      };
    };
    const subjects = {
      newer: await shakeHands(VERSIONS.newer),
      older: await shakeHands(VERSIONS.older),
    };
    // The first handshakes of a process compile what the later ones run.
    await alternate(Math.ceil(rounds / 5), subjects);
    const { newer, older } = await alternate(rounds, subjects);
    const name = { certificate: 'handshakes by certificate (P-256)', psk: 'handshakes by pre-shared key', resumed: 'handshakes by ticket' }[how];
    for (const [where, target] of [['both', HANDSHAKES], ['server'], ['client']]) {
      rows.push(
        row({
          name: `1.3: ${name}, ${where === 'both' ? 'both ends' : `the ${where}`}, by CPU time`,
          unit: 'handshakes/s',
          ours: newer.map((each) => each[where]),
          reference: older.map((each) => each[where]),
          versus: VERSUS,
          target,
        }),
      );
    }
  }
  for (const side of [server, client]) side.stop();
  return rows;
}

async function messages(settings) {
  const { rounds, milliseconds } = turns(settings);
  const rows = [];
  for (const [suite, names] of Object.entries(SUITES)) {
    const [server, client] = await startPair(settings.credentials);
    const open = async (which) => {
      const port = await server.call('serve', VERSIONS[which], 'certificate', { ciphers: names[which] });
      const used = await client.call('connect', port, VERSIONS[which], 'certificate', { ciphers: names[which] });
      if (used !== names[which]) throw new Error(`${used} in place of ${names[which]}`);
      return port;
    };
    const ports = { newer: await open('newer'), older: await open('older') };
    for (const size of [1200, 200]) {
      const exchange = (which) => async () => {
        // The sender begins before the receiver counts, and ends after it.
        const sending = client.call('send', ports[which], size, milliseconds + 100);
        await sleep(50);
        const received = await server.call('received', ports[which], milliseconds);
        return { receive: received.cpu, send: (await sending).cpu };
      };
      const subjects = { newer: exchange('newer'), older: exchange('older') };
      await alternate(Math.ceil(rounds / 5), subjects);
      const { newer, older } = await alternate(rounds, subjects);
      for (const way of ['receive', 'send']) {
        rows.push(
          row({
            name: `1.3: ${way} ${size} bytes, ${suite}, by CPU time`,
            unit: 'messages/s',
            ours: newer.map((each) => each[way]),
            reference: older.map((each) => each[way]),
            versus: VERSUS,
            target: MESSAGES,
          }),
        );
      }
    }
    for (const side of [server, client]) side.stop();
  }
  return rows;
}

/** How much a server's and a client's process grow with each session at rest. */
async function memory({ credentials, rounds, quick }) {
  const count = quick ? 50 : 1000;
  const [server, client] = await startPair(credentials, { execArgv: ['--expose-gc'] });
  const grown = async (which) => {
    const port = await server.call('serve', VERSIONS[which], 'certificate');
    const add = async (more) => {
      await client.call('hold', port, VERSIONS[which], more);
      await sleep(quick ? 100 : REST);
      return { server: await server.call('memory'), client: await client.call('memory') };
    };
    const before = await add(quick ? 10 : 100);
    return async () => {
      const after = await add(count);
      const each = {};
      for (const side of ['server', 'client']) {
        each[side] = {};
        for (const [what, bytes] of Object.entries(after[side])) {
          each[side][what] = (bytes - before[side][what]) / count / 1024;
        }
      }
      return each;
    };
  };
  // Each is what comes on top of the one before, so they are measured one after the other.
  const results = { newer: [], older: [] };
  for (let round = 0; round < Math.min(rounds, 3); ++round) {
    for (const which of round % 2 === 0 ? ['older', 'newer'] : ['newer', 'older']) {
      results[which].push(await (await grown(which))());
    }
  }
  for (const side of [server, client]) side.stop();
  const rows = [];
  const names = { resident: 'resident', native: 'by malloc', javascript: "JavaScript's objects" };
  for (const side of ['server', 'client']) {
    for (const [what, name] of Object.entries(names)) {
      rows.push(
        row({
          name: `1.3: memory of a session at rest, ${side}'s, ${name}`,
          unit: 'KiB',
          ours: results.newer.map((each) => each[side][what]),
          reference: results.older.map((each) => each[side][what]),
          versus: VERSUS,
          lessIsBetter: true,
          target: quick ? undefined : MEMORY,
        }),
      );
    }
  }
  return rows;
}

/** Counted, not measured: how often something goes there and back before a message may leave. */
async function roundTrips() {
  const rows = [];
  for (const cookieExchange of [true, false]) {
    for (const how of ['certificate', 'resumed']) {
      const ours = await handshakeRoundTrips(VERSIONS.newer, how, cookieExchange);
      const reference = await handshakeRoundTrips(VERSIONS.older, how, cookieExchange);
      rows.push(
        row({
          name: `1.3: round trips of a handshake by ${how === 'resumed' ? 'ticket' : how}, ${cookieExchange ? 'with' : 'without'} a cookie`,
          unit: 'round trips',
          ours: [ours],
          reference: [reference],
          versus: VERSUS,
          lessIsBetter: true,
        }),
      );
    }
  }
  return rows;
}
