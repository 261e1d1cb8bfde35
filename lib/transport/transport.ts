import type * as dgram from 'node:dgram';
import { EventEmitter } from 'node:events';
import type { AddressInfo } from 'node:net';

import { late } from '../base/late';
import type { Peer } from '../base/peer';

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
  /** Stops delivering, lets what was sent leave, and calls `done`; a Promise that it returns is as good when it settles. */
  close(done: () => void): unknown;
  ref?(): void;
  unref?(): void;
  /**
   * Sets whether datagrams leave whole or not at all, for a path MTU search. Returns false where that cannot
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

/** Options of a socket about which nobody has said anything. */
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

