/**
 * Protects: that what users' code throws may be anything, also what cannot be made a string and what throws when it
 * is read: the question that it was asked has its answer, the session ends with a typed error, and nothing is thrown
 * out of the package. Over both transports.
 */
import { expect } from 'chai';
import { constants } from 'node:crypto';
import {
  connect,
  createServer,
  createSocket,
  DTLSError,
  type ConnectOptions,
  type DatagramReceiver,
  type DatagramTransport,
  type DTLSServer,
  type DTLSSocket,
  type Peer,
  type ServerOptions,
  type SocketDtlsOptions,
} from '../../lib/index';
import { hasNativeUdp } from '../../lib/transport/native-udp';
import { createAuthority } from '../helpers/certificates';
import {
  clientFailure,
  closeEverything,
  dial,
  ending,
  failure,
  listen,
  next,
  openOn,
  portOf,
  PSK_CLIENT,
  PSK_SERVER,
  within,
  withCertificate,
} from '../helpers/pair';

/** With a getter that throws, as an Error of a user's may have. */
function withGetter<T extends object>(target: T, name: string): T {
  return Object.defineProperty(target, name, {
    get() {
      throw new Error(`a getter of ${name}`);
    },
  });
}
const hostile = new Proxy(
  {},
  {
    get() {
      return () => {
        throw new Error('a trap');
      };
    },
  },
);

const THROWN: readonly [what: string, make: () => unknown][] = [
  ['an object without a prototype', () => Object.create(null) as unknown],
  [
    'an object whose toString throws',
    () => ({
      toString() {
        throw new Error('toString');
      },
      get [Symbol.toStringTag]() {
        throw new Error('toStringTag');
      },
    }),
  ],
  ['a Symbol', () => Symbol('a symbol')],
  ['an Error whose message throws', () => withGetter(new Error('hidden'), 'message')],
  ['an Error whose code throws', () => withGetter(new Error('what it says'), 'code')],
  ['an Error whose message is a Symbol', () => Object.assign(new Error('hidden'), { message: Symbol('text') })],
  ['a Proxy of an Error, all of whose traps throw', () => new Proxy(new Error('hidden'), hostile)],
  [
    'a DTLSError whose code throws',
    () => withGetter(new DTLSError('what it says', { code: 'ERR_DTLS_IO', category: 'io' }), 'code'),
  ],
  [
    'a Proxy of a DTLSError, all of whose traps throw',
    () => new Proxy(new DTLSError('hidden', { code: 'ERR_DTLS_IO', category: 'io' }), hostile),
  ],
];

/** A typed error is one that can be read. */
function expectTyped(error: unknown): void {
  expect(error).to.be.instanceOf(DTLSError);
  const { code, message } = error as DTLSError;
  expect(code).to.be.a('string').and.not.equal('');
  expect(message).to.be.a('string').and.not.equal('');
}

type Setup = (fail: () => never) => {
  server?: ServerOptions;
  client?: Partial<ConnectOptions>;
  listeners?: (server: DTLSServer) => void;
  dialled?: (client: DTLSSocket) => void;
};

/** Where a server's code is asked, and where a client's. */
const ON_A_SERVER: readonly [question: string, setup: Setup][] = [
  ['SNICallback', (fail) => ({ server: { SNICallback: () => fail() }, client: { servername: 'a.example' } })],
  ['ALPNCallback', (fail) => ({ server: { ALPNCallback: fail }, client: { ALPNProtocols: ['coap'] } })],
  ['pskCallback', (fail) => ({ server: { pskCallback: fail }, client: PSK_CLIENT })],
  ['a pskCallback that rejects', (fail) => ({ server: { pskCallback: async () => Promise.resolve().then(fail) }, client: PSK_CLIENT })],
  ["a listener of 'OCSPRequest'", (fail) => ({ listeners: (server) => server.on('OCSPRequest', fail), client: { requestOCSP: true } })],
];
const ON_A_CLIENT: readonly [question: string, setup: Setup][] = [
  ['checkServerIdentity', (fail) => ({ client: { checkServerIdentity: fail } })],
  ['pskCallback', (fail) => ({ server: PSK_SERVER, client: { pskCallback: fail } })],
  ['lookup', (fail) => ({ client: { host: 'a.example', lookup: fail } })],
  [
    'waitUntil',
    (fail) => ({
      client: { requestOCSP: true },
      listeners: (server) =>
        server.on('OCSPRequest', (_certificate, _issuer, done) => {
          done(null, Buffer.from('a response'));
        }),
      dialled: (client) =>
        client.on('OCSPResponse', (_response, waitUntil) => {
          waitUntil(Promise.resolve().then(fail));
        }),
    }),
  ],
];

