/**
 * Protects what a DTLSSocket offers on the server's side as on the client's: everything here is done to a client's
 * socket and to a server's. What is particular to one side, and whole handshakes, are in other files.
 */
import { expect } from 'chai';
import { DTLSError, type ConnectOptions, type DTLSSocket, type ServerOptions } from '../../lib/index';
import { Link, peerOf } from '../../lib/lab/index';
import { Link as UserLink } from '../helpers/link';
import {
  certificate,
  closeEverything,
  dial,
  ending,
  listen,
  messages,
  next,
  open,
  openOn,
  openPsk,
  portOf,
  PSK_CLIENT,
  PSK_SERVER,
  within,
  type Pair,
} from '../helpers/pair';

type Side = 'client' | 'server';

/** The socket under test, and the one at the other end. */
const ends = (side: Side, { client, peer }: Pair): [DTLSSocket, DTLSSocket] =>
  side === 'client' ? [client, peer] : [peer, client];

/** A session of which one side has these options, if both know them. */
async function pair(side: Side, options: ServerOptions & Partial<ConnectOptions> = {}): Promise<[DTLSSocket, DTLSSocket]> {
  const opened = await (side === 'client' ? openPsk({}, options) : openPsk(options));
  return ends(side, opened);
}

const code = (call: () => unknown): string => {
  try {
    call();
  } catch (error) {
    if (error instanceof DTLSError) return error.code;
    throw error;
  }
  return 'nothing was thrown';
};

