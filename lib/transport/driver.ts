import type { AddressInfo } from 'node:net';

import type { Peer } from '../base/peer';
import type { NativeEndpoint, UdpStats } from '../core/native';

/** An endpoint, as the driver below it knows it. */
export interface DriverHost {
  /** What datagrams are handed to, and calls. */
  readonly core: NativeEndpoint;
  /** Somebody waits for {@link drain}. */
  readonly awaitsDrain: boolean;
  /** The driver calls this before it hands datagrams to the core. */
  noticeListeners(): void;
  /** Whether somebody listens for what is none of DTLS, as of the last {@link noticeListeners}. */
  readonly hearsPackets: boolean;
  /** What is none of DTLS came in, of so many bytes, and nobody listens: the core need not hear of it. */
  unheard(size: number): void;
  /** The driver calls this after it has called the core: what that caused leaves, and events come when the caller has returned. */
  flush(): void;
  /** The same in a callback of native code's: events come at once. */
  wake(): void;
  /** The driver takes more after it was {@link Driver.congested}. */
  drain(): void;
  /** Something failed; `peer` when it is known whom it concerns, `refused` when it is known that a datagram did not leave. */
  transportFailed(error: Error, peer: Peer | undefined, refused: boolean): void;
  /** The transport was closed by somebody else. */
  transportClosed(): void;
}

/** What moves the datagrams of one endpoint: it brings those that come in to the core, and sends the core's. */
export interface Driver {
  /** Begins to deliver. Called once. */
  start(host: DriverHost): void;
  /** The local address. */
  address(): AddressInfo;
  ref(): void;
  unref(): void;
  /** Sets whether datagrams leave whole or not at all. Returns false where that cannot be had. */
  setDontFragment(on: boolean): boolean;
  /** Datagrams from those addresses go no further than to a counter; undefined: from none. */
  block(isBlocked: ((address: string) => boolean) | undefined): void;
  /** The peer that a record's peer index means, until the record has been handled. */
  peerAt(index: number): Peer | undefined;
  /** The index by which records, until they have been handled, name a peer from whom nothing is coming in. */
  indexOf(peer: Peer): number;
  /**
   * Sends a datagram that came up as a record. A driver that has none is given its datagrams by the core itself. `aside`:
   * it is none of DTLS, and what becomes of it is nobody's affair but `done`'s.
   */
  readonly transmit?: (
    datagram: Uint8Array,
    peer: Peer,
    done: ((error: Error | null) => void) | undefined,
    aside: boolean,
  ) => void;
  /** Sends what is none of DTLS. An error number, or 0: SENT then has the token. */
  readonly sendUnprotected?: (datagram: Uint8Array, peer: Peer, token: number) => number;
  /**
   * Whom it is connected to is at another address from now on; one that is connected to nobody has nothing to do.
   *
   * @throws What the system says: then nothing has changed.
   */
  move(peer: Peer): void;
  /** Peers are IP addresses and ports. */
  readonly overUdp: boolean;
  /** Messages without a callback may wait for others of the same tick, and go down together. */
  readonly gathers: boolean;
  /** Whoever sends should wait. */
  readonly congested: boolean;
  /** Sends what waits. */
  sendNow(): void;
  /** Sends what waits at the end of this tick, or at once when that is much. */
  sendSoon(): void;
  /** The system's answers to what was sent last come as records while it closes. */
  readonly answersWhileClosing: boolean;
  counters(): UdpStats | undefined;
  /** Stops delivering, lets what was sent leave, and calls `done`. */
  close(done: () => void): void;
}
