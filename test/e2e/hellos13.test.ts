// Protects what a server that has DTLS 1.3 does with hellos over sockets: browsers' hellos in two datagrams are answered
// without a session, nobody gets a longer answer than what was asked, and a client and a server that both have 1.3 are
// not kept from it unnoticed (RFC 8446 section 4.1.3).
import { expect } from 'chai';
import dgram from 'node:dgram';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { createSecureContext, type DiagnosticsEvents, type DTLSServer, type SecureContext } from '../../lib/index';
import { until } from '../fault/support';
import { clientHello, cookieIn } from '../helpers/hello';
import { describe13, DTLS13, UP_TO_DTLS13 } from '../helpers/dtls13';
import { certificate, clientFailure, closeEverything, dial, failure, listen, openOn, portOf, withCertificate } from '../helpers/pair';
import { Relay } from '../helpers/relay';

const HANDSHAKE = 22;
const SERVER_HELLO = 2;
// As they stand in supported_versions: two bytes alone are met by chance in a random or a cookie.
const OFFERS_13 = Buffer.from('002b000302fefc', 'hex');
const OFFERS_BOTH = Buffer.from('002b000504fefcfefd', 'hex');

/** The first flight of a browser, datagram by datagram. */
const recorded = (name: string): Buffer[] =>
  readFileSync(join(__dirname, `../fixtures/hellos/${name}.hex`), 'utf8')
    .trim()
    .split('\n')
    .map((line) => Buffer.from(line, 'hex'));

/** The random of the ServerHello that a datagram of a server begins with. */
function serverRandom(datagram: Buffer): Buffer | undefined {
  const RANDOM_AT = 13 + 12 + 2;
  const begins = datagram[0] === HANDSHAKE && datagram.readUInt16BE(3) === 0 && datagram[13] === SERVER_HELLO;
  return begins ? datagram.subarray(RANDOM_AT, RANDOM_AT + 32) : undefined;
}

