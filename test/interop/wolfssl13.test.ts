// Protects that this package's DTLS 1.3 is everybody's and not just its own: sessions with wolfSSL in both
// roles, in every suite and group that both have, by certificates of both sides, pre-shared keys and tickets,
// with changed keys, over short and lossy paths, and with ends that have DTLS 1.2 alone.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { expect } from 'chai';
import type { ConnectOptions, ServerOptions } from '../../lib/index';
import { createAuthority, type Certificate } from '../helpers/certificates';
import { Capture } from '../helpers/capture';
import { describe13, DTLS13, UP_TO_DTLS13 } from '../helpers/dtls13';
import { LossyPath } from '../helpers/lossy-path';
import { cleanupAfterEach, temporaryFiles, type PeerProcess } from '../helpers/peers';
import { WOLFSSL13, type Options } from '../helpers/programs';
import type { WatchedSocket } from '../helpers/watch';
import { ourClient, ourServer } from './ours';

const NAME = 'server.example';
const PSK_IDENTITY = 'sensor-7';
const PSK_KEY = Buffer.from('8d3ac4b1f0e2975613aa5c7e90d14f28', 'hex');
const THEIR_PSK = { psk: PSK_KEY.toString('hex'), identity: PSK_IDENTITY };

/** IANA's numbers of the groups that both have, by OpenSSL's names. */
const GROUPS = {
  'P-256': 23,
  'P-384': 24,
  'P-521': 25,
  X25519: 29,
  X448: 30,
  brainpoolP256r1tls13: 31,
  brainpoolP384r1tls13: 32,
  brainpoolP512r1tls13: 33,
  ffdhe2048: 256,
  ffdhe3072: 257,
  SecP256r1MLKEM768: 4587,
  X25519MLKEM768: 4588,
  SecP384r1MLKEM1024: 4589,
} as const;

/** The first hello of its client has to fit into one datagram. */
const SHORT_HELLO = { groups: `${GROUPS.X25519}`, suite: 'TLS_AES_128_GCM_SHA256' };

/** Both roles: what becomes of a test is the same, whoever listens. */
const ROLES = ['their client and our server', 'their server and our client'] as const;
type Roles = (typeof ROLES)[number];

interface Session {
  readonly peer: PeerProcess;
  readonly ours: WatchedSocket;
}

