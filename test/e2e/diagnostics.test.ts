// Protects those who watch a program from outside: the channels of node:diagnostics_channel say what
// happened, in order and with the session it happened to; NODE_DEBUG=dtls and the qlog files say the
// same; and nothing is written where nobody asked.
import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import dgram from 'node:dgram';
import diagnostics from 'node:diagnostics_channel';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DiagnosticsChannelName, DiagnosticsEvents, DTLSSocket } from '../../lib/index';
import { Link } from '../../lib/lab/index';
import { run } from '../helpers/child';
import { skip } from '../helpers/peers';
import { patience } from '../helpers/patience';
import {
  clientFailure,
  closeEverything,
  dial,
  dialTo,
  failure,
  listen,
  messages,
  next,
  openPsk,
  portOf,
  PSK_CLIENT,
  PSK_SERVER,
} from '../helpers/pair';

type Seen = {
  [K in DiagnosticsChannelName]: { name: K; event: DiagnosticsEvents[K] };
}[DiagnosticsChannelName];

const NAMES: readonly DiagnosticsChannelName[] = [
  'dgram-dtls.session.start',
  'dgram-dtls.handshake.message',
  'dgram-dtls.handshake.done',
  'dgram-dtls.handshake.failed',
  'dgram-dtls.retransmission',
  'dgram-dtls.alert',
  'dgram-dtls.heartbeat',
  'dgram-dtls.key.limit',
  'dgram-dtls.session.close',
  'dgram-dtls.dropped',
];

