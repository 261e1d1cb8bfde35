/** Who hears of packets, which are none of DTLS and come over an endpoint's transport (RFC 7983). */
import { kPackets, kPeer } from '../base/internals';
import type { Peer } from '../base/peer';
import { outbox } from '../core/outbox';
import type { Driver } from '../transport/driver';
import type { SessionHandler } from './handlers';
import type { PacketHearer } from './packet-events';
import type { PacketPeers } from './packet-peers';
import type { SessionTable } from './session-table';

export class PacketListeners {
  readonly #driver: Driver;
  readonly #sessions: SessionTable;
  readonly #peers: PacketPeers;
  /** Sessions that have had a listener for packets. */
  readonly #listening = new Set<SessionHandler>();

  constructor(driver: Driver, sessions: SessionTable, peers: PacketPeers) {
    this.#driver = driver;
    this.#sessions = sessions;
    this.#peers = peers;
  }

  /** A session has a listener for packets. */
  add(session: SessionHandler): void {
    this.#listening.add(session);
  }

  /** A session is over. */
  delete(session: SessionHandler): void {
    this.#listening.delete(session);
  }

  /** Whether somebody listens: who has the transport, or a session. */
  wanted(owner: PacketHearer | undefined): boolean {
    if (owner?.wanted === true) return true;
    if (this.#listening.size === 0) return false;
    for (const session of this.#listening) {
      if (session[kPackets]?.wanted === true) return true;
      this.#listening.delete(session); // its next listener adds it again
    }
    return false;
  }

  /** A PACKET record: to the session of its peer, where somebody listens there, or to whoever has the transport. */
  onRecord(
    slot: number,
    generation: number,
    index: number,
    number: number,
    record: number,
    owner: PacketHearer | undefined,
  ): boolean {
    const session = this.#sessions.at(slot, generation);
    const peer = this.#peers.at(number) ?? this.#firstHeardOf(session, index, number);
    const sessions = session?.[kPackets];
    const hearer = sessions?.wanted === true ? sessions : owner;
    if (peer === undefined || hearer === undefined) return false;
    const borrowed = hearer.borrows;
    if (!hearer.batches) return hearer.onPacket(borrowed ? outbox.borrow(record) : outbox.bytes(record), peer);
    hearer.onPackets(outbox.run(record, borrowed), peer);
    return false;
  }

  #firstHeardOf(session: SessionHandler | undefined, index: number, number: number): Peer | undefined {
    const found = session?.[kPeer] ?? this.#driver.peerAt(index);
    if (found === undefined) return undefined;
    // A transport may pass more than an address, as EndpointRecords.begin() has it.
    const { address, port, family } = found;
    return this.#peers.keep(number, session === undefined ? { address, port, family } : found);
  }
}
