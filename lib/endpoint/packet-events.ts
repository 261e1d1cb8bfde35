import { ownCopy } from '../base/memory';
import type { Peer } from '../base/peer';
import type { NonSharedBuffer } from '../base/non-shared-buffer';
import { outbox } from '../core/outbox';

/** Who hears of datagrams beside DTLS: an emitter, as its endpoint sees it. */
export interface PacketHearer {
  /** Somebody listens. */
  readonly wanted: boolean;
  /** Packets need not outlive the handlers that they are given to. */
  readonly borrows: boolean;
  /** They wait for one event together. */
  readonly batches: boolean;
  /** One packet. False: nobody's code has run. */
  onPacket(packet: NonSharedBuffer, peer: Peer): boolean;
  /** Packets that came behind one another, where they wait. Nobody's code runs. */
  onPackets(packets: NonSharedBuffer[], peer: Peer): void;
}

/** In what memory somebody is given messages, and packets. */
export type MessageMemory = 'shared' | 'copied' | 'borrowed';

export const messageMemory = (options: {
  readonly copyMessages?: boolean | undefined;
  readonly borrowMessages?: boolean | undefined;
}): MessageMemory => (options.borrowMessages === true ? 'borrowed' : options.copyMessages === true ? 'copied' : 'shared');

interface PacketEmitter {
  /** Asked while datagrams are being received: no code of a user's may run. */
  listeners(event: 'packet' | 'packets'): number;
  memory(): MessageMemory;
  /** In the context of whose events they are. False: nobody's code has run. */
  emitPacket(packet: NonSharedBuffer, peer: Peer): boolean;
  emitPackets(packets: NonSharedBuffer[], peer: Peer): boolean;
}

/** The events `packet` and `packets` of an emitter. */
export class PacketEvents implements PacketHearer {
  readonly #emitter: PacketEmitter;
  /** Of the pass under way: each peer's wait for an event of their own. */
  readonly #waiting = new Map<Peer, NonSharedBuffer[]>();

  constructor(emitter: PacketEmitter) {
    this.#emitter = emitter;
  }

  get wanted(): boolean {
    return this.#emitter.listeners('packet') > 0 || this.batches;
  }

  get borrows(): boolean {
    return this.#emitter.memory() === 'borrowed';
  }

  get batches(): boolean {
    return this.#emitter.listeners('packets') > 0;
  }

  onPacket(packet: NonSharedBuffer, peer: Peer): boolean {
    return this.#emitter.emitPacket(this.#emitter.memory() === 'copied' ? ownCopy(packet) : packet, peer);
  }

  onPackets(packets: NonSharedBuffer[], peer: Peer): void {
    const given = this.#emitter.memory() === 'copied' ? packets.map(ownCopy) : packets;
    const before = this.#waiting.get(peer);
    if (before !== undefined) {
      for (const packet of given) before.push(packet);
      return;
    }
    this.#waiting.set(peer, given);
    outbox.afterPass(() => this.#deliver(peer));
  }

  /** What waits, as events for who cannot wait until the pass is over. */
  *due(): Generator<() => boolean> {
    for (const peer of this.#waiting.keys()) yield () => this.#deliver(peer);
  }

  #deliver(peer: Peer): boolean {
    const packets = this.#waiting.get(peer);
    return packets !== undefined && this.#waiting.delete(peer) && this.#emitter.emitPackets(packets, peer);
  }
}
