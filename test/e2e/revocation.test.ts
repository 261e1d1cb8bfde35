// Protects revocation: revocation lists on both sides, and OCSP responses that a server staples and
// a client gets to see, however the server's callback behaves.
import { expect } from 'chai';
import type {
  ConnectOptions,
  DTLSServer,
  DTLSSocket,
  DTLSSocketEvents,
  OcspCallback,
  ServerOptions,
} from '../../lib/index';
import { createSecureContext, DTLSError } from '../../lib/index';
import { X509Certificate } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { createAuthority } from '../helpers/certificates';
import {
  certificate,
  clientFailure,
  closeEverything,
  dial,
  ending,
  failure,
  listen,
  next,
  open,
  openOn,
  PSK,
  PSK_SERVER,
} from '../helpers/pair';
import { patience } from '../helpers/patience';

afterEach(closeEverything);

const DAY_MS = 86_400_000;

describe('revocation lists', () => {
  /** What each side shows and believes, when the one under test has `crl`. */
  async function sides(
    role: 'client' | 'server',
    crl: string | string[],
    more: { rejectUnauthorized?: boolean } = {},
  ): Promise<[ServerOptions, Partial<ConnectOptions>]> {
    const { certificatePem: ca } = await createAuthority();
    const server = await certificate({ commonName: 'revocation' });
    const client = await certificate({ commonName: 'revocation', clientAuth: true });
    const judge = { crl, ...more };
    return [
      { cert: server.cert, key: server.key, ca, requestCert: true, ...(role === 'server' ? judge : {}) },
      { cert: client.cert, key: client.key, ca, ...(role === 'client' ? judge : {}) },
    ];
  }

  const shown = async (role: 'client' | 'server'): Promise<string> =>
    (await certificate({ commonName: 'revocation', ...(role === 'server' && { clientAuth: true }) })).cert;

  for (const role of ['client', 'server'] as const) {
    describe(`on a ${role}`, () => {
      async function refused(crl: string): Promise<{ code: string; alert: string | undefined }> {
        const [serverOptions, clientOptions] = await sides(role, crl);
        const server = await listen(serverOptions);
        const atServer = clientFailure(server);
        const client = await dial(server, clientOptions);
        const [own, other] =
          role === 'client'
            ? await Promise.all([failure(client), atServer])
            : (await Promise.all([failure(client), atServer])).reverse();
        expect(own?.category).to.equal('certificate');
        expect(own?.hint).to.be.a('string');
        expect(other?.category).to.equal('alert');
        expect(other?.alert).to.equal(own?.alert);
        return { code: own?.code ?? '', alert: own?.alert };
      }

      it('let others in', async () => {
        const authority = await createAuthority();
        const other = await certificate({ commonName: 'another one' });
        const crl = await authority.crl({ revoked: [other.cert] });
        const { client, peer } = await open(...(await sides(role, crl)));
        expect([client.authorized, peer.authorized]).to.deep.equal([true, true]);
      });

      it('keep the revoked out', async () => {
        const authority = await createAuthority();
        const crl = await authority.crl({ revoked: [await shown(role)] });
        expect(await refused(crl)).to.deep.equal({
          code: 'CERT_REVOKED',
          alert: 'certificate_revoked',
        });
      });

      it('that are out of date let nobody in', async () => {
        const authority = await createAuthority();
        const crl = await authority.crl({ revoked: [], nextUpdate: new Date(Date.now() - DAY_MS) });
        expect((await refused(crl)).code).to.equal('CRL_HAS_EXPIRED');
      });

      it('of another authority let nobody in', async () => {
        const stranger = await createAuthority('another issuer of lists');
        expect((await refused(await stranger.crl({ revoked: [] }))).code).to.equal(
          'UNABLE_TO_GET_CRL',
        );
      });

      it('show in authorizationError when rejectUnauthorized is false', async () => {
        const authority = await createAuthority();
        const crl = await authority.crl({ revoked: [await shown(role)] });
        const pair = await open(...(await sides(role, crl, { rejectUnauthorized: false })));
        const judge = role === 'client' ? pair.client : pair.peer;
        const other = role === 'client' ? pair.peer : pair.client;
        expect(judge.authorized).to.equal(false);
        expect(judge.authorizationError).to.equal('CERT_REVOKED');
        expect(other.authorized).to.equal(true);
        expect(other.authorizationError).to.equal(null);
      });
    });
  }

  it('of several authorities count together', async () => {
    const [one, two] = [await createAuthority(), await createAuthority('a second authority')];
    const mine = await two.issue({ commonName: 'client of the second', clientAuth: true });
    const own = await certificate();
    const crl = [await one.crl({ revoked: [own.cert] }), await two.crl({ revoked: [] })];
    const ca = [one.certificatePem, two.certificatePem];
    const { peer } = await open(
      { cert: own.cert, key: own.key, ca, crl, requestCert: true },
      { cert: mine.cert, key: mine.key },
    );
    expect(peer.authorized).to.equal(true);
  });
});

