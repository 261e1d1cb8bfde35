/**
 * Protects: DTLS is unicast. What is meant for a group or for everybody never leaves in clear unless the
 * user has said so, and what a group sends is never taken for a message.
 */
import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import dgram from 'node:dgram';
import { once } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import type { DTLSError } from '../../lib/index';
import { fixture } from '../helpers/child';
import { within } from '../helpers/pair';
import { patience } from '../helpers/patience';
import { skip } from '../helpers/peers';
import { bound, closeSockets, codeOf, PSK, QUICK, received, secure, sent, track } from './support';

describe('createSocket: groups', () => {
  afterEach(closeSockets);

  for (const address of ['224.0.1.187', '255.255.255.255', '239.1.2.3']) {
    it(`refuses to send to ${address}`, async () => {
      const client = await bound(secure());
      const outcome = await sent(client, 'hello', { port: 5683, address });
      expect(codeOf(outcome)).to.equal('ERR_DTLS_MULTICAST');
      const failed = once(client, 'error');
      client.send('hello', 5683, address);
      expect(((await within(failed, 'error'))[0] as DTLSError).code).to.equal('ERR_DTLS_MULTICAST');
    });
  }

  it('refuses IPv6 groups', async () => {
    const client = secure(PSK, { type: 'udp6' });
    const outcome = await sent(client, 'hello', { port: 5683, address: 'ff02::fd' });
    expect(codeOf(outcome)).to.equal('ERR_DTLS_MULTICAST');
  });

  it('refuses the broadcast address of a network, and sends to it in clear when told to', async function () {
    if (process.platform !== 'linux') skip(this, 'on Linux the loopback has one');
    const everybody = '127.255.255.255';
    const member = track(dgram.createSocket('udp4'));
    member.bind(0);
    await once(member, 'listening');
    const { port } = member.address();
    const client = await bound(secure());
    client.setBroadcast(true);
    expect(codeOf(await sent(client, 'hello', { port, address: everybody }))).to.equal('ERR_DTLS_MULTICAST');
    const plain = secure({ ...PSK, clearMulticast: true });
    plain.bind(0);
    await once(plain, 'listening');
    plain.setBroadcast(true);
    const arrival = received(member);
    expect(await sent(plain, 'to all', { port, address: everybody })).to.deep.equal({ bytes: 6 });
    expect((await arrival).text).to.equal('to all');
  });

  it('a name is never a group: whoever forges the answers of DNS gets nothing in clear', async () => {
    const member = track(dgram.createSocket({ type: 'udp4', reuseAddr: true }));
    member.bind(0);
    await once(member, 'listening');
    member.addMembership('239.255.77.77', '127.0.0.1');
    const { port } = member.address();
    const heard: string[] = [];
    member.on('message', (message) => heard.push(message.toString()));
    const client = await bound(
      secure(
        { ...PSK, clearMulticast: true },
        { lookup: (_host, _options, callback) => { callback(null, '239.255.77.77', 4); } },
      ),
    );
    client.setMulticastInterface('127.0.0.1');
    const outcome = await sent(client, 'secret', { port, address: 'gateway.test' });
    expect(codeOf(outcome)).to.equal('ERR_DTLS_MULTICAST');
    expect('error' in outcome && outcome.error.message).to.include("'gateway.test'");
    const connected = once(client, 'connect');
    client.connect(port, 'gateway.test');
    await within(connected, 'connect');
    const refused = new Promise((resolve) => { client.send('secret', (error) => { resolve(error); }); });
    expect(await within(refused, 'the callback')).to.include({ code: 'ERR_DTLS_MULTICAST' });
    client.disconnect();
    await sent(client, 'meant for all', { port, address: '239.255.77.77' });
    await within(new Promise<void>((resolve) => { if (heard.length > 0) resolve(); else member.once('message', () => { resolve(); }); }), 'a message');
    expect(heard).to.deep.equal(['meant for all']);
  });

  it('an empty message to a group leaves, and its callback is called', async () => {
    const member = track(dgram.createSocket({ type: 'udp4', reuseAddr: true }));
    member.bind(0);
    await once(member, 'listening');
    member.addMembership('239.255.77.77', '127.0.0.1');
    const client = await bound(secure({ ...PSK, clearMulticast: true }));
    client.setMulticastInterface('127.0.0.1');
    const arrival = received(member);
    expect(await sent(client, '', { port: member.address().port, address: '239.255.77.77' })).to.deep.equal({ bytes: 0 });
    expect((await arrival).message).to.have.length(0);
  });

  it('the other end of a link of two is no broadcast address', function () {
    if (process.platform !== 'linux') skip(this, 'network namespaces are of Linux');
    const link = 'ip addr add 10.9.9.0/31 dev lo && ip addr add 10.9.9.1/31 dev lo && ip link set lo up';
    const inside = ['--net', ...(process.geteuid?.() === 0 ? [] : ['--user', '--map-root-user']), 'sh', '-c', `${link} && exec "$@"`, 'sh'];
    const probe = spawnSync('unshare', [...inside, 'true'], { encoding: 'utf8' });
    if (probe.status !== 0) skip(this, `needs unshare and ip: ${probe.error?.message ?? probe.stderr}`);
    const program = [process.execPath, '--require', 'tsx/cjs', fixture('point-to-point.ts')];
    const { stdout, stderr } = spawnSync('unshare', [...inside, ...program], { encoding: 'utf8', timeout: patience(8000) });
    expect({ stdout, stderr }).to.deep.equal({ stdout: 'protected: hello\n', stderr: '' });
  });

  it('sends to them in clear when told to; what comes in clear is a packet, no message', async () => {
    const client = await bound(secure({ ...PSK, clearMulticast: true }));
    client.setMulticastInterface('127.0.0.1');
    const member = track(dgram.createSocket({ type: 'udp4', reuseAddr: true }));
    member.bind(0);
    await once(member, 'listening');
    member.addMembership('239.255.77.77', '127.0.0.1');
    const arrival = received(member);
    const { port } = member.address();
    client.send('who is there?', port, '239.255.77.77');
    const { text, info } = await arrival;
    expect(text).to.equal('who is there?');
    client.on('message', () => {
      throw new Error('in clear, as a message');
    });
    const packet = once(client, 'packet');
    member.send('I am', info.port, '127.0.0.1');
    const [clear] = (await within(packet, 'packet')) as [Buffer];
    expect(clear.toString()).to.equal('I am');
  });

  it('a peer that is not there costs no group a message, though ICMP says so in between', async () => {
    const client = await bound(secure({ ...PSK, ...QUICK, role: 'client', clearMulticast: true }));
    client.setMulticastInterface('127.0.0.1');
    client.on('peerError', () => undefined);
    const gone = await bound(track(dgram.createSocket('udp4')));
    const { port } = gone.address();
    gone.close();
    const groupPort = 5683;
    const outcomes: (string | number)[] = [];
    for (let i = 0; i < 20; ++i) {
      client.send('nobody hears this', port, `127.0.0.${String(2 + i)}`, () => undefined);
      for (let group = 0; group < 3; ++group) {
        // The first flight leaves in one of these ticks, and on the loopback is refused before that call returns. The event
        // loop, by which the socket would hear of it, has no turn in between.
        for (let ticks = 0; ticks < 6; ++ticks) await new Promise<void>((then) => { process.nextTick(then); });
        client.send('group', groupPort, '239.255.77.77', (error, bytes) => outcomes.push(error === null ? bytes : String(error)));
      }
      await turn();
    }
    await sent(client, 'last', { port: groupPort, address: '239.255.77.77' });
    expect(outcomes).to.deep.equal(Array.from({ length: 60 }, () => 5));
  });

  it('groups hear what is empty, too, in order', async () => {
    const client = await bound(secure({ ...PSK, clearMulticast: true }));
    client.setMulticastInterface('127.0.0.1');
    const group = track(dgram.createSocket({ type: 'udp4', reuseAddr: true }));
    group.bind(0);
    await once(group, 'listening');
    group.addMembership('239.255.77.77', '127.0.0.1');
    const heard: string[] = [];
    const all = new Promise<void>((resolve) => {
      group.on('message', (message) => {
        if (heard.push(message.toString()) === 4) resolve();
      });
    });
    for (const text of ['one', 'two', '', 'three']) client.send(text, group.address().port, '239.255.77.77');
    await within(all, 'all four');
    expect(heard).to.deep.equal(['one', 'two', '', 'three']);
  });
});
