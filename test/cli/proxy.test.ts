// Protects `dgram-dtls proxy` as people operate it: CoAP clients of others reach a server that knows no DTLS, in
// both directions nothing is lost, not while certificates are reloaded under five hundred sessions; sessions end
// when they are idle, the proxy ends when it is told to and lets answers arrive first; what it does can be
// scraped; it answers nobody with more than he sent, and a mistake on the command line is told.
import { expect } from 'chai';
import * as coap from 'coap';
import dgram from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ConnectOptions, DTLSSocket } from '../../lib/index';
import { createAuthority } from '../helpers/certificates';
import { certificate, closeEverything, dialTo, failure, listen, messages, next, portOf, within } from '../helpers/pair';
import { cleanupAfterEach, freePort, requirePrograms, TemporaryFiles, type PeerProcess } from '../helpers/peers';
import { FOREIGN, type Foreign } from '../interop/foreign';
import { cli, startProxy, type RunningProxy } from './run';

const IDENTITY = 'sensor-7';
const KEY = 'a key of text';
const PSK = ['--psk', Buffer.from(KEY).toString('hex'), '--psk-identity', IDENTITY];
const PSK_CLIENT = { pskCallback: () => ({ identity: IDENTITY, psk: Buffer.from(KEY) }) };

describe('dgram-dtls proxy', function () {
  this.timeout(60_000);
  const cleanup = cleanupAfterEach(this);
  let folder: string;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'dgram-dtls-proxy-'));
  });
  after(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  afterEach(closeEverything);

  const proxy = (target: number, args: readonly string[]): Promise<RunningProxy> => startProxy(cleanup, target, args);

  interface Echo {
    readonly port: number;
    readonly socket: dgram.Socket;
    readonly received: string[];
  }

  /** A server of plain UDP, which says everything again. */
  async function echo(delay = 0): Promise<Echo> {
    const socket = dgram.createSocket({ type: 'udp4', recvBufferSize: 1 << 20 });
    const received: string[] = [];
    socket.on('message', (message, { port, address }) => {
      received.push(message.toString());
      const answer = (): void => {
        socket.send(message, port, address);
      };
      if (delay === 0) answer();
      else setTimeout(answer, delay);
    });
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    cleanup.add(() => new Promise<void>((resolve) => socket.close(resolve)));
    return { port: socket.address().port, socket, received };
  }

  async function client(port: number, options: Partial<ConnectOptions> = PSK_CLIENT): Promise<DTLSSocket> {
    const socket = dialTo({ host: '127.0.0.1', port, ...options });
    await next(socket, 'secureConnect');
    return socket;
  }

  async function ask(socket: DTLSSocket, text: string): Promise<string> {
    const answer = messages(socket, 1);
    socket.send(text);
    return String((await answer)[0]);
  }

  async function plainClient(): Promise<dgram.Socket> {
    const socket = dgram.createSocket('udp4');
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    cleanup.add(() => new Promise<void>((resolve) => socket.close(resolve)));
    return socket;
  }

  async function askPlain(socket: dgram.Socket, port: number, text: string): Promise<string> {
    const answer = within(once(socket, 'message'), `an answer to ${text}`);
    socket.send(text, port, '127.0.0.1');
    return String((await answer)[0]);
  }

  interface Files {
    readonly cert: string;
    readonly key: string;
    readonly arguments: string[];
    /** Writes another certificate; its name. */
    renew(): Promise<string>;
  }

  let names = 0;
  async function certificateFiles(): Promise<Files> {
    names += 1;
    const cert = join(folder, `${names}-cert.pem`);
    const key = join(folder, `${names}-key.pem`);
    let generation = 0;
    const renew = async (): Promise<string> => {
      generation += 1;
      const commonName = `proxy ${names} ${generation}`;
      const made = await certificate({ commonName });
      writeFileSync(cert, made.cert);
      writeFileSync(key, made.key, { mode: 0o600 });
      return commonName;
    };
    await renew();
    return { cert, key, arguments: ['--cert', cert, '--key', key], renew };
  }

  const subject = (socket: DTLSSocket): string => socket.getPeerX509Certificate()?.subject ?? '';

  for (const program of ['coap-client-openssl', 'coap-client-gnutls']) {
    describe(`between ${program} and node-coap`, () => {
      before(function () {
        requirePrograms(this, program);
      });

      it('passes requests and answers on, of several blocks, too', async () => {
        const server = coap.createServer((request, response) => {
          response.end(request.url === '/big' ? 'line\n'.repeat(1000) : `hello from ${request.url}`);
        });
        const port = await freePort();
        await new Promise<void>((resolve) => {
          server.listen(port, '127.0.0.1', () => {
            resolve();
          });
        });
        cleanup.add(() => new Promise<void>((resolve) => void server.close(() => { resolve(); })));
        const keys = join(folder, 'keys.txt');
        writeFileSync(keys, `someone-else:00ff\n\n${IDENTITY}:${Buffer.from(KEY).toString('hex')}\n`);
        const running = await proxy(port, ['--psk-file', keys]);
        const get = (path: string): PeerProcess =>
          cleanup.start(program, ['-B', '5', '-u', IDENTITY, '-k', KEY, `coaps://127.0.0.1:${running.port}${path}`]);
        const small = get('/lamp');
        await small.sees(/hello from \/lamp/);
        expect(await small.ends()).to.equal(0);
        const big = get('/big');
        expect(await big.ends()).to.equal(0);
        expect(big.output.match(/line/g)).to.have.length(1000);
        const [, ...events] = running.log();
        expect(events.filter(({ event }) => event === 'open').map(({ identity }) => identity)).to.deep.equal([
          IDENTITY,
          IDENTITY,
        ]);
      });
    });
  }

  describe('with DTLS in and plain UDP out', () => {
    it('loses nothing of five hundred sessions while the certificate is reloaded', async () => {
      const SESSIONS = 500;
      const AT_ONCE = 25;
      const target = await echo();
      const files = await certificateFiles();
      const { certificatePem: ca } = await createAuthority();
      const running = await proxy(target.port, [...files.arguments, '--no-watch', '--quiet', '--max-pending', String(AT_ONCE), '--max-pending-per-host', String(AT_ONCE), '--max-sessions-per-host', '1000']);
      const sessions: DTLSSocket[] = [];
      const first = await client(running.port, { ca });
      const answers = new Set<string>();
      /** Runs so many jobs at once as a kernel's default buffers hold the datagrams of. */
      const each = async (count: number, job: (index: number) => Promise<void>): Promise<void> => {
        let following = 0;
        const worker = async (): Promise<void> => {
          while (following < count) await job(following++);
        };
        await Promise.all(Array.from({ length: AT_ONCE }, worker));
      };
      const talk = (round: number) => async (index: number): Promise<void> => {
        const socket = sessions[index];
        if (socket !== undefined) answers.add(await ask(socket, `${round} ${index}`));
      };
      const openAndTalk = async (): Promise<void> => {
        const index = sessions.push(await client(running.port, { ca })) - 1;
        await talk(0)(index);
      };
      await each(SESSIONS / 2, openAndTalk);
      const renewed = await files.renew();
      // In the midst of traffic, and of handshakes.
      const reloaded = running.sees(/"event":"reload","ok":true/);
      const busy = Promise.all([each(SESSIONS / 2, talk(1)), each(SESSIONS / 2, openAndTalk)]);
      running.process.signal('SIGHUP');
      await Promise.all([busy, reloaded]);
      const late = await client(running.port, { ca });
      expect(subject(late)).to.equal(`CN=${renewed}`);
      expect(subject(first)).not.to.equal(`CN=${renewed}`);
      await each(SESSIONS, talk(2));
      expect(answers.size).to.equal(SESSIONS / 2 + SESSIONS + SESSIONS);
      expect(sessions.every(({ readyState }) => readyState === 'open')).to.be.true;
      running.process.signal('SIGTERM');
      expect(await running.process.ends()).to.equal(0);
      const end = running.log().at(-1);
      expect(end).to.deep.include({ event: 'end', sessionsOpened: SESSIONS + 2, sessionsFailed: 0 });
      expect((end?.toTarget as { datagrams: number }).datagrams).to.equal(answers.size);
      expect(Object.values(end?.dropped as object).every((count) => count === 0)).to.be.true;
    });

    it('notices new files by itself, and goes on with the old ones where the new are no use', async () => {
      const target = await echo();
      const files = await certificateFiles();
      const { certificatePem: ca } = await createAuthority();
      const running = await proxy(target.port, files.arguments);
      writeFileSync(files.cert, 'this is no certificate');
      await running.sees(/"event":"reload","ok":false/);
      expect(await ask(await client(running.port, { ca }), 'still')).to.equal('still');
      const renewed = await files.renew();
      await running.sees(/"event":"reload","ok":true/);
      expect(subject(await client(running.port, { ca }))).to.equal(`CN=${renewed}`);
      expect(running.log().find(({ ok }) => ok === true)?.validTo).to.be.a('string');
    });

    it('gives each session a socket of its own to the target', async () => {
      const target = dgram.createSocket('udp4');
      target.on('message', (_message, { port, address }) => {
        target.send(String(port), port, address);
      });
      target.bind(0, '127.0.0.1');
      await once(target, 'listening');
      cleanup.add(() => new Promise<void>((resolve) => target.close(resolve)));
      const running = await proxy(target.address().port, PSK);
      const [one, other] = [await client(running.port), await client(running.port)];
      const ports = [await ask(one, '?'), await ask(other, '?'), await ask(one, '?')];
      expect(ports[0]).to.equal(ports[2]).and.not.equal(ports[1]);
    });

    it('ends sessions that are idle, and tells their clients', async () => {
      const target = await echo();
      const running = await proxy(target.port, [...PSK, '--idle', '1500']);
      const socket = await client(running.port);
      const closed = next(socket, 'close');
      await ask(socket, 'once');
      await closed;
      await running.sees(/"event":"close".*"reason":"ERR_DTLS_IDLE_TIMEOUT"/);
    });

    it('goes on when the target is away for a while', async () => {
      const port = await freePort();
      const running = await proxy(port, PSK);
      const socket = await client(running.port);
      socket.send('nobody hears it');
      await running.sees(/"event":"trouble".*ECONNREFUSED/);
      const target = dgram.createSocket('udp4');
      target.on('message', (message, from) => {
        target.send(message, from.port, from.address);
      });
      target.bind(port, '127.0.0.1');
      await once(target, 'listening');
      cleanup.add(() => new Promise<void>((resolve) => target.close(resolve)));
      expect(await ask(socket, 'back')).to.equal('back');
    });

    it('drops what a record cannot hold, and counts it', async () => {
      const target = dgram.createSocket('udp4');
      target.on('message', (_message, { port, address }) => {
        for (const size of [0, 16385, 16384]) target.send(Buffer.alloc(size), port, address);
      });
      target.bind(0, '127.0.0.1');
      await once(target, 'listening');
      cleanup.add(() => new Promise<void>((resolve) => target.close(resolve)));
      const running = await proxy(target.address().port, PSK);
      const socket = await client(running.port);
      expect(await ask(socket, '?')).to.have.length(16384);
      running.process.signal('SIGINT');
      expect(await running.process.ends()).to.equal(130);
      expect(running.log().at(-1)?.dropped).to.include({ empty: 1, too_big: 1 });
    });

    it('lets answers arrive on SIGTERM, and turns new clients away', async () => {
      const target = await echo(300);
      const running = await proxy(target.port, PSK);
      const [talking, quiet] = [await client(running.port), await client(running.port)];
      const both = Promise.all([next(talking, 'close'), next(quiet, 'close')]);
      const answer = ask(talking, 'in flight');
      await within(
        (async () => {
          while (target.received.length === 0) await sleep(5);
        })(),
        'the question',
      );
      running.process.signal('SIGTERM');
      await running.sees(/"event":"drain","sessions":2/);
      const late = dialTo({ host: '127.0.0.1', port: running.port, ...PSK_CLIENT, handshakeTimeout: 400 });
      expect((await failure(late)).code).to.be.oneOf(['ERR_DTLS_NO_RESPONSE', 'ECONNREFUSED']);
      expect(await answer).to.equal('in flight');
      await both;
      expect(await running.process.ends()).to.equal(0);
    });

    it('does not wait longer than it may for sessions that go on and on', async () => {
      const target = await echo();
      const running = await proxy(target.port, [...PSK, '--drain', '300']);
      const socket = await client(running.port);
      const closed = next(socket, 'close');
      const chatter = setInterval(() => socket.send('and on'), 20);
      cleanup.add(() => {
        clearInterval(chatter);
      });
      await sleep(50);
      running.process.signal('SIGTERM');
      await closed;
      clearInterval(chatter);
      expect(await running.process.ends()).to.equal(0);
    });

    it('serves metrics that Prometheus can read', async () => {
      const target = await echo();
      const files = await certificateFiles();
      const { certificatePem: ca } = await createAuthority();
      const running = await proxy(target.port, [...files.arguments, '--metrics', '0']);
      const socket = await client(running.port, { ca });
      expect(await ask(socket, 'four')).to.equal('four');
      const at = `http://127.0.0.1:${running.metrics}`;
      const answer = await fetch(`${at}/metrics`);
      expect(answer.headers.get('content-type')).to.match(/^text\/plain; version=0\.0\.4/);
      const values = new Map<string, number>();
      for (const line of (await answer.text()).split('\n')) {
        if (line === '' || line.startsWith('#')) continue;
        const [, name, value] = /^([a-zA-Z_:][\w:]*(?:\{[^}]*\})?) ([-+.\w]+)$/.exec(line) ?? [];
        if (name === undefined) throw new Error(`not a sample: ${line}`);
        values.set(name, Number(value));
      }
      expect(Object.fromEntries(values)).to.include({
        'dtls_proxy_sessions': 1,
        'dtls_proxy_sessions_total{result="opened"}': 1,
        'dtls_proxy_datagrams_total{direction="to_target"}': 1,
        'dtls_proxy_bytes_total{direction="from_target"}': 4,
        'dtls_proxy_dropped_total{reason="limit"}': 0,
        'dtls_proxy_reloads_total{result="failed"}': 0,
        'dtls_sessions{role="server",state="open"}': 1,
        'dtls_messages_total{role="server",direction="in"}': 1,
      });
      const expiry = values.get('dtls_proxy_certificate_expiry_timestamp_seconds') ?? 0;
      expect(expiry * 1000).to.be.above(Date.now());
      expect(values.has('process_resident_memory_bytes')).to.be.true;
      expect((await fetch(`${at}/`)).status).to.equal(404);
      expect((await fetch(`${at}/metrics`, { method: 'POST' })).status).to.equal(405);
    });

    it('has no series of a certificate that it does not have', async () => {
      const target = await echo();
      const running = await proxy(target.port, ['--psk', '00112233', '--metrics', '0']);
      const text = await (await fetch(`http://127.0.0.1:${running.metrics}/metrics`)).text();
      expect(text).to.match(/^dtls_proxy_sessions 0$/m);
      expect(text).to.not.match(/^dtls_proxy_certificate_expiry_timestamp_seconds/m);
    });

    it('answers nobody with more than he sent, and bothers the target with nothing unproved', async () => {
      const target = await echo();
      const running = await proxy(target.port, PSK);
      const stranger = await plainClient();
      let answered = 0;
      stranger.on('message', (message) => (answered += message.length));
      // The ClientHello of a real client, without a cookie, and garbage.
      const spy = await plainClient();
      const hello = once(spy, 'message');
      const lost = dialTo({ host: '127.0.0.1', port: spy.address().port, ...PSK_CLIENT, handshakeTimeout: 300 });
      const gone = failure(lost);
      const [clientHello] = (await hello) as [Buffer];
      await gone;
      let sent = 0;
      for (let turn = 0; turn < 50; ++turn) {
        for (const datagram of [clientHello, Buffer.from('GET / HTTP/1.1'), Buffer.alloc(1), clientHello.subarray(0, 20)]) {
          stranger.send(datagram, running.port, '127.0.0.1');
          sent += datagram.length;
        }
        await sleep(2);
      }
      expect(await ask(await client(running.port), 'alive')).to.equal('alive');
      expect(answered).to.be.within(1, sent);
      expect(target.received).to.deep.equal(['alive']);
    });

    it('gives one host a tenth of its sessions, or as many as it is told', async () => {
      const target = await echo();
      for (const [args, most] of [
        [['--max-sessions', '20'], 2],
        [['--max-sessions', '20', '--max-sessions-per-host', '3'], 3],
      ] as const) {
        const running = await proxy(target.port, [...PSK, ...args]);
        for (let index = 0; index < most; ++index) await client(running.port);
        const further = dialTo({ host: '127.0.0.1', port: running.port, ...PSK_CLIENT, handshakeTimeout: 500 });
        expect((await failure(further)).category).to.equal('timeout');
      }
    });

    it('does not fill its log with the failures of others', async () => {
      const target = await echo();
      const running = await proxy(target.port, [...PSK, '--max-pending-per-host', '100']);
      const strangers = (count: number): Promise<unknown> =>
        Promise.all(
          Array.from({ length: count }, () =>
            failure(dialTo({ host: '127.0.0.1', port: running.port, pskCallback: () => ({ identity: 'x', psk: Buffer.from('y') }) })),
          ),
        );
      await strangers(100);
      await sleep(1000);
      await strangers(1);
      await running.sees(/"event":"unsaid"/);
      const events = running.log();
      const failed = events.filter(({ event }) => event === 'failed');
      const unsaid = events.filter(({ event }) => event === 'unsaid').map(({ failures }) => Number(failures));
      expect(failed[0]?.error).to.include({ code: 'ERR_DTLS_PSK_IDENTITY_UNKNOWN' });
      expect(failed.length + unsaid.reduce((sum, one) => sum + one, 0)).to.equal(101);
      expect(unsaid.length).to.be.above(0);
    });
  });

  describe('with plain UDP in and DTLS out', () => {
    const SERVER = {
      pskCallback: (_socket: DTLSSocket, identity: string | Buffer): Buffer | null =>
        identity === IDENTITY ? Buffer.from(KEY) : null,
    };

    it('gives each address and port a session of its own', async () => {
      const server = await listen(SERVER);
      server.on('secureConnection', (socket) => {
        socket.on('message', (message) => socket.send(`${socket.remotePort} ${String(message)}`));
      });
      const running = await proxy(portOf(server), ['--client', '--listen', '0', ...PSK]);
      expect(running.log()[0]).to.include({ address: '127.0.0.1', mode: 'client' });
      const [one, other] = [await plainClient(), await plainClient()];
      const answers = await Promise.all([askPlain(one, running.port, 'one'), askPlain(other, running.port, 'other')]);
      const ports = answers.map((answer) => answer.split(' ')[0]);
      expect(answers.map((answer) => answer.split(' ')[1])).to.deep.equal(['one', 'other']);
      expect(ports[0]).not.to.equal(ports[1]);
      expect(await askPlain(one, running.port, 'again')).to.equal(`${ports[0] ?? ''} again`);
      expect(server.stats.handshakesCompleted).to.equal(2);
    });

    it('speaks with GnuTLS', async function () {
      requirePrograms(this, 'gnutls-serv');
      const [, gnutls] = FOREIGN as [Foreign, Foreign];
      const files = new TemporaryFiles();
      cleanup.add(() => {
        files.remove();
      });
      const { port } = await gnutls.server(cleanup, files, { psk: { identity: IDENTITY, key: Buffer.from(KEY) } });
      const keylog = join(folder, 'keys.log');
      const running = await proxy(port, [
        ...['--client', '--listen', '0', '--ciphers', 'PSK-AES128-GCM-SHA256', '--keylog', keylog, ...PSK],
      ]);
      expect(await askPlain(await plainClient(), running.port, 'echo this\n')).to.equal('echo this\n');
      expect(readFileSync(keylog, 'utf8')).to.match(/^CLIENT_RANDOM /);
      expect(statSync(keylog).mode & 0o077).to.equal(0);
      expect(running.process.output).to.match(/--keylog makes DTLS sessions insecure/).and.not.match(/SSLKEYLOGFILE/);
    });

    it('keeps the first datagrams until the handshake is over', async () => {
      const server = await listen(SERVER);
      const accepted = next(server, 'secureConnection');
      const running = await proxy(portOf(server), ['--client', '--listen', '0', ...PSK]);
      const socket = await plainClient();
      for (const text of ['1', '2', '3']) socket.send(text, running.port, '127.0.0.1');
      const [peer] = await accepted;
      expect((await messages(peer, 3)).map(String)).to.have.members(['1', '2', '3']);
    });

    it('begins anew after a session has gone idle', async () => {
      const server = await listen(SERVER);
      server.on('secureConnection', (socket) => socket.on('message', (message) => socket.send(message)));
      const running = await proxy(portOf(server), ['--client', '--listen', '0', '--idle', '1500', ...PSK]);
      const socket = await plainClient();
      expect(await askPlain(socket, running.port, 'first')).to.equal('first');
      await running.sees(/"event":"close".*"reason":"ERR_DTLS_IDLE_TIMEOUT"/);
      expect(await askPlain(socket, running.port, 'second')).to.equal('second');
      expect(server.stats.handshakesCompleted).to.equal(2);
    });

    it('verifies the target, and spares it after a refusal', async () => {
      const { cert, key } = await certificate({ dnsNames: ['other.example'], ipAddresses: [] });
      const server = await listen({ cert, key });
      const ca = join(folder, 'ca.pem');
      writeFileSync(ca, (await createAuthority()).certificatePem);
      const running = await proxy(portOf(server), ['--client', '--listen', '0', '--ca', ca]);
      const socket = await plainClient();
      const knock = setInterval(() => {
        socket.send('knock', running.port, '127.0.0.1');
      }, 10);
      cleanup.add(() => {
        clearInterval(knock);
      });
      await running.sees(/"event":"failed".*ERR_TLS_CERT_ALTNAME_INVALID/);
      await sleep(300);
      clearInterval(knock);
      running.process.signal('SIGINT');
      await running.process.ends();
      const events = running.log();
      const began = events.find(({ event }) => event === 'failed')?.time;
      const { time, dropped, sessionsFailed } = events.at(-1) ?? {};
      expect((dropped as { held_back: number }).held_back).to.be.above(0);
      const seconds = (Date.parse(String(time)) - Date.parse(String(began))) / 1000;
      expect(Number(sessionsFailed)).to.be.at.most(1 + seconds);
    });

    it('has no more sessions than it may', async () => {
      const server = await listen(SERVER);
      server.on('secureConnection', (socket) => socket.on('message', (message) => socket.send(message)));
      const running = await proxy(portOf(server), ['--client', '--listen', '0', '--max-sessions', '2', ...PSK]);
      const [one, two, three] = [await plainClient(), await plainClient(), await plainClient()];
      expect(await askPlain(one, running.port, 'one')).to.equal('one');
      expect(await askPlain(two, running.port, 'two')).to.equal('two');
      await new Promise((resolve) => {
        three.send('three', running.port, '127.0.0.1', resolve);
      });
      // By then the datagram before has been looked at.
      expect(await askPlain(one, running.port, 'again')).to.equal('again');
      running.process.signal('SIGTERM');
      expect(await running.process.ends()).to.equal(0);
      expect(running.log().at(-1)).to.deep.include({ sessionsOpened: 2 });
      expect((running.log().at(-1)?.dropped as { limit: number }).limit).to.equal(1);
      expect(server.stats.handshakesStarted).to.equal(2);
    });
  });

  it('takes syslog from one machine to another, each known by its certificate', async function () {
    requirePrograms(this, 'logger');
    const collector = dgram.createSocket('udp4');
    const arrived = once(collector, 'message');
    collector.bind(0, '127.0.0.1');
    await once(collector, 'listening');
    cleanup.add(() => new Promise<void>((resolve) => collector.close(resolve)));
    const ca = join(folder, 'syslog-ca.pem');
    const authority = await createAuthority();
    writeFileSync(ca, authority.certificatePem);
    const files = await certificateFiles();
    const sender = await authority.issue({ commonName: 'sender-1.example', clientAuth: true });
    const [cert, key] = [join(folder, 'sender-cert.pem'), join(folder, 'sender-key.pem')];
    writeFileSync(cert, sender.cert);
    writeFileSync(key, sender.key);
    const front = await proxy(collector.address().port, [...files.arguments, '--ca', ca, '--syslog', '--heartbeat']);
    const back = await proxy(front.port, [
      ...['--client', '--shared', '--syslog', '--heartbeat', '20000', '--listen', '0'],
      ...['--cert', cert, '--key', key, '--ca', ca],
    ]);
    // By way of its standard input it would wait for more.
    const logger = cleanup.start('logger', [
      ...['--udp', '--server', '127.0.0.1', '--port', String(back.port), '--rfc5424', 'over DTLS'],
    ]);
    expect(await logger.ends()).to.equal(0);
    expect(String((await within(arrived, 'the message'))[0])).to.match(/^<\d+>1 .* over DTLS/);
    await front.sees(/"event":"open".*"identity":"CN=sender-1\.example"/);
    await expectRefused(front.port, authority.certificatePem);
  });

  /** A client without a certificate, where one is demanded. */
  async function expectRefused(port: number, ca: string): Promise<void> {
    const error = await failure(dialTo({ host: '127.0.0.1', port, ca }));
    expect(error.code).to.match(/^ERR_DTLS_ALERT_/);
  }

  describe('on a wrong command line', () => {
    const usual = ['proxy', '--listen', '127.0.0.1:0', '--target', '127.0.0.1:9'];

    it('exits with 2, and says what is wrong', async function () {
      this.timeout(120_000); // each of them is a process
      const keys = join(folder, 'bad-keys.txt');
      writeFileSync(keys, 'lamp:00ff\nlamp:xyz\n');
      const [commented, twice, spaced] = ['commented', 'twice', 'spaced'].map((name) => join(folder, name)) as [string, string, string];
      writeFileSync(commented, '# lamps\nlamp:00ff\n');
      writeFileSync(twice, 'lamp:00ff\nlamp:00fe\n');
      writeFileSync(spaced, 'lamp: 00ff\n');
      for (const [args, complaint] of [
        [['proxy', '--listen', '1'], /required option '--target/],
        [[...usual], /needs --cert and --key, --psk, or --psk-file/],
        [[...usual, '--psk-file', keys], /line 2 of .* is not identity:key/],
        [[...usual, '--psk-file', commented], /line 1 of .* is not identity:key[^]*no comments/],
        [[...usual, '--psk-file', twice], /line 2 of .* has an identity that stands above/],
        [[...usual, '--psk-file', spaced], /line 1 of .*[^]*no space/],
        [[...usual, '--cert', keys, '--key', keys], /--cert: there is no certificate in .*bad-keys\.txt/],
        [[...usual, '--psk', '00', '--insecure'], /are for --client/],
        [[...usual, '--client', '--psk', '00', '--servername', '127.0.0.1'], /--servername cannot be an IP address/],
        [[...usual, '--client', '--psk-file', keys], /--psk-file is for servers/],
        [[...usual, '--psk', '00', '--shared'], /--shared is for --client/],
        [[...usual, '--client', '--psk', '00', '--queue', '5'], /--queue is for --shared/],
        [[...usual, '--client', '--shared', '--psk', '00', '--queue', '0'], /whole number from 1/],
        [[...usual, '--psk', '00', '--heartbeat', 'often'], /whole number/],
        [[...usual, '--psk', '00', '--idle', '-1'], /whole number/],
        [[...usual, '--psk', '00', '--metrics', 'nonsense'], /Write host:port/],
      ] as const) {
        const { code, stderr, stdout } = await cli(args);
        expect(stderr, args.join(' ')).to.match(complaint);
        expect(code, args.join(' ')).to.equal(2);
        expect(stdout).to.equal('');
      }
    });

    it('says what to do where the port of --metrics is taken', async () => {
      const taken = createServer().listen(0, '127.0.0.1');
      await once(taken, 'listening');
      cleanup.add(() => new Promise<void>((resolve) => taken.close(() => { resolve(); })));
      const { port } = taken.address() as AddressInfo;
      const { code, stderr } = await cli([...usual, '--psk', '00', '--metrics', String(port)]);
      expect(stderr).to.match(/EADDRINUSE[^]*hint: .*choose another one/);
      expect(code).to.equal(1);
    });

    it('exits with 1 when a port is taken, or a name is not found', async () => {
      const taken = (await echo()).port;
      const at = ['proxy', '--target', '127.0.0.1:9', ...PSK];
      for (const [args, complaint] of [
        [[...at, '--listen', `127.0.0.1:${taken}`], /EADDRINUSE/],
        [[...at, '--client', '--listen', `127.0.0.1:${taken}`], /EADDRINUSE/],
        // Too long a label to ask anybody for.
        [['proxy', '--listen', '127.0.0.1:0', '--target', `${'x'.repeat(64)}.invalid:9`, ...PSK], /ENOTFOUND|EAI_\w+/],
      ] as const) {
        const { code, stderr } = await cli(args);
        expect(stderr, args.join(' ')).to.match(complaint);
        expect(code, args.join(' ')).to.equal(1);
      }
    });
  });
});
