/**
 * Protects: that memory which users hold, or give, can be transferred, detached, resized or disguised without harm to
 * the process and to anybody else's messages: a transfer of a message's memory is refused as with Node's own pool for
 * Buffers, and where it is not, nothing is written to it, and nobody else's next message is lost. That no more of a
 * message is sent than it has. That who gave bytes as options may wipe or reuse them when the call has returned.
 */
import { expect } from 'chai';
import { createHash, X509Certificate } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import dgram from 'node:dgram';
import { once } from 'node:events';
import { runInNewContext } from 'node:vm';
import { MessageChannel, Worker } from 'node:worker_threads';
import { copyTo } from '../../lib/base/memory';
import { connect, createSocket, type ConnectOptions, type DTLSError, type DTLSSocket, type ServerOptions } from '../../lib/index';
import {
  certificate,
  closeEverything,
  dial,
  failure,
  listen,
  messages,
  next,
  openOn,
  openPsk,
  portOf,
  PSK,
  PSK_CLIENT,
  PSK_SERVER,
  withCertificate,
  within,
} from '../helpers/pair';

const nodeMajor = Number(process.versions.node.split('.')[0]);

type Moved = (message: Buffer) => unknown;
const transferOf = (memory: ArrayBufferLike): unknown => (memory as { transfer?: () => ArrayBuffer }).transfer?.();

/** Each way to take the memory away that a message lies in, and the oldest Node that refuses it aloud. */
const WAYS: readonly [name: string, refusedSince: number, move: Moved][] = [
  [
    'postMessage',
    22,
    (message) => {
      const { port1, port2 } = new MessageChannel();
      try {
        port1.postMessage(message, [message.buffer as ArrayBuffer]);
      } finally {
        port1.close();
        port2.close();
      }
    },
  ],
  ['structuredClone', 22, (message) => structuredClone(message, { transfer: [message.buffer as ArrayBuffer] })],
  ['ArrayBuffer.prototype.transfer', 24, (message) => transferOf(message.buffer)],
];

// A wake-up of the native socket brings many of them, and a few blocks of memory are needed for those.
const BURST = 150;
const ENOUGH = 1500;

/** A message that shows whether it is whole. */
function marked(session: number, index: number): Buffer {
  const message = Buffer.alloc(1000 + (index % 190), (session * 31 + index) & 0xff);
  message.writeUInt32BE(index);
  message.writeUInt32BE(session, 4);
  return message;
}
const isWhole = (message: Buffer, session: number): boolean =>
  message.length > 8 && message.equals(marked(session, message.readUInt32BE(0)));

interface Seen {
  count: number;
  broken: number;
  refusals: string[];
}

/** What a handler sees that takes the memory of every fifth message away. */
function takeAway(socket: DTLSSocket, session: number, move: Moved, batches: boolean): Seen {
  const seen: Seen = { count: 0, broken: 0, refusals: [] };
  const take = (message: Buffer): void => {
    seen.count += 1;
    if (!isWhole(message, session)) seen.broken += 1;
    if (seen.count % 5 !== 0) return;
    try {
      move(message);
    } catch (error) {
      seen.refusals.push((error as Error).name);
    }
  };
  if (batches) {
    socket.on('messages', (batch) => {
      // Of a batch that waited for its event, Node 22 may have taken some away with another session's, and then all of each.
      const whole = batch.filter((message) => isWhole(message, session) || (nodeMajor === 22 && message.length === 0));
      seen.broken += batch.length - whole.length;
      seen.count += batch.length;
      const [first] = batch;
      try {
        if (first !== undefined) move(first);
      } catch (error) {
        seen.refusals.push((error as Error).name);
      }
    });
  } else socket.on('message', take);
  return seen;
}

/** Sends in bursts until enough has come of each: a burst may be too much for the receive buffer. */
async function sendUntil(senders: readonly DTLSSocket[], seen: readonly Seen[]): Promise<void> {
  let index = 0;
  while (seen.some(({ count }) => count < ENOUGH)) {
    for (let i = 0; i < BURST; ++i, ++index) {
      senders.forEach((sender, session) => sender.send(marked(session, index)));
    }
    await delay(2);
  }
}

