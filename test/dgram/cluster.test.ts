/**
 * Protects those who use dgram in a cluster: workers share a port of plain UDP, each datagram goes to any of them, and only
 * one has the session, so that most clients were lost in silence. A port is one worker's, and the next one hears why; by
 * `reusePort` all of them have it.
 */
import { expect } from 'chai';
import { run } from '../helpers/child';
import { freePort, skip } from '../helpers/peers';
import { hasNativeUdp } from '../../lib/transport/native-udp';
import { checkReusePort } from '../../lib/options/udp';
import { patience } from '../helpers/patience';

interface Told {
  readonly event: 'bound' | 'error' | 'peerError' | 'answered';
  readonly code?: string;
  readonly hint?: string;
  readonly port?: number;
  readonly count?: number;
}

const transports = hasNativeUdp ? (['native', 'dgram'] as const) : (['dgram'] as const);

async function workers(mode: string, transport: string): Promise<Told[]> {
  const before = process.env.DGRAM_DTLS_TRANSPORT;
  process.env.DGRAM_DTLS_TRANSPORT = transport;
  try {
    const { stdout, stderr, code } = await run('cluster.cjs', [mode, String(await freePort())], [], {
      milliseconds: patience(20_000),
    });
    expect(code, stdout + stderr).to.equal(0);
    return stdout.split('\n').filter(Boolean).map((line) => JSON.parse(line) as Told);
  } finally {
    if (before === undefined) delete process.env.DGRAM_DTLS_TRANSPORT;
    else process.env.DGRAM_DTLS_TRANSPORT = before;
  }
}

const of = (told: readonly Told[], event: Told['event']): Told[] => told.filter((one) => one.event === event);

function sharesPorts(): boolean {
  try {
    return checkReusePort(true, 'dgram');
  } catch {
    return false;
  }
}

describe('createSocket in a cluster', function () {
  this.timeout(patience(40_000));

  for (const transport of transports) {
    for (const mode of ['place', 'not-exclusive', 'arguments', 'port']) {
      it(`one worker has the port and serves all, the other hears why not: ${mode}, over ${transport}`, async () => {
        const told = await workers(mode, transport);
        expect(of(told, 'bound')).to.have.length(1);
        const [error] = of(told, 'error');
        expect(error?.code).to.equal('EADDRINUSE');
        expect(error?.hint).to.match(/'reusePort'/);
        expect(of(told, 'answered')[0]?.count).to.equal(8);
        expect(of(told, 'peerError')).to.deep.equal([]);
      });
    }

    it(`each worker has a port of its own where it asks for any, over ${transport}`, async () => {
      const ports = of(await workers('any', transport), 'bound').map(({ port }) => port);
      expect(new Set(ports).size).to.equal(2);
    });

    it(`by reusePort all workers have the port, and each peer its worker, over ${transport}`, async function () {
      if (!sharesPorts()) skip(this, 'dgram of this Node has no reusePort');
      const told = await workers('reusePort', transport);
      expect(of(told, 'bound')).to.have.length(2);
      expect(of(told, 'answered')[0]?.count).to.equal(8);
    });
  }

  for (const mode of ['transport', 'client']) {
    it(`a socket of dgram that workers share is no transport of a ${mode === 'client' ? 'client' : 'server'}`, async () => {
      const told = await workers(mode, 'dgram');
      expect(told.map(({ code }) => code)).to.deep.equal(['ERR_DTLS_UNSUPPORTED', 'ERR_DTLS_UNSUPPORTED']);
      expect(told[0]?.hint).to.match(/'exclusive: true'/);
    });
  }
});
