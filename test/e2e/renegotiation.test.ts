// Protects open sessions against peers that ask for a renegotiation, by records that are authentic: a
// server answers each ClientHello, and a client each HelloRequest, with the warning alert
// no_renegotiation and nothing else, counts it, and the session goes on.
import { setTimeout } from 'node:timers/promises';
import { expect } from 'chai';
import type { AlertEvent, DTLSSocket } from '../../lib/index';
import { Link, peerOf } from '../../lib/lab/index';
import { closeEverything, dial, listen, messages, next, PSK_CLIENT, PSK_SERVER } from '../helpers/pair';
import { patience } from '../helpers/patience';
import { handshakeMessage, Sealer } from '../helpers/seal';

const HANDSHAKE = 22;
const HELLO_REQUEST = 0;
const CLIENT_HELLO = 1;
const SUITE = { ciphers: 'PSK-AES128-GCM-SHA256' };

/** A ClientHello that would be answered if it could. */
function clientHello(): Buffer {
  return Buffer.concat([
    Buffer.from('fefd', 'hex'),
    Buffer.alloc(32, 7), // random
    Buffer.from('00', 'hex'), // session id
    Buffer.from('00', 'hex'), // cookie
    Buffer.from('000400a800ff', 'hex'), // suites
    Buffer.from('0100', 'hex'), // compression
  ]);
}

describe('renegotiation', () => {
  afterEach(closeEverything);

  const here = peerOf('10.0.0.1', 5684);
  const there = peerOf('10.0.0.2', 40000);

  async function opened(): Promise<{ sealer: Sealer; client: DTLSSocket; peer: DTLSSocket }> {
    const link = new Link('renegotiation');
    const server = await listen({
      ...PSK_SERVER,
      ...SUITE,
      transport: link.attach(here.address, here.port),
    });
    const sealer = new Sealer(link, server);
    const accepted = next(server, 'secureConnection');
    const client = await dial(server, {
      ...PSK_CLIENT,
      ...SUITE,
      host: here.address,
      port: here.port,
      transport: link.attach(there.address, there.port),
    });
    const [[peer]] = await Promise.all([accepted, next(client, 'secureConnect')]);
    return { sealer, client, peer };
  }

  async function converse(one: DTLSSocket, other: DTLSSocket, text: string): Promise<void> {
    const heard = Promise.all([messages(one, 1), messages(other, 1)]);
    one.send(text);
    other.send(text);
    expect((await heard).flat().map(String)).to.deep.equal([text, text]);
  }

  async function refuses(
    asked: DTLSSocket,
    asker: DTLSSocket,
    ask: () => void,
  ): Promise<void> {
    const alerts: AlertEvent[] = [];
    const handshake: string[] = [];
    asked.on('alert', (event) => alerts.push(event));
    asked.on('handshake', ({ direction, message }) => handshake.push(`${direction} ${message}`));
    const sent = asked.stats.datagramsSent;
    const turns = 5;
    for (let turn = 0; turn < turns; ++turn) {
      ask();
      const deadline = Date.now() + patience(2000);
      while (alerts.length <= turn && Date.now() < deadline) await setTimeout(1);
    }
    expect(alerts).to.deep.equal(
      Array.from({ length: turns }, () => ({
        direction: 'out',
        level: 'warning',
        description: 'no_renegotiation',
        code: 100,
      })),
    );
    expect(asked.stats).to.include({ renegotiationsRefused: turns, alertsSent: turns });
    expect(asked.stats.datagramsSent - sent).to.equal(turns);
    expect(handshake.filter((it) => it.startsWith('out'))).to.deep.equal([]);
    expect(asked.readyState).to.equal('open');
    expect(asker.stats.renegotiationsRefused).to.equal(0);
  }

  it('is refused by a server, each time it is asked for', async () => {
    const { sealer, client, peer } = await opened();
    await converse(client, peer, 'before');
    // OpenSSL as a client would end the session for the alert.
    client.on('error', () => undefined);
    await refuses(peer, client, () => {
      sealer.inject('client', HANDSHAKE, handshakeMessage(CLIENT_HELLO, 0, clientHello()), there, here);
    });
    const heard = messages(peer, 1);
    sealer.inject('client', 23, Buffer.from('after'), there, here);
    expect((await heard).map(String)).to.deep.equal(['after']);
    expect(peer.send('a message')).to.equal(true);
    expect(peer.readyState).to.equal('open');
  });

  it('is refused by a server that sees only half of the ClientHello', async () => {
    const { sealer, client, peer } = await opened();
    client.on('error', () => undefined);
    const whole = handshakeMessage(CLIENT_HELLO, 0, clientHello());
    const half = Buffer.from(whole.subarray(0, 32));
    half.writeUIntBE(half.length - 12, 9, 3);
    await refuses(peer, client, () => {
      sealer.inject('client', HANDSHAKE, half, there, here);
    });
    const heard = messages(peer, 1);
    sealer.inject('client', 23, Buffer.from('after'), there, here);
    expect((await heard).map(String)).to.deep.equal(['after']);
  });

  for (const [what, message] of [
    ['messages that no handshake has', handshakeMessage(99, 0, Buffer.alloc(20))],
    ['messages of the other role', handshakeMessage(HELLO_REQUEST, 0, Buffer.alloc(0))],
    ['messages cut short', clientHello().subarray(0, 7)],
  ] as const) {
    it(`${what} are dropped`, async () => {
      const { sealer, peer } = await opened();
      const sent = peer.stats.datagramsSent;
      sealer.inject('client', HANDSHAKE, message, there, here);
      const heard = messages(peer, 1);
      sealer.inject('client', 23, Buffer.from('after'), there, here);
      expect((await heard).map(String)).to.deep.equal(['after']);
      expect(peer.stats).to.include({ discardedRecords: 1, alertsSent: 0, datagramsSent: sent });
    });
  }

  it('is refused by a client, each time it is asked for', async () => {
    const { sealer, client, peer } = await opened();
    await converse(client, peer, 'before');
    peer.on('error', () => undefined);
    await refuses(client, peer, () => {
      sealer.inject('server', HANDSHAKE, handshakeMessage(HELLO_REQUEST, 0, Buffer.alloc(0)), here, there);
    });
    const heard = messages(client, 1);
    sealer.inject('server', 23, Buffer.from('after'), here, there);
    expect((await heard).map(String)).to.deep.equal(['after']);
    expect(client.send('a message')).to.equal(true);
    expect(client.readyState).to.equal('open');
  });
});
