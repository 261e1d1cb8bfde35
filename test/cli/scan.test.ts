// Protects scan: what it reports of a server is what the server was configured with, be it OpenSSL's,
// GnuTLS's or this package's; what is weak is named; it asks politely, and says when it cannot know.
import { expect } from 'chai';
import dgram from 'node:dgram';

import { adviceOn } from '../../lib/cli/scan/advice';
import type { Where } from '../../lib/cli/scan/probe';
import { NoSurvey, Survey, type Report } from '../../lib/cli/scan/survey';
import { seededRandom } from '../../lib/lab/index';
import { createAuthority, type IssueOptions } from '../helpers/certificates';
import { describe13, DTLS13, UP_TO_DTLS13 } from '../helpers/dtls13';
import { certificate, closeEverything, listen, portOf, PSK_SERVER, withCertificate } from '../helpers/pair';
import { cleanupAfterEach, freePort, requirePrograms, temporaryFiles, type PeerProcess } from '../helpers/peers';
import { cli, startCli, startListen, type CliResult } from './run';

type Scanned = Report & { peer: string; advice: { level: string; about: string; advice: string }[] };

const SECLEVEL = '@SECLEVEL=0';

async function scan(port: number, ...args: string[]): Promise<Scanned> {
  const result = await cli(['scan', `127.0.0.1:${port}`, '--json', '--pace', '5', ...args]);
  expect(result.code, result.stdout + result.stderr).to.equal(0);
  return result.json[0] as unknown as Scanned;
}

const suitesOf = ({ versions }: Scanned, version: string): readonly string[] =>
  versions.find((one) => one.version === version)?.suites ?? [];
const complaints = ({ advice }: Scanned): string => advice.map(({ about, advice }) => `${about}: ${advice}`).join('\n');

