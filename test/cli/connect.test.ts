// Protects connect as people and scripts use it: what it prints, where, in colour or not, as JSON or not, and how it exits;
// against OpenSSL, GnuTLS and this package.
import { expect } from 'chai';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FOREIGN, PSK_IDENTITY, PSK_KEY, serverCertificate, type Foreign } from '../interop/foreign';
import { anonymousServer, OPEN_MINDED, pickyServer } from '../helpers/anonymous';
import { createAuthority } from '../helpers/certificates';
import { closeEverything, listen, portOf } from '../helpers/pair';
import { cleanupAfterEach, freePort, requirePrograms, temporaryFiles } from '../helpers/peers';
import { cli, PSK, startCli, startListen, temporaryFolder } from './run';

// eslint-disable-next-line no-control-regex -- colours are control characters
const COLOR = /\u001b\[/;

describe('dgram-dtls', function () {
  this.timeout(60_000);
  const cleanup = cleanupAfterEach(this);
  afterEach(closeEverything);
  const [openssl, gnutls] = FOREIGN as [Foreign, Foreign];
  const files = temporaryFiles(this);
  const inFolder = temporaryFolder(this);

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

  it('connect exits with 1 when the server closes before the end of the input, and with 0 when that was all', async () => {
    const server = await listen({ pskCallback: () => PSK_KEY });
    server.on('secureConnection', (socket) => {
      socket.on('message', (message) => {
        if (message.toString() === 'last') socket.close();
      });
    });
    const args = (linger: string): string[] =>
      ['connect', `127.0.0.1:${portOf(server)}`, ...PSK, '--json', '--linger', linger];

    // The end of the input comes behind the server's close: all of it was sent.
    const whole = startCli(cleanup, args('20000'));
    whole.write('last\n');
    await whole.sees(/"description":"close_notify"|"event":"secure"/);
    whole.end();
    expect(await whole.ends(), whole.describe()).to.equal(0);

    // A line that comes behind it was not, and nor was what may yet come.
    const more = startCli(cleanup, args('20000'));
    more.write('last\n');
    // It has heard of the end, which a line could overtake: that one would be sent, and lost as UDP loses it.
    await more.sees(/"direction":"in",.*"description":"close_notify"/);
    more.write('one more\n');
    expect(await more.ends(), more.describe()).to.equal(1);
    expect(more.output).to.match(/ERR_DTLS_NOT_OPEN.*closed the session before the end of the input/);
    const open = startCli(cleanup, args('100'));
    open.write('last\n');
    expect(await open.ends(), open.describe()).to.equal(1);
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
      const keylog = inFolder('keys.log');
      const { code } = await cli([
        ...['connect', `127.0.0.1:${port}`, ...PSK, '--linger', '0'],
        ...['--keylog', keylog, '--qlog', inFolder('qlog')],
      ]);
      expect(code).to.equal(0);
      expect(readFileSync(keylog, 'utf8')).to.match(/^CLIENT_RANDOM /);
      expect(statSync(keylog).mode & 0o077).to.equal(0);
      expect(existsSync(inFolder('qlog'))).to.be.true;
    });

    for (const command of [
      ['connect', '127.0.0.1:5684', ...PSK],
      ['ping', '127.0.0.1:5684', ...PSK],
      ['mtu', '127.0.0.1:5684', ...PSK],
      ['listen', '127.0.0.1:0', ...PSK],
      ['proxy', '--listen', '127.0.0.1:0', '--target', '127.0.0.1:5683', ...PSK],
    ]) {
      it(`a key log that cannot be written is exit code 2, before anything starts: ${command[0] ?? ''}`, async () => {
        const nowhere = inFolder('nowhere', 'keys.log');
        const { code, stderr, json } = await cli([...command, '--keylog', nowhere, '--json']);
        expect(code, stderr).to.equal(2);
        expect(json.at(-1)?.error).to.include({ category: 'usage', code: 'ENOENT' });
        expect(stderr).to.equal('');
      });
    }

    it('a key log that can be written no more ends no server', async () => {
      const here = inFolder('gone');
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
      const file = inFolder('session');
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
      const unwritten = await cli([...to, '--sess-out', inFolder('nowhere', 'session')]);
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
      const file = inFolder('openssl-session');
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

    it('has none of it in JSON either, whose text is the same to who parses it', async () => {
      const { port } = await startListen(cleanup, [...PSK, '--echo']);
      const text = 'red \u009b31m turned \u202e about';
      const { stdout, json } = await cli(['connect', `127.0.0.1:${port}`, ...PSK, '--json'], { input: `${text}\n` });
      expect(json.find(({ event }) => event === 'message')?.text).to.equal(text);
      expect(stdout).to.include(String.raw`red \u009b31m turned \u202e about`).and.not.match(/[\u0080-\u009f\u202e]/);
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
