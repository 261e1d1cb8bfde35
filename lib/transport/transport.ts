import type * as dgram from 'node:dgram';
import { EventEmitter } from 'node:events';
import { isIPv6, type AddressInfo } from 'node:net';

import { late } from '../base/late';
import type { Peer } from '../base/peer';
import { native } from '../core/native';
import { NativeUdpTransport } from './native-udp';

/** What a {@link DatagramTransport} reports to. */
export interface DatagramReceiver {
  /** A datagram came in. It is read before the call returns; the transport may then reuse its memory. */
  receive(datagram: Uint8Array, peer: Peer): void;
  /** The transport can take more after `send` returned false. */
  drain(): void;
  /** Something failed; `peer` when it is known whom it concerns. The transport goes on working. */
  error(error: Error, peer?: Peer): void;
  /** The transport was closed by somebody else. */
  closed(): void;
}

/** What carries the datagrams: UDP as a rule, or ICE, TURN, a test link, … */
export interface DatagramTransport {
  /** Begins to deliver. Called once. */
  start(receiver: DatagramReceiver): void;
  /**
   * Sends each of `datagrams` to `peer`, or drops it, as UDP does. Their memory is the transport's.
   * `done` is called once, later, with the first error or null: the sender's `close` waits for it, for a second at
   * most. Returns false when the caller should wait for `receiver.drain()`.
   */
  send(
    datagrams: readonly Uint8Array[],
    peer: Peer,
    done?: (error: Error | null) => void,
  ): boolean;
  /** The local address. */
  address(): AddressInfo;
  /** Stops delivering, lets what was sent leave, and calls `done`. */
  close(done: () => void): void;
  ref?(): void;
  unref?(): void;
  /**
   * Whether datagrams leave whole or not at all, for a path MTU search. Returns false where that cannot
   * be had.
   */
  setDontFragment?(on: boolean): boolean;
}

export function isTransport(value: unknown): value is DatagramTransport {
  return (
    typeof value === 'object' &&
    value !== null &&
    ['start', 'send', 'address', 'close'].every(
      (name) => typeof (value as Record<string, unknown>)[name] === 'function',
    )
  );
}

/** Bytes that may wait in the socket before `send` asks the caller to wait. */
const HIGH_WATER_MARK = 256 * 1024;

/**
 * node:dgram as a transport. An owned socket is closed with it; one that the user brought already bound
 * is only let go.
 */
export class DgramTransport implements DatagramTransport {
  readonly #socket: dgram.Socket;
  readonly #owned: boolean;
  readonly #connectedTo: Peer | undefined;
  #receiver: DatagramReceiver | undefined;
  #congested = false;

  constructor(socket: dgram.Socket, owned: boolean, connectedTo?: Peer) {
    this.#socket = socket;
    this.#owned = owned;
    this.#connectedTo = connectedTo;
  }

  start(receiver: DatagramReceiver): void {
    this.#receiver = receiver;
    this.#socket.on('message', this.#onMessage);
    this.#socket.on('error', this.#onError);
    this.#socket.on('close', this.#onClose);
  }

  send(
    datagrams: readonly Uint8Array[],
    peer: Peer,
    done?: (error: Error | null) => void,
  ): boolean {
    const last = datagrams.length - 1;
    datagrams.forEach((datagram, index) => {
      const callback = index === last && done !== undefined ? this.#reporting(done) : this.#onSent;
      if (this.#connectedTo !== undefined) this.#socket.send(datagram, callback);
      else this.#socket.send(datagram, peer.port, peer.address, callback);
    });
    if (!this.#congested && this.#socket.getSendQueueSize() > HIGH_WATER_MARK) {
      this.#congested = true;
    }
    return !this.#congested;
  }

  address(): AddressInfo {
    return this.#socket.address();
  }

  close(done: () => void): void {
    this.#receiver = undefined;
    this.#socket.off('message', this.#onMessage);
    this.#socket.off('close', this.#onClose);
    if (!this.#owned) {
      this.#socket.off('error', this.#onError);
      process.nextTick(done);
      return;
    }
    this.#closeWhenSent(done, 100);
  }

  ref(): void {
    this.#socket.ref();
  }

  unref(): void {
    this.#socket.unref();
  }

  setDontFragment(on: boolean): boolean {
    const fd = handleOf(this.#socket)?.fd;
    if (fd === undefined || fd < 0) return false;
    return native.setDontFragment(fd, this.#socket.address().family === 'IPv6', on);
  }

  // Closing a libuv socket drops what waits in its queue, and the last thing in it is a close_notify.
  #closeWhenSent(done: () => void, turns: number): void {
    if (turns > 0 && this.#socket.getSendQueueCount() > 0) {
      setImmediate(() => {
        this.#closeWhenSent(done, turns - 1);
      });
      return;
    }
    this.#socket.close(done);
  }

  #reporting(done: (error: Error | null) => void): (error: Error | null) => void {
    return (error) => {
      this.#onSent(error);
      done(error);
    };
  }

  readonly #onSent = (error: Error | null): void => {
    if (error !== null) this.#receiver?.error(error, this.#connectedTo ?? peerOf(error));
    if (this.#congested && this.#socket.getSendQueueSize() === 0) {
      this.#congested = false;
      this.#receiver?.drain();
    }
  };

  readonly #onMessage = (datagram: Buffer, info: dgram.RemoteInfo): void => {
    this.#receiver?.receive(datagram, info);
  };

  readonly #onError = (error: Error): void => {
    this.#receiver?.error(error, this.#connectedTo);
  };

  readonly #onClose = (): void => {
    this.#receiver?.closed();
  };
}

