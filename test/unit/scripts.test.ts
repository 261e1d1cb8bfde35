// Protects the scripts of package.json: npm runs `preX` and `postX` around `X`, so a script that is none of
// these must not be named as one; and the documents name scripts that are there.
import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { filesIn } from '../helpers/tree';

const root = join(__dirname, '../..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };

/** Files of these folders, and these files, that tell somebody to run a script. */
const telling = ['docs', 'scripts', 'examples', '.github/workflows']
  .flatMap(filesIn)
  .filter((name) => /\.(md|mjs|cjs|yml)$/.test(name))
  .concat('README.md', 'CONTRIBUTING.md', '.ci/run');

describe('scripts of package.json', () => {
  it('only what makes the tree ready runs before another script', () => {
    const hooks = Object.keys(scripts).filter((name) => {
      const other = /^(?:pre|post)(.+)$/.exec(name)?.[1];
      return other !== undefined && other in scripts;
    });
    expect(hooks).to.include('pretest');
    const others = hooks.filter((name) => scripts[name] !== 'node scripts/prepare.mjs');
    expect(others).to.deep.equal([]);
  });

  it('the documents, scripts and workflows name those that there are', () => {
    const named = telling.flatMap((file) =>
      [...read(file).matchAll(/npm run ([\w:-]+)/g)].map(([, name = '']) => `${name} in ${file}`),
    );
    expect(named).to.have.length.above(20);
    expect(named.filter((one) => scripts[one.split(' ')[0] ?? ''] === undefined)).to.deep.equal([]);
  });

  it('nothing is packed without what package.json leads to', () => {
    expect(scripts.prepack).to.equal('node scripts/check-packed.mjs');
    const folder = mkdtempSync(join(tmpdir(), 'dgram-dtls-'));
    const check = (): [status: number | null, text: string] => {
      const { status, stderr } = spawnSync(process.execPath, [join(root, 'scripts/check-packed.mjs'), folder], { encoding: 'utf8' });
      return [status, stderr];
    };
    try {
      writeFileSync(join(folder, 'package.json'), JSON.stringify({ main: './a.js', exports: { '.': { import: './b.mjs' } } }));
      writeFileSync(join(folder, 'a.js'), '');
      const [status, text] = check();
      expect(status).to.equal(1);
      expect(text).to.match(/\.\/b\.mjs.*npm run build:ts/).and.not.include('a.js');
      writeFileSync(join(folder, 'b.mjs'), '');
      const [without, advice] = check();
      expect(without).to.equal(1);
      expect(advice).to.match(/no binary in prebuilds.*npm run build:binaries.*--ignore-scripts/);
      mkdirSync(join(folder, 'prebuilds', 'linux-x64'), { recursive: true });
      writeFileSync(join(folder, 'prebuilds', 'linux-x64', 'dgram-dtls.glibc.node'), '');
      expect(check()).to.deep.equal([0, '']);
      // Beside what was compiled here, one that it was copied from is good, and one of before `askPeers` is not.
      const compiled = join(root, 'build', 'Release', 'dgram_dtls.node');
      mkdirSync(join(folder, 'build', 'Release'), { recursive: true });
      copyFileSync(compiled, join(folder, 'build', 'Release', 'dgram_dtls.node'));
      const bytes = readFileSync(compiled);
      const prebuilt = join(folder, 'prebuilds', 'linux-x64', 'dgram-dtls.glibc.node');
      writeFileSync(prebuilt, bytes);
      expect(check()).to.deep.equal([0, '']);
      writeFileSync(prebuilt, bytes.toString('latin1').replaceAll('askPeers\0', 'askOther\0'), 'latin1');
      const [stale, cure] = check();
      expect(stale).to.equal(1);
      expect(cure).to.match(/linux-x64.*earlier build, without askPeers: 'npm run build:binaries'/);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  describe('nothing is published', () => {
    const folder = mkdtempSync(join(tmpdir(), 'dgram-dtls-'));
    const repository = { type: 'git', url: 'git+https://example.com/us/dgram-dtls.git' };
    const bugs = { url: 'https://example.com/us/dgram-dtls/issues' };
    const here = { GITHUB_SERVER_URL: 'https://example.com', GITHUB_REPOSITORY: 'us/dgram-dtls' };
    const check = (manifest: object, env: NodeJS.ProcessEnv = here): [status: number | null, text: string] => {
      const file = join(folder, 'package.json');
      writeFileSync(file, JSON.stringify(manifest));
      const { status, stderr } = spawnSync(process.execPath, [join(root, 'scripts/check-manifest.mjs'), file], {
        encoding: 'utf8',
        env: { ...process.env, ...env },
      });
      return [status, stderr];
    };

    after(() => {
      rmSync(folder, { recursive: true });
    });

    it('without the place of its sources and of its bugs', () => {
      expect(scripts.prepublishOnly?.split(' && ')).to.include('node scripts/check-manifest.mjs');
      expect(check({ repository, bugs })).to.deep.equal([0, '']);
      expect(check({ repository: repository.url, bugs: bugs.url })).to.deep.equal([0, '']);
      for (const nowhere of [undefined, {}, { url: 'https://' }, 7]) {
        for (const name of ['repository', 'bugs']) {
          const [status, text] = check({ repository, bugs, [name]: nowhere });
          expect(status).to.equal(1);
          expect(text).to.match(new RegExp(`^check-manifest: package.json has no '${name}' with a URL`));
        }
      }
      expect(check({})[1].trim().split('\n')).to.have.length(2);
    });

    it('out of a clone of another place than package.json names', () => {
      const [status, text] = check({ repository, bugs }, { ...here, GITHUB_REPOSITORY: 'them/dgram-dtls' });
      expect(status).to.equal(1);
      expect(text).to.match(/^check-manifest: .* at example\.com\/us\/dgram-dtls, and this is a clone of example\.com\/them\/dgram-dtls: see /);
      // Outside of a workflow git's remotes tell.
      const git = (...args: string[]): void => {
        expect(spawnSync('git', ['-C', folder, ...args], { encoding: 'utf8' }).stderr).to.equal('');
      };
      git('init', '-q');
      const byHand = { GITHUB_SERVER_URL: '', GITHUB_REPOSITORY: '', GIT_DIR: join(folder, '.git') };
      expect(check({ repository, bugs }, byHand)[1]).to.match(/a clone of no place that git knows/);
      git('remote', 'add', 'origin', 'https://example.com/fork/dgram-dtls');
      expect(check({ repository, bugs }, byHand)[1]).to.match(/a clone of example\.com\/fork\/dgram-dtls/);
      for (const url of ['git@example.com:us/dgram-dtls.git', 'https://example.com/us/dgram-dtls/', 'ssh://git@example.com/us/dgram-dtls']) {
        git('remote', 'set-url', 'origin', url);
        expect(check({ repository, bugs }, byHand)).to.deep.equal([0, '']);
      }
    });
  });

  it('package.json names the place of its sources, of its bugs and of its page', () => {
    const { name, ...manifest } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
      name: string;
      repository: { url: string };
      bugs: { url: string };
      homepage: string;
    };
    const place = manifest.repository.url.replace(/^git\+/, '').replace(/\.git$/, '');
    expect(place).to.match(/^https:\/\/[^/]+\/[^/]+\/dgram-dtls$/);
    expect(manifest.bugs.url).to.equal(`${place}/issues`);
    expect(manifest.homepage).to.equal(`https://www.npmjs.com/package/${name}`);
  });
});
