/**
 * A router that translates addresses, in front of one port: each host outside is seen there under a port of the router's,
 * and under another one from `forget` on, as when a router has lost its table.
 */
import dgram from 'node:dgram';
import { once } from 'node:events';

export class Nat {
  /** Where what comes goes to. */
  target = 0;
  readonly #outside = dgram.createSocket('udp4');
  /** By the port of the host outside. */
  readonly #inside = new Map<number, dgram.Socket>();
  /** Those that were forgotten: what is sent there is lost. */
  readonly #forgotten: dgram.Socket[] = [];

  static async open(): Promise<Nat> {
    const nat = new Nat();
    nat.#outside.on('message', (datagram, { port }) => {
      nat.#translated(port).send(datagram, nat.target, '127.0.0.1');
    });
    nat.#outside.bind(0, '127.0.0.1');
    await once(nat.#outside, 'listening');
    return nat;
  }

  get port(): number {
    return this.#outside.address().port;
  }

  /** The ports that are there inside. */
  get ports(): number[] {
    return Array.from(this.#inside.values(), (socket) => socket.address().port);
  }

  forget(): void {
    for (const socket of this.#inside.values()) {
      socket.removeAllListeners('message');
      this.#forgotten.push(socket);
    }
    this.#inside.clear();
  }

  close(): void {
    for (const socket of [this.#outside, ...this.#inside.values(), ...this.#forgotten]) socket.close();
  }

  #translated(port: number): dgram.Socket {
    const known = this.#inside.get(port);
    if (known !== undefined) return known;
    const socket = dgram.createSocket('udp4');
    socket.on('message', (datagram) => {
      this.#outside.send(datagram, port, '127.0.0.1');
    });
    this.#inside.set(port, socket);
    return socket;
  }
}
