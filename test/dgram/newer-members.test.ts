/**
 * Protects: what dgram.Socket has learnt since Node 20, and what has to pass dgram by to be of use: sockets
 * bound and connected synchronously, lists of addresses, shared ports, descriptors of others.
 */
import { expect } from 'chai';
import dgram from 'node:dgram';
import { once } from 'node:events';
import { BlockList } from 'node:net';
import { spawn } from 'node:child_process';
import type { SocketOptions } from '../../lib/index';
import { fixture } from '../helpers/child';
import { within } from '../helpers/pair';
import { skip } from '../helpers/peers';
import { both, outcome, same, type Make } from './both';
import { bound, closeSockets, codeOf, peerErrorOf, PSK, QUICK, received, secure, sent, track } from './support';

/** From Node 24.19 and 26.4 on. */
interface Synchronous {
  bindSync(options?: { port?: number; address?: string }): { address: string; family: string; port: number };
  connectSync(port: number, address?: string): void;
}
type SyncSocket = dgram.Socket & Synchronous;
const hasSync = 'bindSync' in dgram.Socket.prototype;
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
/** 22.13 and 23.6 */
const hasBlockLists = major > 22 || (major === 22 && minor >= 13);

describe('createSocket: newer members of dgram.Socket', () => {
  afterEach(closeSockets);

  describe('bindSync and connectSync', () => {
    before(function () {
      if (!hasSync) skip(this, 'dgram of this Node has neither');
    });
    const make = (maker: Make): SyncSocket => maker() as SyncSocket;

    it('bindSync returns the address, and listening comes later', () =>
      same(async (maker) => {
        const socket = make(maker);
        const order: string[] = [];
        socket.on('listening', () => order.push('listening'));
        const { address, family, port } = socket.bindSync({ address: '127.0.0.1' });
        order.push('returned');
        const same = socket.address().port === port;
        await within(once(socket, 'listening'), 'listening');
        return { order, address, family, same, again: outcome(() => socket.bindSync()) };
      }));
    it('bindSync throws what the system says, and its arguments\' errors', () =>
      same(async (maker) => {
        const taken = await bound(maker());
        const refused = outcome(() => make(maker).bindSync({ port: taken.address().port, address: '127.0.0.1' }));
        return [
          (refused as NodeJS.ErrnoException).code,
          outcome(() => make(maker).bindSync({ address: 'localhost' })),
          outcome(() => make(maker).bindSync({ port: -1 })),
        ];
      }));
    it('a socket sends and receives right after bindSync', () =>
      same(async (maker) => {
        const [from, to] = [make(maker), make(maker)];
        const { port } = to.bindSync({ address: '127.0.0.1' });
        from.bindSync({ address: '127.0.0.1' });
        const arrival = received(to);
        from.send('at once', port, '127.0.0.1');
        const { text, info } = await arrival;
        return [text, info.port === from.address().port];
      }));
    it('connectSync has connected when it returns: messages need no address any more', () =>
      same(async (maker) => {
        const [from, to] = [make(maker), await bound(maker())];
        const arrival = received(to);
        const events: string[] = [];
        from.on('connect', () => events.push('connect'));
        from.connectSync(to.address().port);
        events.push('returned');
        from.send('at once');
        const { address, port } = from.remoteAddress();
        const { text } = await arrival;
        return {
          text,
          address,
          port: port === to.address().port,
          events,
          again: outcome(() => { from.connectSync(5000); }),
          addressed: outcome(() => { from.send('x', 5000); }),
          disconnect: outcome(() => { from.disconnect(); }),
          unaddressed: outcome(() => { from.send('x'); }),
        };
      }));
  });

  describe('receiveBlockList and sendBlockList', () => {
    const blocking = (...addresses: string[]): BlockList => {
      const list = new BlockList();
      for (const address of addresses) list.addAddress(address, address.includes(':') ? 'ipv6' : 'ipv4');
      return list;
    };
    const socket = (options: Partial<SocketOptions>): ReturnType<typeof secure> => secure({ ...PSK, ...QUICK }, options);

    for (const name of ['receiveBlockList', 'sendBlockList']) {
      it(`${name} is a BlockList`, function () {
        if (!hasBlockLists) skip(this, 'dgram of this Node has no block lists');
        return same((make) => outcome(() => make({ [name]: {} })));
      });
    }
    it('what is no BlockList is refused on every Node: it would block nobody', () => {
      for (const list of [['127.0.0.1'], '127.0.0.1', {}]) {
        for (const name of ['receiveBlockList', 'sendBlockList']) {
          expect(outcome(() => socket({ [name]: list as never })), name).to.include({ code: 'ERR_INVALID_ARG_TYPE' });
        }
      }
    });
    it('sendBlockList: nothing leaves, and the callback has ERR_IP_BLOCKED', async () => {
      const server = await bound(secure());
      const client = await bound(socket({ sendBlockList: blocking('127.0.0.1') }));
      expect(codeOf(await sent(client, 'hello', server))).to.equal('ERR_IP_BLOCKED');
      client.send('no callback', server.address().port, '127.0.0.1');
      // Nor does it answer.
      const other = socket({});
      const failed = peerErrorOf(other);
      await sent(other, 'hello', client);
      expect(await failed).to.equal('ERR_DTLS_NO_RESPONSE');
      expect(server.stats.datagramsReceived).to.equal(0);
      expect([...client.sessions].filter(({ readyState }) => readyState === 'open')).to.have.length(0);
    });
    it('sendBlockList says what plain dgram says', function () {
      if (!hasBlockLists) skip(this, 'dgram of this Node has no block lists');
      return same(async (make) => {
        const from = make({ sendBlockList: blocking('127.0.0.1') } as never);
        const error = await within(
          new Promise<NodeJS.ErrnoException | null>((resolve) => {
            from.send('x', 5684, '127.0.0.1', resolve);
          }),
          'the callback',
        );
        return { code: error?.code, message: error?.message };
      });
    });
    it('receiveBlockList: a peer on it is not heard, others are', async function () {
      if (process.platform !== 'linux') skip(this, 'on Linux all of 127.0.0.0/8 is this host');
      const server = await bound(socket({ receiveBlockList: blocking('127.0.0.2') }));
      const blocked = socket({});
      blocked.bind(0, '127.0.0.2');
      await once(blocked, 'listening');
      const failed = peerErrorOf(blocked);
      await sent(blocked, 'hello', server);
      expect(await failed).to.equal('ERR_DTLS_NO_RESPONSE');
      expect([...server.sessions]).to.have.length(0);
      // dgram looks at each address itself, so its socket stays in place; a peer of it may be over the native one.
      expect(server.stats.udp).to.equal(undefined);
      const arrival = received(server);
      await sent(await bound(socket({})), 'hello', server);
      expect((await arrival).text).to.equal('hello');
    });
  });

  it('reusePort lets sockets share a port', function () {
    if (process.platform !== 'linux' || major < 22 || (major === 22 && minor < 12)) {
      skip(this, 'on Linux, and in dgram from Node 22.12 on');
    }
    return same(async (make) => {
      const first = await bound(make({ reusePort: true } as never));
      const second = await bound(make({ reusePort: true } as never), first.address().port);
      return second.address().port === first.address().port;
    });
  });

  it('ipv6Only leaves IPv4 alone', async function () {
    const attempt = async (make: Make, ipv6Only: boolean): Promise<string> => {
      const socket = make({ type: 'udp6', ipv6Only });
      socket.bind(0, '::');
      await once(socket, 'listening');
      const other = make();
      const answer = new Promise<string>((resolve) => {
        other.on('error', (error: NodeJS.ErrnoException) => { resolve(error.code ?? ''); });
        other.bind(socket.address().port, '0.0.0.0', () => { resolve('free'); });
      });
      return within(answer, 'bind');
    };
    await same(async (make) => [await attempt(make, true), await attempt(make, false)]);
  });

  it('bind({ fd }) takes the descriptor of a bound socket', async function () {
    this.timeout(60_000);
    if (process.platform === 'win32') skip(this, 'Windows passes no descriptors on');
    // A descriptor has one owner: the program inherits this one.
    const outcomes = await Promise.all(
      both.map(async ([name]) => {
        const holder = await bound(track(dgram.createSocket('udp4')));
        const state = Object.getOwnPropertySymbols(holder).find(({ description }) => description === 'state symbol');
        const { fd } = (holder as unknown as Record<symbol, { handle: { fd: number } }>)[state ?? Symbol()]?.handle ?? {};
        const child = spawn(process.execPath, ['--require', 'tsx/cjs', fixture('bind-fd.ts'), name], {
          stdio: ['ignore', 'pipe', 'inherit', fd],
        });
        const { port } = holder.address();
        holder.close(); // or it would read what is meant for the other
        const late = setTimeout(() => child.kill('SIGKILL'), 30_000);
        let text = '';
        child.stdout?.setEncoding('utf8').on('data', (part: string) => (text += part));
        const [code] = (await once(child, 'close')) as [number];
        clearTimeout(late);
        return { code, text, expected: { port, heard: 'hello' } };
      }),
    );
    for (const { code, text, expected } of outcomes) {
      expect(code).to.equal(0);
      expect(JSON.parse(text)).to.deep.equal(expected);
    }
  });
});
