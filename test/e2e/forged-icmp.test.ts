// Protects: that neither ICMP, which anybody can forge (RFC 5927), nor datagrams with a forged source change anything
// for those whom they are not about: a server is heard and hears, and what it sends leaves, merged as before. And that
// what the system itself refuses is not taken for ICMP.
import { expect } from 'chai';
import { execFile, spawn, spawnSync } from 'node:child_process';
import { promisify } from 'node:util';
import { createSocket, features, type DTLSServer } from '../../lib/index';
import { fixture } from '../helpers/child';
import { closeEverything, dial, listen, next, openOn, portOf, PSK, PSK_CLIENT, PSK_SERVER, within } from '../helpers/pair';
import { patience } from '../helpers/patience';
import { foreignEnvironment, skip } from '../helpers/peers';

const transports = process.platform === 'linux' ? (['native', 'dgram'] as const) : [];

/** Runs a program that forges, to its end. */
function forge(program: string, ...args: (string | number)[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn('python3', [fixture(program), ...args.map(String)], { stdio: ['ignore', 'ignore', 'pipe'], env: foreignEnvironment });
    let said = '';
    child.stderr.on('data', (text: Buffer) => (said += text.toString()));
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0) resolve();
      else reject(new Error(said));
    });
  });
}

const session = (server: DTLSServer, transport: 'native' | 'dgram'): ReturnType<typeof openOn> =>
  openOn(server, { ...PSK_CLIENT, transport });

describe('forged ICMP and sources', function () {
  this.timeout(patience(30_000));
  before(function () {
    if (process.platform !== 'linux') skip(this, 'raw sockets are used as on Linux');
    if (process.geteuid?.() !== 0) skip(this, 'only root has raw sockets');

  });
  afterEach(closeEverything);

  for (const transport of transports) {
    for (const code of [3, 5, 8, 13]) {
      it(`a burst of ICMP code ${String(code)} makes a server deaf to nobody, over ${transport}`, async () => {
        const server = await listen({ ...PSK_SERVER, transport });
        const { client, peer } = await session(server, transport);
        peer.on('message', (message) => peer.send(message));
        await forge('icmp_storm.py', portOf(server), 1, code, 'datagrams');
        const again = await dial(server, { ...PSK_CLIENT, transport });
        await next(again, 'secureConnect');
        const echo = next(client, 'message');
        client.send('still there');
        expect(String((await echo)[0])).to.equal('still there');
      });

      it(`ICMP code ${String(code)} about a stranger refuses no message of a session's, over ${transport}`, async () => {
        const server = await listen({ ...PSK_SERVER, transport });
        const { peer } = await session(server, transport);
        const refused: string[] = [];
        let sent = 0;
        const sending = setInterval(() => {
          for (let i = 0; i < 30; ++i) {
            sent += 1;
            peer.send(Buffer.alloc(500 + i), (error) => {
              if (error !== null) refused.push(error.message);
            });
          }
        }, 2);
        await forge('icmp_storm.py', portOf(server), 1, code);
        clearInterval(sending);
        expect(sent).to.be.above(0);
        expect(refused).to.deep.equal([]);
        expect(peer.readyState).to.equal('open');
      });
    }

    it(`a datagram from port 0 is dropped, counted, and not answered, over ${transport}`, async () => {
      const server = await listen({ ...PSK_SERVER, transport });
      await forge('port_zero.py', portOf(server), 20);
      await session(server, transport);
      expect(server.stats).to.include({ malformedDatagrams: 20, transportErrors: 0, cookiesSent: 1 });
    });
  }

  for (const transport of transports) {
    it(`a datagram that the system refuses counts, though nobody has a session, over ${transport}`, async function () {
      const { status, stderr: reason } = spawnSync('unshare', ['--net', 'ip', 'link', 'set', 'lo', 'up'], { encoding: 'utf8' });
      if (status !== 0) skip(this, `network namespaces cannot be made here: ${reason}`);
      const own = ['unshare', '--net', 'sh', '-c', 'ip link set lo up && exec "$@"', 'sh'];
      const program = [process.execPath, '--require', 'tsx/cjs', fixture('no-route.ts'), transport];
      const [command = '', ...args] = [...own, ...program];
      const { stdout, stderr } = await promisify(execFile)(command, args, { timeout: patience(20_000) });
      expect(stderr).to.equal('');
      expect(JSON.parse(stdout)).to.deep.equal({ cookiesSent: 1, transportErrors: 1 });
    });
  }

  it('datagrams from port 0 end merging to nobody', async function () {
    if (!features.gso) skip(this, 'this system has no UDP_SEGMENT');
    const server = await listen({ ...PSK_SERVER, transport: 'native' });
    await forge('port_zero.py', portOf(server), 20);
    const { client, peer } = await session(server, 'native');
    let count = 0;
    const all = within(new Promise<void>((resolve) => {
      client.on('message', () => {
        if (++count === 20) resolve();
      });
    }), 'messages');
    peer.sendMany(Array.from({ length: 20 }, () => Buffer.alloc(1000)));
    await all;
    expect(server.stats.udp?.sentMerged).to.be.above(18);
  });

  for (const code of [3, 5]) {
    it(`ICMP code ${String(code)} about a stranger ends no handshake of a socket with many peers`, async () => {
      const servers = await Promise.all(Array.from({ length: 15 }, () => listen({ ...PSK_SERVER })));
      const socket = createSocket({ type: 'udp4', dtls: { role: 'client', psk: PSK } });
      const failed: string[] = [];
      const fails = (error: Error): void => void failed.push(error.message);
      socket.on('peerError', fails);
      socket.on('error', fails);
      await new Promise<void>((resolve) => void socket.bind(0, '127.0.0.1', resolve));
      const storm = forge('icmp_storm.py', socket.address().port, 1.5, code);
      for (const server of servers) {
        await within(
          new Promise<void>((resolve, reject) => {
            socket.send('x', portOf(server), '127.0.0.1', (error) => {
              if (error) reject(error);
              else resolve();
            });
          }),
          'a message to leave',
        );
      }
      await storm;
      socket.close();
      expect(failed).to.deep.equal([]);
    });
  }
});
