// Protects a server from hosts that begin handshakes and never end them: one host cannot take the port, and the
// oldest of such handshakes give way to clients that mean it, behind the same address, too.
import { expect } from 'chai';
import dgram from 'node:dgram';
import { once } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import type { DTLSServer, DTLSSocket } from '../../lib/index';
import { HalfOpen } from '../helpers/hello';
import {
  clientFailure,
  closeEverything,
  dial,
  failure,
  listen,
  messages,
  next,
  openOn,
  portOf,
  PSK,
  PSK_CLIENT,
  PSK_SERVER,
  withCertificate,
  within,
} from '../helpers/pair';
import { patience } from '../helpers/patience';

// A wait that is surely not over while a test fills a server up, and one that soon is.
const LONG = { retransmission: { initial: patience(20_000) } };
const SHORT = { retransmission: { initial: 20 } };

/** What strangers say behind their hello. */
const MORE: readonly [what: string, say: (server: DTLSServer, strangers: readonly HalfOpen[]) => Promise<void>][] = [
  ['has shown nothing but a cookie', () => Promise.resolve()],
  [
    'has sent a ClientKeyExchange, which anybody can make up',
    async (server, strangers) => {
      const wanted = server.stats.datagramsReceived + strangers.length;
      for (const stranger of strangers) stranger.exchangeKeys();
      const deadline = Date.now() + patience(2000);
      while (server.stats.datagramsReceived < wanted && Date.now() < deadline) await setTimeout(5);
      expect(server.stats).to.include({ datagramsReceived: wanted, sessions: strangers.length });
    },
  ],
];