const KINDS: readonly [name: string, options: ServerOptions & Partial<ConnectOptions>, batches: boolean][] = [
  ['message', {}, false],
  ['borrowed message', { borrowMessages: true }, false],
  ['borrowed batch', { borrowMessages: true }, true],
];

for (const side of ['server', 'client'] as const) {
  describe(`memory of a ${side}'s messages that is transferred away`, () => {
    afterEach(closeEverything);

    for (const [kind, options, batches] of KINDS) {
      for (const [way, refusedSince, move] of WAYS) {
        it(`harms nobody: ${kind}, by ${way}`, async () => {
          const own = side === 'server' ? options : {};
          const server = await listen({ ...PSK_SERVER, ...own, recvBufferSize: 4_000_000 });
          const pairs = [];
          for (let i = 0; i < 2; ++i) {
            const given = side === 'client' ? options : {};
            pairs.push(await openOn(server, { ...PSK_CLIENT, ...given, recvBufferSize: 4_000_000 }));
          }
          const receivers = pairs.map(({ client, peer }) => (side === 'server' ? peer : client));
          const senders = pairs.map(({ client, peer }) => (side === 'server' ? client : peer));
          const seen = receivers.map((socket, session) => takeAway(socket, session, move, batches));
          await within(sendUntil(senders, seen), 'enough messages');
          expect(seen.map(({ broken }) => broken)).to.deep.equal([0, 0]);
          const [refusals = []] = seen.map((each) => each.refusals);
          // Messages of a batch lie in one block: it may have gone with an earlier one of them, and then transfer() throws.
          const gone = batches ? refusals.filter((name) => name !== 'TypeError') : refusals;
          if (nodeMajor < refusedSince) expect(gone).to.deep.equal([]);
          else expect(new Set(refusals).size, 'kinds of refusals').to.equal(1);
        });
      }
    }
  });
}

describe('a message that was kept', () => {
  afterEach(closeEverything);

  it('stays as it is while others come, and its memory is not what native code writes to', async () => {
    const { client, peer } = await openPsk({ recvBufferSize: 4_000_000 });
    const kept: Buffer[] = [];
    peer.on('message', (message) => kept.push(message));
    for (let index = 0; kept.length < ENOUGH; index += BURST) {
      for (let i = 0; i < BURST; ++i) client.send(marked(0, index + i));
      await delay(2);
    }
    expect(kept.filter((message) => !isWhole(message, 0))).to.deep.equal([]);
    // What one message reaches of the others is bounded, as in Node's pool.
    expect(Math.max(...kept.map(({ buffer }) => buffer.byteLength))).to.be.at.most(64 * 1024);
  });
});

/** Says so in each property that tells where the bytes are. */
class Elsewhere extends Uint8Array {
  static claimed = 0;
  override get length(): number {
    return Elsewhere.claimed;
  }
  override get byteLength(): number {
    return Elsewhere.claimed;
  }
  override get byteOffset(): number {
    return 0;
  }
}

/** Ways to say that a message of four bytes is longer, or shorter. */
const disguised = (length: number): [string, () => Buffer][] => [
  ['a property', () => Object.defineProperty(Buffer.from('true'), 'length', { value: length })],
  [
    'a class of its own',
    () => {
      Elsewhere.claimed = length;
      const { buffer, byteOffset } = Buffer.from('true');
      return new Elsewhere(buffer, byteOffset, 4) as Uint8Array as Buffer;
    },
  ],
  [
    'a getter that tells the truth once',
    () => {
      let asked = 0;
      return Object.defineProperty(Buffer.from('true'), 'length', { get: () => (asked++ === 0 ? 4 : length) });
    },
  ],
  [
    'another prototype',
    () => Object.setPrototypeOf(Buffer.from('true'), Object.create(Buffer.prototype as object, { length: { value: length } }) as object) as Buffer,
  ],
];

