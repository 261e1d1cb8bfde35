/**
 * One UDP socket as a WebRTC peer has it (RFC 7983): STUN is answered here, media goes to whoever asks for it, and
 * DTLS to this package, as a transport of its user's. All of it is of one browser.
 */
import dgram from 'node:dgram';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { randomBytes } from 'node:crypto';
import type { DatagramReceiver, DatagramTransport, Peer } from '../../lib/index';
import { answerBinding, type Credentials } from './stun';

/** A browser sends media as soon as its side of DTLS is over, which may be before ours is. */
const HELD = 100;

export type Filter = (datagram: Buffer) => readonly Buffer[];

const isStun = (first: number): boolean => first <= 3;
const isDtls = (first: number): boolean => first >= 20 && first <= 63;
const isMedia = (first: number): boolean => first >= 128 && first <= 191;

export class IceLite implements DatagramTransport {
  /** Ours, for the answer. */
  readonly credentials: Credentials = {
    ufrag: randomBytes(3).toString('hex'),
    pwd: randomBytes(12).toString('hex'),
  };
  /** DTLS in both directions, as it was on the wire. */
  readonly heard: Buffer[] = [];
  readonly said: Buffer[] = [];
  /** What becomes of DTLS that comes, and of DTLS that leaves. */
  filter: Filter = (datagram) => [datagram];
  filterOut: Filter = (datagram) => [datagram];
  /** Where the browser is, once it has chosen this pair of addresses. */
  readonly nominated: Promise<Peer>;
  readonly #udp = dgram.createSocket('udp4');
  #nominate: (peer: Peer) => void = () => undefined;
  #peer: Peer | undefined;
  #media: (packet: Buffer) => void;
  #receiver: DatagramReceiver | undefined;
  #closed: Promise<void> | undefined;
  readonly #held: Buffer[];

  private constructor() {
    const held: Buffer[] = [];
    this.#media = (packet): void => {
      if (held.length < HELD) held.push(packet);
    };
    this.#held = held;
    this.nominated = new Promise((resolve) => (this.#nominate = resolve));
    this.#udp.on('message', (datagram, { address, port }) => {
      this.#take(datagram, { address, port, family: 'IPv4' });
    });
  }

  static async open(): Promise<IceLite> {
    const ice = new IceLite();
    ice.#udp.bind(0, '127.0.0.1');
    await once(ice.#udp, 'listening');
    return ice;
  }

  get port(): number {
    return this.#udp.address().port;
  }

  /** Who takes media, from the first packet on. */
  takeMedia(take: (packet: Buffer) => void): void {
    this.#media = take;
    for (const packet of this.#held.splice(0)) take(packet);
  }

  sendMedia(packet: Buffer): void {
    if (this.#peer !== undefined && this.#closed === undefined) {
      this.#udp.send(packet, this.#peer.port, this.#peer.address);
    }
  }

  shut(): Promise<void> {
    this.#closed ??= new Promise((resolve) => {
      this.#udp.close(() => {
        resolve();
      });
    });
    return this.#closed;
  }

  #take(datagram: Buffer, peer: Peer): void {
    const first = datagram[0] ?? 0;
    if (isStun(first)) {
      const binding = answerBinding(datagram, this.credentials, peer);
      if (binding === undefined) return;
      this.#udp.send(binding.answer, peer.port, peer.address);
      if (!binding.nominated) return;
      this.#peer = peer;
      this.#nominate(peer);
    } else if (isDtls(first)) {
      this.heard.push(datagram);
      for (const passed of this.filter(datagram)) this.#receiver?.receive(passed, peer);
    } else if (isMedia(first)) {
      this.#media(datagram);
    }
  }

  // ---- DatagramTransport ----

  start(receiver: DatagramReceiver): void {
    this.#receiver = receiver;
  }

  send(datagrams: readonly Uint8Array[], peer: Peer, done?: (error: Error | null) => void): boolean {
    const leaving = datagrams.map((datagram) => Buffer.from(datagram));
    this.said.push(...leaving);
    const passed = leaving.flatMap((datagram) => this.filterOut(datagram));
    let left = passed.length;
    let failed: Error | null = null;
    if (left === 0) setImmediate(() => done?.(null));
    for (const datagram of passed) {
      this.#udp.send(datagram, peer.port, peer.address, (error) => {
        failed ??= error;
        if (--left === 0) done?.(failed);
      });
    }
    return true;
  }

  address(): AddressInfo {
    return this.#udp.address();
  }

  close(done: () => void): void {
    this.#receiver = undefined;
    void this.shut().then(done);
  }
}
