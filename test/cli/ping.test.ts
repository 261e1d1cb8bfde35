// Protects ping and mtu, which measure by heartbeats: what they print, as JSON or not, and how they exit; against GnuTLS and
// this package.
import { expect } from 'chai';
import { FOREIGN, PSK_IDENTITY, PSK_KEY, type Foreign } from '../interop/foreign';
import { cleanupAfterEach, requirePrograms, temporaryFiles } from '../helpers/peers';
import { cli, PSK, startCli, startListen } from './run';

describe('dgram-dtls', function () {
  this.timeout(60_000);
  const cleanup = cleanupAfterEach(this);
  const [, gnutls] = FOREIGN as [Foreign, Foreign];
  const files = temporaryFiles(this);

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
});
