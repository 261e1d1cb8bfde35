// Protects which version two ends of this package speak, whatever each of them has, with the cookie exchange and
// without, over both transports: the newest that both have, on one port and in one call of `connect`; and where there is
// none, that both ends say so, the server of hellos whose address is proved.
//
// And how many round trips it takes, counted by the datagrams that go each way until a client is open.
import { expect } from 'chai';
import type { ConnectOptions, ServerOptions } from '../../lib/index';
import { Capture } from '../helpers/capture';
import { describe13, DTLS13, UP_TO_DTLS13 } from '../helpers/dtls13';
import { converse } from '../helpers/exchange';
import {
  certificate,
  closeEverything,
  dialTo,
  failure,
  listen,
  next,
  portOf,
  PSK_CLIENT,
  PSK_SERVER,
  withCertificate,
} from '../helpers/pair';

const VERSIONS = {
  '1.2': { minVersion: 'DTLSv1.2', maxVersion: 'DTLSv1.2' },
  '1.3': DTLS13,
  both: { minVersion: 'DTLSv1.2', ...UP_TO_DTLS13 },
} as const;
type Has = keyof typeof VERSIONS;

/** Longer than any test: what arrives has not been sent twice. */
const PATIENT = { retransmission: { initial: 60_000 } } as const;
const PEER_SAID = 'ERR_DTLS_ALERT_PROTOCOL_VERSION';
const SEEN_HERE = 'ERR_DTLS_VERSION_MISMATCH';

/** A version, or the errors of both ends: of a server only where it has begun a handshake. */
const OUTCOMES: readonly [client: Has, server: Has, cookies: boolean, string | [string, string | undefined]][] = [
  ['1.2', '1.2', true, 'DTLSv1.2'],
  ['1.2', '1.3', true, [PEER_SAID, undefined]],
  ['1.2', 'both', true, 'DTLSv1.2'],
  // A server of 1.2 has a cookie for any hello, and does not read on before it has come back.
  ['1.3', '1.2', true, [SEEN_HERE, undefined]],
  ['1.3', '1.3', true, 'DTLSv1.3'],
  ['1.3', 'both', true, 'DTLSv1.3'],
  ['both', '1.2', true, 'DTLSv1.2'],
  ['both', '1.3', true, 'DTLSv1.3'],
  ['both', 'both', true, 'DTLSv1.3'],
  ['1.2', '1.2', false, 'DTLSv1.2'],
  ['1.2', '1.3', false, [PEER_SAID, undefined]],
  ['1.2', 'both', false, 'DTLSv1.2'],
  ['1.3', '1.2', false, [PEER_SAID, SEEN_HERE]],
  ['1.3', '1.3', false, 'DTLSv1.3'],
  ['1.3', 'both', false, 'DTLSv1.3'],
  ['both', '1.2', false, 'DTLSv1.2'],
  ['both', '1.3', false, 'DTLSv1.3'],
  ['both', 'both', false, 'DTLSv1.3'],
];

const TRANSPORTS: readonly ('native' | 'dgram')[] = process.platform === 'linux' ? ['native', 'dgram'] : ['dgram'];

for (const transport of TRANSPORTS) {
  describe13(`versions of two ends, over ${transport}`, () => {
    afterEach(closeEverything);

    for (const [has, serverHas, cookieExchange, outcome] of OUTCOMES) {
      const met = typeof outcome === 'string' ? outcome : 'nothing';
      it(`client ${has}, server ${serverHas}, ${cookieExchange ? 'with' : 'without'} cookies: ${met}`, async () => {
        const server = await listen(
          await withCertificate({ ...VERSIONS[serverHas], ...PATIENT, cookieExchange, transport }),
        );
        const errors: string[] = [];
        server.on('dtlsClientError', ({ code }) => errors.push(code));
        const accepted = next(server, 'secureConnection');
        accepted.catch(() => undefined);
        const { ca } = await certificate();
        const client = dialTo({ host: '127.0.0.1', port: portOf(server), ca, transport, ...VERSIONS[has], ...PATIENT });
        if (typeof outcome !== 'string') {
          const [ours, theirs] = outcome;
          expect(await failure(client)).to.include({ code: ours, alert: 'protocol_version' });
          // Both ends are in this process: the server's alert left behind its error.
          expect(errors).to.deep.equal(theirs === undefined ? [] : [theirs]);
          expect(server.stats).to.include({ sessions: 0, handshakesFailed: errors.length });
          return;
        }
        await next(client, 'secureConnect');
        const [peer] = await accepted;
        expect([client.getProtocol(), peer.getProtocol()]).to.deep.equal([outcome, outcome]);
        await converse({ client, peer });
        expect(errors).to.deep.equal([]);
        expect([...server.sessions]).to.deep.equal([peer]);
      });
    }

    // Its answer to the hello of both is the front of a flight, and the client begins anew at 1.2 while the rest of it comes.
    for (const flight of ['a certificate in many datagrams', 'a pre-shared key'] as const) {
      it(`client both, server 1.2, without cookies, by ${flight}: DTLSv1.2`, async () => {
        const options = { ...VERSIONS['1.2'], ...PATIENT, cookieExchange: false, transport };
        const byKey = flight === 'a pre-shared key';
        const server = await listen(byKey ? { ...options, ...PSK_SERVER } : await withCertificate({ ...options, mtu: 256 }));
        const errors: string[] = [];
        server.on('dtlsClientError', ({ code }) => errors.push(code));
        const accepted = next(server, 'secureConnection');
        accepted.catch(() => undefined);
        const proof = byKey ? PSK_CLIENT : { ca: (await certificate()).ca };
        const client = dialTo({ host: '127.0.0.1', port: portOf(server), ...proof, transport, ...VERSIONS.both, ...PATIENT });
        await next(client, 'secureConnect');
        const [peer] = await accepted;
        expect([client.getProtocol(), peer.getProtocol()]).to.deep.equal(['DTLSv1.2', 'DTLSv1.2']);
        await converse({ client, peer });
        expect([...server.sessions]).to.deep.equal([peer]);
      });
    }
  });
}

