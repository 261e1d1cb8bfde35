// Protects a gateway's port: one server has twenty connections of a browser at once on it, whose STUN requests come as
// `packet` events and are answered by `sendPacket` beside DTLS; each session is told by its address, and its certificate by the
// fingerprint that was signalled for it. One that has another is thrown out, and the others go on.
import { expect } from 'chai';
import type { Cleanup } from '../helpers/peers';
import { Gateway, ownSocket, serversSocket, type Carrier } from './gateway';
import { inBrowsers, inVersions } from './suite';

const CONNECTIONS = 20;

const PORTS: readonly [string, (cleanup: Cleanup) => Carrier | Promise<Carrier>, boolean][] = [
  ['the native socket', () => serversSocket('native'), true],
  ['the native socket', () => serversSocket('native'), false],
  ["the server's dgram.Socket", () => serversSocket('dgram'), true],
  ["the user's dgram.Socket", ownSocket, true],
];

inBrowsers((bench) => {
  inVersions((maxVersion) => {
    for (const [name, carrier, cookieExchange] of PORTS) {
      it(`${CONNECTIONS} connections over ${name}, cookieExchange: ${String(cookieExchange)}`, async () => {
        const { cleanup, identity } = bench;
        const gateway = await Gateway.listen(cleanup, identity, await carrier(cleanup), { maxVersion, cookieExchange });
        const sizes = [1, 1200, 30_000];
        await Promise.all(
          Array.from({ length: CONNECTIONS }, async () => {
            const { theirs, sdp } = await bench.offer();
            const { viewer, answer } = gateway.admit(sdp);
            await theirs.call('answer', answer);
            const opened = await viewer.opened;
            expect(opened?.socket.getProtocol()).to.equal(maxVersion);
            expect(await theirs.call('exchange', sizes)).to.deep.equal(sizes);
          }),
        );
        const { sessions, handshakesCompleted, handshakesFailed } = gateway.server.stats;
        expect({ sessions, handshakesCompleted, handshakesFailed }).to.deep.equal({
          sessions: CONNECTIONS,
          handshakesCompleted: CONNECTIONS,
          handshakesFailed: 0,
        });
      });
    }

    it('one with another certificate than it has signalled is alone in that', async () => {
      const { cleanup, identity } = bench;
      const gateway = await Gateway.listen(cleanup, identity, serversSocket('native'), { maxVersion });
      const good = await bench.offer();
      const bad = await bench.offer();
      const honest = gateway.admit(good.sdp);
      const forged = gateway.admit(bad.sdp.replaceAll(/^a=fingerprint:.*$/gm, /^a=fingerprint:.*$/m.exec(good.sdp)?.[0] ?? ''));
      await good.theirs.call('answer', honest.answer);
      await bad.theirs.call('answer', forged.answer);
      expect(await forged.viewer.opened).to.equal(undefined);
      expect(await bad.theirs.call('closed')).to.equal('closed');
      await honest.viewer.opened;
      expect(await good.theirs.call('exchange', [1000])).to.deep.equal([1000]);
    });
  });
});
