// Protects that this package understands the DTLS libraries that IoT devices, WebRTC services and
// Java programs are built on: Mbed TLS, pion and JSSE, in both roles, in every suite that they share
// with us, with certificates of both kinds, client certificates, pre-shared keys and resumption.
// Either side speaks first, messages up to the path's size come back as they were sent, and whoever
// closes, both hear it.
import { randomBytes } from 'node:crypto';
import { expect } from 'chai';
import type { ServerOptions } from '../../lib/index';
import { createAuthority, type Certificate } from '../helpers/certificates';
import type { TemporaryFiles} from '../helpers/peers';
import { cleanupAfterEach, freePort, requirePrograms, temporaryFiles, type PeerProcess } from '../helpers/peers';
import { ianaName, PROGRAMS, type Options, type Program } from '../helpers/programs';
import type { WatchedSocket } from '../helpers/watch';
import { keepSessions, ourClient, ourServer } from './ours';

const NAME = 'server.example';
const PSK_IDENTITY = 'sensor-7';
const PSK_KEY = Buffer.from('8d3ac4b1f0e2975613aa5c7e90d14f28', 'hex');

type Key = 'ecdsa' | 'rsa' | 'psk';
const MODES = ['ecdsa', 'rsa', 'psk', 'ecdsa on both sides', 'rsa on both sides'] as const;
type Mode = (typeof MODES)[number];

const keyOf = (mode: Mode): Key => mode.split(' ')[0] as Key;
const isMutual = (mode: Mode): boolean => mode.endsWith('both sides');

/** RSA under RSA: see "what pion does not take". */
async function issue(key: Key, clientAuth: boolean): Promise<Certificate> {
  const keyType = key === 'rsa' ? 'rsa-2048' : 'ecdsa-p256';
  const authority = await createAuthority(`${key} authority`, keyType);
  const commonName = clientAuth ? 'client' : 'server';
  return authority.issue({ commonName, keyType, clientAuth, ...(clientAuth ? {} : { dnsNames: [NAME] }) });
}

/** Above the level of security that is usual are tags of 64 bits. */
const ciphers = (suites: readonly string[]): string => `${suites.join(':')}:@SECLEVEL=0`;

/** What both ends are told, in either role. */
async function setup(
  files: TemporaryFiles,
  mode: Mode,
  theirRole: 'client' | 'server',
): Promise<{ theirs: Options; ours: Pick<ServerOptions, 'cert' | 'key' | 'ca'> }> {
  const key = keyOf(mode);
  if (key === 'psk') {
    const theirs = { psk: PSK_KEY.toString('hex'), identity: PSK_IDENTITY };
    return { theirs, ours: {} };
  }
  const mine = await issue(key, theirRole === 'server');
  const other = await issue(key, theirRole === 'client');
  const weShow = theirRole === 'client' || isMutual(mode);
  const theyShow = theirRole === 'server' || isMutual(mode);
  return {
    theirs: {
      ...(theirRole === 'client' ? { name: NAME } : {}),
      ...(theyShow ? files.identity(other) : {}),
      ...(weShow ? { trust: files.file(mine.ca) } : {}),
    },
    ours: { ...(weShow ? { cert: mine.cert, key: mine.key } : {}), ca: other.ca },
  };
}

/** After the handshake: `number` is the peer's of the session. */
async function converse(peer: PeerProcess, number: number, ours: WatchedSocket, closer: string): Promise<void> {
  const { socket } = ours;
  expect((await ours.message()).toString()).to.equal('hello');
  for (const size of [1, 200, socket.maxMessageSize]) {
    const message = randomBytes(size);
    socket.send(message);
    expect(await ours.message()).to.deep.equal(message);
  }
  if (closer === 'we') socket.close();
  else socket.send('bye');
  expect(await ours.closed()).to.equal(false);
  await peer.sees(new RegExp(`^${number} closed ${closer === 'we' ? 'by the peer' : 'here'}$`, 'm'));
  expect(ours.alertNames('out')).to.deep.equal(['close_notify']);
  if (closer !== 'we') expect(ours.alertNames('in')).to.deep.equal(['close_notify']);
}

const pskServer = { pskCallback: (_: unknown, identity: string | Buffer) => (identity === PSK_IDENTITY ? PSK_KEY : null) };
const pskClient = { pskCallback: () => ({ identity: PSK_IDENTITY, psk: PSK_KEY }) };

/** In turn, so that each end has closed in each mode. */
const closerOf = (index: number): string => (index % 2 === 0 ? 'we' : 'the peer');

