// Protects listen as people and scripts use it: what it prints, with --quiet, too, and how it exits; against OpenSSL, GnuTLS
// and this package.
import { expect } from 'chai';
import { once } from 'node:events';
import { FOREIGN, PSK_IDENTITY, PSK_KEY, suite, type Foreign } from '../interop/foreign';
import type { ConnectOptions, DTLSSocket } from '../../lib/index';
import { Link } from '../helpers/link';
import { closeEverything, dialTo } from '../helpers/pair';
import { cleanupAfterEach, freePort, requirePrograms, temporaryFiles } from '../helpers/peers';
import { cli, PSK, startCli, startListen } from './run';

describe('dgram-dtls', function () {
  this.timeout(60_000);
  const cleanup = cleanupAfterEach(this);
  afterEach(closeEverything);
  const [openssl, gnutls] = FOREIGN as [Foreign, Foreign];
  const files = temporaryFiles(this);

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
});
