/**
 * Protects handshakes that wait for an answer: lookups in a real store while everybody else goes on; and
 * callbacks that throw, never answer, answer twice, too late, or with something that is no answer.
 */
import { expect } from 'chai';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  createSecureContext,
  type ConnectOptions,
  type DTLSSocket,
  type SecureContext,
  type ServerOptions,
} from '../../lib/index';
import {
  certificate,
  clientFailure,
  closeEverything,
  dial,
  ending,
  failure,
  listen,
  messages,
  next,
  openOn,
  PSK,
  PSK_CLIENT,
  withCertificate,
} from '../helpers/pair';
import { patience } from '../helpers/patience';
import { cleanupAfterEach, requirePrograms, temporaryFiles } from '../helpers/peers';
import { startRedis } from '../helpers/redis';

const NAME = 'a.example.org';

async function contextFor(name: string): Promise<SecureContext> {
  const { cert, key } = await certificate({ commonName: name, dnsNames: [name] });
  return createSecureContext({ cert, key });
}

/** A callback under test: where it goes, which client has it asked, and what its failures are called. */
interface Asked {
  readonly option: 'SNICallback' | 'ALPNCallback' | 'pskCallback';
  readonly code: string;
  readonly alert: string;
  readonly client: Partial<ConnectOptions>;
}

const ASKED: readonly Asked[] = [
  {
    option: 'SNICallback',
    code: 'ERR_DTLS_SNI_CALLBACK',
    alert: 'unrecognized_name',
    client: { servername: NAME },
  },
  {
    option: 'ALPNCallback',
    code: 'ERR_DTLS_ALPN_CALLBACK',
    alert: 'no_application_protocol',
    client: { ALPNProtocols: ['coap'] },
  },
  {
    option: 'pskCallback',
    code: 'ERR_DTLS_PSK_IDENTITY_UNKNOWN',
    alert: 'unknown_psk_identity',
    client: PSK_CLIENT,
  },
];

type Callback = (...args: never[]) => unknown;

describe('ALPNCallback that chooses what is not offered', () => {
  afterEach(closeEverything);

  it('fails with a message in one line, whatever the names of the client are', async () => {
    const server = await listen(await withCertificate({ ALPNCallback: () => 'coap' }));
    const refused = clientFailure(server);
    (await dial(server, { ALPNProtocols: ['http/1.1', 'x\nerror: forged\u001b[2J'] })).on('error', () => undefined);
    const { code, message } = await refused;
    expect(code).to.equal('ERR_DTLS_ALPN_CALLBACK');
    expect(message).to.equal(
      "ALPNCallback failed: ALPNCallback chose 'coap', and the client offers http/1.1, x\\x0aerror: forged\\x1b[2J",
    );
  });
});

for (const { option, code, alert, client } of ASKED) {
  describe(`${option} that`, () => {
    afterEach(closeEverything);

    const withCallback = async (
      callback: Callback,
      more: ServerOptions = {},
    ): Promise<ServerOptions> => ({
      ...(option === 'pskCallback' ? {} : await withCertificate()),
      ...more,
      [option]: callback,
    });

    /** A client that asks nothing of the kind is served all the same. */
    const servesOthers = async (server: Parameters<typeof openOn>[0]): Promise<void> => {
      if (option !== 'pskCallback') await openOn(server);
    };

    const failures: Record<string, [Callback, (cause: unknown) => void]> = {
      throws: [
        () => {
          throw new Error('out of order');
        },
        (cause) => {
          expect(cause).to.have.property('message', 'out of order');
        },
      ],
      'throws something that is no error': [
        () => {
          // eslint-disable-next-line @typescript-eslint/only-throw-error -- users do
          throw 'out of order';
        },
        (cause) => {
          expect(cause).to.have.property('message', 'out of order');
        },
      ],
      rejects: [
        async () => Promise.reject(new Error('the store is away')),
        (cause) => {
          expect(cause).to.have.property('message', 'the store is away');
        },
      ],
      'answers with a number': [
        () => 7,
        (cause) => {
          expect(cause).to.include({ code: 'ERR_INVALID_ARG_TYPE', category: 'usage' });
        },
      ],
      'resolves to an object of its own': [
        async () => Promise.resolve({}),
        (cause) => {
          expect(cause).to.include({ code: 'ERR_INVALID_ARG_TYPE', category: 'usage' });
        },
      ],
    };
    for (const [how, [callback, check]] of Object.entries(failures)) {
      it(`${how} fails that handshake, and no other`, async () => {
        const server = await listen(await withCallback(callback));
        const refused = clientFailure(server);
        const socket = await dial(server, client);
        expect(await failure(socket)).to.include({
          code: `ERR_DTLS_ALERT_${alert.toUpperCase()}`,
          alert,
        });
        const error = await refused;
        expect(error).to.include({ code, alert });
        check(error.cause);
        await servesOthers(server);
      });
    }

    it('never answers ends at the deadline', async () => {
      const never = new Promise<never>(() => undefined);
      const server = await listen(
        await withCallback(async () => never, { handshakeTimeout: patience(150) }),
      );
      const refused = clientFailure(server);
      const socket = await dial(server, { ...client, handshakeTimeout: patience(400) });
      const ended = ending(socket);
      expect(await refused).to.include({ code: 'ERR_DTLS_LOOKUP_TIMEOUT', category: 'timeout' });
      expect(server.stats.failures).to.deep.equal({ ERR_DTLS_LOOKUP_TIMEOUT: 1 });
      expect([...server.sessions]).to.deep.equal([]);
      await servesOthers(server);
      // The client is told: to one with a pre-shared key, silence after its Finished looked like another key.
      expect((await ended).errors[0]).to.have.property('code', 'ERR_DTLS_ALERT_INTERNAL_ERROR');
    });

    for (const [what, late] of [
      ['answers', undefined],
      ['fails', new Error('too late')],
    ] as const) {
      it(`${what} after the socket has gone does nothing`, async () => {
        let answered: (() => void) | undefined;
        const server = await listen(
          await withCallback(
            async () =>
              new Promise((resolve, reject) => {
                answered = () => {
                  if (late === undefined) resolve(undefined);
                  else reject(late);
                };
              }),
          ),
        );
        const began = next(server, 'connection');
        const socket = await dial(server, { ...client, handshakeTimeout: patience(300) });
        const ended = ending(socket);
        const [peer] = await began;
        while (answered === undefined) await sleep(5);
        const gone = next(peer, 'close');
        peer.destroy();
        await gone;
        answered();
        await sleep(20);
        expect([...server.sessions]).to.deep.equal([]);
        await servesOthers(server);
        expect((await ended).hadError).to.equal(true);
      });
    }
  });
}

