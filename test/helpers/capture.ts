/**
 * A UDP forwarder between one client and one server that keeps every datagram, and writes them down
 * as a capture file. Needs no privilege, and misses nothing.
 */
import dgram from 'node:dgram';
import { once } from 'node:events';

export interface CapturedDatagram {
  readonly fromClient: boolean;
  readonly at: number;
  readonly data: Buffer;
}

const LOOPBACK = '127.0.0.1';

export class Capture {
  readonly datagrams: CapturedDatagram[] = [];
  /** What arrives in place of a datagram. */
  forward: (data: Buffer, fromClient: boolean) => readonly Buffer[] = (data) => [data];
  /** Where the client's datagrams go. */
  serverPort: number;
  readonly #near: dgram.Socket;
  readonly #far: dgram.Socket;
  #clientPort: number | undefined;

  private constructor(near: dgram.Socket, far: dgram.Socket, serverPort: number) {
    this.#near = near;
    this.#far = far;
    this.serverPort = serverPort;
    near.on('message', (data, { port }) => {
      this.#clientPort = port;
      this.#keep(true, data);
      for (const out of this.forward(data, true)) far.send(out, this.serverPort, LOOPBACK);
    });
    far.on('message', (data) => {
      if (this.#clientPort === undefined) return;
      this.#keep(false, data);
      for (const out of this.forward(data, false)) near.send(out, this.#clientPort, LOOPBACK);
    });
    // Either end may have gone already when the last datagrams come.
    for (const socket of [near, far]) socket.on('error', () => undefined);
  }

  /** Clients of `port` reach the server on `serverPort`. */
  static async to(serverPort: number): Promise<Capture> {
    const near = dgram.createSocket('udp4').bind(0, LOOPBACK);
    const far = dgram.createSocket('udp4').bind(0, LOOPBACK);
    await Promise.all([once(near, 'listening'), once(far, 'listening')]);
    return new Capture(near, far, serverPort);
  }

  get port(): number {
    return this.#near.address().port;
  }

  /** Sizes of the datagrams of one direction. */
  sizes(fromClient: boolean): number[] {
    return this.datagrams
      .filter((datagram) => datagram.fromClient === fromClient)
      .map(({ data }) => data.length);
  }

  /** Sends the client something more, in the server's name. */
  reply(data: Buffer): void {
    if (this.#clientPort !== undefined) this.#near.send(data, this.#clientPort, LOOPBACK);
  }

  /** Sends the server something more, in the client's name. */
  ask(data: Buffer): void {
    this.#far.send(data, this.serverPort, LOOPBACK);
  }

  /** Resolves when nothing has come for a moment. */
  async quiet(): Promise<void> {
    for (let seen = -1; seen !== this.datagrams.length; ) {
      seen = this.datagrams.length;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** All datagrams as a pcap file, from a client's port 40000 to the server's; in another order, if so wished. */
  pcap(order = (all: CapturedDatagram[]): CapturedDatagram[] => all): Buffer {
    const header = Buffer.alloc(24);
    header.writeUInt32LE(0xa1b2c3d4, 0);
    header.writeUInt16LE(2, 4);
    header.writeUInt16LE(4, 6);
    header.writeUInt32LE(65535, 16);
    header.writeUInt32LE(101, 20); // LINKTYPE_RAW: begins with the IP header
    return Buffer.concat([header, ...order(this.datagrams).map((datagram) => this.#packet(datagram))]);
  }

  async close(): Promise<void> {
    await Promise.all(
      [this.#near, this.#far].map(async (socket) => {
        socket.close();
        await once(socket, 'close');
      }),
    );
  }

  #keep(fromClient: boolean, data: Buffer): void {
    this.datagrams.push({ fromClient, at: performance.timeOrigin + performance.now(), data });
  }

  #packet({ fromClient, at, data }: CapturedDatagram): Buffer {
    const length = 28 + data.length;
    const header = Buffer.alloc(16 + 28);
    header.writeUInt32LE(Math.floor(at / 1000), 0);
    header.writeUInt32LE(Math.floor((at % 1000) * 1000), 4);
    header.writeUInt32LE(length, 8);
    header.writeUInt32LE(length, 12);
    const ip = header.subarray(16);
    ip.writeUInt8(0x45, 0);
    ip.writeUInt16BE(length, 2);
    ip.writeUInt8(64, 8);
    ip.writeUInt8(17, 9);
    ip.set([127, 0, 0, 1], 12);
    ip.set([127, 0, 0, 1], 16);
    ip.writeUInt16BE(fromClient ? 40000 : this.serverPort, 20);
    ip.writeUInt16BE(fromClient ? this.serverPort : 40000, 22);
    ip.writeUInt16BE(8 + data.length, 24); // the checksum stays 0: not computed
    return Buffer.concat([header, data]);
  }
}
