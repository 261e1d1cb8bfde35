import { kOnPacket, kOnTransportClosed, kOnTransportError, kWantsPackets } from '../base/internals';
import type { Peer } from '../base/peer';
import type { NonSharedBuffer } from '../base/non-shared-buffer';
import type { TransportHandler } from '../endpoint/endpoint';

/** What the handler of an endpoint that serves nobody tells its socket. */
interface ClientsOnlyHost {
  wantsPackets(): boolean;
  onPacket(datagram: NonSharedBuffer, peer: Peer): void;
  /** The transport failed, and no session is concerned. */
  onTransportError(error: Error, broke: boolean): void;
}

/** An endpoint stays for the sessions to come while it has a handler: this one is for sockets that serve nobody. */
export class ClientsOnly implements TransportHandler {
  readonly #host: ClientsOnlyHost;

  constructor(host: ClientsOnlyHost) {
    this.#host = host;
  }

  get [kWantsPackets](): boolean {
    return this.#host.wantsPackets();
  }

  [kOnPacket](datagram: NonSharedBuffer, peer: Peer): void {
    this.#host.onPacket(datagram, peer);
  }

  [kOnTransportError](error: Error, broke = false): void {
    this.#host.onTransportError(error, broke);
  }

  [kOnTransportClosed](): void {
    return;
  }
}
