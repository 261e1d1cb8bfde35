/**
 * Protects: that counters of sessions and servers count what has happened, exactly, and outlive the session.
 */
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { connect, type DTLSServer } from '../../lib/index';
import { automaticTransport } from '../../lib/options/udp';
import { boundSocket } from '../helpers/exchange';
import { Link } from '../helpers/link';
import {
  closeEverything,
  dial,
  listen,
  messages,
  next,
  openOn,
  openPsk,
  portOf,
  PSK_CLIENT,
  PSK_SERVER,
  within,
} from '../helpers/pair';
import { skip } from '../helpers/peers';

/** The first datagram of a client. */
function helloOf(server: DTLSServer): Promise<Uint8Array> {
  return new Promise((resolve) => {
    const client = connect({
      ...PSK_CLIENT,
      host: '127.0.0.1',
      port: portOf(server),
      transport: {
        start: () => undefined,
        send: (datagrams: readonly Uint8Array[]) => {
          resolve(Buffer.concat(datagrams));
          client.destroy();
          return true;
        },
        address: () => ({ address: '127.0.0.1', port: 1, family: 'IPv4' }),
        close: (done: () => void) => {
          done();
        },
      },
    });
  });
}

describe('data statistics', () => {
  afterEach(closeEverything);

  it('count exactly in a clean session, and add up on the server', async () => {
    const server = await listen(PSK_SERVER);
    const pairs = [await openOn(server, PSK_CLIENT), await openOn(server, PSK_CLIENT)];
    for (const [index, { client, peer }] of pairs.entries()) {
      const atPeer = messages(peer, index + 2);
      for (let i = 0; i < index + 2; ++i) client.send(Buffer.alloc(100));
      await atPeer;
      const atClient = messages(client, 1);
      peer.send('answer');
      await atClient;
      const none = { retransmissions: 0, replays: 0, badRecords: 0, discardedRecords: 0 };
      expect(client.stats).to.include({
        ...none,
        messagesSent: index + 2,
        messageBytesSent: (index + 2) * 100,
        messagesReceived: 1,
        messageBytesReceived: 6,
        alertsReceived: 0,
        alertsSent: 0,
      });
      expect(peer.stats).to.include({
        ...none,
        messagesReceived: index + 2,
        messageBytesReceived: (index + 2) * 100,
        messagesSent: 1,
        messageBytesSent: 6,
        alertsReceived: 0,
        alertsSent: 0,
      });
      // The client has the cookie exchange on top: one datagram each way, of which the server's
      // session knows nothing, as there is none before a cookie has come back.
      expect(client.stats.datagramsSent).to.equal(peer.stats.datagramsReceived + 1);
      expect(client.stats.datagramsReceived).to.equal(peer.stats.datagramsSent + 1);
    }
    const closed = pairs.flatMap(({ client, peer }) => [
      next(client, 'close'),
      next(peer, 'close'),
    ]);
    for (const { client } of pairs) client.close();
    await Promise.all(closed);
    for (const { client, peer } of pairs) {
      expect(client.stats).to.include({ alertsSent: 1, alertsReceived: 0 });
      expect(peer.stats).to.include({ alertsSent: 1, alertsReceived: 1 });
    }
    const { stats } = server;
    expect(stats).to.deep.include({
      cookiesSent: 2,
      cookiesAccepted: 2,
      cookiesRefused: 0,
      handshakesStarted: 2,
      handshakesCompleted: 2,
      handshakesFailed: 0,
      sessionsRefused: 0,
      nonDtlsDatagrams: 0,
      emptyDatagrams: 0,
      malformedDatagrams: 0,
      transportErrors: 0,
      sessions: 0,
      failures: {},
    });
    for (const name of [
      'messagesReceived',
      'messagesSent',
      'messageBytesReceived',
      'messageBytesSent',
      'alertsReceived',
      'alertsSent',
      'retransmissions',
      'badRecords',
    ] as const) {
      const sum = pairs.reduce((total, { peer }) => total + peer.stats[name], 0);
      expect(stats[name], name).to.equal(sum);
    }
    const incoming = pairs.reduce((total, { client }) => total + client.stats.datagramsSent, 0);
    expect(stats.datagramsReceived).to.equal(incoming);
    const outgoing = pairs.reduce((total, { peer }) => total + peer.stats.datagramsSent, 0);
    expect(stats.datagramsSent).to.equal(outgoing + stats.cookiesSent);
  });

  it('count no error of the transport where a peer closes, as the answer to its close_notify comes back by ICMP', async () => {
    const server = await listen(PSK_SERVER);
    for (let i = 0; i < 5; ++i) {
      const { client, peer } = await openOn(server, PSK_CLIENT);
      const closed = next(peer, 'close');
      await client[Symbol.asyncDispose]();
      await closed;
    }
    await sleep(100);
    expect(server.stats).to.include({ sessions: 0, transportErrors: 0 });
  });

  it('count no error of the transport where a hello comes under an address at which nobody listens', async () => {
    const server = await listen(PSK_SERVER);
    const stranger = await boundSocket();
    const hello = await helloOf(server);
    await new Promise((resolve) => {
      stranger.send(hello, portOf(server), '127.0.0.1', resolve);
    });
    stranger.close(); // before the HelloVerifyRequest comes
    await sleep(100);
    expect(server.stats.cookiesSent).to.equal(1);
    expect(server.stats.transportErrors).to.equal(0);
  });

  it('count each datagram of an open session that comes back by ICMP', async function () {
    if (automaticTransport() === 'dgram') skip(this, 'node:dgram hears of no ICMP here');
    const server = await listen(PSK_SERVER);
    const socket = await boundSocket();
    const { client, peer } = await openOn(server, { ...PSK_CLIENT, transport: socket });
    client.on('error', () => undefined);
    socket.close(); // so that the client cannot say goodbye
    await once(socket, 'close');
    peer.send('anybody there?');
    await within(
      (async () => {
        while (server.stats.transportErrors === 0) await sleep(5);
      })(),
      'an error that counts',
    );
    expect(server.stats.transportErrors).to.be.at.least(1);
  });

  it('count bytes as they are on the wire', async () => {
    const { client, peer } = await openPsk({}, { ciphers: 'PSK-AES128-GCM-SHA256' });
    const before = { sent: client.stats.bytesSent, received: peer.stats.bytesReceived };
    const arrived = messages(peer, 1);
    client.send(Buffer.alloc(100));
    await arrived;
    // Header 13, explicit nonce 8, tag 16 (RFC 5288).
    expect(client.stats.bytesSent - before.sent).to.equal(137);
    expect(peer.stats.bytesReceived - before.received).to.equal(137);
  });

  it('count replays and what cannot be authenticated', async () => {
    const server = await listen(PSK_SERVER);
    const link = await Link.bound();
    const { client, peer } = await openOn(server, { ...PSK_CLIENT, transport: link });
    const received: string[] = [];
    peer.on('message', (message) => received.push(message.toString()));
    link.outgoing = (datagram) => {
      const forged = Buffer.from(datagram);
      forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1;
      return [forged, datagram, datagram];
    };
    client.send('once');
    link.outgoing = (datagram) => [datagram];
    client.send('end');
    await messages(peer, 2 - received.length);
    expect(received).to.deep.equal(['once', 'end']);
    expect(peer.stats).to.include({ replays: 1, badRecords: 1, messagesReceived: 2 });
  });

  it('stay readable after the end, and are zero before the beginning', async () => {
    const server = await listen(PSK_SERVER);
    expect(server.stats.handshakesStarted).to.equal(0);
    const early = await dial(server, PSK_CLIENT);
    expect(early.stats.datagramsSent).to.equal(0);
    const { client } = await openOn(server, PSK_CLIENT);
    client.send('x');
    await client[Symbol.asyncDispose]();
    expect(client.stats.messagesSent).to.equal(1);
    await server[Symbol.asyncDispose]();
    expect(server.stats.handshakesCompleted).to.be.at.least(1);
  });
});
