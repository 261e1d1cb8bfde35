// Protects cert: OpenSSL verifies what it makes, nothing is overwritten, and it speaks of its own options and files.
import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { statSync, writeFileSync } from 'node:fs';
import { cleanupAfterEach, requirePrograms } from '../helpers/peers';
import { cli, startListen, temporaryFolder } from './run';

describe('dgram-dtls', function () {
  this.timeout(60_000);
  const cleanup = cleanupAfterEach(this);
  const inFolder = temporaryFolder(this);

  describe('cert', function () {
    before(function () {
      requirePrograms(this, 'openssl');
    });

    it('makes an authority and a server that OpenSSL verifies', async () => {
      const ca = inFolder('ca');
      const server = inFolder('server');
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
      const [ca, leaf, broken] = ['refusing-ca', 'refusing-leaf', 'refusing-broken'].map((name) => inFolder(name));
      expect((await cli(['cert', '--ca', '--out', ca ?? ''])).stdout).to.match(/CN=dgram-dtls authority/);
      expect((await cli(['cert', 'a', '--out', leaf ?? ''])).code).to.equal(0);
      writeFileSync(`${broken ?? ''}-cert.pem`, 'x');
      writeFileSync(`${broken ?? ''}-key.pem`, 'x');
      const out = ['--out', inFolder('refused')];
      const refused: [string[], number, RegExp][] = [
        [['bad name', ...out], 2, /among the names is 'bad name', which is no host name/],
        [['a.example/path', ...out], 2, /among the names is 'a\.example\/path'/],
        [['a.example:5684', ...out], 2, /among the names is 'a\.example:5684'/],
        [['b', '--issuer', leaf ?? '', ...out], 2, /--issuer: .*refusing-leaf-cert\.pem is no authority's[^]*dgram-dtls cert --ca/],
        [['b', '--issuer', broken ?? '', ...out], 2, /--issuer: .*refusing-broken-cert\.pem cannot be read/],
        [['b', '--issuer', inFolder('none'), ...out], 2, /--issuer: .*none-cert\.pem/],
        [['b', 'c', '--ca', ...out], 2, /--ca makes one authority, and has 2 names: b, c/],
        [['b', '--out', inFolder('none', 'x')], 2, /--out: ENOENT[^]*in a folder that is there/],
      ];
      for (const [args, code, says] of refused) {
        const run = await cli(['cert', ...args]);
        expect(run.code, args.join(' ')).to.equal(code);
        expect(run.stderr).to.match(says).and.not.match(/altNames|issuer\.|ca: true|passphrase/);
      }
    });

    it('overwrites nothing without --force', async () => {
      const out = inFolder('twice');
      expect((await cli(['cert', '--out', out, '--rsa'])).code).to.equal(0);
      const again = await cli(['cert', '--out', out]);
      expect(again.code).to.equal(2);
      expect(again.stderr).to.match(/twice-cert\.pem exists/);
      expect((await cli(['cert', '--out', out, '--force'])).code).to.equal(0);
    });
  });
});
