// Protects the lab command: time is counted and not measured, by the network and the retransmission
// timer that were asked for; the same seed gives the same bytes, whatever the machine does meanwhile;
// and the table, the chart and the exit code say what happened.
import { expect } from 'chai';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { rangeFrom } from '../../lib/cli/lab/range';
import { percentiles } from '../../lib/cli/lab/statistics';
import { runTrial, type TrialPlan } from '../../lib/cli/lab/trial';
import { cleanupAfterEach } from '../helpers/peers';
import { PSK_CLIENT, PSK_SERVER } from '../helpers/pair';
import { cli, startCli, type CliResult } from './run';

interface Line {
  readonly parameter: string;
  readonly value: number;
  readonly completed: number;
  readonly failed: number;
  readonly failures: Record<string, number>;
  readonly time: { p50: number; p95: number; p99: number; max: number } | null;
  readonly retransmissions: number;
  readonly datagrams: Record<string, number>;
  readonly messages: { sent: number; received: number; answered: number };
  readonly roundTrip: { p50: number; max: number } | null;
}

const lines = ({ json }: CliResult): Line[] => json as unknown as Line[];

async function point(...args: string[]): Promise<Line> {
  const result = await cli(['lab', '--json', ...args]);
  const [line] = lines(result);
  if (line?.parameter !== 'loss') throw new Error(result.stdout + result.stderr);
  return line;
}

