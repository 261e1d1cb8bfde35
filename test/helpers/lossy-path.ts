/**
 * A path over real sockets between one client and one server that loses, repeats, delays and
 * reorders by a seed, and writes down what became of each datagram.
 */
import dgram from 'node:dgram';
import { once } from 'node:events';
import { Path, type LinkConditions } from '../../lib/lab/path';

const LOOPBACK = '127.0.0.1';
/** What is reordered is held back for so long. */
const HOLD_MS = 30;

const CONTENT_TYPES: Record<number, string> = {
  20: 'change_cipher_spec',
  21: 'alert',
  22: 'handshake',
  23: 'application_data',
};

/** Its records in words: of handshake messages in clear the type, and which bytes of it. */
function describe(datagram: Buffer): string {
  const records: string[] = [];
  for (let at = 0; at + 13 <= datagram.length; ) {
    const body = datagram.subarray(at + 13, at + 13 + datagram.readUInt16BE(at + 11));
    const epoch = datagram.readUInt16BE(at + 3);
    const name = CONTENT_TYPES[datagram.readUInt8(at)] ?? 'unknown';
    const [offset, size, whole] =
      body.length < 12 ? [0, 0, 0] : [body.readUIntBE(6, 3), body.readUIntBE(9, 3), body.readUIntBE(1, 3)];
    records.push(
      name === 'handshake' && epoch === 0 && body.length >= 12
        ? `message ${body.readUInt16BE(4)} type ${body.readUInt8(0)} bytes ${offset}-${offset + size} of ${whole}`
        : `${name} of epoch ${epoch}, ${body.length} bytes`,
    );
    at += 13 + body.length;
  }
  return records.join('; ');
}

export interface LossyPathOptions {
  readonly seed: string;
  readonly conditions: LinkConditions;
  /**
   * Which are lost whatever the conditions are: the datagram of this number, of both directions, the first is 1, or
   * those of which this says so.
   */
  readonly drop: number | ((datagram: Buffer, direction: Direction) => boolean);
  /** Nothing overtakes anything. */
  readonly inOrder?: boolean;
}

/** To the server, and to the client. */
export type Direction = 'up' | 'down';

export class LossyPath {
  readonly #near: dgram.Socket;
  readonly #far: dgram.Socket;
  readonly #serverPort: number;
  readonly #conditions: LinkConditions;
  readonly #paths: { readonly up: Path; readonly down: Path };
  readonly #drop: (datagram: Buffer, direction: Direction) => boolean;
  readonly #inOrder: boolean;
  /** On their way where nothing overtakes anything: whichever is due, the first of them arrives. */
  readonly #queues: Record<Direction, Buffer[]> = { up: [], down: [] };
  readonly #log: string[] = [];
  readonly #began = performance.now();
  #clientPort = 0;
  #count = 0;
  #closed = false;

  private constructor(
    near: dgram.Socket,
    far: dgram.Socket,
    serverPort: number,
    { seed, drop, conditions, inOrder = false }: LossyPathOptions,
  ) {
    this.#near = near;
    this.#far = far;
    this.#serverPort = serverPort;
    this.#conditions = conditions;
    this.#paths = { up: new Path(`${seed} up`), down: new Path(`${seed} down`) };
    this.#drop = typeof drop === 'function' ? drop : () => this.#count === drop;
    this.#inOrder = inOrder;
    near.on('message', (datagram, { port }) => {
      this.#clientPort = port;
      this.#carry(datagram, 'up');
    });
    far.on('message', (datagram) => {
      this.#carry(datagram, 'down');
    });
    // Either end may have gone already when the last datagrams come.
    for (const socket of [near, far]) socket.on('error', () => undefined);
  }

  /** Clients of `port` reach the server on `serverPort`. */
  static async to(serverPort: number, options: LossyPathOptions): Promise<LossyPath> {
    const near = dgram.createSocket('udp4').bind(0, LOOPBACK);
    const far = dgram.createSocket('udp4').bind(0, LOOPBACK);
    await Promise.all([once(near, 'listening'), once(far, 'listening')]);
    return new LossyPath(near, far, serverPort, options);
  }

  get port(): number {
    return this.#near.address().port;
  }

  /** The client's port as its server sees it. */
  get farPort(): number {
    return this.#far.address().port;
  }

  /** One line for each datagram. */
  get log(): string {
    return this.#log.join('\n');
  }

  close(): void {
    this.#closed = true;
    this.#near.close();
    this.#far.close();
  }

  #carry(datagram: Buffer, direction: Direction): void {
    ++this.#count;
    const copies = this.#drop(datagram, direction)
      ? []
      : this.#paths[direction].fates(datagram, this.#conditions);
    const delays = copies.map(({ delay, reordered }) => delay + (reordered ? HOLD_MS : 0));
    const fate = delays.length === 0 ? 'lost' : delays.map((delay) => `+${delay.toFixed(0)}`).join(' ');
    const at = (performance.now() - this.#began).toFixed(0).padStart(6);
    this.#log.push(`${at} ms ${direction === 'up' ? 'client →' : 'server →'} ${fate}: ${describe(datagram)}`);
    const queue = this.#queues[direction];
    for (const delay of delays) {
      if (this.#inOrder) queue.push(datagram);
      setTimeout(() => {
        this.#deliver(queue.shift() ?? datagram, direction);
      }, delay);
    }
  }

  #deliver(datagram: Buffer, direction: Direction): void {
    if (this.#closed) return;
    if (direction === 'up') this.#far.send(datagram, this.#serverPort, LOOPBACK);
    else this.#near.send(datagram, this.#clientPort, LOOPBACK);
  }
}
