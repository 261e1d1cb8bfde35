// Protects heartbeats as a socket's user sees them: what heartbeat() gives and when it refuses, the
// events on both sides, the keep-alive that ends a session whose peer has gone and keeps thousands
// of quiet ones, and the search for the path's MTU.
import { expect } from 'chai';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  connect,
  createServer,
  createSocket,
  DTLSError,
  type ConnectOptions,
  type DTLSServer,
  type DTLSSocket,
  type HeartbeatEvent,
  type HeartbeatOptions,
  type ServerOptions,
} from '../../lib/index';
import { Link, type LinkConditions } from '../../lib/lab/index';
import {
  closeEverything,
  dialTo,
  failure,
  listen,
  next,
  openPsk,
  PSK,
  PSK_CLIENT,
  PSK_SERVER,
  within,
} from '../helpers/pair';
import { patience } from '../helpers/patience';

const ON = { heartbeat: true } as const;
const SERVER_HOST = '10.0.0.1';
const PORT = 5684;

/** The error that a promise rejects with. */
async function refusal(promise: Promise<unknown>): Promise<DTLSError> {
  const outcome = await within(
    promise.then(
      () => undefined,
      (error: unknown) => error,
    ),
    'a refusal',
  );
  if (!(outcome instanceof DTLSError)) throw new Error(`no DTLSError but ${String(outcome)}`);
  return outcome;
}

function eventsOf(socket: DTLSSocket): HeartbeatEvent[] {
  const events: HeartbeatEvent[] = [];
  socket.on('heartbeat', (event) => events.push(event));
  return events;
}

const words = (events: readonly HeartbeatEvent[]): string[] =>
  events.map(({ direction, type, length }) => `${direction} ${type} ${length}`);

