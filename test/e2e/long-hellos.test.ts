/**
 * Protects: that a ClientHello of several datagrams (post-quantum key shares, long lists of protocols, tickets) gets
 * through a path that drops long datagrams without a word, with the cookie exchange and without, at either version: the
 * client cuts it smaller, and the server answers a first fragment without keeping anything, or at 1.3 puts the hello
 * together, up to a bound. No part of it counts as somebody's without a session.
 */
import { expect } from 'chai';
import { hasNativeUdp } from '../../lib/transport/native-udp';
import { certificate, closeEverything, dialTo, listen, next, portOf, withCertificate } from '../helpers/pair';
import { describeVersions } from '../helpers/dtls13';
import { converse } from '../helpers/exchange';
import { patience } from '../helpers/patience';
import { Relay } from '../helpers/relay';

const TRANSPORTS = (['native', 'dgram'] as const).filter((transport) => transport === 'dgram' || hasNativeUdp);

const protocolsOf = (bytes: number): string[] =>
  Array.from({ length: Math.floor(bytes / 101) }, (_, i) => `${String(i).padStart(3, '0')}${'p'.repeat(97)}`);

describeVersions('a long ClientHello', function (only, is13) {
  this.timeout(patience(20_000));

  let relay: Relay | undefined;

  afterEach(async () => {
    relay?.close();
    relay = undefined;
    await closeEverything();
  });

  for (const cookieExchange of [true, false]) {
    for (const [bytes, mtu, most, left] of [
      [1500, 1200, 1200, 1200],
      [1500, 1200, 800, 548],
      [3000, 9000, 1300, 1200],
      [3000, 1200, 500, 256],
      [8000, 1200, 800, 548],
      [8000, 256, 256, 256],
    ] as const) {
      it(`of ${String(bytes)} bytes with mtu ${String(mtu)} passes where ${String(most)} bytes are the most, ${cookieExchange ? 'with' : 'without'} cookies`, async () => {
        const ALPNProtocols = protocolsOf(bytes);
        const retransmission = { initial: patience(100), max: patience(200) };
        const server = await listen(
          await withCertificate({
            ...only,
            ALPNProtocols: ALPNProtocols.slice(-1),
            cookieExchange,
            // At 1.3 its flight follows the hello, and would be too long for the path, too.
            mtu: is13 ? left : mtu,
            retransmission,
          }),
        );
        relay = await Relay.to(portOf(server));
        let dropped = 0;
        relay.passes = (datagram) => {
          dropped += datagram.length > most ? 1 : 0;
          return datagram.length <= most;
        };
        const { ca } = await certificate();
        const accepted = next(server, 'secureConnection');
        const client = dialTo({ host: '127.0.0.1', port: relay.port, ca, ALPNProtocols, mtu, retransmission, ...only });
        const [[peer]] = await Promise.all([accepted, next(client, 'secureConnect')]);
        expect(client.getProtocol()).to.equal(only.maxVersion);
        expect(client.alpnProtocol).to.equal(ALPNProtocols.at(-1));
        expect(client.mtu).to.equal(left);
        expect(dropped > 0).to.equal(left < mtu);
        const { unknownPeerDatagrams, helloFragments } = server.stats;
        expect(unknownPeerDatagrams, 'a hello is nothing unknown').to.equal(0);
        if (is13) expect(helloFragments).to.equal(0);
        else if (cookieExchange) expect(helloFragments).to.be.above(0);
        await converse({ client, peer });
      });
    }

    for (const transport of TRANSPORTS) it(`is no datagram of an unknown peer, in any of its parts, ${cookieExchange ? 'with' : 'without'} cookies, transport '${transport}'`, async () => {
      const ALPNProtocols = protocolsOf(5000);
      const server = await listen(
        await withCertificate({ ...only, transport, ALPNProtocols: ALPNProtocols.slice(-1), cookieExchange }),
      );
      const { ca } = await certificate();
      const accepted = next(server, 'secureConnection');
      const client = dialTo({ host: '127.0.0.1', port: portOf(server), ca, ALPNProtocols, ...only, transport });
      const [[peer]] = await Promise.all([accepted, next(client, 'secureConnect')]);
      await converse({ client, peer });
      expect(server.stats.unknownPeerDatagrams).to.equal(0);
    });
  }
});
