// Protects what scripts rely on, for every command alike: 2 for a command line that is wrong, 1 for what could not
// be done, and with --json one JSON text on each line, the last of them the error; and progress bars, which are for
// people at a terminal and nobody else.
import { expect } from 'chai';
import { Command } from 'commander';
import dgram from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cleanupAfterEach, freePort, requirePrograms } from '../helpers/peers';
import { cli, NODE_ARGUMENTS, PSK, startListen, type CliResult } from './run';

/** All there are, as the program puts them together. */
function commandNames(): string[] {
  const load = createRequire(__filename);
  const folder = join(__dirname, '../../lib/cli');
  const program = new Command();
  for (const file of readdirSync(folder).filter((name) => name.endsWith('-command.ts'))) {
    for (const add of Object.values(load(join(folder, file)) as Record<string, (program: Command) => void>)) {
      add(program);
    }
  }
  return program.commands.map((command) => command.name());
}

describe('every command', function () {
  this.timeout(120_000);
  const cleanup = cleanupAfterEach(this);
  let folder: string;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'dgram-dtls-cli-'));
  });
  after(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  /** The one error of a run, which is the last thing that it says. */
  function errorOf({ json }: CliResult): Record<string, unknown> {
    const last = json.at(-1) ?? {};
    expect(last).to.have.property('error');
    expect(json.filter((one) => 'error' in one)).to.have.length(1);
    return last.error as Record<string, unknown>;
  }

  for (const name of commandNames()) {
    it(`${name} exits with 2 for an option that does not exist, and says so`, async () => {
      const run = await cli([name, '--nonsense', '--json']);
      expect(run.code).to.equal(2);
      // What is missing comes first.
      expect(errorOf(run).message).to.match(/unknown option '--nonsense'|required option '/);
      expect(errorOf(run).hint).to.include('--help');
      expect(errorOf(run)).to.include({ code: 'ERR_DTLS_COMMAND_LINE', category: 'usage' });
      expect(run.stderr).to.equal('');
    });
  }

  it('exits with 2 for what a command line says wrongly, with a code', async () => {
    const runs: [code: string, ...args: string[]][] = [
      ['ERR_DTLS_COMMAND_LINE'],
      ['ERR_DTLS_COMMAND_LINE', 'nonsense'],
      ['ERR_DTLS_COMMAND_LINE', 'connect', 'nowhere'],
      ['ERR_DTLS_COMMAND_LINE', 'listen', '0', '--cert', 'alone.pem'],
      ['ERR_DTLS_COMMAND_LINE', 'proxy', '--listen', '0', '--target', '127.0.0.1:9', '--queue', '5'],
      ['ERR_DTLS_COMMAND_LINE', 'decode', '--hex', 'no digits'],
      ['ENOENT', 'decode', '/nowhere'],
      ['ENOENT', 'listen', '0', '--cert', '/nowhere', '--key', '/nowhere'],
    ];
    for (const [code, ...args] of runs) {
      const run = await cli([...args, '--json']);
      expect(run.code, args.join(' ')).to.equal(2);
      expect(errorOf(run), args.join(' ')).to.include({ code, category: 'usage' });
    }
  });

  it('exits with 1 for what could not be done', async () => {
    const taken = dgram.createSocket('udp4').bind(0, '127.0.0.1');
    await once(taken, 'listening');
    cleanup.add(() => new Promise<void>((resolve) => taken.close(resolve)));
    const busy = `127.0.0.1:${taken.address().port}`;
    const closed = `127.0.0.1:${await freePort()}`;
    const runs: [code: string | undefined, ...args: string[]][] = [
      ['ECONNREFUSED', 'connect', closed],
      ['ECONNREFUSED', 'ping', closed],
      ['ECONNREFUSED', 'mtu', closed],
      ['ECONNREFUSED', 'scan', closed],
      ['EADDRINUSE', 'listen', busy, ...PSK],
      ['EADDRINUSE', 'proxy', '--listen', busy, '--target', closed, ...PSK],
      ['ERR_DTLS_NOTHING_FOUND', 'decode', '--hex', '00'],
    ];
    for (const [code, ...args] of runs) {
      const run = await cli([...args, '--json']);
      expect(run.code, args.join(' ')).to.equal(1);
      expect(errorOf(run).code, args.join(' ')).to.equal(code);
      expect(errorOf(run).message, args.join(' ')).to.be.a('string').and.not.equal('');
      expect(run.stderr, args.join(' ')).to.equal('');
    }
  });

  describe('that takes long', () => {
    before(function () {
      requirePrograms(this, 'script');
    });

    /** A path that drops datagrams of more than so many bytes. */
    async function narrowPath(to: number, widest: number): Promise<number> {
      const socket = dgram.createSocket('udp4');
      let client: number | undefined;
      socket.on('message', (datagram, { port }) => {
        if (datagram.length > widest) return;
        if (port !== to) client = port;
        const next = port === to ? client : to;
        if (next !== undefined) socket.send(datagram, next, '127.0.0.1');
      });
      socket.bind(0, '127.0.0.1');
      await once(socket, 'listening');
      cleanup.add(() => new Promise<void>((resolve) => socket.close(resolve)));
      return socket.address().port;
    }

    it('shows a progress bar on a terminal, and only there', async () => {
      const { port } = await startListen(cleanup, [...PSK, '--heartbeat']);
      // Two sizes that are too large, each of which takes 1.75 seconds to find out.
      const search = async (): Promise<string[]> => {
        const narrow = await narrowPath(port, 1300);
        return ['mtu', `127.0.0.1:${narrow}`, ...PSK, '--least', '1292', '--most', '1316'];
      };
      const command = [process.execPath, ...NODE_ARGUMENTS, ...(await search())].join(' ');
      const terminal = cleanup.start('script', ['-qec', command, '/dev/null']);
      const piped = await cli(await search());
      expect(piped.stdout).to.match(/ 129\d bytes/);
      expect(piped.stdout + piped.stderr).not.to.match(/searching/);
      await terminal.sees(/searching [^\d]*\d+%/);
      await terminal.sees(/ 129\d bytes/);
      expect(await terminal.ends()).to.equal(0);
    });
  });
});
