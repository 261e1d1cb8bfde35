// Protects: that sessions of createSocket, which are known by their peers' addresses, may go on at another one: messages to
// that address are then for that session, those to the old one begin a new one, and names that it has proved are still its own.
import { expect } from 'chai';
import { once } from 'node:events';
import type { DTLSSocket, PeerInfo, SecureDgramSocket } from '../../lib/index';
import { closeEverything, within } from '../helpers/pair';
import { closePaths, Path } from '../helpers/paths';
import { thrown } from '../helpers/thrown';
import { bound, closeSockets, PSK, secure, sent } from './support';

const heard = (socket: SecureDgramSocket): Promise<[Buffer, PeerInfo]> => within(once(socket, 'message') as Promise<[Buffer, PeerInfo]>, 'a message');
const only = (socket: SecureDgramSocket): DTLSSocket => {
  const [session, ...more] = [...socket.sessions];
  if (session === undefined || more.length > 0) throw new Error('one session was expected');
  return session;
};

describe('createSocket: a peer at another address', () => {
  afterEach(async () => {
    closePaths();
    await closeSockets();
    await closeEverything();
  });

  async function open(): Promise<{ one: SecureDgramSocket; two: SecureDgramSocket; ways: readonly [Path, Path] }> {
    const [one, two] = [await bound(secure(PSK)), await bound(secure(PSK))];
    const ways = [await Path.to(two.address().port), await Path.to(two.address().port)] as const;
    for (const way of ways) way.clientPort = one.address().port;
    const first = heard(two);
    await sent(one, 'hello', ways[0].server);
    await first;
    return { one, two, ways };
  }

  it('goes on there, in both roles, and messages to that address are for it', async () => {
    const { one, two, ways: [, second] } = await open();
    only(one).setPeer(second.server.address, second.server.port);
    only(two).setPeer(second.client.address, second.client.port);
    const up = heard(two);
    one.send('up', second.server.port, '127.0.0.1');
    const [message, info] = await up;
    expect([String(message), info.port]).to.deep.equal(['up', second.client.port]);
    const down = heard(one);
    two.send('down', info.port, info.address);
    expect(String((await down)[0])).to.equal('down');
    expect(only(one).remotePort).to.equal(second.server.port);
    only(two);
  });

  it('is found at the old one no more: a message to that address begins a session', async () => {
    const { one, two, ways: [first, second] } = await open();
    const before = only(one);
    before.setPeer(second.server.address, second.server.port);
    only(two).setPeer(second.client.address, second.client.port);
    const again = heard(two);
    one.send('to the old place', first.server.port, '127.0.0.1');
    await again;
    expect([...one.sessions].length).to.equal(2);
    const error = thrown(() => before.setPeer(first.server.address, first.server.port));
    expect(error.code).to.equal('ERR_DTLS_PEER_IN_USE');
    expect(before.remotePort).to.equal(second.server.port);
    // And the session that has moved ends where it is.
    const ended = once(before, 'close');
    before.close();
    await ended;
    expect([...one.sessions].length).to.equal(1);
  });

  it('takes what waits for its handshake along', async () => {
    const [one, two] = [await bound(secure(PSK)), await bound(secure(PSK))];
    const ways = [await Path.to(two.address().port), await Path.to(two.address().port)] as const;
    for (const way of ways) way.clientPort = one.address().port;
    ways[0].cut();
    const arrived = heard(two);
    one.send('early', ways[0].server.port, '127.0.0.1');
    while ([...one.sessions].length === 0 || [...one.sessions][0]?.remotePort === undefined || ways[0].seen.up.length === 0) await new Promise((resolve) => { setImmediate(resolve); });
    only(one).setPeer(ways[1].server.address, ways[1].server.port);
    expect(String((await arrived)[0])).to.equal('early');
  });

  it('is refused to a socket that is connected to its one peer', async () => {
    const [one, two] = [await bound(secure(PSK)), await bound(secure(PSK))];
    const ways = [await Path.to(two.address().port), await Path.to(two.address().port)] as const;
    one.connect(ways[0].server.port, '127.0.0.1');
    await within(once(one, 'connect'), "'connect'");
    const first = heard(two);
    one.send('hello');
    await first;
    const session = only(one);
    expect(thrown(() => session.setPeer(ways[1].server.address, ways[1].server.port)).code).to.equal('EISCONN');
    const again = heard(two);
    one.send('still here');
    expect(String((await again)[0])).to.equal('still here');
  });
});
