/** Tells those who watch by node:diagnostics_channel what happens to one session. Times are by performance.now(). */
import type { DTLSSocket } from '../base/dtls-socket';
import type { Peer } from '../base/peer';
import { channels, type SessionRole } from '../diagnostics/channels';
import type { HeartbeatEvent, AlertEvent, HandshakeEvent, KeyLimitEvent } from '../diagnostics/events';
import type { DTLSError } from '../errors/errors';
import { logSession } from '../diagnostics/qlog';

export function reportStart(socket: DTLSSocket, role: SessionRole, peer: Peer, qlogDir: string | undefined): void {
  if (qlogDir !== undefined) logSession(socket, qlogDir, role, peer);
  if (channels.sessionStart.hasSubscribers) channels.sessionStart.publish({ socket, role, peer });
}

/** Returns whether anybody was told. */
export function reportMove(socket: DTLSSocket, from: Peer, peer: Peer): boolean {
  if (!channels.sessionMove.hasSubscribers) return false;
  channels.sessionMove.publish({ socket, from, peer });
  return true;
}

export const watchesHandshakeMessages = (): boolean =>
  channels.handshakeMessage.hasSubscribers || channels.retransmission.hasSubscribers;

export function reportHandshakeMessage(socket: DTLSSocket, event: HandshakeEvent): void {
  if (channels.handshakeMessage.hasSubscribers) channels.handshakeMessage.publish({ socket, ...event });
  if (event.retransmit && channels.retransmission.hasSubscribers) {
    const { message, length } = event;
    channels.retransmission.publish({ socket, message, length });
  }
}

export function reportAlert(socket: DTLSSocket, event: AlertEvent): void {
  if (channels.alert.hasSubscribers) channels.alert.publish({ socket, ...event });
}

export function reportHeartbeat(socket: DTLSSocket, event: HeartbeatEvent): void {
  if (channels.heartbeat.hasSubscribers) channels.heartbeat.publish({ socket, ...event });
}

export function reportKeyLimit(socket: DTLSSocket, event: KeyLimitEvent): void {
  if (channels.keyLimit.hasSubscribers) channels.keyLimit.publish({ socket, ...event });
}

export function reportSecured(socket: DTLSSocket, startedAt: number, protocol: string): void {
  if (!channels.handshakeDone.hasSubscribers) return;
  const cipher = socket.getCipher()?.name ?? '';
  const { authorized } = socket;
  channels.handshakeDone.publish({ socket, duration: since(startedAt), protocol, cipher, authorized });
}

/** No session came of it. */
export function reportFailure(socket: DTLSSocket, startedAt: number, error: DTLSError): void {
  if (!channels.handshakeFailed.hasSubscribers) return;
  channels.handshakeFailed.publish({ socket, duration: since(startedAt), error });
}

export function reportClose(socket: DTLSSocket, startedAt: number, error: DTLSError | undefined): void {
  if (!channels.sessionClose.hasSubscribers) return;
  channels.sessionClose.publish({ socket, duration: since(startedAt), error, stats: socket.stats });
}

const since = (startedAt: number): number => performance.now() - startedAt;
