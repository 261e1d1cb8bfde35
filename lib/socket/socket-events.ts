/** What a session's socket emits. */
import type { Peer } from '../base/peer';
import { AlertLevel } from '../base/protocol';
import type { NonSharedBuffer } from '../base/non-shared-buffer';
import { KeyLimit } from '../core/outbox';
import { directionOf, fieldOf, isSet, RecordField } from '../core/record-fields';
import type { HeartbeatEvent, AlertEvent, HandshakeEvent, KeyLimitEvent } from '../diagnostics/events';
import type { DTLSError } from '../errors/errors';
import { alertName, handshakeMessageName } from '../errors/names';

export interface DTLSSocketEvents {
  secureConnect: [];
  message: [message: NonSharedBuffer, info: Peer];
  /** All messages that one wake-up brought; with a listener, `message` is not emitted. */
  messages: [messages: NonSharedBuffer[], info: Peer];
  /**
   * Clients: a datagram of the server's that is not DTLS (RFC 7983): STUN, RTP, … It is not protected, and where the port
   * is shared it may be anybody's who writes that address on it. A server's sessions have none: it is the server that hears.
   */
  packet: [packet: NonSharedBuffer, info: Peer];
  /** All packets that one wake-up brought; with a listener, `packet` is not emitted. */
  packets: [packets: NonSharedBuffer[], info: Peer];
  handshake: [event: HandshakeEvent];
  alert: [event: AlertEvent];
  heartbeat: [event: HeartbeatEvent];
  /** Three quarters of what the session's keys bear: once for each limit. Only another session has other keys. */
  keyLimit: [event: KeyLimitEvent];
  keylog: [line: NonSharedBuffer];
  /** A client's session that can be resumed: for the option `session` of the next connection. */
  session: [session: NonSharedBuffer];
  /**
   * With `requestOCSP`: the DER response that the server stapled, or null. The handshake waits for the listeners: nothing
   * of this side's answer to the server has left. Whoever does not like the response calls `destroy(error)`, and
   * the server gets the alert bad_certificate_status_response (RFC 6066 section 8) in place of a session. Who cannot
   * tell at once passes a Promise to `waitUntil`, in the listener: the handshake goes on when it resolves with
   * nothing; when it rejects, or resolves with anything else, or a listener throws, it ends with
   * `ERR_DTLS_OCSP_RESPONSE`. None comes when a session is resumed.
   */
  OCSPResponse: [response: NonSharedBuffer | null, waitUntil: (verdict: PromiseLike<void>) => void];
  timeout: [];
  drain: [];
  error: [error: DTLSError];
  close: [hadError: boolean];
}

/** Reads a HANDSHAKE record. */
export const readHandshake = (packed: number, length: number): HandshakeEvent => ({
  direction: directionOf(packed),
  message: handshakeMessageName(fieldOf(packed, RecordField.MessageType)),
  length,
  retransmit: isSet(packed, RecordField.Retransmit),
});

/** Reads an ALERT record. */
export const readAlert = (packed: number): AlertEvent => ({
  direction: directionOf(packed),
  level: fieldOf(packed, RecordField.AlertLevel) === AlertLevel.Fatal ? 'fatal' : 'warning',
  description: alertName(fieldOf(packed, RecordField.AlertDescription)),
  code: fieldOf(packed, RecordField.AlertDescription),
});

const LIMITS: Readonly<Record<number, KeyLimitEvent['limit']>> = {
  [KeyLimit.Integrity]: 'integrity',
  [KeyLimit.Confidentiality]: 'confidentiality',
  [KeyLimit.Numbers]: 'numbers',
};

/** Reads a KEY_LIMIT record. */
export const readKeyLimit = (packed: number, limit: number): KeyLimitEvent => ({
  direction: directionOf(packed),
  limit: LIMITS[limit] ?? 'integrity',
});