describe('one host', function () {
  this.timeout(patience(20_000));

  const strangers: HalfOpen[] = [];

  /** Unfinished handshakes, one after the other, each from the next of these hosts. */
  async function begin(server: DTLSServer, hosts: readonly string[], count: number): Promise<void> {
    for (let index = 0; index < count; ++index) {
      strangers.push(await HalfOpen.begin(hosts[index % hosts.length] ?? '', portOf(server)));
    }
    const judged = (): number => server.stats.handshakesStarted + server.stats.sessionsRefused;
    const wanted = strangers.length;
    const deadline = Date.now() + patience(5000);
    while (judged() < wanted && Date.now() < deadline) await setTimeout(5);
    expect(judged()).to.be.at.least(wanted);
  }

  afterEach(async () => {
    for (const { socket } of strangers.splice(0)) socket.close();
    await closeEverything();
  });

  it('cannot take the port, with the default limits', async () => {
    const server = await listen(await withCertificate(LONG));
    await begin(server, ['127.0.9.9'], 400);
    expect(server.stats).to.include({ sessions: 250, sessionsRefused: 150, handshakesDisplaced: 0 });
    await openOn(server, {});
    expect(server.stats).to.include({ sessions: 251, sessionsRefused: 150, handshakesDisplaced: 0 });
  });

  it('has a quarter of maxPendingHandshakes, whatever that is', async () => {
    const server = await listen(await withCertificate({ ...LONG, maxPendingHandshakes: 20 }));
    await begin(server, ['127.0.9.9'], 12);
    expect(server.stats).to.include({ sessions: 5, sessionsRefused: 7 });
    await openOn(server, {});
  });

  it('has a tenth of maxSessions, whatever that is', async () => {
    const server = await listen({ ...PSK_SERVER, ...LONG, maxSessions: 20 });
    await openOn(server, PSK_CLIENT);
    await openOn(server, PSK_CLIENT);
    const third = await dial(server, { ...PSK_CLIENT, handshakeTimeout: patience(300) });
    expect((await failure(third)).category).to.equal('timeout');
    expect(server.stats.sessions).to.equal(2);
    const transport = dgram.createSocket('udp4');
    transport.bind(0, '127.0.9.9');
    await once(transport, 'listening');
    try {
      await openOn(server, { ...PSK_CLIENT, transport });
      expect(server.stats.sessions).to.equal(3);
    } finally {
      await closeEverything();
      transport.close();
    }
  });

  it('displaces nobody beyond its share', async () => {
    const server = await listen(await withCertificate({ ...SHORT, maxPendingHandshakes: 8 }));
    await begin(server, ['127.0.9.1', '127.0.9.2', '127.0.9.3', '127.0.9.4'], 8);
    const others = [...server.sessions].filter(({ remoteAddress }) => remoteAddress !== '127.0.9.1');
    expect(others).to.have.length(6);
    await setTimeout(60);
    await begin(server, ['127.0.9.1'], 10);
    expect(server.stats.sessions).to.equal(8);
    expect(server.stats.handshakesDisplaced + server.stats.sessionsRefused).to.equal(10);
    expect(server.stats.handshakesDisplaced).to.be.at.least(2);
    expect(others.map(({ readyState }) => readyState)).to.deep.equal(Array<string>(6).fill('opening'));
  });

  for (const [what, more] of MORE) {
    for (const [limit, options] of [
      ['maxPendingHandshakesPerHost', { maxPendingHandshakesPerHost: 4 }],
      ['maxSessionsPerHost', { maxSessionsPerHost: 4 }],
    ] as const) {
      it(`that has reached ${limit}: its own oldest gives way to others behind its address, whose client ${what}`, async () => {
        const server = await listen(await withCertificate({ ...SHORT, ...options }));
        await begin(server, ['127.0.0.1'], 4);
        await more(server, strangers);
        const [first] = server.sessions;
        await setTimeout(60);
        const displaced = next(server, 'dtlsClientError');
        const { client, peer } = await openOn(server, {});
        expect((await displaced)[1]).to.equal(first);
        expect(server.stats).to.include({ sessions: 4, handshakesDisplaced: 1, sessionsRefused: 0 });
        client.send('through');
        expect((await messages(peer, 1)).toString()).to.equal('through');
      });
    }
  }

  it('that has reached its limits with open sessions displaces none', async () => {
    const server = await listen({ ...PSK_SERVER, ...SHORT, maxSessionsPerHost: 1 });
    const { client, peer } = await openOn(server, PSK_CLIENT);
    await setTimeout(60);
    const second = await dial(server, { ...PSK_CLIENT, handshakeTimeout: patience(300) });
    expect((await failure(second)).category).to.equal('timeout');
    expect(server.stats).to.include({ sessions: 1, handshakesDisplaced: 0 });
    client.send('open still');
    expect((await messages(peer, 1)).toString()).to.equal('open still');
  });

  for (const [what, more] of MORE) {
    for (const [limit, options] of [
      ['maxPendingHandshakes', { maxPendingHandshakes: 8 }],
      ['maxSessions', { maxSessions: 8, maxSessionsPerHost: 2 }],
    ] as const) {
      it(`with many: where they have reached ${limit}, the oldest gives way whose client ${what}`, async () => {
        const server = await listen(await withCertificate({ ...SHORT, ...options }));
        await begin(server, ['127.0.9.1', '127.0.9.2', '127.0.9.3', '127.0.9.4'], 8);
        expect(server.stats).to.include({ sessions: 8, sessionsRefused: 0 });
        await more(server, strangers);
        const [first] = server.sessions;
        await setTimeout(60);
        const displaced = next(server, 'dtlsClientError');
        const { client, peer } = await openOn(server, {});
        const [error, socket] = await displaced;
        expect(error).to.include({ code: 'ERR_DTLS_DISPLACED', category: 'closed' });
        expect(error.hint).to.match(/maxPendingHandshakes.*maxSessions/);
        expect(socket).to.equal(first);
        expect(server.stats).to.include({ sessions: 8, handshakesDisplaced: 1 });
        expect(server.stats.failures).to.deep.equal({ ERR_DTLS_DISPLACED: 1 });
        client.send('through');
        expect((await messages(peer, 1)).toString()).to.equal('through');
        // Whoever it was is told: close_notify in clear, no larger than what it sent.
        const told = (): Buffer | undefined => strangers[0]?.heard.find((datagram) => datagram[0] === 21);
        const deadline = Date.now() + patience(2000);
        while (told() === undefined && Date.now() < deadline) await setTimeout(5);
        expect(told()?.subarray(13).toString('hex')).to.equal('0100');
      });
    }
  }

  it('with many: nobody gives way whose answer may be on its way', async () => {
    const server = await listen(await withCertificate({ ...LONG, maxPendingHandshakes: 8 }));
    await begin(server, ['127.0.9.1', '127.0.9.2', '127.0.9.3', '127.0.9.4'], 8);
    await begin(server, ['127.0.9.5'], 1);
    expect(server.stats).to.include({ sessions: 8, sessionsRefused: 1, handshakesDisplaced: 0 });
  });

  it('with many: no open session gives way, and no handshake that waits for an answer of ours', async () => {
    const asked: DTLSSocket[] = [];
    let answer: (psk: Buffer) => void = () => undefined;
    const server = await listen({
      ...SHORT,
      maxSessions: 2,
      maxSessionsPerHost: 2,
      pskCallback: (socket, identity) => {
        if (identity !== 'slow') return PSK_SERVER.pskCallback(socket, identity);
        asked.push(socket);
        return new Promise((resolve) => {
          answer = resolve;
        });
      },
    });
    const { client, peer } = await openOn(server, PSK_CLIENT);
    const slow = await dial(server, { pskCallback: () => ({ ...PSK, identity: 'slow' }) });
    const opened = next(slow, 'secureConnect');
    await next(server, 'connection');
    const deadline = Date.now() + patience(5000);
    while (asked.length === 0 && Date.now() < deadline) await setTimeout(5);
    await setTimeout(60);
    const third = await dial(server, { ...PSK_CLIENT, handshakeTimeout: patience(300) });
    expect((await failure(third)).category).to.equal('timeout');
    expect(server.stats.handshakesDisplaced).to.equal(0);
    expect(server.stats.sessionsRefused).to.be.at.least(1);
    answer(PSK.psk);
    await opened;
    client.send('open still');
    expect((await messages(peer, 1)).toString()).to.equal('open still');
  });

  it('has no limit where maxPendingHandshakes: 0 says that there is none', async () => {
    const server = await listen({ ...PSK_SERVER, maxPendingHandshakes: 0 });
    await begin(server, ['127.0.9.9'], 300);
    expect(server.stats.sessionsRefused).to.equal(0);
  });

  it('that times out leaves its places to others', async () => {
    const server = await listen(await withCertificate({ maxPendingHandshakes: 4, handshakeTimeout: patience(200) }));
    const failed = clientFailure(server);
    await begin(server, ['127.0.9.9'], 1);
    await within(failed, 'its deadline');
    await begin(server, ['127.0.9.9'], 1);
    expect(server.stats).to.include({ handshakesStarted: 2, sessionsRefused: 0 });
  });
});
