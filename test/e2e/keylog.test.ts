// Protects the key log: lines reach those who ask, by the `keylog` event or by SSLKEYLOGFILE in the
// environment, and nobody else; both ends log the same; the file is appended to, is its owner's alone,
// is warned of once, and stops no handshake when it cannot be written.
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { expect } from 'chai';
import { closeEverything, dial, listen, next, openOn, openPsk, PSK_CLIENT, PSK_SERVER } from '../helpers/pair';

const LINE = /^CLIENT_RANDOM [0-9a-f]{64} [0-9a-f]{96}\n$/;

describe('key log', () => {
  let folder: string;
  let before: string | undefined;
  let warnings: Error[];
  const onWarning = (warning: Error): void => {
    warnings.push(warning);
  };

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'dgram-dtls-keylog-'));
    before = process.env.SSLKEYLOGFILE;
    delete process.env.SSLKEYLOGFILE;
    warnings = [];
    process.on('warning', onWarning);
  });
  afterEach(async () => {
    process.off('warning', onWarning);
    if (before === undefined) delete process.env.SSLKEYLOGFILE;
    else process.env.SSLKEYLOGFILE = before;
    await closeEverything();
    rmSync(folder, { recursive: true, force: true });
  });

  const linesOf = (file: string): string[] => readFileSync(file, 'utf8').split(/(?<=\n)/);

  it('by event: a Buffer, the same on both sides', async () => {
    const server = await listen(PSK_SERVER);
    const there = next(server, 'keylog');
    const ofSocket: Buffer[] = [];
    server.on('connection', (socket) => socket.on('keylog', (line) => ofSocket.push(line)));
    const client = await dial(server, PSK_CLIENT);
    const here = next(client, 'keylog');
    const [[line], [other, socket]] = await Promise.all([here, there]);
    expect(ofSocket).to.deep.equal([other]);
    expect(line).to.be.instanceOf(Buffer);
    expect(line.toString()).to.match(LINE);
    expect(other).to.deep.equal(line);
    expect(socket.remotePort).to.equal(client.localPort);
  });

  it('by SSLKEYLOGFILE: appended to, for its owner only, with one warning', async () => {
    const file = join(folder, 'keys.log');
    process.env.SSLKEYLOGFILE = file;
    const first = await openPsk();
    expect(statSync(file).mode & 0o777).to.equal(0o600);
    // Server and client are both in this process.
    const [one, two, ...more] = linesOf(file);
    expect(one).to.match(LINE);
    expect(two).to.equal(one);
    expect(more).to.deep.equal([]);
    await openOn(first.server, PSK_CLIENT);
    const lines = linesOf(file);
    expect(lines).to.have.length(4);
    expect(lines[2]).to.match(LINE).and.not.equal(one);
    await setImmediate();
    expect(warnings.map((it) => 'code' in it && it.code)).to.deep.equal(['DTLS_KEYLOG']);
    expect(warnings[0]?.message).to.include('insecure').and.include(file);
  });

  it('by SSLKEYLOGFILE: what was in the file stays', async () => {
    const file = join(folder, 'keys.log');
    writeFileSync(file, '# of another program\n');
    process.env.SSLKEYLOGFILE = file;
    await openPsk();
    expect(linesOf(file)).to.have.length(3);
    expect(linesOf(file)[0]).to.equal('# of another program\n');
  });

  it('by SSLKEYLOGFILE and event at once', async () => {
    const file = join(folder, 'keys.log');
    process.env.SSLKEYLOGFILE = file;
    const server = await listen(PSK_SERVER);
    const client = await dial(server, PSK_CLIENT);
    const [line] = await next(client, 'keylog');
    expect(linesOf(file)).to.include(line.toString());
  });

  it('a file that cannot be written stops nothing, and is warned of', async () => {
    process.env.SSLKEYLOGFILE = join(folder, 'no such folder', 'keys.log');
    const { client } = await openPsk();
    expect(client.readyState).to.equal('open');
    await setImmediate();
    expect(warnings).to.have.length(1);
    expect(warnings[0]?.message).to.include('ENOENT');
  });

  for (const [what, value] of [
    ['is not set', undefined],
    ['is empty', ''],
  ]) {
    it(`nothing is written when SSLKEYLOGFILE ${what ?? ''}`, async () => {
      if (value !== undefined) process.env.SSLKEYLOGFILE = value;
      await openPsk();
      await setImmediate();
      expect(warnings).to.deep.equal([]);
    });
  }
});