describe13('round trips of DTLS 1.3', () => {
  const captures: Capture[] = [];

  afterEach(async () => {
    await closeEverything();
    await Promise.all(captures.splice(0).map((capture) => capture.close()));
  });

  interface Way {
    /** Datagrams until the client was open: 1 is the client's, 0 the server's. */
    readonly datagrams: string;
    readonly sizes: number[];
    readonly reused: boolean;
  }

  /**
   * One handshake. `session`: a ticket of an earlier one is taken up. What the two ends sent until the client was open, as
   * a pattern: a run of the one's datagrams and one of the other's are a round trip.
   */
  async function way(server: ServerOptions, client: Partial<ConnectOptions> = {}, session = false): Promise<Way> {
    const listening = await listen({ ...DTLS13, ...PATIENT, ...server });
    const { ca } = await certificate();
    let ticket: Buffer | undefined;
    if (session) {
      const first = dialTo({ host: '127.0.0.1', port: portOf(listening), ca, ...DTLS13, ...PATIENT, ...client });
      [ticket] = await next(first, 'session');
      first.close();
      await next(first, 'close');
    }
    const capture = await Capture.to(portOf(listening));
    captures.push(capture);
    const options = { host: '127.0.0.1', port: capture.port, ca, ...DTLS13, ...PATIENT, ...client };
    const accepted = next(listening, 'secureConnection');
    const dialled = dialTo({ ...options, ...(ticket && { session: ticket }) });
    // The client is open behind what it has got from the server, and before its own last flight can have an answer.
    const open = next(dialled, 'secureConnect');
    let until = 0;
    capture.forward = (datagram) => {
      if (dialled.readyState === 'opening') until = capture.datagrams.length;
      return [datagram];
    };
    await open;
    const [peer] = await accepted;
    const seen = capture.datagrams.slice(0, until);
    await converse({ client: dialled, peer });
    return {
      datagrams: seen.map(({ fromClient }) => (fromClient ? '1' : '0')).join(''),
      sizes: seen.filter(({ fromClient }) => !fromClient).map(({ data }) => data.length),
      reused: dialled.isSessionReused(),
    };
  }

  /** A hello, post-quantum key shares and all, is two datagrams. */
  const SMALL = { ecdhCurve: 'X25519' } as const;

  it('are one without cookies, with a certificate, a pre-shared key, or a ticket', async () => {
    const withCert = await way(await withCertificate({ cookieExchange: false }), SMALL);
    expect(withCert).to.deep.include({ datagrams: '10', reused: false });
    await closeEverything();
    const psk = await way({ ...PSK_SERVER, cookieExchange: false }, { ...PSK_CLIENT, ...SMALL });
    expect(psk.datagrams).to.equal('10');
    await closeEverything();
    const ticket = await way(await withCertificate({ cookieExchange: false }), SMALL, true);
    expect(ticket).to.deep.include({ datagrams: '10', reused: true });
  });

  it('are two with cookies, a ticket or not', async () => {
    expect(await way(await withCertificate(), SMALL)).to.deep.include({ datagrams: '1010', reused: false });
    await closeEverything();
    expect(await way(await withCertificate(), SMALL, true)).to.deep.include({ datagrams: '1010', reused: true });
  });

  it('are as many with a post-quantum group, whose hello is two datagrams', async () => {
    expect((await way(await withCertificate({ cookieExchange: false }))).datagrams).to.match(/^11?0+$/);
    await closeEverything();
    expect((await way(await withCertificate())).datagrams).to.match(/^11?011?0+$/);
  });

  it("the server's first flight is one datagram of less than a kilobyte, and by a ticket of a few hundred bytes", async () => {
    const full = await way(await withCertificate({ cookieExchange: false }), SMALL);
    expect(full.sizes).to.have.length(1);
    // A chain of one P-256 certificate of the tests', about 430 bytes, and what signs for it.
    expect(full.sizes[0]).to.be.within(700, 1000);
    await closeEverything();
    const short = await way(await withCertificate({ cookieExchange: false }), SMALL, true);
    expect(short.sizes).to.have.length(1);
    expect(short.sizes[0]).to.be.within(180, 300);
    await closeEverything();
    const [retry = 0] = (await way(await withCertificate(), SMALL)).sizes;
    expect(retry, 'the HelloRetryRequest').to.be.within(80, 140);
  });
});
