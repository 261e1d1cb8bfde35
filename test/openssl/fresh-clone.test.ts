// Protects the command that docs/installing.md gives for a clone of the repository: in a fresh one it builds
// an addon on the OpenSSL of OPENSSL_ROOT, and nothing else.
import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const root = join(__dirname, '../..');

describe('a fresh clone', function () {
  // Everything is compiled.
  this.timeout(600_000);
  let clone = '';
  before(() => {
    clone = mkdtempSync(join(tmpdir(), 'dgram-dtls-clone-'));
    const { stdout, status } = spawnSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
      cwd: root,
      encoding: 'utf8',
    });
    expect(status).to.equal(0);
    for (const file of stdout.split('\0')) {
      if (file !== '' && existsSync(join(root, file))) cpSync(join(root, file), join(clone, file));
    }
    symlinkSync(join(root, 'node_modules'), join(clone, 'node_modules'));
  });
  after(() => {
    rmSync(clone, { recursive: true, force: true });
  });

  it('OPENSSL_ROOT=… npm run build, as documented, links that OpenSSL', () => {
    const command = /^OPENSSL_ROOT=\/prefix (npm run build)\b/m.exec(
      readFileSync(join(root, 'docs/installing.md'), 'utf8'),
    )?.[1];
    expect(command).to.equal('npm run build');
    const env: NodeJS.ProcessEnv = { ...process.env, OPENSSL_ROOT: process.env.OPENSSL_ROOT ?? '/usr' };
    delete env.DGRAM_DTLS_ADDON;
    const build = spawnSync(command ?? '', { cwd: clone, env, shell: true, encoding: 'utf8' });
    expect(build.status, `${build.stdout}${build.stderr}`).to.equal(0);
    expect(existsSync(join(clone, 'prebuilds')), 'binaries for a release').to.be.false;
    const loaded = spawnSync(
      process.execPath,
      ['-p', "JSON.stringify(require('./dist').features.ownOpenssl)"],
      { cwd: clone, env, encoding: 'utf8' },
    );
    expect(loaded.stdout.trim(), loaded.stderr).to.equal('true');
  });
});
