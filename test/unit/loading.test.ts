// Protects what loading the package costs and does: its entries load no other package, and no more
// of this one than many programs need; where no binary can be loaded, or compiled, the error says what to do.
import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { loadAddon } from '../../lib/addon';
import { DTLSError } from '../../lib/index';
import { page } from '../../lib/errors/manual';
import { skip } from '../helpers/peers';

const root = join(__dirname, '../..');

describe('loading', () => {
  let empty = '';
  before(() => {
    empty = mkdtempSync(join(tmpdir(), 'dgram-dtls-empty-'));
  });
  after(() => {
    rmSync(empty, { recursive: true, force: true });
  });

  describe('loads no other package', () => {
    // What a require() has loaded is in require.cache, and the ES module entries only import those.
    const report = `
      const seen = Object.keys(require.cache)
        .map((file) => /node_modules[\\\\/]((?:@[^\\\\/]+[\\\\/])?[^\\\\/]+)[\\\\/](?!.*node_modules)/.exec(file)?.[1])
        .filter((name) => name !== undefined);
      console.log(JSON.stringify([...new Set(seen)].sort()));
    `;
    const entries = ['dgram-dtls', 'dgram-dtls/lab', 'dgram-dtls/node-dtls'];
    for (const entry of entries) {
      for (const [how, statement] of [
        ['import', `import('${entry}').then(() => { ${report} });`],
        ['require', `require('${entry}'); ${report}`],
      ] as const) {
        it(`${how} '${entry}'`, () => {
          const { stdout, stderr, status } = spawnSync(process.execPath, ['-e', statement], {
            cwd: root,
            encoding: 'utf8',
            env: { ...process.env, DGRAM_DTLS_ADDON: '' },
          });
          expect(status, stderr).to.equal(0);
          expect(JSON.parse(stdout)).to.deep.equal([]);
        });
      }
    }
  });

  describe('loads late what many programs have no use for', () => {
    const loaded = `
      const loaded = () => [
        ...Object.keys(require.cache).map((file) => /dist[\\\\/]([^\\\\/]+)\\.js$/.exec(file)?.[1]),
        ...['net', 'dgram', 'tls', 'worker_threads', 'dns'].filter((name) => process.moduleLoadList.includes('NativeModule ' + name)),
      ].filter((name) => name !== undefined).sort();
    `;
    const run = (program: string): unknown => {
      const { stdout, stderr } = spawnSync(process.execPath, ['-e', loaded + program], { cwd: root, encoding: 'utf8' });
      return JSON.parse(stdout || JSON.stringify(stderr));
    };

    it('before anything is used', () => {
      expect(run("require('dgram-dtls'); console.log(JSON.stringify(loaded()));")).to.deep.equal(['core', 'index']);
    });

    it('and has it all when it is asked for', () => {
      const program = `
        const all = { ...require('dgram-dtls') };
        console.log(JSON.stringify([loaded().filter((name) => !/^[a-z]+$/.test(name)), Object.values(all).filter((one) => one === undefined)]));
      `;
      expect(run(program)).to.deep.equal([['create-socket', 'generate-certificate'], []]);
    });

    it('also when sessions have come and gone', () => {
      const program = `
        const { connect, createServer } = require('dgram-dtls');
        const psk = { identity: 'a', psk: Buffer.alloc(16, 7) };
        const server = createServer({ pskCallback: () => psk.psk, ciphers: 'PSK' }, (session) => {
          session.on('message', (message) => session.send(message));
        });
        server.listen(0, '127.0.0.1', () => {
          const client = connect({ host: '127.0.0.1', port: server.address().port, pskCallback: () => psk, ciphers: 'PSK' });
          client.on('secureConnect', () => client.send('hello'));
          client.on('message', () => client.close());
          client.on('close', () => server.close(() => console.log(JSON.stringify(loaded().includes('rarely-used')))));
        });
      `;
      expect(run(program)).to.equal(false);
    });

    it('and uses it where it is needed', () => {
      const program = `
        const { connect } = require('dgram-dtls');
        try {
          connect({ port: 1, peerFingerprints: [] });
        } catch (error) {
          console.log(JSON.stringify([error.message, loaded().includes('rarely-used')]));
        }
      `;
      expect(run(program)).to.deep.equal(["'peerFingerprints' cannot be empty", true]);
    });
  });

  // Modules of Node need each other in circles, and some of them are whole only where another one was loaded first. The
  // deprecated module 'constants' is left out: node:tls adds to it.
  it('leaves the modules of Node whole, in whatever order they are loaded', () => {
    const shapes = `
      const shapes = () => Object.fromEntries(
        require('node:module').builtinModules
          .filter((name) => !/^(_|sys$|punycode$|wasi$|constants$)|\\//.test(name))
          .map((name) => [name, Object.entries(Object.getOwnPropertyDescriptors(require(name)))
            .map(([key, { value, get }]) => key + ' ' + typeof (value ?? get)).sort()]));
    `;
    const use = `
      const { connect, createServer, createSocket, generateCertificate } = require('dgram-dtls');
      const { once } = require('node:events');
      (async () => {
        const own = await generateCertificate({ subject: 'localhost', altNames: ['127.0.0.1'] });
        const server = createServer({ ...own, ca: own.cert, requestCert: true });
        server.listen(0, '127.0.0.1');
        await once(server, 'listening');
        const accepted = once(server, 'secureConnection');
        const client = connect({ ...own, ca: own.cert, host: '127.0.0.1', port: server.address().port });
        await once(client, 'secureConnect');
        const [peer] = await accepted;
        for (const socket of [client, peer]) {
          if (WHICH(socket) === undefined) throw new Error('shows nothing');
        }
        client.destroy(); peer.destroy(); server.close();
        console.log(JSON.stringify(shapes()));
      })();
    `;
    const run = (program: string): unknown => {
      const { stdout, stderr } = spawnSync(process.execPath, ['--no-deprecation', '-e', shapes + program], {
        cwd: root,
        encoding: 'utf8',
      });
      expect(stdout, stderr).to.match(/^\{/);
      return JSON.parse(stdout);
    };
    const whole = run('console.log(JSON.stringify(shapes()));');
    for (const which of [
      'getPeerCertificate()',
      'getPeerCertificate(true)',
      'getCertificate()',
      'getPeerX509Certificate()',
      'getCipher()',
    ])
      expect(run(use.replace('WHICH', `((socket) => socket.${which})`)), which).to.deep.equal(whole);
  });

  it('in a bundle that is an ES module the variable names the binary, and without it the error says so', () => {
    const entry = join(empty, 'entry.mjs');
    writeFileSync(entry, `import { connect } from ${JSON.stringify(join(root, 'dist/index.mjs'))};\nconsole.log(typeof connect);\n`);
    const bundle = join(empty, 'bundle.mjs');
    const banner = "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);";
    const esbuild = join(root, 'node_modules/esbuild/bin/esbuild');
    const args = [entry, '--bundle', '--platform=node', '--format=esm', `--banner:js=${banner}`, `--outfile=${bundle}`];
    const made = spawnSync(esbuild, args, { encoding: 'utf8' });
    expect(made.status, made.stderr).to.equal(0);
    const run = (addon: string | undefined): string => {
      const given = { ...process.env, DGRAM_DTLS_ADDON: addon }; // undefined: not set
      const { stdout, stderr } = spawnSync(process.execPath, [bundle], { cwd: empty, encoding: 'utf8', env: given });
      return stdout + stderr;
    };
    expect(run(process.env.DGRAM_DTLS_ADDON ?? join(root, 'build/Release/dgram_dtls.node'))).to.equal('function\n');
    expect(run(undefined)).to.match(/ERR_DTLS_ADDON/).and.match(/set DGRAM_DTLS_ADDON/);
  });

  it("docs/installing.md: webpack's externals have the package and all that it exports, and nothing else", () => {
    const [, config = ''] = /```js\n(\/\/ webpack\.config\.js\n.*?)```/s.exec(readFileSync(join(root, 'docs/installing.md'), 'utf8')) ?? [];
    const script = join(empty, 'webpack.config.cjs');
    writeFileSync(script, `${config}
      const [external] = module.exports.externals;
      for (const request of JSON.parse(process.argv[2])) external({ request }, (error, as) => console.log(as ?? 'in the bundle'));`);
    const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { exports: Record<string, unknown> };
    const ours = Object.keys(exports).map((path) => `dgram-dtls${path.slice(1)}`);
    expect(ours).to.include.members(['dgram-dtls', 'dgram-dtls/metrics']);
    const requests = [...ours, './dgram-dtls', 'dgram-dtls-more', 'ws'];
    const { stdout, stderr } = spawnSync(process.execPath, [script, JSON.stringify(requests)], { encoding: 'utf8' });
    expect(stderr).to.equal('');
    expect(stdout.trim().split('\n')).to.deep.equal([...ours.map((name) => `commonjs ${name}`), ...Array<string>(3).fill('in the bundle')]);
  });

  describe('without a binary', () => {
    const failure = (folder: string): DTLSError => {
      const given = process.env.DGRAM_DTLS_ADDON;
      delete process.env.DGRAM_DTLS_ADDON;
      try {
        loadAddon(folder);
      } catch (error) {
        expect(error).to.be.instanceOf(DTLSError);
        return error as DTLSError;
      } finally {
        if (given !== undefined) process.env.DGRAM_DTLS_ADDON = given;
      }
      throw new Error('loaded');
    };

    it('the error says how to get one', () => {
      const error = failure(empty);
      expect(error.code).to.equal('ERR_DTLS_ADDON');
      expect(error.message).to.contain(`${process.platform}-${process.arch}`);
      expect(error.hint).to.match(/npx dgram-dtls build.*external.*DGRAM_DTLS_ADDON.*prebuilds.*https:.*docs\/installing\.md/);
    });

    it('the error does not say of a bundle that its platform has no binary', () => {
      expect(failure(empty).hint).to.match(/Where it lies in its package none was prebuilt.*In a bundle, keep/);
      expect(failure(empty).hint, 'of its exports, and of what was compiled').to.match(/'dgram-dtls\/…'.*build\/Release\/dgram_dtls\.node/);
    });

    it('an empty DGRAM_DTLS_ADDON counts as none', () => {
      const given = process.env.DGRAM_DTLS_ADDON;
      process.env.DGRAM_DTLS_ADDON = '';
      try {
        expect(() => loadAddon(empty)).to.throw().with.property('hint').that.matches(/There is no binary with this code/);
      } finally {
        if (given === undefined) delete process.env.DGRAM_DTLS_ADDON;
        else process.env.DGRAM_DTLS_ADDON = given;
      }
    });

    it('the error says when there is one that does not fit', () => {
      const folder = join(empty, 'broken');
      mkdirSync(join(folder, 'build/Release'), { recursive: true });
      writeFileSync(join(folder, 'build/Release/dgram_dtls.node'), 'no binary');
      const error = failure(folder);
      expect(error.code).to.equal('ERR_DTLS_ADDON');
      expect(error.hint).to.match(/does not fit this system.*npx dgram-dtls build/);
      expect(error.cause).to.be.instanceOf(Error);
    });
  });

  // Compiling helps in none of these: it puts a binary where none of them looks.
  describe('the hint names the cure where a binary is looked for in another place than the package', () => {
    const hint = (env: NodeJS.ProcessEnv, ...flags: string[]): string => {
      const program = "try { require('./dist'); } catch (error) { console.log(error.code, error.hint); }";
      const { stdout, stderr } = spawnSync(process.execPath, [...flags, '-e', program], {
        cwd: root,
        encoding: 'utf8',
        env: { ...process.env, DGRAM_DTLS_ADDON: undefined, ...env },
      });
      expect(stdout, stderr).to.match(/^ERR_DTLS_ADDON /);
      expect(stdout).to.not.contain('dgram-dtls build');
      return stdout;
    };
    /** A program that is told that it is a single executable, with this asset or with none. */
    const executable = (asset: string | undefined): string => {
      const file = join(empty, `asset-${asset ?? 'none'}.cjs`);
      writeFileSync(
        file,
        `const sea = require('node:sea');
         sea.isSea = () => true;
         sea.getAsset = () => { ${asset === undefined ? "throw new Error('no such asset')" : `return new TextEncoder().encode('${asset}').buffer`}; };
         // As the bundled loader of files does it there: only Node's own modules can be required.
         require.extensions['.node'] = () => { throw new Error('No such built-in module'); };`,
      );
      return file;
    };

    it('DGRAM_DTLS_ADDON names a file that is not there', () => {
      expect(hint({ DGRAM_DTLS_ADDON: join(empty, 'nope.node') })).to.match(/DGRAM_DTLS_ADDON names '.*nope\.node'/);
    });

    it('a single executable without asset', function () {
      if (!isBuiltin('node:sea')) skip(this, 'this Node has no single executables');
      expect(hint({}, '--require', executable(undefined))).to.match(/the asset 'dgram_dtls\.node'.*beside it/);
    });

    it('a single executable with the binary of another system', function () {
      if (!isBuiltin('node:sea')) skip(this, 'this Node has no single executables');
      expect(hint({}, '--require', executable('no binary'))).to.match(/does not fit this system.*prebuilds/);
    });

    it('a single executable that can write its asset nowhere', function () {
      if (!isBuiltin('node:sea')) skip(this, 'this Node has no single executables');
      const nowhere = join(empty, 'nowhere');
      const words = hint({ TMPDIR: nowhere, TEMP: nowhere }, '--require', executable('no binary'));
      expect(words).to.match(/set TMPDIR.*'dgram_dtls\.node' beside the executable/).and.contain(nowhere);
    });
  });

  describe('where an addon may not be loaded', () => {
    const load = (...flags: string[]) =>
      spawnSync(process.execPath, [...flags, '-e', "try { require('./dist'); } catch (error) { console.log(error.code, error.message, error.hint); }"], {
        cwd: root,
        encoding: 'utf8',
      });
    const permission = ['--permission', '--experimental-permission'].find((flag) =>
      process.allowedNodeEnvironmentFlags.has(flag),
    );

    it('without addons, the hint names the flag that is there, or --allow-addons, which is not', function () {
      const { stdout, stderr } = load('--no-addons');
      expect(stdout, stderr).to.match(/^ERR_DTLS_ADDON .*without '--no-addons'/).and.not.match(/--allow-addons|permission/);
      if (permission === undefined) skip(this, 'this Node has no permission model');
      const limited = load(permission, '--allow-fs-read=*');
      expect(limited.stdout, limited.stderr).to.match(/^ERR_DTLS_ADDON .*--allow-addons/).and.not.match(/--no-addons/);
      const neither = load(permission, '--allow-fs-read=*', '--no-addons');
      expect(neither.stdout, neither.stderr).to.match(/^ERR_DTLS_ADDON .*--allow-addons.*without '--no-addons'/);
    });

    for (const [name, runtime] of [
      ['bun', 'Bun'],
      ['deno', 'Deno'],
    ] as const) {
      it(`${runtime} is refused by name, and not asked to load it`, () => {
        const pretend = join(empty, `${name}.cjs`);
        writeFileSync(
          pretend,
          `Object.defineProperty(process, 'versions', { value: { ...process.versions, ${name}: '1.0.0' } });
           process.env = new Proxy(process.env, {
             get(env, key) {
               if (/^NODE_BINDINGS|^DGRAM_DTLS/.test(String(key))) throw new Error('Requires env access to ' + String(key));
               return env[key];
             },
           });
           process.dlopen = () => console.log('dlopen');`,
        );
        const { stdout, stderr } = load('--require', pretend);
        expect(stdout, stderr).to.match(new RegExp(`^ERR_DTLS_ADDON dgram-dtls does not run on ${runtime}`));
      });
    }
  });

  it('metrics without prom-client is imported, and says what to install when it is called', () => {
    const folder = join(empty, 'without-prom-client');
    const installed = join(folder, 'node_modules/dgram-dtls');
    mkdirSync(installed, { recursive: true });
    cpSync(join(root, 'dist'), join(installed, 'dist'), { recursive: true });
    cpSync(join(root, 'package.json'), join(installed, 'package.json'));
    symlinkSync(join(root, 'node_modules/bindings'), join(folder, 'node_modules/bindings'));
    const program = `import('dgram-dtls/metrics').then(({ metrics }) => {
      try { metrics(); } catch ({ name, code, category, hint }) { console.log([name, code, category, hint].join(' ')); }
    });`;
    const { stdout, stderr } = spawnSync(process.execPath, ['-e', program], {
      cwd: folder,
      encoding: 'utf8',
      env: { ...process.env, DGRAM_DTLS_ADDON: join(root, 'build/Release/dgram_dtls.node') },
    });
    expect(stdout, stderr).to.match(/^DTLSError MODULE_NOT_FOUND usage .*npm install prom-client/);
  });

  it('hints name the pages of this version by URL', () => {
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
    const url = page('installing', 'bundlers');
    expect(url).to.include(`@${version}/docs/installing.md#bundlers`);
    expect(() => readFileSync(join(root, 'docs/installing.md'))).to.not.throw();
  });

  // npm, pnpm, yarn and bun run such scripts, or ask about them, and compile by themselves what has a project of gyp.
  it('there is nothing to run at install', () => {
    const { scripts, gypfile, files } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
      scripts: Record<string, string>;
      gypfile: boolean;
      files: string[];
    };
    expect(Object.keys(scripts).filter((name) => /^(pre|post)?install$/.test(name))).to.deep.equal([]);
    // npm looks in the repository when it publishes, and the others in what was packed.
    expect(gypfile).to.be.false;
    expect(files.filter((path) => /\.gyp$|\*/.test(path))).to.deep.equal([]);
  });

  describe('the command build', () => {
    const build = (folder: string, env: NodeJS.ProcessEnv, ...args: string[]) =>
      spawnSync(process.execPath, [join(folder, 'dist/cli/main.js'), 'build', ...args], {
        cwd: empty,
        encoding: 'utf8',
        env: { ...process.env, OPENSSL_ROOT: '', ...env },
      });

    it('compiles nothing where a binary loads', () => {
      const { status, stdout, stderr } = build(root, {}, '--json');
      const { file, ...rest } = JSON.parse(stdout) as { file: string };
      expect({ ...rest, stderr }).to.deep.equal({ compiled: false, stderr: '' });
      expect(file).to.match(/[\\/](build|prebuilds)[\\/].*\.node$/);
      expect(readFileSync(file).length).to.be.above(1000);
      expect(status).to.equal(0);
      expect(build(root, { DGRAM_DTLS_ADDON: file }).stdout).to.equal(`nothing was compiled, as ${file} fits (--force compiles nevertheless)\n`);
    });

    it('says at its end what the folder of OPENSSL_ROOT lacks, and compiles nothing', () => {
      const folder = join(empty, 'with-scripts');
      for (const part of ['package.json', 'dist', 'docs', 'scripts/openssl-root.cjs'])
        cpSync(join(root, part), join(folder, part), { recursive: true });
      symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'), 'junction');
      const prefix = join(empty, 'nothing-here');
      const { status, stderr } = build(folder, { OPENSSL_ROOT: prefix });
      expect(status).to.equal(1);
      expect(stderr.slice(stderr.indexOf('hint'))).to.include(`MISSING: OPENSSL_ROOT=${prefix}: no OpenSSL headers in ${join(prefix, 'include')}`);
      expect(stderr, 'one of the hint\'s own lines').to.match(/^ {2}- make/m);
      expect(stderr).not.to.match(/gyp (ERR|info)/);
    });

    it('says what compiling needs, and what of it is missing', function () {
      if (process.platform === 'win32') skip(this, 'Windows has no such symbolic links');
      const folder = join(empty, 'source-only');
      for (const part of ['package.json', 'dist', 'docs'])
        cpSync(join(root, part), join(folder, part), { recursive: true });
      symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
      const bin = join(empty, 'bin');
      mkdirSync(bin);
      const { status, stderr } = build(folder, {
        PATH: bin,
        DGRAM_DTLS_ADDON: undefined,
        ...{ CXX: undefined, PYTHON: undefined, npm_config_python: undefined },
      });
      expect(status).to.equal(1);
      expect(stderr).to.match(/^compiling, because the native addon cannot be loaded/);
      expect(stderr).to.contain(`no addon for ${process.platform}-${process.arch}`);
      expect(stderr).to.contain('ERR_DTLS_ADDON');
      expect(stderr).to.match(/MISSING: a C\+\+17 compiler/);
      expect(stderr).to.match(/MISSING: make/);
      expect(stderr).to.match(/MISSING: Python 3/);
      expect(stderr).to.match(/- node-gyp/);
      expect(stderr).to.contain(join(folder, 'docs/installing.md'));
      expect(readdirSync(folder)).to.not.include('binding.gyp');
    });
  });
});