describe('dgram-dtls lab', function () {
  this.timeout(120_000);
  const cleanup = cleanupAfterEach(this);
  let folder: string;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'dgram-dtls-lab-'));
  });
  after(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it('gives the same bytes for the same seed, and others for another', async () => {
    const args = ['lab', '--json', '-n', '6', '--loss', '20..30:10', '--jitter', '10', '--reorder', '10', '--duplicate', '5'];
    const [first, second, other] = [await cli(args), await cli(args), await cli([...args, '--seed', '2'])];
    expect(first.code).to.equal(0);
    expect(first.json).to.have.length(2);
    expect(second.stdout).to.equal(first.stdout);
    expect(lines(other)[0]?.datagrams).not.to.deep.equal(lines(first)[0]?.datagrams);
  });

  it('takes three round trips where nothing is lost, and less to resume', async () => {
    const full = await point('-n', '3', '--delay', '20', '--messages', '2');
    expect(full).to.deep.include({ completed: 3, failed: 0, retransmissions: 0 });
    expect(full.time).to.include({ p50: 120, max: 120 });
    expect(full.messages).to.deep.equal({ sent: 6, received: 6, answered: 6 });
    expect(full.roundTrip).to.include({ p50: 40, max: 40 });
    // The server's Finished comes first then, and the client's ends it.
    expect((await point('-n', '3', '--resume')).time).to.include({ p50: 100, max: 100 });
  });

  it('waits as the timer of RFC 6347 does, or as it is told to', async () => {
    for (const [args, wait] of [
      [['--messages', '0'], 1000],
      [['--messages', '0', '--initial', '300'], 300],
      [['--messages', '0', '--psk', '0011', '--initial', '300', '--max', '600'], 300],
    ] as const) {
      const { time, retransmissions } = await point('-n', '20', '--loss', '25', ...args);
      expect(retransmissions).to.be.above(5);
      for (const one of Object.values(time ?? {})) expect((one - 120) % wait, `${one} of ${args.join(' ')}`).to.equal(0);
      expect(time?.max).to.be.above(120);
    }
  });

  it('goes on where OpenSSL gives a flight up, and ends at the deadline', async () => {
    const { failures, datagrams } = await point('-n', '2', '--loss', '100', '--initial', '100', '--max', '100', '--timeout', '3050');
    expect(failures).to.deep.equal({ ERR_DTLS_HANDSHAKE_TIMEOUT: 2 });
    // One ClientHello at once, and one at each tenth of a second up to the third second.
    expect(datagrams).to.include({ sent: 62, lost: 62 });
  });

  it('knows a path that is too narrow, and flights that fit', async () => {
    const narrow = await cli(['lab', '--json', '-n', '2', '--path-mtu', '300', '--messages', '0']);
    expect(narrow.code).to.equal(1);
    expect(lines(narrow)[0]?.datagrams.tooBig).to.be.above(2);
    expect((await point('-n', '2', '--path-mtu', '300', '--mtu', '300')).completed).to.equal(2);
  });

  it('moves clients to other ports as a NAT does', async () => {
    const { failed } = await point('-n', '2', '--rebind', '100', '--timeout', '3000');
    expect(failed).to.equal(2);
    const { completed, messages } = await point('-n', '20', '--rebind', '5', '--messages', '10');
    expect(completed).to.be.above(5);
    // A session of DTLS 1.2 does not move along (RFC 9146 would be needed).
    expect(messages.answered).to.be.within(1, messages.sent - 10);
  });

  it('loses in bursts', async () => {
    const { datagrams } = await point('-n', '10', '--burst', '3', '--burst-length', '4', '--messages', '50');
    expect((datagrams.lost ?? 0) / (datagrams.sent ?? 1)).to.be.within(0.05, 0.2);
  });

  it('shows a sweep as a table and as a chart', async () => {
    const svg = join(folder, 'sweep.svg');
    const { code, stdout } = await cli(['lab', '-n', '3', '--delay', '0..100:50', '--svg', svg]);
    expect(code).to.equal(0);
    expect(stdout).to.match(/^delay, ms +completed +failed +p50 ms +p95 ms +p99 ms/);
    expect(stdout).to.match(/^ +0 +3 +0 +0 +0 +0 +0\.00 +100\.0 %/m);
    expect(stdout).to.match(/^ +100 +3 +0 +600 +600 +600 /m);
    const chart = readFileSync(svg, 'utf8');
    expect(chart).to.match(/^<svg [^]*<\/svg>\n$/);
    expect(chart.match(/<polyline points="(\S+ ){2}\S+"/g)).to.have.length(3);
    expect(chart).not.to.include('NaN');
  });

  it('exits with 2 when it cannot be meant', async () => {
    for (const args of [
      ['--loss', '0..10', '--delay', '0..10'],
      ['--loss', '101'],
      ['--loss', '5..'],
      ['--loss', '0..30:0'],
      ['--svg', '/nowhere/at/all.svg', '-n', '1000000'], // told before the run
      ['--cert', 'a'],
    ]) {
      expect((await cli(['lab', ...args])).code, args.join(' ')).to.equal(2);
    }
  });

  it('prints what it has on Ctrl-C', async () => {
    const lab = startCli(cleanup, ['lab', '--json', '-n', '4', '--delay', '0..100:1', '--messages', '0']);
    await lab.sees(/"value":1,/);
    lab.signal('SIGINT');
    expect(await lab.ends()).to.equal(130);
  });

  it('does not depend on how busy the machine is', async () => {
    const plan: TrialPlan = {
      seed: 'busy 3',
      conditions: { loss: 0.4, delay: 20, jitter: 10, reorder: 0.1 },
      rebind: 0,
      schedule: { initial: 500, max: 2000, backoff: 2 },
      timeout: 30_000,
      server: PSK_SERVER,
      client: { port: 1, ...PSK_CLIENT },
      messages: 5,
      interval: 20,
      messageSize: 20,
    };
    const { session: first, ...quiet } = await runTrial(plan);
    expect(first).to.be.instanceOf(Buffer);
    expect(quiet.retransmissions).to.be.above(3);
    // Longer than OpenSSL's timers run in the lab.
    const burn = setInterval(() => {
      const until = performance.now() + 150;
      while (performance.now() < until);
    }, 1);
    try {
      const { session: second, ...busy } = await runTrial(plan);
      expect(second).to.be.instanceOf(Buffer);
      expect(busy).to.deep.equal(quiet);
    } finally {
      clearInterval(burn);
    }
  });

  it('takes percentiles by rank, and ranges by steps that are round', () => {
    const values = Array.from({ length: 200 }, (_, index) => 200 - index);
    expect(percentiles(values)).to.deep.equal({ p50: 100, p95: 190, p99: 198, max: 200 });
    expect(percentiles([])).to.equal(null);
    const range = rangeFrom(0, 100);
    expect(range('7')).to.deep.equal([7]);
    expect(range('0..30')).to.deep.equal([0, 5, 10, 15, 20, 25, 30]);
    expect(range('0..1:0.25')).to.deep.equal([0, 0.25, 0.5, 0.75, 1]);
  });
});
