/**
 * A UDP socket on loopback as a transport of the user's: its peers have names of its own, as one over ICE has them
 * (`ice:<ufrag>`), and datagrams come in under any address beside those of the socket.
 */
import dgram from 'node:dgram';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { DatagramReceiver, DatagramTransport, Peer } from '../../lib/index';

export class NamedLink implements DatagramTransport {
  readonly #socket: dgram.Socket;
  #receiver: DatagramReceiver | undefined;
  /** By what they are called: the ports of those that the socket has heard. */
  readonly #ports = new Map<string, number>();
  /** What a peer on that port is called. */
  nameOf: (port: number) => string = (port) => `ice:${String(port)}`;
  /** What was sent to others, who are nowhere. */
  readonly answers: { readonly peer: Peer; readonly datagram: Uint8Array }[] = [];

  private constructor(socket: dgram.Socket) {
    this.#socket = socket;
  }

  static async bound(): Promise<NamedLink> {
    const socket = dgram.createSocket('udp4');
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    return new NamedLink(socket);
  }

  start(receiver: DatagramReceiver): void {
    this.#receiver = receiver;
    this.#socket.on('message', (datagram, { port }) => {
      const address = this.nameOf(port);
      this.#ports.set(address, port);
      receiver.receive(datagram, { address, port: 0, family: 'IPv4' });
    });
  }

  /** A datagram comes from there. */
  forge(datagram: Uint8Array, address: string, port: number): void {
    this.#receiver?.receive(datagram, { address, port, family: 'IPv4' });
  }

  send(datagrams: readonly Uint8Array[], peer: Peer, done?: (error: Error | null) => void): boolean {
    const port = this.#ports.get(peer.address);
    for (const datagram of datagrams) {
      if (port !== undefined) this.#socket.send(datagram, port, '127.0.0.1');
      else this.answers.push({ peer, datagram: Uint8Array.from(datagram) });
    }
    if (done !== undefined) process.nextTick(done, null);
    return true;
  }

  address(): AddressInfo {
    return this.#socket.address();
  }

  close(done: () => void): void {
    this.#socket.close(done);
  }
}
