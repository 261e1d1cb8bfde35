/** Transports such as a user might bring. */
import dgram from 'node:dgram';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { DatagramReceiver, DatagramTransport, Peer } from '../../lib/index';

/**
 * Over a UDP socket: it shows each datagram that leaves to `outgoing`, which may change, drop or
 * multiply it, and it can pretend to be full.
 */
export class Link implements DatagramTransport {
  readonly socket: dgram.Socket;
  /** What is sent in place of a datagram. */
  outgoing: (datagram: Buffer) => readonly Buffer[] = (datagram) => [datagram];
  /** `send` returns false. */
  full = false;
  started = 0;
  closed = 0;
  #receiver: DatagramReceiver | undefined;

  private constructor(socket: dgram.Socket) {
    this.socket = socket;
  }

  static async bound(): Promise<Link> {
    const socket = dgram.createSocket('udp4');
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    return new Link(socket);
  }

  get receiver(): DatagramReceiver {
    if (this.#receiver === undefined) throw new Error('the transport was not started');
    return this.#receiver;
  }

  start(receiver: DatagramReceiver): void {
    this.started += 1;
    this.#receiver = receiver;
    this.socket.on('message', (datagram, info) => {
      receiver.receive(datagram, info);
    });
  }

  send(
    datagrams: readonly Uint8Array[],
    peer: Peer,
    done?: (error: Error | null) => void,
  ): boolean {
    for (const datagram of datagrams) {
      for (const out of this.outgoing(Buffer.from(datagram))) {
        this.socket.send(out, peer.port, peer.address);
      }
    }
    if (done !== undefined) process.nextTick(done, null);
    return !this.full;
  }

  /** The transport can take more again. */
  relieve(): void {
    this.full = false;
    this.receiver.drain();
  }

  address(): AddressInfo {
    return this.socket.address();
  }

  close(done: () => void): void {
    this.closed += 1;
    this.socket.close(done);
  }
}

/** Two transports that hand each other their datagrams at once, from within `send`. */
export class Wire implements DatagramTransport {
  #receiver: DatagramReceiver | undefined;
  #other: Wire | undefined;

  static pair(): [Wire, Wire] {
    const pair: [Wire, Wire] = [new Wire(), new Wire()];
    [pair[0].#other, pair[1].#other] = [pair[1], pair[0]];
    return pair;
  }

  start(receiver: DatagramReceiver): void {
    this.#receiver = receiver;
  }

  send(
    datagrams: readonly Uint8Array[],
    _peer: Peer,
    done?: (error: Error | null) => void,
  ): boolean {
    for (const datagram of datagrams) {
      this.#other?.arrive(datagram);
    }
    if (done !== undefined) process.nextTick(done, null);
    return true;
  }

  arrive(datagram: Uint8Array): void {
    this.#receiver?.receive(datagram, { address: 'wire', port: 1, family: 'IPv4' });
  }

  address(): AddressInfo {
    return { address: 'wire', port: 1, family: 'IPv4' };
  }

  close(done: () => void): void {
    this.#receiver = undefined;
    process.nextTick(done);
  }
}
