// Protects the options of `node:dtls` endpoints: range, type and default of each, for listen, connect and
// new DTLSEndpoint alike, and that each does what it says.
import { spawnSync } from 'node:child_process';
import dgram from 'node:dgram';
import { BlockList } from 'node:net';
import { expect } from 'chai';
import { resolveEndpoint } from '../../lib/node-dtls/endpoint';
import type { DTLSSession } from '../../lib/node-dtls/index';
import { Capture } from '../helpers/capture';
import { fixture } from '../helpers/child';
import { createAuthority } from '../helpers/certificates';
import { HalfOpen } from '../helpers/hello';
import { within } from '../helpers/pair';
import { foreignEnvironment, PeerProcess, skip, lacks } from '../helpers/peers';
import {
  closeAll,
  connect,
  dtls,
  HOST,
  KEY,
  listen,
  message,
  open,
  pause,
  portOf,
  PSK,
  rejection,
  thrown,
} from './support';

const psk = { [PSK.identity]: KEY };
const UINT32_MAX = 2 ** 32 - 1;

const calls: Record<string, (options: object) => unknown> = {
  listen: (options) => dtls.listen(() => undefined, { psk, port: 0, ...options }),
  connect: (options) => dtls.connect(HOST, 9, { psk: PSK, ...options }),
  'new DTLSEndpoint': (options) => new dtls.DTLSEndpoint(options),
};
const LIMITS = ['maxSessions', 'maxSessionsPerHost', 'maxPendingHandshakes', 'maxPendingHandshakesPerHost'];

/** What a system has, by name; skips, or fails where all tests have to run. */
function need(context: Mocha.Context, command: string, ...args: string[]): void {
  if (spawnSync(command, args, { env: foreignEnvironment }).status === 0) return;
  lacks(context, `${command} does not run here`);
}

