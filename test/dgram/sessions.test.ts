/**
 * Protects: what createSocket's sockets do that dgram's do not. The first message to a peer shakes
 * hands with it, nothing is lost or sent in clear meanwhile, every callback hears what became of its
 * message, and two that begin at once end up with one session.
 */
import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import dgram from 'node:dgram';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, createServer, features, type DTLSError, type DTLSSocket, type Peer, type SocketDtlsOptions } from '../../lib/index';
import { DTLS13, UP_TO_DTLS13 } from '../helpers/dtls13';
import { fixture } from '../helpers/child';
import { within } from '../helpers/pair';
import { patience } from '../helpers/patience';
import { skip } from '../helpers/peers';
import {
  bound,
  closeSockets,
  codeOf,
  KEY,
  PSK,
  QUICK,
  received,
  secure,
  sent,
  track,
  type Outcome,
  type Received,
} from './support';

const sessionsOf = (socket: { sessions: Iterable<DTLSSocket> }): DTLSSocket[] => [...socket.sessions];

async function messages(socket: dgram.Socket, count: number): Promise<string[]> {
  const all: string[] = [];
  await within(
    new Promise<void>((resolve) => {
      socket.on('message', (message: Buffer) => {
        if (all.push(message.toString()) === count) resolve();
      });
    }),
    `${String(count)} messages`,
  );
  return all;
}

const selves: [string, SocketDtlsOptions][] = [['with DTLS 1.2', {}]];
if (features.dtls13 !== false) {
  selves.push(['with both versions', UP_TO_DTLS13], ['with DTLS 1.3', DTLS13]);
}