describe('diagnostics', () => {
  let seen: Seen[] = [];
  const listener = (event: unknown, name: string | symbol): void => {
    seen.push({ name, event } as Seen);
  };

  beforeEach(() => {
    seen = [];
    for (const name of NAMES) diagnostics.subscribe(name, listener);
  });
  afterEach(async () => {
    for (const name of NAMES) diagnostics.unsubscribe(name, listener);
    await closeEverything();
  });

  const of = <K extends DiagnosticsChannelName>(name: K): DiagnosticsEvents[K][] =>
    seen.filter((one) => one.name === name).map(({ event }) => event as DiagnosticsEvents[K]);
  const namesOf = (socket: DTLSSocket): string[] =>
    seen
      .filter(({ event }) => event.socket === socket)
      .map(({ name }) => name.replace('dgram-dtls.', ''));

  describe('channels', () => {
    it('tell a session from its start to its close, on both sides', async () => {
      const { client, peer: socket } = await openPsk({ heartbeat: true }, { heartbeat: true });
      await client.heartbeat();
      const closed = [next(client, 'close'), next(socket, 'close')];
      client.close();
      await Promise.all(closed);
      for (const [end, role] of [
        [client, 'client'],
        [socket, 'server'],
      ] as const) {
        const names = namesOf(end);
        expect(names[0]).to.equal('session.start');
        expect(names.at(-1)).to.equal('session.close');
        expect(names).to.include('handshake.message').and.include('alert');
        expect(names.filter((name) => name === 'heartbeat')).to.have.length(2);
        const start = of('dgram-dtls.session.start').find((event) => event.socket === end);
        expect(start).to.include({ role });
        expect(start?.peer.port).to.equal(end.remotePort);
        const done = of('dgram-dtls.handshake.done').find((event) => event.socket === end);
        expect(done).to.include({ protocol: 'DTLSv1.2', authorized: true });
        expect(done?.cipher).to.match(/PSK/);
        expect(done?.duration).to.be.within(0, 5000);
        const close = of('dgram-dtls.session.close').find((event) => event.socket === end);
        expect(close?.error).to.equal(undefined);
        expect(close?.stats.datagramsSent).to.be.above(3);
      }
    });

    it('tell why a handshake failed', async () => {
      const server = await listen({ pskCallback: () => null });
      const client = await dial(server, PSK_CLIENT);
      const [error] = await Promise.all([failure(client), clientFailure(server)]);
      const failed = of('dgram-dtls.handshake.failed');
      expect(failed.map((event) => event.error.code)).to.have.members([
        'ERR_DTLS_PSK_IDENTITY_UNKNOWN',
        error.code,
      ]);
      expect(of('dgram-dtls.handshake.done')).to.deep.equal([]);
    });

    it('tell of a host name that was not found, which begins no session', async () => {
      const client = dialTo({
        host: 'nowhere.invalid',
        port: 1,
        lookup: (_host, _options, done) => {
          done(Object.assign(new Error('no such name'), { code: 'ENOTFOUND' }), '');
        },
      });
      await failure(client);
      expect(namesOf(client)).to.deep.equal(['handshake.failed']);
    });

    it('tell of retransmissions', async () => {
      const link = new Link('diagnostics');
      let lost = 0;
      link.intercept = ({ datagram, index }) => (index === 0 && lost++ === 0 ? null : datagram);
      const server = await listen({ ...PSK_SERVER, transport: link.attach('10.0.0.1', 1) });
      const client = dialTo({
        host: '10.0.0.1',
        port: 1,
        ...PSK_CLIENT,
        retransmission: { initial: 50 },
        transport: link.attach('10.0.0.2'),
      });
      await next(client, 'secureConnect');
      expect(of('dgram-dtls.retransmission')).to.have.length.above(0);
      expect(of('dgram-dtls.retransmission')[0]).to.include({ message: 'client_hello' });
      server.close();
    });

    it('tell of what was dropped, of which session and why', async () => {
      const link = new Link('drops');
      const server = await listen({ ...PSK_SERVER, transport: link.attach('10.0.0.1', 1) });
      const client = dialTo({
        host: '10.0.0.1',
        port: 1,
        ...PSK_CLIENT,
        transport: link.attach('10.0.0.2', 2),
      });
      const [socket] = await next(server, 'secureConnection');
      link.conditions = { duplicate: 1 };
      const received = messages(socket, 1);
      client.send('twice');
      await received;
      const peers = { address: '10.0.0.1', port: 1, family: 'IPv4' } as const;
      link.inject(Buffer.from('1602fefd', 'hex'), { ...peers, address: '10.9.9.9' }, peers);
      for (let turn = 0; turn < 5; ++turn) await new Promise((done) => setImmediate(done));
      const dropped = of('dgram-dtls.dropped');
      expect(dropped.find((event) => event.socket === socket)?.reasons).to.deep.equal({
        replays: 1,
      });
      expect(dropped.find((event) => event.peer.address === '10.9.9.9')).to.deep.include({
        socket: undefined,
        length: 4,
      });
    });

    it('tell of what was dropped from a socket, from the first datagram after subscribing', async () => {
      diagnostics.unsubscribe('dgram-dtls.dropped', listener);
      const { peer: socket, server } = await openPsk();
      const stranger = dgram.createSocket('udp4');
      const send = (hex: string): Promise<unknown> =>
        new Promise((resolve) => {
          stranger.send(Buffer.from(hex, 'hex'), portOf(server), '127.0.0.1', resolve);
        });
      const malformed = async (count: number): Promise<void> => {
        while (server.stats.malformedDatagrams < count) await new Promise((done) => setImmediate(done));
      };
      try {
        await send('1602fefd');
        await malformed(1);
        diagnostics.subscribe('dgram-dtls.dropped', listener);
        await send('1602fefd00');
        await malformed(2);
        await send('17fefd0001000000000001000100');
        while (server.stats.unknownPeerDatagrams < 1) await new Promise((done) => setImmediate(done));
        await new Promise((done) => setImmediate(done));
        const dropped = of('dgram-dtls.dropped');
        expect(dropped.map(({ length, reasons }) => ({ length, reasons }))).to.deep.equal([
          { length: 5, reasons: { malformedDatagrams: 1 } },
          { length: 14, reasons: { unknownPeerDatagrams: 1 } },
        ]);
        expect(dropped[0]?.peer).to.deep.equal({
          address: '127.0.0.1',
          port: stranger.address().port,
          family: 'IPv4',
        });
        expect(socket.stats.discardedRecords).to.equal(0);
      } finally {
        stranger.close();
      }
    });

    it('change nothing when a subscriber throws', async () => {
      const thrown: unknown[] = [];
      const bad = (): void => {
        throw new Error('a bad subscriber');
      };
      const previous = process.listeners('uncaughtException');
      process.removeAllListeners('uncaughtException');
      process.on('uncaughtException', (error) => thrown.push(error));
      diagnostics.subscribe('dgram-dtls.session.start', bad);
      try {
        await openPsk();
        await new Promise((done) => setImmediate(done));
      } finally {
        diagnostics.unsubscribe('dgram-dtls.session.start', bad);
        process.removeAllListeners('uncaughtException');
        for (const one of previous) process.on('uncaughtException', one);
      }
      expect(thrown).to.have.length(2);
    });
  });

  describe('NODE_DEBUG=dtls', () => {
    const withEnvironment = async (value: string): Promise<string> => {
      const before = process.env.NODE_DEBUG;
      process.env.NODE_DEBUG = value;
      try {
        const { code, stderr } = await run('debug-log.ts');
        expect(code).to.equal(0);
        return stderr;
      } finally {
        if (before === undefined) delete process.env.NODE_DEBUG;
        else process.env.NODE_DEBUG = before;
      }
    };

    it('prints the same events, with a number for each session', async () => {
      const lines = (await withEnvironment('dtls')).split('\n').filter(Boolean);
      for (const pattern of [
        /^DTLS \d+: #1 session\.start .*"role":"client"/,
        /^DTLS \d+: #2 session\.start .*"role":"server"/,
        /handshake\.message .*"message":"client_hello"/,
        /handshake\.done .*"protocol":"DTLSv1.2"/,
        /alert .*"close_notify"/,
        /session\.close /,
      ]) {
        expect(lines.some((line) => pattern.test(line)), String(pattern)).to.be.true;
      }
    });

    it('prints nothing for others', async () => {
      expect(await withEnvironment('net')).not.to.match(/DTLS/);
    });
  });

  describe('qlog', () => {
    let folder: string;
    beforeEach(() => {
      folder = mkdtempSync(join(tmpdir(), 'dgram-dtls-qlog-'));
    });
    afterEach(async () => {
      await closeEverything();
      rmSync(folder, { recursive: true, force: true });
    });

    /** The texts of a JSON text sequence, RFC 7464. */
    function parse(file: string): Record<string, unknown>[] {
      const text = readFileSync(join(folder, file), 'utf8');
      expect(text.startsWith('\u001e')).to.be.true;
      return text
        .slice(1)
        .split('\u001e')
        .map((one) => {
          expect(one.endsWith('\n')).to.be.true;
          return JSON.parse(one) as Record<string, unknown>;
        });
    }

    for (const side of ['server', 'client'] as const) it(`writes one file for each session of a ${side} that asks for it`, async () => {
      const own = { qlogDir: folder };
      const { client, peer } = side === 'server' ? await openPsk(own) : await openPsk({}, own);
      const closed = Promise.all([next(peer, 'close'), next(client, 'close')]);
      client.close();
      await closed;
      const files = readdirSync(folder);
      expect(files).to.have.length(1);
      const [header, ...events] = parse(files[0] ?? '');
      expect(header).to.deep.include({
        file_schema: 'urn:ietf:params:qlog:file:sequential',
        serialization_format: 'application/qlog+json-seq',
      });
      expect(header?.trace).to.deep.include({ vantage_point: { type: side } });
      const names = events.map(({ name }) => name);
      expect(names[0]).to.equal('dtls:session_started');
      expect(names).to.include('dtls:handshake_done');
      expect(names.at(-1)).to.equal('dtls:session_closed');
      const times = events.map(({ time }) => Number(time));
      expect([...times].sort((a, b) => a - b)).to.deep.equal(times);
      expect(Math.abs((times[0] ?? 0) - Date.now())).to.be.below(60_000);
      expect(JSON.stringify(events)).to.match(/"datagrams_sent":\d+/);
    });

    it('writes everybody’s with QLOGDIR, except where the option is an empty string', async () => {
      process.env.QLOGDIR = join(folder, 'made', 'for', 'it');
      try {
        await openPsk({ qlogDir: '' });
      } finally {
        delete process.env.QLOGDIR;
      }
      const [file = ''] = readdirSync(join(folder, 'made', 'for', 'it'));
      expect(file).to.match(/-client\.sqlog$/);
    });

    it('refuses a folder that cannot be made', async () => {
      writeFileSync(join(folder, 'file'), '');
      const server = await listen(PSK_SERVER);
      expect(() =>
        dialTo({ port: portOf(server), ...PSK_CLIENT, qlogDir: join(folder, 'file', 'below') }),
      )
        .to.throw(/'qlogDir' cannot be used/)
        .with.property('code', 'ERR_INVALID_ARG_VALUE');
    });

    it('refuses one below /proc, where no folders are made, and makes one in several that are not there', async function () {
      if (process.platform !== 'linux') skip(this, 'needs /proc');
      const server = await listen(PSK_SERVER);
      const below = join(folder, 'a', 'b', 'c');
      await openPsk({ qlogDir: below });
      expect(readdirSync(below)).to.have.length.above(0);
      // A process of its own, as the call would never return.
      const program = `require('dgram-dtls').connect({ port: ${String(portOf(server))} })`;
      const { status, signal, stderr } = spawnSync(process.execPath, ['-e', program], {
        cwd: join(__dirname, '../..'),
        encoding: 'utf8',
        env: { ...process.env, QLOGDIR: '/proc/x/y' },
        timeout: patience(10_000),
      });
      expect([status, signal]).to.deep.equal([1, null]);
      expect(stderr).to.include('QLOGDIR cannot be used');
    });

    it('warns once when a file can no longer be written, and the session goes on', async () => {
      const warnings: Error[] = [];
      const keep = (warning: Error): void => {
        if (warning.name === 'DTLSWarning') warnings.push(warning);
      };
      process.on('warning', keep);
      try {
        const server = await listen({ ...PSK_SERVER, qlogDir: folder });
        rmSync(folder, { recursive: true });
        const client = await dial(server, PSK_CLIENT);
        await next(client, 'secureConnect');
        await new Promise((done) => setImmediate(done));
        expect(warnings).to.have.length(1);
        expect(warnings[0]?.message).to.match(/^qlog: .* is incomplete/);
      } finally {
        process.off('warning', keep);
      }
    });
  });
});