for (const side of ['client', 'server'] as const) {
  describe(`what a ${side} is given to send`, () => {
    afterEach(closeEverything);

    const pair = async (): Promise<[sender: DTLSSocket, receiver: DTLSSocket]> => {
      const { client, peer } = await openPsk();
      return side === 'client' ? [client, peer] : [peer, client];
    };

    for (const length of [2, 4000, 100_000]) {
      for (const [how, make] of disguised(length)) {
        it(`is sent as it is, though ${how} says that it has ${String(length)} bytes`, async () => {
          const [sender, receiver] = await pair();
          const arrived = messages(receiver, 7);
          sender.send(Buffer.alloc(5000, 'secret'));
          sender.send(make());
          sender.send(make(), () => undefined);
          sender.sendMany([make()]);
          sender.send([make()]);
          sender.send(make(), 0, 4);
          sender.send('end');
          const [, ...rest] = (await arrived).map(String);
          expect(rest.sort()).to.deep.equal(['end', 'true', 'true', 'true', 'true', 'true']);
          expect(() => sender.send(make(), 0, 5)).to.throw().with.property('code', 'ERR_OUT_OF_RANGE');
          expect(() => sender.send(make(), 5, 1)).to.throw().with.property('code', 'ERR_OUT_OF_RANGE');
        });
      }
    }

    it('is what lies in memory, whatever class it pretends to be of', async () => {
      const [sender, receiver] = await pair();
      const arrived = messages(receiver, 4);
      const words = (): Buffer => Object.setPrototypeOf(Uint32Array.of(0x61616161, 0x61616161), Buffer.prototype as object) as Buffer;
      const view = (): Buffer => Object.setPrototypeOf(new DataView(words().buffer), Buffer.prototype as object) as Buffer;
      sender.send(words());
      sender.send(words(), () => undefined);
      sender.send(view());
      sender.sendMany([view()]);
      expect((await arrived).map(String)).to.deep.equal(Array(4).fill('a'.repeat(8)));
      for (const nothing of [Object.create(Buffer.prototype as object), new Proxy(Buffer.from('true'), {})] as Buffer[]) {
        expect(() => sender.send(nothing)).to.throw().with.property('code', 'ERR_INVALID_ARG_TYPE');
      }
    });

    it('may be detached before, and is then nothing', async () => {
      const [sender] = await pair();
      const gone = Buffer.from(new ArrayBuffer(100));
      structuredClone(gone.buffer, { transfer: [gone.buffer] });
      expect(() => sender.send(gone)).to.throw().with.property('code', 'ERR_DTLS_EMPTY_MESSAGE');
      expect(() => sender.sendMany(['a', gone])).to.throw().with.property('code', 'ERR_DTLS_EMPTY_MESSAGE');
    });

    it('may be detached, shrunk or overwritten as soon as the call has returned', async () => {
      const [sender, receiver] = await pair();
      const arrived = messages(receiver, 4);
      const Resizable = ArrayBuffer as unknown as new (size: number, options: object) => ArrayBuffer & { resize(size: number): void };
      for (const callback of [undefined, (): void => undefined]) {
        const moved = Buffer.from(new ArrayBuffer(2000)).fill('m');
        sender.send(moved, callback);
        structuredClone(moved.buffer, { transfer: [moved.buffer] });
        const memory = new Resizable(2000, { maxByteLength: 4000 });
        const shrunk = new Uint8Array(memory).fill(0x73);
        sender.send(shrunk, callback);
        memory.resize(1);
        memory.resize(4000);
      }
      const texts = (await arrived).map(String).sort();
      expect(texts).to.deep.equal(['m'.repeat(2000), 'm'.repeat(2000), 's'.repeat(2000), 's'.repeat(2000)]);
    });

    it('may be detached while it waits: a heartbeat behind another', async () => {
      const server = await listen({ ...PSK_SERVER, heartbeat: true });
      const { client, peer } = await openOn(server, { ...PSK_CLIENT, heartbeat: true });
      const sender = side === 'client' ? client : peer;
      const payloads = [1, 2].map((byte) => Buffer.from(new ArrayBuffer(100)).fill(byte));
      const answers = payloads.map((payload) => sender.heartbeat(payload));
      for (const { buffer } of payloads) structuredClone(buffer, { transfer: [buffer] });
      const results = await within(Promise.all(answers), 'both heartbeats');
      expect(results.map(({ payload }) => payload.toString('hex'))).to.deep.equal(['01'.repeat(100), '02'.repeat(100)]);
    });
  });
}

