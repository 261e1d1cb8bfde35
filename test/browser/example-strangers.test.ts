// Protects examples/media-gateway against who is no browser: it goes on whatever a viewer says, and a viewer that has left is
// nobody any more.
import { expect } from 'chai';
import { X509Certificate } from 'node:crypto';
import dgram from 'node:dgram';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { connect, features, type DatagramReceiver, type DatagramTransport, type DTLSSocket, type Peer } from '../../lib/index';
import { selfSigned, type Certificate } from '../helpers/certificates';
import { cleanupAfterEach, PeerProcess } from '../helpers/peers';
import { START_MS } from './browser-process';
import { bindingRequest } from './stun';

/** A way to the gateway that may be lost. */
class Way implements DatagramTransport {
  lost = false;
  readonly #udp: dgram.Socket;

  constructor(udp: dgram.Socket) {
    this.#udp = udp;
  }

  start(receiver: DatagramReceiver): void {
    this.#udp.on('message', (datagram, { address, port }) => {
      if (!this.lost) receiver.receive(datagram, { address, port, family: 'IPv4' });
    });
  }

  send(datagrams: readonly Uint8Array[], { address, port }: Peer, done?: (error: Error | null) => void): boolean {
    if (!this.lost) for (const datagram of datagrams) this.#udp.send(datagram, port, address);
    if (done !== undefined) process.nextTick(done, null);
    return true;
  }

  address(): AddressInfo {
    return this.#udp.address();
  }

  close(done: () => void): void {
    process.nextTick(done);
  }
}

/** What a page and its browser have: who is no browser may have several. */
class Stranger {
  readonly #udp: dgram.Socket;
  readonly #check: Buffer;
  readonly #certificate: Certificate;
  readonly #gateway: number;

  private constructor(udp: dgram.Socket, check: Buffer, certificate: Certificate, gateway: number) {
    this.#udp = udp;
    this.#check = check;
    this.#certificate = certificate;
    this.#gateway = gateway;
  }

  static async join(url: string, gateway: number): Promise<Stranger> {
    const certificate = await selfSigned({ commonName: 'stranger' });
    const offer = [
      'v=0',
      `a=fingerprint:sha-256 ${new X509Certificate(certificate.cert).fingerprint256}`,
      'm=video 9 UDP/TLS/RTP/SAVPF 96',
      'a=mid:0',
      'a=sendrecv',
      'a=rtpmap:96 VP8/90000',
    ];
    const response = await fetch(new URL('/viewers', url), { method: 'POST', body: JSON.stringify({ sdp: `${offer.join('\r\n')}\r\n` }) });
    const { sdp } = (await response.json()) as { sdp: string };
    const [, ufrag = ''] = /^a=ice-ufrag:(\S+)/m.exec(sdp) ?? [];
    const [, pwd = ''] = /^a=ice-pwd:(\S+)/m.exec(sdp) ?? [];
    const udp = dgram.createSocket('udp4');
    udp.bind(0, '127.0.0.1');
    await once(udp, 'listening');
    return new Stranger(udp, bindingRequest({ ufrag, pwd }), certificate, gateway);
  }

  /** Says that it is where `where` is, and waits for the answer. */
  async check(where: Stranger = this): Promise<void> {
    const answered = once(where.#udp, 'message');
    where.#udp.send(this.#check, this.#gateway, '127.0.0.1');
    await answered;
  }

  dial(handshakeTimeout = START_MS, way = new Way(this.#udp)): DTLSSocket {
    const { cert, key } = this.#certificate;
    return connect({
      host: '127.0.0.1',
      port: this.#gateway,
      transport: way,
      cert,
      key,
      rejectUnauthorized: false,
      ...(features.dtls13 !== false && { maxVersion: 'DTLSv1.3' as const }),
      srtpProfiles: ['SRTP_AEAD_AES_128_GCM'],
      handshakeTimeout,
    });
  }

  way(): Way {
    return new Way(this.#udp);
  }

  close(): void {
    this.#udp.close();
  }
}

describe('examples/media-gateway and strangers', function () {
  this.timeout(2 * START_MS);
  const cleanup = cleanupAfterEach(this);
  let url: string;
  let media: number;

  beforeEach(async () => {
    // Under the Node that the tests have, whichever comes first otherwise.
    const PATH = [path.dirname(process.execPath), process.env.PATH].join(path.delimiter);
    const example = new PeerProcess('npm', ['run', 'example:media-gateway'], { PATH, PORT: '0' }, { group: true });
    cleanup.add(() => example.stop());
    const [, port] = await example.sees(/^media +127\.0\.0\.1:(\d+)/m, START_MS);
    [, url = ''] = await example.sees(/^open +(\S+) in two windows$/m, START_MS);
    media = Number(port);
  });

  async function join(): Promise<Stranger> {
    const stranger = await Stranger.join(url, media);
    cleanup.add(() => {
      stranger.close();
    });
    return stranger;
  }

  async function open(stranger: Stranger, way?: Way): Promise<DTLSSocket> {
    await stranger.check();
    const socket = stranger.dial(START_MS, way);
    cleanup.add(() => {
      socket.destroy();
    });
    await once(socket, 'secureConnect');
    return socket;
  }

  async function states(count: number): Promise<string[]> {
    for (;;) {
      const { viewers } = (await (await fetch(new URL('/counters', url))).json()) as { viewers: { state: string }[] };
      if (viewers.length === count) return viewers.map(({ state }) => state);
    }
  }

  it('a viewer cannot select the path of another one, and nobody is the worse for it', async () => {
    const [one, other] = [await join(), await join()];
    await open(one);
    await open(other);
    await other.check(one);
    await other.check(one);
    expect(await states(2)).to.deep.equal(['open', 'open']);
  });

  it('who has left shakes no hands again from where it was', async () => {
    const one = await join();
    const first = await open(one);
    first.close();
    await once(first, 'close');
    await states(0);
    const again = one.dial(500);
    const [error] = (await once(again, 'error')) as [{ category?: string }];
    expect(error.category).to.equal('timeout');
    await states(0);
  });

  it('a session that is begun anew from the same address takes the place of the one before', async () => {
    const one = await join();
    const way = one.way();
    await open(one, way);
    way.lost = true;
    await open(one);
    expect(await states(1)).to.deep.equal(['open']);
  });

  it('what is no offer is refused with a reason', async () => {
    for (const body of ['null', '5', '{"sdp":5}', '{', '']) {
      expect((await fetch(new URL('/viewers', url), { method: 'POST', body })).status, body).to.equal(400);
    }
  });
});
