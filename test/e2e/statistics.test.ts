/**
 * Protects: that counters of sessions and servers count what has happened, exactly, and outlive the session.
 */
import { expect } from 'chai';
import { Link } from '../helpers/link';
import {
  closeEverything,
  dial,
  listen,
  messages,
  next,
  openOn,
  openPsk,
  PSK_CLIENT,
  PSK_SERVER,
} from '../helpers/pair';

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