function sessionsWith(program: Program): void {
  describe(`sessions with ${program.name}`, function () {
    const cleanup = cleanupAfterEach(this);
    const files = temporaryFiles(this);
    before(function () {
      program.require(this);
    });

    for (const mode of MODES) {
      const key = keyOf(mode);
      const suites = program.suites[key];
      if (suites.length === 0) continue;

      it(`its client and our server, ${mode}: ${suites.join(', ')}`, async () => {
        const { theirs, ours } = await setup(files, mode, 'client');
        const { watched, port } = await ourServer(cleanup, {
          ...ours,
          ciphers: ciphers(suites),
          ...(key === 'psk' ? pskServer : {}),
          ...(isMutual(mode) ? { requestCert: true } : {}),
        });
        const peer = program.client(
          cleanup,
          suites.map((suite) => ({ ...theirs, suite: ianaName(suite), port })),
        );
        const seen = new Set<string>();
        for (const index of suites.keys()) {
          const end = await watched.connection(index);
          await end.secure();
          const { socket } = end;
          const suite = socket.getCipher()?.name ?? '';
          const number = suites.indexOf(suite) + 1;
          seen.add(suite);
          expect(socket.authorized).to.equal(key === 'psk' || isMutual(mode));
          expect(socket.pskIdentity).to.equal(key === 'psk' ? PSK_IDENTITY : null);
          expect(socket.servername).to.equal(key === 'psk' ? null : NAME);
          expect(socket.getPeerX509Certificate()?.subject).to.equal(isMutual(mode) ? 'CN=client' : undefined);
          if (key !== 'psk') await peer.sees(new RegExp(`^${number} certificate CN=server$`, 'm'));
          await peer.sees(new RegExp(`^${number} secure full$`, 'm'));
          await converse(peer, number, end, closerOf(index));
        }
        expect([...seen].sort()).to.deep.equal([...suites].sort());
        expect(await peer.ends()).to.equal(0);
      });

      it(`its server and our client, ${mode}: ${suites.join(', ')}`, async () => {
        const { theirs, ours } = await setup(files, mode, 'server');
        const { peer, ports } = await program.server(
          cleanup,
          suites.map((suite) => ({ ...theirs, suite: ianaName(suite) })),
        );
        for (const [index, suite] of suites.entries()) {
          const { client } = ourClient(cleanup, {
            ...ours,
            port: ports[index] ?? 0,
            servername: NAME,
            ciphers: ciphers(suites),
            ...(key === 'psk' ? pskClient : {}),
          });
          await client.secure();
          expect(client.socket.getCipher()?.name).to.equal(suite);
          expect(client.socket.authorized).to.equal(true);
          expect(client.socket.getPeerX509Certificate()?.subject).to.equal(
            key === 'psk' ? undefined : 'CN=server',
          );
          if (isMutual(mode)) await peer.sees(new RegExp(`^${index + 1} certificate CN=client$`, 'm'));
          await peer.sees(new RegExp(`^${index + 1} secure full$`, 'm'));
          await converse(peer, index + 1, client, closerOf(index));
        }
        expect(await peer.ends()).to.equal(0);
      });
    }

    for (const way of program.tickets ? ['by ticket', 'by session id'] : ['by session id']) {
      const tickets = way === 'by ticket';

      it(`its client comes back to our server, ${way}`, async () => {
        const { theirs, ours } = await setup(files, 'ecdsa', 'client');
        const { server, watched, port } = await ourServer(cleanup, ours);
        keepSessions(server);
        const peer = program.client(cleanup, [{ ...theirs, tickets, sessions: 2, port }]);
        for (const [index, how] of ['full', 'resumed'].entries()) {
          const end = await watched.connection(index);
          await end.secure();
          expect(end.socket.isSessionReused()).to.equal(how === 'resumed');
          expect(end.socket.servername).to.equal(NAME);
          const ticket = end.handshake.some(({ message }) => message === 'new_session_ticket');
          expect(ticket).to.equal(tickets && how === 'full');
          await peer.sees(new RegExp(`^1 secure ${how}$`, 'm'));
          await converse(peer, 1, end, 'the peer');
        }
        expect(await peer.ends()).to.equal(0);
      });

      it(`our client comes back to its server, ${way}`, async () => {
        const { theirs, ours } = await setup(files, 'ecdsa', 'server');
        const { peer, ports } = await program.server(cleanup, [{ ...theirs, tickets, sessions: 2 }]);
        let session: Buffer | undefined;
        for (const how of ['full', 'resumed']) {
          const { client } = ourClient(cleanup, { ...ours, port: ports[0] ?? 0, servername: NAME, session });
          await client.secure();
          expect(client.socket.isSessionReused()).to.equal(how === 'resumed');
          expect(client.socket.authorized).to.equal(true);
          expect(client.socket.getTLSTicket() !== undefined).to.equal(tickets);
          session = client.socket.getSession();
          await peer.sees(new RegExp(`^1 secure ${how}$`, 'm'));
          await converse(peer, 1, client, 'we');
        }
        expect(await peer.ends()).to.equal(0);
      });
    }
  });
}

for (const program of PROGRAMS) sessionsWith(program);

describe('what pion does not take', function () {
  const cleanup = cleanupAfterEach(this);
  const files = temporaryFiles(this);
  const pion = PROGRAMS.filter(({ name }) => name === 'pion');
  before(function () {
    requirePrograms(this, 'openssl');
    for (const program of pion) program.require(this);
  });

  it("an RSA certificate that an ECDSA key has signed, ours or OpenSSL's", async () => {
    const { cert, key, ca } = await (await createAuthority()).issue({
      commonName: 'server',
      keyType: 'rsa-2048',
      dnsNames: [NAME],
    });
    const { watched, port } = await ourServer(cleanup, { cert, key });
    const theirPort = await freePort();
    const paths = files.identity({ cert, key, ca });
    const openssl = cleanup.start('openssl', [
      ...['s_server', '-dtls1_2', '-state', '-accept', `127.0.0.1:${theirPort}`],
      ...['-cert', paths.cert, '-key', paths.key],
    ]);
    await openssl.sees(/^ACCEPT/m);
    for (const program of pion) {
      program.client(cleanup, [port, theirPort].map((one) => ({ name: NAME, trust: files.file(ca), port: one })));
    }
    expect((await (await watched.connection()).error()).code).to.equal('ERR_DTLS_ALERT_BAD_CERTIFICATE');
    await openssl.sees(/SSL3 alert read:fatal:bad certificate/);
  });
});