describe('OCSP stapling', () => {
  const RESPONSE = Buffer.from('a response, in DER as far as anybody here knows');

  async function serverThat(
    answers: (callback: OcspCallback) => void,
    more: ServerOptions = {},
  ): Promise<DTLSServer> {
    const { cert, key } = await certificate();
    const server = await listen({ cert, key, ...more });
    server.on('OCSPRequest', (_certificate, _issuer, callback) => {
      answers(callback);
    });
    return server;
  }

  /** What a client gets to see before its handshake is over. */
  async function stapled(
    server: DTLSServer,
    options: Partial<ConnectOptions> = {},
  ): Promise<(Buffer | null)[]> {
    const seen: (Buffer | null)[] = [];
    const client = await dial(server, { requestOCSP: true, ...options });
    client.on('OCSPResponse', (response) => seen.push(response));
    await next(client, 'secureConnect');
    return seen;
  }

  it('has the server asked about its certificate, and brings the answer before secureConnect', async () => {
    const made = await certificate({ intermediate: true });
    const server = await listen({ cert: made.cert, key: made.key });
    const asked = next(server, 'OCSPRequest');
    server.once('OCSPRequest', (_certificate, _issuer, callback) => {
      callback(null, RESPONSE);
    });
    expect(await stapled(server)).to.deep.equal([RESPONSE]);
    const [der, issuer] = await asked;
    const leaf = new X509Certificate(der);
    expect(leaf.fingerprint256).to.equal(new X509Certificate(made.cert).fingerprint256);
    expect(issuer !== null && leaf.checkIssued(new X509Certificate(issuer))).to.equal(true);
  });

  it('waits for the answer, and for that handshake only', async () => {
    const waiting: OcspCallback[] = [];
    const server = await serverThat((callback) => waiting.push(callback));
    const slow = stapled(server);
    await next(server, 'OCSPRequest');
    const other = await openOn(server);
    expect(other.client.authorized).to.equal(true);
    waiting[0]?.(null, new Uint8Array(RESPONSE));
    expect(await slow).to.deep.equal([RESPONSE]);
  });

  for (const [what, nothing] of [
    ['null', null],
    ['undefined', undefined],
  ] as const) {
    it(`brings null when the answer is ${what}`, async () => {
      const server = await serverThat((callback) => {
        callback(null, nothing);
      });
      expect(await stapled(server)).to.deep.equal([null]);
    });
  }

  it('brings null from a server on which nobody listens', async () => {
    const { cert, key } = await certificate();
    expect(await stapled(await listen({ cert, key }))).to.deep.equal([null]);
  });

  it('asks nothing for a client that does not want it', async () => {
    const server = await serverThat(() => {
      throw new Error('asked');
    });
    expect(await stapled(server, { requestOCSP: false })).to.deep.equal([]);
  });

  it('carries a response of many datagrams', async () => {
    const long = Buffer.alloc(16380, 7);
    const server = await serverThat((callback) => {
      callback(null, long);
    });
    expect(await stapled(server)).to.deep.equal([long]);
  });

  it('asks for each certificate, and sends what belongs to the one that is chosen', async () => {
    const all = [await certificate(), await certificate({ keyType: 'rsa-2048' })];
    const server = await listen({ cert: all.map(({ cert }) => cert), key: all.map(({ key }) => key) });
    server.on('OCSPRequest', (der, _issuer, callback) => {
      callback(null, Buffer.from(new X509Certificate(der).fingerprint256));
    });
    for (const [at, type] of ['ECDSA', 'RSA'].entries()) {
      const expected = new X509Certificate(all[at]?.cert ?? '').fingerprint256;
      const ciphers = `ECDHE-${type}-AES128-GCM-SHA256`;
      expect(await stapled(server, { ciphers })).to.deep.equal([Buffer.from(expected)]);
    }
  });

  it('asks about the certificate for the name', async () => {
    const { cert, key } = await certificate();
    const named = await certificate({ dnsNames: ['other.example'] });
    const server = await listen({ cert, key });
    server.addContext('other.example', createSecureContext({ cert: named.cert, key: named.key }));
    const asked = next(server, 'OCSPRequest');
    server.on('OCSPRequest', (_certificate, _issuer, callback) => {
      callback(null, RESPONSE);
    });
    expect(await stapled(server, { servername: 'other.example' })).to.deep.equal([RESPONSE]);
    const [der] = await asked;
    expect(new X509Certificate(der).fingerprint256).to.equal(
      new X509Certificate(named.cert).fingerprint256,
    );
  });

  it('knows no issuer where there is none to be found', async () => {
    const authority = await createAuthority('kept to itself');
    const made = await authority.issue({ commonName: 'localhost', ipAddresses: ['127.0.0.1'] });
    const server = await listen({ cert: made.cert, key: made.key });
    const asked = next(server, 'OCSPRequest');
    server.on('OCSPRequest', (_certificate, _issuer, callback) => {
      callback();
    });
    await stapled(server, { ca: made.ca });
    expect((await asked)[1]).to.equal(null);
  });

  it('has nothing in a session that is resumed', async () => {
    let asked = 0;
    const server = await serverThat((callback) => {
      asked += 1;
      callback(null, RESPONSE);
    });
    const first = await dial(server, { requestOCSP: true });
    const [session] = await next(first, 'session');
    const second = await dial(server, { requestOCSP: true, session });
    const seen: unknown[] = [];
    second.on('OCSPResponse', (response) => seen.push(response));
    await next(second, 'secureConnect');
    expect(second.isSessionReused()).to.equal(true);
    expect([asked, seen]).to.deep.equal([1, []]);
  });

  describe('with a callback that', () => {
    const cause = new Error('the database is down');
    for (const [what, answers, code, isCause] of [
      ['passes an error', (callback) => {
        callback(cause);
      }, 'ERR_DTLS_OCSP_CALLBACK', true],
      ['throws', () => {
        throw cause;
      }, 'ERR_DTLS_OCSP_CALLBACK', true],
      ['passes a string', (callback) => {
        callback(null, 7 as never);
      }, 'ERR_DTLS_OCSP_CALLBACK', false],
      ['passes too much', (callback) => {
        callback(null, Buffer.alloc(16381));
      }, 'ERR_DTLS_OCSP_CALLBACK', false],
      ['passes nothing in a Buffer', (callback) => {
        callback(null, Buffer.alloc(0));
      }, 'ERR_DTLS_OCSP_CALLBACK', false],
      ['answers twice', (callback) => {
        callback(null, RESPONSE);
        callback(null, RESPONSE);
      }, 'ERR_MULTIPLE_CALLBACK', false],
    ] as readonly [string, (callback: OcspCallback) => void, string, boolean][]) {
      it(`${what} ends that handshake with a typed error`, async () => {
        const server = await serverThat(answers);
        const client = await dial(server, { requestOCSP: true });
        const ended = ending(client);
        const error = await clientFailure(server);
        expect(error).to.include({ code, category: 'usage' });
        expect(error.hint).to.be.a('string');
        if (isCause) expect(error.cause).to.equal(cause);
        const [seen] = (await ended).errors;
        if (code === 'ERR_DTLS_OCSP_CALLBACK') expect(seen?.alert).to.equal('internal_error');
        const { client: next } = await openOn(server);
        expect(next.authorized).to.equal(true);
      });
    }

    it('never answers ends with the deadline', async () => {
      const server = await serverThat(() => undefined, { handshakeTimeout: patience(300) });
      const client = await dial(server, { requestOCSP: true });
      client.on('error', () => undefined);
      expect((await clientFailure(server)).code).to.equal('ERR_DTLS_LOOKUP_TIMEOUT');
    });

    it('answers after the socket has gone changes nothing', async () => {
      let late: OcspCallback | undefined;
      const server = await serverThat((callback) => (late = callback));
      const client = await dial(server, { requestOCSP: true });
      await next(server, 'OCSPRequest');
      const [peer] = [...server.sessions];
      const gone = peer === undefined ? undefined : ending(peer);
      client.destroy();
      peer?.destroy();
      await gone;
      late?.(null, RESPONSE);
      const { client: other } = await openOn(server);
      expect(other.authorized).to.equal(true);
    });
  });
});

