/**
 * Protects clients whose callbacks misbehave: a `lookup`, a `checkServerIdentity` or a `pskCallback` that throws,
 * fails, answers with what is no answer, twice, too late or never ends that client with one typed error, or
 * changes nothing; and the server serves the next one all the same.
 */
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { DTLSError, type ConnectOptions, type DTLSServer, type DTLSSocket } from '../../lib/index';
import {
  clientFailure,
  closeEverything,
  dial,
  ending,
  failure,
  listen,
  next,
  openOn,
  PSK,
  PSK_CLIENT,
  PSK_SERVER,
  withCertificate,
} from '../helpers/pair';

/** A client that does nothing wrong is served. */
async function servesOthers(server: DTLSServer, options: Partial<ConnectOptions> = {}): Promise<void> {
  const { client } = await openOn(server, options);
  client.close();
  await next(client, 'close');
}

describe('lookup', () => {
  afterEach(closeEverything);

  const HOST = 'localhost';
  type Answer = (callback: (...answer: unknown[]) => void, options: unknown, host: string) => void;

  const client = (server: DTLSServer, answer: Answer, more: Partial<ConnectOptions> = {}): Promise<DTLSSocket> =>
    dial(server, {
      ...PSK_CLIENT,
      host: HOST,
      lookup: ((host, options, callback) => {
        answer(callback as (...answer: unknown[]) => void, options, host);
      }),
      ...more,
    });

  const answers: [string, Answer][] = [
    ['an address', (callback) => { callback(null, '127.0.0.1', 4); }],
    ['an address, without a word of errors', (callback) => { callback(undefined, '127.0.0.1'); }],
    ['a list, although it was asked for one', (callback) => { callback(null, [{ address: '127.0.0.1', family: 4 }]); }],
    ['an address, later', (callback) => { setTimeout(callback, 10, null, '127.0.0.1', 4); }],
  ];
  for (const [what, answer] of answers) {
    it(`may give ${what}`, async () => {
      const socket = await client(await listen(PSK_SERVER), answer);
      await next(socket, 'secureConnect');
      expect(socket.remoteAddress).to.equal('127.0.0.1');
    });
  }

  it('is asked for the family', async () => {
    const asked: unknown[] = [];
    for (const family of [undefined, 4, 6] as const) {
      const socket = await client(
        await listen(PSK_SERVER),
        (callback, options, host) => {
          asked.push(host, options);
          callback(null, '127.0.0.1', 4);
        },
        { family },
      );
      await next(socket, 'secureConnect');
    }
    const options = (family: number): object => ({ family, all: false });
    expect(asked).to.deep.equal([HOST, options(0), HOST, options(4), HOST, options(6)]);
  });

  it('is asked for localhost where there is no host', async () => {
    const asked: string[] = [];
    for (const host of [undefined, '']) {
      const socket = await client(
        await listen(await withCertificate()),
        (callback, _options, name) => {
          asked.push(name);
          callback(null, '127.0.0.1', 4);
        },
        { host, pskCallback: undefined },
      );
      await next(socket, 'secureConnect');
      expect([socket.servername, socket.authorized]).to.deep.equal(['localhost', true]);
    }
    expect(asked).to.deep.equal([HOST, HOST]);
  });

  const failures: [string, Answer, string, string][] = [
    ['throws', () => { throw new Error('out of order'); }, 'ERR_DTLS_IO', 'out of order'],
    ['throws something that is no error', () => {
      // eslint-disable-next-line @typescript-eslint/only-throw-error -- users do
      throw 'out of order';
    }, 'ERR_DTLS_IO', 'out of order'],
    ['throws, having answered', (callback) => {
      callback(null, '127.0.0.1', 4);
      throw new Error('and then this');
    }, 'ERR_DTLS_IO', 'and then this'],
    ['fails', (callback) => { callback(Object.assign(new Error('who?'), { code: 'ENOTFOUND' })); }, 'ENOTFOUND', 'who?'],
    ['fails with a string', (callback) => { callback('who?'); }, 'ERR_DTLS_IO', 'who?'],
    ['gives nothing', (callback) => { callback(null); }, 'ERR_DTLS_IO', HOST],
    ['gives an empty list', (callback) => { callback(null, []); }, 'ERR_DTLS_IO', HOST],
    ['gives a name', (callback) => { callback(null, 'elsewhere.example', 4); }, 'ERR_INVALID_IP_ADDRESS', "'elsewhere.example'"],
    ['gives a number', (callback) => { callback(null, 127, 4); }, 'ERR_INVALID_IP_ADDRESS', '127'],
    ['gives null', (callback) => { callback(null, null, 4); }, 'ERR_INVALID_IP_ADDRESS', 'null'],
  ];
  for (const [how, answer, code, words] of failures) {
    it(`that ${how} ends the client with one typed error`, async () => {
      const server = await listen(PSK_SERVER);
      const socket = await client(server, answer);
      const error = await failure(socket);
      expect(error).to.be.instanceOf(DTLSError);
      expect(error.code).to.equal(code);
      expect(error.category).to.equal(code === 'ERR_INVALID_IP_ADDRESS' ? 'usage' : 'io');
      expect(error.message).to.include(words);
      await servesOthers(server, PSK_CLIENT);
    });
  }

  it('that answers twice has its first answer count', async () => {
    const [server, other] = [await listen(PSK_SERVER), await listen(PSK_SERVER)];
    const again: Answer = (callback) => {
      callback(null, '127.0.0.1', 4);
      callback(null, '127.0.0.1', 4);
      callback(new Error('and then this'));
      setTimeout(callback, 20, null, '127.0.0.1', 4);
    };
    for (const one of [server, other]) {
      const socket = await client(one, again);
      await next(socket, 'secureConnect');
      await sleep(40);
      expect(socket.readyState).to.equal('open');
      expect(one.stats).to.include({ handshakesStarted: 1, sessions: 1 });
    }
  });

  it('that never answers leaves a client that can be ended', async () => {
    const server = await listen(PSK_SERVER);
    const never: Answer = () => undefined;
    const closed = await client(server, never);
    const end = ending(closed);
    closed.close();
    expect(await end).to.deep.equal({ hadError: false, errors: [] });
    const controller = new AbortController();
    const aborted = await client(server, never, { signal: controller.signal });
    const error = failure(aborted);
    controller.abort();
    expect((await error).code).to.equal('ABORT_ERR');
  });

  for (const [what, answer] of [
    ['answers', [null, '127.0.0.1', 4]],
    ['fails', [new Error('too late')]],
  ] as const) {
    it(`that ${what} after the socket has gone does nothing`, async () => {
      const server = await listen(PSK_SERVER);
      let late: ((...answer: unknown[]) => void) | undefined;
      const socket = await client(server, (callback) => (late = callback));
      const end = ending(socket);
      socket.destroy();
      await end;
      late?.(...answer);
      await sleep(20);
      expect(socket.readyState).to.equal('closed');
      expect(server.stats.datagramsReceived).to.equal(0);
    });
  }
});

