// Protects: that the programs of docs/recipes.md do what the page says, as they stand there.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import dgram from 'node:dgram';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect } from 'chai';
import type { ConnectOptions, DTLSServer, DTLSSocket, ServerOptions } from '../../lib/index';
import { handleOf } from '../../lib/transport/dgram';
import { closeEverything, dialTo, failure, listen, messages, next, portOf, within } from '../helpers/pair';
import { programsOf, removePrograms, unitsOf } from '../helpers/pages';
import { patience } from '../helpers/patience';
import { freePort, skip } from '../helpers/peers';

const KEY = '0123456789abcdef0123456789abcdef';
const psk = { identity: 'lamp-7', psk: Buffer.from(KEY, 'hex') };
const QUICK = { retransmission: { initial: patience(50), max: patience(100) } };

type StayConnected = (
  options: Partial<ConnectOptions>,
  signal: AbortSignal,
  use: (socket: DTLSSocket) => void,
  waits: { first: number; longest: number; report: (code: string) => void },
) => Promise<void>;
type ListenOn = (addresses: string[], port: number, options: ServerOptions, use: () => void) => DTLSServer[];

describe('docs/recipes.md', function () {
  this.timeout(patience(30_000));
  let folder = '';
  const children = new Set<ChildProcess>();

  before(() => {
    folder = programsOf('docs/recipes.md');
  });
  after(() => {
    removePrograms(folder);
  });
  afterEach(async () => {
    for (const child of children) child.kill('SIGKILL');
    children.clear();
    await closeEverything();
  });

  interface Program {
    readonly child: ChildProcess;
    /** Waits for that on its output. */
    prints(what: RegExp): Promise<string>;
    readonly ended: Promise<number | null>;
  }

  function start(command: string, args: string[], env: Record<string, string> = {}, fds: (number | undefined)[] = []): Program {
    const child = spawn(command, args, {
      cwd: folder,
      env: { ...process.env, KEY, ...env },
      stdio: ['ignore', 'pipe', 'pipe', ...fds],
    });
    children.add(child);
    let text = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (part: string) => (text += part));
    }
    const ended = once(child, 'exit').then(([code]) => code as number | null);
    let from = 0;
    return {
      child,
      ended,
      async prints(what) {
        const deadline = Date.now() + patience(15_000);
        for (;;) {
          const found = what.exec(text.slice(from));
          if (found !== null) {
            from += found.index + found[0].length;
            return found[1] ?? '';
          }
          if (Date.now() > deadline || child.exitCode !== null) throw new Error(`no ${String(what)} in: ${text}`);
          await new Promise((resolve) => setTimeout(resolve, 10));
        }
      },
    };
  }
  const node = (file: string, env?: Record<string, string>, ...fds: (number | undefined)[]): Program =>
    start(process.execPath, [file], env, fds);
  const load = (file: string): Promise<unknown> => import(pathToFileURL(join(folder, file)).href);

  async function boundSocket(): Promise<dgram.Socket> {
    const socket = dgram.createSocket('udp4');
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    return socket;
  }

  async function echoes(port: number, host = '127.0.0.1'): Promise<void> {
    const client = dialTo({ host, port, psk, ...QUICK });
    await next(client, 'secureConnect');
    const answer = messages(client, 1);
    client.send('hello');
    expect((await answer).toString()).to.equal('hello');
    client.close();
  }

  describe('socket activation', () => {
    it('serves on the descriptor that systemd passes', async () => {
      const holder = await boundSocket();
      const { port } = holder.address();
      const server = node('server.mjs', { LISTEN_FDS: '1' }, handleOf(holder)?.fd);
      holder.close(); // or it would read what is meant for the other
      expect(await server.prints(/listening on UDP port (\d+)/)).to.equal(String(port));
      await echoes(port);
      server.child.kill('SIGTERM');
      expect(await server.ended).to.equal(0);
    });

    it('is started by the first datagram, which is not lost', async function () {
      if (spawnSync('systemd-socket-activate', ['--version']).status !== 0) skip(this, 'needs systemd-socket-activate');
      const port = await freePort();
      // It passes nothing else on: which transport and which addon, and what a sanitized addon needs.
      const passed = ['DGRAM_DTLS_TRANSPORT', 'DGRAM_DTLS_ADDON', 'LD_PRELOAD', 'ASAN_OPTIONS', 'UBSAN_OPTIONS'];
      const set = ['KEY', ...passed.filter((name) => process.env[name] !== undefined)];
      const activator = start('systemd-socket-activate', [
        ...['--datagram', `--listen=127.0.0.1:${String(port)}`, ...set.map((name) => `--setenv=${name}`)],
        ...[process.execPath, 'server.mjs'],
      ]);
      await activator.prints(/Listening on/);
      await echoes(port);
    });

    it('serves on each of the descriptors that systemd passes', async () => {
      const holders = [await boundSocket(), await boundSocket()];
      const ports = holders.map((holder) => holder.address().port);
      const server = node('server.mjs', { LISTEN_FDS: '2' }, ...holders.map((holder) => handleOf(holder)?.fd));
      for (const holder of holders) holder.close();
      await server.prints(/listening[^]*listening/);
      for (const port of ports) await echoes(port);
      server.child.kill('SIGTERM');
      expect(await server.ended).to.equal(0);
    });

    it('has units of which systemd says nothing, as docs/proxy.md has', function () {
      if (spawnSync('systemd-analyze', ['--version']).status !== 0) skip(this, 'needs systemd-analyze');
      const units = [...unitsOf('docs/recipes.md'), ...unitsOf('docs/proxy.md')];
      expect(units).to.have.length(3);
      const verify = (name: string, text: string): string => {
        writeFileSync(join(folder, name), text.replace('/usr/bin/node', process.execPath));
        const { status, stdout, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', `./${name}`], { cwd: folder, encoding: 'utf8' });
        return `${String(status)} ${stdout}${stderr}`;
      };
      // A socket unit is looked at together with its service, so all lie there first.
      for (const { name = 'proxy.service', text } of [...units].reverse()) expect(verify(name, text), name).to.equal('0 ');
      expect(verify('wrong.service', '[Service]\nExecStrat=/usr/bin/node\n')).to.include('ExecStrat');
    });

    it('without systemd it binds the port itself', async () => {
      const port = await freePort();
      await node('server.mjs', { PORT: String(port) }).prints(/listening/);
      await echoes(port);
    });
  });

  it('a client connects again: after a close, and after a server that was killed', async () => {
    const { stayConnected } = (await load('stay-connected.mjs')) as { stayConnected: StayConnected };
    const port = await freePort();
    const env = { PORT: String(port) };
    const ending = new AbortController();
    const sessions: DTLSSocket[] = [];
    const reported: string[] = [];
    const heartbeat = { interval: 50, timeout: 50, retries: 1 };
    const options = { host: '127.0.0.1', port, psk, heartbeat, handshakeTimeout: 500, ...QUICK };
    const done = stayConnected(options, ending.signal, (socket) => sessions.push(socket), {
      ...{ first: 20, longest: 100 },
      report: (code) => reported.push(code),
    });
    const count = async (wanted: number): Promise<void> => {
      const deadline = Date.now() + patience(10_000);
      while (sessions.length < wanted && Date.now() < deadline) await new Promise((go) => setTimeout(go, 5));
      expect(sessions.length).to.be.at.least(wanted);
    };
    for (const [round, signal] of (['SIGTERM', 'SIGKILL', undefined] as const).entries()) {
      const server = node('server.mjs', env);
      await count(round + 1);
      if (signal === undefined) break;
      server.child.kill(signal);
      await server.ended;
    }
    expect(reported).to.include('ERR_DTLS_HEARTBEAT_TIMEOUT');
    ending.abort();
    await within(done, 'the end of it');
  });

  it('one address of many: each is served from itself, and no other is', async function () {
    if (process.platform !== 'linux') skip(this, 'needs Linux, which has many addresses on loopback');
    const { listenOn } = (await load('addresses.mjs')) as { listenOn: ListenOn };
    const port = await freePort();
    const addresses = ['127.0.0.1', '127.0.0.2'];
    const servers = listenOn(addresses, port, { psk }, () => undefined);
    try {
      await Promise.all(servers.map((server) => next(server, 'listening')));
      // A client's socket is connected: it hears of nobody but the address that it asked.
      for (const host of addresses) await next(dialTo({ host, port, psk, ...QUICK }), 'secureConnect');
      expect(servers.map(({ stats }) => stats.handshakesCompleted)).to.deep.equal([1, 1]);
      expect((await failure(dialTo({ host: '127.0.0.3', port, psk, ...QUICK }))).code).to.equal('ECONNREFUSED');
    } finally {
      for (const server of servers) server.close();
    }
  });

  describe('more processes, or fewer: one that ends by itself', () => {
    before(function () {
      const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
      const old = major < 22 || (major === 22 && minor < 12);
      if (process.platform !== 'linux' || (old && process.env.DGRAM_DTLS_TRANSPORT === 'dgram')) {
        skip(this, 'needs Linux, and over node:dgram Node 22.12 or later');
      }
    });

    it('at start ends all of them, with exit code 1 and a line', async () => {
      const holder = await boundSocket();
      const fleet = node('processes.mjs', { PORT: String(holder.address().port) });
      await fleet.prints(/EADDRINUSE[^]*^process \d+ ended by itself \(1\)$/m);
      expect(await fleet.ended).to.equal(1);
      holder.close();
    });

    it('later is replaced: all of them begin anew', async () => {
      const port = await freePort();
      const fleet = node('processes.mjs', { PORT: String(port) });
      await fleet.prints(/^processes: 1/m);
      const ask = async (): Promise<string> => {
        const client = dialTo({ host: '127.0.0.1', port, psk, ...QUICK });
        await next(client, 'secureConnect');
        const answer = messages(client, 1);
        client.send('hello');
        const [pid = ''] = (await answer).toString().split(': ');
        client.close();
        return pid;
      };
      const pid = await ask();
      process.kill(Number(pid), 'SIGKILL');
      await fleet.prints(/^process \d+ ended by itself \(SIGKILL\)$[^]*^processes: 1/m);
      expect(await ask()).not.to.equal(pid);
      fleet.child.kill('SIGUSR2');
      await fleet.prints(/^processes: 2/m);
      fleet.child.kill('SIGTERM');
      expect(await fleet.ended).to.equal(0);
    });
  });

  it('a program without KEY says what is missing, and ends with exit code 1', async () => {
    for (const file of ['server.mjs', 'health.mjs', 'processes.mjs']) {
      const program = node(file, { KEY: '' });
      await program.prints(/KEY has to be the pre-shared key/);
      expect(await program.ended, file).to.equal(1);
    }
  });

  it('more processes, or fewer: clients come back by themselves, and are served', async function () {
    const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
    const old = major < 22 || (major === 22 && minor < 12);
    if (process.platform !== 'linux' || (old && process.env.DGRAM_DTLS_TRANSPORT === 'dgram')) {
      skip(this, 'needs Linux, and over node:dgram Node 22.12 or later');
    }
    const { stayConnected } = (await load('stay-connected.mjs')) as { stayConnected: StayConnected };
    const port = await freePort();
    const fleet = node('processes.mjs', { PORT: String(port) });
    await fleet.prints(/^processes: 1/m);
    const ending = new AbortController();
    const answers: string[] = [];
    let reused = 0;
    const clients = Array.from({ length: 8 }, (_, index) =>
      stayConnected(
        { host: '127.0.0.1', port, psk, handshakeTimeout: 500, ...QUICK },
        ending.signal,
        (socket) => {
          if (socket.isSessionReused()) reused += 1;
          socket.on('message', (message) => answers.push(message.toString()));
          socket.send(`client ${String(index)}`);
        },
        { first: 300, longest: 600, report: () => undefined },
      ),
    );
    /** Until each client was answered once more; by how many processes? */
    const served = async (): Promise<number> => {
      const deadline = Date.now() + patience(10_000);
      while (answers.length < clients.length && Date.now() < deadline) await new Promise((go) => setTimeout(go, 5));
      const parts = answers.splice(0).map((answer) => answer.split(': '));
      expect(new Set(parts.map(([, client]) => client)).size).to.equal(clients.length);
      return new Set(parts.map(([pid]) => pid)).size;
    };
    expect(await served()).to.equal(1);
    fleet.child.kill('SIGUSR2');
    await fleet.prints(/^processes: 2/m);
    expect(await served()).to.be.within(1, 2);
    fleet.child.kill('SIGHUP');
    await fleet.prints(/^processes: 1/m);
    expect(await served()).to.equal(1);
    expect(reused).to.be.above(0);
    ending.abort();
    await within(Promise.all(clients), 'the clients');
    fleet.child.kill('SIGTERM');
    expect(await fleet.ended).to.equal(0);
  });

  it('in a container: on a read-only file system, without capabilities and new privileges', async function () {
    // As root of a namespace of its own, all that is mounted becomes read-only, and all capabilities go.
    const script = [
      'mount -o remount,bind,ro / && ! touch "$0.written" 2>/dev/null',
      'exec setpriv --no-new-privs --bounding-set=-all --inh-caps=-all "$@"',
    ].join(' && ');
    const inside = ['--user', '--map-root-user', '--mount', 'sh', '-c', script, join(folder, 'try')];
    const probe = spawnSync('unshare', [...inside, 'grep', 'CapEff', '/proc/self/status'], { encoding: 'utf8' });
    if (probe.status !== 0) skip(this, `needs unshare, mount and setpriv: ${probe.stderr}`);
    expect(probe.stdout).to.match(/0000000000000000/);
    const port = await freePort();
    const server = start('unshare', [...inside, process.execPath, 'server.mjs'], { PORT: String(port) });
    await server.prints(/listening/);
    await echoes(port);
  });

  it('health checks: 0 where a server answers, 1 where none does or it takes nobody new', async () => {
    const port = await freePort();
    const env = { PORT: String(port) };
    expect(await node('health.mjs', env).ended).to.equal(1);
    const server = node('server.mjs', env);
    await server.prints(/listening/);
    expect(await node('health.mjs', env).ended).to.equal(0);
    server.child.kill('SIGTERM');
    await server.ended;
    const busy = await listen({ psk });
    busy.busy = true;
    expect(await node('health.mjs', { PORT: String(portOf(busy)) }).ended).to.equal(1);
  });
});