/** RFC 6066 section 8: who gets a response that it does not like ends the handshake, with an alert that says so. */
describe('a client that judges an OCSP response', () => {
  type Listener = (
    client: DTLSSocket,
    ...event: DTLSSocketEvents['OCSPResponse']
  ) => void;

  const ALERT = 'bad_certificate_status_response';
  const revoked = Object.assign(new Error('revoked'), { code: 'REVOKED' });
  const reject = async (): Promise<never> => {
    await sleep(20);
    throw revoked;
  };

  /** A server that staples `response`, and a client of it whose listener is `listener`. */
  async function judged(
    listener: Listener,
    options: Partial<ConnectOptions> = {},
    response: Buffer | null = Buffer.from('as it is'),
  ): Promise<{ server: DTLSServer; client: DTLSSocket; sent: string[]; opened: string[] }> {
    const { cert, key } = await certificate();
    const server = await listen({ cert, key });
    server.on('OCSPRequest', (_certificate, _issuer, callback) => {
      callback(null, response);
    });
    const opened: string[] = [];
    server.on('secureConnection', () => opened.push('server'));
    const client = await dial(server, { requestOCSP: true, ...options });
    client.on('secureConnect', () => opened.push('client'));
    const sent: string[] = [];
    client.on('handshake', ({ direction, message }) => {
      if (direction === 'out') sent.push(message);
    });
    client.on('OCSPResponse', (...event) => {
      listener(client, ...event);
    });
    return { server, client, sent, opened };
  }

  for (const [what, verdict, swallows] of [
    ['true', true, false],
    ['false, and swallows what is thrown', false, true],
    ['nothing', undefined, false],
    ['a function', () => Promise.resolve(), false],
    ['a Promise of true', Promise.resolve(true), false],
  ] as [string, unknown, boolean][]) {
    it(`and gives waitUntil ${what} is told what to give, and refuses`, async () => {
      const { server, client, opened } = await judged((_client, _response, waitUntil) => {
        try {
          waitUntil(verdict as Promise<void>);
        } catch (error) {
          if (!swallows) throw error;
        }
      });
      const refused = clientFailure(server);
      const { errors } = await ending(client);
      await refused;
      expect(opened).to.deep.equal([]);
      expect(errors[0]).to.include({ code: 'ERR_DTLS_OCSP_RESPONSE', category: 'certificate' });
      const cause = errors[0]?.cause as DTLSError;
      expect(cause).to.be.instanceOf(DTLSError).and.include({ code: 'ERR_INVALID_ARG_TYPE', category: 'usage' });
      expect(cause.hint).to.include('Give waitUntil a Promise');
    });
  }

  for (const [how, listener, code, cause] of [
    ['destroys the socket', (client) => client.destroy(), undefined, undefined],
    ['destroys the socket with an error', (client) => client.destroy(revoked), 'REVOKED', revoked],
    ['destroys the socket later, having asked to wait', (client, _response, waitUntil) => {
      waitUntil(sleep(20).then(() => {
        client.destroy(revoked);
      }));
    }, 'REVOKED', revoked],
    ['waits for a Promise that rejects', (_client, _response, waitUntil) => {
      waitUntil(reject());
    }, 'ERR_DTLS_OCSP_RESPONSE', revoked],
    ['waits for a Promise of an Error', (_client, _response, waitUntil) => {
      waitUntil(Promise.resolve(revoked) as unknown as Promise<void>);
    }, 'ERR_DTLS_OCSP_RESPONSE', revoked],
    ['waits for a Promise of something else', (_client, _response, waitUntil) => {
      waitUntil(Promise.resolve(true) as unknown as Promise<void>);
    }, 'ERR_DTLS_OCSP_RESPONSE', undefined],
    ['waits for two of which one rejects', (_client, _response, waitUntil) => {
      waitUntil(sleep(5_000, undefined, { ref: false }));
      waitUntil(reject());
    }, 'ERR_DTLS_OCSP_RESPONSE', revoked],
    ['throws', () => {
      throw revoked;
    }, 'ERR_DTLS_OCSP_RESPONSE', revoked],
    ['waits for no Promise', (_client, _response, waitUntil) => {
      waitUntil('good' as unknown as Promise<void>);
    }, 'ERR_DTLS_OCSP_RESPONSE', undefined],
  ] as [string, Listener, string | undefined, Error | undefined][]) {
    it(`and ${how} leaves no session at the server, which is told why`, async () => {
      const { server, client, sent, opened } = await judged(listener);
      const refused = clientFailure(server);
      const { hadError, errors } = await ending(client);
      expect((await refused).code).to.equal('ERR_DTLS_ALERT_BAD_CERTIFICATE_STATUS_RESPONSE');
      expect(errors.map((error) => error.code)).to.deep.equal(code === undefined ? [] : [code]);
      expect(hadError).to.equal(code !== undefined);
      if (cause !== undefined) expect(errors[0]?.cause).to.equal(cause);
      if (code === 'ERR_DTLS_OCSP_RESPONSE') {
        expect(errors[0]).to.include({ category: 'certificate', alert: ALERT });
        expect(errors[0]?.hint).to.include('OCSPResponse');
      }
      expect(new Set(sent)).to.deep.equal(new Set(['client_hello']));
      expect(opened).to.deep.equal([]);
      expect(server.stats).to.include({ sessions: 0, handshakesCompleted: 0 });
      const { client: other } = await openOn(server);
      expect(other.authorized).to.equal(true);
    });
  }

  it('and lacks one may refuse, too, and sees whose certificate it is', async () => {
    const seen: unknown[] = [];
    const { server, client } = await judged(
      (socket, response) => {
        seen.push(response, socket.getPeerX509Certificate()?.subject);
        socket.destroy();
      },
      {},
      null,
    );
    const refused = clientFailure(server);
    await ending(client);
    expect((await refused).alert).to.equal(ALERT);
    expect(seen).to.deep.equal([null, 'CN=localhost']);
  });

  it('and takes its time sends nothing meanwhile, and has its session after that', async () => {
    let judge: () => void = () => undefined;
    const verdict = new Promise<void>((resolve) => (judge = resolve));
    const { server, client, sent, opened } = await judged((_client, _response, waitUntil) => {
      waitUntil(verdict);
      waitUntil(sleep(5));
    });
    await next(client, 'OCSPResponse');
    const got = next(server, 'secureConnection').then(async ([peer]) => next(peer, 'message'));
    client.send('waits');
    await sleep(100);
    expect([...new Set(sent), ...opened]).to.deep.equal(['client_hello']);
    judge();
    expect(String((await got)[0])).to.equal('waits');
    expect(client.authorized).to.equal(true);
  });

  it('and never answers ends at the deadline', async () => {
    const { client } = await judged((_client, _response, waitUntil) => {
      waitUntil(new Promise<void>(() => undefined));
    }, { handshakeTimeout: patience(300) });
    expect((await failure(client)).code).to.equal('ERR_DTLS_LOOKUP_TIMEOUT');
  });

  it('and asks to wait too late is told so', async () => {
    let late: (verdict: Promise<void>) => void = () => undefined;
    const { client } = await judged((_client, _response, waitUntil) => (late = waitUntil));
    await next(client, 'secureConnect');
    expect(() => {
      late(Promise.reject(revoked));
    }).to.throw().with.property('code', 'ERR_INVALID_STATE');
  });

  it('and changes its mind when the socket has gone changes nothing', async () => {
    const { server, client } = await judged((_client, _response, waitUntil) => {
      waitUntil(sleep(60).then(reject));
    });
    await next(client, 'OCSPResponse');
    client.destroy();
    await next(client, 'close');
    await sleep(100);
    const { client: other } = await openOn(server);
    expect(other.authorized).to.equal(true);
  });

  for (const [what, leave, code] of [
    ['closes', (client: DTLSSocket) => client.close(), undefined],
    ['aborts', (_client: DTLSSocket, controller: AbortController) => {
      controller.abort();
    }, 'ABORT_ERR'],
  ] as const) {
    it(`and ${what} has not refused it: the alert is close_notify`, async () => {
      const controller = new AbortController();
      const { server, client } = await judged((socket, _response, waitUntil) => {
        waitUntil(new Promise<void>(() => undefined));
        leave(socket, controller);
      }, { signal: controller.signal });
      const refused = clientFailure(server);
      expect((await ending(client)).errors.map((error) => error.code)).to.deep.equal(code === undefined ? [] : [code]);
      expect((await refused).alert).to.equal('close_notify');
    });
  }

  it('is asked after its pre-shared key, once', async () => {
    const server = await listen(PSK_SERVER);
    const seen: unknown[] = [];
    const client = await dial(server, {
      requestOCSP: true,
      pskCallback: async () => {
        await sleep(10);
        seen.push('key');
        return PSK;
      },
    });
    client.on('OCSPResponse', (response) => seen.push(response));
    await next(client, 'secureConnect');
    expect(seen).to.deep.equal(['key', null]);
  });
});
