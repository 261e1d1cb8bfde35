/** A path between a client and a server over real sockets: it shows each datagram, and can keep it. */
import dgram from 'node:dgram';
import { once } from 'node:events';

export type Direction = 'toServer' | 'toClient';

export class Relay {
  /** Whether a datagram arrives. */
  passes: (datagram: Buffer, direction: Direction) => boolean = () => true;
  readonly #outer: dgram.Socket;
  readonly #inner: dgram.Socket;

  private constructor(outer: dgram.Socket, inner: dgram.Socket, serverPort: number) {
    this.#outer = outer;
    this.#inner = inner;
    let clientPort = 0;
    outer.on('message', (datagram, { port }) => {
      clientPort = port;
      if (this.passes(datagram, 'toServer')) inner.send(datagram, serverPort, '127.0.0.1');
    });
    inner.on('message', (datagram) => {
      if (this.passes(datagram, 'toClient')) outer.send(datagram, clientPort, '127.0.0.1');
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

  /** Where a client finds the server. */
  get port(): number {
    return this.#outer.address().port;
  }

  close(): void {
    this.#outer.close();
    this.#inner.close();
  }
}
