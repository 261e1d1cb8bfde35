import { kOnTransportClosed, kOnTransportError, kPackets } from '../base/internals';
import type { TransportHandler } from '../endpoint/handlers';
import type { PacketHearer } from '../endpoint/packet-events';

/** What the handler of an endpoint that serves nobody tells its socket. */
interface ClientsOnlyHost {
  readonly packets: PacketHearer;
  /** The transport failed, and no session is concerned. */
  onTransportError(error: Error, broke: boolean): void;
}

/** An endpoint stays for the sessions to come while it has a handler: this one is for sockets that serve nobody. */
export class ClientsOnly implements TransportHandler {
  readonly #host: ClientsOnlyHost;

  constructor(host: ClientsOnlyHost) {
    this.#host = host;
  }

  get [kPackets](): PacketHearer {
    return this.#host.packets;
  }

  [kOnTransportError](error: Error, broke = false): void {
    this.#host.onTransportError(error, broke);
  }

  [kOnTransportClosed](): void {
    return;
  }
}