describe('node-dtls: options of endpoints', () => {
  afterEach(closeAll);

  const integers: [name: string, min: number, max: number][] = [
    ['mtu', 256, 65535],
    ['handshakeTimeout', 0, Number.MAX_SAFE_INTEGER],
    ['maxSessions', 0, UINT32_MAX],
    ['maxSessionsPerHost', 0, UINT32_MAX],
    ['maxPendingHandshakes', 0, UINT32_MAX],
    ['maxPendingHandshakesPerHost', 0, UINT32_MAX],
    ['idleTimeout', 0, 2 ** 31 - 1],
    ['udpReceiveBufferSize', 1, UINT32_MAX],
    ['udpSendBufferSize', 1, UINT32_MAX],
    ['udpTTL', 1, 255],
  ];
  for (const [call, make] of Object.entries(calls)) {
    for (const [name, min, max] of integers) {
      if (call === 'connect' && LIMITS.includes(name)) continue;
      it(`${call}: ${name} is an integer from ${String(min)} to ${String(max)}`, () => {
        const text = thrown(() => make({ [name]: String(min) }));
        expect(text.code).to.equal('ERR_INVALID_ARG_TYPE');
        expect(text.message).to.include(`options.${name}`);
        for (const value of [min - 1, max + 1, min + 0.5, NaN, Infinity]) {
          const error = thrown(() => make({ [name]: value }));
          expect(error.code, String(value)).to.equal('ERR_OUT_OF_RANGE');
          expect(error.message).to.include(`options.${name}`);
        }
      });
    }

    for (const name of ['ipv6Only', 'reusePort']) {
      it(`${call}: ${name} is a boolean, strictly`, () => {
        for (const value of [0, 1, 'true', null]) {
          expect(thrown(() => make({ [name]: value })).code, String(value)).to.equal('ERR_INVALID_ARG_TYPE');
        }
      });
    }
  }

  it('connect: has no limits of sessions, and does not judge them', async () => {
    const client = connect(listen({ psk }), { psk: PSK, ...({ maxSessions: -1, maxSessionsPerHost: 'many', maxPendingHandshakes: -1, maxPendingHandshakesPerHost: 'many', blockList: 1 } as object) });
    await within(client.opened, 'the handshake');
  });

  it('defaults: mtu 1200, handshakeTimeout 60000, maxSessions 10000, maxSessionsPerHost 1000, the rest as the system has it', () => {
    expect(resolveEndpoint({})).to.deep.equal({
      mtu: 1200,
      handshakeTimeout: 60_000,
      maxSessions: 10_000,
      maxSessionsPerHost: 1000,
      maxPendingHandshakes: 0,
      maxPendingHandshakesPerHost: 0,
      blockList: undefined,
      idleTimeout: 0,
      udp: {
        ipv6Only: false,
        reusePort: false,
        receiveBufferSize: undefined,
        sendBufferSize: undefined,
        ttl: undefined,
      },
    });
  });

  it("host is '0.0.0.0' when it is left out", () => {
    expect(listen({ psk, host: undefined }).address?.address).to.equal('0.0.0.0');
  });

  it("bindHost is '::' for an IPv6 host, else '0.0.0.0'; bindPort one that is free", () => {
    const four = connect(9, { psk: PSK });
    expect(four.endpoint.address).to.include({ address: '0.0.0.0', family: 'IPv4' });
    expect(four.endpoint.address?.port).to.be.above(0);
    for (const bindHost of [undefined, '']) {
      const six = dtls.connect('::1', 9, { psk: PSK, bindHost });
      expect(six.endpoint.address).to.include({ address: '::', family: 'IPv6' });
      six.destroy();
    }
  });

  describe('mtu', () => {
    const flights = async (options: { mtu?: number }): Promise<Capture> => {
      const authority = await createAuthority();
      const { cert, key, ca } = await authority.issue({
        commonName: 'server',
        ipAddresses: [HOST],
        extraBytes: 3000,
      });
      const { cert: own, key: ownKey } = await authority.issue({
        commonName: 'client',
        clientAuth: true,
        extraBytes: 3000,
      });
      const endpoint = listen({ cert, key, ca, requestCert: true, ...options });
      const capture = await Capture.to(portOf(endpoint));
      try {
        const client = connect(capture.port, { cert: own, key: ownKey, ca, ...options });
        await within(client.opened, 'the handshake');
      } finally {
        await capture.close();
      }
      return capture;
    };

    for (const [what, options, bound] of [
      ['1200 when it is left out', {}, 1200],
      ['500', { mtu: 500 }, 500],
      ['256', { mtu: 256 }, 256],
    ] as [string, { mtu?: number }, number][]) {
      it(`bounds the datagrams of the handshake, both ways: ${what}`, async () => {
        const capture = await flights(options);
        for (const fromClient of [true, false]) {
          const largest = Math.max(...capture.sizes(fromClient));
          expect(largest).to.be.most(bound).and.above(bound * 0.8);
        }
      });
    }

    it('does not bound messages', async () => {
      const { client, server } = await open({ psk, mtu: 256 }, { psk: PSK, mtu: 256 });
      const arrived = message(server);
      expect(client.send('x'.repeat(3000))).to.equal(3000);
      expect(await arrived).to.have.length(3000);
    });
  });

  describe('handshakeTimeout', () => {
    it('0 is off', async () => {
      const silent = dgram.createSocket('udp4');
      await new Promise<void>((resolve) => {
        silent.bind(0, HOST, resolve);
      });
      const { port } = silent.address();
      const off = connect(port, { psk: PSK, handshakeTimeout: 0 });
      await rejection(connect(port, { psk: PSK, handshakeTimeout: 100 }).opened);
      await pause(200);
      silent.close();
      expect(off.destroyed).to.equal(false);
    });

    it("ends a server's session whose client falls silent", async () => {
      const sessions: DTLSSession[] = [];
      const told: unknown[] = [];
      const endpoint = listen({ psk, handshakeTimeout: 300 }, (session) => {
        sessions.push(session);
        session.onerror = (error) => told.push(error);
        client.destroy();
      });
      const client = connect(endpoint, { psk: PSK });
      await rejection(client.opened);
      const [session] = sessions;
      if (session === undefined) throw new Error('onsession was not called');
      const error = await rejection(session.opened);
      expect(error).to.include({ code: 'ERR_INVALID_STATE' });
      expect(error.message).to.include('DTLS handshake timeout');
      expect(told).to.deep.equal([error]);
      await within(session.closed, 'closed resolves');
      expect(endpoint.destroyed, 'the endpoint goes on').to.equal(false);
    });

    it('is no idle timeout', async () => {
      const { client, server } = await open({ psk, handshakeTimeout: 200 }, { psk: PSK, handshakeTimeout: 200 });
      await pause(400);
      const arrived = message(server);
      client.send('still here');
      expect(await arrived).to.equal('still here');
    });
  });

  describe('maxSessions and maxSessionsPerHost', () => {
    it('0 is no limit', async () => {
      const endpoint = listen({ psk, maxSessions: 0, maxSessionsPerHost: 0 });
      for (let i = 0; i < 3; ++i) await within(connect(endpoint, { psk: PSK }).opened, 'a session');
      expect(endpoint.stats.serverRefusedCount).to.equal(0n);
    });

    it('maxSessionsPerHost counts per source IP, whatever the port', async function () {
      if (process.platform !== 'linux') skip(this, 'on Linux all of 127.0.0.0/8 is this host');
      const endpoint = listen({ psk, maxSessionsPerHost: 1 });
      await within(connect(endpoint, { psk: PSK, bindHost: '127.0.0.2' }).opened, 'the first of one host');
      await rejection(connect(endpoint, { psk: PSK, bindHost: '127.0.0.2', handshakeTimeout: 200 }).opened);
      await within(connect(endpoint, { psk: PSK, bindHost: '127.0.0.3' }).opened, 'the first of another');
      expect(Number(endpoint.stats.serverRefusedCount)).to.be.least(1);
    });
  });

  describe('what bounds strangers, as in createServer', () => {
    const strangers: HalfOpen[] = [];
    afterEach(() => {
      for (const { socket } of strangers.splice(0)) socket.close();
    });

    /** So many begin a handshake and say no more; how many of them have a place at a time. One may give way to the next. */
    async function begin(options: Parameters<typeof listen>[0], count: number): Promise<number> {
      const living = new Set<DTLSSession>();
      let most = 0;
      const authority = await createAuthority();
      const { cert, key } = await authority.issue({ commonName: 'server', ipAddresses: [HOST] });
      const endpoint = listen({ cert, key, ...options }, (session) => {
        for (const other of living) if (other.destroyed) living.delete(other);
        living.add(session);
        most = Math.max(most, living.size);
      });
      for (let i = 0; i < count; ++i) strangers.push(await HalfOpen.begin(HOST, portOf(endpoint)));
      const { stats } = endpoint;
      const judged = (): number => Number(stats.serverSessions) + Number(stats.serverRefusedCount);
      for (let tries = 0; judged() < count && tries < 500; ++tries) await pause(10);
      return most;
    }

    it('maxPendingHandshakes bounds unfinished handshakes, and a host has a quarter of them', async () => {
      expect(await begin({ maxPendingHandshakes: 8 }, 4)).to.equal(2);
    });

    it('maxPendingHandshakesPerHost bounds those of a host', async () => {
      expect(await begin({ maxPendingHandshakesPerHost: 3 }, 5)).to.equal(3);
      expect(await begin({ maxPendingHandshakes: 8, maxPendingHandshakesPerHost: 0 }, 4)).to.equal(4);
    });

    it('without them unfinished handshakes have no limit of their own', async () => {
      expect(await begin({}, 20)).to.equal(20);
      expect(await begin({ maxPendingHandshakes: null, maxPendingHandshakesPerHost: null }, 4)).to.equal(4);
    });

    it('blockList keeps out whom it has, and is a BlockList', async () => {
      const blockList = new BlockList();
      blockList.addAddress(HOST);
      const endpoint = listen({ psk, blockList });
      await rejection(connect(endpoint, { psk: PSK, handshakeTimeout: 200 }).opened);
      expect(endpoint.stats.serverSessions).to.equal(0n);
      const error = thrown(() => listen({ psk, blockList: [HOST] as unknown as BlockList }));
      expect(error.code).to.equal('ERR_INVALID_ARG_TYPE');
      expect(error.message).to.include('options.blockList');
    });

    for (const [ours, theirs] of [[100, 0], [0, 100]] as const) {
      it(`idleTimeout of ${ours > 0 ? 'a server' : 'a client'} ends a session in which nothing is said`, async () => {
        const { client, server } = await open({ psk, idleTimeout: ours }, { psk: PSK, idleTimeout: theirs });
        const quiet = ours > 0 ? server : client;
        const told = new Promise<unknown>((resolve) => {
          quiet.onerror = resolve;
        });
        await within(Promise.all([client.closed, server.closed]), 'both ends');
        expect(await told).to.include({ code: 'ERR_INVALID_STATE', message: 'Invalid state: DTLS session idle timeout' });
      });
    }
  });

  describe('the UDP socket', () => {
    it("on '::' IPv4 peers have mapped addresses", async () => {
      const { server, client } = await open({ psk, host: '::' }, { psk: PSK });
      expect(server.remoteAddress).to.include({ address: '::ffff:127.0.0.1', family: 'IPv6' });
      expect(client.remoteAddress).to.include({ address: HOST, family: 'IPv4' });
    });

    it('reusePort lets endpoints share a port, all of them, and only with it', function () {
      const native = process.platform === 'linux' && process.env.DGRAM_DTLS_TRANSPORT !== 'dgram';
      const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
      if (!native && (major < 22 || (major === 22 && minor < 12))) skip(this, 'node:dgram has it from 22.12 on');
      const first = listen({ psk, reusePort: true });
      const port = portOf(first);
      expect(portOf(listen({ psk, port, reusePort: true }))).to.equal(port);
      expect(thrown(() => listen({ psk, port })).code).to.equal('EADDRINUSE');
    });

    it('udpReceiveBufferSize and udpSendBufferSize are those of the socket', function () {
      need(this, 'ss', '-V');
      const [receive, send] = [20_000, 30_000];
      for (const endpoint of [
        listen({ psk, udpReceiveBufferSize: receive, udpSendBufferSize: send }),
        connect(9, { psk: PSK, udpReceiveBufferSize: receive, udpSendBufferSize: send }).endpoint,
      ]) {
        const { stdout } = spawnSync('ss', ['-Huanm', `sport = :${String(portOf(endpoint))}`], {
          encoding: 'utf8',
          env: foreignEnvironment,
        });
        // Linux doubles what it is asked for: socket(7).
        expect(stdout).to.include(`rb${String(receive * 2)},`).and.include(`tb${String(send * 2)},`);
      }
    });

    it('udpTTL is that of every datagram', async function () {
      need(this, 'python3', '-c', 'pass');
      const receiver = new PeerProcess('python3', [fixture('ttl.py')]);
      try {
        const [, port] = await receiver.sees(/port (\d+)/);
        connect(Number(port), { psk: PSK, udpTTL: 7 });
        await receiver.sees(/ttl 7\n/);
      } finally {
        await receiver.stop();
      }
    });
  });
});
