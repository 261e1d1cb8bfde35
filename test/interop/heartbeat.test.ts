// Protects RFC 6520 heartbeats against an implementation that has them in its TLS library, where
// ours are made beside one that has none: GnuTLS's programs answer our requests and are answered
// theirs in every kind of AEAD suite, application data goes on around them, and Wireshark's
// dissector, given the key log, sees heartbeats on the wire.
import { execFile } from 'node:child_process';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';
import { expect } from 'chai';
import type { HeartbeatEvent } from '../../lib/index';
import { Capture } from '../helpers/capture';
import { PATIENCE_MS } from '../helpers/patience';
import { cleanupAfterEach, requirePrograms, temporaryFiles } from '../helpers/peers';
import type { WatchedSocket } from '../helpers/watch';
import {
  FOREIGN,
  PSK_IDENTITY,
  PSK_KEY,
  serverCertificate,
  suite,
  type Foreign,
  type Setup,
  type Suite,
} from './foreign';
import { ciphersFor, ourClient, ourServer } from './ours';

const run = promisify(execFile);

const SUITES = [
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-ECDSA-AES128-CCM',
  'ECDHE-ECDSA-AES128-CCM8',
  'PSK-AES128-GCM-SHA256',
  'PSK-AES256-GCM-SHA384',
  'PSK-CHACHA20-POLY1305',
  'PSK-AES128-CCM',
  'PSK-AES128-CCM8',
].map(suite);

/** What asks gnutls-serv, as a message, for a heartbeat of its own. */
const ASK_FOR_ONE = '**HEARTBEAT**';

