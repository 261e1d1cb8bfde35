// Protects the server, and sessions that are open, from what anybody can send to a UDP port: floods
// of forged ClientHellos, replayed and forged records, garbage, protocols that share the port, and
// peers that begin anew.
import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import { expect } from 'chai';
import type { DTLSServer, DTLSSocket, Peer } from '../../lib/index';
import { Link, peerOf, seededRandom } from '../../lib/lab/index';
import { clientHello, cookieIn } from '../helpers/hello';
import {
  accepted,
  ALERT,
  APPLICATION_DATA,
  CHANGE_CIPHER_SPEC,
  CLIENT,
  CLIENT_HELLO,
  CLIENT_PEER,
  clientError,
  closeAll,
  credentials,
  dial,
  exchange,
  failure,
  HANDSHAKE,
  idle,
  isProtected,
  listen,
  opened,
  openPair,
  readFragment,
  readRecords,
  sameEnd,
  SERVER_PEER,
  until,
  writeRecord,
  type Pair,
} from './support';

/** Unfinished handshakes keep their places while a test goes on. */
const NO_HURRY = { retransmission: { initial: 20_000 } };

const NO_CHANCE = 'no chance is involved';

function randomBytes(random: () => number, length: number): Buffer {
  return Buffer.from(Array.from({ length }, () => Math.floor(random() * 256)));
}

/** An address and port of their own for each of many. */
const spoofed = (index: number): Peer =>
  peerOf(`10.9.${(index >> 8) & 0xff}.${index & 0xff}`, 1024 + (index % 60_000));

async function inject(
  link: Link,
  datagrams: readonly Uint8Array[],
  from = CLIENT_PEER,
  to = SERVER_PEER,
): Promise<void> {
  for (const datagram of datagrams) link.inject(datagram, from, to);
  await idle(link);
}

// Node hands its collector out only when asked at start-up, or like this.
setFlagsFromString('--expose_gc');
const collect = runInNewContext('gc') as () => void;

/** Resident bytes, without what only waits to be collected. */
async function residentBytes(): Promise<number> {
  // Finalizers run between turns, and what they free a further collection finds.
  for (let round = 0; round < 3; ++round) {
    collect();
    await setImmediate();
  }
  return process.memoryUsage().rss;
}

const MEGABYTE = 1 << 20;

/** Notes that neither end may ever have an error. */
function expectNoErrors(pair: Pair): () => void {
  const errors: string[] = [];
  for (const socket of [pair.client, pair.remote]) {
    socket.on('error', (error) => errors.push(error.message));
    socket.on('close', () => errors.push('closed'));
  }
  pair.server.on('dtlsClientError', (error) => errors.push(error.message));
  return () => {
    expect(errors).to.deep.equal([]);
  };
}

async function checkAlive({ client, remote }: Pair): Promise<void> {
  await exchange(client, remote, 'still to the server');
  await exchange(remote, client, 'still to the client');
}

function closing(socket: DTLSSocket): Promise<unknown> {
  return new Promise((resolve) => socket.once('close', resolve));
}

/** Has `send` called, and takes what it sends off the link. */
async function capture(link: Link, send: () => void): Promise<Buffer[]> {
  const captured: Buffer[] = [];
  const before = link.intercept;
  link.intercept = ({ datagram }) => {
    captured.push(Buffer.from(datagram));
    return null;
  };
  send();
  await idle(link);
  link.intercept = before;
  return captured;
}

