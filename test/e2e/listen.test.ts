/**
 * Protects `listen` and `bind` of servers: they take every form that `listen` of node:net and `bind` of node:dgram
 * take, to the same effect, on both transports; and they refuse everything else, so that nobody listens where he did
 * not mean to.
 */
import { expect } from 'chai';
import { spawn } from 'node:child_process';
import dgram from 'node:dgram';
import dns from 'node:dns';
import { getEventListeners, once } from 'node:events';
import net, { type AddressInfo } from 'node:net';
import { connect, createServer, DTLSError, type DTLSServer, type ListenOptions } from '../../lib/index';
import { Link } from '../../lib/lab/index';
import { automaticTransport } from '../../lib/options/udp';
import { handleOf } from '../../lib/transport/dgram';
import { hasNativeUdp } from '../../lib/transport/native-udp';
import { fixture } from '../helpers/child';
import { closeEverything, failure, next, PSK_CLIENT, PSK_SERVER, within } from '../helpers/pair';
import { patience } from '../helpers/patience';
import { freePort, skip } from '../helpers/peers';
import { thrown } from '../helpers/thrown';

afterEach(closeEverything);

const transports = hasNativeUdp ? (['native', 'dgram'] as const) : (['dgram'] as const);
const ANY = ['::', '0.0.0.0'];

/** What a call of listen or bind leads to: where it listens, or that it does not. */
interface Listening {
  host: string;
  /** The one that was asked for, or any. */
  port: 'given' | 'any';
}

interface Listener extends NodeJS.EventEmitter {
  address(): unknown;
  close(callback?: () => void): unknown;
}

/** `call` makes `listener` listen, and passes its last argument on. */
async function outcome(listener: Listener, port: number, call: (done: () => void) => void): Promise<Listening | string> {
  const where = new Promise<Listening | string>((resolve) => {
    listener.once('error', (error: NodeJS.ErrnoException) => {
      resolve(error.code ?? error.message);
    });
    try {
      call(() => {
        const { address, port: bound } = listener.address() as AddressInfo;
        const host = ANY.includes(address) ? 'any' : address;
        listener.close();
        resolve({ host, port: bound === port ? 'given' : 'any' });
      });
    } catch (error) {
      resolve((error as NodeJS.ErrnoException).code ?? String(error));
    }
  });
  return within(where, 'listening, or an error');
}

const server = (): DTLSServer => createServer(PSK_SERVER);
type Call = (...args: unknown[]) => unknown;
const listenOn = (one: DTLSServer): Call => one.listen.bind(one) as Call;

