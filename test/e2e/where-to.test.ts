/**
 * Protects whoever says wrongly where datagrams are to go: a host with brackets, a scheme, a port or a path, a socket of the
 * other family, or the address of the socket itself. Each is an error at once that names the cure.
 */
import dgram from 'node:dgram';
import { once } from 'node:events';
import { expect } from 'chai';
import { createServer, generateCertificate, type ConnectOptions, type DTLSError } from '../../lib/index';
import { hasNativeUdp } from '../../lib/transport/native-udp';
import * as nodeDtls from '../../lib/node-dtls/index';
import { bound, closeSockets, secure, track } from '../dgram/support';
import { thrown } from '../helpers/thrown';
import { closeEverything, dialTo, failure, listen, next, portOf, PSK_CLIENT, PSK_SERVER, within } from '../helpers/pair';

const transports = hasNativeUdp ? (['native', 'dgram'] as const) : (['dgram'] as const);

const HOSTS: [host: string, cure: RegExp][] = [
  ['[::1]', /'::1' without/],
  ['[::1]:5684', /'::1' without.*port apart/],
  ['coaps://x.invalid', /'x\.invalid', without 'coaps:\/\/'/],
  ['dtls://x.invalid:5684', /'x\.invalid', without 'dtls:\/\/'/],
  ['dtls://[::1]:5684/', /'::1', without 'dtls:\/\/'/],
  ['x.invalid:5684', /port out/],
  ['127.0.0.1:5684', /port out/],
  ['x.invalid/y', /no path/],
];

/** The failure of a client, and how long it took to say so. */
async function failing(options: ConnectOptions): Promise<DTLSError> {
  return failure(dialTo({ ...PSK_CLIENT, ...options }));
}

async function udp(type: dgram.SocketType, address: string): Promise<dgram.Socket> {
  const socket = track(dgram.createSocket(type));
  socket.bind(0, address);
  await within(once(socket, 'listening'), "'listening'");
  return socket;
}

