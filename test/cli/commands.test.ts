// Protects what the command line says of itself: its help and version, its exit code 2, and its own words for flags and
// files where the library has options.
import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../helpers/peers';
import { cli, temporaryFolder } from './run';

describe('dgram-dtls itself', function () {
  this.timeout(60_000);
  const inFolder = temporaryFolder(this);

  it('has help for each command, and its version', async () => {
    const help = await cli(['--help']);
    expect(help.code).to.equal(0);
    const names = [...help.stdout.matchAll(/^ {2}(\w+) \[options\]/gm)].map(([, name]) => name);
    const readme = readFileSync(join(__dirname, '../../README.md'), 'utf8');
    const [, listed = ''] = /\| `npx dgram-dtls`: ([\w, ]+) \|/.exec(readme) ?? [];
    expect(listed.split(', ')).to.have.members(names.map(String));
    expect((await cli(['help', 'scan'])).stdout).to.match(/^Usage: dgram-dtls scan/);
    expect(names).to.include.members(['connect', 'listen', 'scan', 'lab', 'ping', 'mtu', 'cert']);
    for (const name of names) {
      const { code, stdout } = await cli([name ?? '', '--help']);
      expect(code, name).to.equal(0);
      expect(stdout).to.match(new RegExp(`^Usage: dgram-dtls ${String(name)}`)).and.include('--json');
    }
    expect((await cli(['--version'])).stdout).to.match(/^\d+\.\d+\.\d+\n$/);
  });

  it('names its flags and files where the library has options', async () => {
    const file = inFolder('no-pem');
    writeFileSync(file, 'no PEM');
    const empty = inFolder('empty-keys');
    writeFileSync(empty, '\n');
    const target = ['--target', '127.0.0.1:5683'];
    const port = String(await freePort());
    for (const [args, complaint] of [
      [['connect', 'localhost:1', '--ca', file], /--ca: there is no certificate in .*no-pem/],
      [['connect', 'localhost:1', '--cert', file, '--key', file], /--cert: there is no certificate in .*no-pem/],
      [['listen', '70000'], /A port is a whole number from 0 to 65535, not 70000\.$/m],
      [['listen', '127.0.0.1:123456'], /from 0 to 65535, not 123456\.$/m],
      [['connect', '[::1]:70000'], /from 0 to 65535, not 70000\.$/m],
      [['proxy', '--listen', '0', ...target, '--psk', '00', '--metrics', '99999'], /from 0 to 65535, not 99999\.$/m],
      [['connect', 'localhost:1', '--curves', 'nope'], /hint: .*--curves/],
      [['connect', 'localhost:1', '--psk-identity', 'lamp-7'], /--psk-identity is the name of a key, and --psk is not given/],
      [['listen', '0', '--psk-identity', 'lamp-7'], /--psk-identity is the name of a key/],
      [['proxy', '--listen', '127.0.0.1:0', ...target, '--psk-file', empty], /--psk-file: there is no key in .*empty-keys/],
      [['proxy', '--listen', `127.0.0.1:${port}`, '--target', `127.0.0.1:${port}`, '--psk', '0011'], /is where the proxy itself listens/],
      [['proxy', '--listen', port, '--target', `127.0.0.1:${port}`, '--psk', '0011'], /is where the proxy itself listens/],
      [['cert', '--issuer', inFolder('nope')], /--issuer: .*nope-cert\.pem/],
      [['cert', 'a', '--ca', '--client'], /--ca and --client exclude one another/],
    ] as const) {
      const { code, stderr } = await cli(args);
      expect(stderr).to.match(complaint);
      expect(stderr).to.not.match(/'(ca|cert|key|ecdhCurve|psk)'/);
      expect(code).to.equal(2);
    }
  });

  it('exits with 2 when the command line is wrong, and says what', async () => {
    for (const [args, complaint] of [
      [['conect', 'localhost:1'], /unknown command 'conect'.*\n.*connect/],
      [['connect'], /missing required argument/],
      [['connect', 'localhost'], /Write host:port.*The port is missing/],
      [['connect', '[::1]'], /The port is missing/],
      [['connect', 'coaps://localhost:5684'], /Leave out 'coaps:\/\/'/],
      [['connect', '::1:5684'], /in brackets/],
      [['connect', '2001:db8::1'], /in brackets/],
      [['connect', 'localhost:99999'], /Write host:port/],
      [['connect', 'localhost:x'], /Write host:port.* A port is a whole number from 0 to 65535, not 'x'/],
      [['help', 'conect'], /unknown command 'conect'.*\n.*connect/],
      [['connect', '[nonsense]:5'], /no IPv6 address/],
      [['connect', 'localhost:5684', '--psk', 'xyz'], /written in hexadecimal/],
      [['connect', 'localhost:5684', '--psk', '123'], /two hexadecimal digits for each byte, and this has 3 digits/],
      [['connect', 'localhost:5684', '--cert', 'a'], /--cert and --key belong together/],
      [['connect', 'localhost:5684', '--ca', '/nowhere'], /--ca: ENOENT/],
      [['connect', 'localhost:5684', '--ciphers', 'NONSENSE'], /ERR_DTLS_INVALID_CIPHERS/],
      [['connect', 'localhost:5684', '--srtp', 'NONSENSE'], /NONSENSE/],
      [['ping', 'localhost:1', '--count', '1.5'], /whole number/],
    ] as const) {
      const { code, stderr, stdout } = await cli(args);
      expect(code, args.join(' ')).to.equal(2);
      expect(stderr).to.match(complaint);
      expect(stdout).to.equal('');
    }
  });

  it('is not loaded, nor what it needs, by those who only import the package', () => {
    const script = `
      require('tsx/cjs');
      require('./lib/index.ts');
      const bad = Object.keys(require.cache).filter((name) =>
        /lib.cli|commander|text-table|progress|picocolors|prom-client/.test(name));
      console.log(JSON.stringify(bad));`;
    const { stdout } = spawnSync(process.execPath, ['-e', script], {
      encoding: 'utf8',
      cwd: join(__dirname, '..', '..'),
    });
    expect(JSON.parse(stdout)).to.deep.equal([]);
  });
});