describe('what waits for the handshake', () => {
  afterEach(closeEverything);

  it('may be detached by reading another part of the same message', async () => {
    const { client, peer } = await openOn(await listen(PSK_SERVER), PSK_CLIENT);
    const gone = Buffer.from(new ArrayBuffer(100)).fill('g');
    const parts = Object.defineProperty([gone, 'x'], 1, {
      get() {
        structuredClone(gone.buffer, { transfer: [gone.buffer] });
        return 'left';
      },
    });
    const came = messages(peer, 1);
    client.send(parts);
    expect((await came).toString()).to.equal('left');
  });

  it('may be detached, and may say that it is longer', async () => {
    const server = await listen(PSK_SERVER);
    const accepted = next(server, 'secureConnection');
    const client = await dial(server, PSK_CLIENT);
    const moved = Buffer.from(new ArrayBuffer(100)).fill('m');
    client.send(moved);
    structuredClone(moved.buffer, { transfer: [moved.buffer] });
    for (const [, make] of disguised(4000)) client.send(make());
    const [peer] = await accepted;
    const texts = (await messages(peer, 5)).map(String);
    expect(texts).to.deep.equal(['m'.repeat(100), 'true', 'true', 'true', 'true']);
  });

  it('may be and do so in a socket of createSocket, too', async () => {
    const server = await listen(PSK_SERVER);
    const accepted = next(server, 'secureConnection');
    const socket = createSocket({ type: 'udp4', dtls: { psk: PSK } });
    try {
      const port = server.address()?.port ?? 0;
      const moved = Buffer.from(new ArrayBuffer(100)).fill('m');
      socket.send(moved, port, '127.0.0.1');
      structuredClone(moved.buffer, { transfer: [moved.buffer] });
      for (const [, make] of disguised(4000)) socket.send(make(), port, '127.0.0.1');
      const [peer] = await accepted;
      const texts = (await messages(peer, 5)).map(String);
      expect(texts).to.deep.equal(['m'.repeat(100), 'true', 'true', 'true', 'true']);
    } finally {
      socket.close();
    }
  });
});

describe('what answers a question of a handshake', () => {
  afterEach(closeEverything);

  it('has the size that it has: a key that says it is shorter, ticket keys that say they are longer', async () => {
    const long = Object.defineProperty(Buffer.alloc(2000, 1), 'length', { value: 16 });
    const server = await listen({ pskCallback: () => long });
    const failed = next(server, 'dtlsClientError');
    const client = await dial(server, PSK_CLIENT);
    client.on('error', () => undefined);
    const [{ cause }] = await failed;
    expect((cause as Error).message).to.match(/2000 bytes/);
    for (const property of ['length', 'byteLength']) {
      const short = Object.defineProperty(Buffer.alloc(10), property, { value: 48 });
      expect(() => { server.setTicketKeys(short); }).to.throw(/not 10/).with.property('code', 'ERR_INVALID_ARG_VALUE');
    }
  });

  it('may be memory that has been taken away: it then has no bytes', async () => {
    const gone = new DataView(new ArrayBuffer(16));
    structuredClone(gone.buffer, { transfer: [gone.buffer] });
    const server = await listen({ pskCallback: () => gone });
    const failed = next(server, 'dtlsClientError');
    const client = await dial(server, PSK_CLIENT);
    client.on('error', () => undefined);
    const [{ cause }] = await failed;
    expect((cause as Error).message).to.match(/has 0 bytes/);
    expect(() => { server.setTicketKeys(gone); }).to.throw(/not 0/).with.property('code', 'ERR_INVALID_ARG_VALUE');
  });

  it('may be detached while it is awaited, and the handshake then fails by itself', async () => {
    const psk = Buffer.from(new ArrayBuffer(16)).fill(1);
    const server = await listen({
      pskCallback: () => {
        const answer = delay(10, psk);
        structuredClone(psk.buffer, { transfer: [psk.buffer] });
        return answer;
      },
    });
    server.on('dtlsClientError', () => undefined);
    const client = await dial(server, PSK_CLIENT);
    const error: DTLSError = await failure(client);
    expect(error.code).to.be.a('string');
    // The server goes on.
    const again = await dial(server, PSK_CLIENT);
    expect((await failure(again)).code).to.equal(error.code);
  });
});