/** dgram says in the error itself whom it could not send to. */
function peerOf(error: Error): Peer | undefined {
  const { address, port } = error as Error & Partial<Peer>;
  if (address === undefined || port === undefined) return undefined;
  return { address, port, family: isIPv6(address) ? 'IPv6' : 'IPv4' };
}

/** In words of dgram's own. It tells the first and the last of these only by what `address()` throws. */
export function bindingOf(socket: dgram.Socket): 'bound' | 'binding' | 'unbound' | 'closed' {
  try {
    socket.address();
    return 'bound';
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_SOCKET_DGRAM_NOT_RUNNING') return 'closed';
    return stateOf(socket)?.bindState === BIND_STATE_BINDING ? 'binding' : 'unbound';
  }
}

/** As in Node's lib/dgram.js. */
const BIND_STATE_BINDING = 1;

/** What Node moves datagrams with. */
interface DgramHandle {
  readonly fd?: number;
  recvStop?(): void;
}

/**
 * Node has no option for the don't-fragment bit and no public way to a socket's descriptor; its getter
 * `_handle` warns (DEP0112). Undefined where Node keeps it elsewhere: what needs it then goes without.
 */
export function handleOf(socket: dgram.Socket): DgramHandle | undefined {
  return stateOf(socket)?.handle ?? undefined;
}

interface DgramState {
  readonly handle?: DgramHandle | null;
  readonly bindState?: number;
}

function stateOf(socket: dgram.Socket): DgramState | undefined {
  const key = Object.getOwnPropertySymbols(socket).find(({ description }) => description === 'state symbol');
  return key === undefined ? undefined : (socket as unknown as Record<symbol, DgramState | undefined>)[key];
}

/** How to make a UDP socket. */
export interface UdpOptions {
  /** `'native'`: in C++. Anything else: of node:dgram. */
  transport?: unknown;
  family: 4 | 6;
  address: string | undefined;
  port: number;
  /** A descriptor of a socket of that family that is bound; it is closed with the transport. */
  fd?: number | undefined;
  ipv6Only: boolean;
  reuseAddr: boolean;
  reusePort: boolean;
  recvBufferSize: number | undefined;
  sendBufferSize: number | undefined;
}

/** Of a socket about which nobody has said anything. */
export const PLAIN_UDP = {
  port: 0,
  ipv6Only: false,
  reuseAddr: false,
  reusePort: false,
  recvBufferSize: undefined,
  sendBufferSize: undefined,
} as const satisfies Partial<UdpOptions>;

/** Does not load node:dgram for what cannot be one of its sockets. */
export const isDgramSocket = (value: unknown): value is dgram.Socket =>
  value instanceof EventEmitter && value instanceof late.dgram.Socket;

// Peers are IP addresses by the time they get here. dgram's own lookup would defer each send to a later
// tick and let them overtake one another.
const lookupLiteral: dgram.SocketOptions['lookup'] = (hostname, _options, callback) => {
  callback(null, hostname, isIPv6(hostname) ? 6 : 4);
};

/** Binds a UDP socket, and connects it when it is to talk to one peer only. */
export function bindUdp(
  options: UdpOptions,
  connectTo: Peer | undefined,
  done: (error: Error | null, transport?: DatagramTransport) => void,
): void {
  if (options.transport === 'native') {
    process.nextTick(() => {
      let bound: NativeUdpTransport | undefined;
      let failure: Error | null = null;
      try {
        bound = NativeUdpTransport.bind(options);
        if (connectTo !== undefined) bound.connect(connectTo);
      } catch (error) {
        failure = error as Error;
      }
      if (failure === null) done(null, bound);
      else {
        bound?.close(() => undefined);
        done(failure);
      }
    });
    return;
  }
  const socket = late.dgram.createSocket({
    type: options.family === 6 ? 'udp6' : 'udp4',
    lookup: lookupLiteral,
    ipv6Only: options.ipv6Only,
    reuseAddr: options.reuseAddr,
    ...(options.reusePort ? { reusePort: true } : {}),
    ...(options.recvBufferSize === undefined ? {} : { recvBufferSize: options.recvBufferSize }),
    ...(options.sendBufferSize === undefined ? {} : { sendBufferSize: options.sendBufferSize }),
  });
  const fail = (error: Error): void => {
    socket.off('error', fail);
    socket.close();
    done(error);
  };
  socket.on('error', fail);
  const ready = (): void => {
    socket.off('error', fail);
    // With a literal address all of this is synchronous: the caller has not returned to its user yet.
    process.nextTick(done, null, new DgramTransport(socket, true, connectTo));
  };
  const bound = (): void => {
    if (connectTo === undefined) {
      ready();
      return;
    }
    // A connected socket hears of ICMP refusals, and of nobody but its peer.
    socket.connect(connectTo.port, connectTo.address, (error?: Error) => {
      if (error === undefined || (error as Error | null) === null) ready();
      else fail(error);
    });
  };
  const where =
    options.fd !== undefined
      ? { fd: options.fd }
      : { port: options.port, ...(options.address === undefined ? {} : { address: options.address }) };
  // An address needs no lookup, so that bind would end before the caller can listen for its end.
  process.nextTick(() => {
    try {
      socket.bind({ ...where, exclusive: true }, bound);
    } catch (error) {
      fail(error as Error); // a descriptor that was closed meanwhile
    }
  });
}
