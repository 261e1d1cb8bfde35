/**
 * Several ways between a client and a server, each with an address of its own for either of them, as ICE has pairs of
 * candidates: what the client sends to one reaches the server from there, and back.
 */
import dgram from 'node:dgram';
import { once } from 'node:events';
import type { Peer } from '../../lib/index';

type Direction = 'up' | 'down';

async function bind(): Promise<dgram.Socket> {
  const socket = dgram.createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return socket;
}

const placeOf = (socket: dgram.Socket): Pick<Peer, 'address' | 'port'> => ({ address: '127.0.0.1', port: socket.address().port });

const paths = new Set<Path>();

export class Path {
  readonly #toClient: dgram.Socket;
  readonly #toServer: dgram.Socket;
  /** Where the client is: known when it has sent something. */
  clientPort: number | undefined;
  readonly #server: number;
  #held: (() => void)[] | undefined;
  /** Datagrams of which it says no are lost. */
  passes: (datagram: Buffer, direction: Direction) => boolean = () => true;
  /** Those that came. */
  readonly seen: Record<Direction, Buffer[]> = { up: [], down: [] };
  /** The server's address to which datagrams leave. */
  serverAddress = '127.0.0.1';
  /** From which address of its own the server's last answer came. */
  answeredFrom: string | undefined;

  private constructor(toClient: dgram.Socket, toServer: dgram.Socket, server: number) {
    this.#toClient = toClient;
    this.#toServer = toServer;
    this.#server = server;
    toClient.on('message', (datagram, { port }) => {
      this.clientPort = port;
      this.#pass(datagram, 'up', () => { toServer.send(datagram, server, this.serverAddress); });
    });
    toServer.on('message', (datagram, { address }) => {
      this.answeredFrom = address;
      this.#pass(datagram, 'down', () => { if (this.clientPort !== undefined) toClient.send(datagram, this.clientPort, '127.0.0.1'); });
    });
  }

  static async to(server: number): Promise<Path> {
    const path = new Path(await bind(), await bind(), server);
    paths.add(path);
    return path;
  }

  /** The server, as the client sees it here. */
  get server(): Pick<Peer, 'address' | 'port'> {
    return placeOf(this.#toClient);
  }
  /** The client, as the server sees it here. */
  get client(): Pick<Peer, 'address' | 'port'> {
    return placeOf(this.#toServer);
  }

  #pass(datagram: Buffer, direction: Direction, on: () => void): void {
    this.seen[direction].push(datagram);
    if (!this.passes(datagram, direction)) return;
    if (this.#held === undefined) on();
    else this.#held.push(on);
  }

  /** What comes from now on waits here. */
  hold(): void {
    this.#held ??= [];
  }
  get held(): number {
    return this.#held?.length ?? 0;
  }
  release(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const on of held) on();
  }

  /** Nothing comes through any more. */
  cut(): void {
    this.passes = () => false;
  }

  /** Goes to the server from here. */
  inject(datagram: Buffer): void {
    this.#toServer.send(datagram, this.#server, this.serverAddress);
  }

  close(): void {
    this.#toClient.close();
    this.#toServer.close();
    paths.delete(this);
  }
}

export function closePaths(): void {
  for (const path of [...paths]) path.close();
}