describe('hostile datagrams', function () {
  this.timeout(30_000);

  describe('forged ClientHellos', () => {
    const FLOOD = 10_000;

    /** Sends a flood; returns by how much it was answered, and by how much memory grew. */
    async function flood(
      link: Link,
      server: DTLSServer,
      hello: (index: number) => Buffer,
    ): Promise<{ grown: number }> {
      const asked = new Map<string, number>();
      const tooMuch: string[] = [];
      link.observe = ({ to, datagram }) => {
        const credit = (asked.get(to.address) ?? 0) - datagram.length;
        if (credit < 0) tooMuch.push(`${to.address}: ${credit}`);
        asked.set(to.address, credit);
      };
      const round = async (): Promise<void> => {
        for (let index = 0; index < FLOOD; ++index) {
          const from = spoofed(index);
          const datagram = hello(index);
          asked.set(from.address, (asked.get(from.address) ?? 0) + datagram.length);
          link.inject(datagram, from, SERVER_PEER);
          if (index % 500 === 499) await idle(link);
        }
        expect(server.stats.sessions).to.equal(0);
      };
      // Makes the link's own counters for all these addresses, and lets the heap find its size.
      for (let warmUp = 0; warmUp < 2; ++warmUp) await round();
      const before = await residentBytes();
      await round();
      const grown = (await residentBytes()) - before;
      expect(tooMuch, 'answers longer than the question').to.deep.equal([]);
      return { grown };
    }

    it("leave no session and no memory, and are not amplified (seed 'flood')", async () => {
      const link = new Link(NO_CHANCE);
      const random = seededRandom('flood');
      const server = await listen(link, (await credentials('psk')).server);
      const { grown } = await flood(link, server, (index) =>
        clientHello({
          random: randomBytes(random, 32),
          cookie: randomBytes(random, [0, 20, 32, 255][index % 4] ?? 0),
        }),
      );
      const { cookiesSent, cookiesRefused, cookiesAccepted, handshakesStarted } = server.stats;
      expect(cookiesSent).to.equal(3 * FLOOD);
      expect(cookiesRefused).to.equal(3 * FLOOD * 0.75);
      expect(cookiesAccepted).to.equal(0);
      expect(handshakesStarted).to.equal(0);
      expect(grown).to.be.below(24 * MEGABYTE);
      await closeAll(server);
    });

    it("in first fragments of 16 KB leave no memory either (seed 'fragments')", async () => {
      const link = new Link(NO_CHANCE);
      const random = seededRandom('fragments');
      const server = await listen(link, (await credentials('psk')).server);
      const { grown } = await flood(link, server, (index) =>
        clientHello({
          random: randomBytes(random, 32),
          cookie: randomBytes(random, [0, 32][index % 2] ?? 0),
          messageLength: 16_000,
        }),
      );
      expect(server.stats.handshakesStarted).to.equal(0);
      expect(grown).to.be.below(24 * MEGABYTE);
      await closeAll(server);
    });

    it('in first fragments with good cookies hold what limits allow, and not long', async () => {
      const link = new Link(NO_CHANCE);
      const limits = { maxPendingHandshakes: 20, maxPendingHandshakesPerHost: 0, handshakeTimeout: 600 };
      const server = await listen(link, { ...(await credentials('psk')).server, ...limits });
      const cookies = new Map<number, Buffer>();
      link.observe = ({ to, datagram }) => {
        const cookie = cookieIn(datagram);
        if (cookie !== undefined) cookies.set(to.port, Buffer.from(cookie));
      };
      const hello = { random: Buffer.alloc(32, 1), messageLength: 16_000 };
      for (let port = 1; port <= 200; ++port) {
        link.inject(clientHello(hello), peerOf('10.9.9.9', port), SERVER_PEER);
      }
      await idle(link);
      expect(cookies.size).to.equal(200);
      for (const [port, cookie] of cookies) {
        link.inject(clientHello({ ...hello, cookie }), peerOf('10.9.9.9', port), SERVER_PEER);
      }
      await idle(link);
      expect(server.stats.sessions).to.equal(20);
      expect(server.stats.sessionsRefused).to.equal(180);
      await until(() => server.stats.sessions === 0, 'the unfinished handshakes to end');
      expect(server.stats.failures).to.deep.equal({ ERR_DTLS_HANDSHAKE_TIMEOUT: 20 });
      await closeAll(server);
    });
  });

  it('a ClientHello longer than the MTU gets through in fragments', async () => {
    const link = new Link(NO_CHANCE, { mtu: 256 });
    const fragments: number[] = [];
    link.observe = ({ datagram }) => {
      for (const record of readRecords(datagram)) {
        const fragment = readFragment(record);
        if (fragment?.type === CLIENT_HELLO && fragment.messageSequence === 1) {
          fragments.push(fragment.body.length);
          expect(fragment.messageLength).to.be.above(450);
        }
      }
    };
    const trust = await credentials('certificate');
    const server = await listen(link, { ...trust.server, mtu: 256 });
    const servername = `${'a'.repeat(60)}.${'b'.repeat(60)}.${'c'.repeat(60)}.${'d'.repeat(60)}`;
    const client = dial(link, {
      ...trust.client,
      mtu: 256,
      ciphers: 'ALL',
      servername,
      checkServerIdentity: () => undefined,
    });
    const [remote] = await Promise.all([accepted(server), opened(client)]);
    expect(fragments.length, 'fragments of the second ClientHello').to.be.least(3);
    expect(remote.servername).to.equal(servername);
    await checkAlive({ server, client, remote, close: () => Promise.resolve() });
    await closeAll(client, server);
  });

  describe('at an open session', () => {
    let link: Link;
    let pair: Pair;
    let checkNoErrors: () => void;

    beforeEach(async () => {
      link = new Link(NO_CHANCE);
      pair = await openPair(link, await credentials('certificate'));
      await idle(link);
      checkNoErrors = expectNoErrors(pair);
    });

    afterEach(async () => {
      link.intercept = undefined;
      await pair.close();
    });

    async function survives(): Promise<void> {
      await checkAlive(pair);
      checkNoErrors();
    }

    it('replayed records are dropped and counted, however old', async () => {
      const { client, remote } = pair;
      for (const [from, to, sender, receiver] of [
        [client, remote, CLIENT_PEER, SERVER_PEER],
        [remote, client, SERVER_PEER, CLIENT_PEER],
      ] as const) {
        const messages: string[] = [];
        to.on('message', (message) => messages.push(message.toString()));
        const datagrams = await capture(link, () => {
          for (let index = 0; index < 200; ++index) from.send(`message ${index}`);
        });
        await inject(link, datagrams, sender, receiver);
        expect(messages).to.have.length(200);
        await inject(link, datagrams, sender, receiver);
        await inject(link, [...datagrams].reverse(), sender, receiver);
        expect(messages).to.have.length(200);
        expect(to.stats.replays).to.equal(400);
        expect(to.stats.badRecords).to.equal(0);
      }
      await survives();
    });

    it('a record with any one bit flipped is dropped, and the true one then accepted', async () => {
      const { client, remote } = pair;
      const messages: string[] = [];
      remote.on('message', (message) => messages.push(message.toString()));
      const [datagram] = await capture(link, () => client.send('the true one'));
      if (datagram === undefined) throw new Error('nothing was sent');
      const flipped = Array.from({ length: datagram.length * 8 }, (_, bit) => {
        const copy = Buffer.from(datagram);
        copy.writeUInt8(copy.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
        return copy;
      });
      const body = flipped.slice(13 * 8);
      const sequence = flipped.slice(5 * 8, 11 * 8);
      await inject(link, [...body, ...sequence]);
      // One of the numbers is that of the client's Finished.
      expect(remote.stats).to.include({ badRecords: body.length + sequence.length - 1, replays: 1 });
      await inject(link, flipped.slice(0, 13 * 8));
      expect(messages).to.deep.equal([]);
      expect(remote.stats.replays).to.equal(2);
      await inject(link, [datagram]);
      expect(messages).to.deep.equal(['the true one']);
      await survives();
    });

    it("records under keys that nobody has are dropped and counted (seed 'forged')", async () => {
      const random = seededRandom('forged');
      const forged = Array.from({ length: 300 }, (_, index) =>
        writeRecord({
          type: APPLICATION_DATA,
          epoch: 1,
          sequence: [index, 0xffffffffffff - index, Math.floor(random() * 2 ** 48)][index % 3] ?? 0,
          body: randomBytes(random, Math.floor(random() * 200)),
        }),
      );
      await inject(link, forged);
      await inject(link, forged, SERVER_PEER, CLIENT_PEER);
      expect(pair.remote.stats.badRecords).to.equal(300);
      expect(pair.client.stats.badRecords).to.equal(300);
      await survives();
    });

    for (const ciphers of [
      'PSK-AES128-GCM-SHA256',
      'PSK-CHACHA20-POLY1305',
      'PSK-AES128-CCM',
      'PSK-AES128-CCM8:@SECLEVEL=0',
      'PSK-AES128-CBC-SHA256',
      'PSK-NULL-SHA256:@SECLEVEL=0',
    ]) {
      it(`forged records of all lengths are dropped: ${ciphers}`, async () => {
        const here = new Link(NO_CHANCE);
        const { server, client } = await credentials('psk');
        const trust = { server: { ...server, ciphers }, client: { ...client, ciphers } };
        const other = await openPair(here, trust);
        const check = expectNoErrors(other);
        for (let length = 0; length < 80; ++length) {
          for (const type of [CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, APPLICATION_DATA]) {
            const body = Buffer.alloc(length, type);
            const datagram = writeRecord({ type, epoch: 1, sequence: 99 + length, body });
            here.inject(datagram, CLIENT_PEER, SERVER_PEER);
            here.inject(datagram, SERVER_PEER, CLIENT_PEER);
          }
        }
        await idle(here);
        expect(other.client.stats.badRecords).to.equal(4 * 80);
        expect(other.remote.stats.badRecords).to.equal(4 * 80);
        await exchange(other.client, other.remote, '1');
        await exchange(other.remote, other.client, '2');
        check();
        await other.close();
      });
    }

    it('records of every type, in clear and under all epochs, change nothing', async () => {
      for (let type = 0; type < 256; ++type) {
        for (const epoch of [0, 1, 2, 0xffff]) {
          for (const body of [Buffer.alloc(0), Buffer.from([2, 40]), Buffer.alloc(64, 1)]) {
            const datagram = writeRecord({ type, epoch, sequence: 77, body });
            link.inject(datagram, CLIENT_PEER, SERVER_PEER);
            link.inject(datagram, SERVER_PEER, CLIENT_PEER);
          }
        }
      }
      await idle(link);
      await survives();
    });

    it("garbage of any length changes nothing (seed 'garbage')", async () => {
      const random = seededRandom('garbage');
      for (let index = 0; index < 2000; ++index) {
        const datagram = randomBytes(random, Math.floor(random() * 300));
        // Half of it at least looks like DTLS.
        if (index % 2 === 0 && datagram.length > 3) {
          datagram.writeUInt8(20 + Math.floor(random() * 6), 0);
          datagram.writeUInt16BE(0xfefd, 1);
        }
        link.inject(datagram, CLIENT_PEER, SERVER_PEER);
        link.inject(datagram, SERVER_PEER, CLIENT_PEER);
      }
      await idle(link);
      await survives();
    });

    it('datagrams of other protocols become packet events, in order', async () => {
      const packets: [string, Peer][] = [];
      pair.server.on('packet', (message, info) => packets.push([message.toString('hex'), info]));
      const stun = Buffer.from('000100002112a442', 'hex');
      const rtp = Buffer.from('80600001', 'hex');
      const edges = [0, 19, 64, 255].map((first) => Buffer.from([first, 1, 2]));
      const foreign = [stun, rtp, ...edges];
      const elsewhere = peerOf('10.0.0.77', 7777);
      await inject(link, foreign);
      await inject(link, [stun], elsewhere);
      expect(packets).to.deep.equal([
        ...foreign.map((datagram) => [datagram.toString('hex'), CLIENT_PEER]),
        [stun.toString('hex'), elsewhere],
      ]);
      expect(pair.server.stats.nonDtlsDatagrams).to.equal(foreign.length + 1);
      await survives();
    });
  });

  describe('during the handshake', () => {
    /** A handshake into which `disturb` may inject before the link delivers each datagram. */
    async function disturbed(
      disturb: (link: Link, datagram: Buffer, from: Peer, to: Peer, index: number) => void,
    ): Promise<void> {
      const link = new Link(NO_CHANCE);
      link.intercept = ({ datagram, from, to, index }) => {
        disturb(link, Buffer.from(datagram), from, to, index);
        return datagram;
      };
      const pair = await openPair(link, await credentials('psk'));
      try {
        await checkAlive(pair);
      } finally {
        await pair.close();
      }
    }

    it('a record of any type but alert, in clear, does not end it', async () => {
      const types = Array.from({ length: 256 }, (_, type) => type).filter((type) => type !== ALERT);
      const outcomes = await Promise.allSettled(
        types.map((type) =>
          disturbed((link, datagram, from, to, index) => {
            if (index > 3) return;
            const sequence = (readRecords(datagram).at(-1)?.sequence ?? 0) + 1;
            const body = Buffer.alloc(40, index);
            link.inject(writeRecord({ type, epoch: 0, sequence, body }), from, to);
          }),
        ),
      );
      const ended = outcomes.flatMap((outcome, index) =>
        outcome.status === 'rejected' ? [`${types[index] ?? -1}: ${String(outcome.reason)}`] : [],
      );
      expect(ended).to.deep.equal([]);
    });

    it('protected records of any length before their time do not end it', async () => {
      for (const type of [CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, APPLICATION_DATA]) {
        await disturbed((link, _, from, to, index) => {
          for (let length = 0; length < 60; ++length) {
            const body = Buffer.alloc(length, 1);
            const sequence = 1000 + 100 * index + length;
            link.inject(writeRecord({ type, epoch: 1, sequence, body }), from, to);
          }
        });
      }
    });

    it('malformed records in clear do not end it', async () => {
      // Sent ahead of each datagram, with the next number: its own is not used up.
      const bodies = [0, 1, 2, 3, 11, 12, 13, 30].flatMap((length) => [
        Buffer.alloc(length, 0),
        Buffer.alloc(length, 0xff),
      ]);
      for (const type of [CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE]) {
        const malformed = bodies.filter(
          ({ length }) => length !== (type === ALERT ? 2 : type === HANDSHAKE ? 12 : 1),
        );
        await disturbed((link, datagram, from, to) => {
          const sequence = (readRecords(datagram).at(-1)?.sequence ?? 0) + 1;
          for (const body of malformed) {
            link.inject(writeRecord({ type, epoch: 0, sequence, body }), from, to);
          }
        });
      }
    });

    it("garbage and truncated datagrams do not end it (seed 'noise')", async () => {
      const random = seededRandom('noise');
      await disturbed((link, datagram, from, to) => {
        for (let count = 0; count < 20; ++count) {
          link.inject(randomBytes(random, Math.floor(random() * 200)), from, to);
        }
        for (let length = 0; length < datagram.length; ++length) {
          link.inject(datagram.subarray(0, length), from, to);
        }
      });
    });

    it('datagrams that a link cuts and damages are dropped, and sent again', async () => {
      for (const seed of ['damage 1', 'damage 2', 'damage 3', 'damage 4']) {
        const link = new Link(seed, { truncate: 0.15 });
        const pair = await openPair(link, await credentials('certificate'), { mtu: 256 });
        link.conditions = { truncate: 0.2, corrupt: 0.2 };
        const messages: string[] = [];
        pair.remote.on('message', (message) => messages.push(message.toString()));
        for (let index = 0; index < 100; ++index) pair.client.send(`message ${index}`);
        await idle(link);
        expect(messages.every((message) => /^message \d\d?$/.test(message))).to.be.true;
        expect(messages.length, seed).to.be.within(40, 85);
        link.conditions = {};
        await checkAlive(pair);
        await pair.close();
      }
    });

    it('a forged fatal alert in clear can end it: nothing authenticates alerts yet', async () => {
      const link = new Link(NO_CHANCE);
      link.intercept = ({ datagram, from }) => (sameEnd(from, SERVER_PEER) ? null : datagram);
      const trust = await credentials('certificate');
      const server = await listen(link, trust.server);
      const client = dial(link, trust.client);
      await until(() => link.totals.swallowed > 0, 'an answer to the ClientHello');
      const body = Buffer.from([2, 40]);
      const forged = writeRecord({ type: ALERT, epoch: 0, sequence: 9, body });
      const [error] = await Promise.all([
        failure(client),
        inject(link, [forged], SERVER_PEER, CLIENT_PEER),
      ]);
      expect(error.code).to.equal('ERR_DTLS_ALERT_HANDSHAKE_FAILURE');
      expect(server.stats.sessions).to.equal(0);
      await closeAll(client, server);
    });
  });

  describe('limits', () => {
    it('maxSessions keeps further clients out until there is room', async () => {
      const link = new Link(NO_CHANCE);
      const trust = await credentials('certificate');
      const server = await listen(link, { ...trust.server, maxSessions: 2, maxSessionsPerHost: 2 });
      const clients = [1, 2].map((port) => dial(link, trust.client, ['10.0.0.2', port]));
      await Promise.all(clients.map(opened));
      const third = dial(link, trust.client, ['10.0.0.3', 3]);
      await until(() => server.stats.sessionsRefused >= 3, 'refusals');
      expect(third.readyState).to.equal('opening');
      expect(server.stats.sessions).to.equal(2);
      clients[0]?.close();
      await opened(third);
      expect(server.stats.sessions).to.equal(2);
      await closeAll(...clients, third, server);
    });

    it('maxSessionsPerHost keeps out only the host that has too many', async () => {
      const link = new Link(NO_CHANCE);
      const trust = await credentials('certificate');
      const server = await listen(link, { ...trust.server, maxSessionsPerHost: 2 });
      const clients = [1, 2].map((port) => dial(link, trust.client, ['10.0.0.2', port]));
      await Promise.all(clients.map(opened));
      const third = dial(link, { ...trust.client, handshakeTimeout: 400 }, ['10.0.0.2', 3]);
      const other = dial(link, trust.client, ['10.0.0.3', 3]);
      const [error] = await Promise.all([failure(third), opened(other)]);
      expect(error.code).to.equal('ERR_DTLS_HANDSHAKE_TIMEOUT');
      expect(server.stats.sessionsRefused).to.be.least(2);
      expect(server.stats.sessions).to.equal(3);
      await closeAll(...clients, other, server);
    });

    it('maxPendingHandshakes counts unfinished handshakes and no others', async () => {
      const link = new Link(NO_CHANCE);
      const trust = await credentials('certificate');
      const server = await listen(link, {
        ...trust.server,
        maxPendingHandshakes: 2,
        maxPendingHandshakesPerHost: 2,
        handshakeTimeout: 800,
        // So long is it the stalled ones' turn, and they need not give way.
        retransmission: { initial: 800 },
      });
      const open: DTLSSocket[] = [];
      for (const port of [1, 2, 3]) {
        const client = dial(link, trust.client, ['10.0.0.2', port]);
        await opened(client);
        open.push(client);
      }
      expect(server.stats.sessionsRefused).to.equal(0);
      // These two hear nothing of the server's flight.
      link.intercept = ({ datagram, to }) =>
        to.address === '10.0.0.3' && cookieIn(datagram) === undefined ? null : datagram;
      const stalled = [1, 2].map((port) =>
        dial(link, { ...trust.client, handshakeTimeout: 800 }, ['10.0.0.3', port]),
      );
      const failures = Promise.all(stalled.map(failure));
      await until(() => server.stats.sessions === 5, 'two unfinished handshakes');
      const waiting = dial(link, trust.client, ['10.0.0.4', 1]);
      await until(() => server.stats.sessionsRefused >= 2, 'refusals');
      expect(waiting.readyState).to.equal('opening');
      await failures;
      await opened(waiting);
      await closeAll(...open, waiting, server);
    });

    describe('of hosts', () => {
      /** Half a handshake from there: a hello, and one with its cookie. */
      async function begin(link: Link, peer: Peer): Promise<void> {
        let cookie: Buffer | undefined;
        const before = link.observe;
        link.observe = ({ to, datagram }) => {
          if (sameEnd(to, peer)) cookie ??= cookieIn(datagram);
        };
        const random = Buffer.alloc(32, peer.port);
        await inject(link, [clientHello({ random })], peer);
        link.observe = before;
        if (cookie === undefined) throw new Error('no HelloVerifyRequest');
        await inject(link, [clientHello({ random, cookie: Buffer.from(cookie) })], peer);
      }

      const HOSTS: readonly [what: string, ...addresses: string[]][] = [
        ['an IPv4 address', '10.9.9.9'],
        ['the first 64 bits of an IPv6 address', '2001:db8:0:7::1', '2001:db8:0:7:ffff::2', '2001:db8:0:7::3'],
        ['an IPv4 address that is mapped', '10.9.9.9', '::ffff:10.9.9.9', '::ffff:a09:909'],
        ['an IPv4 address that is translated (RFC 6052)', '64:ff9b::10.9.9.9', '64:ff9b::a09:909', '10.9.9.9'],
        ['a link-local network', 'fe80::1%1', 'fe80::2%1'],
      ];
      const OTHERS = [
        '10.9.9.8', '2001:db8:0:8::1', '::ffff:10.9.9.7', '64:ff9b::10.9.9.6', 'fe80::1%2', '64:ff9b:0:1::10.9.9.9',
      ];
      for (const [what, ...addresses] of HOSTS) {
        it(`one has its share of handshakes and of sessions, by ${what}, and others have theirs`, async () => {
          const trust = await credentials('certificate');
          for (const limit of [{ maxPendingHandshakesPerHost: 3 }, { maxSessionsPerHost: 3 }]) {
            const link = new Link(NO_CHANCE);
            const server = await listen(link, { ...trust.server, ...limit, ...NO_HURRY });
            for (let port = 1; port <= 9; ++port) {
              await begin(link, peerOf(addresses[port % addresses.length] ?? '', port));
            }
            expect(server.stats).to.include({ sessions: 3, sessionsRefused: 6 });
            for (const other of OTHERS) await begin(link, peerOf(other, 1));
            expect(server.stats).to.include({ sessions: 3 + OTHERS.length, sessionsRefused: 6 });
            await closeAll(server);
          }
        });
      }

      it('names of a transport are hosts as a whole, however long', async () => {
        const link = new Link(NO_CHANCE);
        const trust = await credentials('certificate');
        const server = await listen(link, { ...trust.server, maxPendingHandshakesPerHost: 1, ...NO_HURRY });
        for (const name of ['sensor-node-0001', 'sensor-node-0002', 'sensor-node-0002']) {
          await begin(link, { address: name, port: server.stats.sessions + 1, family: 'IPv4' });
        }
        expect(server.stats).to.include({ sessions: 2, sessionsRefused: 1 });
        await closeAll(server);
      });
    });
  });

  describe('a client that begins anew from the same address and port', () => {
    let link: Link;
    let server: DTLSServer;
    let oldClient: DTLSSocket;
    let oldRemote: DTLSSocket;
    /** The second ClientHello of the old client, its cookie still valid. */
    let oldHello: Buffer;
    let trust: Awaited<ReturnType<typeof credentials>>;

    beforeEach(async () => {
      link = new Link(NO_CHANCE);
      trust = await credentials('certificate');
      link.observe = ({ datagram }) => {
        const [record] = readRecords(datagram);
        const fragment = record === undefined ? undefined : readFragment(record);
        if (fragment?.type === CLIENT_HELLO && fragment.messageSequence === 1) {
          oldHello = Buffer.from(datagram);
        }
      };
      server = await listen(link, { ...trust.server, handshakeTimeout: 500, retransmission: { initial: 400 } });
      oldClient = dial(link, trust.client);
      [oldRemote] = await Promise.all([accepted(server), opened(oldClient)]);
      await idle(link);
      link.observe = undefined;
    });

    it('leaves the old session alone until it has proved itself, then replaces it', async () => {
      // The new client's proof is held back.
      const proof: Buffer[] = [];
      let holding = true;
      const late = await capture(link, () => oldClient.send('late'));
      link.intercept = ({ datagram, from }) => {
        if (!holding || !sameEnd(from, CLIENT_PEER) || !isProtected(datagram)) return datagram;
        proof.push(Buffer.from(datagram));
        return null;
      };
      const messages: string[] = [];
      oldRemote.on('message', (message) => messages.push(message.toString()));
      const newClient = dial(link, trust.client, CLIENT);
      await until(() => proof.length > 0, "the new client's Finished");
      expect(server.stats.sessions).to.equal(2);
      await inject(link, late);
      await inject(link, [oldHello]);
      expect(messages).to.deep.equal(['late']);
      expect(oldRemote.readyState).to.equal('open');
      expect(server.stats.sessions).to.equal(2);

      const replaced = failure(oldRemote);
      const both = Promise.all([accepted(server), opened(newClient)]);
      holding = false;
      const [newRemote] = await both;
      const error = await replaced;
      expect(error.code).to.equal('ERR_DTLS_REPLACED');
      expect(error.category).to.equal('closed');
      expect(oldRemote.readyState).to.equal('closed');
      expect(server.stats.sessions).to.equal(1);
      await exchange(newClient, newRemote, 'new to the server');
      await exchange(newRemote, newClient, 'new to the client');
      await closeAll(newClient, server);
      oldClient.destroy();
    });

    it('in many ways at once begins one handshake beside the old session, and not one for each hello', async () => {
      const hellos: Buffer[] = [];
      for (const value of [1, 2, 3]) {
        const random = Buffer.alloc(32, value);
        let cookie: Buffer | undefined;
        link.observe = ({ to, datagram }) => {
          if (sameEnd(to, CLIENT_PEER)) cookie ??= cookieIn(datagram);
        };
        await inject(link, [clientHello({ random })]);
        link.observe = undefined;
        hellos.push(clientHello({ random, cookie: Buffer.from(cookie ?? []) }));
      }
      const before = server.stats.sessionsRefused;
      await inject(link, Array.from({ length: 100 }, () => hellos).flat());
      expect(server.stats).to.include({ sessions: 2, handshakesStarted: 2, sessionsRefused: before + 200 });
      await checkAlive({ server, client: oldClient, remote: oldRemote, close: () => Promise.resolve() });
      // The place beside the session is free again for the client itself.
      await until(() => server.stats.sessions === 1, "the candidate's deadline");
      const newClient = dial(link, trust.client, CLIENT);
      await Promise.all([accepted(server), opened(newClient)]);
      expect(oldRemote.readyState).to.equal('closed');
      await closeAll(newClient, server);
      oldClient.destroy();
    });

    it('makes no noise when nobody listens for errors of the old socket', async () => {
      const errors: string[] = [];
      server.on('dtlsClientError', (error) => errors.push(error.code));
      const closed = closing(oldRemote);
      const newClient = dial(link, trust.client, CLIENT);
      const [newRemote] = await Promise.all([accepted(server), opened(newClient), closed]);
      expect(newRemote).to.not.equal(oldRemote);
      expect(errors).to.deep.equal([]);
      await closeAll(newClient, server);
      oldClient.destroy();
    });

    it('cannot be feigned with an old ClientHello, before or after', async () => {
      const pair = { server, client: oldClient, remote: oldRemote, close: () => Promise.resolve() };
      await inject(link, [oldHello, oldHello]);
      expect(server.stats.sessions).to.equal(1);
      await checkAlive(pair);

      const replaced = failure(oldRemote);
      const newClient = dial(link, trust.client, CLIENT);
      const [newRemote] = await Promise.all([accepted(server), opened(newClient)]);
      expect((await replaced).code).to.equal('ERR_DTLS_REPLACED');
      // Its cookie is valid, so it may begin a handshake again when the first one's timer would have
      // sent the flight again, but has no keys to end it.
      const timedOut = clientError(server);
      const { handshakesStarted } = server.stats;
      await until(() => {
        link.inject(oldHello, CLIENT_PEER, SERVER_PEER);
        return server.stats.handshakesStarted > handshakesStarted;
      }, 'a handshake');
      await idle(link);
      expect(server.stats.sessions).to.equal(2);
      const now = { ...pair, client: newClient, remote: newRemote };
      await checkAlive(now);
      expect((await timedOut).code).to.equal('ERR_DTLS_HANDSHAKE_TIMEOUT');
      expect(server.stats.sessions).to.equal(1);
      await checkAlive(now);
      expect(newClient.stats.badRecords + newRemote.stats.badRecords).to.equal(0);
      await closeAll(newClient, server);
      oldClient.destroy();
    });
  });
});
