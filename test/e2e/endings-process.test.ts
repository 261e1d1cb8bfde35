/**
 * Protects: that processes and threads end when everything is closed, and not before; that they may end at any point; and
 * that the addon is loaded by several of them, and by several copies of the package, at once.
 */
import dgram from 'node:dgram';
import { once } from 'node:events';
import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Worker } from 'node:worker_threads';
import { expect } from 'chai';
import type * as Package from '../../lib/index';
import { createServer } from '../../lib/index';
import { fixture, run } from '../helpers/child';
import {
  certificate,
  closeEverything,
  dial,
  messages,
  next,
  open,
  openPsk,
  PSK_CLIENT,
  PSK_SERVER,
  within,
} from '../helpers/pair';
import { patience } from '../helpers/patience';
import { skipWhereNodeAborts } from '../helpers/workers';

describe('endings', () => {
  afterEach(closeEverything);

  describe('a process', () => {
    it('ends by itself when everything is closed', async () => {
      const outcome = await run('exit.ts', ['close']);
      expect(outcome).to.include({ code: 0, stderr: '' });
      expect(outcome.stdout.split('\n').sort()).to.deep.equal(
        ['', 'client close false', 'exit 0', 'server close'].sort(),
      );
    });

    it('is not held by a server that was unreferenced', async () => {
      expect(await run('exit.ts', ['unref'])).to.include({
        code: 0,
        stdout: 'exit 0\n',
        stderr: '',
      });
    });

    it('is held by what is referenced again', async () => {
      expect(await run('exit.ts', ['ref'])).to.include({
        code: 0,
        stdout: 'held by the server\nheld by the session\nclient close false\nexit 0\n',
        stderr: '',
      });
    });

    it('is not held by sessions that were unreferenced', async () => {
      expect(await run('exit.ts', ['unref-session'])).to.include({
        code: 0,
        stdout: 'open\nexit 0\n',
        stderr: '',
      });
    });

    it("is held, or not, by a server's end of a session as it says", async () => {
      expect(await run('exit.ts', ['unref-peer'])).to.include({
        code: 0,
        stdout: 'held by the peer\nexit 0\n',
        stderr: '',
      });
    });

    it('is not held by sessions that were unreferenced at once', async () => {
      expect(await run('exit.ts', ['unref-early'])).to.include({
        code: 0,
        stdout: 'exit 0\n',
        stderr: '',
      });
    });

    for (const [kind, whose, [least, most]] of [
      ['socket', 'a socket of createSocket whose message waits for a handshake', [1650, 3500]],
      ['client', 'a client', [1650, 3500]],
      ['server', "a server's session", [1450, 3500]],
    ] as const) {
      it(`that sleeps is woken by the timers of what was unreferenced: ${whose}`, async () => {
        const silent = dgram.createSocket('udp4').bind(0, '127.0.0.1');
        let hellos = 0;
        silent.on('message', () => (hellos += 1));
        await once(silent, 'listening');
        const { code, stdout, stderr } = await run('unref-timers.ts', [kind, String(silent.address().port)]);
        silent.close();
        expect({ code, stderr }).to.deep.equal({ code: 0, stderr: '' });
        expect(Number(stdout)).to.be.within(least, patience(most));
        // RFC 6347 section 4.2.4.1: again after a second.
        if (kind !== 'server') expect(hellos).to.equal(2);
      });
    }

    it('may exit while sessions are open', async () => {
      expect(await run('exit.ts', ['exit'])).to.include({
        code: 7,
        stdout: 'exit 7\n',
        stderr: '',
      });
    });

    it("goes on after a handler has thrown, and loses nobody's events", async () => {
      const outcome = await run('exit.ts', ['throw']);
      expect(outcome).to.include({ code: 0, stderr: '' });
      const [thrown] = outcome.stdout.split('\n');
      const places = (thrown ?? '').replace('thrown ', '').split(', ').sort();
      expect(places.filter((place) => place === 'at secureConnect')).to.have.length(3);
      expect(places.filter((place) => place === 'at secureConnection')).to.have.length(3);
      expect(places.filter((place) => /^at [abc][12]$/.test(place))).to.have.length(5);
      expect(outcome.stdout.match(/client close false/g)).to.have.length(3);
      expect(outcome.stdout).to.include('server close');
    });

    it('gets the rest of what came with an event whose handler has thrown', async () => {
      const outcome = await run('exit.ts', ['throw-first-of-two']);
      expect(outcome).to.include({ code: 0, stderr: '' });
      // In the next tick, which Node 26 runs only after one immediate when a handler has thrown.
      const order = outcome.stdout.split('\n').filter((line) => line !== 'later');
      expect(order.slice(0, 2)).to.deep.equal(['thrown at first', 'second']);
      expect(outcome.stdout).to.include('client close false').and.include('server close');
    });

    it('collects what nobody holds, and nothing that is in use', async () => {
      expect(await run('garbage.ts', [], ['--expose-gc'])).to.include({
        code: 0,
        stdout: 'collected\n',
        stderr: '',
      });
    });
  });

  describe('a worker', () => {
    const start = (workerData: string): Worker =>
      new Worker(fixture('worker.ts'), { workerData, execArgv: ['--require', 'tsx/cjs'] });

    it('ends by itself when everything is closed', async () => {
      const worker = start('close');
      const exit = once(worker, 'exit');
      expect((await once(worker, 'message'))[0]).to.equal('from a worker');
      expect((await exit)[0]).to.equal(0);
    });

    it('is one of several beside the main thread, and can be terminated at any point', async function () {
      skipWhereNodeAborts(this, process.env.DGRAM_DTLS_TRANSPORT);
      const { client, peer } = await openPsk();
      const workers = ['flood', 'flood', 'stay', 'exit'].map(start);
      const exits = workers.map((worker) => once(worker, 'exit'));
      await within(
        Promise.all(workers.map((worker) => once(worker, 'message'))),
        'the workers',
      );
      await Promise.all(workers.slice(0, 3).map((worker) => worker.terminate()));
      expect((await Promise.all(exits)).map(([code]: unknown[]) => code)).to.deep.equal([
        1, 1, 1, 3,
      ]);
      const arrived = messages(peer, 1);
      client.send('still here');
      expect((await arrived)[0]?.toString()).to.equal('still here');
    });

    it('may have open sessions when the process exits', async function () {
      // Its workers compile the whole package, each by itself, where nobody has done so before.
      this.timeout(patience(30_000));
      const outcome = await run('workers-exit.ts', [], [], { milliseconds: patience(25_000) });
      expect(outcome).to.include({ code: 5, signal: null, stderr: '' });
    });

    it('may be terminated inside any native call, and the process lives on', async function () {
      // A thread for each kind of call, which takes six seconds of a processor's time under the sanitizers.
      this.timeout(patience(60_000));
      const addon = process.env.DGRAM_DTLS_ADDON ?? 'build/Release/dgram_dtls.node';
      const outcome = await run('terminated-worker.cjs', [path.resolve(addon)], [], { milliseconds: patience(50_000) });
      expect(outcome).to.include({ code: 0, signal: null, stderr: '' });
      expect(outcome.stdout.trim().split('\n').at(-1)).to.equal('survived');
    });
  });

  describe('two copies of the package in one process', () => {
    let copy = '';

    before(() => {
      const root = path.join(__dirname, '..', '..');
      copy = mkdtempSync(path.join(tmpdir(), 'dgram-dtls-'));
      for (const part of ['lib', 'package.json', 'build/Release/dgram_dtls.node']) {
        cpSync(path.join(root, part), path.join(copy, part), { recursive: true });
      }
      symlinkSync(path.join(root, 'node_modules'), path.join(copy, 'node_modules'), 'junction');
    });

    after(() => {
      rmSync(copy, { recursive: true, force: true });
    });

    it('talk to each other', async function () {
      this.timeout(patience(30_000)); // the second one is compiled here
      // eslint-disable-next-line @typescript-eslint/no-require-imports -- its path is made here
      const other = require(path.join(copy, 'lib', 'index')) as typeof Package;
      expect(other.createServer).to.not.equal(createServer);
      const theirs = other.createServer(PSK_SERVER);
      theirs.listen(0, '127.0.0.1');
      await next(theirs, 'listening');
      theirs.on('secureConnection', (socket) => {
        socket.on('message', (message) => socket.send(message));
      });
      const client = await dial(theirs, PSK_CLIENT);
      const echo = messages(client, 1);
      client.send('across');
      expect((await echo)[0]?.toString()).to.equal('across');
      const closed = next(client, 'close');
      await theirs[Symbol.asyncDispose]();
      await closed;
      const { cert, key } = await certificate();
      const pair = await open({ cert, key });
      expect(pair.client.authorized).to.be.true;
    });
  });
});
