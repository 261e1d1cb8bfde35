import type { AddressInfo } from 'node:net';

import { kMovePeer, kOverUdp, kSendAside } from '../base/internals';
import { isByteArray, sizeOf } from '../base/memory';
import { once } from '../base/once';
import type { Peer } from '../base/peer';
import { isThenable } from '../base/thenable';
import { closedBelow, ioError, type DTLSError } from '../errors/errors';
import { outbox } from '../core/outbox';
import type { Driver, DriverHost } from './driver';
import { refusals } from './refusals';
import type { DatagramReceiver, DatagramTransport } from './transport';

/** No datagram of UDP is as long, and the outbox has no room for one of any length, which a transport of the user's may bring. */
export const LONGEST_DATAGRAM = 0xffff;

/** A transport of this package's own over UDP. */
interface OwnTransport {
  readonly [kOverUdp]?: boolean;
  /** See Driver.move. */
  [kMovePeer]?(peer: Peer): void;
  /** As `send`, of what is none of DTLS: nobody but `done` hears of its errors. */
  [kSendAside]?(datagram: Uint8Array, peer: Peer, done: (error: Error | null) => void): boolean;
}

/** A transport in JavaScript as a driver: each datagram is a call, down to the core and up from its records. */
export class TransportDriver implements Driver, DatagramReceiver {
  readonly gathers = false;
  readonly answersWhileClosing = false;
  readonly #transport: DatagramTransport & OwnTransport;
  #host: DriverHost | undefined;
  #isBlocked: ((address: string) => boolean) | undefined;
  #congested = false;
  /** It has said that somebody else closed it. */
  #isClosed = false;
  // Peers of datagrams that are being handled, for records that have no session to name theirs.
  readonly #peers: Peer[] = [];

  constructor(transport: DatagramTransport) {
    this.#transport = transport;
  }

  get overUdp(): boolean {
    return this.#transport[kOverUdp] === true;
  }

  start(host: DriverHost): void {
    this.#host = host;
    this.#transport.start(this);
    if (this.#isClosed) throw closedBelow(); // it has said so before anybody was there to hear it
  }

  address(): AddressInfo {
    return this.#transport.address();
  }

  ref(): void {
    typed('ref', 'one that keeps no process alive has none', () => this.#transport.ref?.());
  }

  unref(): void {
    typed('unref', 'one that keeps no process alive has none', () => this.#transport.unref?.());
  }

  setDontFragment(on: boolean): boolean {
    const cannot = 'it returns false where datagrams cannot be kept whole, and may be left out';
    return typed('setDontFragment', cannot, () => this.#transport.setDontFragment?.(on) === true);
  }

  block(isBlocked: ((address: string) => boolean) | undefined): void {
    this.#isBlocked = isBlocked;
  }

  /** A transport of the user's is told by whom the next datagram is for. */
  move(peer: Peer): void {
    this.#transport[kMovePeer]?.(peer);
  }

  peerAt(index: number): Peer | undefined {
    return this.#peers[index];
  }

  indexOf(peer: Peer): number {
    if (outbox.idle) this.#peers.length = 0;
    return this.#peers.push(peer) - 1;
  }

  transmit(datagram: Uint8Array, peer: Peer, done: ((error: Error | null) => void) | undefined, aside: boolean): void {
    const transport = this.#transport;
    const more: unknown =
      aside && done !== undefined && transport[kSendAside] !== undefined
        ? transport[kSendAside](datagram, peer, done)
        : transport.send([datagram], peer, done);
    if (more === false) this.#congested = true; // one that returns nothing has not asked to wait
  }

  get congested(): boolean {
    return this.#congested;
  }

  /** Nothing waits here: each datagram has left with its record. */
  sendNow(): void {
    return;
  }

  sendSoon(): void {
    return;
  }

  counters(): undefined {
    return undefined;
  }

  /** One of the user's may call back more than once, or throw: whoever waits hears once in either case. */
  close(done: () => void): void {
    const closed = once(done);
    // What is closed already may refuse to be closed again, as a socket of dgram's does.
    const failed = (error: unknown): void => {
      process.nextTick(closed);
      if (!this.#isClosed) throw thrownBy('close', "it lets go of what it has, and calls 'done'", error);
    };
    try {
      const given = this.#transport.close(closed);
      // Who writes it as an async function has said enough when that has come to its end.
      if (isThenable(given)) void Promise.resolve(given).then(closed, failed);
    } catch (error) {
      failed(error);
    }
  }

  // ---- DatagramReceiver: what the transport brings ----

  receive(datagram: Uint8Array, peer: Peer): void {
    const host = this.#host;
    if (host === undefined) return;
    host.noticeListeners();
    const blocked = this.#isBlocked?.(peer.address) === true;
    // A transport of the user's may number its peers as it likes; over UDP nobody can answer to port 0.
    const unwanted = blocked || (peer.port === 0 && this.overUdp);
    if (!unwanted && isPacket(datagram) && (!host.hearsPackets || sizeOf(datagram) > LONGEST_DATAGRAM)) {
      host.unheard(sizeOf(datagram));
      return;
    }
    const index = this.indexOf(peer);
    if (unwanted) {
      host.core.drop(datagram, peer.address, peer.port, index, blocked);
    } else {
      host.core.receive(datagram, peer.address, peer.port, index);
    }
    host.flush();
  }

  drain(): void {
    this.#congested = false;
    this.#host?.drain();
  }

  error(error: Error, peer?: Peer): void {
    this.#host?.transportFailed(error, peer, refusals.has(error));
  }

  closed(): void {
    this.#isClosed = true;
    this.#host?.transportClosed();
  }
}

/** Bytes that are none of DTLS by the first of them, RFC 7983 section 7. */
function isPacket(datagram: Uint8Array): boolean {
  if (!ArrayBuffer.isView(datagram) || !isByteArray(datagram)) return false;
  const first = sizeOf(datagram) === 0 ? 0 : (datagram[0] ?? 0);
  return first < 20 || first > 63;
}

/** What the user's own function throws gets a type where it goes back to the user. */
function typed<T>(method: string, advice: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw thrownBy(method, advice, error);
  }
}

const thrownBy = (method: string, advice: string, error: unknown): DTLSError =>
  ioError(error, undefined, `'${method}' of the transport threw, see 'cause': ${advice}.`);
