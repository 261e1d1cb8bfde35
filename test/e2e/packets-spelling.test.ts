// Protects: that the peer of a packet is spelled as what is heard of it, whoever names it first, and by whichever of an
// address's spellings: its packets, its session and its messages have one peer, and what it sends can be answered.
import { expect } from 'chai';
import dgram from 'node:dgram';
import { once } from 'node:events';
import type { Peer } from '../../lib/index';
import { hasNativeUdp } from '../../lib/transport/native-udp';
import { closeSockets, PSK, secure } from '../dgram/support';
import { closeStrangers, stranger, stun, textOf } from '../helpers/packets';
import { closeEverything, dialTo, listen, next, portOf, PSK_CLIENT, PSK_SERVER, within } from '../helpers/pair';

const TRANSPORTS = (['native', 'dgram'] as const).filter((transport) => transport === 'dgram' || hasNativeUdp);
const SPELLINGS = ['127.0.0.1', '::ffff:127.0.0.1', '::FFFF:7f00:1'];

for (const transport of TRANSPORTS) {
  describe(`the peer of packets on a socket of both families, transport '${transport}'`, () => {
    const before = process.env.DGRAM_DTLS_TRANSPORT;

    beforeEach(() => {
      process.env.DGRAM_DTLS_TRANSPORT = transport;
    });

    afterEach(async () => {
      if (before === undefined) delete process.env.DGRAM_DTLS_TRANSPORT;
      else process.env.DGRAM_DTLS_TRANSPORT = before;
      closeStrangers();
      await closeEverything();
      await closeSockets();
    });

    for (const spelling of SPELLINGS) {
      it(`is that of its session, where a server has named it first: ${spelling}`, async () => {
        const server = await listen(PSK_SERVER, '::');
        const other = dgram.createSocket('udp4').bind(0, '127.0.0.1');
        await once(other, 'listening');
        const { port } = other.address();
        const named = within(once(other, 'message'), 'the first packet');
        server.sendPacket(stun('check'), { address: spelling, port });
        await named;
        const gone = once(other, 'close');
        other.close();
        await gone;
        const accepted = next(server, 'secureConnection');
        const client = dialTo({ ...PSK_CLIENT, host: '127.0.0.1', port: portOf(server), localPort: port });
        await next(client, 'secureConnect');
        const [session] = await accepted;
        const heard = within(once(server, 'packet') as Promise<[Buffer, Peer]>, 'the packet');
        client.sendPacket(stun('here'));
        const [, peer] = await heard;
        expect(peer).to.deep.equal({ address: '::ffff:127.0.0.1', port, family: 'IPv6' });
        expect(peer).to.equal(session.remotePeer);
      });

      it(`can be answered, where a socket of createSocket has named it first: ${spelling}`, async () => {
        const socket = secure(PSK, { type: 'udp6' });
        socket.bind(0, '::');
        await once(socket, 'listening');
        const other = await stranger();
        const { port } = other.address();
        const first = within(once(other, 'message') as Promise<[Buffer]>, 'the first packet');
        socket.sendPacket(stun('check'), { address: spelling, port });
        expect(textOf((await first)[0])).to.equal('check');
        const heard = within(once(socket, 'packet') as Promise<[Buffer, dgram.RemoteInfo]>, 'the packet');
        other.send(stun('here'), socket.address().port, '127.0.0.1');
        const [, info] = await heard;
        expect([info.address, info.family]).to.deep.equal(['::ffff:127.0.0.1', 'IPv6']);
        const answered = within(once(other, 'message') as Promise<[Buffer]>, 'the answer');
        socket.sendPacket(stun('answer'), info);
        expect(textOf((await answered)[0])).to.equal('answer');
      });
    }
  });
}
