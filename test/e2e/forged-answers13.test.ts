// Protects a client that offers DTLS 1.3 against what anybody can write in clear before there are keys: one forged
// HelloVerifyRequest, HelloRetryRequest or ServerHello ahead of the server's own costs a hello or two, and neither the
// handshake nor the version; many of them end it, and never at an older version than both have.
import { expect } from 'chai';
import { randomBytes } from 'node:crypto';
import type { ConnectOptions, DTLSServer, ServerOptions } from '../../lib/index';
import { pause } from '../fault/support';
import { converse } from '../helpers/exchange';
import { describe13, DTLS13, UP_TO_DTLS13 } from '../helpers/dtls13';
import { closeEverything, dial, failure, listen, next, openOn, portOf, withCertificate } from '../helpers/pair';
import { Relay } from '../helpers/relay';

const ALERT = 21;
const HANDSHAKE = 22;
const APPLICATION_DATA = 23;
const HELLO_VERIFY_REQUEST = 3;
const SERVER_HELLO = 2;
const X25519 = 0x1d;
const P384 = 0x18;
const RETRY_RANDOM = Buffer.from('cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c', 'hex');

const u16 = (value: number): Buffer => Buffer.from([value >> 8, value & 0xff]);
const behindU16 = (bytes: Buffer): Buffer => Buffer.concat([u16(bytes.length), bytes]);
const extension = (type: number, data: Buffer): Buffer => Buffer.concat([u16(type), behindU16(data)]);

/** One record in clear with one message in one fragment. */
function record(type: number, body: Buffer, sequence = 0): Buffer {
  const header = Buffer.alloc(25);
  header.set([HANDSHAKE, 0xfe, 0xfd]);
  header.writeUIntBE(9, 8, 3);
  header.writeUInt16BE(12 + body.length, 11);
  header[13] = type;
  header.writeUIntBE(body.length, 14, 3);
  header.writeUInt16BE(sequence, 17);
  header.writeUIntBE(body.length, 22, 3);
  return Buffer.concat([header, body]);
}

function serverHello(random: Buffer, suite: number, extensions: Buffer[], sequence = 0): Buffer {
  const fields = [u16(0xfefd), random, Buffer.of(0), u16(suite), Buffer.of(0)];
  return record(SERVER_HELLO, Buffer.concat([...fields, behindU16(Buffer.concat(extensions))]), sequence);
}

const OF_13 = extension(43, u16(0xfefc));
const share = (key: Buffer): Buffer => extension(51, Buffer.concat([u16(X25519), behindU16(key)]));
const cookie = extension(44, behindU16(randomBytes(40)));

const VERIFY_REQUEST = record(HELLO_VERIFY_REQUEST, Buffer.from('feff0401020304', 'hex'));
const FORGED: Readonly<Record<string, (sequence: number) => Buffer>> = {
  'a HelloVerifyRequest': () => VERIFY_REQUEST,
  'a HelloRetryRequest with a cookie': () => serverHello(RETRY_RANDOM, 0x1301, [OF_13, cookie]),
  'a HelloRetryRequest without a cookie': () => serverHello(RETRY_RANDOM, 0x1301, [OF_13, extension(51, u16(P384))]),
  'a HelloRetryRequest with a suite that nobody offered': () => serverHello(RETRY_RANDOM, 0x13ff, [OF_13, cookie]),
  'a ServerHello with a share of its own': (sequence) =>
    serverHello(randomBytes(32), 0x1301, [OF_13, share(randomBytes(32))], sequence),
  'a ServerHello with a share that is none': (sequence) =>
    serverHello(randomBytes(32), 0x1301, [OF_13, share(Buffer.alloc(32))], sequence),
  'a ServerHello without a share': (sequence) => serverHello(randomBytes(32), 0x1301, [OF_13], sequence),
  'a ServerHello that names 1.2 as the version': (sequence) =>
    serverHello(randomBytes(32), 0x1301, [extension(43, u16(0xfefd))], sequence),
  'a ServerHello that is cut off': (sequence) => record(SERVER_HELLO, Buffer.from('fefd0000', 'hex'), sequence),
  'a ServerHello of 1.2': (sequence) => serverHello(randomBytes(32), 0xc02b, [], sequence),
  'a ServerHello of 1.2 that says to have 1.3': (sequence) =>
    serverHello(Buffer.concat([randomBytes(24), Buffer.from('DOWNGRD\u0001')]), 0xc02b, [], sequence),
};
/** What is forged for the client's first hello alone. */
const isOfFirst = (what: string): boolean => /HelloVerifyRequest|HelloRetryRequest/.test(what);

