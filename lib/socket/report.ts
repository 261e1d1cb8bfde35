import type { DTLSSocket } from '../base/dtls-socket';
import type { Peer } from '../base/peer';
import { channels, type SessionRole } from '../diagnostics/channels';
import type { HeartbeatEvent, AlertEvent, HandshakeEvent } from '../diagnostics/events';
import type { DTLSError } from '../errors/errors';
import { logSession } from '../diagnostics/qlog';

/** Tells those who watch by node:diagnostics_channel what happens to one session. */
export class SessionReport {
  readonly #socket: DTLSSocket;
  #startedAt = performance.now();

  constructor(socket: DTLSSocket) {
    this.#socket = socket;
  }

  started(role: SessionRole, peer: Peer, qlogDir: string | undefined): void {
    this.#startedAt = performance.now();
    const socket = this.#socket;
    if (qlogDir !== undefined) logSession(socket, qlogDir, role, peer);
    if (channels.sessionStart.hasSubscribers) channels.sessionStart.publish({ socket, role, peer });
  }

  handshakeMessage(event: HandshakeEvent): void {
    const socket = this.#socket;
    if (channels.handshakeMessage.hasSubscribers) channels.handshakeMessage.publish({ socket, ...event });
    if (event.retransmit && channels.retransmission.hasSubscribers) {
      const { message, length } = event;
      channels.retransmission.publish({ socket, message, length });
    }
  }

  alert(event: AlertEvent): void {
    if (channels.alert.hasSubscribers) channels.alert.publish({ socket: this.#socket, ...event });
  }

  heartbeat(event: HeartbeatEvent): void {
    if (channels.heartbeat.hasSubscribers) channels.heartbeat.publish({ socket: this.#socket, ...event });
  }

  secured(protocol: string): void {
    if (!channels.handshakeDone.hasSubscribers) return;
    const socket = this.#socket;
    const cipher = socket.getCipher()?.name ?? '';
    const { authorized } = socket;
    channels.handshakeDone.publish({ socket, duration: this.#duration, protocol, cipher, authorized });
  }

  /** No session came of it. */
  failed(error: DTLSError): void {
    if (!channels.handshakeFailed.hasSubscribers) return;
    channels.handshakeFailed.publish({ socket: this.#socket, duration: this.#duration, error });
  }

  closed(error: DTLSError | undefined): void {
    if (!channels.sessionClose.hasSubscribers) return;
    const socket = this.#socket;
    channels.sessionClose.publish({ socket, duration: this.#duration, error, stats: socket.stats });
  }

  get #duration(): number {
    return performance.now() - this.#startedAt;
  }
}