describe('heartbeats', () => {
  const opened: { server: DTLSServer; clients: DTLSSocket[] }[] = [];

  afterEach(async () => {
    await closeEverything();
    for (const { server, clients } of opened.splice(0)) {
      for (const client of clients) {
        client.on('error', () => undefined);
        client.destroy();
      }
      await server[Symbol.asyncDispose]();
    }
  });

  /** A session over a link in memory. */
  async function over(
    conditions: LinkConditions = {},
    serverOptions: ServerOptions = {},
    clientOptions: Partial<ConnectOptions> = {},
  ): Promise<{ link: Link; client: DTLSSocket; peer: DTLSSocket; server: DTLSServer }> {
    const link = new Link('heartbeat');
    const server = createServer({
      ...PSK_SERVER,
      ...ON,
      ...serverOptions,
      transport: link.attach(SERVER_HOST, PORT),
    });
    const clients: DTLSSocket[] = [];
    opened.push({ server, clients });
    server.listen();
    const accepted = next(server, 'secureConnection');
    const client = connect({
      host: SERVER_HOST,
      port: PORT,
      ...PSK_CLIENT,
      ...ON,
      ...clientOptions,
      transport: link.attach('10.0.0.2'),
    });
    clients.push(client);
    await next(client, 'secureConnect');
    const [peer] = await accepted;
    link.conditions = conditions;
    return { link, client, peer, server };
  }

  describe('a request', () => {
    it('comes back with its payload and the time it took, from either side', async () => {
      const { client, peer } = await openPsk(ON, ON);
      for (const socket of [client, peer]) {
        for (const payload of ['', 'ping', Buffer.alloc(1000, 7), new Uint8Array([1, 2, 3])]) {
          const result = await socket.heartbeat(payload);
          expect(result.payload).to.deep.equal(Buffer.from(payload as Uint8Array));
          expect(result.rtt).to.be.within(0, 1000);
        }
        const { payload } = await socket.heartbeat();
        expect(payload).to.have.length(16);
        expect((await socket.heartbeat({ timeout: 2000, retries: 1 })).payload).to.have.length(16);
      }
    });

    it('is an event on both sides, and counted', async () => {
      const { client, peer } = await openPsk(ON, ON);
      const [here, there] = [eventsOf(client), eventsOf(peer)];
      const { rtt } = await client.heartbeat('12345');
      expect(words(here)).to.deep.equal(['out request 24', 'in response 24']);
      expect(words(there)).to.deep.equal(['in request 24', 'out response 24']);
      expect(here.map((event) => event.rtt)).to.deep.equal([undefined, rtt]);
      expect(there.map((event) => event.rtt)).to.deep.equal([undefined, undefined]);
      const counts = { heartbeatsSent: 1, heartbeatsReceived: 1, heartbeatsDiscarded: 0 };
      expect(client.stats).to.include(counts);
      expect(peer.stats).to.include(counts);
    });

    it('waits for those before it, and keeps what it was given', async () => {
      const { client, peer } = await openPsk(ON, ON);
      const there = eventsOf(peer);
      const buffer = Buffer.alloc(8);
      const answers = Array.from({ length: 50 }, (_, index) => {
        buffer.writeUInt32BE(index);
        return client.heartbeat(buffer.subarray(0, 4 + (index % 4)));
      });
      buffer.fill(0xff);
      const results = await Promise.all(answers);
      results.forEach(({ payload }, index) => {
        expect(payload.readUInt32BE()).to.equal(index);
        expect(payload).to.have.length(4 + (index % 4));
      });
      expect(there.filter(({ type }) => type === 'request')).to.have.length(50);
    });

    it('goes on beside messages', async () => {
      const { client, peer } = await openPsk(ON, ON);
      const received: string[] = [];
      peer.on('message', (message) => received.push(message.toString()));
      for (let index = 0; index < 20; ++index) {
        client.send(`message ${index}`);
        await client.heartbeat();
      }
      expect(received).to.deep.equal(Array.from({ length: 20 }, (_, index) => `message ${index}`));
    });
  });

  describe('refuses with', () => {
    it('ERR_DTLS_HEARTBEAT_NOT_NEGOTIATED when one side has them switched off', async () => {
      for (const [server, client] of [
        [{}, {}],
        [ON, {}],
        [{}, ON],
        [ON, { heartbeat: false }],
      ]) {
        const pair = await openPsk(server, client);
        for (const socket of [pair.client, pair.peer]) {
          for (const promise of [socket.heartbeat(), socket.discoverMtu()]) {
            const error = await refusal(promise);
            expect(error.code).to.equal('ERR_DTLS_HEARTBEAT_NOT_NEGOTIATED');
            expect(error.category).to.equal('usage');
          }
        }
      }
    });

    it("ERR_DTLS_HEARTBEAT_NOT_ALLOWED when the peer's mode says so", async () => {
      const none = { heartbeat: { mode: 'peer_not_allowed_to_send' } } as const;
      const { client, peer } = await openPsk(none, ON);
      expect((await refusal(client.heartbeat())).code).to.equal('ERR_DTLS_HEARTBEAT_NOT_ALLOWED');
      expect((await peer.heartbeat('still')).payload.toString()).to.equal('still');
    });

    it('ERR_DTLS_HEARTBEAT_UNSUPPORTED_CIPHER in a CBC suite', async () => {
      const cbc = { ...ON, ciphers: 'PSK-AES128-CBC-SHA256' };
      const { client, peer } = await openPsk(cbc, cbc);
      for (const socket of [client, peer]) {
        const error = await refusal(socket.heartbeat());
        expect(error.code).to.equal('ERR_DTLS_HEARTBEAT_UNSUPPORTED_CIPHER');
      }
    });

    it('ERR_DTLS_HEARTBEAT_TOO_BIG when it does not fit a record', async () => {
      const { client } = await openPsk(ON, ON);
      const error = await refusal(client.heartbeat(Buffer.alloc(16366)));
      expect(error.code).to.equal('ERR_DTLS_HEARTBEAT_TOO_BIG');
      expect((await client.heartbeat()).payload).to.have.length(16);
    });

    it('ERR_DTLS_NOT_OPEN before and after the session', async () => {
      const { client, peer, server } = await openPsk(ON, ON);
      const { port } = server.address() ?? { port: 0 };
      const early = connect({ host: '127.0.0.1', port, ...PSK_CLIENT, ...ON });
      expect((await refusal(early.heartbeat())).code).to.equal('ERR_DTLS_NOT_OPEN');
      early.destroy();
      const closed = next(client, 'close');
      client.close();
      await closed;
      expect((await refusal(client.heartbeat())).code).to.equal('ERR_DTLS_NOT_OPEN');
      expect((await refusal(client.discoverMtu())).code).to.equal('ERR_DTLS_NOT_OPEN');
      if (peer.readyState !== 'closed') await next(peer, 'close');
    });

    it('ERR_DTLS_NOT_OPEN when the session is closed while requests wait', async () => {
      const { client } = await over({ loss: 1 });
      const waiting = [client.heartbeat(), client.heartbeat(), client.heartbeat('third')];
      const refusals = waiting.map(refusal);
      client.close();
      for (const error of await Promise.all(refusals)) {
        expect(error.code).to.equal('ERR_DTLS_NOT_OPEN');
        expect(error.category).to.equal('closed');
      }
    });

    for (const [side, how] of [['client', 'session'], ['peer', 'session'], ['client', 'socket']] as const) {
      it(`ERR_DTLS_NOT_OPEN when the MTU of a ${side} is being looked for and its ${how} is closed`, async () => {
        if (how === 'session') {
          const pair = await openPsk(ON, ON);
          const [socket, other] = side === 'client' ? [pair.client, pair.peer] : [pair.peer, pair.client];
          const found = refusal(socket.discoverMtu());
          const ends = [next(socket, 'close'), next(other, 'close')];
          socket.close();
          expect(await found).to.be.instanceOf(DTLSError).and.include({ code: 'ERR_DTLS_NOT_OPEN', category: 'closed' });
          await Promise.all(ends);
          return;
        }
        const [here, there] = ['client', 'server'].map((role) =>
          createSocket({ type: 'udp4', dtls: { psk: PSK, heartbeat: true, role: role as 'client' | 'server' } }),
        );
        if (here === undefined || there === undefined) throw new Error('no sockets');
        there.bind(0, '127.0.0.1');
        await once(there, 'listening');
        const secured = once(here, 'secureConnection') as Promise<[DTLSSocket]>;
        here.send('hello', there.address().port, '127.0.0.1');
        const [session] = await within(secured, 'a session');
        const found = refusal(session.discoverMtu());
        here.close();
        expect(await found).to.be.instanceOf(DTLSError).and.include({ code: 'ERR_DTLS_NOT_OPEN', category: 'closed' });
        there.close();
        await once(there, 'close');
      });
    }

    it('ERR_DTLS_HEARTBEAT_TIMEOUT when no answer comes, and the session stays', async () => {
      const { link, client } = await over({ loss: 1 });
      const here = eventsOf(client);
      const begun = performance.now();
      const error = await refusal(client.heartbeat('lost', { timeout: 20, retries: 2 }));
      expect(error.code).to.equal('ERR_DTLS_HEARTBEAT_TIMEOUT');
      expect(error.category).to.equal('timeout');
      expect(performance.now() - begun).to.be.within(20 + 40 + 80 - 1, patience(1500));
      expect(words(here)).to.deep.equal(Array.from({ length: 3 }, () => 'out request 23'));
      link.conditions = {};
      expect((await client.heartbeat('found')).payload.toString()).to.equal('found');
    });

    it('ERR_DTLS_HEARTBEAT_TIMEOUT for the one that was lost, not for those behind it', async () => {
      const { link, client } = await over();
      let lost = 0;
      link.intercept = ({ datagram }) => (datagram.length > 500 && ++lost > 0 ? null : datagram);
      const brief = { timeout: patience(10), retries: 1 };
      const [first, second, third] = await Promise.allSettled([
        client.heartbeat('small', brief),
        client.heartbeat(Buffer.alloc(600), brief),
        client.heartbeat('small again', { timeout: patience(1000) }),
      ]);
      expect([first.status, second.status, third.status]).to.deep.equal([
        'fulfilled',
        'rejected',
        'fulfilled',
      ]);
      expect(lost).to.equal(2);
    });
  });

  it('are still answered over a path that loses a third of everything', async () => {
    const { client } = await over({ loss: 0.33 });
    for (let index = 0; index < 10; ++index) {
      const { payload } = await client.heartbeat(`${index}`, { timeout: 2, retries: 10 });
      expect(payload.toString()).to.equal(`${index}`);
    }
  });

  describe('options', () => {
    const at = (heartbeat: unknown): (() => DTLSSocket) => {
      const options = { ...PSK_CLIENT, host: '127.0.0.1', port: 9, heartbeat } as ConnectOptions;
      return () => connect(options);
    };

    for (const [what, value] of [
      ['a string', 'yes'],
      ['a number', 1],
      ['an unknown option', { period: 1 }],
      ['an unknown mode', { mode: 'allowed' }],
      ['a negative interval', { interval: -1 }],
      ['an interval that is no number', { interval: '5' }],
      ['no time to answer', { timeout: 0 }],
      ['a fraction of a retry', { retries: 1.5 }],
      ['more retries than 100', { retries: 101 }],
      ['an array', [true]],
    ] as const) {
      it(`refuse ${what}`, () => {
        expect(at(value)).to.throw().with.property('code').that.matches(/^ERR_/);
        expect(() => createServer({ ...PSK_SERVER, heartbeat: value as HeartbeatOptions })).to.throw();
      });
    }

    it('of one request are checked too', async () => {
      const { client } = await openPsk(ON, ON);
      for (const options of [{ timeout: 0 }, { retries: -1 }, { padding: 3 }, { timeout: NaN }]) {
        const refused = await client.heartbeat('x', options).then(
          () => undefined,
          (error: unknown) => error,
        );
        expect(refused, JSON.stringify(options)).to.have.property('code').that.matches(/^ERR_/);
      }
      for (const options of [{ min: 100 }, { max: 20000 }, { min: 1000, max: 999 }, { step: 1 }]) {
        const refused = await client.discoverMtu(options).then(
          () => undefined,
          (error: unknown) => error,
        );
        expect(refused, JSON.stringify(options)).to.have.property('code').that.matches(/^ERR_/);
      }
    });
  });

  describe('keep-alive', () => {
    it('ends a session whose peer has gone', async () => {
      const heartbeat = { interval: patience(40), timeout: patience(10), retries: 2 };
      const { link, client, peer } = await over({}, {}, { heartbeat });
      await sleep(patience(150));
      expect(client.stats.heartbeatsReceived).to.be.at.least(2);
      const failed = failure(client);
      const waits = refusal(client.heartbeat());
      link.conditions = { loss: 1 };
      const error = await failed;
      expect(error.code).to.equal('ERR_DTLS_HEARTBEAT_TIMEOUT');
      expect(error.category).to.equal('timeout');
      await waits;
      expect(peer.stats.heartbeatsSent).to.equal(peer.stats.heartbeatsReceived);
    });

    it("of a server ends its client's session", async () => {
      const heartbeat = { interval: 20, timeout: patience(10), retries: 1 };
      const { link, peer } = await over({}, { heartbeat });
      const failed = failure(peer);
      link.conditions = { loss: 1 };
      expect(await failed).to.include({ code: 'ERR_DTLS_HEARTBEAT_TIMEOUT', category: 'timeout' });
    });

    it('rejects what waits behind it when it gives up', async () => {
      const heartbeat = { interval: 20, timeout: patience(30), retries: 1 };
      const { link, client } = await over({}, {}, { heartbeat });
      const failed = failure(client);
      const asked = new Promise<void>((resolve) => {
        client.once('heartbeat', () => {
          resolve();
        });
      });
      link.conditions = { loss: 1 };
      await within(asked, 'a request of the keep-alive');
      const waiting = refusal(client.heartbeat('behind it', { timeout: 1000 }));
      expect((await failed).code).to.equal('ERR_DTLS_HEARTBEAT_TIMEOUT');
      expect((await waiting).code).to.equal('ERR_DTLS_HEARTBEAT_TIMEOUT');
    });

    it('lets requests of the user in between', async () => {
      const heartbeat = { interval: 5, timeout: 1000 };
      const { client } = await over({ delay: 3 }, {}, { heartbeat });
      for (let index = 0; index < 20; ++index) {
        expect((await client.heartbeat(`${index}`)).payload.toString()).to.equal(`${index}`);
        // And one of its own in between, however slow the machine is; mocha's limit ends the wait for one that never comes.
        const answered = client.stats.heartbeatsReceived;
        while (client.stats.heartbeatsReceived === answered) await sleep(1);
      }
      expect(client.stats.heartbeatsReceived).to.be.at.least(40);
    });

    it('does not send while there is something to hear', async () => {
      const { client, peer } = await over({}, {}, { heartbeat: { interval: patience(400) } });
      for (let index = 0; index < 30; ++index) {
        peer.send('here');
        await sleep(20);
      }
      expect(client.stats.heartbeatsSent).to.equal(0);
    });

    it('keeps 1,000 quiet sessions, with one timer for each endpoint', async function () {
      this.timeout(patience(60_000));
      const SESSIONS = 1000;
      const interval = patience(1000);
      const link = new Link('keep-alive');
      const server = createServer({
        ...PSK_SERVER,
        heartbeat: true,
        idleTimeout: 4 * interval,
        transport: link.attach(SERVER_HOST, PORT),
      });
      const clients: DTLSSocket[] = [];
      opened.push({ server, clients });
      server.listen();
      const timers = (): number =>
        process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
      await sleep(0); // mocha's own timer begins when this function has returned
      const timersBefore = timers();
      // Each client has an endpoint of its own; the server's serves a thousand sessions.
      for (let index = 0; index < SESSIONS; ++index) {
        const client = connect({
          host: SERVER_HOST,
          port: PORT,
          ...PSK_CLIENT,
          heartbeat: { interval, timeout: interval },
          transport: link.attach(`10.1.${Math.floor(index / 250)}.${index % 250}`),
        });
        clients.push(client);
        await next(client, 'secureConnect');
      }
      const before = clients.map((client) => client.stats.heartbeatsReceived);
      expect(timers() - timersBefore).to.be.at.most(SESSIONS + 1);
      const begun = performance.now();
      await sleep(5 * interval); // more than the server's idle timeout
      const silent = performance.now() - begun;
      clients.forEach((client, index) => {
        expect(client.readyState).to.equal('open');
        const { stats } = client;
        expect(stats).to.include({ heartbeatsDiscarded: 0, messagesSent: 0 });
        const answered = stats.heartbeatsReceived - (before[index] ?? 0);
        expect(answered).to.be.within(2, Math.ceil(silent / interval));
      });
      expect(server.stats.sessions).to.equal(SESSIONS);
      expect(server.stats.heartbeatsReceived).to.equal(server.stats.heartbeatsSent);
      const received = clients.reduce((sum, { stats }) => sum + stats.heartbeatsReceived, 0);
      expect(server.stats.heartbeatsSent - received).to.be.within(0, SESSIONS);
      expect(server.stats.heartbeatsDiscarded).to.equal(0);
    });
  });

  describe('discoverMtu', () => {
    for (const mtu of [300, 576, 1200, 1280, 1399, 1471]) {
      it(`finds a path of ${mtu} bytes`, async () => {
        const { client } = await over({ mtu });
        const overhead = client.mtu - client.maxMessageSize;
        const found = await client.discoverMtu({ timeout: patience(25), retries: 1 });
        expect(found).to.be.within(mtu - 8, mtu);
        expect(client.mtu).to.equal(found);
        expect(client.maxMessageSize).to.equal(found - overhead);
      });
    }

    it('is the largest that it may be, after one request', async () => {
      const { client } = await over({ mtu: 9000 });
      expect(await client.discoverMtu()).to.equal(1472);
      expect(client.stats.heartbeatsSent).to.equal(1);
      expect(await client.discoverMtu({ max: 9000 })).to.equal(9000);
      expect(client.stats.heartbeatsSent).to.equal(2);
    });

    it('costs the user of a UDP socket no warning', async () => {
      const { client } = await openPsk(ON, ON);
      const warnings: Error[] = [];
      const collect = (warning: Error): void => void warnings.push(warning);
      process.on('warning', collect);
      await client.discoverMtu();
      await sleep(0); // a warning comes in the next tick
      process.off('warning', collect);
      expect(warnings).to.deep.equal([]);
    });

    it('sends datagrams of just those sizes, and is answered by small ones', async () => {
      const { link, client } = await over({ mtu: 1000 });
      const sizes = { client: [] as number[], server: [] as number[] };
      link.observe = ({ datagram, from }) => {
        sizes[from.address === SERVER_HOST ? 'server' : 'client'].push(datagram.length);
      };
      const found = await client.discoverMtu({ timeout: patience(25), retries: 0, min: 500, max: 1500 });
      expect(sizes.client.slice(0, 3)).to.deep.equal([1500, 500, 1000]);
      expect(Math.max(...sizes.client.filter((size) => size <= 1000))).to.equal(found);
      expect(Math.max(...sizes.server)).to.be.below(100);
    });

    it('from the server too, and finds it over a path that loses some', async function () {
      this.timeout(patience(30_000));
      for (const mtu of [700, 1350]) {
        const { client, peer } = await over({ mtu, loss: 0.15 });
        for (const socket of [client, peer]) {
          const found = await socket.discoverMtu({ timeout: patience(5), retries: 4 });
          expect(found).to.be.within(mtu - 8, mtu);
        }
      }
    });

    it('lets the largest message through that it promises', async () => {
      const { client, peer } = await over({ mtu: 1234 });
      await client.discoverMtu({ timeout: patience(25), retries: 1 });
      const message = Buffer.alloc(client.maxMessageSize, 5);
      const arrived = next(peer, 'message');
      client.send(message);
      expect((await arrived)[0]).to.deep.equal(message);
    });

    it('fails when not even the smallest comes through, and leaves the MTU', async () => {
      const { client } = await over({ mtu: 200 });
      const { mtu } = client;
      const error = await refusal(client.discoverMtu({ timeout: 10, retries: 0 }));
      expect(error.code).to.equal('ERR_DTLS_HEARTBEAT_TIMEOUT');
      expect(client.mtu).to.equal(mtu);
    });

    it("is a typed error when the transport's setDontFragment throws, when it begins or at its end", async () => {
      for (const [when, code, thrown] of [
        [true, 'ENODEV', Object.assign(new Error('no such device'), { code: 'ENODEV' })],
        [false, 'ERR_DTLS_IO', new Error('out of order')],
        [true, 'ERR_DTLS_IO', 'a word'],
      ] as const) {
        const link = new Link('whole');
        const transport = link.attach('10.0.0.2');
        transport.setDontFragment = (on) => {
          // eslint-disable-next-line @typescript-eslint/only-throw-error -- anybody may throw anything
          if (on === when) throw thrown;
          return true;
        };
        const server = await listen({ ...PSK_SERVER, ...ON, transport: link.attach('10.0.0.1', 5684) }, undefined, 5684);
        const client = dialTo({ host: '10.0.0.1', port: 5684, ...PSK_CLIENT, ...ON, transport });
        await next(client, 'secureConnect');
        const error = await refusal(client.discoverMtu({ max: 600 }));
        expect(error).to.be.instanceOf(DTLSError).that.includes({ code, category: 'io' });
        expect(error.hint).to.include('setDontFragment');
        client.send('goes on');
        client.close();
        server.close();
      }
    });

    it('of two sessions on one transport lets it fragment again when both are over', async () => {
      const link = new Link('two');
      const transport = link.attach('10.0.0.1', 5684);
      const calls: boolean[] = [];
      transport.setDontFragment = (on) => {
        calls.push(on);
        return true;
      };
      const server = await listen({ ...PSK_SERVER, ...ON, transport }, undefined, 5684);
      const sessions: DTLSSocket[] = [];
      let mute = false;
      for (const host of ['10.0.0.2', '10.0.0.3']) {
        const own = link.attach(host);
        const send = own.send.bind(own);
        own.send = (...args) => (mute && host === '10.0.0.3' ? true : send(...args));
        const begun = next(server, 'secureConnection');
        dialTo({ host: '10.0.0.1', port: 5684, ...PSK_CLIENT, ...ON, transport: own });
        sessions.push((await begun)[0]);
      }
      const [quick, silent] = sessions;
      if (quick === undefined || silent === undefined) throw new Error('no sessions');
      mute = true;
      const second = refusal(silent.discoverMtu({ timeout: 60000 }));
      await quick.discoverMtu({ max: 300 });
      expect(calls).to.deep.equal([true]);
      silent.destroy();
      await second;
      expect(calls).to.deep.equal([true, false]);
      // And each one by itself is asked for again.
      await quick.discoverMtu({ max: 300 });
      expect(calls).to.deep.equal([true, false, true, false]);
    });

    it('fails when the session closes meanwhile', async () => {
      const { client } = await over({ loss: 1 });
      const searching = refusal(client.discoverMtu());
      client.close();
      expect((await searching).code).to.equal('ERR_DTLS_NOT_OPEN');
    });
  });
});