describe('the bytes of options', () => {
  afterEach(closeEverything);

  const wiped = (): { given: typeof PSK; wipe: () => void } => {
    const given = { identity: PSK.identity, psk: Buffer.from(PSK.psk) };
    return { given, wipe: () => given.psk.fill(0) };
  };

  it('may be wiped when the call has returned: the key of a server', async () => {
    const { given, wipe } = wiped();
    const server = await listen({ psk: given });
    server.addContext('named.example', await certificate());
    wipe();
    expect((await openOn(server, { psk: PSK })).client.pskIdentity).to.equal(PSK.identity);
    const psk = { identity: PSK.identity, psk: Buffer.alloc(PSK.psk.length) };
    await failure(await dial(server, { psk, handshakeTimeout: 1000 }));
  });

  it('may be wiped when the call has returned: the key of a server, for a name that is added later', async () => {
    const { given, wipe } = wiped();
    const server = await listen({ psk: given, ALPNProtocols: ['coap'] });
    wipe();
    server.addContext('named.example', await certificate());
    const { client } = await openOn(server, { psk: PSK, servername: 'named.example', ciphers: 'PSK-AES128-GCM-SHA256' });
    expect(client.pskIdentity).to.equal(PSK.identity);
  });

  class Credentials {
    readonly identity = PSK.identity;
    constructor(readonly psk: Buffer<ArrayBuffer>) {}
  }
  /** An object with a key as users have them: what is read of it later has to be a copy, too. */
  const containers: readonly [what: string, make: (psk: Buffer<ArrayBuffer>) => typeof PSK][] = [
    ['of a class', (psk) => new Credentials(psk)],
    ['that inherits', (psk) => Object.create({ identity: PSK.identity, psk }) as typeof PSK],
    ['of another realm', (psk) => runInNewContext('({ identity, psk })', { identity: PSK.identity, psk }) as typeof PSK],
    ['with a getter', (psk) => ({ identity: PSK.identity, get psk() { return psk; } })],
  ];
  for (const [what, make] of containers) {
    it(`may be wiped when the call has returned: a key in an object ${what}, for a name that is added later`, async () => {
      const psk = Buffer.from(PSK.psk);
      const server = await listen({ psk: make(psk) });
      psk.fill(0);
      server.addContext('named.example', await certificate());
      const named = { servername: 'named.example', ciphers: 'PSK-AES128-GCM-SHA256' };
      expect((await openOn(server, { psk: PSK, ...named })).client.pskIdentity).to.equal(PSK.identity);
      const zeros = { identity: PSK.identity, psk: Buffer.alloc(PSK.psk.length) };
      await failure(await dial(server, { psk: zeros, ...named, handshakeTimeout: 1000 }));
    });
  }

  it('may be wiped when the call has returned: the key of a client', async () => {
    const server = await listen(PSK_SERVER);
    const { given, wipe } = wiped();
    const client = connect({ host: '127.0.0.1', port: server.address()?.port ?? 0, psk: given });
    wipe();
    await next(client, 'secureConnect');
    client.close();
  });

  it('may be wiped when the call has returned: the key and the protocols of a socket of createSocket', async () => {
    const server = await listen({ ...PSK_SERVER, ALPNProtocols: ['coap'] });
    const { given, wipe } = wiped();
    const ALPNProtocols = Buffer.from('\u0004coap');
    const socket = createSocket({ type: 'udp4', dtls: { role: 'client', psk: given, ALPNProtocols } });
    wipe();
    ALPNProtocols.fill(0);
    const opened = next(server, 'secureConnection');
    socket.send('hello', server.address()?.port ?? 0, '127.0.0.1');
    expect((await opened)[0].alpnProtocol).to.equal('coap');
    socket.close();
  });
});

