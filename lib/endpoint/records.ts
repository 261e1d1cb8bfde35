/** What the core says of an endpoint, record by record: who begins, which datagrams leave, and what is for which session. */
import {
  kAnsweredPeer,
  kBatchesMessages,
  kBorrowsMessages,
  kMakeSession,
  kOnMessage,
  kOnMessages,
  kOnPeerQuestion,
  kOnRecord,
  kPackets,
  kPeer,
  kSocket,
} from '../base/internals';
import type { NonSharedBuffer } from '../base/non-shared-buffer';
import type { Peer } from '../base/peer';
import { NO_SLOT, outbox, RecordType, type RecordSink } from '../core/outbox';
import { fieldOf, isSet, RecordField } from '../core/record-fields';
import { channels } from '../diagnostics/channels';
import { readDrops } from '../diagnostics/drops';
import { hintOfSend, ioError, unsent } from '../errors/errors';
import { systemError } from '../errors/system-error';
import type { Driver } from '../transport/driver';
import type { EndpointOwner } from './handlers';
import type { PacketListeners } from './packet-listeners';
import type { PacketPeers } from './packet-peers';
import { reportSent, type SendTokens } from './send-tokens';
import type { SessionTable } from './session-table';
import type { TransportErrors } from './transport-errors';

const NOTHING = Buffer.alloc(0);

/** What of an endpoint its records are about. */
interface RecordParts {
  readonly driver: Driver;
  readonly sessions: SessionTable;
  readonly owner: Readonly<EndpointOwner>;
  readonly tokens: SendTokens;
  readonly packetPeers: PacketPeers;
  readonly packetListeners: PacketListeners;
  readonly transportErrors: TransportErrors;
  /** Ends a session that nobody has. */
  readonly abandon: (slot: number, generation: number) => void;
}

export class EndpointRecords implements RecordSink {
  readonly #driver: Driver;
  readonly #sessions: SessionTable;
  readonly #owner: Readonly<EndpointOwner>;
  readonly #tokens: SendTokens;
  readonly #packetPeers: PacketPeers;
  readonly #packetListeners: PacketListeners;
  readonly #transportErrors: TransportErrors;
  readonly #abandon: RecordParts['abandon'];
  /** Sessions that peers have begun, as far as it was heard; and those of them that are of servers before the one that listens. */
  #begun = 0;
  #ofOthers = 0;

  constructor(parts: RecordParts) {
    this.#driver = parts.driver;
    this.#sessions = parts.sessions;
    this.#owner = parts.owner;
    this.#tokens = parts.tokens;
    this.#packetPeers = parts.packetPeers;
    this.#packetListeners = parts.packetListeners;
    this.#transportErrors = parts.transportErrors;
    this.#abandon = parts.abandon;
  }

  /** A server listens from now on. So many sessions have begun for others, whether they were heard of or not. */
  beginsWith(begun: number): void {
    this.#ofOthers = begun;
  }

  begin(slot: number, generation: number, peerIndex: number, question: number): void {
    const peer = this.#driver.peerAt(peerIndex);
    const server = this.#owner.server;
    this.#begun += 1;
    // Its server may have left the transport to others, with more on its way than fits at once: it is no session of theirs.
    if (peer === undefined || server === undefined || this.#begun <= this.#ofOthers) {
      this.#abandon(slot, generation);
      return;
    }
    const asked = question === 0 ? undefined : server[kAnsweredPeer](question);
    const known = this.#known(peer, asked);
    const handler = server[kMakeSession](slot, generation, known, question);
    this.#sessions.add(slot, generation, handler);
  }