describe('where to', () => {
  afterEach(closeEverything);
  afterEach(closeSockets);

  for (const transport of transports) {
    describe(`over ${transport}`, () => {
      let before: string | undefined;
      beforeEach(() => {
        before = process.env.DGRAM_DTLS_TRANSPORT;
        process.env.DGRAM_DTLS_TRANSPORT = transport;
      });
      afterEach(() => {
        if (before === undefined) delete process.env.DGRAM_DTLS_TRANSPORT;
        else process.env.DGRAM_DTLS_TRANSPORT = before;
      });

      it('a host with more in it than a host is told of by connect, listen and createSocket', async () => {
        for (const [host, cure] of HOSTS) {
          const error = await failing({ host, port: 5684 });
          expect(error.hint, host).to.match(cure);
          const server = createServer(PSK_SERVER);
          const [refused] = (await within(once(server.listen(0, host), 'error'), "'error'")) as [DTLSError];
          expect(refused.hint, host).to.match(cure);
          const socket = secure();
          const told = await within(
            new Promise<Error & { hint?: string }>((resolve) => {
              socket.send('x', 5684, host, (failed) => {
                resolve(failed ?? new Error('sent'));
              });
            }),
            'the callback of send',
          );
          expect(told.hint, host).to.match(cure);
          const [unbound] = (await within(once(secure().bind(0, host), 'error'), "'error'")) as [DTLSError];
          expect(unbound.hint, host).to.match(cure);
        }
      });

      it("createSocket's connect tells of it, to its callback and as 'error'", async () => {
        const socket = await bound(secure());
        for (const [host, cure] of [...HOSTS, ['::1', /'udp6'/]] as typeof HOSTS) {
          const told = await within(
            new Promise<DTLSError>((resolve) => {
              (socket.connect as (...args: unknown[]) => void).call(socket, 5684, host, resolve);
            }),
            'the callback of connect',
          );
          expect(told.hint, host).to.match(cure);
          const failed = once(socket, 'error');
          socket.connect(5684, host);
          const [error] = (await within(failed, "'error'")) as [DTLSError];
          expect(error.hint, host).to.match(cure);
        }
        expect(socket.listenerCount('connect')).to.equal(0);
      });

      it('an address of the other family is EINVAL with a hint, as of dgram', async () => {
        const socket = await bound(secure());
        const told = once(socket, 'peerError');
        const callback = await within(
          new Promise<NodeJS.ErrnoException & { address?: string; port?: number; hint?: string }>((resolve) => {
            socket.send('x', 5684, '::1', (error) => {
              resolve(error ?? new Error('sent'));
            });
          }),
          'the callback of send',
        );
        expect(callback).to.include({ code: 'EINVAL', syscall: 'send', address: '::1', port: 5684 });
        expect(callback.hint).to.match(/'udp6'/);
        const [error] = (await within(told, 'peerError')) as [DTLSError];
        expect(error).to.include({ code: 'EINVAL', category: 'io' });
        expect(error.hint).to.match(/'udp6'/);
      });

      it('an address to bind is of the other family, or of the one in which a host is looked up', async () => {
        for (const [localAddress, host] of [['::1', '127.0.0.1'], ['127.0.0.1', '::1'], ['::', '127.0.0.1']] as const) {
          const error = await failing({ localAddress, host, port: 5684 });
          expect(error).to.include({ code: 'EINVAL', category: 'io', syscall: 'bind' });
          expect(error.message).to.include(localAddress);
          expect(error.hint).to.include(host).and.include("'localAddress'");
        }
        const server = await listen(PSK_SERVER, '::1');
        const asked: unknown[] = [];
        const client = dialTo({
          ...PSK_CLIENT,
          localAddress: '::1',
          host: 'localhost',
          port: portOf(server),
          lookup: (_host, { family }, callback) => {
            asked.push(family);
            callback(null, '::1', 6);
          },
        });
        await next(client, 'secureConnect');
        expect(asked).to.deep.equal([6]);
        expect(client.localAddress).to.equal('::1');
      });

      it('an address to bind is no name, as in net', () => {
        for (const [localAddress, cure] of [
          ['localhost', /names are not looked up/],
          ['127.0.0.1:5684', /port out/],
          ['[::1]', /'::1' without/],
        ] as const) {
          const error = thrown(() => dialTo({ ...PSK_CLIENT, localAddress, port: 5684 }));
          expect(error).to.include({ code: 'ERR_INVALID_IP_ADDRESS', category: 'usage' });
          expect(error.hint).to.match(cure);
        }
      });

      it('a packet to the other family has a hint', async () => {
        const server = await listen(PSK_SERVER, '127.0.0.1');
        const error = await within(
          new Promise<DTLSError | null>((resolve) => {
            server.sendPacket('stun', { address: '::1', port: 5684 }, (failed) => {
              resolve(failed);
            });
          }),
          'the callback of sendPacket',
        );
        expect(error).to.include({ code: transport === 'native' ? 'EAFNOSUPPORT' : 'EINVAL', category: 'io' });
        expect(error?.hint).to.include("listen on '::'");
      });

      it("a port that is taken has a hint with createSocket's error, too", async () => {
        const taken = await bound(secure());
        const [error] = (await within(once(secure().bind(taken.address().port, '127.0.0.1'), 'error'), "'error'")) as [DTLSError];
        expect(error.code).to.equal('EADDRINUSE');
        expect(error.hint).to.match(/Another socket has this port/);
      });

      it('an address that the certificate does not have is told of as an address', async () => {
        const { cert, key } = await generateCertificate({ altNames: ['localhost'] });
        const server = await listen({ cert, key });
        const error = await failing({ host: '127.0.0.1', port: portOf(server), ca: cert, psk: undefined, pskCallback: undefined });
        expect(error.code).to.equal('ERR_TLS_CERT_ALTNAME_INVALID');
        expect(error.hint).to.match(/is for no address: connect to a name that it has/);
      });

      it('a host that answers, and not in DTLS, is told from one that is silent', async () => {
        const quick = { handshakeTimeout: 600, retransmission: { initial: 50, max: 100 } };
        for (const answer of [(hello: Buffer) => hello, () => Buffer.from('hello'), () => Buffer.alloc(20)]) {
          const other = await udp('udp4', '127.0.0.1');
          other.on('message', (hello, { port, address }) => {
            other.send(answer(hello), port, address);
          });
          const error = await failing({ ...quick, host: '127.0.0.1', port: other.address().port });
          expect(error).to.include({ code: 'ERR_DTLS_NO_RESPONSE', category: 'timeout' });
          expect(error.hint).to.match(/not in DTLS/);
        }
        const silent = await udp('udp4', '127.0.0.1');
        const error = await failing({ ...quick, host: '127.0.0.1', port: silent.address().port });
        expect(error.hint).to.match(/^Nothing ever came back/);
      });

      it('a socket of createSocket is no transport: it encrypts by itself', () => {
        const transport = secure();
        for (const call of [
          () => createServer({ ...PSK_SERVER, transport }),
          () => dialTo({ ...PSK_CLIENT, host: '127.0.0.1', port: 5684, transport }),
        ]) {
          const error = thrown(call);
          expect(error.code).to.equal('ERR_INVALID_ARG_VALUE');
          expect(error.hint).to.match(/plain dgram\.Socket/);
        }
      });

      it('its own address is no peer of a client, by localPort', async () => {
        const free = await udp('udp4', '127.0.0.1');
        const { port } = free.address();
        await new Promise<void>((resolve) => free.close(resolve));
        const started = performance.now();
        const error = await failing({ host: '127.0.0.1', port, localPort: port });
        expect(error).to.include({ code: 'ERR_DTLS_NO_SESSION', category: 'usage' });
        expect(performance.now() - started).to.be.below(1000);
      });

      it('its own address is no peer of node-dtls, either', async () => {
        const free = await udp('udp4', '127.0.0.1');
        const { port } = free.address();
        await new Promise<void>((resolve) => free.close(resolve));
        expect(() => nodeDtls.connect('127.0.0.1', port, { bindHost: '127.0.0.1', bindPort: port })).to.throw(/this endpoint itself/);
        // The port was let go of.
        const again = track(dgram.createSocket('udp4'));
        again.bind(port, '127.0.0.1');
        await within(once(again, 'listening'), "'listening'");
      });
    });
  }

  it('a socket of the user has hosts of its own family, found by name or refused with a hint', async () => {
    const [four, six] = [await udp('udp4', '127.0.0.1'), await udp('udp6', '::1')];
    for (const [transport, host, cure] of [
      [six, '127.0.0.1', /'udp4', or '::ffff:127\.0\.0\.1'/],
      [four, '::1', /'udp6'/],
    ] as const) {
      const error = await failing({ transport, host, port: 5684 });
      expect(error).to.include({ code: 'EINVAL', category: 'io' });
      expect(error.hint).to.match(cure);
    }
    for (const [transport, family] of [[six, 6], [four, 4]] as const) {
      const asked: unknown[] = [];
      const server = await listen(PSK_SERVER, family === 6 ? '::1' : '127.0.0.1');
      const client = dialTo({
        ...PSK_CLIENT,
        transport,
        host: 'localhost',
        port: portOf(server),
        lookup: (_host, { family: wanted }, callback) => {
          asked.push(wanted);
          callback(null, family === 6 ? '::1' : '127.0.0.1', family);
        },
      });
      await next(client, 'secureConnect');
      expect(asked).to.deep.equal([family]);
    }
  });

  it('a socket that is connected carries sessions with that peer, and with no other', async () => {
    const server = await listen(PSK_SERVER);
    const other = await listen(PSK_SERVER);
    const transport = track(dgram.createSocket('udp4'));
    transport.connect(portOf(server), '127.0.0.1');
    await within(once(transport, 'connect'), "'connect'");
    const client = dialTo({ ...PSK_CLIENT, transport, host: '127.0.0.1', port: portOf(server) });
    await next(client, 'secureConnect');
    const error = await failing({ transport, host: '127.0.0.1', port: portOf(other) });
    expect(error).to.include({ code: 'EISCONN', category: 'io' });
    expect(error.hint).to.match(/disconnect\(\)/);
  });

  it('the own address of a socket of the user is no peer', async () => {
    for (const address of ['127.0.0.1', '0.0.0.0']) {
      const transport = await udp('udp4', address);
      const started = performance.now();
      const error = await failing({ transport, host: '127.0.0.1', port: transport.address().port });
      expect(error).to.include({ code: 'ERR_DTLS_NO_SESSION', category: 'usage' });
      expect(performance.now() - started).to.be.below(1000);
    }
  });
});