describe13('hellos of a server with DTLS 1.3', () => {
  const open: { close(): unknown }[] = [];

  afterEach(async () => {
    await closeEverything();
    await Promise.all(open.splice(0).map((one) => one.close()));
  });

  async function relayTo(server: DTLSServer): Promise<Relay> {
    const relay = await Relay.to(portOf(server));
    open.push(relay);
    return relay;
  }

  /** What a server says to datagrams that come from nowhere. */
  async function said(server: DTLSServer, datagrams: readonly Buffer[]): Promise<Buffer> {
    const socket = dgram.createSocket('udp4');
    open.push(socket);
    for (const datagram of datagrams) socket.send(datagram, portOf(server), '127.0.0.1');
    const [answer] = (await once(socket, 'message')) as [Buffer];
    return answer;
  }

  for (const name of ['chromium-156', 'firefox-153', 'firefox-153-dtls13-only']) {
    for (const versions of [DTLS13, UP_TO_DTLS13]) {
      const also = 'minVersion' in versions ? 'alone' : 'and 1.2';
      it(`answers ${name} with a HelloRetryRequest, and keeps nothing (1.3 ${also})`, async () => {
        const server = await listen(await withCertificate(versions));
        for (const datagrams of [recorded(name), recorded(name).reverse()]) {
          const answer = await said(server, datagrams);
          expect(serverRandom(answer)?.toString('hex')).to.match(/^cf21ad74e59a6111be1d8c02/);
          expect(answer.length).to.be.below(Buffer.concat(datagrams).length);
        }
        expect(server.stats).to.include({ handshakesStarted: 0, sessions: 0, cookiesSent: 2 });
      });
    }
  }

  it('hears a client that begins anew in mid-handshake, from its port, with a hello in two datagrams', async () => {
    const server = await listen(await withCertificate({ ...UP_TO_DTLS13, cookieExchange: false }));
    const socket = dgram.createSocket('udp4');
    open.push(socket);
    const randoms = new Set<string>();
    socket.on('message', (datagram: Buffer) => {
      const random = serverRandom(datagram)?.toString('hex');
      if (random !== undefined) randoms.add(random);
    });
    for (const [index, name] of ['chromium-156', 'firefox-153'].entries()) {
      for (const datagram of recorded(name)) socket.send(datagram, portOf(server), '127.0.0.1');
      await until(() => randoms.size === index + 1, `an answer to ${name}`);
    }
    expect(server.stats).to.include({ handshakesStarted: 2 });
  });

  it('hears a hello of 1.3 in two datagrams beside a handshake of 1.2 that waits for the rest of its own', async () => {
    const server = await listen(await withCertificate(UP_TO_DTLS13));
    const socket = dgram.createSocket('udp4');
    open.push(socket);
    const heard: Buffer[] = [];
    socket.on('message', (datagram: Buffer) => heard.push(datagram));
    const say = async (datagrams: readonly Buffer[]): Promise<Buffer> => {
      const before = heard.length;
      for (const datagram of datagrams) socket.send(datagram, portOf(server), '127.0.0.1');
      await until(() => heard.length > before, 'an answer');
      return heard[before] ?? Buffer.alloc(0);
    };
    const random = Buffer.alloc(32, 6);
    const cookie = cookieIn(await say([clientHello({ random })]));
    if (cookie === undefined) throw new Error('no cookie');
    const whole = clientHello({ random, cookie });
    // Its last bytes are kept back: a handshake of 1.2 has begun, and waits for them.
    const KEPT_BACK = 8;
    const FRAGMENT_LENGTH_AT = 22;
    const RECORD_HEADER = 13;
    const HEADERS = RECORD_HEADER + 12;
    const part = (from: number, to: number): Buffer => {
      const headers = Buffer.from(whole.subarray(0, HEADERS));
      headers.writeUInt16BE(12 + to - from, 11);
      headers.writeUIntBE(from, FRAGMENT_LENGTH_AT - 3, 3);
      headers.writeUIntBE(to - from, FRAGMENT_LENGTH_AT, 3);
      return Buffer.concat([headers, whole.subarray(HEADERS + from, HEADERS + to)]);
    };
    const size = whole.length - HEADERS;
    socket.send(part(0, size - KEPT_BACK), portOf(server), '127.0.0.1');
    await until(() => server.stats.handshakesStarted === 1, 'a handshake of 1.2');
    for (const name of ['chromium-156', 'firefox-153']) {
      expect(serverRandom(await say(recorded(name)))?.toString('hex'), name).to.match(/^cf21ad74e59a6111be1d8c02/);
    }
    expect(server.stats).to.include({ handshakesStarted: 1, handshakesFailed: 0 });
    // And the rest of the first one is still its own.
    const answer = await say([part(size - KEPT_BACK, size)]);
    expect(serverRandom(answer)?.subarray(24).toString('latin1')).to.equal('DOWNGRD\u0001');
  });

  it('answers a hello of 1.2 as ever, or with an alert where it has no 1.2', async () => {
    const both = await listen(await withCertificate(UP_TO_DTLS13));
    expect(cookieIn(await said(both, [clientHello({ random: Buffer.alloc(32, 5) })]))).to.have.length(32);
    const alone = await listen(await withCertificate(DTLS13));
    const PROTOCOL_VERSION = 70;
    const alert = await said(alone, [clientHello({ random: Buffer.alloc(32, 5) })]);
    expect([...alert.subarray(0, 3), ...alert.subarray(13)]).to.deep.equal([21, 254, 253, 2, PROTOCOL_VERSION]);
    for (const server of [both, alone]) expect(server.stats).to.include({ handshakesStarted: 0, sessions: 0 });
  });

  it('a random of 1.2 says that its server has 1.3, and no other does', async () => {
    for (const [options, marked] of [
      [UP_TO_DTLS13, true],
      [{}, false],
    ] as const) {
      const server = await listen(await withCertificate(options));
      const randoms: Buffer[] = [];
      for (let i = 0; i < 3; ++i) {
        const relay = await relayTo(server);
        relay.passes = (datagram, direction) => {
          const random = direction === 'toClient' ? serverRandom(datagram) : undefined;
          if (random !== undefined) randoms.push(random);
          return true;
        };
        const { client } = await openOn(server, { port: relay.port });
        expect(client.getProtocol()).to.equal('DTLSv1.2');
      }
      expect(randoms).to.have.length.at.least(3);
      for (const random of randoms) {
        expect(random.subarray(24).toString('latin1') === 'DOWNGRD\u0001').to.equal(marked);
      }
      expect(new Set(randoms.map((random) => random.toString('hex'))).size).to.equal(3);
    }
  });

  it('a client that somebody keeps from 1.3 ends with illegal_parameter, with cookies and without', async () => {
    for (const cookieExchange of [true, false]) {
      const server = await listen(await withCertificate({ ...UP_TO_DTLS13, cookieExchange }));
      const relay = await relayTo(server);
      let taken = 0;
      relay.passes = (datagram, direction) => {
        // In place of 1.3 the hello offers a version that nobody has.
        if (direction === 'toServer' && datagram[0] === HANDSHAKE && datagram.readUInt16BE(3) === 0) {
          const at = datagram.indexOf(OFFERS_BOTH);
          if (at >= 0) {
            datagram.writeUInt16BE(0x7a7a, at + 5);
            ++taken;
          }
        }
        return true;
      };
      const client = await dial(server, { ...UP_TO_DTLS13, port: relay.port });
      const error = await failure(client);
      expect(taken).to.be.at.least(1);
      expect(error).to.include({ alert: 'illegal_parameter' });
    }
  });

  it('clients that it has nothing in common with are counted, and told on the channel of what is dropped', async () => {
    for (const cookieExchange of [true, false]) {
      const server = await listen(await withCertificate({ ...DTLS13, ciphers: 'TLS_AES_128_GCM_SHA256', cookieExchange }));
      const dropped: DiagnosticsEvents['dgram-dtls.dropped'][] = [];
      const listener = (event: unknown): void => void dropped.push(event as DiagnosticsEvents['dgram-dtls.dropped']);
      subscribe('dgram-dtls.dropped', listener);
      try {
        const client = await dial(server, { ...DTLS13, ciphers: 'TLS_AES_256_GCM_SHA384' });
        expect(await failure(client)).to.include({ alert: 'handshake_failure' });
      } finally {
        unsubscribe('dgram-dtls.dropped', listener);
      }
      expect(server.stats).to.include({ hellosRefused: 1, malformedDatagrams: 0, handshakesStarted: 0 });
      expect(dropped.map(({ reasons }) => reasons)).to.deep.equal([{ hellosRefused: 1 }]);
    }
  });

  it('nor by a forged HelloVerifyRequest for each hello of 1.3, whatever the context of the server name says of versions', async () => {
    const { cert, key } = await certificate();
    const named = { cert, key };
    const ways: Record<string, (server: DTLSServer) => void> = {
      'addContext with options': (server) => { server.addContext('localhost', named); },
      'addContext with a context': (server) => { server.addContext('localhost', createSecureContext(named)); },
      'addContext with a context of 1.2': (server) => {
        server.addContext('localhost', createSecureContext({ ...named, maxVersion: 'DTLSv1.2' }));
      },
      SNICallback: () => undefined,
    };
    // DTLS 1.0, sequence 0, a cookie of four bytes: nothing in it has to be known.
    const forged = Buffer.from('16feff000000000000000000130300000700000000000000' + '07feff0401020304', 'hex');
    for (const [way, prepare] of Object.entries(ways)) {
      const SNICallback = (_name: string, callback: (error: null, context: SecureContext) => void): void => {
        callback(null, createSecureContext(named));
      };
      const server = await listen({ ...named, ...UP_TO_DTLS13, ...(way === 'SNICallback' ? { SNICallback } : {}) });
      prepare(server);
      const relay = await relayTo(server);
      relay.passes = (datagram, direction) => {
        if (direction === 'toClient' || !datagram.includes(OFFERS_BOTH)) return true;
        relay.send(forged, 'toClient');
        return false;
      };
      const client = await dial(server, { ...UP_TO_DTLS13, port: relay.port, servername: 'localhost' });
      const error = await failure(client);
      expect(error, way).to.include({ code: 'ERR_DTLS_VERSION_MISMATCH', alert: 'illegal_parameter' });
    }
  });

  it('a server of 1.2 alone stays so, whatever versions the contexts of its names have', async () => {
    const { cert, key } = await certificate();
    const named = { cert, key };
    for (const cookieExchange of [true, false]) {
      for (const how of ['addContext', 'SNICallback']) {
        const begin = async (versions: object): Promise<DTLSServer> => {
          const context = createSecureContext({ ...named, ...versions });
          const SNICallback = (_name: string, callback: (error: null, context: SecureContext) => void): void => { callback(null, context); };
          const server = await listen({ ...named, cookieExchange, ...(how === 'SNICallback' ? { SNICallback } : {}) });
          if (how === 'addContext') server.addContext('localhost', context);
          return server;
        };
        const both = await begin(UP_TO_DTLS13);
        const { client } = await openOn(both, { ...UP_TO_DTLS13, servername: 'localhost' });
        expect(client.getProtocol(), how).to.equal('DTLSv1.2');
        const newer = await dial(both, { ...DTLS13, servername: 'localhost' });
        expect((await failure(newer)).code, how).to.match(/^ERR_DTLS_(VERSION_MISMATCH|ALERT_PROTOCOL_VERSION)$/);
        // One that wants 1.3 and nothing else has nobody to speak to.
        const alone = await begin(DTLS13);
        const failed = clientFailure(alone);
        const refused = await failure(await dial(alone, { ...UP_TO_DTLS13, servername: 'localhost' }));
        expect(refused.code, how).to.equal('ERR_DTLS_ALERT_PROTOCOL_VERSION');
        expect((await failed).code, how).to.equal('ERR_DTLS_VERSION_MISMATCH');
        expect((await failed).message, how).to.include('has DTLSv1.3 alone');
      }
    }
  });

  it('a second hello from another address begins nothing', async () => {
    const server = await listen(await withCertificate(DTLS13));
    const relay = await relayTo(server);
    let second: Buffer | undefined;
    const caught = new Promise<void>((resolve) => {
      relay.passes = (datagram, direction) => {
        if (direction === 'toServer' && datagram.readUInt16BE(17) === 1) {
          second ??= Buffer.from(datagram);
          resolve();
          return false;
        }
        return true;
      };
    });
    const client = await dial(server, { ...DTLS13, port: relay.port });
    client.on('error', () => undefined);
    await caught;
    if (second === undefined) throw new Error('no second hello came');
    expect(second.includes(OFFERS_13)).to.equal(true);
    const alert = await said(server, [second]);
    expect([alert[0], ...alert.subarray(13)]).to.deep.equal([21, 2, 47]);
    expect(server.stats).to.include({ handshakesStarted: 0, sessions: 0, cookiesRefused: 1 });
  });
});