describe('dgram-dtls scan', function () {
  this.timeout(120_000);
  const cleanup = cleanupAfterEach(this);
  const files = temporaryFiles(this);

  afterEach(closeEverything);

  async function identity(options: Partial<IssueOptions> = {}): Promise<{ cert: string; key: string }> {
    return files.identity(await certificate(options));
  }

  it('says of the security options of other commands why it has none', async () => {
    for (const [option, ...value] of [['--psk', '00'], ['--psk-identity', 'a'], ['--cert', 'x'], ['--ca', 'x'], ['--min-version', 'DTLSv1'], ['--keylog', 'x']]) {
      const result = await cli(['scan', '127.0.0.1:1', option ?? '', ...value]);
      expect(result.code, option).to.equal(2);
      expect(result.stderr, option).to.match(/finishes no handshake/);
    }
    const { stdout } = await cli(['scan', '--help']);
    expect(stdout).not.to.include('--psk');
  });

  it('finds the suites of a server with a pre-shared key, without one, and takes --insecure', async () => {
    const server = await listen(PSK_SERVER);
    const report = await scan(portOf(server), '--insecure');
    expect(suitesOf(report, 'DTLS 1.2')).to.include('TLS_PSK_WITH_AES_128_GCM_SHA256');
  });

  describe13('of a server with DTLS 1.3', () => {
    const suites = ['TLS_CHACHA20_POLY1305_SHA256', 'TLS_AES_128_GCM_SHA256'];
    for (const cookieExchange of [true, false]) {
      it(`finds its suites beside those of 1.2, ${cookieExchange ? 'by HelloRetryRequests' : 'without cookies'}`, async () => {
        const { cert, key } = await certificate();
        const ciphers = ['ECDHE-ECDSA-AES128-GCM-SHA256', ...suites].join(':');
        const server = await listen({ cert, key, ciphers, cookieExchange, ...UP_TO_DTLS13 });
        const report = await scan(portOf(server));
        expect(report.dtls13).to.have.members(suites);
        expect(report.versions.map(({ version }) => version)).to.deep.equal(['DTLS 1.2']);
        const { stdout } = await cli(['scan', `127.0.0.1:${portOf(server)}`, '--pace', '5']);
        expect(stdout).to.match(/^DTLS 1\.3, 2 suites$/m);
      });
    }

    it('says of one that has 1.3 alone that it has', async () => {
      const { cert, key } = await certificate();
      const server = await listen({ cert, key, ...DTLS13 });
      const { code, stderr } = await cli(['scan', `127.0.0.1:${portOf(server)}`, '--pace', '5']);
      expect(code).to.equal(1);
      expect(stderr).to.match(/speaks DTLS 1\.3 alone: TLS_AES_128_GCM_SHA256, /);
    });
  });

  it('finds no DTLS 1.3 where there is none', async () => {
    const server = await listen(PSK_SERVER);
    expect((await scan(portOf(server))).dtls13).to.deep.equal([]);
  });

  describe('of openssl s_server', function () {
    before(function () {
      requirePrograms(this, 'openssl');
    });

    async function serve(...args: string[]): Promise<{ port: number; peer: PeerProcess }> {
      const port = await freePort();
      const peer = cleanup.start('openssl', ['s_server', '-accept', `127.0.0.1:${port}`, ...args]);
      await peer.sees(/^ACCEPT/m);
      return { port, peer };
    }

    it('finds its suites and groups in its own order', async () => {
      const { cert, key } = await identity();
      const { port } = await serve(
        ...['-dtls1_2', '-cert', cert, '-key', key, '-serverpref', '-no_ticket', '-groups', 'P-384:P-256'],
        ...['-cipher', 'ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-CCM:ECDHE-ECDSA-AES128-GCM-SHA256'],
      );
      const report = await scan(port);
      expect(report.versions).to.deep.equal([
        {
          version: 'DTLS 1.2',
          suites: [
            'TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384',
            'TLS_ECDHE_ECDSA_WITH_AES_128_CCM',
            'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256',
          ],
          serverDecides: true,
        },
      ]);
      expect(report.groups).to.deep.equal(['secp384r1', 'secp256r1']);
      expect(report.signatures).to.deep.equal(['ecdsa_secp256r1_sha256']);
      expect(report.cookie).to.include({ asked: true, verified: true });
      expect(report.cookie.answer).to.be.below(report.cookie.hello);
      expect(report.extensions).to.include({
        extendedMasterSecret: true,
        encryptThenMac: null,
        renegotiationInfo: true,
        sessionTicket: false,
        sessionId: true,
        heartbeat: null,
        srtp: null,
        maxFragmentLength: true,
      });
      expect(report.certificates).to.have.length(1);
      expect(report.certificates[0]).to.include({ subject: 'CN=localhost', key: 'prime256v1', signature: 'ECDSA with SHA-256', selfSigned: false });
      expect(report.complete).to.be.true;
      expect(report.advice).to.deep.equal([]);
    });

    it('finds two versions, two certificates, and all that is weak', async () => {
      const ecdsa = await identity();
      const rsa = await identity({ keyType: 'rsa-2048' });
      const ciphers = [
        ...['ECDHE-ECDSA-AES128-GCM-SHA256', 'ECDHE-RSA-AES128-SHA', 'DHE-RSA-AES128-GCM-SHA256'],
        ...['AES128-SHA', 'ADH-AES128-SHA', 'NULL-SHA', 'ECDHE-ECDSA-AES128-CCM8'],
      ];
      const { port } = await serve(
        ...['-dtls', '-cert', ecdsa.cert, '-key', ecdsa.key, '-dcert', rsa.cert, '-dkey', rsa.key],
        ...['-no_etm', '-cipher', `${ciphers.join(':')}:${SECLEVEL}`],
      );
      const report = await scan(port);
      expect(suitesOf(report, 'DTLS 1.2')).to.have.members([
        ...['TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256', 'TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA'],
        ...['TLS_DHE_RSA_WITH_AES_128_GCM_SHA256', 'TLS_RSA_WITH_AES_128_CBC_SHA'],
        ...['TLS_DH_anon_WITH_AES_128_CBC_SHA', 'TLS_RSA_WITH_NULL_SHA', 'TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8'],
      ]);
      expect(suitesOf(report, 'DTLS 1.0')).to.have.members([
        ...['TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA', 'TLS_RSA_WITH_AES_128_CBC_SHA'],
        ...['TLS_DH_anon_WITH_AES_128_CBC_SHA', 'TLS_RSA_WITH_NULL_SHA'],
      ]);
      expect(report.extensions.encryptThenMac).to.be.false;
      expect(report.primeBits).to.be.above(1000);
      expect(report.certificates.map(({ key }) => key)).to.have.members(['prime256v1', 'rsa']);
      expect(complaints(report))
        .to.match(/^DTLS 1\.0: it must not be used/m)
        .and.match(/NULL_SHA: nothing is encrypted/)
        .and.match(/DH_anon_\S+: nobody is authenticated/)
        .and.match(/TLS_RSA_WITH_AES_128_CBC_SHA: static RSA/)
        .and.match(/CCM_8: tags of 64 bits/)
        .and.match(/CBC without encrypt-then-MAC/);
      const strict = await cli(['scan', `127.0.0.1:${port}`, '--strict', '--pace', '5']);
      expect(strict.code).to.equal(1);
      expect(strict.stdout).to.match(/^must {2}DTLS 1\.0/m).and.match(/^should {2}/m);
    });

    it('finds pre-shared keys and their hint', async () => {
      const { port } = await serve(
        ...['-dtls1_2', '-nocert', '-psk', '0011', '-psk_hint', 'plant-2'],
        ...['-cipher', 'ECDHE-PSK-CHACHA20-POLY1305:PSK-AES128-GCM-SHA256'],
      );
      const report = await scan(port);
      expect(suitesOf(report, 'DTLS 1.2')).to.have.members([
        'TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256',
        'TLS_PSK_WITH_AES_128_GCM_SHA256',
      ]);
      expect(report).to.include({ pskHint: 'plant-2', clientCertificate: false });
      expect(report.certificates).to.deep.equal([]);
      expect(complaints(report)).to.match(/TLS_PSK_WITH_AES_128_GCM_SHA256: no forward secrecy/);
    });

    it('finds ALPN, SRTP, a request for a certificate, and the size of datagrams', async () => {
      const { cert, key } = await identity({ keyType: 'rsa-2048' });
      const { port } = await serve(
        ...['-dtls1_2', '-cert', cert, '-key', key, '-alpn', 'coap', '-use_srtp', 'SRTP_AES128_CM_SHA1_80'],
        ...['-Verify', '1', '-CAfile', files.file((await createAuthority()).certificatePem), '-mtu', '300'],
      );
      const report = await scan(port, '--alpn', 'h2,coap');
      expect(report.extensions).to.include({ alpn: 'coap', srtp: 'SRTP_AES128_CM_SHA1_80', sessionTicket: true });
      expect(report.clientCertificate).to.be.true;
      expect(report.flight.largest).to.be.within(200, 300);
      expect(report.flight.datagrams).to.be.above(3);
      expect(report.certificates[0]).to.include({ key: 'rsa', bits: 2048 });
    });
  });

  describe('of gnutls-serv', function () {
    before(function () {
      requirePrograms(this, 'gnutls-serv');
    });

    async function serve(priority: string, ...args: string[]): Promise<number> {
      const port = await freePort();
      const { cert, key } = await identity();
      const peer = cleanup.start('gnutls-serv', [
        ...['--udp', '--echo', '--port', `${port}`, '--x509certfile', cert, '--x509keyfile', key],
        ...['--priority', priority, ...args],
      ]);
      await peer.sees(/UDP Echo Server listening on IPv4 .*done/);
      return port;
    }

    it('finds suites, groups and heartbeats', async () => {
      const port = await serve(
        'NONE:+VERS-DTLS1.2:+ECDHE-ECDSA:+AES-128-GCM:+AES-256-CBC:+AEAD:+SHA1:+SIGN-ALL:+GROUP-SECP256R1:+GROUP-X25519:+COMP-NULL:+CTYPE-ALL',
        ...['--heartbeat'],
      );
      const report = await scan(port);
      expect(suitesOf(report, 'DTLS 1.2')).to.have.members([
        'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256',
        'TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA',
      ]);
      expect(report.versions).to.have.length(1);
      expect(report.groups).to.have.members(['secp256r1', 'x25519']);
      expect(report.cookie).to.include({ asked: true, verified: true });
      expect(report.extensions).to.include({ heartbeat: 'peer_allowed_to_send', encryptThenMac: true, extendedMasterSecret: true });
    });

    it('finds that there is no cookie, no ticket, no extended master secret, and the old version', async () => {
      const port = await serve('NORMAL:-VERS-ALL:+VERS-DTLS1.0:%NO_SESSION_HASH:%NO_ETM', '--nocookie', '--noticket');
      const report = await scan(port);
      expect(report.versions.map(({ version }) => version)).to.deep.equal(['DTLS 1.0']);
      expect(report.cookie).to.include({ asked: false, length: 0, verified: null });
      expect(report.extensions).to.include({ sessionTicket: false, heartbeat: null, encryptThenMac: false, extendedMasterSecret: false });
      expect(complaints(report))
        .to.match(/^cookies: none is asked for/m)
        .and.match(/^extended_master_secret: not there/m)
        .and.match(/^DTLS 1\.2: it must be there/m);
    });
  });

  describe('of this package', () => {
    it('finds what listen was told', async () => {
      const { port } = await startListen(cleanup, [
        ...['--heartbeat', '--srtp', 'SRTP_AEAD_AES_128_GCM', '--alpn', 'coap', '--curves', 'X25519:P-384'],
        ...['--ciphers', 'ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305'],
      ]);
      const report = await scan(port, '--alpn', 'coap');
      expect(suitesOf(report, 'DTLS 1.2')).to.have.members([
        'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256',
        'TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256',
      ]);
      expect(report.groups).to.have.members(['x25519', 'secp384r1']);
      expect(report.extensions).to.include({ heartbeat: 'peer_allowed_to_send', srtp: 'SRTP_AEAD_AES_128_GCM', alpn: 'coap' });
      expect(report.cookie).to.include({ asked: true, verified: true });
      expect(report.fragmentedHello).to.be.true;
      // Its certificate is made for a day.
      expect(complaints(report)).to.match(/^certificate CN=localhost: it expires on .*$/);
    });

    it('finds nothing to complain of in the defaults, and leaves nothing behind', async () => {
      const server = await listen(await withCertificate());
      server.on('dtlsClientError', () => undefined);
      const { code, stdout } = await cli(['scan', `127.0.0.1:${portOf(server)}`]);
      expect(code).to.equal(0);
      expect(stdout).to.match(/Nothing to complain of\./).and.match(/^ {2}TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256$/m);
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect([...server.sessions]).to.have.length(0);
    });

    it('finds that cookies are switched off', async () => {
      const server = await listen({ ...PSK_SERVER, cookieExchange: false });
      server.on('dtlsClientError', () => undefined);
      expect((await scan(portOf(server))).cookie).to.include({ asked: false, verified: null });
    });

    it('stops at --most, and says so', async () => {
      const server = await listen(await withCertificate());
      let begun = 0;
      server.on('dtlsClientError', () => (begun += 1));
      const report = await scan(portOf(server), '--most', '3');
      expect(report).to.include({ handshakes: 3, complete: false });
      const [never, ...left] = report.untried;
      expect(never?.version).to.equal(null);
      expect(never?.suites).to.include('TLS_SRP_SHA_WITH_AES_128_CBC_SHA');
      expect(left.map(({ version }) => version)).to.deep.equal(['DTLS 1.2', 'DTLS 1.0']);
      const found = suitesOf(report, 'DTLS 1.2');
      expect(left[0]?.suites.filter((suite) => found.includes(suite))).to.deep.equal([]);
      expect(left[0]?.suites).to.include('TLS_PSK_WITH_AES_128_CCM_8');
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect(begun).to.equal(3);
    });
  });

  describe('that comes to nothing', () => {
    const failsWith = ({ code, json }: CliResult, what: RegExp): void => {
      expect(code).to.equal(1);
      expect((json[0]?.error as { message: string }).message).to.match(what);
    };

    it('says so of a closed port', async () => {
      failsWith(await cli(['scan', `127.0.0.1:${await freePort()}`, '--json']), /ECONNREFUSED/);
    });

    it('says so of silence, and of what is no DTLS', async () => {
      const socket = dgram.createSocket('udp4');
      await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
      cleanup.add(() => new Promise<void>((resolve) => socket.close(resolve)));
      const { port } = socket.address();
      failsWith(await cli(['scan', `127.0.0.1:${port}`, '--json']), /nothing came back/);
      socket.on('message', (_, peer) => {
        socket.send('HTTP/1.1 400 Bad Request', peer.port, peer.address);
      });
      failsWith(await cli(['scan', `127.0.0.1:${port}`, '--json']), /no DTLS/);
    });

    it('survives servers that answer anything at all (seed scan)', async () => {
      const server = await listen(await withCertificate());
      server.on('dtlsClientError', () => undefined);
      const random = seededRandom('scan');
      const near = dgram.createSocket('udp4');
      await new Promise<void>((resolve) => near.bind(0, '127.0.0.1', resolve));
      cleanup.add(() => new Promise<void>((resolve) => near.close(resolve)));
      // A forwarder that damages what the server says, of each client by a socket of its own.
      const far = new Map<number, dgram.Socket>();
      near.on('message', (hello, client) => {
        let socket = far.get(client.port);
        if (socket === undefined) {
          socket = dgram.createSocket('udp4');
          far.set(client.port, socket);
          const own = socket;
          cleanup.add(() => new Promise<void>((resolve) => own.close(resolve)));
          own.on('message', (answer) => {
            // The cookie stays whole, so that there is a flight to damage.
            const damaged = Buffer.from(answer);
            for (let flip = 0; answer[13] !== 3 && flip < 6; ++flip) {
              damaged[Math.floor(random() * damaged.length)] = Math.floor(random() * 256);
            }
            near.send(damaged, client.port, client.address);
          });
        }
        socket.send(hello, portOf(server), '127.0.0.1');
      });
      const where: Where = { address: '127.0.0.1', port: near.address().port, family: 4 };
      let whole = 0;
      for (let round = 0; round < 150; ++round) {
        const survey = new Survey(where, {
          ...{ servername: undefined, alpn: undefined, most: 4, pace: 0 },
          ...{ signal: new AbortController().signal, onHandshake: () => undefined, waits: [10] },
        });
        try {
          await survey.run();
          whole += 1;
        } catch (error) {
          if (!(error instanceof NoSurvey)) throw error;
        }
      }
      expect(whole).to.be.above(10);
    });

    it('ends on Ctrl-C with 130', async () => {
      const server = await listen(await withCertificate());
      server.on('dtlsClientError', () => undefined);
      const began = new Promise((resolve) => server.once('connection', resolve));
      const running = startCli(cleanup, ['scan', `127.0.0.1:${portOf(server)}`, '--pace', '60000']);
      await began;
      running.signal('SIGINT');
      expect(await running.ends()).to.equal(130);
    });
  });

  it('judges certificates by their dates, keys and signatures', () => {
    const now = Date.parse('2026-06-01T00:00:00Z');
    const certificate = {
      ...{ subject: 'CN=old', names: null, issuer: 'CN=ca', key: 'rsa', bits: 1024, signature: 'RSASSA-PKCS1-v1_5 with SHA-1' },
      ...{ validFrom: 'Jan  1 00:00:00 2020 GMT', validTo: 'Jan  1 00:00:00 2026 GMT', selfSigned: false, chain: 1 },
    };
    const report: Report = {
      ...{ versions: [{ version: 'DTLS 1.2', suites: ['TLS_DHE_RSA_WITH_AES_128_GCM_SHA256'], serverDecides: null }], dtls13: [] },
      ...{ groups: ['secp192r1'], primeBits: 1024, signatures: ['rsa_pkcs1_sha1'] },
      cookie: { asked: true, length: 20, verified: false, hello: 100, answer: 200 },
      flight: { datagrams: 2, largest: 1500 },
      fragmentedHello: false,
      extensions: {
        ...{ extendedMasterSecret: true, encryptThenMac: null, renegotiationInfo: false, sessionTicket: true },
        ...{ sessionId: null, heartbeat: null, srtp: null, alpn: null, maxFragmentLength: null },
      },
      ...{ compression: true, clientCertificate: false, pskHint: null, handshakes: 1, complete: true, untried: [] },
      certificates: [certificate, { ...certificate, subject: 'CN=new', bits: 2048, validTo: 'Jun  5 00:00:00 2026 GMT', signature: 'RSASSA-PKCS1-v1_5 with SHA-256' }],
    };
    const lines = adviceOn(report, now).map(({ level, about, advice }) => `${level} ${about}: ${advice}`);
    const expected = [
      /^must certificate CN=old: it expired/,
      /^must certificate CN=old: an RSA key of 1024 bits/,
      /^must certificate CN=old: signed with .*SHA-1/,
      /^should certificate CN=new: it expires on Jun {2}5/,
      /^must secp192r1/,
      /^must DHE: a prime of 1024 bits/,
      /^must rsa_pkcs1_sha1/,
      /^must renegotiation_info/,
      /^must cookies: a forged one is taken/,
      /^should cookies: the answer/,
      /^should compression/,
      /^should fragmented ClientHello/,
      /^should handshake datagrams: up to 1500 bytes/,
    ];
    for (const pattern of expected) expect(lines.filter((line) => pattern.test(line)), String(pattern)).to.have.length(1);
    expect(lines).to.have.length(expected.length);
  });
});
