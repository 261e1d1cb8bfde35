// Protects connect, listen, ping, mtu and cert as people and scripts use them: what they print, where,
// in colour or not, as JSON or not, and how they exit; against OpenSSL, GnuTLS and this package.
import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  FOREIGN,
  PSK_IDENTITY,
  PSK_KEY,
  serverCertificate,
  suite,
  type Foreign,
} from '../interop/foreign';
import { anonymousServer, OPEN_MINDED, pickyServer } from '../helpers/anonymous';
import { generateCertificate, type ConnectOptions, type DTLSSocket } from '../../lib/index';
import { createAuthority } from '../helpers/certificates';
import { Link } from '../helpers/link';
import { closeEverything, dialTo, listen, next, portOf } from '../helpers/pair';
import { cleanupAfterEach, freePort, requirePrograms, temporaryFiles } from '../helpers/peers';
import { cli, startCli, startListen } from './run';

const PSK = ['--psk', PSK_KEY.toString('hex'), '--psk-identity', PSK_IDENTITY];
// eslint-disable-next-line no-control-regex -- colours are control characters
const COLOR = /\u001b\[/;

describe('dgram-dtls', function () {
  this.timeout(60_000);
  const cleanup = cleanupAfterEach(this);
  afterEach(closeEverything);
  const [openssl, gnutls] = FOREIGN as [Foreign, Foreign];
  const files = temporaryFiles(this);
  let folder: string;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'dgram-dtls-cli-'));
  });
  after(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  describe('itself', () => {
    it('has help for each command, and its version', async () => {
      const help = await cli(['--help']);
      expect(help.code).to.equal(0);
      const names = [...help.stdout.matchAll(/^ {2}(\w+) \[options\]/gm)].map(([, name]) => name);
      const readme = readFileSync(join(__dirname, '../../README.md'), 'utf8');
      const [, listed = ''] = /\| `npx dgram-dtls`: ([\w, ]+) \|/.exec(readme) ?? [];
      expect(listed.split(', ')).to.have.members(names.map(String));
      expect((await cli(['help', 'scan'])).stdout).to.match(/^Usage: dgram-dtls scan/);
      expect(names).to.include.members(['connect', 'listen', 'scan', 'lab', 'ping', 'mtu', 'cert']);
      for (const name of names) {
        const { code, stdout } = await cli([name ?? '', '--help']);
        expect(code, name).to.equal(0);
        expect(stdout).to.match(new RegExp(`^Usage: dgram-dtls ${String(name)}`)).and.include('--json');
      }
      expect((await cli(['--version'])).stdout).to.match(/^\d+\.\d+\.\d+\n$/);
    });

    it('names its flags and files where the library has options', async () => {
      const file = join(folder, 'no-pem');
      writeFileSync(file, 'no PEM');
      const empty = join(folder, 'empty-keys');
      writeFileSync(empty, '\n');
      const target = ['--target', '127.0.0.1:5683'];
      const port = String(await freePort());
      for (const [args, complaint] of [
        [['connect', 'localhost:1', '--ca', file], /--ca: there is no certificate in .*no-pem/],
        [['connect', 'localhost:1', '--cert', file, '--key', file], /--cert: there is no certificate in .*no-pem/],
        [['listen', '70000'], /A port is a whole number from 0 to 65535, not 70000\.$/m],
        [['listen', '127.0.0.1:123456'], /from 0 to 65535, not 123456\.$/m],
        [['connect', '[::1]:70000'], /from 0 to 65535, not 70000\.$/m],
        [['proxy', '--listen', '0', ...target, '--psk', '00', '--metrics', '99999'], /from 0 to 65535, not 99999\.$/m],
        [['connect', 'localhost:1', '--curves', 'nope'], /hint: .*--curves/],
        [['connect', 'localhost:1', '--psk-identity', 'lamp-7'], /--psk-identity is the name of a key, and --psk is not given/],
        [['listen', '0', '--psk-identity', 'lamp-7'], /--psk-identity is the name of a key/],
        [['proxy', '--listen', '127.0.0.1:0', ...target, '--psk-file', empty], /--psk-file: there is no key in .*empty-keys/],
        [['proxy', '--listen', `127.0.0.1:${port}`, '--target', `127.0.0.1:${port}`, '--psk', '0011'], /is where the proxy itself listens/],
        [['proxy', '--listen', port, '--target', `127.0.0.1:${port}`, '--psk', '0011'], /is where the proxy itself listens/],
        [['cert', '--issuer', join(folder, 'nope')], /--issuer: .*nope-cert\.pem/],
        [['cert', 'a', '--ca', '--client'], /--ca and --client exclude one another/],
      ] as const) {
        const { code, stderr } = await cli(args);
        expect(stderr).to.match(complaint);
        expect(stderr).to.not.match(/'(ca|cert|key|ecdhCurve|psk)'/);
        expect(code).to.equal(2);
      }
    });

    it('exits with 2 when the command line is wrong, and says what', async () => {
      for (const [args, complaint] of [
        [['conect', 'localhost:1'], /unknown command 'conect'.*\n.*connect/],
        [['connect'], /missing required argument/],
        [['connect', 'localhost'], /Write host:port.*The port is missing/],
        [['connect', '[::1]'], /The port is missing/],
        [['connect', 'coaps://localhost:5684'], /Leave out 'coaps:\/\/'/],
        [['connect', '::1:5684'], /in brackets/],
        [['connect', '2001:db8::1'], /in brackets/],
        [['connect', 'localhost:99999'], /Write host:port/],
        [['connect', 'localhost:x'], /Write host:port.* A port is a whole number from 0 to 65535, not 'x'/],
        [['help', 'conect'], /unknown command 'conect'.*\n.*connect/],
        [['connect', '[nonsense]:5'], /no IPv6 address/],
        [['connect', 'localhost:5684', '--psk', 'xyz'], /written in hexadecimal/],
        [['connect', 'localhost:5684', '--psk', '123'], /two hexadecimal digits for each byte, and this has 3 digits/],
        [['connect', 'localhost:5684', '--cert', 'a'], /--cert and --key belong together/],
        [['connect', 'localhost:5684', '--ca', '/nowhere'], /--ca: ENOENT/],
        [['connect', 'localhost:5684', '--ciphers', 'NONSENSE'], /ERR_DTLS_INVALID_CIPHERS/],
        [['connect', 'localhost:5684', '--srtp', 'NONSENSE'], /NONSENSE/],
        [['ping', 'localhost:1', '--count', '1.5'], /whole number/],
      ] as const) {
        const { code, stderr, stdout } = await cli(args);
        expect(code, args.join(' ')).to.equal(2);
        expect(stderr).to.match(complaint);
        expect(stdout).to.equal('');
      }
    });

    it('is not loaded, nor what it needs, by those who only import the package', () => {
      const script = `
        require('tsx/cjs');
        require('./lib/index.ts');
        const bad = Object.keys(require.cache).filter((name) =>
          /lib.cli|commander|text-table|progress|picocolors|prom-client/.test(name));
        console.log(JSON.stringify(bad));`;
      const { stdout } = spawnSync(process.execPath, ['-e', script], {
        encoding: 'utf8',
        cwd: join(__dirname, '..', '..'),
      });
      expect(JSON.parse(stdout)).to.deep.equal([]);
    });
  });

  it('connect has no session with a server of an anonymous suite, whatever --ciphers has', async () => {
    const { certificatePem } = await createAuthority();
    for (const [server, code] of [
      [await anonymousServer(), 'ERR_DTLS_ALERT_HANDSHAKE_FAILURE'],
      [await pickyServer(), 'ERR_DTLS_PEER_UNAUTHENTICATED'],
    ] as const) {
      server.on('dtlsClientError', () => undefined);
      const { code: exit, stderr } = await cli(
        ['connect', `127.0.0.1:${portOf(server)}`, '--ca', files.file(certificatePem), '--ciphers', OPEN_MINDED],
        { input: 'password\n' },
      );
      expect(exit).to.equal(1);
      expect(stderr).to.include(code);
      expect(server.stats).to.include({ handshakesCompleted: 0, messagesReceived: 0 });
    }
  });

  it('connect exits with 1 when a line of its input was not sent, and sends the others', async () => {
    const server = await listen({ pskCallback: () => PSK_KEY });
    const arrived: string[] = [];
    server.on('secureConnection', (socket) => {
      socket.on('message', (message) => arrived.push(message.toString()));
    });
    const args = ['connect', `127.0.0.1:${portOf(server)}`, ...PSK, '--quiet', '--linger', '200'];
    const { code, stderr } = await cli(args, { input: `one\n${'x'.repeat(20_000)}\ntwo\n` });
    expect(code).to.equal(1);
    expect(stderr).to.match(/20000 bytes is above the 16384/).and.include('ERR_DTLS_MESSAGE_TOO_BIG');
    expect(arrived).to.deep.equal(['one', 'two']);
    expect((await cli(args, { input: 'three\n' })).code).to.equal(0);
  });

  describe('connect', function () {
    before(function () {
      requirePrograms(this, 'openssl', 'gnutls-serv');
    });

    it('talks to openssl s_server, and draws the handshake', async () => {
      const certificate = await serverCertificate();
      const { peer, port } = await openssl.server(cleanup, files, { certificate });
      const running = cli(
        ['connect', `127.0.0.1:${port}`, '--ca', files.file(certificate.ca), '--linger', '2000'],
        { input: 'hello from the command line\n' },
      );
      await peer.sees(/hello from the command line/);
      peer.write('and an answer\n');
      const { code, stdout, stderr } = await running;
      expect(code).to.equal(0);
      expect(stdout).to.equal('and an answer\n');
      expect(stderr).to.match(/ms \|-- client_hello \d+ -+>\|/);
      expect(stderr).to.match(/ms \|<-- server_hello_done 0 -+\|/);
      expect(stderr).to.match(/DTLSv1\.2 ECDHE-ECDSA-\S+, \S+ with 127\.0\.0\.1:\d+ in .* ms, peer verified/);
      expect(stdout + stderr).not.to.match(COLOR);
    });

    it('talks to gnutls-serv under a pre-shared key, as JSON', async () => {
      const psk = { identity: PSK_IDENTITY, key: PSK_KEY };
      const { port } = await gnutls.server(cleanup, files, { psk });
      const { code, json, stderr } = await cli(
        ['connect', `127.0.0.1:${port}`, ...PSK, '--json', '--ciphers', 'PSK-AES128-GCM-SHA256'],
        { input: 'echo this\n' },
      );
      expect(code).to.equal(0);
      expect(stderr).to.equal('');
      const events = json.map(({ event }) => event);
      expect(events).to.include.members(['handshake', 'secure', 'message', 'close']);
      expect(json.find(({ event }) => event === 'secure')).to.include({
        protocol: 'DTLSv1.2',
        cipher: 'PSK-AES128-GCM-SHA256',
        authorized: true,
      });
      expect(json.find(({ event }) => event === 'message')?.text).to.match(/echo this/);
    });

    it('negotiates ALPN and SRTP', async () => {
      const certificate = await serverCertificate();
      const { port } = await openssl.server(cleanup, files, {
        certificate,
        extra: ['-alpn', 'coap', '-use_srtp', 'SRTP_AEAD_AES_128_GCM'],
      });
      const { json } = await cli([
        ...['connect', `127.0.0.1:${port}`, '--ca', files.file(certificate.ca), '--json'],
        ...['--alpn', 'http/1.1,coap', '--srtp', 'SRTP_AEAD_AES_128_GCM'],
      ]);
      expect(json.find(({ event }) => event === 'secure')).to.include({
        alpn: 'coap',
        srtp: 'SRTP_AEAD_AES_128_GCM',
      });
    });

    it('explains a certificate that does not verify', async () => {
      const certificate = await serverCertificate();
      const { port } = await openssl.server(cleanup, files, { certificate });
      const { code, stdout, stderr } = await cli(['connect', `127.0.0.1:${port}`]);
      expect(code).to.equal(1);
      expect(stdout).to.equal('');
      expect(stderr).to.match(/alert: fatal unknown_ca -+>/);
      expect(stderr).to.match(/^error: .*\[UNABLE_TO_/m);
      expect(stderr).to.match(/^hint: {2}.*--ca/m);
      expect(stderr).to.match(/^more: {2}https:\/\/\S+\/docs\/errors\.md, /m);
    });

    it('explains silence, and a closed port, also as JSON', async () => {
      const closed = await cli(['connect', `127.0.0.1:${await freePort()}`, '--json']);
      expect(closed.code).to.equal(1);
      expect(closed.json.at(-1)?.error).to.include({ code: 'ECONNREFUSED', category: 'io' });
      const { port } = await silent();
      const { code, stderr } = await cli(['connect', `127.0.0.1:${port}`, '--timeout', '1500']);
      expect(code).to.equal(1);
      expect(stderr).to.match(/client_hello \d+ again -+>/);
      expect(stderr).to.match(/\[ERR_DTLS_NO_RESPONSE\]/);
      expect(stderr).to.match(/seen: {2}after 1\.\d s: nothing came back; 1 message was sent again/);
    });

    it('writes a key log and a qlog file', async () => {
      const { port } = await startListen(cleanup, PSK);
      const keylog = join(folder, 'keys.log');
      const { code } = await cli([
        ...['connect', `127.0.0.1:${port}`, ...PSK, '--linger', '0'],
        ...['--keylog', keylog, '--qlog', join(folder, 'qlog')],
      ]);
      expect(code).to.equal(0);
      expect(readFileSync(keylog, 'utf8')).to.match(/^CLIENT_RANDOM /);
      expect(statSync(keylog).mode & 0o077).to.equal(0);
      expect(existsSync(join(folder, 'qlog'))).to.be.true;
    });

    for (const command of [
      ['connect', '127.0.0.1:5684', ...PSK],
      ['ping', '127.0.0.1:5684', ...PSK],
      ['mtu', '127.0.0.1:5684', ...PSK],
      ['listen', '127.0.0.1:0', ...PSK],
      ['proxy', '--listen', '127.0.0.1:0', '--target', '127.0.0.1:5683', ...PSK],
    ]) {
      it(`a key log that cannot be written is exit code 2, before anything starts: ${command[0] ?? ''}`, async () => {
        const nowhere = join(folder, 'nowhere', 'keys.log');
        const { code, stderr, json } = await cli([...command, '--keylog', nowhere, '--json']);
        expect(code, stderr).to.equal(2);
        expect(json.at(-1)?.error).to.include({ category: 'usage', code: 'ENOENT' });
        expect(stderr).to.equal('');
      });
    }

    it('a key log that can be written no more ends no server', async () => {
      const here = join(folder, 'gone');
      mkdirSync(here);
      const { process: server, port } = await startListen(cleanup, [...PSK, '--echo', '--keylog', join(here, 'keys.log')]);
      rmSync(here, { recursive: true });
      const client = ['connect', `127.0.0.1:${port}`, ...PSK, '--linger', '200'];
      const { code, stdout } = await cli(client, { input: 'a\n' });
      expect(code).to.equal(0);
      expect(stdout).to.equal('a\n');
      await server.sees(/--keylog: ENOENT/);
      expect((await cli(client, { input: 'b\n' })).stdout).to.equal('b\n');
    });

    it('keeps a session that nobody else can read, and resumes it', async () => {
      const certificate = await serverCertificate();
      const { cert, key } = files.identity(certificate);
      const ca = files.file(certificate.ca);
      const { port } = await startListen(cleanup, ['--cert', cert, '--key', key]);
      const file = join(folder, 'session');
      writeFileSync(file, 'an older one that all may read', { mode: 0o644 });
      const to = ['connect', `127.0.0.1:${port}`, '--ca', ca, '--linger', '100'];
      const first = await cli([...to, '--sess-out', file, '--json']);
      expect(first.json.find(({ event }) => event === 'secure')).to.include({ resumed: false });
      expect(statSync(file).mode & 0o777).to.equal(0o600);
      const second = await cli([...to, '--sess-in', file]);
      expect(second.code).to.equal(0);
      expect(second.stderr).to.match(/, resumed with 127\.0\.0\.1:\d+ in .* peer verified/);
      expect(second.stderr).not.to.match(/server_hello_done/);
      const broken = await cli([...to, '--sess-in', ca, '--json']);
      expect(broken.code).to.equal(2);
      const { error } = broken.json.at(-1) as { error: { code: string; hint: string } };
      expect(error).to.include({ code: 'ERR_DTLS_INVALID_SESSION' });
      expect(error.hint).to.include('--sess-in must be a file as --sess-out writes it');
      const unwritten = await cli([...to, '--sess-out', join(folder, 'nowhere', 'session')]);
      expect(unwritten.code).to.equal(2);
      expect(unwritten.stderr).to.match(/--sess-out: ENOENT/);
    });

    it('resumes a session of openssl s_server, too', async () => {
      const certificate = await serverCertificate();
      // One client after another, each until it closes.
      const port = await freePort();
      const { cert, key } = files.identity(certificate);
      const server = cleanup.start('openssl', [
        ...['s_server', '-dtls1_2', '-accept', `127.0.0.1:${port}`, '-cert', cert, '-key', key, '-naccept', '2'],
      ]);
      await server.sees(/ACCEPT/);
      const file = join(folder, 'openssl-session');
      const to = ['connect', `127.0.0.1:${port}`, '--ca', files.file(certificate.ca), '--linger', '100', '--json'];
      expect((await cli([...to, '--sess-out', file])).code).to.equal(0);
      const { json } = await cli([...to, '--sess-in', file]);
      expect(json.find(({ event }) => event === 'secure')).to.include({ resumed: true, authorized: true });
    });

    it('ends on Ctrl-C with 130, and tells the server', async () => {
      const { process: server, port } = await startListen(cleanup, PSK);
      const client = startCli(cleanup, ['connect', `127.0.0.1:${port}`, ...PSK]);
      await client.sees(/peer verified/);
      client.signal('SIGINT');
      expect(await client.ends()).to.equal(130);
      await server.sees(/127\.0\.0\.1:\d+ closed/);
    });

    it('has colours when they are forced, and none with NO_COLOR', async () => {
      const { port } = await startListen(cleanup, PSK);
      const args = ['connect', `127.0.0.1:${port}`, ...PSK, '--linger', '0'];
      expect((await cli(args, { env: { FORCE_COLOR: '1' } })).stderr).to.match(COLOR);
      expect((await cli(args, { env: { FORCE_COLOR: '1', NO_COLOR: '1' } })).stderr).not.to.match(COLOR);
    });

    it('shows what a terminal would obey', async () => {
      const { port } = await startListen(cleanup, [...PSK, '--echo']);
      const { stdout } = await cli(['connect', `127.0.0.1:${port}`, ...PSK, '--quiet'], {
        input: 'red \u001b[31m bell \u0007\n',
      });
      expect(stdout).to.equal('red \\x1b[31m bell \\x07\n');
    });
  });

  describe('what a peer says', () => {
    const forgery = 'hi\n10.9.8.7:1234: \u202efor\u200bged\u2028 text\u0007\n';
    const shown = 'hi\\x0a10.9.8.7:1234: \\u202efor\\u200bged\\u2028 text\\x07\n';

    it('is a line of its own in the output of listen: nobody writes lines of others, nor turns one about', async () => {
      const { process: server, port } = await startListen(cleanup, PSK);
      const client = dialTo({ host: '127.0.0.1', port, psk: { identity: PSK_IDENTITY, psk: PSK_KEY } });
      await next(client, 'secureConnect');
      client.send(forgery);
      await server.sees(/127\.0\.0\.1:\d+: hi/);
      client.close();
      await server.sees(/127\.0\.0\.1:\d+ closed/);
      expect(server.output).to.include(`: ${shown}`).and.not.match(/^10\.9/m);
    });

    it('is a line of its own in the output of connect', async () => {
      const server = await listen({ psk: { identity: PSK_IDENTITY, psk: PSK_KEY } });
      server.on('secureConnection', (socket) => {
        socket.send(forgery, () => {
          socket.close();
        });
      });
      const { stdout } = await cli(['connect', `127.0.0.1:${portOf(server)}`, ...PSK, '--quiet']);
      expect(stdout).to.equal(shown);
    });

    it('in its certificate or as its identity is within one line of the log of a proxy', async () => {
      const [ca, cert, key] = ['ca.pem', 'cert.pem', 'key.pem'].map((name) => join(folder, `named-${name}`));
      const issuer = await generateCertificate({ ca: true, subject: 'authority' });
      const own = await generateCertificate({ altNames: ['localhost'], issuer });
      const named = await generateCertificate({ subject: { CN: 'lamp\u202e', O: '#9 10.0.0.1:99 opened' }, usage: 'client', issuer });
      if (ca === undefined || cert === undefined || key === undefined) throw new Error('no names');
      writeFileSync(ca, issuer.cert);
      writeFileSync(cert, own.cert);
      writeFileSync(key, own.key);
      const args = ['proxy', '--listen', '127.0.0.1:0', '--target', '127.0.0.1:9', '--cert', cert, '--key', key];
      const asking = startCli(cleanup, [...args, '--ca', ca]);
      const [, port] = await asking.sees(/port (\d+)/);
      const client = dialTo({ port: Number(port), host: '127.0.0.1', ca: issuer.cert, servername: 'localhost', ...named });
      await asking.sees(/opened: .*lamp/);
      client.destroy();
      expect(asking.output).to.match(/^#1 127\.0\.0\.1:\d+ opened: .*#9 10\.0\.0\.1:99 opened/m);
      expect(asking.output).to.include('CN=lamp\\u202e').and.not.match(/^(O=.*)?#9/m);
    });
  });

  describe('listen', function () {
    before(function () {
      requirePrograms(this, 'openssl', 'gnutls-cli');
    });

    it('echoes to openssl s_client with a certificate made for the run', async () => {
      const { process: server, port } = await startListen(cleanup, ['--echo']);
      const peer = openssl.client(cleanup, files, port, {});
      await peer.sees(/CIPHER is|Cipher is/);
      peer.write('to be echoed\n');
      await peer.sees(/to be echoed/);
      await server.sees(/127\.0\.0\.1:\d+: to be echoed/);
    });

    it('serves gnutls-cli under a pre-shared key, ends on SIGTERM with 0', async () => {
      const { process: server, port } = await startListen(cleanup, PSK);
      const peer = gnutls.client(cleanup, files, port, {
        suite: suite('PSK-AES128-GCM-SHA256'),
        psk: { identity: PSK_IDENTITY, key: PSK_KEY },
      });
      await server.sees(/connected: DTLSv1\.2 \S*PSK/);
      await peer.sees(/Handshake was completed/);
      peer.write('from GnuTLS\n');
      await server.sees(/from GnuTLS/);
      server.signal('SIGTERM');
      expect(await server.ends()).to.equal(0);
    });

    it('says why a client was refused', async () => {
      const { process: server, port } = await startListen(cleanup, PSK);
      await cli(['connect', `127.0.0.1:${port}`, '--psk', '00', '--psk-identity', 'nobody']);
      await server.sees(/failed: .*\[ERR_DTLS_PSK_IDENTITY_UNKNOWN\]\n.*hint/);
    });

    /** A client of a server that says nothing when it is ready: its hello is repeated until then. */
    async function patientClient(port: number, options: Partial<ConnectOptions>): Promise<DTLSSocket> {
      const transport = await Link.bound();
      const client = dialTo({ host: '127.0.0.1', port, transport, retransmission: { initial: 100, max: 200 }, ...options });
      await once(client, 'secureConnect');
      return client;
    }

    for (const json of [false, true]) {
      it(`with --quiet tells messages and errors, and nothing of the rest${json ? ', as JSON' : ''}`, async () => {
        const port = await freePort();
        const server = startCli(cleanup, ['listen', `127.0.0.1:${port}`, ...PSK, '--quiet', ...(json ? ['--json'] : [])]);
        const client = await patientClient(port, { psk: { identity: PSK_IDENTITY, psk: PSK_KEY } });
        client.send('a message');
        await server.sees(/a message/);
        client.close();
        await once(client, 'close');
        await cli(['connect', `127.0.0.1:${port}`, '--psk', '00', '--psk-identity', 'nobody']);
        await server.sees(/ERR_DTLS_PSK_IDENTITY_UNKNOWN/);
        expect((await cli(['scan', `127.0.0.1:${port}`, '--pace', '1'])).code).to.equal(0);
        server.signal('SIGTERM');
        expect(await server.ends()).to.equal(0);
        if (!json) {
          expect(server.output).to.not.match(/listening|connected|closed|left in/);
          return;
        }
        const events = server.output.split('\n').filter(Boolean).map((line) => JSON.parse(line) as Record<string, unknown>);
        expect(new Set(events.map(({ event }) => event))).to.deep.equal(new Set(['listening', 'message', 'failed', 'close']));
        expect(events.filter(({ event }) => event === 'close')).to.have.length(1);
      });
    }

    it('with --quiet makes its certificate without a word', async () => {
      const port = await freePort();
      const server = startCli(cleanup, ['listen', `127.0.0.1:${port}`, '--quiet']);
      await patientClient(port, { rejectUnauthorized: false });
      server.signal('SIGTERM');
      expect(await server.ends()).to.equal(0);
      expect(server.output).to.equal('');
    });

    it('a key without an identity: the client is told which one was sent', async () => {
      const { port } = await startListen(cleanup, PSK);
      const { stderr } = await cli(['connect', `127.0.0.1:${port}`, '--psk', '00']);
      expect(stderr).to.match(/ERR_DTLS_ALERT_UNKNOWN_PSK_IDENTITY[^]*hint: .*--psk-identity.*'Client_identity'/);
    });

    it('has one line for a client that only looked, as scan does', async () => {
      const { process: server, port } = await startListen(cleanup, PSK);
      expect((await cli(['scan', `127.0.0.1:${port}`, '--pace', '1'])).code).to.equal(0);
      await server.sees(/left in its handshake \(user_canceled\)/);
      // What it was told, and what it was refused, is counted when it has gone.
      await server.sees(/127\.0\.0\.1: \d+ more left in their handshakes, \d+ failed \[ERR_DTLS_\w+\]/);
      expect(server.output.match(/left in its handshake/g)).to.have.length(1);
      expect(server.output).to.not.match(/failed: |hint:/);
      // Somebody else's failure is told as ever.
      await cli(['connect', `127.0.0.1:${port}`, '--psk', '00', '--psk-identity', 'nobody']);
      await server.sees(/failed: .*\[ERR_DTLS_PSK_IDENTITY_UNKNOWN\]\n.*hint/);
    });

    it('makes a certificate that a client takes with --insecure, as the hint says', async () => {
      const { port } = await startListen(cleanup, []);
      const refused = await cli(['connect', `localhost:${port}`]);
      expect(refused.code).to.equal(1);
      expect(refused.stderr).to.match(/hint: .*--ca.*--insecure/);
      expect((await cli(['connect', `localhost:${port}`, '--insecure', '--linger', '1'])).code).to.equal(0);
    });

    it('exits with 1 when the port is taken', async () => {
      const { port } = await startListen(cleanup, PSK);
      const { code, stderr } = await cli(['listen', `127.0.0.1:${port}`, ...PSK]);
      expect(code).to.equal(1);
      expect(stderr).to.match(/EADDRINUSE/);
    });
  });

  describe('ping', function () {
    before(function () {
      requirePrograms(this, 'gnutls-serv');
    });

    it('measures gnutls-serv', async () => {
      const psk = { identity: PSK_IDENTITY, key: PSK_KEY };
      const { port } = await gnutls.server(cleanup, files, { psk, extra: ['--heartbeat'] });
      const { code, stdout } = await cli([
        ...['ping', `127.0.0.1:${port}`, ...PSK, '-c', '3', '-i', '50'],
        ...['--ciphers', 'PSK-AES128-GCM-SHA256'],
      ]);
      expect(code).to.equal(0);
      expect(stdout.match(/56 bytes from 127\.0\.0\.1:\d+: seq=\d time=\d+\.\d+ ms/g)).to.have.length(3);
      expect(stdout).to.match(/3 sent, 3 answered, 0% lost/);
      expect(stdout).to.match(/rtt min\/avg\/max\/mdev = [\d./]+ ms/);
    });

    it('measures this package, as JSON', async () => {
      const { port } = await startListen(cleanup, [...PSK, '--heartbeat']);
      const { code, json } = await cli(['ping', `127.0.0.1:${port}`, ...PSK, '-c', '2', '-i', '10', '--json']);
      expect(code).to.equal(0);
      expect(json.map(({ event }) => event)).to.deep.equal(['reply', 'reply', 'summary']);
      expect(json.at(-1)).to.include({ sent: 2, answered: 2 });
    });

    it('prints the statistics on Ctrl-C', async () => {
      const { port } = await startListen(cleanup, [...PSK, '--heartbeat']);
      const ping = startCli(cleanup, ['ping', `127.0.0.1:${port}`, ...PSK]);
      await ping.sees(/seq=1/);
      ping.signal('SIGINT');
      expect(await ping.ends()).to.equal(130);
      expect(ping.output).to.match(/1 sent, 1 answered/);
    });

    it('says that the server has no heartbeats', async () => {
      const { port } = await startListen(cleanup, PSK);
      const { code, stderr } = await cli(['ping', `127.0.0.1:${port}`, ...PSK]);
      expect(code).to.equal(1);
      expect(stderr).to.match(/ERR_DTLS_HEARTBEAT_NOT_NEGOTIATED[^]*hint: .*The server has no heartbeats.*--heartbeat/);
    });
  });

  describe('mtu', () => {
    it('finds what the search may find', async () => {
      const { port } = await startListen(cleanup, [...PSK, '--heartbeat']);
      const { code, json } = await cli(['mtu', `127.0.0.1:${port}`, ...PSK, '--most', '1300', '--json']);
      expect(code).to.equal(0);
      expect(json).to.have.length(1);
      expect(json[0]).to.include({ mtu: 1300 });
      expect(json[0]?.maxMessageSize).to.be.within(1240, 1299);
    });
  });

  describe('cert', function () {
    before(function () {
      requirePrograms(this, 'openssl');
    });

    it('makes an authority and a server that OpenSSL verifies', async () => {
      const ca = join(folder, 'ca');
      const server = join(folder, 'server');
      expect((await cli(['cert', 'An Authority', '--ca', '--out', ca])).code).to.equal(0);
      const { code, json } = await cli(['cert', 'localhost', '127.0.0.1', '--issuer', ca, '--out', server, '--json']);
      expect(code).to.equal(0);
      expect(json[0]).to.include({ issuer: 'CN=An Authority', subject: 'CN=localhost' });
      const verify = spawnSync(
        'openssl',
        ['verify', '-x509_strict', '-purpose', 'sslserver', '-verify_ip', '127.0.0.1', '-CAfile', `${ca}-cert.pem`, `${server}-cert.pem`],
        { encoding: 'utf8' },
      );
      expect(verify.stdout + verify.stderr).to.match(/OK/);
      expect(statSync(`${server}-key.pem`).mode & 0o077).to.equal(0);
      const { port } = await startListen(cleanup, ['--cert', `${server}-cert.pem`, '--key', `${server}-key.pem`]);
      const connected = await cli(['connect', `127.0.0.1:${port}`, '--ca', `${ca}-cert.pem`, '--linger', '0']);
      expect(connected.stderr).to.match(/peer verified/);
    });

    it('speaks of its own options and files, not of those of the library', async () => {
      const [ca, leaf, broken] = ['refusing-ca', 'refusing-leaf', 'refusing-broken'].map((name) => join(folder, name));
      expect((await cli(['cert', '--ca', '--out', ca ?? ''])).stdout).to.match(/CN=dgram-dtls authority/);
      expect((await cli(['cert', 'a', '--out', leaf ?? ''])).code).to.equal(0);
      writeFileSync(`${broken ?? ''}-cert.pem`, 'x');
      writeFileSync(`${broken ?? ''}-key.pem`, 'x');
      const out = ['--out', join(folder, 'refused')];
      const refused: [string[], number, RegExp][] = [
        [['bad name', ...out], 2, /among the names is 'bad name', which is no host name/],
        [['a.example/path', ...out], 2, /among the names is 'a\.example\/path'/],
        [['a.example:5684', ...out], 2, /among the names is 'a\.example:5684'/],
        [['b', '--issuer', leaf ?? '', ...out], 2, /--issuer: .*refusing-leaf-cert\.pem is no authority's[^]*dgram-dtls cert --ca/],
        [['b', '--issuer', broken ?? '', ...out], 2, /--issuer: .*refusing-broken-cert\.pem cannot be read/],
        [['b', '--issuer', join(folder, 'none'), ...out], 2, /--issuer: .*none-cert\.pem/],
        [['b', 'c', '--ca', ...out], 2, /--ca makes one authority, and has 2 names: b, c/],
        [['b', '--out', join(folder, 'none', 'x')], 2, /--out: ENOENT[^]*in a folder that is there/],
      ];
      for (const [args, code, says] of refused) {
        const run = await cli(['cert', ...args]);
        expect(run.code, args.join(' ')).to.equal(code);
        expect(run.stderr).to.match(says).and.not.match(/altNames|issuer\.|ca: true|passphrase/);
      }
    });

    it('overwrites nothing without --force', async () => {
      const out = join(folder, 'twice');
      expect((await cli(['cert', '--out', out, '--rsa'])).code).to.equal(0);
      const again = await cli(['cert', '--out', out]);
      expect(again.code).to.equal(2);
      expect(again.stderr).to.match(/twice-cert\.pem exists/);
      expect((await cli(['cert', '--out', out, '--force'])).code).to.equal(0);
    });
  });

  async function silent(): Promise<{ port: number }> {
    const { createSocket } = await import('node:dgram');
    const socket = createSocket('udp4');
    await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
    cleanup.add(() => new Promise<void>((resolve) => socket.close(resolve)));
    return { port: socket.address().port };
  }
});
