// Protects the command that docs/installing.md gives for a project that uses the package: from what was packed and
// installed it builds an addon on the OpenSSL of OPENSSL_ROOT, and leaves nothing that a package manager would compile.
import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const root = join(__dirname, '../..');

describe('an installed package', function () {
  // Everything is compiled.
  this.timeout(600_000);
  const env: NodeJS.ProcessEnv = { ...process.env, OPENSSL_ROOT: process.env.OPENSSL_ROOT ?? '/usr' };
  delete env.DGRAM_DTLS_ADDON;
  let project = '';

  function prints(command: string, cwd = project): string {
    const { status, stdout, stderr } = spawnSync(command, { cwd, env, shell: true, encoding: 'utf8' });
    expect(status, `${command}\n${stdout}${stderr}`).to.equal(0);
    return stdout.trim();
  }

  before(() => {
    project = mkdtempSync(join(tmpdir(), 'dgram-dtls-installed-'));
    writeFileSync(join(project, 'package.json'), '{ "private": true }');
    prints(`npm pack --ignore-scripts --pack-destination ${project}`, root);
    const tarball = readdirSync(project).find((name) => name.endsWith('.tgz'));
    prints(`npm install --no-audit --no-fund --prefer-offline ./${String(tarball)}`);
  });
  after(() => {
    rmSync(project, { recursive: true, force: true });
  });

  it('OPENSSL_ROOT=… npx dgram-dtls build, as documented, links that OpenSSL', () => {
    const command = /^OPENSSL_ROOT=\/prefix (npx dgram-dtls build)\b/m.exec(
      readFileSync(join(root, 'docs/installing.md'), 'utf8'),
    )?.[1];
    expect(command).to.equal('npx dgram-dtls build');
    prints(command ?? '');
    const own = `node -p "JSON.stringify(require('dgram-dtls').features.ownOpenssl)"`;
    expect(prints(own)).to.equal('true');
    expect(existsSync(join(project, 'node_modules/dgram-dtls/binding.gyp'))).to.equal(false);
  });
});