describe('ALPNCallback that', () => {
  afterEach(closeEverything);

  it('chooses what was not offered fails the handshake', async () => {
    const server = await listen(await withCertificate({ ALPNCallback: () => 'http/1.1' }));
    const refused = clientFailure(server);
    const socket = await dial(server, { ALPNProtocols: ['coap', 'x'] });
    expect((await failure(socket)).alert).to.equal('no_application_protocol');
    const { cause } = await refused;
    expect(cause).to.have.property('code', 'ERR_INVALID_RETURN_VALUE');
    expect(cause)
      .to.have.property('message')
      .that.includes("'http/1.1'")
      .and.includes('coap, x');
  });
});

describe('SNICallback that answers twice', () => {
  afterEach(closeEverything);

  type Done = (error?: Error | null, context?: SecureContext | null) => void;
  const twice: Record<string, (done: Done, context: SecureContext) => unknown> = {
    'by calling back': (done, context) => {
      done(null, context);
      done(null, context);
    },
    'by calling back and returning': (done, context) => {
      done(null, context);
      return context;
    },
    'with an error, having called back': (done, context) => {
      done(null, context);
      throw new Error('and then this');
    },
    'with a rejection, having called back': async (done, context) => {
      done(null, context);
      await Promise.reject(new Error('and then this'));
    },
  };
  for (const [how, answer] of Object.entries(twice)) {
    it(`${how} loses that client only, as in tls`, async () => {
      const context = await contextFor(NAME);
      const server = await listen(
        await withCertificate({ SNICallback: (_, done) => answer(done, context) }),
      );
      const refused = clientFailure(server);
      const socket = await dial(server, { servername: NAME, handshakeTimeout: patience(300) });
      const ended = ending(socket);
      const error = await refused;
      expect(error).to.include({ code: 'ERR_MULTIPLE_CALLBACK', category: 'usage' });
      if (how.includes('with')) {
        expect(error.cause).to.have.property('message', 'and then this');
      }
      await openOn(server);
      await ended;
    });
  }

  it('after its session is open loses that session', async () => {
    const context = await contextFor(NAME);
    let again: (() => void) | undefined;
    const server = await listen(
      await withCertificate({
        SNICallback: (_, done) => {
          again = done;
          done(null, context);
        },
      }),
    );
    const { client } = await openOn(server, { servername: NAME });
    const refused = clientFailure(server);
    const ended = ending(client);
    again?.();
    expect(await refused).to.have.property('code', 'ERR_MULTIPLE_CALLBACK');
    expect(await ended).to.deep.include({ hadError: false }); // close_notify
    again?.(); // nobody is there any more
    await openOn(server);
  });
});

