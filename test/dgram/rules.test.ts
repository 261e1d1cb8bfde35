/**
 * Protects: a message to a host name leaves only over a session that was made under the rules of that name, whatever
 * address the name resolves to. Whoever answers for one name may not read what is meant for another one, to which
 * `peers` holds its peer by another key, certificate or authority.
 */
import { expect } from 'chai';
import { X509Certificate } from 'node:crypto';
import dgram from 'node:dgram';
import { once } from 'node:events';
import {
  createSecureContext,
  generateCertificate,
  type DTLSError,
  type GeneratedCertificate,
  type SecureDgramSocket,
  type ServerOptions,
  type SocketDtlsOptions,
  type SocketPeerOptions,
} from '../../lib/index';
import { createAuthority } from '../helpers/certificates';
import { certificate, closeEverything, dialTo, listen, next, portOf } from '../helpers/pair';
import { bound, closeSockets, codeOf, KEY, PSK, QUICK, secure, sent, track, type Outcome } from './support';

type Answer = SocketPeerOptions | null | undefined;
type Lookup = NonNullable<Parameters<typeof secure>[1]>['lookup'];

/** Every name is at one address, as whoever forges the answers of DNS would have it. */
const lookup: Lookup = (_host, _options, callback) => {
  callback(null, '127.0.0.1', 4);
};

const KEY_B = Buffer.alloc(16, 2);
const A = 'host-a.test';
const B = 'host-b.test';
const NAMES = { altNames: [A, B] };
const fingerprint = (pem: string): string => new X509Certificate(pem).fingerprint256;

/** The rules of each name, and the server at the address, which is A's. */
interface Case {
  server: ServerOptions;
  a: Answer;
  b: Answer;
  dtls?: SocketDtlsOptions;
}

/** What a peer shows, and from whom it has it, if not from the authority of all. */
interface Shown {
  cert: string;
  key: string;
  ca?: string[];
}

const psk = { identity: 'device', psk: KEY };

async function endSessions(socket: SecureDgramSocket): Promise<void> {
  const ended = Array.from(socket.sessions, (session) => once(session, 'close'));
  for (const session of socket.sessions) session.destroy();
  await Promise.all(ended);
}

