/**
 * Protects: how sessions and sockets of createSocket end. Peers are told, what waits is reported, and the
 * next message begins anew.
 */
import { expect } from 'chai';
import dgram from 'node:dgram';
import { getEventListeners, once } from 'node:events';
import type { BlockList } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import type { DTLSSocket } from '../../lib/index';
import { createSocket } from '../../lib/index';
import { within } from '../helpers/pair';
import { bound, closeSockets, codeOf, KEY, PSK, QUICK, received, secure, sent, track } from './support';

const sessionsOf = (socket: { sessions: Iterable<DTLSSocket> }): DTLSSocket[] => [...socket.sessions];

describe('createSocket: endings', () => {
  afterEach(closeSockets);

  it('close tells the peer at once', async () => {
    const server = await bound(secure());
    const client = await bound(secure());
    await sent(client, 'hello', server);
    const [session] = sessionsOf(server);
    const ended = once(session ?? server, 'close');
    client.close();
    expect(() => client.address()).to.throw();
    expect((await within(ended, 'close'))[0]).to.be.false;
    expect(sessionsOf(server)).to.have.length(0);
    expect(client.stats.handshakesCompleted).to.equal(1);
  });

  it('no event comes after close, and no secret', async () => {
    const events: string[] = [];
    let askedTimes = 0;
    const closed = new Promise<void>((resolve) => {
      const server = secure({
        role: 'server',
        pskCallback: () => {
          askedTimes += 1;
          process.nextTick(() => server.close());
          return KEY;
        },
      });
      for (const name of ['keylog', 'secureConnection', 'peerError', 'error', 'packet', 'message', 'close']) {
        server.on(name, () => events.push(name));
      }
      server.on('close', resolve);
      server.bind(0, '127.0.0.1', () => {
        const client = secure({ ...PSK, ...QUICK });
        client.on('peerError', () => undefined);
        client.send('hello', server.address().port, '127.0.0.1');
      });
    });
    await within(closed, 'close');
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(askedTimes).to.equal(1);
    expect(events).to.deep.equal(['close']);
  });

  it('close in a message handler tells the peer, too', async () => {
    const server = await bound(secure());
    const client = await bound(secure());
    server.on('message', () => {
      server.close();
    });
    const outcome = await sent(client, 'hello', server);
    expect(outcome).to.deep.equal({ bytes: 5 });
    const [session] = sessionsOf(client);
    if (session !== undefined) await within(once(session, 'close'), 'close');
  });

  it('close reports to callbacks of what still waits', async () => {
    const client = secure();
    const silent = await bound(track(dgram.createSocket('udp4')));
    const order: string[] = [];
    const outcome = sent(client, 'hello', silent).then((o) => {
      order.push(codeOf(o) ?? 'sent');
    });
    client.close(() => order.push('close'));
    await outcome;
    await new Promise((resolve) => setImmediate(resolve));
    expect(order).to.include.members(['ERR_SOCKET_DGRAM_NOT_RUNNING', 'close']);
  });

  it('a session that the peer ended is made anew by the next send', async () => {
    const server = await bound(secure());
    const client = secure();
    await sent(client, 'one', server);
    const [first] = sessionsOf(client);
    const ended = once(first ?? client, 'close');
    for (const session of sessionsOf(server)) session.close();
    await within(ended, 'close');
    const arrival = received(server);
    expect(await sent(client, 'two', server)).to.deep.equal({ bytes: 3 });
    expect((await arrival).text).to.equal('two');
    expect(client.stats.handshakesCompleted).to.equal(2);
  });

  it('what a socket that serves sends to a session that has just failed is refused later, and not within send()', async () => {
    const server = await bound(secure({ ...PSK, role: 'server' }));
    server.on('message', (_, { socket }) => socket.destroy(new Error('enough')));
    const calls: string[] = [];
    let sending = false;
    const told = new Promise<void>((resolve) => {
      server.on('peerError', ({ code }, { port, address }) => {
        calls.push(sending ? `${code} within send()` : code);
        if (calls.length > 2) resolve();
        else {
          sending = true;
          server.send('again', port, address);
          sending = false;
        }
      });
    });
    await sent(await bound(secure()), 'hello', server);
    await within(told, 'peerError');
    expect(calls).to.deep.equal(['ERR_DTLS_DESTROYED', 'ERR_DTLS_NO_SESSION', 'ERR_DTLS_NO_SESSION']);
  });

  it('a peer that restarts on the same port is served', async () => {
    const server = await bound(secure());
    server.on('message', (message, info) => {
      server.send(message, info.port, info.address);
    });
    const first = await bound(secure());
    const { port } = first.address();
    await sent(first, 'one', server);
    // It vanishes without a word: its close_notify is lost.
    const gone = once(first, 'close');
    dgram.Socket.prototype.close.call(first);
    await gone;
    const second = await bound(secure(), port);
    const answer = received(second);
    await sent(second, 'two', server);
    expect((await answer).text).to.equal('two');
    // Its session is still there: dgram's own close knows of none.
    expect(() => first.close()).to.throw().with.property('code', 'ERR_SOCKET_DGRAM_NOT_RUNNING');
  });

  it('an abort signal closes, also one that was aborted before', async () => {
    const controller = new AbortController();
    const socket = secure(PSK, { signal: controller.signal });
    const closed = once(socket, 'close');
    controller.abort();
    await within(closed, 'close');
    const late = createSocket({ type: 'udp4', signal: AbortSignal.abort(), dtls: PSK });
    await within(once(late, 'close'), 'close');
  });

  it('a socket whose options are refused leaves nothing at an abort signal', async () => {
    for (const refused of [{ dtls: { ...PSK, mtu: 1 } }, { dtls: PSK, receiveBlockList: new Set() as unknown as BlockList }]) {
      const controller = new AbortController();
      expect(() => createSocket({ type: 'udp4', signal: controller.signal, ...refused })).to.throw();
      controller.abort(); // what this would throw nobody could catch
      await turn();
      expect(getEventListeners(controller.signal, 'abort')).to.deep.equal([]);
    }
    expect(() => createSocket({ type: 'udp4', signal: AbortSignal.abort(), dtls: { ...PSK, mtu: 1 } }))
      .to.throw()
      .with.property('code', 'ERR_OUT_OF_RANGE');
  });

  it('a bind that fails fails what waits', async () => {
    const taken = await bound(secure());
    const socket = secure();
    socket.on('error', () => undefined);
    socket.bind(taken.address().port, '127.0.0.1');
    expect(codeOf(await sent(socket, 'hello', taken))).to.equal('EADDRINUSE');
  });

  it('a bind that fails takes the connect() behind it along, and the socket closes as any other', async () => {
    const taken = await bound(secure());
    const socket = secure();
    const failed = once(socket, 'listening').catch((error: unknown) => error);
    socket.bind(taken.address().port, '127.0.0.1');
    socket.connect(taken.address().port, '127.0.0.1');
    expect(await failed).to.include({ code: 'EADDRINUSE' });
    socket.bind(0, '127.0.0.1');
    const waiting = sent(socket, 'hello', taken);
    socket.close();
    expect(() => {
      socket.send('too late', taken.address().port, '127.0.0.1');
    }).to.throw().with.property('code', 'ERR_SOCKET_DGRAM_NOT_RUNNING');
    expect(codeOf(await waiting)).to.equal('ERR_SOCKET_DGRAM_NOT_RUNNING');
  });
});
