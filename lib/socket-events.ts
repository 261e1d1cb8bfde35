/** What a session's socket emits. */
import type { DTLSError } from './errors';
import type { HeartbeatEvent } from './heartbeat';
import { alertName, handshakeMessageName } from './names';
import type { Peer } from './transport';

export interface HandshakeEvent {
  direction: 'in' | 'out';
  /** Name from the RFCs, such as `client_hello`. */
  message: string;
  /** Bytes of the whole message, without its header. */
  length: number;
  /** It was sent before. */
  retransmit: boolean;
}

export interface AlertEvent {
  direction: 'in' | 'out';
  level: 'warning' | 'fatal';
  /** Name from the RFCs, such as `close_notify`. */
  description: string;
  code: number;
}

export interface DTLSSocketEvents {
  secureConnect: [];
  message: [message: Buffer, info: Peer];
  /** All messages that one wake-up brought; with a listener, `message` is not emitted. */
  messages: [messages: Buffer[], info: Peer];
  handshake: [event: HandshakeEvent];
  alert: [event: AlertEvent];
  heartbeat: [event: HeartbeatEvent];
  keylog: [line: Buffer];
  /** A client's session that can be resumed: for the option `session` of the next connection. */
  session: [session: Buffer];
  /**
   * With `requestOCSP`: the DER response that the server stapled, or null; before `secureConnect`. Whoever
   * does not like it destroys the socket here. None comes when a session is resumed.
   */
  OCSPResponse: [response: Buffer | null];
  timeout: [];
  drain: [];
  error: [error: DTLSError];
  close: [hadError: boolean];
}

export type ReadyState = 'opening' | 'open' | 'closing' | 'closed';

/** Reads a HANDSHAKE record. */
export const readHandshake = (packed: number, length: number): HandshakeEvent => ({
  direction: direction(packed),
  message: handshakeMessageName((packed >>> 8) & 0xff),
  length,
  retransmit: (packed & 2) !== 0,
});

/** Reads an ALERT record. */
export const readAlert = (packed: number): AlertEvent => ({
  direction: direction(packed),
  level: ((packed >>> 8) & 0xff) === 2 ? 'fatal' : 'warning',
  description: alertName((packed >>> 16) & 0xff),
  code: (packed >>> 16) & 0xff,
});

const direction = (packed: number): 'in' | 'out' => ((packed & 1) === 1 ? 'out' : 'in');
