// Packs the package with the binaries in prebuilds/, and meets it as its users will:
// npm run smoke [-- --node 20,26]
// Installed with npm, pnpm, yarn and bun where no compiler, no make and no python is, and nothing runs at install; then programs in
// CommonJS, as ES modules and in TypeScript, on each Node; then types by several TypeScripts,
// bundlers, and single executables. The tools are packages that are installed into .cache/smoke, and dependencies of nothing.

import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync } from 'node:fs';
import { realpathSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { nodeExecutable, nodePrefix, SUPPORTED } from './nodes.mjs';
import { makeExecutable } from './single-executable.mjs';
import { MOST_LOADING, MOST_PACKAGES, mostPacked } from './targets.mjs';
import { changed, fail, files, output, root, run } from './tools.mjs';

const { values } = parseArgs({ options: { node: { type: 'string', default: SUPPORTED.join(',') } } });
const versions = values.node.split(',');

const TYPESCRIPTS = ['5.2', '5.4', '5.9', '6', '7'];
/** bun's program, without the script of the package `bun` that fetches it. */
const BUN = `@oven/bun-linux-${process.arch === 'arm64' ? 'aarch64' : process.arch}`;
const TOOLS = {
  npm: '^11',
  pnpm: '^10',
  [BUN]: '^1',
  yarn: '^1.22',
  '@yarnpkg/cli-dist': '^4',
  esbuild: '^0.28',
  webpack: '^5',
  postject: '1.0.0-alpha.6',
  '@types/node': '^20',
  // Of a newer Node: more of its types have type arguments.
  'types-node-24': 'npm:@types/node@^24',
  ...Object.fromEntries(TYPESCRIPTS.map((one) => [`typescript-${one}`, `npm:typescript@${one}`])),
};

// A binary that is older than its sources would not fit the JavaScript around it.
const sources = changed('src-native');
if (process.platform !== 'linux') fail('smoke: a PATH without compilers is made for Linux only');
const prebuilt = `prebuilds/linux-${process.arch}`;
/** @type {{ header: { glibcVersionRuntime?: string } }} */
const { header } = Object(process.report.getReport());
const libc = header.glibcVersionRuntime ? 'glibc' : 'musl';
if (!files(prebuilt, '.node').some((file) => changed(file) >= sources))
  run('node', ['scripts/prebuild.mjs', '--arch', process.arch]);

const folder = mkdtempSync(join(tmpdir(), 'dgram-dtls-smoke-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

let passed = 0;
let failed = 0;
/** One thing to hold: `act` throws an Error, with what was printed, when it does not. */
function check(title, act) {
  try {
    act();
    ++passed;
    console.log(`  ok ${title}`);
  } catch (error) {
    ++failed;
    console.log(`  FAILED ${title}\n${error.message}`);
  }
}

/** What a command prints, on standard error, too; or an Error. */
function allPrinted(command, args, options) {
  const { error, status, stdout, stderr } = spawnSync(command, args, {
    encoding: 'utf8',
    timeout: 300_000,
    stdio: ['ignore', 'pipe', 'pipe'],
    ...options,
  });
  if (error || status !== 0)
    throw new Error(`${command} ${args.join(' ')}\n${error?.message ?? ''}${stdout}${stderr}`);
  return { stdout, stderr };
}

const printed = (command, args, options) => allPrinted(command, args, options).stdout;

function expectHello(text) {
  if (!/^hello by DTLSv1\.2 on OpenSSL \d+\.\d+\.\d+\S*$/m.test(text)) throw new Error(text);
}

function project(name, manifest = {}) {
  const path = join(folder, name);
  mkdirSync(path);
  writeFileSync(join(path, 'package.json'), JSON.stringify({ private: true, ...manifest }));
  for (const program of ['program.cjs', 'program.mjs', 'program.mts'])
    cpSync(join(root, 'test/smoke', program), join(path, program));
  return path;
}

/** A PATH with this Node and a shell, and nothing that compiles. */
function bare(version) {
  const bin = join(folder, `bin-${version}`);
  if (!existsSync(bin)) {
    mkdirSync(bin);
    symlinkSync(nodeExecutable(nodePrefix(version)), join(bin, 'node'));
    for (const tool of ['sh', 'uname']) symlinkSync(output('which', [tool]), join(bin, tool));
  }
  return {
    node: join(bin, 'node'),
    env: {
      PATH: bin,
      HOME: process.env.HOME,
      npm_config_registry: registry,
      npm_config_cafile: cafile,
      YARN_NPM_REGISTRY_SERVER: registry.replace(/\/$/, ''),
      ...(cafile && { YARN_HTTPS_CA_FILE_PATH: cafile, NODE_EXTRA_CA_CERTS: cafile }),
      YARN_ENABLE_IMMUTABLE_INSTALLS: 'false',
      YARN_ENABLE_TELEMETRY: 'false',
      YARN_GLOBAL_FOLDER: join(root, '.cache/yarn'),
    },
  };
}
const configured = (name) => output('npm', ['config', 'get', name]).replace(/^(null|undefined)$/, '');
const registry = configured('registry');
const cafile = configured('cafile');

const tools = join(root, '.cache/smoke');
const manifest = JSON.stringify({ private: true, dependencies: TOOLS }, undefined, 2);
const manifestFile = join(tools, 'package.json');
if (!existsSync(manifestFile) || readFileSync(manifestFile, 'utf8') !== manifest) {
  mkdirSync(tools, { recursive: true });
  writeFileSync(manifestFile, manifest);
  // In a folder of links npm would take the links for the packages.
  run('npm', ['install', '--silent', '--no-package-lock', '--no-audit', '--no-fund'], { cwd: tools });
}
const tool = (...path) => join(tools, 'node_modules', ...path);

console.log('\n--- the package');
run('npm', ['run', '--silent', 'build:ts']);
// A list, or an object by name, as npm's version has it.
const [{ filename }] = Object.values(
  JSON.parse(output('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder])),
);
const tarball = join(folder, filename);
// As many binaries as this machine has made: one, or those of other platforms, too.
const most = mostPacked(files('prebuilds', '.node').length);
check(`is smaller than ${most} bytes: ${statSync(tarball).size}`, () => {
  if (statSync(tarball).size > most) throw new Error(`${statSync(tarball).size} bytes`);
});

const npm = tool('npm/bin/npm-cli.js');
const MANAGERS = {
  npm: {
    add: [npm, 'install', '--no-audit', '--no-fund', '--omit=dev', tarball],
    run: [],
  },
  pnpm: { add: [tool('pnpm/bin/pnpm.cjs'), 'add', tarball], run: [] },
  'yarn 1': {
    add: [
      ...[tool('yarn/bin/yarn.js'), 'add', '--no-lockfile', '--non-interactive'],
      // It would take an earlier tarball of the same name from its own cache.
      ...['--cache-folder', join(folder, 'yarn-cache'), `file:${tarball}`],
    ],
    run: [],
  },
  "yarn 4 with Plug'n'Play": {
    manifest: { packageManager: 'yarn@4.0.0' },
    add: [tool('@yarnpkg/cli-dist/bin/yarn.js'), 'add', `dgram-dtls@file:${tarball}`],
    run: [tool('@yarnpkg/cli-dist/bin/yarn.js'), 'node'],
  },
  bun: { program: tool(BUN, 'bin/bun'), add: ['add', tarball], run: [] },
};
/** What package managers say of a package that has something to run when it is installed. */
const SCRIPTS = /install[- ]scripts?|build scripts?|\bpostinstall|must be built|lists build|untrusted|allow-?scripts/i;

for (const [name, manager] of Object.entries(MANAGERS)) {
  // npm comes with each Node; the others are tried on the oldest and the newest.
  const ends = [...new Set([versions[0], versions.at(-1)])];
  for (const version of name === 'npm' ? versions : ends) {
    console.log(`\n--- ${name} on Node ${version}, no compiler`);
    const { node, env } = bare(version);
    const cwd = project(`${name}-${version}`.replaceAll(/[^\w-]/g, '-'), manager.manifest);
    if (manager.manifest) writeFileSync(join(cwd, 'yarn.lock'), '');
    check('has none', () => {
      for (const program of ['g++', 'gcc', 'c++', 'cc', 'clang', 'make', 'python3', 'python'])
        if (spawnSync(program, ['--version'], { env }).error === undefined) throw new Error(program);
    });
    check('installs, and has nothing to run', () => {
      const { stdout, stderr } = allPrinted(manager.program ?? node, manager.add, { cwd, env });
      if (SCRIPTS.test(stdout + stderr)) throw new Error(stdout + stderr);
    });
    if (name === 'npm') {
      check(`brings at most ${MOST_PACKAGES} packages`, () => {
        const { packages } = JSON.parse(readFileSync(join(cwd, 'package-lock.json'), 'utf8'));
        const names = Object.keys(packages).filter((path) => path !== '');
        if (names.length > MOST_PACKAGES) throw new Error(names.join('\n'));
      });
      check(`is loaded in at most ${MOST_LOADING} times the CPU time of node:tls`, () => {
        const load = (what) =>
          Number(printed(node, ['-e', `const b = process.cpuUsage(); require('${what}');
            const { user, system } = process.cpuUsage(b); console.log(user + system)`], { cwd, env }));
        const ratios = Array.from({ length: 9 }, () => load('dgram-dtls') / load('node:tls'));
        const median = ratios.sort((a, b) => a - b)[4];
        console.log(`     ${median.toFixed(2)}`);
        if (median > MOST_LOADING) throw new Error(ratios.join(' '));
      });
    }
    check('compiles nothing', () => {
      if (existsSync(join(cwd, 'node_modules/dgram-dtls/build'))) throw new Error('build is there');
    });
    for (const program of ['program.cjs', 'program.mjs'])
      check(`runs ${program}`, () => expectHello(printed(node, [...manager.run, program], { cwd, env })));
  }
}

console.log('\n--- no binary that fits, and no compiler');
{
  const cwd = project('no-binary');
  const { node, env } = bare(versions[0]);
  const path = join(cwd, 'node_modules/dgram-dtls');
  const command = [npm, 'exec', '--no', 'dgram-dtls', 'build'];
  check('installs', () => printed(node, MANAGERS.npm.add, { cwd, env }));
  rmSync(join(path, 'prebuilds'), { recursive: true });
  check('names the command that compiles', () => {
    const { stderr } = spawnSync(node, ['program.cjs'], { cwd, env, encoding: 'utf8' });
    if (!/ERR_DTLS_ADDON/.test(stderr) || !/npx dgram-dtls build/.test(stderr)) throw new Error(stderr);
  });
  // Where there is a compiler, scripts/check-package.mjs has it compile.
  check('which says what is missing', () => {
    const { stderr, status } = spawnSync(node, command, { cwd, env, encoding: 'utf8' });
    if (status !== 1 || !/MISSING: a C\+\+17 compiler/.test(stderr)) throw new Error(stderr);
  });
}

console.log('\n--- TypeScript');
const typed = project('typed', { type: 'module' });
const { node: newest, env } = bare(versions.at(-1));
check('installs', () => printed(newest, MANAGERS.npm.add, { cwd: typed, env }));
/** Gives the program these types of Node, in place of others. */
function takeTypes(types) {
  const within = tool(types, 'node_modules/undici-types');
  const undici = existsSync(within) ? within : tool('undici-types');
  for (const [from, name] of [[tool(types), '@types/node'], [undici, 'undici-types']]) {
    const to = join(typed, 'node_modules', name);
    rmSync(to, { recursive: true, force: true });
    if (existsSync(from)) cpSync(from, to, { recursive: true, dereference: true });
  }
}
takeTypes('types-node-24');
// @types/node 24 is for TypeScript 5.2 and later, and says other things to those before 5.7.
for (const version of TYPESCRIPTS) {
  check(`${version} compiles program.mts, all switches of strictness on, with the types of Node 24`, () =>
    printed(
      process.execPath,
      [
        tool(`typescript-${version}`, 'bin/tsc'),
        ...['--module', 'nodenext', '--target', 'es2022', '--noEmit', '--types', 'node', '--strict', '--skipLibCheck', 'false'],
        ...['--exactOptionalPropertyTypes', '--noUncheckedIndexedAccess', '--noPropertyAccessFromIndexSignature', 'program.mts'],
      ],
      { cwd: typed },
    ),
  );
}
takeTypes('@types/node');
for (const version of TYPESCRIPTS) {
  for (const [module, resolution] of [
    ['node16', 'node16'],
    ['nodenext', 'nodenext'],
    ['esnext', 'bundler'],
  ]) {
    check(`${version} compiles program.mts with moduleResolution ${resolution}`, () =>
      printed(
        process.execPath,
        [
          tool(`typescript-${version}`, 'bin/tsc'),
          ...['--module', module, '--moduleResolution', resolution, '--target', 'es2022'],
          ...['--strict', '--skipLibCheck', 'false', '--types', 'node', '--outDir', `out-${resolution}`],
          ...['--rootDir', '.', 'program.mts'],
        ],
        { cwd: typed },
      ),
    );
  }
}
for (const version of versions) {
  const { node, env } = bare(version);
  check(`runs what was compiled on Node ${version}`, () =>
    expectHello(printed(node, ['out-nodenext/program.mjs'], { cwd: typed, env })),
  );
}

console.log('\n--- bundlers');
// The commands that docs/installing.md has.
const bundle = {
  esbuild: `require('esbuild').buildSync({ entryPoints: ['program.mjs'], bundle: true,
    platform: 'node', format: 'esm', external: ['dgram-dtls'], outfile: 'bundle/esbuild.mjs' })`,
  webpack: `require('webpack')({ mode: 'production', target: 'node', entry: './program.cjs',
    externals: { 'dgram-dtls': 'commonjs dgram-dtls' },
    output: { path: process.cwd() + '/bundle', filename: 'webpack.cjs' } },
    (error, stats) => { if (error || stats.hasErrors() || stats.hasWarnings())
      throw error ?? new Error(stats.toString()); })`,
};
for (const [name, script] of Object.entries(bundle)) {
  const file = name === 'esbuild' ? 'bundle/esbuild.mjs' : 'bundle/webpack.cjs';
  check(`${name} makes a bundle that runs`, () => {
    printed(process.execPath, ['-e', script], {
      cwd: typed,
      env: { ...process.env, NODE_PATH: tool() },
    });
    expectHello(printed(newest, [file], { cwd: typed, env }));
  });
}
check('a bundle that swallows the package says what to do', () => {
  const swallow = bundle.esbuild.replace("external: ['dgram-dtls'],", '').replaceAll('esm', 'cjs');
  const script = swallow.replaceAll('program.mjs', 'program.cjs').replace('esbuild.mjs', 'all.cjs');
  printed(process.execPath, ['-e', script], { cwd: typed, env: { ...process.env, NODE_PATH: tool() } });
  const { stderr } = spawnSync(newest, ['bundle/all.cjs'], { cwd: typed, env, encoding: 'utf8' });
  if (!/ERR_DTLS_ADDON/.test(stderr) || !/keep 'dgram-dtls' external/.test(stderr))
    throw new Error(stderr);
});

console.log('\n--- single executables');
for (const version of versions) {
  const { node, env } = bare(version);
  check(`made with Node ${version} runs by itself`, () => {
    const app = makeExecutable((command, args) => printed(command, args, { cwd: typed }), {
      cwd: typed,
      program: 'program.cjs',
      addon: `node_modules/dgram-dtls/prebuilds/linux-${process.arch}/dgram-dtls.${libc}.node`,
      node: realpathSync(node),
      esbuild: tool('.bin/esbuild'),
      postject: tool('postject/dist/cli.js'),
    });
    // Where no package is, and nothing but it.
    const alone = join(folder, `alone-${version}`);
    mkdirSync(alone);
    renameSync(app, join(alone, 'app'));
    expectHello(printed(join(alone, 'app'), [], { cwd: alone, env: { ...env, PATH: alone, TMPDIR: alone } }));
    const left = readdirSync(alone).filter((name) => name !== 'app');
    if (left.length > 0) throw new Error(`it left ${left.join(', ')}`);
  });
}

console.log(`\n${passed} passed, ${failed} failed, 0 skipped`);
process.exit(failed > 0 ? 1 : 0);
