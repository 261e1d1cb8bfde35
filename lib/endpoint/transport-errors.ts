/** Errors of an endpoint's transport: which of them count, who hears of them, and when. */
import { kOnTransportError, kPeer } from '../base/internals';
import type { Peer } from '../base/peer';
import { NO_SLOT } from '../core/outbox';
import { isSet, RecordField } from '../core/record-fields';
import { ioError } from '../errors/errors';
import { systemError, systemErrorCode } from '../errors/system-error';
import type { EndpointOwner } from './handlers';
import { isAt, type SessionTable } from './session-table';

/**
 * What ICMP brings about a datagram that has left. Of an address without a session it says nothing that counts: a peer
 * that closes does not wait for the answer to its close_notify, and an address may have been forged.
 */
const OF_ICMP = [
  'EACCES',
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTDOWN',
  'EHOSTUNREACH',
  'EMSGSIZE',
  'ENETUNREACH',
  'ENONET',
  'ENOPROTOOPT',
  'ENOTSUP',
  'EPROTO',
];

/**
 * Calls `tell` when the event loop has read what has come by now. A system tells what ICMP brought ahead of the datagrams
 * that came before it, and an alert among them says more. The first immediate may be of a turn that has read already.
 */
function whenRead(tell: () => void): void {
  setImmediate(() => setImmediate(tell));
}

export class TransportErrors {
  /** The counter `transportErrors`. */
  count = 0;
  readonly #sessions: SessionTable;
  readonly #owner: Readonly<EndpointOwner>;
  readonly #told: () => void;

  /** `told` is called when everybody has heard of an error whom it concerns. */
  constructor(sessions: SessionTable, owner: Readonly<EndpointOwner>, told: () => void) {
    this.#sessions = sessions;
    this.#owner = owner;
    this.#told = told;
  }

  /** What a transport in JavaScript says. */
  onError(error: Error, peer: Peer | undefined, refused: boolean): void {
    const typed = ioError(error, peer);
    const concerned = peer === undefined ? [] : this.#sessions.of(peer);
    this.#note(typed.code, concerned.length > 0, refused);
    const tell = (): void => {
      for (const handler of concerned) {
        // It may be at another place by now, of which this says nothing.
        if (peer !== undefined && isAt(handler[kPeer], peer)) handler[kOnTransportError](typed);
      }
      if (peer === undefined) this.#owner.handler?.[kOnTransportError](typed);
      this.#told();
    };
    if (peer !== undefined && OF_ICMP.includes(typed.code)) whenRead(tell);
    else tell();
  }

  /** `what`: as TRANSPORT_ERROR says it in its `b`. */
  onRecord(slot: number, generation: number, errno: number, what: number): void {
    const refused = isSet(what, RecordField.TransportRefused);
    const handler = this.#sessions.at(slot, generation);
    if (handler !== undefined) {
      const { [kPeer]: peer } = handler;
      const error = ioError(systemError(errno, 'send', peer.address, peer.port), peer);
      this.#note(error.code, true, refused);
      handler[kOnTransportError](error);
      return;
    }
    const code = systemErrorCode(errno);
    this.#note(code, false, refused);
    // Clients that have gone refuse a server's last words: many an error that no server hears of.
    if (slot !== NO_SLOT || (this.#owner.server !== undefined && OF_ICMP.includes(code))) return;
    this.#owner.handler?.[kOnTransportError](
      ioError(systemError(errno, refused ? 'send' : 'recvmsg')),
      isSet(what, RecordField.TransportBroke),
    );
  }

  /** `refused`: a datagram did not leave. Such an error may have a number of ICMP's, and is about nothing that came back. */
  #note(code: string, hasSession: boolean, refused: boolean): void {
    if (hasSession || refused || !OF_ICMP.includes(code)) this.count += 1;
  }
}