describe13('answers in clear that are forged, to a client with DTLS 1.3', function () {
  this.timeout(20_000);
  const relays: Relay[] = [];

  afterEach(async () => {
    await closeEverything();
    for (const relay of relays.splice(0)) relay.close();
  });

  async function relayTo(server: DTLSServer): Promise<Relay> {
    const relay = await Relay.to(portOf(server));
    relays.push(relay);
    return relay;
  }

  /** A server behind a relay that says something else ahead of its answer to the hello of that number. */
  async function interrupted(options: ServerOptions, hello: number, forged: Buffer): Promise<[DTLSServer, Relay]> {
    const server = await listen(await withCertificate(options));
    const relay = await relayTo(server);
    let hellos = 0;
    relay.passes = (_datagram, direction) => {
      if (direction === 'toServer' && hellos++ === hello) relay.send(forged, 'toClient');
      return true;
    };
    return [server, relay];
  }

  async function opens(server: DTLSServer, options: Partial<ConnectOptions>, version: string): Promise<void> {
    const { client, peer } = await openOn(server, { retransmission: { initial: 200 }, ...options });
    expect(client.getProtocol()).to.equal(version);
    await converse({ client, peer });
  }

  for (const [what, make] of Object.entries(FORGED)) {
    for (const [versions, name] of [[DTLS13, '1.3'], [UP_TO_DTLS13, 'both versions']] as const) {
      for (const cookieExchange of [true, false]) {
        const withCookies = cookieExchange ? 'with cookies' : 'without cookies';
        it(`${what} ends no handshake: a client of ${name}, a server ${withCookies}`, async () => {
          const second = cookieExchange && !isOfFirst(what);
          for (const hello of second ? [0, 1] : [0]) {
            const [server, relay] = await interrupted({ ...UP_TO_DTLS13, cookieExchange }, hello, make(hello));
            await opens(server, { ...versions, port: relay.port }, 'DTLSv1.3');
          }
        });
      }
    }
  }

  for (const what of Object.keys(FORGED).filter((name) => name.includes('HelloRetryRequest'))) {
    it(`${what} does not keep a client from a server of 1.2 alone`, async () => {
      // Where the client has begun anew a server without cookies has two handshakes, which look alike at 1.2.
      for (const cookieExchange of what.includes('without a cookie') ? [true, false] : [true]) {
        const [server, relay] = await interrupted({ cookieExchange }, 0, FORGED[what]?.(0) ?? Buffer.alloc(0));
        await opens(server, { ...UP_TO_DTLS13, port: relay.port }, 'DTLSv1.2');
      }
    });
  }

  // Also when a handshake of 1.2 is under way, whose ServerHello is yet to come.
  it('a ServerHello of 1.3 does not keep a client from a server of 1.2 alone, either', async () => {
    const forged = FORGED['a ServerHello with a share of its own']?.(0) ?? Buffer.alloc(0);
    for (const [cookieExchange, hello] of [[true, 0], [true, 1], [true, 2], [false, 0]] as const) {
      const [server, relay] = await interrupted({ cookieExchange }, hello, forged);
      await opens(server, { ...UP_TO_DTLS13, port: relay.port }, 'DTLSv1.2');
    }
  });

  it('a HelloVerifyRequest for each hello, and nothing of 1.3, ends with what it is, after a few hellos', async () => {
    const server = await listen(await withCertificate(UP_TO_DTLS13));
    const relay = await relayTo(server);
    let hellos = 0;
    relay.passes = (datagram, direction) => {
      if (direction === 'toClient') return !datagram.includes(RETRY_RANDOM);
      ++hellos;
      if (datagram.includes(u16(0xfefc))) relay.send(VERIFY_REQUEST, 'toClient');
      return true;
    };
    const client = await dial(server, { ...UP_TO_DTLS13, port: relay.port });
    expect(await failure(client)).to.include({ code: 'ERR_DTLS_VERSION_MISMATCH', alert: 'illegal_parameter' });
    expect(hellos).to.be.within(4, 60);
    expect(client.getProtocol()).to.equal(null);
  });

  it('a server that has no 1.3 is told soon to a client that wants nothing else', async () => {
    for (const cookieExchange of [true, false]) {
      const server = await listen(await withCertificate({ cookieExchange }));
      const client = await dial(server, DTLS13);
      const began = performance.now();
      const error = await failure(client);
      expect(error.code).to.match(/^ERR_DTLS_(VERSION_MISMATCH|ALERT_PROTOCOL_VERSION)$/);
      expect(performance.now() - began).to.be.below(1000);
    }
  });

  // What is not forged looks the same: the flight of another handshake, which the server repeats.
  it('a client begins anew from its port while the flight of its last handshake, half done, is on its way', async () => {
    const HALF_WAY = 100;
    await Promise.all(
      Array.from({ length: 8 }, async (_, index) => {
        const server = await listen(await withCertificate(UP_TO_DTLS13));
        const relay = await relayTo(server);
        let gone = false;
        relay.passes = (datagram, direction) => {
          if (gone && direction === 'toServer') return false;
          const copy = Buffer.from(datagram);
          setTimeout(() => { if (relays.includes(relay)) relay.send(copy, direction); }, HALF_WAY);
          return false;
        };
        const options = { ...UP_TO_DTLS13, port: relay.port };
        const first = await dial(server, options);
        first.on('error', () => undefined);
        await pause(3.2 * HALF_WAY);
        const { localPort } = first;
        gone = true;
        const closed = next(first, 'close');
        first.destroy();
        await closed;
        // The server's timer is a second: its repetition comes before, between and behind the hellos of the next one.
        await pause(500 + 60 * index);
        gone = false;
        const second = await dial(server, { ...options, ...(localPort === undefined ? {} : { localPort }) });
        await next(second, 'secureConnect');
        expect(second.getProtocol()).to.equal('DTLSv1.3');
      }),
    );
  });

  // The older handshake ends within a datagram, whose next record comes to a handshake that has just begun anew.
  it('what is behind a ServerHello that has the newer version begin anew is of no handshake', async () => {
    const server = await listen(await withCertificate(UP_TO_DTLS13));
    const relay = await relayTo(server);
    const protectedRecords = [APPLICATION_DATA, ALERT, HANDSHAKE].map((type) =>
      Buffer.concat([Buffer.of(type, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 0), behindU16(randomBytes(40))]));
    const downgraded = FORGED['a ServerHello of 1.2 that says to have 1.3']?.(0) ?? Buffer.alloc(0);
    const answers = [VERIFY_REQUEST, Buffer.concat([downgraded, ...protectedRecords])];
    relay.passes = (_datagram, direction) => {
      const answer = direction === 'toServer' ? answers.shift() : undefined;
      if (answer) relay.send(answer, 'toClient');
      return !answer;
    };
    await opens(server, { ...UP_TO_DTLS13, port: relay.port }, 'DTLSv1.3');
    expect(answers).to.have.length(0);
  });

  it('who says one version and the other by turns is not answered without end', async () => {
    const server = await listen(await withCertificate(UP_TO_DTLS13));
    const relay = await relayTo(server);
    // The fragment says 1.3, and what is behind it in the record makes it nothing that can be taken.
    const torn = Buffer.concat([FORGED['a HelloRetryRequest with a cookie']?.(0) ?? Buffer.alloc(0), Buffer.alloc(3)]);
    torn.writeUInt16BE(torn.length - 13, 11);
    const FORGERIES = 100;
    let forged = 0;
    let hellos = 0;
    relay.passes = (_datagram, direction) => {
      if (direction === 'toClient') return hellos > 1;
      ++hellos;
      for (const answer of forged++ < FORGERIES ? [torn, VERIFY_REQUEST] : []) relay.send(answer, 'toClient');
      return forged > FORGERIES;
    };
    const client = await dial(server, { ...UP_TO_DTLS13, port: relay.port });
    await pause(500);
    client.destroy();
    expect(hellos).to.be.within(2, 20);
  });

  it('a session that is open hears none of it', async () => {
    const [server, relay] = await interrupted(UP_TO_DTLS13, 99, VERIFY_REQUEST);
    const { client, peer } = await openOn(server, { ...UP_TO_DTLS13, port: relay.port });
    for (const make of Object.values(FORGED)) relay.send(make(1), 'toClient');
    const heard = next(client, 'message');
    peer.send('still here');
    const [message] = await heard;
    expect(message.toString()).to.equal('still here');
  });
});
