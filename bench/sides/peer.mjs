// One of the packages in peers.mjs, as a client of plain C.

import { once } from 'node:events';
import { requirePeer } from '../peers.mjs';
import { Counter, echoFor, sendFor, Stopwatch } from './counter.mjs';

const host = '127.0.0.1';
const HANDSHAKE_LIMIT = 10_000;
/** The one that the C program knows. */
const PSK = 'benchmark secret';

/** How each opens a session: what sends, what tells of messages, what ends it. */
const packages = {
  // Its "main" names a file that is not there: the modules are loaded by their own names.
  async 'werift-dtls'(port) {
    const { DtlsClient } = requirePeer('werift-dtls/lib/dtls/src/index.js');
    const { UdpTransport } = requirePeer('werift-dtls/lib/common/src/index.js');
    const transport = await UdpTransport.init('udp4');
    transport.rinfo = { address: host, port };
    const client = new DtlsClient({ transport, extendedMasterSecret: true });
    await new Promise((resolve, reject) => {
      client.onConnect.once(resolve);
      client.onError.once(reject);
      client.connect().catch(reject);
    });
    return {
      send: (message) => void client.send(message),
      onMessage: (handler) => client.onData.subscribe(handler),
      close: () => client.close(),
    };
  },

  async '@nodertc/dtls'(port) {
    const client = requirePeer('@nodertc/dtls').connect({
      type: 'udp4',
      remoteAddress: host,
      remotePort: port,
      // It authenticates by a pre-shared key: with a certificate on P-256 it shares no group.
      pskIdentity: 'bench',
      pskSecret: PSK,
      cipherSuites: ['TLS_PSK_WITH_AES_128_GCM_SHA256'],
    });
    await once(client, 'connect');
    return {
      send: (message) => void client.write(message),
      onMessage: (handler) => client.on('data', handler),
      close: () => client.close(),
    };
  },

  async 'node-dtls-client'(port) {
    const client = requirePeer('node-dtls-client').dtls.createSocket({
      type: 'udp4',
      address: host,
      port,
      psk: { bench: PSK },
      ciphers: ['TLS_PSK_WITH_AES_128_GCM_SHA256'],
      timeout: HANDSHAKE_LIMIT,
    });
    await once(client, 'connected');
    return {
      send: (message) => client.send(message),
      onMessage: (handler) => client.on('message', handler),
      close: () => client.close(),
    };
  },
};

const counter = new Counter();
let open;
let session;
let onMessage;

export function begin() {}

export function use(name) {
  open = packages[name];
}

export async function connect(port) {
  session = await open(port);
  session.onMessage(() => onMessage?.());
}

/** `received` counts what comes from now on. */
export function hear() {
  onMessage = () => ++counter.count;
}

export const received = (milliseconds) => counter.rates(milliseconds);

export function send(size, milliseconds) {
  const message = Buffer.alloc(size, 0x5a);
  const sendOne = () => {
    session.send(message);
    return true;
  };
  return sendFor(milliseconds, sendOne, () => undefined);
}

export function echo(size, milliseconds) {
  const message = Buffer.alloc(size, 0x5a);
  return echoFor(
    milliseconds,
    () => session.send(message),
    (answered) => {
      onMessage = answered;
    },
  );
}

/** Handshakes with a server elsewhere, one after the other. */
export async function shakeHands(milliseconds, port) {
  const watch = new Stopwatch();
  const end = performance.now() + milliseconds;
  let count = 0;
  for (; performance.now() < end; ++count) (await open(port)).close();
  return watch.rates(count);
}