describe('heartbeats with GnuTLS', function () {
  const cleanup = cleanupAfterEach(this);
  const [, gnutls] = FOREIGN as [Foreign, Foreign];
  const files = temporaryFiles(this);

  before(function () {
    requirePrograms(this, ...gnutls.programs);
  });

  async function setupOf(one: Suite): Promise<{ setup: Setup; ca?: string }> {
    const base = { suite: one, extra: ['--heartbeat'] };
    if (one.keyType === undefined) {
      return { setup: { ...base, psk: { identity: PSK_IDENTITY, key: PSK_KEY } } };
    }
    const certificate = await serverCertificate(one.keyType);
    return { setup: { ...base, certificate }, ca: certificate.ca };
  }

  const pskClient = { pskCallback: () => ({ identity: PSK_IDENTITY, psk: PSK_KEY }) };

  async function echoed(ours: WatchedSocket, text: string): Promise<void> {
    ours.socket.send(text);
    expect((await ours.message()).toString()).to.equal(text);
  }

  function eventsOf(ours: WatchedSocket): HeartbeatEvent[] {
    const events: HeartbeatEvent[] = [];
    ours.socket.on('heartbeat', (event) => events.push(event));
    return events;
  }

  const said = (events: readonly HeartbeatEvent[]): string[] =>
    events.map(({ direction, type }) => `${direction} ${type}`);

  /** The request that the server sends when asked; after it `before` + 2 events have been seen. */
  async function askedForOne(
    ours: WatchedSocket,
    events: readonly HeartbeatEvent[],
    before: number,
  ): Promise<void> {
    ours.socket.send(ASK_FOR_ONE);
    const deadline = Date.now() + PATIENCE_MS;
    while (events.length < before + 2 && Date.now() < deadline) await setTimeout(5);
    expect(said(events).slice(before)).to.deep.equal(['in request', 'out response']);
  }

  for (const one of SUITES) {
    it(`gnutls-serv answers our client and is answered, ${one.name}`, async () => {
      const { setup, ca } = await setupOf(one);
      const { port } = await gnutls.server(cleanup, files, setup);
      const { client } = ourClient(cleanup, {
        port,
        heartbeat: true,
        ...ciphersFor(one),
        ...(ca === undefined ? pskClient : { ca }),
      });
      const events = eventsOf(client);
      await client.secure();
      expect(client.socket.getCipher()?.name).to.equal(one.name);

      await echoed(client, 'before\n');
      const payload = Buffer.from('is anybody there?');
      const answer = await client.socket.heartbeat(payload);
      expect(answer.payload).to.deep.equal(payload);
      expect(answer.rtt).to.be.within(0, 1000);
      await echoed(client, 'between\n');

      await askedForOne(client, events, 2);
      await echoed(client, 'after\n');
      await client.socket.heartbeat();
      expect(said(events)).to.deep.equal([
        ...['out request', 'in response'],
        ...['in request', 'out response'],
        ...['out request', 'in response'],
      ]);
      const stats = client.socket.stats;
      expect(stats).to.include({ heartbeatsSent: 3, heartbeatsReceived: 3 });
      expect(stats).to.include({ heartbeatsDiscarded: 0, badRecords: 0, discardedRecords: 0 });
    });

    it(`gnutls-cli answers our server, ${one.name}`, async () => {
      const { psk } = (await setupOf(one)).setup;
      const { cert, key } = await serverCertificate(one.keyType);
      const { watched, port } = await ourServer(cleanup, {
        heartbeat: true,
        ...ciphersFor(one),
        ...(one.keyType === undefined ? { pskCallback: () => PSK_KEY } : { cert, key }),
      });
      const peer = gnutls.client(cleanup, files, port, {
        suite: one,
        extra: ['--heartbeat'],
        ...(psk === undefined ? {} : { psk }),
      });
      const ours = await watched.connection();
      const events = eventsOf(ours);
      await ours.secure();
      expect(ours.socket.getCipher()?.name).to.equal(one.name);

      peer.write('before\n');
      expect((await ours.message()).toString()).to.equal('before\n');
      // GnuTLS 3.7 ends with a failed assertion when it is to answer a request without payload.
      for (const size of [1, 16, 200]) {
        const payload = Buffer.alloc(size, 'x');
        expect((await ours.socket.heartbeat(payload)).payload).to.deep.equal(payload);
        ours.socket.send(`between ${size}\n`);
        await peer.sees(new RegExp(`between ${size}$`, 'm'));
      }
      peer.write('after\n');
      expect((await ours.message()).toString()).to.equal('after\n');
      expect(said(events)).to.deep.equal(
        Array.from({ length: 3 }, () => ['out request', 'in response']).flat(),
      );
      expect(ours.socket.stats).to.include({ heartbeatsDiscarded: 0, badRecords: 0 });
    });
  }

  it('a server that was not asked to send none has negotiated none', async () => {
    const one = suite('PSK-AES128-GCM-SHA256');
    const { setup } = await setupOf(one);
    const { port } = await gnutls.server(cleanup, files, { ...setup, extra: [] });
    const { client } = ourClient(cleanup, { port, heartbeat: true, ...pskClient });
    await client.secure();
    const refused = await client.socket.heartbeat().catch((error: unknown) => error);
    expect(refused).to.have.property('code', 'ERR_DTLS_HEARTBEAT_NOT_NEGOTIATED');
    await echoed(client, 'all the same\n');
  });

  it("Wireshark's dissector sees heartbeats", async function () {
    requirePrograms(this, 'tshark');
    const one = suite('PSK-AES128-GCM-SHA256');
    const { setup } = await setupOf(one);
    const { port } = await gnutls.server(cleanup, files, setup);
    const capture = await Capture.to(port);
    cleanup.add(() => capture.close());
    const { client, keylog } = ourClient(cleanup, {
      port: capture.port,
      heartbeat: true,
      ...ciphersFor(one),
      ...pskClient,
    });
    const events = eventsOf(client);
    await client.secure();
    await echoed(client, 'before\n');
    await client.socket.heartbeat('01234567');
    await askedForOne(client, events, 2);
    // The answer has left; what comes back of this has passed the capture behind it.
    await echoed(client, 'after\n');

    const { stdout } = await run('tshark', [
      ...['-r', files.file(capture.pcap())],
      ...['-o', `tls.keylog_file:${files.file(keylog.join(''))}`],
      ...['-d', `udp.port==${port},dtls`],
      ...['-Y', 'dtls.heartbeat_message'],
      ...['-T', 'fields', '-E', 'separator=/s'],
      ...['-e', 'udp.dstport', '-e', 'dtls.record.content_type'],
      ...['-e', 'dtls.heartbeat_message.type', '-e', 'dtls.heartbeat_message.payload_length'],
    ]);
    const lines = stdout.trim().split('\n');
    expect(lines.slice(0, 2)).to.deep.equal([`${port} 24 1 8`, '40000 24 2 8']);
    // The size of GnuTLS's own is its choice; ours answers with the same.
    const [, , asked = '', answered = ''] = lines;
    expect(asked).to.match(/^40000 24 1 \d+$/);
    expect(answered).to.equal(`${port} 24 2 ${asked.split(' ')[3] ?? ''}`);
    expect(lines).to.have.length(4);
  });
});