describe('lookups in a store', function () {
  this.timeout(patience(30_000));
  afterEach(closeEverything); // while the store is there to answer
  const cleanup = cleanupAfterEach(this);
  const files = temporaryFiles(this);
  before(function () {
    requirePrograms(this, 'redis-server');
  });

  it('that take 200 ms: SNI, ALPN and the key, each asked once', async () => {
    const { client: redis, server: store } = await startRedis(cleanup, files);
    const { cert, key } = await certificate({ commonName: NAME, dnsNames: [NAME] });
    await redis.hSet(`name:${NAME}`, { cert, key, protocol: 'coap' });
    const asked: string[] = [];
    const server = await listen(
      await withCertificate({
        SNICallback: async (name) => {
          asked.push(`name ${name}`);
          const found = await redis.hGetAll(`name:${name}`);
          return createSecureContext({ cert: found.cert, key: found.key });
        },
        ALPNCallback: async ({ servername, protocols }) => {
          asked.push(`protocol ${protocols.join()}`);
          return (await redis.hGet(`name:${String(servername)}`, 'protocol')) ?? undefined;
        },
      }),
    );
    const other = await openOn(server);
    store.signal('SIGSTOP');
    const began = Date.now();
    const client = await dial(server, {
      servername: NAME,
      ALPNProtocols: ['x', 'coap'],
      retransmission: { initial: 30, max: 30 },
    });
    const connected = next(client, 'secureConnect');
    await sleep(200);
    expect(asked).to.deep.equal([`name ${NAME}`]);
    expect(client.stats.retransmissions).to.be.above(1);
    // Meanwhile everybody else goes on: a message, and a whole handshake.
    const received = messages(other.peer, 1);
    other.client.send('still here');
    expect((await received).toString()).to.equal('still here');
    await openOn(server);
    expect(client.readyState).to.equal('opening');
    store.signal('SIGCONT');
    await connected;
    expect(Date.now() - began).to.be.at.least(200);
    expect(asked).to.deep.equal([`name ${NAME}`, 'protocol x,coap']);
    expect(client.alpnProtocol).to.equal('coap');
    expect(client.getPeerX509Certificate()?.subject).to.equal(`CN=${NAME}`);
  });

  for (const [what, cookieExchange] of [
    ['500 handshakes wait at once', true],
    ['500 handshakes wait at once, without cookies', false],
  ] as const) {
    it(what, async () => {
      const { client: redis, server: store } = await startRedis(cleanup, files);
      const COUNT = 500;
      const keyOf = (i: number): string => i.toString(16).padStart(32, '0');
      for (let i = 0; i < COUNT; ++i) await redis.set(`psk:sensor-${i}`, keyOf(i));
      let asked = 0;
      const identities = new Set<string>();
      // So many at once overflow a socket's buffer: what is lost is sent again soon.
      const retransmission = { initial: patience(150), max: patience(300) };
      const handshakeTimeout = patience(30_000);
      const server = await listen({
        cookieExchange,
        maxPendingHandshakesPerHost: 0, // they all have one address here
        retransmission,
        handshakeTimeout,
        SNICallback: async (name) => {
          if (name !== 'store.example.org') return null;
          asked += 1;
          await redis.ping();
          return null;
        },
        pskCallback: async (_, identity) => {
          if (identity === PSK.identity) return PSK.psk;
          identities.add(identity.toString());
          const found = await redis.get(`psk:${identity.toString()}`);
          return found === null ? null : Buffer.from(found, 'hex');
        },
      });
      const existing = await openOn(server, PSK_CLIENT);
      store.signal('SIGSTOP');
      const waiting: DTLSSocket[] = [];
      for (let i = 0; i < COUNT; ++i) {
        waiting.push(
          await dial(server, {
            retransmission,
            handshakeTimeout,
            servername: i % 2 === 0 ? 'store.example.org' : '',
            pskCallback: () => ({ identity: `sensor-${i}`, psk: Buffer.from(keyOf(i), 'hex') }),
          }),
        );
      }
      const everybody = (): boolean => asked === COUNT / 2 && identities.size === COUNT / 2;
      while (!everybody()) await sleep(10);
      expect([...server.sessions]).to.have.length(COUNT + 1);
      const received = messages(existing.peer, 1);
      // The buffer may be full of what the others send again: datagrams are lost then.
      const sending = setInterval(() => existing.client.send('still here'), 50);
      expect((await received).toString()).to.equal('still here');
      clearInterval(sending);
      await openOn(server, { ...PSK_CLIENT, retransmission });
      expect(waiting.filter(({ readyState }) => readyState !== 'opening')).to.deep.equal([]);
      const open = Promise.all(waiting.map((client) => next(client, 'secureConnect')));
      store.signal('SIGCONT');
      await open;
      const served = new Set([...server.sessions].map((socket) => socket.pskIdentity));
      expect(served).to.have.property('size', COUNT + 1);
    });
  }
});
