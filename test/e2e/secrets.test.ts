/**
 * Protects: that secrets are left neither in freed memory nor in what shows objects: exported keys, sessions, ticket keys and the cookie secret, wiped by their owner, are found nowhere in the memory of the process but where
 * OpenSSL works with them; and `util.inspect`, `JSON.stringify` and a spread show none of them.
 */
import { constants, randomFillSync } from 'node:crypto';
import { closeSync, mkdtempSync, openSync, readFileSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { inspect } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect } from 'chai';
import {
  connect,
  createSecureContext,
  createServer,
  createSocket,
  type ConnectOptions,
  type DTLSSocket,
  type ServerOptions,
} from '../../lib/index';
import { native } from '../../lib/core/native';
import { generateCertificate } from '../../lib/index';
import { hasNativeUdp } from '../../lib/transport/native-udp';
import * as nodeDtls from '../../lib/node-dtls/index';
import { certificate, closeEverything, listen, messages, next, open, openOn, openPsk, PSK_CLIENT, PSK_SERVER } from '../helpers/pair';
import { skip } from '../helpers/peers';

setFlagsFromString('--expose-gc');
/** Has V8 collect what nobody has any more. */
const collect = runInNewContext('gc') as () => void;

// Not in a string, nor on the heap of V8, which moves what is short.
const own = (bytes: Uint8Array): Uint8Array => {
  const copy = new Uint8Array(new ArrayBuffer(bytes.length));
  copy.set(bytes);
  return copy;
};

const randomBytes = (size: number): Buffer => {
  const bytes = Buffer.from(new ArrayBuffer(size));
  return randomFillSync(bytes);
};

/** What is looked for, so that it is not found by itself: turned over until the moment of the search. */
class Sought {
  readonly #turned: Uint8Array;

  /** The middle: what an allocator writes into freed memory it writes to its front. */
  constructor(secret: Uint8Array, from = 24, to = secret.length) {
    this.#turned = own(secret.subarray(from, to));
    this.#turn();
  }

  #turn(): void {
    for (let i = 0; i < this.#turned.length; ++i) this.#turned[i] = (this.#turned[i] ?? 0) ^ 0xff;
  }