  /** The object that there is of a peer, or one to keep: a transport may pass more than an address (dgram: the size of that datagram), or reuse the object. */
  #known(peer: Peer, otherwise?: Peer): Peer {
    const { address, port, family } = peer;
    return this.#packetPeers.living(peer) ?? otherwise ?? { address, port, family };
  }

  #onPeerQuestion(peerIndex: number, question: number): boolean {
    const peer = this.#driver.peerAt(peerIndex);
    return peer !== undefined && this.#owner.server?.[kOnPeerQuestion](question, this.#known(peer)) === true;
  }

  transmit(
    slot: number,
    generation: number,
    whom: number,
    token: number,
    datagram: NonSharedBuffer,
  ): void {
    const isPacket = isSet(whom, RecordField.TransmitPacket);
    const peer = slot !== NO_SLOT ? this.#sessions.at(slot, generation)?.[kPeer]
      : isPacket ? this.#packetPeers.at(fieldOf(whom, RecordField.TransmitPeer))
      : this.#driver.peerAt(whom);
    const callback = token === 0 ? undefined : this.#tokens.take(token);
    if (peer === undefined) {
      if (callback !== undefined) reportSent(callback, unsent());
      return;
    }
    // A transport of the user's may call back with nothing, as there was no error; and at once, where nobody is called back
    // within their own call.
    let sending = true;
    try {
      const told =
        callback &&
        ((error: Error | null | undefined) => {
          // What carries the datagrams has errors of its own.
          const typed = error === null || error === undefined ? null : ioError(error, peer, hintOfSend(error, peer));
          if (sending) reportSent(callback, typed);
          else callback(typed);
        });
      const done = isPacket
        ? (error: Error | null | undefined): void => {
            if (error !== null && error !== undefined) this.#transportErrors.count += 1;
            told?.(error);
          }
        : told;
      this.#driver.transmit?.(datagram, peer, done, isPacket);
      sending = false;
    } catch (error) {
      // A transport of the user's may throw; the pass must go on for the others.
      const typed = ioError(error, peer);
      process.nextTick(() => {
        if (isPacket) this.#transportErrors.count += 1;
        else this.#transportErrors.onError(typed, peer, true);
        if (callback !== undefined) reportSent(callback, typed);
      });
    }
  }

  dispatch(
    type: number,
    slot: number,
    generation: number,
    a: number,
    b: number,
    record: number,
  ): boolean {
    if (type === RecordType.Sent) {
      const callback = this.#tokens.take(a);
      if (callback === undefined) return false;
      callback(b === 0 ? null : ioError(systemError(b, 'send')));
      return true;
    }
    if (type === RecordType.TransportError) {
      this.#transportErrors.onRecord(slot, generation, a, b);
      return true;
    }
    if (type === RecordType.Dropped) {
      this.#onDropped(slot, generation, a, b, outbox.bytes(record));
      return false;
    }
    if (type === RecordType.PeerQuestion) return this.#onPeerQuestion(a, b);
    if (type === RecordType.Packet) {
      return this.#packetListeners.onRecord(slot, generation, a, b, record, this.#owner.handler?.[kPackets]);
    }
    const handler = this.#sessions.at(slot, generation);
    if (handler === undefined) return false;
    if (type === RecordType.Message) {
      const borrowed = handler[kBorrowsMessages];
      if (!handler[kBatchesMessages]) return handler[kOnMessage](borrowed ? outbox.borrow(record) : outbox.bytes(record));
      handler[kOnMessages](outbox.run(record, borrowed));
      return false;
    }
    // A Buffer each for those that have no bytes, and that there are a dozen of in a handshake, would take as long as the rest.
    const bare =
      type === RecordType.Handshake || type === RecordType.Alert || type === RecordType.KeyLimit;
    return handler[kOnRecord](type, a, b, bare ? NOTHING : outbox.bytes(record));
  }

  #onDropped(slot: number, generation: number, index: number, length: number, bytes: NonSharedBuffer): void {
    const peer = this.#driver.peerAt(index);
    if (peer === undefined || !channels.dropped.hasSubscribers) return;
    const { address, port, family } = peer;
    channels.dropped.publish({
      socket: this.#sessions.at(slot, generation)?.[kSocket],
      peer: { address, port, family },
      length,
      reasons: readDrops(bytes),
    });
  }
}
