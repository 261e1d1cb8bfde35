// Protects the output of listen, connect and proxy from what a peer says: a message, a name or an identity is within one
// line of its own, whatever is in it.
import { expect } from 'chai';
import { writeFileSync } from 'node:fs';
import { PSK_IDENTITY, PSK_KEY } from '../interop/foreign';
import { generateCertificate } from '../../lib/index';
import { closeEverything, dialTo, listen, next, portOf } from '../helpers/pair';
import { cleanupAfterEach } from '../helpers/peers';
import { cli, PSK, startCli, startListen, temporaryFolder } from './run';

describe('dgram-dtls', function () {
  this.timeout(60_000);
  const cleanup = cleanupAfterEach(this);
  afterEach(closeEverything);
  const inFolder = temporaryFolder(this);

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
      const [ca, cert, key] = ['ca.pem', 'cert.pem', 'key.pem'].map((name) => inFolder(`named-${name}`));
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
});