describe('createSocket: rules of names', () => {
  afterEach(closeSockets);
  afterEach(closeEverything);

  /** Sends to A and B, one after the other or at once; `got` is what the server at their address got. */
  async function sendToBoth({ server: options, a, b, dtls }: Case, together: boolean): Promise<{ outcomes: Outcome[]; got: string[]; asked: (string | undefined)[]; client: SecureDgramSocket }> {
    const got: string[] = [];
    const server = await listen(options);
    server.on('secureConnection', (session) => session.on('message', (message) => got.push(message.toString())));
    const asked: (string | undefined)[] = [];
    const peers: SocketDtlsOptions['peers'] = (_peer, hostname) => {
      asked.push(hostname);
      return hostname === B ? b : a;
    };
    const client = secure({ role: 'client', ...dtls, peers }, { lookup });
    const to = (address: string): { port: number; address: string } => ({ port: portOf(server), address });
    const first = sent(client, 'for A', to(A));
    if (!together) await first;
    const outcomes = await Promise.all([first, sent(client, 'for B', to(B))]);
    // What was sent before it has arrived before it.
    expect(await sent(client, 'last', to(A))).to.deep.equal({ bytes: 4 });
    while (!got.includes('last')) await new Promise((resolve) => setImmediate(resolve));
    return { outcomes, got, asked, client };
  }

  const refused: [what: string, make: () => Promise<Case>, code?: string][] = [
    [
      'another fingerprint',
      async () => {
        const own = await generateCertificate(NAMES);
        const other = await generateCertificate(NAMES);
        return { server: own, a: { peerFingerprints: fingerprint(own.cert) }, b: { peerFingerprints: fingerprint(other.cert) } };
      },
    ],
    [
      'another authority',
      async () => {
        const [ca, other] = [await generateCertificate({ ca: true }), await generateCertificate({ ca: true })];
        const server = await generateCertificate({ ...NAMES, issuer: ca });
        return { server, a: { ca: ca.cert }, b: { ca: other.cert } };
      },
    ],
    [
      "an authority, where the socket has a fingerprint of all",
      async () => {
        const [server, other] = [await generateCertificate(NAMES), await generateCertificate({ ca: true })];
        return { server, dtls: { peerFingerprints: fingerprint(server.cert) }, a: undefined, b: { ca: other.cert } };
      },
    ],
    [
      'a context of its own',
      async () => {
        const [ca, other] = [await generateCertificate({ ca: true }), await generateCertificate({ ca: true })];
        const server = await generateCertificate({ ...NAMES, issuer: ca });
        const contexts = [ca, other].map(({ cert }) => createSecureContext({ ca: cert }));
        return { server, a: { secureContext: contexts[0] }, b: { secureContext: contexts[1] } };
      },
    ],
    [
      'a certificate, where A may be anybody',
      async () => {
        const [server, ca] = [await generateCertificate(NAMES), await generateCertificate({ ca: true })];
        return { server, a: { rejectUnauthorized: false }, b: { ca: ca.cert } };
      },
    ],
    [
      'what the socket asks of all, where A may be anybody',
      async () => {
        const [server, ca] = [await generateCertificate(NAMES), await generateCertificate({ ca: true })];
        return { server, dtls: { ca: ca.cert }, a: { rejectUnauthorized: false }, b: undefined };
      },
    ],
    [
      'a check of its own',
      async () => {
        const { certificatePem: ca } = await createAuthority();
        const server = await certificate({ dnsNames: [A, B] });
        return { server, dtls: { ca }, a: undefined, b: { checkServerIdentity: () => new Error('never') } };
      },
    ],
    ['another key', () => Promise.resolve({ server: { psk }, a: { psk }, b: { psk: { identity: 'device', psk: KEY_B } } })],
    ['another identity', () => Promise.resolve({ server: { psk }, a: { psk }, b: { psk: { identity: 'other', psk: KEY } } })],
    ['null', () => Promise.resolve({ server: { psk }, a: { psk }, b: null }), 'ERR_DTLS_NO_SESSION'],
  ];

  for (const [what, make, code = 'ERR_DTLS_PEER_IDENTITY'] of refused) {
    for (const together of [false, true]) {
      it(`nothing goes to B over A's session where B's rules say ${what}${together ? ', while A shakes hands' : ''}`, async () => {
        const { outcomes, got, asked, client } = await sendToBoth(await make(), together);
        expect(outcomes[0]).to.deep.equal({ bytes: 5 });
        expect(codeOf(outcomes[1] ?? { bytes: 0 })).to.equal(code);
        expect(got).to.deep.equal(['for A', 'last']);
        expect(asked).to.deep.equal([A, B]);
        expect(client.getSendQueueCount()).to.equal(0);
        expect(client.getSendQueueSize()).to.equal(0);
      });
    }
  }

  const shared: [what: string, make: () => Promise<Case>][] = [
    ['a key that is written again', () => Promise.resolve({ server: { psk }, a: { psk: { ...psk } }, b: { psk: { psk: Buffer.from(KEY), identity: 'device' } } })],
    ["the socket's own key", () => Promise.resolve({ server: { psk }, dtls: { psk }, a: undefined, b: { psk: { ...psk } } })],
    ['other times', () => Promise.resolve({ server: { psk }, a: { psk, mtu: 600 }, b: { psk, handshakeTimeout: 9000, heartbeat: true } })],
    [
      'an authority that has signed both names',
      async () => {
        const { certificatePem: ca } = await createAuthority();
        return { server: await certificate({ dnsNames: [A, B] }), a: { ca }, b: { ca } };
      },
    ],
    [
      'one servername for both',
      async () => {
        const { certificatePem: ca } = await createAuthority();
        return { server: await certificate({ dnsNames: ['fleet.test'] }), a: { ca, servername: 'fleet.test' }, b: { ca, servername: 'fleet.test' } };
      },
    ],
  ];

  for (const [what, make] of shared) {
    it(`A's session is B's, too, where both have ${what}`, async () => {
      const { outcomes, got, asked } = await sendToBoth(await make(), false);
      expect(outcomes).to.deep.equal([{ bytes: 5 }, { bytes: 5 }]);
      expect(got).to.deep.equal(['for A', 'for B', 'last']);
      expect(asked).to.deep.equal([A, B]);
    });
  }

  it('the same rules do not make a name of a certificate: it has to have it', async () => {
    const { certificatePem: ca } = await createAuthority();
    const { outcomes, got } = await sendToBoth({ server: await certificate({ dnsNames: [A] }), a: { ca }, b: { ca } }, false);
    expect(codeOf(outcomes[1] ?? { bytes: 0 })).to.equal('ERR_TLS_CERT_ALTNAME_INVALID');
    expect(got).to.deep.equal(['for A', 'last']);
  });

  it('the rules of a name may be getters of a class', async () => {
    const own = await generateCertificate(NAMES);
    const other = await generateCertificate(NAMES);
    class Rule {
      readonly #pem: string;
      constructor(pem: string) {
        this.#pem = pem;
      }
      get peerFingerprints(): string {
        return fingerprint(this.#pem);
      }
    }
    const { outcomes } = await sendToBoth({ server: own, a: new Rule(own.cert), b: new Rule(other.cert) }, false);
    expect(codeOf(outcomes[1] ?? { bytes: 0 })).to.equal('ERR_DTLS_PEER_IDENTITY');
  });

  it('credentials may be of a class, and are compared by what is in them', async () => {
    class Credentials {
      identity = 'device';
      psk = KEY;
    }
    const own = new Credentials();
    const server = await listen({ pskCallback: () => KEY });
    const client = secure(
      {
        role: 'client',
        peers: (_peer, hostname) => {
          own.psk = hostname === A ? KEY : KEY_B;
          return { psk: own };
        },
      },
      { lookup },
    );
    expect(await sent(client, 'for A', { port: portOf(server), address: A })).to.deep.equal({ bytes: 5 });
    expect(codeOf(await sent(client, 'for B', { port: portOf(server), address: B }))).to.equal('ERR_DTLS_PEER_IDENTITY');
  });

  it('an answer that is given again, and says something else by now, has a context of its own', async () => {
    const [ours, others] = [await createAuthority(), await createAuthority('another one')];
    const server = await listen(await ours.issue({ commonName: 'both', dnsNames: [A, B] }));
    const answer: SocketPeerOptions = {};
    const client = secure(
      {
        role: 'client',
        peers: (_peer, hostname) => {
          answer.ca = hostname === A ? ours.certificatePem : others.certificatePem;
          return answer;
        },
      },
      { lookup },
    );
    expect(await sent(client, 'for A', { port: portOf(server), address: A })).to.deep.equal({ bytes: 5 });
    await endSessions(client);
    const told = once(client, 'peerError');
    client.send('for B', portOf(server), B);
    expect((await told)[0]).to.include({ category: 'certificate' });
  });

  it("a Promise of another library's is waited for", async () => {
    const server = await listen({ pskCallback: () => KEY });
    const thenable = (answer: Answer): PromiseLike<Answer> => ({
      then: (resolve) => Promise.resolve(answer).then(resolve),
    });
    const client = secure({ ...PSK, role: 'client', peers: () => thenable(null) });
    expect(codeOf(await sent(client, 'hello', { port: portOf(server), address: '127.0.0.1' }))).to.equal('ERR_DTLS_NO_SESSION');
  });

  it('one answer for many, changed from peer to peer, is read for each when it is given', async () => {
    const [one, other] = [await generateCertificate(NAMES), await generateCertificate(NAMES)];
    const right = await listen(one);
    const wrong = await listen(other);
    const prints: Record<number, string> = { [portOf(right)]: fingerprint(one.cert), [portOf(wrong)]: fingerprint(one.cert) };
    const last = await listen(other);
    prints[portOf(last)] = fingerprint(other.cert);
    const answer: SocketPeerOptions = {};
    const client = secure({
      role: 'client',
      peers: ({ port }) => {
        answer.peerFingerprints = prints[port];
        return answer;
      },
    });
    const outcomes = await Promise.all([right, wrong, last].map((server) => sent(client, 'hello', { port: portOf(server), address: '127.0.0.1' })));
    expect(outcomes.map((outcome) => ('bytes' in outcome ? 'sent' : codeOf(outcome)))).to.deep.equal(['sent', 'ERR_DTLS_FINGERPRINT', 'sent']);
  });

  for (const name of ['pskCallback', 'host', 'port', 'transport', 'localPort', 'lookup'] as const) {
    it(`'${name}' in an answer, which would have no effect, is refused`, async () => {
      const server = await listen({ pskCallback: () => KEY });
      const client = secure({ ...PSK, role: 'client', peers: () => ({ [name]: () => KEY }) });
      const told = once(client, 'peerError');
      expect(codeOf(await sent(client, 'hello', { port: portOf(server), address: '127.0.0.1' }))).to.equal('ERR_DTLS_UNKNOWN_OPTION');
      expect(((await told)[0] as Error).message).to.include(`'${name}'`);
    });
  }

  it('who writes to what peers() was given changes no destination', async () => {
    const server = await listen({ psk });
    const got = new Promise((resolve) => server.on('secureConnection', (session) => session.on('message', (message) => { resolve(message.toString()); })));
    const peers: SocketDtlsOptions['peers'] = (peer) => {
      Object.assign(peer, { port: 9, address: '127.0.0.9' });
      return PSK;
    };
    const client = secure({ role: 'client', peers });
    expect(await sent(client, 'hello', { port: portOf(server), address: '127.0.0.1' })).to.deep.equal({ bytes: 5 });
    expect(await got).to.equal('hello');
  });

  it('what peers() does not say is told of a peer, too, that has had a session', async () => {
    const server = await listen({ psk });
    let answers = 0;
    const peers: SocketDtlsOptions['peers'] = () => {
      answers += 1;
      return [PSK, new Promise<undefined>(() => undefined), null][answers - 1];
    };
    const client = secure({ role: 'client', peers, ...QUICK });
    const to = { port: portOf(server), address: '127.0.0.1' };
    expect(await sent(client, 'hello', to)).to.deep.equal({ bytes: 5 });
    for (const code of ['ERR_DTLS_LOOKUP_TIMEOUT', 'ERR_DTLS_NO_SESSION']) {
      await endSessions(client);
      expect(codeOf(await sent(client, 'again', to))).to.equal(code);
    }
  });

  it('a socket that closes while it asks tells whoever waits for the answer', async () => {
    const server = await listen({ psk });
    const asked = new Promise<SecureDgramSocket>((resolve) => {
      const client = secure(
        {
          ...PSK,
          role: 'client',
          peers: (_peer, hostname) => {
            if (hostname === A) return undefined;
            resolve(client);
            return new Promise<undefined>(() => undefined);
          },
        },
        { lookup },
      );
      void sent(client, 'for A', { port: portOf(server), address: A }).then(() => {
        outcome = sent(client, 'for B', { port: portOf(server), address: B });
      });
    });
    let outcome: Promise<Outcome> | undefined;
    const client = await asked;
    expect(client.getSendQueueCount()).to.equal(1);
    client.close();
    expect(codeOf((await outcome) ?? { bytes: 0 })).to.equal('ERR_SOCKET_DGRAM_NOT_RUNNING');
  });

  it('an answer about a second name that does not come is an error after handshakeTimeout, of that name alone', async () => {
    const server = await listen({ psk });
    const client = secure(
      { ...PSK, role: 'client', handshakeTimeout: 300, peers: (_peer, hostname) => (hostname === A ? undefined : new Promise<undefined>(() => undefined)) },
      { lookup },
    );
    const port = portOf(server);
    expect(await sent(client, 'for A', { port, address: A })).to.deep.equal({ bytes: 5 });
    expect(codeOf(await sent(client, 'for B', { port, address: B }))).to.equal('ERR_DTLS_LOOKUP_TIMEOUT');
    expect(client.getSendQueueCount()).to.equal(0);
    expect(await sent(client, 'more for A', { port, address: A })).to.deep.equal({ bytes: 10 });
  });

  it("an authority in an answer takes the place of the socket's fingerprints", async () => {
    const [known, ca, other] = [await generateCertificate(NAMES), await generateCertificate({ ca: true }), await generateCertificate({ ca: true })];
    const ofAuthority = await generateCertificate({ ...NAMES, issuer: ca });
    const outcomeOf = async (server: ServerOptions, answer: SocketPeerOptions | undefined): Promise<unknown> => {
      const client = secure({ role: 'client', peerFingerprints: fingerprint(known.cert), peers: () => answer }, { lookup });
      const outcome = await sent(client, 'hello', { port: portOf(await listen(server)), address: A });
      return codeOf(outcome) ?? outcome;
    };
    expect(await outcomeOf(known, undefined)).to.deep.equal({ bytes: 5 });
    expect(await outcomeOf(ofAuthority, { ca: ca.cert })).to.deep.equal({ bytes: 5 });
    expect(await outcomeOf(ofAuthority, { ca: other.cert })).to.match(/^UNABLE_TO_/);
    expect(await outcomeOf(known, { ca: ca.cert })).to.match(/^(DEPTH_ZERO_SELF_SIGNED|SELF_SIGNED)/);
    // Both: a fingerprint judges, as everywhere.
    expect(await outcomeOf(known, { ca: ca.cert, peerFingerprints: fingerprint(known.cert) })).to.deep.equal({ bytes: 5 });
  });

  it("a message for B that waits while A's handshake fails does not fail with it: B has its own", async () => {
    const own = await generateCertificate(NAMES);
    const other = await generateCertificate(NAMES);
    const server = await listen(own);
    const got: string[] = [];
    server.on('secureConnection', (session) => session.on('message', (message) => got.push(message.toString())));
    const asked: (string | undefined)[] = [];
    const client = secure(
      {
        role: 'client',
        peers: (_peer, hostname) => {
          asked.push(hostname);
          return { peerFingerprints: fingerprint(hostname === A ? other.cert : own.cert) };
        },
      },
      { lookup },
    );
    const to = (address: string): { port: number; address: string } => ({ port: portOf(server), address });
    const outcomes = await Promise.all([A, B, A, B].map((name, at) => sent(client, `${String(at)} for ${name}`, to(name))));
    expect(outcomes.map((outcome) => codeOf(outcome) ?? outcome)).to.deep.equal([
      'ERR_DTLS_FINGERPRINT', { bytes: 17 }, 'ERR_DTLS_FINGERPRINT', { bytes: 17 },
    ]);
    expect(asked).to.deep.equal([A, B]);
    while (got.length < 2) await new Promise((resolve) => setImmediate(resolve));
    expect(got).to.deep.equal(['1 for host-b.test', '3 for host-b.test']);
    expect(client.getSendQueueCount()).to.equal(0);
  });

  it('where nobody answers, messages for all names fail with the first handshake', async () => {
    const silent = await bound(track(dgram.createSocket('udp4')));
    const client = secure({ ...PSK, role: 'client', ...QUICK }, { lookup });
    const { port } = silent.address();
    const began = performance.now();
    const told = once(client, 'peerError');
    const outcomes = await Promise.all(['a', 'b', 'c', 'd'].map((name) => sent(client, 'hello', { port, address: `${name}.test` })));
    expect(performance.now() - began).to.be.below(2 * QUICK.handshakeTimeout);
    expect(outcomes).to.deep.equal(Array(4).fill({ bytes: 5 })); // as over UDP
    expect((await told)[0]).to.include({ code: 'ERR_DTLS_NO_RESPONSE' });
  });

  it("a socket that closes when A's handshake has failed ends what waits for B", async () => {
    const own = await generateCertificate(NAMES);
    const other = await generateCertificate(NAMES);
    const server = await listen(own);
    const client = secure({ role: 'client', peers: () => ({ peerFingerprints: fingerprint(other.cert) }) }, { lookup });
    client.once('peerError', () => client.close());
    const to = (address: string): { port: number; address: string } => ({ port: portOf(server), address });
    const outcomes = await Promise.all([A, B].map((name) => sent(client, 'hello', to(name))));
    expect(outcomes.map(codeOf)).to.deep.equal(['ERR_SOCKET_DGRAM_NOT_RUNNING', 'ERR_SOCKET_DGRAM_NOT_RUNNING']);
  });

  it('a session that ends while it is asked is made anew, for that name', async () => {
    const server = await listen({ psk });
    const asked: (string | undefined)[] = [];
    const client = secure(
      {
        ...PSK,
        role: 'client',
        peers: async (_peer, hostname) => {
          asked.push(hostname);
          if (asked.length === 2) {
            const [session] = [...client.sessions];
            if (session === undefined) throw new Error('no session');
            const ended = next(session, 'close');
            session.destroy();
            await ended;
          }
          return undefined;
        },
      },
      { lookup },
    );
    const port = portOf(server);
    await sent(client, 'for A', { port, address: A });
    expect(await sent(client, 'for B', { port, address: B })).to.deep.equal({ bytes: 5 });
    expect(asked).to.deep.equal([A, B, B]);
    expect([...client.sessions]).to.have.length(1);
  });

  describe('over a session that the peer began', () => {
    const authority = generateCertificate({ ca: true });

    /** A peer with a certificate for B from the authority that the socket serves by has begun. */
    async function outcomesOf(
      dtls: SocketDtlsOptions,
      servername = 'localhost',
      shown: (issuer: GeneratedCertificate) => Promise<Shown> = (issuer) => generateCertificate({ altNames: [B], issuer }),
    ): Promise<{ named: Outcome; told: DTLSError[] }> {
      const issuer = await authority;
      const { cert, key, ca: others = [] } = await shown(issuer);
      const ca = [issuer.cert, ...others];
      const socket = await bound(secure({ ...(await generateCertificate({ issuer })), ca, ...dtls }, { lookup }));
      const told: DTLSError[] = [];
      socket.on('peerError', (error) => told.push(error));
      const opened = new Promise((resolve) => socket.once('secureConnection', resolve));
      const peer = dialTo({ host: '127.0.0.1', port: socket.address().port, ca, cert, key, servername });
      await next(peer, 'secureConnect');
      await opened;
      const { localPort: port = 0 } = peer;
      const named = await sent(socket, 'to a name', { port, address: B });
      const arrival = next(peer, 'message');
      // Whoever answers an address means who is there.
      expect(await sent(socket, 'to an address', { port, address: '127.0.0.1' })).to.have.property('bytes');
      expect((await arrival)[0].toString()).to.equal('error' in named ? 'to an address' : 'to a name');
      return { named, told };
    }

    it('a name is sent to that it has proved', async () => {
      expect((await outcomesOf({})).named).to.deep.equal({ bytes: 9 });
      expect((await outcomesOf({ peers: () => undefined })).named).to.deep.equal({ bytes: 9 });
    });

    it('no name is sent to that peers() holds to something else, or to nothing', async () => {
      const other = await generateCertificate(NAMES);
      const pinned = await outcomesOf({ peers: () => ({ peerFingerprints: fingerprint(other.cert) }) });
      expect(codeOf(pinned.named)).to.equal('ERR_DTLS_PEER_IDENTITY');
      expect(pinned.told.map(({ hint }) => hint)).to.have.length(1);
      expect(pinned.told[0]?.hint).to.include("only if 'peers' returns");
      expect(codeOf((await outcomesOf({ peers: () => null })).named)).to.equal('ERR_DTLS_NO_SESSION');
    });

    it("no name is sent to that the socket's own check refuses", async () => {
      const { named } = await outcomesOf({ checkServerIdentity: () => new Error('not that one') });
      expect(codeOf(named)).to.equal('ERR_DTLS_PEER_IDENTITY');
    });

    it('no name is sent to where the certificate, or an authority between, is for clients only', async () => {
      const leaf = await outcomesOf({}, 'localhost', (issuer) => generateCertificate({ altNames: [B], issuer, usage: 'client' }));
      expect(codeOf(leaf.named)).to.equal('ERR_DTLS_PEER_IDENTITY');
      expect(leaf.told[0]?.message).to.include('for clients only');
      const issued = async (intermediate: boolean | 'for clients'): Promise<Outcome> => {
        const one = await (await createAuthority()).issue({ commonName: B, dnsNames: [B], anyUse: true, intermediate });
        return (await outcomesOf({}, 'localhost', () => Promise.resolve({ ...one, ca: [one.ca] }))).named;
      };
      expect(codeOf(await issued('for clients'))).to.equal('ERR_DTLS_PEER_IDENTITY');
      expect(await issued(true)).to.deep.equal({ bytes: 9 });
    });

    it("the socket's own check answers as in a handshake, a Promise that rejects included", async () => {
      type Check = NonNullable<SocketDtlsOptions['checkServerIdentity']>;
      const answer = (value: unknown): Check => (() => value) as Check;
      expect((await outcomesOf({ checkServerIdentity: answer(null) })).named).to.deep.equal({ bytes: 9 });
      const late = await outcomesOf({ checkServerIdentity: (() => Promise.reject(new Error('too late'))) as unknown as Check });
      expect(codeOf(late.named)).to.equal('ERR_INVALID_ARG_TYPE');
      expect(codeOf((await outcomesOf({ checkServerIdentity: answer(false) })).named)).to.equal('ERR_INVALID_ARG_TYPE');
    });

    it('no name is sent to that requestOCSP would have asked of', async () => {
      expect(codeOf((await outcomesOf({ requestOCSP: true })).named)).to.equal('ERR_DTLS_PEER_IDENTITY');
    });

    it('no name is sent to where SNICallback may have chosen by whom it was verified', async () => {
      const issuer = await authority;
      const context = createSecureContext({ ...(await generateCertificate({ issuer })), ca: issuer.cert });
      const SNICallback: SocketDtlsOptions['SNICallback'] = (_name, done) => {
        done(null, context);
      };
      expect(codeOf((await outcomesOf({ SNICallback })).named)).to.equal('ERR_DTLS_PEER_IDENTITY');
    });

    const GATEWAY = { identity: 'gateway', psk: KEY };
    for (const [what, credentials, answers, code] of [
      ["the key of a device's own", { identity: 'device', psk: KEY_B }, { device: KEY_B }, 'ERR_DTLS_PEER_IDENTITY'],
      ["another key by the name of this side's", { identity: 'gateway', psk: KEY_B }, { gateway: KEY_B }, 'ERR_DTLS_PEER_IDENTITY'],
      ["this side's key by another name", { identity: 'device', psk: KEY }, { device: KEY }, 'ERR_DTLS_PEER_IDENTITY'],
      ["this side's own key", GATEWAY, { gateway: KEY }, undefined],
    ] as const) {
      it(`a name is ${code === undefined ? '' : 'not '}sent to where the peer has ${what}`, async () => {
        for (const pskCallback of [
          (_: unknown, identity: string | Buffer) => new Map<unknown, Buffer>(Object.entries(answers)).get(identity),
          (_: unknown, identity: string | Buffer) => Promise.resolve(new Map<unknown, Buffer>(Object.entries(answers)).get(identity)),
        ]) {
          const socket = await bound(secure({ psk: GATEWAY, pskCallback }, { lookup }));
          const opened = new Promise((resolve) => socket.once('secureConnection', resolve));
          const peer = dialTo({ host: '127.0.0.1', port: socket.address().port, psk: credentials });
          await next(peer, 'secureConnect');
          await opened;
          const { localPort: port = 0 } = peer;
          expect(codeOf(await sent(socket, 'to a name', { port, address: B }))).to.equal(code);
          expect(await sent(socket, 'to an address', { port, address: '127.0.0.1' })).to.have.property('bytes');
        }
      });
    }
  });

  describe('of connect', () => {
    const connected = (socket: SecureDgramSocket, port: number, name: string): Promise<void> =>
      new Promise((resolve) => {
        socket.connect(port, name, resolve);
      });
    const say = (socket: SecureDgramSocket): Promise<Outcome> =>
      new Promise((resolve) => {
        socket.send('hello', (error, bytes) => {
          resolve(error === null ? { bytes } : { error });
        });
      });

    it('the name is what the certificate has to have, and what peers() is asked about', async () => {
      const { certificatePem: ca } = await createAuthority();
      const server = await listen(await certificate({ dnsNames: [B], ipAddresses: [] }));
      const asked: (string | undefined)[] = [];
      const peers: SocketDtlsOptions['peers'] = (_peer, hostname) => {
        asked.push(hostname);
        return undefined;
      };
      const client = secure({ ca, peers }, { lookup });
      await connected(client, portOf(server), B);
      expect(await say(client)).to.deep.equal({ bytes: 5 });
      client.disconnect();
      await connected(client, portOf(server), A);
      expect(codeOf(await say(client))).to.equal('ERR_TLS_CERT_ALTNAME_INVALID');
      client.disconnect();
      // An address is whoever is there.
      await connected(client, portOf(server), '127.0.0.1');
      expect(await say(client)).to.deep.equal({ bytes: 5 });
      expect(asked).to.deep.equal([B, A]);
    });

    it('a peer that has begun has to prove the name', async () => {
      const issuer = await generateCertificate({ ca: true });
      const socket = await bound(secure({ ...(await generateCertificate({ issuer })), ca: issuer.cert }, { lookup }));
      const opened = new Promise((resolve) => socket.once('secureConnection', resolve));
      const { cert, key } = await generateCertificate({ altNames: [A], issuer });
      const peer = dialTo({ host: '127.0.0.1', port: socket.address().port, ca: issuer.cert, cert, key, servername: 'localhost' });
      await next(peer, 'secureConnect');
      await opened;
      await connected(socket, peer.localPort ?? 0, B);
      expect(codeOf(await say(socket))).to.equal('ERR_TLS_CERT_ALTNAME_INVALID');
    });
  });
});