describe('the bytes of options of createSocket that it reads again for each peer', () => {
  afterEach(closeEverything);

  it('may be wiped when the call has returned: certificate, key and authorities, where peers() gives others beside them', async () => {
    const { cert, key, ca } = await certificate({ commonName: 'client', clientAuth: true });
    const server = await listen(await withCertificate({ ca, requestCert: true }));
    const given = { ca: Buffer.from(ca), cert: [Buffer.from(cert)], key: [{ pem: Buffer.from(key) }] };
    const ciphers = 'ECDHE-ECDSA-AES128-GCM-SHA256';
    const socket = createSocket({ type: 'udp4', dtls: { role: 'client', ...given, peers: () => ({ ciphers }) } });
    for (const bytes of [given.ca, ...given.cert, ...given.key.map(({ pem }) => pem)]) bytes.fill(0);
    const opened = next(server, 'secureConnection');
    socket.send('hello', portOf(server), '127.0.0.1');
    const [peer] = await opened;
    expect(peer.authorized).to.equal(true);
    expect(peer.getCipher()?.name).to.equal(ciphers);
    socket.close();
  });

  it('may be wiped when the call has returned: what a peer is expected to show', async () => {
    const { cert, key } = await certificate();
    const server = await listen({ cert, key });
    const { cert: another, key: itsKey } = await certificate({ commonName: 'stranger' });
    const stranger = await listen({ cert: another, key: itsKey });
    stranger.on('dtlsClientError', () => undefined);
    const { raw } = new X509Certificate(cert);
    const value = createHash('sha256').update(raw).digest('hex');
    const fingerprint = { algorithm: 'sha-256', value };
    const socket = createSocket({ type: 'udp4', dtls: { role: 'client', peerFingerprints: fingerprint, peers: () => ({}) } });
    fingerprint.value = '00'.repeat(32);
    const opened = next(server, 'secureConnection');
    socket.send('hello', portOf(server), '127.0.0.1');
    await opened;
    const [error] = await within(
      new Promise<[DTLSError]>((resolve) => {
        socket.once('peerError', (failed) => {
          resolve([failed]);
        });
        socket.send('hello', portOf(stranger), '127.0.0.1');
      }),
      'a refusal',
    );
    expect(error.code).to.equal('ERR_DTLS_FINGERPRINT');
    socket.close();
  });
});

describe('memory that another thread grows', () => {
  afterEach(closeEverything);

  type Growing = new (size: number, options: { maxByteLength: number }) => SharedArrayBuffer;
  const MOST = 600;
  const grower = `
    const { parentPort } = require('node:worker_threads');
    parentPort.on('message', (memory) => {
      while (memory.byteLength < memory.maxByteLength) {
        memory.grow(memory.byteLength + 1);
        for (let i = 0; i < 2000; ++i);
      }
    });
    parentPort.postMessage('ready');
  `;

  it('while it is sent before the handshake is over is a message, and each callback is called', async () => {
    const silent = dgram.createSocket('udp4').bind(0, '127.0.0.1');
    const worker = new Worker(grower, { eval: true, execArgv: [] });
    await Promise.all([once(silent, 'listening'), once(worker, 'message')]);
    const { port } = silent.address();
    for (let round = 0; round < 10; ++round) {
      const memory = new (SharedArrayBuffer as unknown as Growing)(1, { maxByteLength: MOST });
      const view = new Uint8Array(memory);
      const client = connect({ host: '127.0.0.1', port, ...PSK_CLIENT });
      client.on('error', () => undefined);
      let [sent, called] = [0, 0];
      worker.postMessage(memory);
      for (const end = Date.now() + 200; memory.byteLength < MOST && Date.now() < end;) {
        client.send(view, () => (called += 1));
        sent += 1;
      }
      const closed = once(client, 'close');
      client.close();
      await within(closed, 'close');
      expect(called).to.equal(sent);
    }
    await worker.terminate();
    silent.close();
    await once(silent, 'close');
  });

  it('is copied as far as it was when it was counted, also where there is no room for more', () => {
    const grown = Uint8Array.of(1, 2, 3, 4, 5, 6);
    const [narrow, wide] = [new Uint8Array(5), new Uint8Array(9)];
    copyTo(narrow, 1, grown, 4);
    copyTo(wide, 1, grown, 4);
    expect([...narrow]).to.deep.equal([0, 1, 2, 3, 4]);
    expect([...wide.subarray(0, 5)]).to.deep.equal([0, 1, 2, 3, 4]);
  });
});