describe('listen: every form of net and dgram, everything else refused', () => {
  /** Arguments for a port; the callback comes behind them. */
  const forms: readonly [name: string, args: (port: number) => unknown[]][] = [
    ['listen()', () => []],
    ['listen(null)', () => [null]],
    ['listen(undefined)', () => [undefined]],
    ['listen(port)', (port) => [port]],
    ["listen('port')", (port) => [String(port)]],
    ["listen('0')", () => ['0']],
    ['listen(port, host)', (port) => [port, '127.0.0.1']],
    ["listen('port', host)", (port) => [String(port), '127.0.0.1']],
    ['listen(port, undefined)', (port) => [port, undefined]],
    ["listen(port, '')", (port) => [port, '']],
    ['listen({ port })', (port) => [{ port }]],
    ["listen({ port: 'port' })", (port) => [{ port: String(port) }]],
    ['listen({ port: null })', () => [{ port: null }]],
    ['listen({ port: undefined })', () => [{ port: undefined }]],
    ['listen({ port, exclusive })', (port) => [{ port, exclusive: true }]],
  ];
  const ofNet: typeof forms = [
    ['listen(port, host, backlog)', (port) => [port, '127.0.0.1', 511]],
    ['listen(port, backlog)', (port) => [port, 511]],
    ['listen({ port, host })', (port) => [{ port, host: '127.0.0.1' }]],
    ["listen({ port, host: '' })", (port) => [{ port, host: '' }]],
    ['listen({ port, host: undefined })', (port) => [{ port, host: undefined }]],
    ['listen({ port, host, backlog })', (port) => [{ port, host: '127.0.0.1', backlog: 5 }]],
    ['listen({ port, host: IPv6, ipv6Only })', (port) => [{ port, host: '::1', ipv6Only: true }]],
  ];
  const ofDgram: typeof forms = [
    ['bind({ port, address })', (port) => [{ port, address: '127.0.0.1' }]],
    ['bind({ address })', () => [{ address: '127.0.0.1' }]],
    ['bind({})', () => [{}]],
    ["bind({ port, address: '' })", (port) => [{ port, address: '' }]],
  ];

  for (const [name, args] of [...forms, ...ofNet]) {
    it(`${name} as net does`, async () => {
      const port = await freePort();
      const theirs = net.createServer();
      const expected = await outcome(theirs, port, (done) => (theirs.listen.bind(theirs) as Call)(...args(port), done));
      expect(expected).to.have.property('host');
      const ours = server();
      expect(await outcome(ours, port, (done) => listenOn(ours)(...args(port), done))).to.deep.equal(expected);
    });
  }
  for (const [name, args] of [...forms, ...ofDgram]) {
    it(`${name.replace('listen', 'bind')} as dgram does`, async () => {
      const port = await freePort();
      const theirs = dgram.createSocket('udp4');
      const expected = await outcome(theirs, port, (done) => (theirs.bind.bind(theirs) as Call)(...args(port), done));
      expect(expected).to.have.property('host');
      const ours = server();
      const call = ours.bind.bind(ours) as Call;
      expect(await outcome(ours, port, (done) => call(...args(port), done))).to.deep.equal(expected);
    });
  }

  it('reusePort and ipv6Only of listen count as those of the server', async function () {
    const options: ListenOptions = { port: 0, host: '::', ipv6Only: true };
    const six = server();
    six.listen(options);
    await next(six, 'listening');
    const four = server();
    four.listen({ port: six.address()?.port, host: '0.0.0.0' });
    await next(four, 'listening');
    await Promise.all([six[Symbol.asyncDispose](), four[Symbol.asyncDispose]()]);

    const shared = [server(), server()] as const;
    try {
      shared[0].listen({ host: '127.0.0.1', reusePort: true });
    } catch (error) {
      // dgram of Node 20 has no such option.
      expect(error).to.have.property('code', 'ERR_DTLS_UNSUPPORTED');
      return;
    }
    await next(shared[0], 'listening');
    shared[1].listen({ port: shared[0].address()?.port, host: '127.0.0.1', reusePort: true });
    await next(shared[1], 'listening');
    for (const one of shared) await one[Symbol.asyncDispose]();
  });

  const wrong: readonly [name: string, args: unknown[], code: string, hint?: RegExp][] = [
    ["a port that is no number: 'x'", ['x'], 'ERR_SOCKET_BAD_PORT'],
    ['an empty port', [''], 'ERR_SOCKET_BAD_PORT'],
    ['a path', ['/tmp/socket'], 'ERR_SOCKET_BAD_PORT'],
    ['a port above 65535', ['65536'], 'ERR_SOCKET_BAD_PORT'],
    ['a negative one', [-1], 'ERR_SOCKET_BAD_PORT'],
    ['a boolean', [true], 'ERR_SOCKET_BAD_PORT'],
    ['an object after the port', [5996, { host: '127.0.0.1' }], 'ERR_INVALID_ARG_TYPE'],
    ['an object after the options', [{}, { host: '127.0.0.1' }], 'ERR_INVALID_ARG_TYPE'],
    ['a host after the options', [{ port: 5996 }, '127.0.0.1'], 'ERR_INVALID_ARG_TYPE'],
    ['a callback that is none', [0, '127.0.0.1', 'callback'], 'ERR_INVALID_ARG_TYPE'],
    ['something after the callback', [0, (): void => undefined, 'x'], 'ERR_INVALID_ARG_TYPE'],
    ['a misspelt host', [{ port: 0, hots: '127.0.0.1' }], 'ERR_DTLS_UNKNOWN_OPTION', /'host'/],
    ['a misspelt port', [{ prot: 5684 }], 'ERR_DTLS_UNKNOWN_OPTION', /'port'/],
    ['a path as an option', [{ path: '/tmp/x' }], 'ERR_DTLS_UNKNOWN_OPTION'],
    ["pipes' readableAll", [{ port: 0, readableAll: true }], 'ERR_DTLS_UNKNOWN_OPTION'],
    ['a host that is no string', [{ host: 7 }], 'ERR_INVALID_ARG_TYPE'],
    ['an address that is no string', [{ address: 7 }], 'ERR_INVALID_ARG_TYPE'],
    ['two different hosts', [{ host: '127.0.0.1', address: '::1' }], 'ERR_DTLS_CONFLICTING_OPTIONS'],
    ['an exclusive that is no boolean', [{ exclusive: 1 }], 'ERR_INVALID_ARG_TYPE'],
    ['a backlog that is no number', [{ backlog: '5' }], 'ERR_INVALID_ARG_TYPE'],
    ['a signal that is none', [{ signal: {} }], 'ERR_INVALID_ARG_TYPE'],
    ['a signal that only inherits from one', [{ signal: Object.create(AbortSignal.prototype) as unknown }], 'ERR_INVALID_ARG_TYPE'],
    ['an array in place of options', [[]], 'ERR_INVALID_ARG_TYPE'],
    ['an array of a port', [[5684]], 'ERR_INVALID_ARG_TYPE'],
    ['a Date in place of options', [new Date()], 'ERR_INVALID_ARG_TYPE'],
    ['a URL in place of options', [new URL('coaps://127.0.0.1')], 'ERR_INVALID_ARG_TYPE'],
    ['a Promise in place of options', [Promise.resolve({ port: 0 })], 'ERR_INVALID_ARG_TYPE', /^Await it/],
    ['a Buffer in place of options', [Buffer.alloc(0)], 'ERR_INVALID_ARG_TYPE'],
    ['a descriptor that is no number', [{ fd: '3' }], 'ERR_INVALID_ARG_TYPE', /Number\(fd\)/],
    ['a negative descriptor', [{ fd: -1 }], 'ERR_OUT_OF_RANGE'],
    ['a descriptor of a file', [{ fd: 2 }], 'ERR_INVALID_FD_TYPE', /SOCK_DGRAM/],
    ['the descriptor 0 of a terminal, a pipe or a file', [{ fd: 0 }], 'ERR_INVALID_FD_TYPE', /SOCK_DGRAM/],
    ['a descriptor of nothing', [{ fd: 9999 }], 'ERR_INVALID_FD_TYPE'],
  ];
  for (const [name, args, code, hint] of wrong) {
    it(`refuses ${name}`, async () => {
      const ours = server();
      for (const call of [ours.listen.bind(ours), ours.bind.bind(ours)] as Call[]) {
        let thrown: unknown;
        try {
          call(...args);
        } catch (error) {
          thrown = error;
        }
        expect(thrown).to.be.instanceOf(DTLSError).with.property('code', code);
        if (hint !== undefined) expect((thrown as DTLSError).hint).to.match(hint);
      }
      // It has not begun to listen: it may be called again.
      ours.listen(0, '127.0.0.1');
      await next(ours, 'listening');
      await ours[Symbol.asyncDispose]();
    });
  }

  it('refuses the descriptor of a socket that is not bound', async function () {
    const socket = dgram.createSocket('udp4');
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    // Linux takes a port back that it had chosen itself.
    socket.connect(9, '127.0.0.1');
    await once(socket, 'connect');
    socket.disconnect();
    try {
      if (socket.address().port !== 0) skip(this, 'this system leaves such a socket its port');
      for (const transport of transports) {
        const ours = createServer({ ...PSK_SERVER, transport });
        const error = thrown(() => ours.listen({ fd: handleOf(socket)?.fd }));
        expect(error.code).to.equal('ERR_INVALID_FD_TYPE');
        expect(error.hint).to.include('bound');
      }
    } finally {
      socket.close();
    }
  });

  for (const transport of transports) {
    it(`a listen that failed leaves nothing behind, and may be repeated, over '${transport}'`, async () => {
      const busy = dgram.createSocket('udp4').bind(0, '127.0.0.1');
      await once(busy, 'listening');
      const ours = createServer({ ...PSK_SERVER, transport });
      const controller = new AbortController();
      const { signal } = controller;
      const left = (): number[] => [
        getEventListeners(signal, 'abort').length,
        ours.listenerCount('listening'),
        ours.listenerCount('close'),
      ];
      const before = left();
      const called: number[] = [];
      for (let times = 0; times < 12; ++times) {
        const failed = next(ours, 'error');
        ours.listen({ port: busy.address().port, host: '127.0.0.1', signal }, () => called.push(times));
        expect((await failed)[0].code).to.equal('EADDRINUSE');
        expect(left()).to.deep.equal(before);
      }
      const { lookup } = dns;
      try {
        // As a cache that is put in its place may do.
        dns.lookup = (() => { throw new Error('no resolver'); }) as unknown as typeof dns.lookup;
        const failed = next(ours, 'error');
        ours.listen({ host: 'localhost', signal }, () => called.push(-1));
        expect((await failed)[0]).to.include({ message: 'no resolver', category: 'io' });
        expect(left()).to.deep.equal(before);
      } finally {
        dns.lookup = lookup;
      }
      ours.listen({ port: 0, host: '127.0.0.1', signal }, () => called.push(100));
      await next(ours, 'listening');
      expect(called).to.deep.equal([100]);
      controller.abort();
      await next(ours, 'close');
      expect(left()).to.deep.equal(before);
      busy.close();
      await once(busy, 'close');
    });
  }

  it('a signal is asked itself, whatever its properties say', async () => {
    for (const lie of [() => true, () => { throw new Error('not told'); }]) {
      const controller = new AbortController();
      Object.defineProperty(controller.signal, 'aborted', { get: lie });
      const ours = server();
      ours.listen({ port: 0, host: '127.0.0.1', signal: controller.signal });
      await next(ours, 'listening');
      controller.abort();
      await next(ours, 'close');
      const client = connect({ host: '127.0.0.1', port: 9, ...PSK_CLIENT, signal: controller.signal });
      expect((await failure(client)).code).to.equal('ABORT_ERR');
    }
    const signal = Object.create(AbortSignal.prototype) as AbortSignal;
    for (const refused of [
      () => createServer({ ...PSK_SERVER, signal }),
      () => connect({ host: '127.0.0.1', port: 9, ...PSK_CLIENT, signal }),
    ]) {
      expect(thrown(refused).code).to.equal('ERR_INVALID_ARG_TYPE');
    }
  });

  it('says of what is behind the callback, or in its place, what is wrong with it', () => {
    const done = (): void => undefined;
    for (const [code, message, ...args] of [
      ['ERR_INVALID_ARG_VALUE', 'listen() was given more arguments than it takes', 0, '127.0.0.1', 5, done, 3],
      ['ERR_INVALID_ARG_VALUE', 'listen() was given more arguments than it takes', 0, '127.0.0.1', 5, done, 3, 4],
      ['ERR_INVALID_ARG_VALUE', 'listen() was given more arguments than it takes', { port: 0 }, done, 3],
      ['ERR_INVALID_ARG_VALUE', 'listen() was given more arguments than it takes', 0, '127.0.0.1', 5, 6, done],
      ['ERR_INVALID_ARG_TYPE', "'callback' must be a function, not number", 0, '127.0.0.1', 5, 3],
      ['ERR_INVALID_ARG_TYPE', "'callback' must be a function, not string", { port: 0 }, '127.0.0.1'],
    ] as const) {
      const error = thrown(() => listenOn(server())(...args));
      expect(error).to.include({ code, message });
      expect(error.hint).to.include('backlog');
    }
  });

  it('refuses a socket, and says where it belongs', async () => {
    const socket = dgram.createSocket('udp4');
    expect(() => listenOn(server())(socket))
      .to.throw(DTLSError)
      .with.property('hint')
      .that.includes("'transport'");
    socket.close();
    await once(socket, 'close');
  });

  it('refuses another place than that of a transport of its own', async () => {
    const link = new Link('listen');
    const transport = link.attach('10.0.0.1', 5684);
    const ours = createServer({ ...PSK_SERVER, transport });
    expect(() => ours.listen(5685))
      .to.throw(DTLSError)
      .with.property('code', 'ERR_DTLS_CONFLICTING_OPTIONS');
    ours.listen(5684);
    await next(ours, 'listening');
    expect(ours.address()).to.include({ address: '10.0.0.1', port: 5684 });
    await ours[Symbol.asyncDispose]();
  });

  for (const when of ['before', 'while it binds', 'afterwards'] as const) {
    it(`a signal that is aborted ${when} closes it, as net's`, async () => {
      const run = async (listener: Listener, listen: Call): Promise<string[]> => {
        const controller = new AbortController();
        const seen: string[] = [];
        listener.on('listening', () => {
          seen.push('listening');
          if (when === 'afterwards') controller.abort();
        });
        listener.on('close', () => seen.push('close'));
        const closed = once(listener, 'close');
        if (when === 'before') controller.abort();
        listen({ port: 0, signal: controller.signal });
        if (when === 'while it binds') controller.abort();
        await within(closed, 'close');
        return seen;
      };
      const [theirs, ours] = [net.createServer(), server()];
      const expected = await run(theirs, theirs.listen.bind(theirs) as Call);
      expect(await run(ours, listenOn(ours))).to.deep.equal(expected);
    });
  }

  for (const [type, host, shown, descriptor] of [
    ['udp4', '127.0.0.1', { address: '127.0.0.1', family: 'IPv4' }, 3],
    ['udp6', '::1', { address: '::1', family: 'IPv6' }, 3],
    ['udp4', '127.0.0.1', { address: '127.0.0.1', family: 'IPv4' }, 0],
  ] as const) {
    it(`fd ${String(descriptor)}: the ${type} socket that a parent has bound, which is closed with the server`, async function () {
      this.timeout(patience(30_000));
      if (process.platform === 'win32') skip(this, 'Windows passes no descriptors on');
      const holder = dgram.createSocket(type);
      holder.bind(0, host);
      await once(holder, 'listening');
      const fd = handleOf(holder)?.fd;
      const child = spawn(process.execPath, ['--require', 'tsx/cjs', fixture('listen-fd.ts')], {
        stdio: descriptor === 0 ? [fd, 'pipe', 'inherit'] : ['ignore', 'pipe', 'inherit', fd],
        env: { ...process.env, LISTEN_FD: String(descriptor) },
      });
      const { port } = holder.address();
      holder.close(); // or it would read what is meant for the other
      const late = setTimeout(() => child.kill('SIGKILL'), patience(20_000));
      let text = '';
      child.stdout?.setEncoding('utf8').on('data', (part: string) => (text += part));
      const [code] = (await once(child, 'close')) as [number];
      clearTimeout(late);
      expect(code).to.equal(0);
      const expected =
        descriptor === 0 && automaticTransport() === 'dgram'
          ? { code: 'ERR_DTLS_UNSUPPORTED' } // it takes 0 for no descriptor
          : { ...shown, port, heard: 'hello', closed: true };
      expect(JSON.parse(text)).to.deep.equal(expected);
    });
  }

  for (const transport of transports) {
    it(`fd: a socket that this thread polls already stays its owner's, over '${transport}'`, async function () {
      if (process.platform === 'win32') skip(this, 'Windows has no descriptors');
      const owner = dgram.createSocket({ type: 'udp4', recvBufferSize: 100_000 });
      owner.bind(0, '127.0.0.1');
      await once(owner, 'listening');
      const size = owner.getRecvBufferSize();
      const ours = createServer({ ...PSK_SERVER, transport, recvBufferSize: 4096 });
      for (let times = 0; times < 2; ++times) {
        const failed = next(ours, 'error');
        ours.listen({ fd: handleOf(owner)?.fd });
        const [error] = await failed;
        expect(error).to.be.instanceOf(DTLSError).and.include({ code: 'EEXIST', category: 'io', syscall: 'open' });
        expect(error.hint).to.match(/^Somebody in this thread reads/);
      }
      // Nothing was set on it, and it is not closed.
      expect(owner.getRecvBufferSize()).to.equal(size);
      const heard = within(once(owner, 'message'), 'a datagram');
      const sender = dgram.createSocket('udp4');
      sender.send('hello', owner.address().port, '127.0.0.1');
      expect(String((await heard)[0])).to.equal('hello');
      sender.close();
      // The server may listen elsewhere, and close.
      ours.listen(0, '127.0.0.1');
      await next(ours, 'listening');
      await ours[Symbol.asyncDispose]();
      owner.close();
      await once(owner, 'close');
    });

    it(`fd: what a server could not have it does not close later, over '${transport}'`, async function () {
      this.timeout(patience(30_000));
      if (process.platform === 'win32') skip(this, 'Windows passes no descriptors on');
      const holder = dgram.createSocket('udp4');
      holder.bind(0, '127.0.0.1');
      await once(holder, 'listening');
      const child = spawn(process.execPath, [fixture('listen-fd-twice.cjs'), transport], {
        stdio: ['ignore', 'pipe', 'inherit', handleOf(holder)?.fd],
      });
      holder.close();
      const late = setTimeout(() => child.kill('SIGKILL'), patience(20_000));
      let text = '';
      child.stdout?.setEncoding('utf8').on('data', (part: string) => (text += part));
      await once(child, 'close');
      clearTimeout(late);
      const { events, ...number } = JSON.parse(text) as { events: string[] };
      expect(events).to.have.members(['first listening', 'second EEXIST']);
      expect(number).to.deep.equal({ taken: true, kept: true });
    });
  }

  it('a server that listens by a string is reached there', async () => {
    const port = await freePort();
    const ours = server();
    ours.listen(String(port), '127.0.0.1');
    await next(ours, 'listening');
    const client = connect({ host: '127.0.0.1', port, ...PSK_CLIENT });
    await next(client, 'secureConnect');
    await client[Symbol.asyncDispose]();
    await ours[Symbol.asyncDispose]();
  });
});
