/** A path between a client and a server over real sockets: it shows each datagram, and can keep it. */
import dgram from 'node:dgram';
import { once } from 'node:events';

export type Direction = 'toServer' | 'toClient';

export class Relay {
  /** Whether a datagram arrives. */
  passes: (datagram: Buffer, direction: Direction) => boolean = () => true;
  #clientPort = 0;
  readonly #serverPort: number;
  readonly #outer: dgram.Socket;
  readonly #inner: dgram.Socket;

  private constructor(outer: dgram.Socket, inner: dgram.Socket, serverPort: number) {
    this.#outer = outer;
    this.#inner = inner;
    this.#serverPort = serverPort;
    outer.on('message', (datagram, { port }) => {
      this.#clientPort = port;
      if (this.passes(datagram, 'toServer')) this.send(datagram, 'toServer');
    });
    inner.on('message', (datagram) => {
      if (this.passes(datagram, 'toClient')) this.send(datagram, 'toClient');
    });
  }

  static async to(serverPort: number): Promise<Relay> {
    const sockets = [dgram.createSocket('udp4'), dgram.createSocket('udp4')] as const;
    await Promise.all(
      sockets.map((socket) => {
        socket.bind(0, '127.0.0.1');
        return once(socket, 'listening');
      }),
    );
    return new Relay(...sockets, serverPort);
  }

  /** Lets a datagram arrive, whatever `passes` says: one that was kept, or another copy. */
  send(datagram: Buffer, direction: Direction): void {
    if (direction === 'toServer') this.#inner.send(datagram, this.#serverPort, '127.0.0.1');
    else this.#outer.send(datagram, this.#clientPort, '127.0.0.1');
  }

  /** Where a client finds the server. */
  get port(): number {
    return this.#outer.address().port;
  }

  close(): void {
    this.#outer.close();
    this.#inner.close();
  }
}
