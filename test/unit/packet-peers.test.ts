/**
 * Protects: that the peers of packets are one object each for as long as somebody has it, also when they are so many that
 * all are forgotten; and that what nobody has any more is not kept.
 */
import { expect } from 'chai';
import type { Peer } from '../../lib/index';
import { PacketPeers } from '../../lib/endpoint/packet-peers';

const peer = (port: number, address = '192.0.2.1'): Peer => ({ address, port, family: 'IPv4' });

describe('peers of packets', () => {
  it('are known by number, and to senders by address and port', () => {
    const peers = new PacketPeers();
    expect(peers.at(0)).to.equal(undefined);
    const first = peers.keep(0, peer(1));
    const second = peers.keep(1, peer(2));
    expect([peers.at(0), peers.at(1)]).to.deep.equal([first, second]);
    peers.setNumber('192.0.2.1', 1, 0);
    peers.setNumber('192.0.2.1', 2, 1);
    expect([peers.numberOf('192.0.2.1', 1), peers.numberOf('192.0.2.1', 2)]).to.deep.equal([0, 1]);
    expect([peers.numberOf('192.0.2.1', 3), peers.numberOf('192.0.2.2', 1)]).to.deep.equal([undefined, undefined]);
  });

  it('are the same objects when all numbers were forgotten', () => {
    const peers = new PacketPeers();
    const kept = peers.keep(0, peer(1));
    peers.setNumber('192.0.2.1', 1, 0);
    peers.forget();
    expect(peers.at(0)).to.equal(undefined);
    expect(peers.numberOf('192.0.2.1', 1)).to.equal(undefined);
    expect(peers.keep(7, peer(1))).to.equal(kept);
    expect(peers.at(7)).to.equal(kept);
    expect(peers.living(peer(1))).to.equal(kept);
    expect(peers.keep(8, peer(1, '192.0.2.2'))).to.not.equal(kept);
  });

  it('are crowded at some time', () => {
    const peers = new PacketPeers();
    let number = 0;
    for (; number < 100_000 && !peers.crowded; ++number) peers.keep(number, peer(number));
    expect(peers.crowded).to.equal(true);
    expect(number).to.be.above(30_000);
    peers.forget();
    expect(peers.crowded).to.equal(false);
  });
});
