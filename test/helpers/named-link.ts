/** A transport whose peers have names of their own, as one over ICE has: `ice:<ufrag>`. */
import dgram from 'node:dgram';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { DatagramReceiver, DatagramTransport, Peer } from '../../lib/index';

export class NamedLink implements DatagramTransport {
  readonly #socket: dgram.Socket;
  readonly #ports = new Map<string, number>();
  /** What a peer on that port is called. */
  nameOf: (port: number) => string = (port) => `ice:${String(port)}`;

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
    this.#socket.on('message', (datagram, { port }) => {
      const address = this.nameOf(port);
      this.#ports.set(address, port);
      receiver.receive(datagram, { address, port: 0, family: 'IPv4' });
    });
  }

  send(datagrams: readonly Uint8Array[], peer: Peer, done?: (error: Error | null) => void): boolean {
    for (const datagram of datagrams) this.#socket.send(datagram, this.#ports.get(peer.address), '127.0.0.1');
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
