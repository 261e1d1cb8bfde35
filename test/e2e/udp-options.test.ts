/**
 * Protects the options of the UDP socket, on both sides and over either kind of socket: what the system then says
 * of the socket (`ss`), and who may share a port with whom.
 */
import { execFileSync } from 'node:child_process';
import { expect } from 'chai';
import { createServer, DTLSError, type DTLSServer, type UdpSocketOptions } from '../../lib/index';
import {
  closeEverything,
  dial,
  failure,
  listen,
  next,
  openOn,
  portOf,
  PSK_CLIENT,
  PSK_SERVER,
} from '../helpers/pair';
import { requirePrograms, skip } from '../helpers/peers';

type Side = 'client' | 'server';

/** What `ss` says of the sockets on a local port. */
function system(port: number, family: '-4' | '-6' = '-4'): string {
  return execFileSync('ss', ['-Huanme', family, 'sport', '=', `:${port}`], { encoding: 'utf8' });
}

/** The local port of a socket with these options, which has a session. */
async function portWith(side: Side, options: UdpSocketOptions): Promise<number> {
  const server = await listen({ ...PSK_SERVER, ...(side === 'server' ? options : {}) });
  const { client } = await openOn(server, { ...PSK_CLIENT, ...(side === 'client' ? options : {}) });
  return side === 'server' ? portOf(server) : (client.localPort ?? 0);
}

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
/** node:dgram has reusePort; the native socket has it on any Node. */
const dgramHasReusePort = major > 23 || (major === 23 && minor >= 1) || (major === 22 && minor >= 12);

for (const side of ['client', 'server'] as const) {
  describe(`the UDP socket of a ${side}`, () => {
    before(function () {
      if (process.platform !== 'linux') skip(this, 'ss is a program of Linux');
      requirePrograms(this, 'ss');
    });
    afterEach(closeEverything);

    it('has the buffers that recvBufferSize and sendBufferSize ask for', async () => {
      const port = await portWith(side, { recvBufferSize: 40_000, sendBufferSize: 30_000 });
      // The kernel doubles what it is asked for, to have room for its own accounts.
      expect(system(port)).to.match(/\brb80000\b/).and.match(/\btb60000\b/);
      const plain = await portWith(side, {});
      expect(system(plain)).to.match(/\brb\d+\b/).and.not.match(/\brb80000\b/).and.not.match(/\btb60000\b/);
    });

    it('is for IPv6 alone with ipv6Only', async () => {
      if (side === 'server') {
        const only = await listen({ ...PSK_SERVER, ipv6Only: true }, '::');
        expect(system(portOf(only), '-6')).to.include('v6only:1');
        const both = await listen(PSK_SERVER, '::');
        expect(system(portOf(both), '-6')).to.include('v6only:0');
        return;
      }
      // A client's is connected: an IPv4 address in IPv6's clothes is out of its reach.
      const server = await listen(PSK_SERVER);
      const mapped = { ...PSK_CLIENT, host: '::ffff:127.0.0.1' };
      const { client } = await openOn(server, mapped);
      expect(client.remoteFamily).to.equal('IPv6');
      const error = await failure(await dial(server, { ...mapped, ipv6Only: true }));
      expect(error).to.include({ code: 'ENETUNREACH', category: 'io' });
    });

    for (const option of ['reuseAddr', 'reusePort'] as const) {
      it(`shares its port with another that has ${option}, too, and with no other`, async () => {
        const sharing = { [option]: true };
        if (option === 'reusePort' && !dgramHasReusePort && process.env.DGRAM_DTLS_TRANSPORT === 'dgram') {
          const make = side === 'server' ? listen({ ...PSK_SERVER, ...sharing }) : dial(await listen(PSK_SERVER), { ...PSK_CLIENT, ...sharing });
          const error: unknown = await make.then(() => undefined, (reason: unknown) => reason);
          expect(error).to.be.instanceOf(DTLSError).and.include({ code: 'ERR_DTLS_UNSUPPORTED', category: 'usage' });
          return;
        }
        if (side === 'server') {
          const first = await listen({ ...PSK_SERVER, ...sharing });
          const start = (options: UdpSocketOptions): DTLSServer =>
            createServer({ ...PSK_SERVER, ...options }).listen(portOf(first), '127.0.0.1');
          const other = start(sharing);
          await next(other, 'listening');
          expect(portOf(other)).to.equal(portOf(first));
          expect((await next(start({}), 'error'))[0]).to.include({ code: 'EADDRINUSE', category: 'io' });
          await other[Symbol.asyncDispose]();
          return;
        }
        // Each of the same port to a server of its own.
        const servers = [await listen(PSK_SERVER), await listen(PSK_SERVER), await listen(PSK_SERVER)] as const;
        const first = await openOn(servers[0], { ...PSK_CLIENT, ...sharing });
        const localPort = first.client.localPort ?? 0;
        const same = { ...PSK_CLIENT, localPort, localAddress: '127.0.0.1' };
        const second = await openOn(servers[1], { ...same, ...sharing });
        expect(second.peer.remotePort).to.equal(first.peer.remotePort);
        expect((await failure(await dial(servers[2], same))).code).to.equal('EADDRINUSE');
      });
    }
  });
}
