// Protects what syslog needs of `dgram-dtls proxy`: senders of one line each share a session and lose nothing, not while
// the collector is restarted; what waits is bounded, and what is lost is counted; messages are framed as RFC 6012 says,
// and whatever else arrives is dropped; /healthz tells whether the proxy can do its work.
import { expect } from 'chai';
import dgram from 'node:dgram';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DTLSServer, DTLSSocket } from '../../lib/index';
import { closeEverything, dialTo, listen, next, portOf } from '../helpers/pair';
import { patience } from '../helpers/patience';
import { cleanupAfterEach, freePort, requirePrograms } from '../helpers/peers';
import { startCli, startProxy, type RunningProxy } from './run';

const IDENTITY = 'sender-7';
const KEY = Buffer.from('a key of sixteen');
const PSK = ['--psk', KEY.toString('hex'), '--psk-identity', IDENTITY];
const SERVER = { psk: { identity: IDENTITY, psk: KEY } };
const SHARED = ['--client', '--shared', ...PSK];

describe('dgram-dtls proxy for syslog', function () {
  this.timeout(patience(60_000));
  const cleanup = cleanupAfterEach(this);
  afterEach(closeEverything);

  const proxy = (target: number, args: readonly string[]): Promise<RunningProxy> => startProxy(cleanup, target, args);

  /** Waits until something is so. */
  async function until(what: string, so: () => boolean | Promise<boolean>): Promise<void> {
    const deadline = Date.now() + patience(20_000);
    while (!(await so())) {
      if (Date.now() > deadline) throw new Error(`not so: ${what}`);
      await sleep(10);
    }
  }

  async function plain(): Promise<dgram.Socket> {
    const socket = dgram.createSocket({ type: 'udp4', recvBufferSize: 1 << 20 });
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    cleanup.add(() => new Promise<void>((resolve) => socket.close(resolve)));
    return socket;
  }

  /** A server of plain UDP, and what it was sent. */
  async function collector(): Promise<{ port: number; lines: string[]; socket: dgram.Socket }> {
    const socket = await plain();
    const lines: string[] = [];
    socket.on('message', (line) => lines.push(line.toString()));
    return { port: socket.address().port, lines, socket };
  }

  const say = (socket: dgram.Socket, port: number, text: string | Buffer): Promise<void> =>
    new Promise((resolve, reject) => {
      socket.send(text, port, '127.0.0.1', (error) => {
        if (error === null) resolve();
        else reject(error);
      });
    });

  /** What a server was sent, over all its sessions. */
  function hear(server: DTLSServer): string[] {
    const heard: string[] = [];
    server.on('secureConnection', (socket: DTLSSocket) => socket.on('message', (message) => heard.push(message.toString())));
    return heard;
  }

  async function end(running: RunningProxy): Promise<Record<string, unknown> & { dropped: Record<string, number> }> {
    running.process.signal('SIGTERM');
    expect(await running.process.ends(patience(20_000))).to.equal(0);
    return running.log().at(-1) as never;
  }

  const nothingDropped = (dropped: Record<string, number>): void => {
    expect(Object.entries(dropped).filter(([, count]) => count > 0)).to.deep.equal([]);
  };

  interface Answer {
    readonly status: number;
    readonly body: Record<string, unknown>;
  }
  async function health(running: RunningProxy): Promise<Answer> {
    const answer = await fetch(`http://127.0.0.1:${running.metrics}/healthz`);
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
  }
  async function sample(running: RunningProxy, name: string): Promise<number> {
    const text = await (await fetch(`http://127.0.0.1:${running.metrics}/metrics`)).text();
    const line = text.split('\n').find((one) => one.startsWith(`${name} `));
    if (line === undefined) throw new Error(`no ${name}`);
    return Number(line.slice(name.length));
  }

  describe('with --shared', () => {
    it('carries five hundred lines of five hundred senders over one session, and loses none', async () => {
      const { port, lines } = await collector();
      const front = await proxy(port, ['--syslog', ...PSK]);
      const back = await proxy(front.port, ['--syslog', ...SHARED]);
      const senders = await Promise.all(Array.from({ length: 500 }, plain));
      for (const [index, sender] of senders.entries()) {
        await say(sender, back.port, `<13>1 - host app - - - line ${index}`);
        if (index % 25 === 24) await sleep(2);
      }
      await until('all lines are there', () => lines.length >= 500);
      expect(new Set(lines)).to.deep.equal(new Set(senders.map((_, index) => `<13>1 - host app - - - line ${index}`)));
      for (const running of [back, front]) {
        const { sessionsOpened, dropped, toTarget } = await end(running);
        expect(sessionsOpened).to.equal(1);
        expect(toTarget).to.include({ datagrams: 500 });
        nothingDropped(dropped);
      }
      expect(lines).to.have.length(500);
    });

    it('begins with the first message, and keeps the order of arrival', async () => {
      const server = await listen(SERVER);
      const heard = hear(server);
      const running = await proxy(portOf(server), SHARED);
      await sleep(100);
      expect(server.stats.handshakesStarted).to.equal(0);
      const [one, other] = [await plain(), await plain()];
      const expected: string[] = [];
      for (let index = 0; index < 300; ++index) {
        await say(index % 2 === 0 ? one : other, running.port, String(index));
        expected.push(String(index));
      }
      await until('all are there', () => heard.length >= expected.length);
      expect(heard).to.deep.equal(expected);
      expect(server.stats.handshakesCompleted).to.equal(1);
      expect(running.log().find(({ event }) => event === 'open')?.peer).to.equal(`127.0.0.1:${portOf(server)}`);
    });

    it('passes no answer on, and counts those that came', async () => {
      const server = await listen(SERVER);
      server.on('secureConnection', (socket) => socket.on('message', (message) => socket.send(message)));
      const running = await proxy(portOf(server), SHARED);
      const sender = await plain();
      let answers = 0;
      sender.on('message', () => (answers += 1));
      for (const text of ['one', 'two']) await say(sender, running.port, text);
      await until('both were answered', () => [...server.sessions].some(({ stats }) => stats.messagesSent === 2));
      const { dropped } = await end(running);
      expect(dropped).to.include({ answer: 2 });
      expect(answers).to.equal(0);
    });

    it('keeps what comes while the target is restarted, and tells by /healthz', async () => {
      const port = await freePort();
      const first = await listen({ ...SERVER }, '127.0.0.1', port);
      const heard = hear(first);
      const running = await proxy(port, [...SHARED, '--metrics', '0']);
      const sender = await plain();
      expect(await health(running)).to.deep.equal({ status: 200, body: { ok: true, state: 'idle', sessions: 0, queued: 0 } });
      await say(sender, running.port, 'before');
      await until('the first line is there', () => heard.length === 1);
      expect(await health(running)).to.deep.equal({ status: 200, body: { ok: true, state: 'open', sessions: 1, queued: 0 } });
      await first[Symbol.asyncDispose]();
      await running.sees(/"event":"close"/);
      const expected = ['before'];
      for (let index = 0; index < 200; ++index) {
        await say(sender, running.port, `while away ${index}`);
        expected.push(`while away ${index}`);
      }
      await running.sees(/"event":"failed".*ECONNREFUSED/);
      const away = await health(running);
      expect(away.status).to.equal(503);
      expect(away.body).to.include({ ok: false, code: 'ECONNREFUSED', sessions: 0, queued: 200 });
      expect(away.body.state).to.be.oneOf(['waiting', 'dialing']);
      const second = await listen({ ...SERVER }, '127.0.0.1', port);
      second.on('secureConnection', (socket) => socket.on('message', (message) => heard.push(message.toString())));
      await until('what has waited is there', () => heard.length >= expected.length);
      expect(heard).to.deep.equal(expected);
      expect((await health(running)).status).to.equal(200);
      const { dropped, sessionsOpened } = await end(running);
      expect(sessionsOpened).to.equal(2);
      nothingDropped(dropped);
    });

    it('waits longer after each failure', async () => {
      const running = await proxy(await freePort(), SHARED);
      await say(await plain(), running.port, 'nobody hears it');
      const failures = (): number[] =>
        running.log().filter(({ event }) => event === 'failed').map(({ time }) => Date.parse(String(time)));
      await until('three attempts have failed', () => failures().length >= 3);
      const [one = 0, two = 0, three = 0] = failures();
      expect(two - one).to.be.within(480, patience(2000));
      expect(three - two).to.be.within(980, patience(4000));
      // What has not left by the end is counted.
      running.process.signal('SIGINT');
      await running.process.ends();
      expect(running.log().at(-1)?.dropped).to.include({ not_ready: 1 });
    });

    it('notices by heartbeats that the target is gone without a word', async () => {
      const port = await freePort();
      const serve = ['listen', `127.0.0.1:${port}`, '--heartbeat', '--json', ...PSK];
      const first = startCli(cleanup, serve);
      await first.sees(/"event":"listening"/);
      const running = await proxy(port, [...SHARED, '--heartbeat', '300']);
      const sender = await plain();
      await say(sender, running.port, 'to the first');
      await first.sees(/to the first/);
      await first.stop();
      const second = startCli(cleanup, serve);
      await second.sees(/"event":"listening"/);
      await running.process.sees(/"event":"close".*"reason":"ERR_DTLS_HEARTBEAT_TIMEOUT"/, patience(30_000));
      await say(sender, running.port, 'to the second');
      await second.sees(/to the second/);
    });

    it('lets so many wait as it may, and counts and tells what is lost', async () => {
      const port = await freePort();
      const running = await proxy(port, [...SHARED, '--queue', '5', '--metrics', '0']);
      const sender = await plain();
      for (let index = 0; index < 8; ++index) await say(sender, running.port, String(index));
      await running.sees(/"event":"overflow","waiting":5/);
      await until('three are lost', async () => (await sample(running, 'dtls_proxy_dropped_total{reason="queue_full"}')) === 3);
      expect(await sample(running, 'dtls_proxy_queued')).to.equal(5);
      const server = await listen({ ...SERVER }, '127.0.0.1', port);
      const heard = hear(server);
      await running.sees(/"event":"caught-up","lost":3/);
      await until('what has waited is there', () => heard.length >= 5);
      expect(heard).to.deep.equal(['0', '1', '2', '3', '4']);
      expect(await sample(running, 'dtls_proxy_queued')).to.equal(0);
    });

    it('ends at once on SIGINT while messages still come', async () => {
      const server = await listen(SERVER);
      const heard = hear(server);
      const running = await proxy(portOf(server), SHARED);
      const sender = await plain();
      const talk = setInterval(() => {
        for (let count = 0; count < 100; ++count) sender.send('and on', running.port, '127.0.0.1');
      }, 1);
      cleanup.add(() => {
        clearInterval(talk);
      });
      await until('it is heard', () => heard.length > 10);
      running.process.signal('SIGINT');
      expect(await running.process.ends()).to.equal(130);
      expect(running.log().at(-1)).to.include({ event: 'end', sessionsOpened: 1 });
    });

    it('sends what waits before it ends on SIGTERM', async () => {
      const port = await freePort();
      const running = await proxy(port, [...SHARED, '--metrics', '0']);
      await say(await plain(), running.port, 'wait for me');
      await running.sees(/"event":"failed"/);
      running.process.signal('SIGTERM');
      await running.sees(/"event":"drain"/);
      expect(await health(running)).to.deep.equal({ status: 503, body: { ok: false, state: 'draining', sessions: 0, queued: 1 } });
      const server = await listen({ ...SERVER }, '127.0.0.1', port);
      const heard = hear(server);
      expect(await running.process.ends(patience(20_000))).to.equal(0);
      expect(heard).to.deep.equal(['wait for me']);
    });
  });

  it("takes logger's lines as docs/proxy.md has it: one session for all of them", async function () {
    requirePrograms(this, 'logger');
    const { port, lines } = await collector();
    const front = await proxy(port, ['--syslog', ...PSK]);
    const back = await proxy(front.port, ['--syslog', ...SHARED]);
    for (let index = 0; index < 20; ++index) {
      const text = `line ${index} of logger`;
      const logger = cleanup.start('logger', [
        ...['--udp', '--server', '127.0.0.1', '--port', String(back.port), '--rfc5424', text],
      ]);
      expect(await logger.ends()).to.equal(0);
    }
    await until('all lines are there', () => lines.length >= 20);
    for (const [index, line] of lines.entries()) expect(line).to.match(new RegExp(`^<\\d+>1 .* line ${index} of logger$`));
    expect((await end(back)).sessionsOpened).to.equal(1);
  });

  describe('with --syslog', () => {
    it('frames each datagram on its way to the target, up to what a record holds', async () => {
      const server = await listen(SERVER);
      const heard = hear(server);
      const running = await proxy(portOf(server), ['--client', '--syslog', ...PSK]);
      const sender = await plain();
      await say(sender, running.port, 'grün');
      await until('the session is there', () => heard.length === 1);
      for (const size of [0, 16_379, 16_378, 8192, 2048]) await say(sender, running.port, Buffer.alloc(size, 'x'));
      await until('they are there', () => heard.length >= 4);
      expect(heard).to.deep.equal(['5 grün', ...[16_378, 8192, 2048].map((size) => `${size} ${'x'.repeat(size)}`)]);
      const { dropped, toTarget } = await end(running);
      expect(dropped).to.include({ empty: 1, too_big: 1 });
      // Without the frames.
      expect(toTarget).to.deep.equal({ datagrams: 4, bytes: 16_378 + 8192 + 2048 + 5 });
    });

    it('takes frames apart, drops what is none, and goes on', async () => {
      const { port, lines, socket: target } = await collector();
      target.on('message', (_line, from) => {
        target.send('an answer', from.port, from.address);
      });
      const running = await proxy(port, ['--syslog', '--metrics', '0', ...PSK]);
      const client = dialTo({ host: '127.0.0.1', port: running.port, psk: { identity: IDENTITY, psk: KEY } });
      let answers = 0;
      client.on('message', () => (answers += 1));
      await next(client, 'secureConnect');
      const malformed = ['<13>1 no frame', '12 too short', '05 hello', '0 ', '123456789 x', '5hello', '7 '];
      for (const text of ['3 one3 two', ...malformed, '4 half9 of it']) client.send(text);
      client.send(Buffer.from(`8192 ${'y'.repeat(8192)}`));
      client.send('4 last');
      await until('the last one is there', () => lines.includes('last'));
      expect(lines).to.deep.equal(['one', 'two', 'half', 'y'.repeat(8192), 'last']);
      expect(await sample(running, 'dtls_proxy_dropped_total{reason="malformed"}')).to.equal(malformed.length + 1);
      await until('answers are counted', async () => (await sample(running, 'dtls_proxy_dropped_total{reason="answer"}')) === 5);
      expect(answers).to.equal(0);
      expect(client.readyState).to.equal('open');
    });
  });

  describe('/healthz', () => {
    it('answers GET and HEAD, and nothing else; so does /metrics', async () => {
      const running = await proxy(9, ['--metrics', '0', ...PSK]);
      const at = `http://127.0.0.1:${running.metrics}`;
      expect(await health(running)).to.deep.equal({ status: 200, body: { ok: true, state: 'listening', sessions: 0, queued: 0 } });
      for (const path of ['/healthz', '/healthz?full', '/metrics']) {
        const head = await fetch(`${at}${path}`, { method: 'HEAD' });
        expect(head.status, path).to.equal(200);
        expect(Number(head.headers.get('content-length')), path).to.be.above(0);
        expect(await head.text(), path).to.equal('');
        for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
          const refused = await fetch(`${at}${path}`, { method });
          expect(refused.status, `${method} ${path}`).to.equal(405);
          expect(refused.headers.get('allow')).to.equal('GET, HEAD');
        }
      }
      const answer = await fetch(`${at}/healthz`);
      expect(answer.headers.get('content-type')).to.equal('application/json');
      expect(answer.headers.get('cache-control')).to.equal('no-store');
      for (const path of ['/', '/healthz/', '/constructor', '/__proto__']) expect((await fetch(at + path)).status, path).to.equal(404);
    });

    it('says 503 while the proxy drains', async () => {
      const { port } = await collector();
      const running = await proxy(port, ['--metrics', '0', ...PSK]);
      const client = dialTo({ host: '127.0.0.1', port: running.port, psk: { identity: IDENTITY, psk: KEY } });
      await next(client, 'secureConnect');
      client.send('still talking');
      running.process.signal('SIGTERM');
      await running.sees(/"event":"drain"/);
      expect(await health(running)).to.deep.equal({ status: 503, body: { ok: false, state: 'draining', sessions: 1, queued: 0 } });
      expect(await running.process.ends()).to.equal(0);
    });
  });
});
