// A server with rules for each of its peers, a server that has the same for all, and a server for each peer.

import { once } from 'node:events';
import { createSecureContext, createServer } from 'dgram-dtls';
import { loadAddon } from '../native.mjs';

let secureContext;

export function begin(given) {
  loadAddon().setCredentials(given.cert, given.key, given.ca);
  secureContext = createSecureContext({ cert: given.cert, key: given.key, ecdhCurve: 'X25519:P-256' });
}

/** What was sent to the peer that shakes hands. */
const outgoing = [];
let dialling;

/** A transport in memory. */
function transport() {
  let receiver;
  return {
    receive: (datagram, peer) => receiver.receive(datagram, peer),
    start(given) {
      receiver = given;
    },
    send(datagrams, { address }) {
      if (address === dialling) outgoing.push(...datagrams);
      return true;
    },
    address: () => ({ address: '10.0.0.1', port: 4433, family: 'IPv4' }),
    close: (done) => process.nextTick(done),
  };
}

const peerOf = (i) => ({ address: `10.1.${i >> 8}.${i & 255}`, port: 40000, family: 'IPv4' });
const turn = () => new Promise((resolve) => setImmediate(resolve));

export function residentBytes() {
  for (let i = 0; i < 4; ++i) globalThis.gc();
  return loadAddon().residentBytes();
}

const servers = [];
let network;
let opened = 0;

/** Begins to serve, with rules for each peer or the same for all. */
export async function serve(withRules) {
  network = transport();
  const server = createServer({
    secureContext,
    maxSessions: 0,
    maxSessionsPerHost: 0,
    transport: network,
    ...(withRules ? { peers: ({ address }) => ({ secureContext, idleTimeout: 600_000 + address.length }) } : {}),
  });
  servers.push(server);
  server.listen();
  await once(server, 'listening');
}

async function measured(work) {
  const start = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(start);
  return user + system;
}

/** Opens more sessions, of a peer each: microseconds of CPU time, both ends of the handshakes included. */
export const open = (more) =>
  measured(async () => {
    const { MemoryClient } = loadAddon();
    for (const end = opened + more; opened < end; ++opened) {
      const peer = peerOf(opened);
      const client = new MemoryClient();
      dialling = peer.address;
      outgoing.length = 0;
      // Two turns of cookie exchange, two of the handshake. Answers of `peers` come in turns of their own.
      for (let step = 0; step < 4; ++step) {
        for (const datagram of client.step(outgoing.splice(0))) network.receive(datagram, peer);
        await turn();
      }
    }
    if (servers[0].stats.handshakesCompleted !== opened) throw new Error('handshakes failed');
  });

/** Makes more servers, one for each peer, whom nobody dials yet. */
export const openServers = (more) =>
  measured(async () => {
    for (let i = 0; i < more; ++i) {
      const server = createServer({ secureContext, transport: transport() });
      servers.push(server);
      server.listen();
      if (i % 100 === 99) await turn();
    }
    await turn();
  });
