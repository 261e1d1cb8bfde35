/** Whom packets are for, which are none of DTLS and leave over an endpoint's transport (RFC 7983). */
import { kPeer } from '../base/internals';
import { late } from '../base/late';
import type { Peer } from '../base/peer';
import type { NativeEndpoint } from '../core/native';
import { NO_SLOT, outbox } from '../core/outbox';
import { sendBatch } from '../core/send-batch';
import { ioError } from '../errors/errors';
import { errnoOf, systemError } from '../errors/system-error';
import { familyOf, heardAs } from '../transport/addresses';
import type { Driver } from '../transport/driver';
import { checkNamedDestination, checkUdpDestination, type PacketPeers } from './packet-peers';
import type { Sent } from './send-tokens';
import type { SessionTable } from './session-table';
import type { TransportErrors } from './transport-errors';

export class PacketDestinations {
  readonly #core: NativeEndpoint;
  readonly #driver: Driver;
  readonly #sessions: SessionTable;
  readonly #peers: PacketPeers;
  readonly #errors: TransportErrors;
  /** The socket that carries the datagrams. */
  #isIPv6: boolean | undefined;

  constructor(core: NativeEndpoint, driver: Driver, sessions: SessionTable, peers: PacketPeers, errors: TransportErrors) {
    this.#core = core;
    this.#driver = driver;
    this.#sessions = sessions;
    this.#peers = peers;
    this.#errors = errors;
  }

  /**
   * The number by which packets are sent to an address, until events have come.
   *
   * @throws For what is no address of this transport.
   */
  numberOf(address: string, port: number): number {
    const known = this.#peers.numberOf(address, port);
    if (known !== undefined) return known;
    this.checkAddress({ address, port });
    this.forgetPeers();
    const number = sendBatch.drained(this.#core).numberOf(address, port);
    if (this.#peers.at(number) === undefined) this.#peers.keep(number, this.#asHeard(address, port));
    this.#peers.setNumber(address, port, number);
    return number;
  }

  /** @throws For what is no address of this transport. */
  checkAddress(peer: { readonly address: string; readonly port: number }): void {
    if (this.#driver.overUdp) checkUdpDestination(peer);
    else checkNamedDestination(peer);
  }

  /** A peer of whom nothing has been heard, as it would be heard of: the address has one spelling, whoever names it. */
  #asHeard(address: string, port: number): Peer {
    if (this.#driver.overUdp) address = heardAs(address, this.#isOfIPv6());
    return { address, port, family: familyOf(address) };
  }

  /** Of a socket that its owner has closed nothing is heard, and what is sent says so. */
  #isOfIPv6(): boolean {
    try {
      return (this.#isIPv6 ??= late.net.isIPv6(this.#driver.address().address));
    } catch {
      return false;
    }
  }

  /** Peers of packets are forgotten when they are many, and no record names one. What waits for this call has left. */
  forgetPeers(): void {
    if (!this.#peers.crowded || !outbox.idle) return;
    sendBatch.drained(this.#core).forgetNumbers();
    this.#peers.forget();
  }

  /** As the system refuses what is too long for UDP; what is longer still does not go down. */
  refuseLong(slot: number, generation: number, callback: Sent | undefined): void {
    this.#errors.count += 1;
    if (callback === undefined) return;
    const peer = this.#peerOf(slot, generation);
    const error = ioError(systemError(errnoOf('EMSGSIZE'), 'send', peer?.address, peer?.port), peer);
    process.nextTick(callback, error);
  }

  /** Whom a packet is for: the peer of a session or, with slot NO_SLOT, the one with that number. */
  #peerOf(slot: number, generation: number): Peer | undefined {
    return slot === NO_SLOT ? this.#peers.at(generation) : this.#sessions.at(slot, generation)?.[kPeer];
  }

  /** A callback for a packet, whose error says whom it was for: the system's only has a number. */
  tellingWhom(callback: Sent, slot: number, generation: number): Sent {
    const peer = this.#peerOf(slot, generation);
    return (error) => {
      const errno = error?.errno;
      if (errno === undefined || error?.peer !== undefined) {
        callback(error);
        return;
      }
      this.#errors.count += 1; // the callback is all that the native socket tells
      callback(peer === undefined ? error : ioError(systemError(errno, 'send', peer.address, peer.port), peer));
    };
  }
}