describe13('DTLS 1.3 with wolfSSL', function () {
  const cleanup = cleanupAfterEach(this);
  const files = temporaryFiles(this);
  let serverCertificate: Certificate;
  let clientCertificate: Certificate;

  before(async function () {
    WOLFSSL13.require(this);
    const authority = await createAuthority();
    serverCertificate = await authority.issue({ commonName: 'server', dnsNames: [NAME] });
    clientCertificate = await authority.issue({ commonName: 'client', clientAuth: true });
  });

  interface Setup {
    /** Of their end, beside the certificate and its authority, or the key. */
    readonly theirs?: Options;
    /** Of ours. */
    readonly ours?: Partial<ConnectOptions & ServerOptions>;
    readonly mutual?: boolean;
    readonly psk?: boolean;
    /** What lies between the two: gives the port that a client connects to. */
    readonly through?: (serverPort: number) => Promise<number>;
  }

  const theirServer = ({ mutual, psk, theirs }: Setup): Options => ({
    ...(psk ? THEIR_PSK : files.identity(serverCertificate)),
    ...(mutual ? { trust: files.file(clientCertificate.ca) } : {}),
    ...theirs,
  });

  const theirClient = ({ mutual, psk, theirs }: Setup): Options => ({
    ...(psk ? THEIR_PSK : { trust: files.file(serverCertificate.ca), name: NAME }),
    ...(mutual ? files.identity(clientCertificate) : {}),
    ...theirs,
  });

  const ourServerOptions = ({ mutual, psk, ours }: Setup): ServerOptions => ({
    ...DTLS13,
    ...(psk
      ? { pskCallback: (_: unknown, identity: string | Buffer) => (identity === PSK_IDENTITY ? PSK_KEY : null) }
      : { cert: serverCertificate.cert, key: serverCertificate.key }),
    ...(mutual ? { requestCert: true, ca: clientCertificate.ca } : {}),
    ...ours,
  });

  const ourClientOptions = ({ mutual, psk, ours }: Setup): Partial<ConnectOptions> => ({
    ...DTLS13,
    ...(psk ? { pskCallback: () => ({ identity: PSK_IDENTITY, psk: PSK_KEY }) } : { ca: serverCertificate.ca, servername: NAME }),
    ...(mutual ? { cert: clientCertificate.cert, key: clientCertificate.key } : {}),
    ...ours,
  });

  const direct = (port: number): Promise<number> => Promise.resolve(port);

  /** A session that both ends say is open. */
  async function open(roles: Roles, setup: Setup = {}): Promise<Session> {
    const through = setup.through ?? direct;
    if (roles === 'their client and our server') {
      const { watched, port } = await ourServer(cleanup, ourServerOptions(setup));
      const peer = WOLFSSL13.client(cleanup, [{ ...theirClient(setup), port: await through(port) }]);
      const ours = await watched.connection();
      await ours.secure();
      await peer.sees(/^1 secure full$/m);
      return { peer, ours };
    }
    const { peer, ports } = await WOLFSSL13.server(cleanup, [theirServer(setup)]);
    const port = await through(ports[0] ?? 0);
    const { client } = ourClient(cleanup, { ...ourClientOptions(setup), port });
    await client.secure();
    await peer.sees(/^1 secure full$/m);
    return { peer, ours: client };
  }

  async function echo({ ours }: Session, message: Buffer): Promise<void> {
    ours.socket.send(message);
    expect(await ours.message()).to.deep.equal(message);
  }

  /** Messages of all sizes, and the end. */
  async function converse(session: Session, closer: 'we' | 'they' = 'we'): Promise<void> {
    const { ours, peer } = session;
    expect(String(await ours.message())).to.equal('hello');
    for (const size of [1, 15, 16, 17, 200, ours.socket.maxMessageSize]) await echo(session, randomBytes(size));
    await end(session, closer);
    expect(await peer.ends()).to.equal(0);
  }

  async function end({ ours, peer }: Session, closer: 'we' | 'they'): Promise<void> {
    if (closer === 'we') ours.socket.close();
    else ours.socket.send('bye');
    expect(await ours.closed()).to.equal(false);
    await peer.sees(closer === 'we' ? /^1 closed by the peer$/m : /^1 closed here$/m);
    expect(ours.alertNames('out')).to.deep.equal(['close_notify']);
    if (closer === 'they') expect(ours.alertNames('in')).to.deep.equal(['close_notify']);
  }

  const count = (ours: WatchedSocket, direction: 'in' | 'out', message: string): number =>
    ours.handshake.filter((it) => it.direction === direction && it.message === message && !it.retransmit).length;

  for (const roles of ROLES) {
    const weServe = roles === 'their client and our server';

    describe(roles, () => {
      for (const [index, suite] of WOLFSSL13.suites.ecdsa.entries()) {
        it(suite, async () => {
          const ciphers = `${suite}:@SECLEVEL=0`;
          const session = await open(roles, { theirs: { suite }, ours: { ciphers } });
          const { socket } = session.ours;
          expect(socket.getProtocol()).to.equal('DTLSv1.3');
          expect(socket.getCipher()?.name).to.equal(suite);
          await session.peer.sees(new RegExp(`^1 suite ${suite}$`, 'm'));
          if (weServe) expect(socket.servername).to.equal(NAME);
          else expect(socket.getPeerX509Certificate()?.subject).to.equal('CN=server');
          if (weServe) await session.peer.sees(/^1 certificate CN=server$/m);
          await converse(session, index % 2 === 0 ? 'we' : 'they');
        });
      }

      for (const [group, number] of Object.entries(GROUPS)) {
        it(`the group ${group}`, async () => {
          // A first hello in fragments is not for wolfSSL's server: a small share first, and it asks for the other one.
          const ecdhCurve = group.includes('MLKEM') && !weServe ? `X25519:${group}` : group;
          const session = await open(roles, { theirs: { groups: `${number}` }, ours: { ecdhCurve } });
          await converse(session);
        });
      }

      it('a certificate of RSA', async () => {
        const authority = await createAuthority('RSA authority', 'rsa-2048');
        const rsa = await authority.issue({ commonName: 'rsa', keyType: 'rsa-2048', dnsNames: [NAME] });
        const session = await open(
          roles,
          weServe
            ? { theirs: { trust: files.file(rsa.ca) }, ours: { cert: rsa.cert, key: rsa.key } }
            : { theirs: files.identity(rsa), ours: { ca: rsa.ca } },
        );
        await converse(session);
      });

      it('certificates of both', async () => {
        const session = await open(roles, { mutual: true });
        expect(session.ours.socket.authorized).to.equal(true);
        expect(session.ours.socket.getPeerX509Certificate()?.subject).to.equal(weServe ? 'CN=client' : 'CN=server');
        await session.peer.sees(weServe ? /^1 certificate CN=server$/m : /^1 certificate CN=client$/m);
        await converse(session);
      });

      it('a pre-shared key', async () => {
        const session = await open(roles, { psk: true });
        expect(session.ours.socket).to.include({ pskIdentity: PSK_IDENTITY, authorized: true });
        if (!weServe) await session.peer.sees(new RegExp(`^1 identity ${PSK_IDENTITY}$`, 'm'));
        await converse(session);
      });

      it('keys that either side changes', async () => {
        const session = await open(roles);
        const { ours } = session;
        expect(String(await ours.message())).to.equal('hello');
        for (let round = 0; round < 3; ++round) {
          await echo(session, Buffer.from('update'));
          await echo(session, randomBytes(100));
          // wolfSSL's own may still wait for its ACK, and an answer to it for ours.
          while (!ours.socket.updateKeys({ peer: round > 0 })) await echo(session, randomBytes(10));
          await echo(session, randomBytes(100));
        }
        // Three of each side's own accord; wolfSSL's always ask for an answer, and two of ours.
        expect(count(ours, 'in', 'key_update')).to.equal(5);
        expect(count(ours, 'out', 'key_update')).to.equal(6);
        await end(session, 'they');
      });

      for (const mtu of [300, 576, 1200, 1400]) {
        it(`datagrams of at most ${mtu} bytes, with certificates of both`, async () => {
          let capture: Capture | undefined;
          const session = await open(roles, {
            mutual: true,
            theirs: { mtu, ...SHORT_HELLO },
            ours: { mtu },
            through: async (port) => {
              capture = await Capture.to(port);
              cleanup.add(() => capture?.close());
              return capture.port;
            },
          });
          expect(String(await session.ours.message())).to.equal('hello');
          for (const fromClient of [true, false]) {
            expect(Math.max(...(capture?.sizes(fromClient) ?? []))).to.be.at.most(mtu);
          }
          await end(session, 'we');
        });
      }

      it('10 % of the datagrams lost', async function () {
        this.timeout(120_000);
        for (const seed of ['a', 'b', 'c', 'd', 'e']) {
          let path: LossyPath | undefined;
          const session = await open(roles, {
            mutual: true,
            theirs: { mtu: 400, patience: 60_000 },
            ours: { mtu: 400, handshakeTimeout: 60_000 },
            through: async (port) => {
              path = await LossyPath.to(port, { seed: `wolfSSL ${roles} ${seed}`, conditions: { loss: 0.1 }, drop: 0 });
              cleanup.add(() => path?.close());
              return path.port;
            },
          });
          await overLoss(session);
        }
      });
    });
  }

  /** A message of ours that came back: what is lost of messages is the program's to repeat. */
  async function overLoss({ ours }: Session): Promise<void> {
    const sent = randomBytes(20).toString('hex');
    const again = setInterval(() => ours.socket.send(sent), 100);
    try {
      while (String(await ours.message()) !== sent);
    } finally {
      clearInterval(again);
    }
    ours.socket.close();
  }

  describe('another hello', () => {
    it('our server asks for another share, in the answer that has the cookie', async () => {
      const session = await open('their client and our server', {
        theirs: { groups: '23,24', share: 23 },
        ours: { ecdhCurve: 'P-384' },
      });
      await session.peer.sees(/^1 group SECP384R1$/m);
      await converse(session);
    });

    it('and without cookies', async () => {
      const session = await open('their client and our server', {
        theirs: { groups: '23,24', share: 23 },
        ours: { ecdhCurve: 'P-384', cookieExchange: false },
      });
      await converse(session);
    });

    it('without cookies, and with a share that fits, there is none', async () => {
      const session = await open('their client and our server', { theirs: SHORT_HELLO, ours: { cookieExchange: false } });
      expect(count(session.ours, 'in', 'client_hello')).to.equal(1);
      await converse(session);
    });

    it('their server has a cookie', async () => {
      const session = await open('their server and our client');
      expect(count(session.ours, 'out', 'client_hello')).to.equal(2);
      expect(count(session.ours, 'in', 'server_hello')).to.equal(2);
      await converse(session);
    });

    it('their server asks for another share, with the cookie', async () => {
      const session = await open('their server and our client', {
        theirs: { groups: '24' },
        ours: { ecdhCurve: 'X25519:P-384' },
      });
      await session.peer.sees(/^1 group SECP384R1$/m);
      await converse(session);
    });
  });

  describe('resumption', () => {
    for (const psk of [false, true]) {
      it(`their client comes back to our server${psk ? ', under a pre-shared key' : ''}`, async () => {
        const setup = { psk };
        const { watched, port } = await ourServer(cleanup, ourServerOptions(setup));
        const peer = WOLFSSL13.client(cleanup, [{ ...theirClient(setup), sessions: 3, port }]);
        for (const [index, how] of ['full', 'resumed', 'resumed'].entries()) {
          const ours = await watched.connection(index);
          await ours.secure();
          expect(ours.socket.isSessionReused()).to.equal(how === 'resumed');
          await peer.sees(new RegExp(`(^1 secure full$[^]*){1}(^1 secure resumed$[^]*){${index}}`, 'm'));
          expect(String(await ours.message())).to.equal('hello');
          await echo({ peer, ours }, randomBytes(100));
          ours.socket.send('bye');
          expect(await ours.closed()).to.equal(false);
        }
        expect(await peer.ends()).to.equal(0);
      });
    }

    it('our client comes back to their server', async () => {
      const { peer, ports } = await WOLFSSL13.server(cleanup, [{ ...theirServer({}), sessions: 3 }]);
      let session: Buffer | undefined;
      for (const how of ['full', 'resumed', 'resumed']) {
        const { client } = ourClient(cleanup, { ...ourClientOptions({}), port: ports[0] ?? 0, session });
        const ticket = once(client.socket, 'session') as Promise<[Buffer]>;
        await client.secure();
        expect(client.socket.isSessionReused()).to.equal(how === 'resumed');
        expect(client.socket.authorized).to.equal(true);
        expect(client.socket.getPeerX509Certificate()?.subject).to.equal('CN=server');
        expect(String(await client.message())).to.equal('hello');
        [session] = await ticket;
        client.socket.send('bye');
        expect(await client.closed()).to.equal(false);
      }
      expect(await peer.ends()).to.equal(0);
      expect(peer.output.match(/secure resumed/g)).to.have.length(2);
    });
  });

  describe('refusals', () => {
    it('their client does not know our authority', async () => {
      const other = await (await createAuthority('another authority')).issue({ commonName: 'other' });
      const { watched, port } = await ourServer(cleanup, ourServerOptions({}));
      const peer = WOLFSSL13.client(cleanup, [{ ...theirClient({ theirs: { trust: files.file(other.ca) } }), port }]);
      const error = await (await watched.connection()).error();
      expect(error.code).to.match(/^ERR_DTLS_ALERT_(UNKNOWN_CA|BAD_CERTIFICATE)$/);
      await peer.sees(/^1 failed: handshake/m);
    });

    it('our client does not know theirs', async () => {
      const other = await (await createAuthority('another authority')).issue({ commonName: 'other' });
      const { peer, ports } = await WOLFSSL13.server(cleanup, [theirServer({})]);
      const { client } = ourClient(cleanup, { ...ourClientOptions({ ours: { ca: other.ca } }), port: ports[0] ?? 0 });
      expect((await client.error()).code).to.match(/^(UNABLE_TO_|SELF_SIGNED)/);
      await peer.sees(/^1 alert in 48$/m);
    });

    it('our server insists on a certificate of their client', async () => {
      const { watched, port } = await ourServer(
        cleanup,
        ourServerOptions({ ours: { requestCert: true, ca: clientCertificate.ca } }),
      );
      const peer = WOLFSSL13.client(cleanup, [{ ...theirClient({}), port }]);
      expect((await (await watched.connection()).error()).code).to.equal('ERR_DTLS_PEER_CERTIFICATE_MISSING');
      await peer.sees(/^1 alert in 116$/m);
    });

    it('their server insists on one of ours, which is open when it hears', async () => {
      const { ports } = await WOLFSSL13.server(cleanup, [theirServer({ theirs: { trust: files.file(clientCertificate.ca) } })]);
      const { client } = ourClient(cleanup, { ...ourClientOptions({}), port: ports[0] ?? 0 });
      await client.secure();
      expect((await client.error()).code).to.equal('ERR_DTLS_ALERT_CERTIFICATE_REQUIRED');
    });

    it('no suite is common', async () => {
      const { watched, port } = await ourServer(cleanup, ourServerOptions({ ours: { ciphers: 'TLS_AES_256_GCM_SHA384' } }));
      const peer = WOLFSSL13.client(cleanup, [{ ...theirClient({ theirs: { suite: 'TLS_AES_128_GCM_SHA256' } }), port }]);
      await peer.sees(/^1 alert in 40$/m);
      expect(watched.sockets).to.have.length(0);
    });

    it('keys differ', async () => {
      const theirs = { psk: '00'.repeat(16) };
      const { watched, port } = await ourServer(cleanup, ourServerOptions({ psk: true }));
      const peer = WOLFSSL13.client(cleanup, [{ ...theirClient({ psk: true, theirs }), port }]);
      expect((await (await watched.connection()).error()).code).to.equal('ERR_DTLS_PSK_MISMATCH');
      await peer.sees(/^1 failed: handshake/m);
    });
  });

  it('what its client does not do: a share that it is asked for without a cookie, and that is longer than the path', async () => {
    const { watched, port } = await ourServer(
      cleanup,
      ourServerOptions({ ours: { ecdhCurve: 'X25519MLKEM768', cookieExchange: false } }),
    );
    const peer = WOLFSSL13.client(cleanup, [{ ...theirClient({}), port }]);
    expect((await (await watched.connection()).error()).message).to.include('bad key share');
    await peer.sees(/^1 alert in 47$/m);
  });

  describe('two versions', () => {
    for (const roles of ROLES) {
      it(`1.2 alone at their end: ${roles}`, async () => {
        const session = await open(roles, { theirs: { versions: '1.2' }, ours: { minVersion: 'DTLSv1.2', ...UP_TO_DTLS13 } });
        expect(session.ours.socket.getProtocol()).to.equal('DTLSv1.2');
        await session.peer.sees(/^1 version DTLSv1\.2$/m);
        expect(String(await session.ours.message())).to.equal('hello');
        await echo(session, randomBytes(200));
        await end(session, 'we');
      });

      it(`1.2 alone at ours: ${roles}`, async () => {
        const session = await open(roles, {
          theirs: { versions: 'both' },
          ours: { minVersion: 'DTLSv1.2', maxVersion: 'DTLSv1.2' },
        });
        expect(session.ours.socket.getProtocol()).to.equal('DTLSv1.2');
        expect(String(await session.ours.message())).to.equal('hello');
        await end(session, 'we');
      });

      it(`both at both ends is 1.3: ${roles}`, async () => {
        const session = await open(roles, { theirs: { versions: 'both' }, ours: { minVersion: 'DTLSv1.2', ...UP_TO_DTLS13 } });
        expect(session.ours.socket.getProtocol()).to.equal('DTLSv1.3');
        await converse(session);
      });
    }
  });
});