for (const side of ['client', 'server'] as const) {
  describe(`a ${side}'s socket`, () => {
    afterEach(closeEverything);

    it('goes from opening to open to closed', async () => {
      const server = await listen(PSK_SERVER);
      const began = next(server, 'connection');
      const accepted = next(server, 'secureConnection');
      const client = await dial(server, PSK_CLIENT);
      const seen: unknown[] = [];
      const note = (socket: DTLSSocket): void => {
        seen.push([socket.readyState, socket.connecting, socket.destroyed, socket.authorized]);
      };
      const [peer] = side === 'client' ? [client] : await began;
      note(peer);
      const connected = next(client, 'secureConnect');
      await Promise.all([accepted, connected]);
      note(peer);
      const closed = next(peer, 'close');
      peer.close();
      expect(peer.readyState).to.equal('closing');
      await closed;
      note(peer);
      expect(seen).to.deep.equal([
        ['opening', true, false, false],
        ['open', false, false, true],
        ['closed', false, true, true],
      ]);
    });

    it('knows both addresses, and forgets its own at the end', async () => {
      const opened = await openPsk();
      const [socket, other] = ends(side, opened);
      const server = portOf(opened.server);
      const [mine, theirs] =
        side === 'client' ? [other.remotePort, server] : [server, other.localPort];
      expect(socket.address()).to.deep.include({ address: '127.0.0.1', family: 'IPv4', port: mine });
      expect([socket.localAddress, socket.localPort]).to.deep.equal(['127.0.0.1', mine]);
      expect([socket.remoteAddress, socket.remotePort, socket.remoteFamily]).to.deep.equal(['127.0.0.1', theirs, 'IPv4']);
      await socket[Symbol.asyncDispose]();
      expect([socket.address(), socket.localAddress, socket.localPort]).to.deep.equal([{}, undefined, undefined]);
      expect(socket.remotePort).to.equal(theirs);
    });

    it('is closed by Symbol.asyncDispose, and the other end hears of it', async () => {
      const [socket, other] = await pair(side);
      const end = ending(other);
      await socket[Symbol.asyncDispose]();
      expect(socket.readyState).to.equal('closed');
      expect(await end).to.deep.equal({ hadError: false, errors: [] });
    });

    it('setTimeout tells of silence, waits while there is traffic, and can be switched off', async () => {
      const [socket, other] = await pair(side);
      let calls = 0;
      const count = (): void => void (calls += 1);
      expect(socket.setTimeout(150, count)).to.equal(socket);
      const begin = Date.now();
      for (let round = 0; round < 6; ++round) {
        const heard = messages(other, 1);
        socket.send('x');
        await heard;
        await new Promise((resolve) => setTimeout(resolve, 40));
      }
      const early = calls;
      const busyFor = Date.now() - begin;
      await next(socket, 'timeout');
      expect(calls).to.equal(1);
      // A machine that is busy elsewhere may well be silent for so long.
      if (busyFor < 400) expect(early).to.equal(0);
      expect(socket.readyState).to.equal('open');
      socket.setTimeout(0, count);
      socket.on('timeout', () => {
        throw new Error('switched off');
      });
      await new Promise((resolve) => setTimeout(resolve, 200));
      for (const wrong of [-1, 1.5, 2 ** 31, Number.NaN]) {
        expect(code(() => socket.setTimeout(wrong))).to.equal('ERR_OUT_OF_RANGE');
      }
      expect(code(() => socket.setTimeout('1' as unknown as number))).to.equal('ERR_INVALID_ARG_TYPE');
    });

    it('setMtu counts for maxMessageSize and mtu, and refuses what cannot be', async () => {
      const [socket] = await pair(side, { mtu: 1000 });
      const overhead = 1000 - socket.maxMessageSize;
      expect([socket.mtu, overhead > 0]).to.deep.equal([1000, true]);
      expect(socket.setMtu(700)).to.equal(socket);
      expect([socket.mtu, socket.maxMessageSize]).to.deep.equal([700, 700 - overhead]);
      for (const wrong of [255, 16385, 500.5, Number.NaN]) {
        expect(code(() => socket.setMtu(wrong))).to.equal('ERR_OUT_OF_RANGE');
      }
      expect(code(() => socket.setMtu('700' as unknown as number))).to.equal('ERR_INVALID_ARG_TYPE');
      expect(socket.mtu).to.equal(700);
      await socket[Symbol.asyncDispose]();
      expect(code(() => socket.setMtu(700))).to.equal('ERR_DTLS_NOT_OPEN');
    });

    for (const [how, mtu, setMtu] of [
      ['the option mtu', 300, undefined],
      ['setMtu in the handshake', 1200, 300],
    ] as const) {
      it(`${how} bounds the datagrams of its flights`, async () => {
        const link = new Link('mtu');
        const server = peerOf('10.0.0.1', 5684);
        const here = peerOf('10.0.0.2', 40000);
        const ofSide = ({ address }: { address: string }): boolean => (address === server.address) === (side === 'server');
        let set = setMtu === undefined;
        const sizes: number[] = [];
        // The path takes no more. What had left before setMtu was called does not arrive, and is sent again.
        link.intercept = ({ datagram, from }) => {
          if (!ofSide(from)) return datagram;
          if (set) sizes.push(datagram.length);
          return datagram.length > 300 ? null : datagram;
        };
        const change = (socket: DTLSSocket): void => {
          if (setMtu !== undefined) socket.setMtu(setMtu);
          set = true;
        };
        const long = { commonName: `of a ${side}`, extraBytes: 4000 };
        const [theirs, mine] = [
          await certificate({ ...long, dnsNames: ['localhost'] }),
          await certificate({ ...long, clientAuth: true }),
        ];
        const retransmission = { initial: 100, max: 400 };
        const to = await listen({
          cert: theirs.cert, key: theirs.key, ca: mine.ca, requestCert: true, retransmission,
          ...(side === 'server' ? { mtu } : {}),
          transport: link.attach(server.address, server.port),
        });
        if (side === 'server') to.on('connection', change);
        const client = await dial(to, {
          cert: mine.cert, key: mine.key, servername: 'localhost', host: server.address, port: server.port, retransmission,
          ...(side === 'client' ? { mtu } : {}),
          transport: link.attach(here.address, here.port),
        });
        if (side === 'client') client.once('handshake', () => { change(client); });
        await Promise.all([next(to, 'secureConnection'), next(client, 'secureConnect')]);
        expect(sizes.length).to.be.above(4000 / 300);
        expect(Math.max(...sizes)).to.be.within(250, 300);
        client.close();
        await next(client, 'close');
      });
    }

    it('says by writableNeedDrain that drain is to come', async () => {
      const link = await UserLink.bound();
      const transport = { transport: link };
      const opened = side === 'client' ? await openPsk({}, transport) : await openPsk(transport);
      const [socket, other] = ends(side, opened);
      expect(socket.writableNeedDrain).to.equal(false);
      const arrived = messages(other, 2);
      link.full = true;
      expect(socket.send('one')).to.equal(false);
      expect(socket.writableNeedDrain).to.equal(true);
      expect(socket.send('two')).to.equal(false);
      expect((await arrived).map(String)).to.deep.equal(['one', 'two']);
      const drained = next(socket, 'drain');
      link.relieve();
      await drained;
      expect(socket.writableNeedDrain).to.equal(false);
      expect(socket.send('three')).to.equal(true);
      await socket[Symbol.asyncDispose]();
      expect(socket.writableNeedDrain).to.equal(false);
    });

    it('sendMany sends each message, calls back once, and refuses all for one', async () => {
      const [socket, other] = await pair(side);
      const sent = ['one', Buffer.from('two'), new Uint8Array([51]), new DataView(new ArrayBuffer(2))];
      const arrived = messages(other, sent.length);
      const outcomes: unknown[] = [];
      await within(
        new Promise<void>((resolve) => {
          expect(
            socket.sendMany(sent, (error) => {
              outcomes.push(error);
              resolve();
            }),
          ).to.equal(true);
          expect(outcomes).to.deep.equal([]);
        }),
        'the callback',
      );
      expect((await arrived).map(String)).to.deep.equal(['one', 'two', '3', '\0\0']);
      const before = socket.stats.messagesSent;
      for (const [wrong, expected] of [
        [['fine', ''], 'ERR_DTLS_EMPTY_MESSAGE'],
        [['fine', Buffer.alloc(16385)], 'ERR_DTLS_MESSAGE_TOO_BIG'],
        [['fine', 7], 'ERR_INVALID_ARG_TYPE'],
        ['text', 'ERR_INVALID_ARG_TYPE'],
        [undefined, 'ERR_INVALID_ARG_TYPE'],
      ] as const) {
        expect(code(() => socket.sendMany(wrong as unknown as string[])), String(wrong)).to.equal(expected);
      }
      expect(code(() => socket.sendMany(['x'], 'x' as never))).to.equal('ERR_INVALID_ARG_TYPE');
      expect(socket.stats.messagesSent).to.equal(before);
      await new Promise<void>((resolve) => {
        socket.sendMany([], (error) => {
          outcomes.push(error);
          resolve();
        });
      });
      await socket[Symbol.asyncDispose]();
      await new Promise<void>((resolve) => {
        socket.sendMany(['late', 'later'], (error) => {
          outcomes.push(error);
          resolve();
        });
      });
      expect(outcomes.slice(0, 2)).to.deep.equal([null, null]);
      expect(outcomes[2]).to.have.property('code', 'ERR_DTLS_NOT_OPEN');
      expect(outcomes).to.have.length(3);
    });

    it('emits messages instead of message, to who listens for it', async () => {
      const [socket, other] = await pair(side);
      const batches: string[][] = [];
      let peer: unknown;
      const onMessages = (batch: Buffer[], info: unknown): void => {
        batches.push(batch.map(String));
        peer = info;
      };
      socket.on('messages', onMessages);
      socket.on('message', () => expect.fail('message beside messages'));
      const sent = Array.from({ length: 20 }, (_, index) => `message ${index}`);
      other.sendMany(sent);
      await within(
        (async () => {
          while (batches.flat().length < sent.length) await new Promise(setImmediate);
        })(),
        'the messages',
      );
      expect(batches.flat()).to.deep.equal(sent);
      expect(peer).to.include({ address: '127.0.0.1', port: socket.remotePort });
      socket.off('messages', onMessages);
      socket.removeAllListeners('message');
      const single = messages(socket, 1);
      other.send('alone');
      expect(String((await single)[0])).to.equal('alone');
    });

    it('gives each message memory of its own with copyMessages', async () => {
      for (const copyMessages of [true, false]) {
        const [socket, other] = await pair(side, { copyMessages });
        const arrived = messages(socket, 3);
        other.sendMany(['one', 'two', 'three']);
        for (const { buffer, length } of await arrived) {
          expect(buffer.byteLength === length).to.equal(copyMessages);
        }
      }
    });

    it('is iterated by for await, and offers Web Streams', async () => {
      const [socket, other] = await pair(side);
      const received: string[] = [];
      const reading = (async () => {
        for await (const message of socket) {
          received.push(message.toString());
          if (received.length === 2) break;
        }
      })();
      other.sendMany(['one', 'two']);
      await within(reading, 'the loop');
      expect(received).to.deep.equal(['one', 'two']);
      const { readable, writable } = socket.toWeb();
      const reader = readable.getReader();
      const writer = writable.getWriter();
      const back = messages(other, 1);
      await writer.write('by a stream');
      expect(String((await back)[0])).to.equal('by a stream');
      other.send('to a stream');
      expect(String((await within(reader.read(), 'a chunk')).value)).to.equal('to a stream');
      const end = ending(other);
      await writer.close();
      expect(await end).to.deep.equal({ hadError: false, errors: [] });
    });

    it('exportKeyingMaterial refuses what cannot be, and goes on', async () => {
      const [socket, other] = await pair(side);
      for (const [length, label, context, expected] of [
        [0, 'x', undefined, 'ERR_OUT_OF_RANGE'],
        [65537, 'x', undefined, 'ERR_OUT_OF_RANGE'],
        [1.5, 'x', undefined, 'ERR_OUT_OF_RANGE'],
        ['20', 'x', undefined, 'ERR_INVALID_ARG_TYPE'],
        [20, Buffer.from('x'), undefined, 'ERR_INVALID_ARG_TYPE'],
        [20, 'x', 7, 'ERR_INVALID_ARG_TYPE'],
        [20, 'x', Buffer.alloc(65536), 'ERR_OUT_OF_RANGE'],
        // Reserved, RFC 5705 section 4.
        [20, 'key expansion', undefined, 'ERR_INVALID_ARG_VALUE'],
        [20, 'master secret', undefined, 'ERR_INVALID_ARG_VALUE'],
      ] as [never, never, never, string][]) {
        expect(code(() => socket.exportKeyingMaterial(length, label, context))).to.equal(expected);
      }
      for (const [length, context] of [[1, undefined], [65536, Buffer.alloc(0)], [20, new Uint8Array(900)]] as const) {
        const material = socket.exportKeyingMaterial(length, 'EXPERIMENTAL', context);
        expect(material).to.have.length(length);
        expect(material).to.deep.equal(other.exportKeyingMaterial(length, 'EXPERIMENTAL', context));
      }
    });

    it('tells nothing of a handshake that is not over, and nothing after the end but what it remembers', async () => {
      const { cert, key, ca } = await certificate({ clientAuth: true });
      const theirs = await certificate();
      const server = await listen({ cert: theirs.cert, key: theirs.key, ca, requestCert: true });
      const began = next(server, 'connection');
      const accepted = next(server, 'secureConnection');
      const client = await dial(server, { cert, key });
      const [socket] = side === 'client' ? [client] : await began;
      const told = (): Record<string, unknown> => ({
        protocol: socket.getProtocol(),
        cipher: socket.getCipher(),
        peerCertificate: socket.getPeerCertificate(),
        peerX509: socket.getPeerX509Certificate(),
        peerKey: socket.getPeerPublicKey(),
        sigalgs: socket.getSharedSigalgs(),
        finished: [socket.getFinished(), socket.getPeerFinished()],
        session: socket.getSession(),
        ticket: socket.getTLSTicket(),
        srtp: socket.getSrtp(),
        maxMessageSize: socket.maxMessageSize,
        authorizationError: socket.authorizationError,
      });
      const nothing = {
        protocol: null,
        cipher: null,
        peerCertificate: {},
        peerX509: undefined,
        peerKey: undefined,
        sigalgs: [],
        finished: [undefined, undefined],
        session: undefined,
        ticket: undefined,
        srtp: null,
        maxMessageSize: 0,
        authorizationError: null,
      };
      // A server's socket is there when its hello has come, and knows what that says.
      const { sigalgs, ...before } = told();
      expect(sigalgs).to.be.an('array');
      expect({ ...before, maxMessageSize: 0, sigalgs: [] }).to.deep.equal(nothing);
      await Promise.all([accepted, next(client, 'secureConnect')]);
      expect(socket.getPeerX509Certificate()).not.to.equal(undefined);
      expect(socket.getCipher()).not.to.equal(null);
      await socket[Symbol.asyncDispose]();
      expect(told()).to.deep.equal({ ...nothing, protocol: 'DTLSv1.2' });
      expect([socket.authorized, socket.extendedMasterSecret, socket.encryptThenMac, socket.isSessionReused()]).to.deep.equal([true, true, false, false]);
      expect(code(() => socket.exportKeyingMaterial(20, 'x'))).to.equal('ERR_DTLS_NOT_OPEN');
    });

    it('shows the certificate of the other end, and its own', async () => {
      const mine = await certificate({ commonName: 'the client', clientAuth: true });
      const theirs = await certificate({ commonName: 'the server' });
      const opened = await open(
        { cert: theirs.cert, key: theirs.key, ca: mine.ca, requestCert: true },
        { cert: mine.cert, key: mine.key },
      );
      const [socket] = ends(side, opened);
      const [own, other] = side === 'client' ? ['the client', 'the server'] : ['the server', 'the client'];
      expect(socket.getCertificate()).to.have.nested.property('subject.CN', own);
      expect(socket.getX509Certificate()?.subject).to.equal(`CN=${own}`);
      expect(socket.getPeerCertificate()).to.have.nested.property('subject.CN', other);
      expect(socket.getPeerCertificate(true)).to.have.nested.property('issuerCertificate.subject.CN', 'dgram-dtls test authority');
      expect(socket.getPeerX509Certificate()?.subject).to.equal(`CN=${other}`);
      expect(socket.getPeerPublicKey()?.equals(socket.getPeerX509Certificate()?.publicKey as never)).to.equal(true);
    });
  });
}

describe('the two kinds of UDP socket', () => {
  afterEach(closeEverything);

  const kinds = process.platform === 'linux' ? (['native', 'dgram'] as const) : (['dgram'] as const);
  for (const server of kinds) {
    for (const client of kinds) {
      it(`talk to each other: ${server} server, ${client} client`, async () => {
        const { client: socket, peer } = await openOn(
          await listen({ ...PSK_SERVER, transport: server }),
          { ...PSK_CLIENT, transport: client },
        );
        const heard = Promise.all([messages(peer, 1), messages(socket, 1)]);
        socket.send('there');
        peer.send('back');
        expect((await heard).flat().map(String)).to.deep.equal(['there', 'back']);
      });
    }
  }
});