  /** How often it is in this process's memory. */
  count(): number {
    const memory = openSync('/proc/self/mem', 'r');
    const window = Buffer.allocUnsafeSlow(1 << 20);
    const once = Buffer.from(new ArrayBuffer(this.#turned.length));
    this.#turn();
    try {
      let found = 0;
      for (const line of readFileSync('/proc/self/maps', 'latin1').split('\n')) {
        const [, from, to, rest = ''] = /^([0-9a-f]+)-([0-9a-f]+) rw-. (.*)$/.exec(line) ?? [];
        if (from === undefined || to === undefined || rest.includes('[v')) continue;
        const end = Number.parseInt(to, 16);
        for (let at = Number.parseInt(from, 16); at < end; at += window.length) {
          window.fill(0);
          let size = 0;
          try {
            size = readSync(memory, window, 0, Math.min(window.length, end - at), at);
          } catch {
            continue; // unmapped meanwhile, or not readable
          }
          const bytes = window.subarray(0, size);
          const hits: number[] = [];
          for (let hit = bytes.indexOf(this.#turned); hit !== -1; hit = bytes.indexOf(this.#turned, hit + 1)) hits.push(hit);
          // The window sees itself, too, and what it has just read: that is gone now.
          window.fill(0);
          for (const hit of hits) {
            readSync(memory, once, 0, once.length, at + hit);
            if (once.equals(this.#turned)) found += 1;
            once.fill(0);
          }
        }
      }
      window.fill(0);
      return found - 1; // this.#turned itself
    } finally {
      this.#turn();
      closeSync(memory);
    }
  }
}

/** As `Sought`, and wipes the secret. */
function wiped(secret: Buffer, from?: number, to?: number): Sought {
  const sought = new Sought(secret, from, to);
  secret.fill(0);
  return sought;
}

const linux = process.platform === 'linux' ? describe : describe.skip;

/** The memory of a sanitizer, or of an emulator, is too much to search. */
function canSearch(): boolean {
  if (process.platform !== 'linux') return false;
  let mapped = 0;
  for (const [, from = '', to = ''] of readFileSync('/proc/self/maps', 'latin1').matchAll(/^([0-9a-f]+)-([0-9a-f]+) rw/gm)) {
    mapped += Number.parseInt(to, 16) - Number.parseInt(from, 16);
  }
  return mapped <= 2 ** 36;
}

linux('a secret that its owner has wiped is nowhere in memory (what shows it is of Linux)', () => {
  before(function () {
    if (!canSearch()) skip(this, 'the memory of a sanitizer, or of an emulator, is too much to search');
  });
  afterEach(closeEverything);

  it('but where it is kept: what looks for it finds it', () => {
    const secret = randomBytes(64);
    const sought = new Sought(secret);
    expect(sought.count()).to.equal(1);
    secret.fill(0);
    expect(sought.count()).to.equal(0);
  });

  for (const side of ['client', 'server'] as const) {
    it(`exported keying material, of a ${side}`, async () => {
      const { client, peer } = await openPsk();
      const socket = side === 'client' ? client : peer;
      const exported = wiped(socket.exportKeyingMaterial(96, 'EXPERIMENTAL dgram-dtls'));
      expect(exported.count()).to.equal(0);
    });
  }

  it('the cookie secret: OpenSSL has it, and nobody else', async () => {
    const cookieSecret = randomBytes(96);
    const sought = new Sought(cookieSecret);
    const server = createServer({ ...PSK_SERVER, cookieSecret });
    cookieSecret.fill(0);
    server.listen(0, '127.0.0.1');
    await next(server, 'listening');
    expect(sought.count()).to.be.at.most(1);
    const closed = next(server, 'close');
    server.close();
    await closed;
  });

  it('ticket keys that were asked for: the server has them once', async () => {
    const server = await listen(PSK_SERVER);
    const sought = wiped(server.getTicketKeys(), 16);
    for (let i = 0; i < 3; ++i) server.getTicketKeys().fill(0);
    expect(sought.count()).to.equal(1);
  });

  it('ticket keys that were given: the context has them, and each server', async () => {
    const ticketKeys = randomBytes(48);
    const sought = new Sought(ticketKeys, 16);
    const server = await listen({ ...PSK_SERVER, ticketKeys });
    server.setTicketKeys(ticketKeys);
    ticketKeys.fill(0);
    expect(sought.count()).to.equal(2);
  });

  for (const transport of hasNativeUdp ? (['native', 'dgram'] as const) : (['dgram'] as const)) {
    it(`the cookie secret of a server that has closed, over ${transport}`, async () => {
      const cookieSecret = randomBytes(96);
      const sought = new Sought(cookieSecret);
      const server = await listen({ ...PSK_SERVER, cookieSecret, transport });
      cookieSecret.fill(0);
      const closed = next(server, 'close');
      server.close();
      await closed;
      expect(sought.count()).to.equal(0);
    });
  }

  for (const transport of hasNativeUdp ? (['native', 'dgram'] as const) : (['dgram'] as const)) {
    it(`a server that has closed is collected, over ${transport}`, async () => {
      const closedServer = async (): Promise<WeakRef<object>> => {
        const server = createServer({ ...PSK_SERVER, transport });
        server.listen(0, '127.0.0.1');
        await next(server, 'listening');
        const { client } = await openOn(server, PSK_CLIENT);
        const ends = [next(client, 'close'), next(server, 'close')];
        client.close();
        server.close();
        await Promise.all(ends);
        return new WeakRef(server);
      };
      const server = await closedServer();
      for (let i = 0; i < 50 && server.deref() !== undefined; ++i) {
        await sleep(5);
        collect();
      }
      expect(server.deref()).to.equal(undefined);
    });
  }

  /** What makes use of a secret, and is let go of; and which part of it is looked for. */
  const owners: readonly [what: string, size: number, make: (secret: Buffer) => unknown][] = [
    ['ticket keys of a context', 48, (ticketKeys) => createSecureContext({ ticketKeys })],
    ['the cookie secret of a server that never listened', 96, (cookieSecret) => createServer({ ...PSK_SERVER, cookieSecret })],
    ['the pre-shared key of a server', 64, (psk) => createServer({ psk: { identity: 'x', psk } })],
    ['the pre-shared key of a socket', 64, (psk) => createSocket({ type: 'udp4', dtls: { psk: { identity: 'x', psk } } }).close()],
    ['ticket keys of a context of node-dtls', 80, (ticketKeys) => nodeDtls.createSecureContext({ ...PEM, isServer: true, ticketKeys })],
    ['a pre-shared key of a context of node-dtls', 64, (psk) => nodeDtls.createSecureContext({ isServer: true, psk: { x: psk } })],
  ];
  for (const [what, size, make] of owners) {
    it(`${what}, when nobody has that any more`, async () => {
      if (what.includes('ticket keys of a context of node')) PEM = await pem();
      const secret = randomBytes(size);
      const sought = new Sought(secret);
      (() => { make(secret); })();
      secret.fill(0);
      for (let i = 0; i < 10 && sought.count() > 0; ++i) {
        for (let j = 0; j < 5; ++j) {
          collect();
          await sleep(2);
        }
      }
      expect(sought.count()).to.equal(0);
    });
  }

  it('a session that was stored', async () => {
    const server = await listen(await certificateOptions());
    const stored: Buffer[] = [];
    server.on('newSession', (_id, session, done) => {
      stored.push(session);
      done();
    });
    const { client, peer } = await openOn(server, { servername: 'localhost' });
    const [session] = stored;
    if (session === undefined) throw new Error('no session');
    // In DER the master secret stands behind its tag and its length: OpenSSL itself has it without those. They are
    // behind the session's id, whose 32 random bytes may have the same two by chance.
    const id = session.indexOf(Buffer.from([0x04, 0x20]));
    const at = id + 2 + 32;
    expect(session.subarray(at, at + 2).toString('hex')).to.equal('0430');
    const sought = wiped(session, at, at + 32);
    // What an open session keeps it in is wiped with the session.
    const closed = Promise.all([next(client, 'close'), next(peer, 'close')]);
    client.close();
    await closed;
    expect(sought.count()).to.equal(0);
  });

  it("the PRF's output, when it fails, too", () => {
    const secret = randomBytes(48);
    const sought = wiped(native.prf('SHA256', secret, 'test', secret, 96));
    expect(() => native.prf('no such digest', secret, 'test', secret, 96)).to.throw();
    expect(sought.count()).to.equal(0);
  });

  it('a passphrase and a private key that were given as strings are not in memory that Buffers share', async () => {
    const { cert, key } = await certificate();
    // A new pool, and empty: what made the key may have left it in the one before.
    const before = Buffer.from('x').buffer;
    let pool = before;
    while (pool === before) pool = Buffer.from('x'.repeat(500)).buffer;
    new Uint8Array(pool).fill(0);
    createSecureContext({ cert, key });
    expect(Buffer.from(pool).includes('PRIVATE KEY')).to.equal(false);
  });
});

let PEM: { cert?: string; key?: string } = {};
async function pem(): Promise<typeof PEM> {
  const { cert, key } = await certificate();
  return { cert, key };
}

async function certificateOptions(): Promise<ServerOptions> {
  const { cert, key } = await certificate();
  // Only sessions without tickets go to a store.
  return { cert, key, secureOptions: constants.SSL_OP_NO_TICKET };
}

describe('a secret lies in no memory that messages share', () => {
  afterEach(closeEverything);

  /** Whether the secret, a string, comes into Node's pool for Buffers by that call. */
  async function poolHas(secret: string, call: () => unknown): Promise<boolean> {
    const pools = new Set<ArrayBufferLike>();
    // Each pool is 8 KiB, and a new one is made when the last one is full: the call may begin one.
    const note = (): void => {
      pools.add(Buffer.from('x').buffer);
    };
    note();
    const watch = setInterval(note, 1);
    await call();
    clearInterval(watch);
    note();
    return [...pools].some((pool) => Buffer.from(pool).includes(secret, 0, 'latin1'));
  }

  const text = (): string => randomBytes(24).toString('hex');
  const strings: readonly [what: string, make: (secret: string) => unknown][] = [
    ['the pre-shared key of a server', (psk) => createServer({ psk: { identity: 'x', psk } })],
    ['the pre-shared key of a client', (psk) => {
      const client = connect({ host: '127.0.0.1', port: 9, psk: { identity: 'x', psk } });
      client.on('error', () => undefined);
      client.destroy();
    }],
    ['the pre-shared key of a socket', (psk) => { createSocket({ type: 'udp4', dtls: { psk: { identity: 'x', psk } } }).close(); }],
    ['the cookie secret of a server', (cookieSecret) => createServer({ ...PSK_SERVER, cookieSecret })],
    ['the pre-shared key that a pskCallback returns', async (psk) => {
      const { client } = await openOn(await listen({ pskCallback: () => psk }), { pskCallback: () => ({ identity: 'x', psk }) });
      client.destroy();
    }],
  ];
  for (const [what, make] of strings) {
    it(`${what}, given as a string, is not in Node's pool for Buffers`, async () => {
      const secret = text();
      expect(await poolHas(secret, () => make(secret))).to.equal(false);
    });
  }

  it("keys of generateCertificate, and its issuer's, are not in Node's pool for Buffers", async () => {
    const lines = 'MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg'; // the same in all keys of that kind
    const issuer = await generateCertificate({ ca: true, subject: 'authority' });
    expect(issuer.key).to.include(lines);
    // What was there before is none of its own.
    let pool = Buffer.from('x').buffer;
    const before = pool;
    while (pool === before) pool = Buffer.from('x'.repeat(500)).buffer;
    new Uint8Array(pool).fill(0);
    expect(await poolHas(lines, () => generateCertificate({ subject: 'x', issuer }))).to.equal(false);
  });

  for (const asked of ['by a listener', 'by SSLKEYLOGFILE alone']) {
    it(`a line of the key log that is asked for ${asked} is not in Node's pool for Buffers, and is left nowhere`, async () => {
      const folder = mkdtempSync(join(tmpdir(), 'dgram-dtls-secrets-'));
      const file = join(folder, 'keys');
      const lines: Buffer[] = [];
      const server = await listen(PSK_SERVER);
      const logs = process.env.SSLKEYLOGFILE;
      try {
        if (asked === 'by a listener') server.on('keylog', (line) => lines.push(line));
        else process.env.SSLKEYLOGFILE = file;
        const pools = new Set<ArrayBufferLike>();
        const watch = setInterval(() => pools.add(Buffer.from('x').buffer), 1);
        const { client } = await openOn(server, PSK_CLIENT);
        clearInterval(watch);
        pools.add(Buffer.from('x').buffer);
        for (const line of lines) expect(line.buffer.byteLength).to.equal(line.length);
        const written = asked === 'by a listener' ? undefined : readFileSync(file);
        const [line = Buffer.from(own(written?.subarray(0, written.indexOf(0x0a)) ?? Buffer.alloc(0)).buffer)] = lines;
        written?.fill(0);
        expect(line.length).to.be.above(100);
        // The secret, after the client's random number.
        expect([...pools].some((pool) => Buffer.from(pool).includes(line.subarray(90, 130)))).to.equal(false);
        const sought = canSearch() ? wiped(line, 90, 150) : undefined;
        for (const one of lines) one.fill(0);
        client.destroy();
        expect(sought?.count() ?? 0).to.equal(0);
      } finally {
        if (logs === undefined) delete process.env.SSLKEYLOGFILE;
        else process.env.SSLKEYLOGFILE = logs;
        rmSync(folder, { recursive: true });
      }
    });
  }

  it('a line of the key log', async () => {
    const server = await listen(PSK_SERVER);
    const lines: Buffer[] = [];
    server.on('keylog', (line) => lines.push(line));
    const { client, peer } = await openOn(server, PSK_CLIENT);
    const arrived = messages(peer, 1);
    client.send('message');
    const [message] = await arrived;
    if (message === undefined) throw new Error('no message');
    const [line] = lines;
    expect(line?.length).to.be.above(100);
    expect(Buffer.from(message.buffer).includes(line?.subarray(0, -1) ?? '')).to.equal(false);
  });

  it('a session for a store', async () => {
    const server = await listen(await certificateOptions());
    const stored: Buffer[] = [];
    server.on('newSession', (_id, session, done) => {
      stored.push(session);
      done();
    });
    const { client, peer } = await openOn(server, { servername: 'localhost' });
    const arrived = messages(peer, 1);
    client.send('message');
    const [message] = await arrived;
    const [session] = stored;
    if (message === undefined || session === undefined) throw new Error('no message, or no session');
    expect(Buffer.from(message.buffer).includes(session.subarray(0, 64))).to.equal(false);
    expect(session.buffer.byteLength).to.equal(session.length);
  });
});

describe('nothing that shows objects shows a secret', () => {
  afterEach(closeEverything);

  const everything = { getters: true, showHidden: true, depth: Infinity, maxArrayLength: Infinity, maxStringLength: Infinity };
  /** Some refer to themselves: JSON has no words for those. */
  function json(object: unknown): string {
    const seen = new Set<unknown>();
    return JSON.stringify(object, (_name, value: unknown) => {
      if (typeof value === 'bigint') return String(value);
      if (typeof value !== 'object' || value === null) return value;
      if (seen.has(value)) return undefined;
      seen.add(value);
      return value;
    });
  }
  /** In the ways in which bytes are printed. */
  function shows(object: unknown, secret: Uint8Array): boolean {
    const part = secret.subarray(0, 8);
    const text = [
      inspect(object, everything),
      inspect(object, { getters: true, depth: 9 }),
      inspect({ ...(object as object) }, everything),
      json(object),
    ].join('\n');
    return (
      text.includes(Buffer.from(part).toString('hex')) ||
      text.includes([...part].map((byte) => byte.toString(16).padStart(2, '0')).join(' ')) ||
      new RegExp([...part].join(',\\s*')).test(text)
    );
  }
  const cookieSecret = randomBytes(48);
  const ticketKeys = randomBytes(48);
  const psk = randomBytes(32);

  it('of a server, a context, a socket', async () => {
    const { cert, key } = await certificate();
    const given: ServerOptions = { cert, key, cookieSecret, ticketKeys, pskCallback: () => psk };
    const options: Partial<ConnectOptions> = { pskCallback: () => ({ identity: 'x', psk }), servername: 'localhost' };
    const { server, client, peer } = await open(given, options);
    const session = client.getSession() ?? Buffer.alloc(0);
    const keys = [client, peer].map((socket: DTLSSocket) => socket.exportKeyingMaterial(32, 'EXPERIMENTAL inspected'));
    const context = createSecureContext({ cert, key, ticketKeys });
    const idle = createServer(given);
    const plain = createSocket({ type: 'udp4', dtls: { cert, key, ticketKeys, cookieSecret, psk: { identity: 'x', psk } } });
    try {
      for (const [name, object] of Object.entries({ server, client, peer, context, idle, plain, sessions: [...server.sessions] })) {
        for (const secret of [cookieSecret, ticketKeys, psk, session, ...keys]) {
          expect(shows(object, secret), name).to.equal(false);
        }
        expect(inspect(object, everything), name).not.to.match(/PRIVATE KEY/);
      }
    } finally {
      plain.close();
    }
  });

  it('of an endpoint and a context of dgram-dtls/node-dtls', async () => {
    const { cert, key } = await certificate();
    const keys = randomBytes(80);
    const context = nodeDtls.createSecureContext({ cert, key, ticketKeys: keys, isServer: true });
    const endpoint = nodeDtls.listen(() => undefined, { host: '127.0.0.1', port: 0, cert, key, ticketKeys: keys });
    try {
      for (const [name, object] of Object.entries({ context, endpoint })) {
        for (const part of [keys, keys.subarray(16), keys.subarray(32), keys.subarray(48)]) {
          expect(shows(object, part), name).to.equal(false);
        }
        expect(inspect(object, everything), name).not.to.match(/PRIVATE KEY/);
      }
    } finally {
      await endpoint.close();
    }
  });
});