describe('checkServerIdentity', () => {
  afterEach(closeEverything);

  type Check = NonNullable<ConnectOptions['checkServerIdentity']>;

  it('accepts with undefined and, as in tls, with null', async () => {
    const server = await listen(await withCertificate());
    for (const nothing of [undefined, null]) {
      const check = (() => nothing) as Check;
      const { client } = await openOn(server, { checkServerIdentity: check });
      expect(client.authorized).to.equal(true);
    }
  });

  const answers: [string, () => unknown][] = [
    ['true', () => true],
    ['false', () => false],
    ['a string', () => 'not this one'],
    ['an object', () => ({ message: 'looks like an error' })],
    ['a Promise', async () => Promise.resolve(undefined)],
    ['a Promise that rejects', async () => Promise.reject(new Error('nobody waits for this'))],
  ];
  for (const [what, answer] of answers) {
    it(`that gives ${what} refuses the server, with a typed error`, async () => {
      const server = await listen(await withCertificate());
      const refused = clientFailure(server);
      const client = await dial(server, { checkServerIdentity: answer as Check });
      const error = await failure(client);
      expect(error).to.be.instanceOf(DTLSError);
      expect(error).to.include({ code: 'ERR_INVALID_ARG_TYPE', category: 'certificate', alert: 'bad_certificate' });
      expect(error.message).to.include('checkServerIdentity');
      expect((await refused).code).to.equal('ERR_DTLS_ALERT_BAD_CERTIFICATE');
      const tolerant = await openOn(server, {
        checkServerIdentity: answer as Check,
        rejectUnauthorized: false,
      });
      expect(tolerant.client.authorized).to.equal(false);
      expect(tolerant.client.authorizationError).to.equal('ERR_INVALID_ARG_TYPE');
      await servesOthers(server);
    });
  }
});

describe("a client's pskCallback", () => {
  afterEach(closeEverything);

  type Callback = NonNullable<ConnectOptions['pskCallback']>;

  it('that never answers ends at the deadline', async () => {
    const server = await listen({ ...PSK_SERVER, handshakeTimeout: 1500 });
    const refused = clientFailure(server);
    const client = await dial(server, {
      handshakeTimeout: 200,
      pskCallback: async () => new Promise<never>(() => undefined),
    });
    expect(await failure(client)).to.include({ code: 'ERR_DTLS_LOOKUP_TIMEOUT', category: 'timeout' });
    expect((await refused).code).to.equal('ERR_DTLS_ALERT_INTERNAL_ERROR');
    await servesOthers(server, PSK_CLIENT);
  });

  it("may answer by what other libraries have for a Promise, on either side, as may ALPNCallback", async () => {
    /** As query builders are: it begins when somebody waits for it. */
    const later = <T>(value: T): Promise<T> =>
      ({ then: (done: (value: T) => void) => void setImmediate(done, value) }) as unknown as Promise<T>;
    const server = await listen({ pskCallback: () => later(PSK.psk), ALPNCallback: () => later('coap') });
    const { client } = await openOn(server, { pskCallback: () => later(PSK), ALPNProtocols: ['coap'] });
    expect(client.alpnProtocol).to.equal('coap');
    const refusing = { then: (_done: unknown, failed: (error: Error) => void) => void setImmediate(failed, new Error('of the library')) };
    const refused = await dial(server, { pskCallback: () => refusing as unknown as Promise<null> });
    expect((await failure(refused)).cause).to.have.property('message', 'of the library');
  });

  for (const [what, late] of [
    ['answers', undefined],
    ['fails', new Error('too late')],
  ] as const) {
    it(`that ${what} after the socket has gone does nothing`, async () => {
      const server = await listen(PSK_SERVER);
      let answer: (() => void) | undefined;
      const asked = new Promise<void>((resolve) => {
        answer = resolve;
      });
      let settle: (() => void) | undefined;
      const pskCallback: Callback = async () => {
        answer?.();
        return new Promise((resolve, reject) => {
          settle = () => {
            if (late === undefined) resolve(PSK);
            else reject(late);
          };
        });
      };
      const client = await dial(server, { pskCallback });
      await asked;
      const gone = once(client, 'close');
      client.destroy();
      await gone;
      settle?.();
      await sleep(20);
      expect(client.readyState).to.equal('closed');
      expect(server.stats.handshakesCompleted).to.equal(0);
      await servesOthers(server, PSK_CLIENT);
    });
  }
});