for (const transport of hasNativeUdp ? (['native', 'dgram'] as const) : (['dgram'] as const)) {
  describe(`what cannot be read, over ${transport}`, () => {
    afterEach(closeEverything);

    for (const [what, make] of THROWN) {
      const fail = (): never => {
        throw make();
      };

      async function ask(setup: Setup): Promise<{ server: DTLSServer; client: DTLSSocket }> {
        const { server: options, client: asking, listeners, dialled } = setup(fail);
        const own = options?.pskCallback === undefined ? await withCertificate(options) : options;
        const server = await listen({ ...own, transport });
        listeners?.(server);
        const client = await dial(server, { ...asking, transport });
        dialled?.(client);
        return { server, client };
      }

      for (const [question, setup] of ON_A_SERVER) {
        it(`${what}: thrown by ${question} of a server it is an answer, and a typed error`, async () => {
          const { server, client } = await ask(setup);
          const ended = ending(client);
          expectTyped(await clientFailure(server));
          await ended;
        });
      }
      for (const [question, setup] of ON_A_CLIENT) {
        it(`${what}: thrown by ${question} of a client it is an answer, and a typed error`, async () => {
          const { client } = await ask(setup);
          expectTyped(await failure(client));
        });
      }

      it(`${what}: thrown by a listener of 'newSession' it ends the session, with a typed error`, async () => {
        const server = await listen(await withCertificate({ transport }));
        server.on('newSession', fail);
        const client = await dial(server, { transport, secureOptions: constants.SSL_OP_NO_TICKET });
        const ended = next(client, 'close');
        expectTyped(await clientFailure(server));
        await ended;
      });

      it(`${what}: destroy() takes it, in both roles`, async () => {
        const server = await listen({ ...PSK_SERVER, transport });
        const { client, peer } = await openOn(server, { ...PSK_CLIENT, transport });
        const peerEnds = ending(peer);
        const ended = failure(client);
        client.destroy(make() as Error);
        expectTyped(await ended);
        await peerEnds;
        expect(client).to.include({ readyState: 'closed', destroyed: true });
        const again = await openOn(server, { ...PSK_CLIENT, transport });
        const theirs = failure(again.peer);
        again.peer.destroy(make() as Error);
        expectTyped(await theirs);
        expect(again.peer).to.include({ readyState: 'closed', destroyed: true });
        expect([...server.sessions]).to.deep.equal([]);
      });

      it(`${what}: it says why a tolerated server is not authorized`, async () => {
        const server = await listen(await withCertificate({ transport }));
        const { client } = await openOn(server, {
          transport,
          checkServerIdentity: fail,
          rejectUnauthorized: false,
        });
        expect(client.authorizationError).to.be.a('string').and.not.equal('');
      });
    }
  });
}

/** Two ends in memory; `fails` makes `send` of the first throw, or its receiver hear of an error. */
class Wire implements DatagramTransport {
  other: Wire | undefined;
  receiver: DatagramReceiver | undefined;
  throws: (() => never) | undefined;
  constructor(readonly seenAs: Peer) {}
  start(receiver: DatagramReceiver): void {
    this.receiver = receiver;
  }
  send(datagrams: readonly Uint8Array[], _peer: Peer, done?: (error: Error | null) => void): boolean {
    this.throws?.();
    const copies = datagrams.map((datagram) => Buffer.from(datagram));
    setImmediate(() => {
      for (const copy of copies) this.other?.receiver?.receive(copy, this.seenAs);
    });
    if (done !== undefined) process.nextTick(done, null);
    return true;
  }
  address(): { address: string; port: number; family: string } {
    return { ...this.seenAs };
  }
  close(done: () => void): void {
    this.receiver = undefined;
    process.nextTick(done);
  }
}

describe('what cannot be read, of a transport', () => {
  for (const [what, make] of THROWN) {
    it(`${what}: thrown by send() it is the error of that message, and of no call of another's`, async () => {
      const near = new Wire({ address: '192.0.2.1', port: 1, family: 'IPv4' });
      const far = new Wire({ address: '192.0.2.2', port: 2, family: 'IPv4' });
      [near.other, far.other] = [far, near];
      const server = createServer({ ...PSK_SERVER, transport: far });
      server.listen(2);
      const client = connect({ host: '192.0.2.2', port: 2, ...PSK_CLIENT, transport: near });
      await next(client, 'secureConnect');
      near.throws = () => {
        throw make();
      };
      const error = await within(
        new Promise((resolve) => {
          client.send('a message', resolve);
        }),
        'the callback of send',
      );
      expectTyped(error);
      near.receiver?.error(make() as Error, far.seenAs);
      const closed = next(client, 'close');
      client.close();
      await closed;
      const ended = next(server, 'close');
      server.close();
      await ended;
    });
  }
});

describe('what cannot be read, of a createSocket', () => {
  afterEach(closeEverything);

  for (const [what, make] of THROWN) {
    const fail = (): never => {
      throw make();
    };

    async function sent(dtls: SocketDtlsOptions, ...hosts: string[]): Promise<unknown[]> {
      const { certificatePem: ca } = await createAuthority();
      const server = await listen(await withCertificate());
      const socket = createSocket({ type: 'udp4', dtls: { ca, ...dtls } });
      const told: unknown[] = [];
      try {
        for (const host of hosts) {
          await within(
            new Promise<void>((resolve) => {
              socket.send('a message', portOf(server), host, (error) => {
                told.push(error);
                resolve();
              });
            }),
            'the callback of send',
          );
        }
      } finally {
        await new Promise<void>((resolve) => socket.close(resolve));
      }
      return told;
    }

    it(`${what}: thrown by the function for peers it refuses that peer, and calls back`, async () => {
      const [error] = await sent({ peers: fail }, '127.0.0.1');
      expect(typeof error).to.equal('object');
      expect(error === null).to.equal(false);
    });

    it(`${what}: thrown by checkServerIdentity for another name it refuses that name, and calls back`, async () => {
      const checkServerIdentity = (name: string): undefined => (name === 'localhost' ? fail() : undefined);
      const [first, second] = await sent({ checkServerIdentity }, '127.0.0.1', 'localhost');
      expect(first).to.equal(null);
      expectTyped(second);
    });
  }
});