describe('createSocket: sessions', () => {
  afterEach(closeSockets);

  it('shakes hands at the first send, and answers over the same session', async () => {
    const server = await bound(secure());
    const client = secure();
    server.on('message', (message, info) => {
      server.send(`re: ${message.toString()}`, info.port, info.address);
    });
    const answer = received(client);
    const outcome = await sent(client, 'hello', server);
    expect(outcome).to.deep.equal({ bytes: 5 });
    expect((await answer).text).to.equal('re: hello');
    expect(sessionsOf(server)).to.have.length(1);
    expect(sessionsOf(client)).to.have.length(1);
    expect(server.stats.handshakesCompleted).to.equal(1);
    expect(client.stats.handshakesCompleted).to.equal(1);
  });

  it('lets nothing leave in clear', async () => {
    const server = await bound(secure());
    const wire: Buffer[] = [];
    const relay = await bound(track(dgram.createSocket('udp4')));
    let clientPort = 0;
    relay.on('message', (datagram, info) => {
      wire.push(datagram);
      const fromServer = info.port === server.address().port;
      if (!fromServer) clientPort = info.port;
      relay.send(datagram, fromServer ? clientPort : server.address().port, '127.0.0.1');
    });
    const client = secure();
    const arrival = received(server);
    await sent(client, 'a secret that is easy to find', relay);
    expect((await arrival).text).to.equal('a secret that is easy to find');
    expect(Buffer.concat(wire).includes('secret')).to.be.false;
    expect(wire.length).to.be.above(4);
  });

  it('keeps what is sent before the session is open, in order', async () => {
    const server = await bound(secure());
    const client = secure();
    const all = messages(server, 20);
    const { port } = server.address();
    const callbacks: number[] = [];
    for (let i = 0; i < 20; ++i) {
      client.send(`message ${String(i)}`, port, '127.0.0.1', (error) => {
        expect(error).to.equal(null);
        callbacks.push(i);
      });
    }
    expect(await all).to.deep.equal(Array.from({ length: 20 }, (_, i) => `message ${String(i)}`));
    expect(callbacks).to.deep.equal(Array.from({ length: 20 }, (_, i) => i));
  });

  it('copies what waits: the caller may use its memory again', async () => {
    const server = await bound(secure());
    const client = secure();
    const arrival = received(server);
    const memory = Buffer.from('first');
    client.send(memory, server.address().port, '127.0.0.1');
    memory.fill('x');
    expect((await arrival).text).to.equal('first');
  });

  it('says on the callback that the queue is full', async () => {
    const server = await bound(secure());
    const client = secure({ ...PSK, maxQueueSize: 100 });
    const arrival = messages(server, 2);
    const outcomes = await Promise.all([
      sent(client, 'a'.repeat(60), server),
      sent(client, 'b'.repeat(60), server),
      sent(client, 'c'.repeat(40), server),
    ]);
    expect(outcomes.map(codeOf)).to.deep.equal([undefined, 'ERR_DTLS_QUEUE_FULL', undefined]);
    expect((await arrival).map((text) => text[0])).to.deep.equal(['a', 'c']);
  });

  it('says who the peer is', async () => {
    const server = await bound(secure());
    const client = secure();
    const arrival = received(server);
    await sent(client, 'hello', server);
    const { info } = await arrival;
    const { socket, ...rest } = info;
    expect({ ...info }).to.deep.equal({
      address: '127.0.0.1',
      family: 'IPv4',
      port: client.address().port,
      size: 5,
      authorized: true,
      pskIdentity: 'device',
    });
    expect(socket.getCipher()?.name).to.include('PSK');
    expect(JSON.parse(JSON.stringify(info))).to.not.have.property('socket');
    expect(rest.port).to.equal(client.address().port);
  });

  it('reports a peer that cannot be reached by peerError, ends every callback, and begins anew with the next send', async () => {
    const client = secure({ ...PSK, ...QUICK });
    const silent = await bound(track(dgram.createSocket('udp4')));
    const failures: [DTLSError, Peer][] = [];
    client.on('peerError', (error: DTLSError, peer: Peer) => failures.push([error, peer]));
    const where = silent.address();
    const outcomes = await Promise.all([
      sent(client, 'one', silent),
      sent(client, 'two', silent),
      sent(client, 'three', silent),
    ]);
    expect(outcomes).to.deep.equal([{ bytes: 3 }, { bytes: 3 }, { bytes: 5 }]);
    expect(failures).to.have.length(1);
    expect(failures[0]?.[0].code).to.equal('ERR_DTLS_NO_RESPONSE');
    expect(failures[0]?.[1]).to.include({ address: '127.0.0.1', port: where.port });
    expect(sessionsOf(client)).to.have.length(0);

    await new Promise<void>((resolve) => silent.close(() => { resolve(); }));
    const server = await bound(secure(), where.port);
    const arrival = received(server);
    expect(await sent(client, 'four', server)).to.deep.equal({ bytes: 4 });
    expect((await arrival).text).to.equal('four');
  });

  it('reports a peer that refuses', async () => {
    const server = await bound(secure({ psk: { identity: 'other', psk: KEY } }));
    const refused = once(server, 'peerError');
    const client = secure({ ...PSK, ...QUICK });
    const outcome = await sent(client, 'hello', server);
    expect(codeOf(outcome)).to.match(/^ERR_DTLS_ALERT_/);
    const [error] = (await refused) as [DTLSError];
    expect(error.code).to.equal('ERR_DTLS_PSK_IDENTITY_UNKNOWN');
  });

  it('never emits error for what a peer does', async () => {
    const server = await bound(secure());
    const client = secure({ psk: { identity: 'device', psk: Buffer.alloc(16) }, ...QUICK });
    const failed = once(client, 'peerError');
    client.send('no callback', server.address().port, '127.0.0.1');
    await within(failed, 'peerError');
    // Neither end has a listener for 'error': it would have thrown.
    expect(client.listenerCount('error') + server.listenerCount('error')).to.equal(0);
  });

  for (const repeat of [1, 2, 3, 4]) {
    it(`settles on one session when both ends begin at once (${String(repeat)})`, async () => {
      const [a, b] = [await bound(secure()), await bound(secure())];
      const [atA, atB] = [messages(a, 2), messages(b, 2)];
      const outcomes = await Promise.all([
        sent(a, 'from a', b),
        sent(b, 'from b', a),
        sent(a, 'from a', b),
        sent(b, 'from b', a),
      ]);
      expect(outcomes).to.deep.equal(Array(4).fill({ bytes: 6 }));
      expect(await atA).to.deep.equal(['from b', 'from b']);
      expect(await atB).to.deep.equal(['from a', 'from a']);
      await within(
        (async () => {
          while (sessionsOf(a).length !== 1 || sessionsOf(b).length !== 1) {
            await new Promise((resolve) => setTimeout(resolve, 5));
          }
        })(),
        'one session at each end',
      );
      expect(sessionsOf(a)[0]?.readyState).to.equal('open');
      expect(sessionsOf(b)[0]?.readyState).to.equal('open');
    });
  }

  for (const [what, dtls] of selves) {
    it(`does not take itself for its peer when somebody hands it its own hello, ${what}`, async () => {
      const [near, far] = [await bound(track(dgram.createSocket('udp4'))), await bound(track(dgram.createSocket('udp4')))];
      const socket = await bound(secure({ ...PSK, ...QUICK, ...dtls }));
      const { port } = socket.address();
      near.on('message', (datagram) => { far.send(datagram, port, '127.0.0.1'); });
      far.on('message', (datagram) => { near.send(datagram, port, '127.0.0.1'); });
      let own = 0;
      socket.on('message', () => ++own);
      const failed = once(socket, 'peerError');
      await sent(socket, 'open the gate', near);
      expect((await within(failed, 'peerError'))[0]).to.include({ category: 'timeout' });
      expect(own).to.equal(0);
      expect(socket.stats).to.include({ handshakesCompleted: 0 }).and.have.property('hellosRefused').that.is.above(0);
    });
  }

  for (const earlier of [false, true]) {
    it(`what waits while a peer begins, and gives up, has a handshake of its own${earlier ? ', after an earlier session' : ''}`, async () => {
      const raw = await bound(track(dgram.createSocket('udp4')));
      const server = createServer({ psk: { identity: 'device', psk: KEY }, transport: raw });
      server.listen();
      await once(server, 'listening');
      const got: string[] = [];
      server.on('secureConnection', (session) => session.on('message', (message) => got.push(message.toString())));
      const socket = await bound(secure());
      if (earlier) await sent(socket, 'earlier', raw);
      const other = connect({ host: '127.0.0.1', port: socket.address().port, psk: () => new Promise(() => undefined), transport: raw });
      other.on('error', () => undefined);
      await within((async () => { while (!sessionsOf(socket).some(({ readyState }) => readyState !== 'open')) await sleep(5); })(), 'a handshake');
      for (const session of sessionsOf(socket).filter(({ readyState }) => readyState === 'open')) {
        const ended = once(session, 'close');
        session.close();
        await ended;
      }
      const outcome = sent(socket, 'for the server', raw);
      const told = once(socket, 'peerError');
      other.destroy();
      expect(await outcome).to.deep.equal({ bytes: 14 });
      await within((async () => { while (!got.includes('for the server')) await sleep(5); })(), 'the message');
      expect((await told)[0]).to.include({ code: 'ERR_DTLS_ALERT_CLOSE_NOTIFY' });
      server.close();
    });
  }

  it('a dial that was about to begin waits for the handshake that the peer began meanwhile', async () => {
    let answer = (): void => undefined;
    const asked = new Promise<void>((resolve) => (answer = resolve));
    const socket = await bound(secure({ ...PSK, peers: () => asked.then(() => undefined) }));
    const credentials = { identity: 'device', psk: KEY };
    const peer = await bound(secure({ psk: () => sleep(100).then(() => credentials), role: 'client' }));
    const [here, there] = [received(socket), received(peer)];
    const outcome = sent(socket, 'from here', peer);
    const back = sent(peer, 'from there', socket);
    await within((async () => { while (sessionsOf(socket).length === 0) await sleep(1); })(), 'a handshake');
    answer();
    expect(await Promise.all([outcome, back])).to.deep.equal([{ bytes: 9 }, { bytes: 10 }]);
    expect([(await here).text, (await there).text]).to.deep.equal(['from there', 'from here']);
  });

  it('one socket has many peers, of both roles', async () => {
    const hub = await bound(secure());
    const peers = await Promise.all(Array.from({ length: 8 }, () => bound(secure())));
    const got: Received[] = [];
    hub.on('message', (message, info) => {
      got.push({ text: message.toString(), message, info: info });
    });
    await Promise.all(
      peers.map(async (peer, i) => {
        const arrival = i % 2 === 0 ? received(peer) : undefined;
        await (i % 2 === 0 ? sent(hub, `to ${String(i)}`, peer) : sent(peer, `from ${String(i)}`, hub));
        if (arrival !== undefined) expect((await arrival).text).to.equal(`to ${String(i)}`);
      }),
    );
    expect(sessionsOf(hub)).to.have.length(8);
    expect(hub.stats.sessions).to.equal(8);
  });

  it('works over IPv6, whatever the spelling', async function () {
    const server = secure(PSK, { type: 'udp6' });
    server.bind(0, '::1');
    await once(server, 'listening').catch((error: unknown) => {
      skip(this, `no IPv6 here: ${String(error)}`);
    });
    const client = secure(PSK, { type: 'udp6' });
    const { port } = server.address();
    const arrival = messages(server, 5);
    await sent(client, 'one', { port, address: '::1' });
    await sent(client, 'two', { port, address: '0:0:0:0:0:0:0:1' });
    await new Promise((resolve) => {
      client.send('three', port, resolve);
    });
    // RFC 4007 section 11: no zone, and one that says nothing of such an address.
    await sent(client, 'four', { port, address: '::1%0' });
    await sent(client, 'five', { port, address: '::1%1' });
    expect(await arrival).to.deep.equal(['one', 'two', 'three', 'four', 'five']);
    expect(sessionsOf(client)).to.have.length(1);
  });

  it('a connected socket hears of its own peer alone that nobody listens', async function () {
    if (process.platform !== 'linux') skip(this, 'errors of ICMP are told as on Linux');
    const gone = await bound(dgram.createSocket('udp4'));
    const dead = gone.address().port;
    gone.close();
    const server = await bound(secure());
    const client = await bound(secure({ ...PSK, ...QUICK, role: 'client' }));
    const errors: Error[] = [];
    client.on('error', (error) => errors.push(error));
    const told = once(client, 'peerError');
    const outcome = sent(client, 'to nobody', { port: dead, address: '127.0.0.1' });
    client.connect(server.address().port, '127.0.0.1');
    expect(await outcome).to.satisfy((one: Outcome) => 'bytes' in one || codeOf(one) !== 'ECONNREFUSED');
    await within(told, 'peerError');
    const arrival = received(server);
    client.send('to the server');
    expect((await arrival).text).to.equal('to the server');
    expect(errors).to.deep.equal([]);
  });

  it('reaches a zone by its number, as os.networkInterfaces() has it', function () {
    if (process.platform !== 'linux') skip(this, 'network namespaces are of Linux');
    const link = 'ip link set lo up && ip -6 addr add fe80::1/64 dev lo nodad && ip -6 addr add fe80::2/64 dev lo nodad';
    const inside = ['--net', ...(process.geteuid?.() === 0 ? [] : ['--user', '--map-root-user']), 'sh', '-c', `${link} && exec "$@"`, 'sh'];
    const probe = spawnSync('unshare', [...inside, 'true'], { encoding: 'utf8' });
    if (probe.status !== 0) skip(this, `needs unshare and ip: ${probe.error?.message ?? probe.stderr}`);
    for (const transport of ['native', 'dgram']) {
      const program = [process.execPath, '--require', 'tsx/cjs', fixture('zones.ts')];
      const env = { ...process.env, DGRAM_DTLS_TRANSPORT: transport };
      const { stdout, stderr } = spawnSync('unshare', [...inside, ...program], { encoding: 'utf8', timeout: patience(8000), env });
      expect({ stdout, stderr }).to.deep.equal({ stdout: 'createSocket: hello\nconnect: hello\n', stderr: '' });
    }
  });

  it('a connected socket sends without an address', async () => {
    const server = await bound(secure());
    const client = secure();
    client.connect(server.address().port, '127.0.0.1');
    await within(once(client, 'connect'), 'connect');
    const arrival = received(server);
    await new Promise((resolve) => {
      client.send('hello', resolve);
    });
    expect((await arrival).text).to.equal('hello');
  });

  it('a connected socket hears at once that nobody listens', async function () {
    if (process.platform !== 'linux') skip(this, 'on Linux ICMP errors come at once');
    const nobody = await bound(track(dgram.createSocket('udp4')));
    const { port } = nobody.address();
    await new Promise<void>((resolve) => nobody.close(() => { resolve(); }));
    const client = secure();
    const failed = once(client, 'error');
    let errors = 0;
    client.on('error', () => { errors += 1; });
    client.connect(port, '127.0.0.1');
    await within(once(client, 'connect'), 'connect');
    const outcome = await within(
      new Promise<NodeJS.ErrnoException | null>((resolve) => {
        client.send('hello', resolve);
      }),
      'the callback',
    );
    expect(outcome?.code).to.equal('ECONNREFUSED');
    expect(((await failed)[0] as DTLSError).code).to.equal('ECONNREFUSED');
    await new Promise((resolve) => setTimeout(resolve, patience(100)));
    expect(errors, 'one refusal').to.equal(1);
  });
});
