/** What happens in a session and is told: by the events of its socket, and by the channels. */

export interface HeartbeatEvent {
  type: 'request' | 'response';
  direction: 'in' | 'out';
  /** Bytes of the HeartbeatMessage, padding included. */
  length: number;
  /** Milliseconds since the request was last sent; for a response that came in. */
  rtt?: number;
}

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

export interface KeyLimitEvent {
  /** `'in'`: the keys that the peer's records are opened with; `'out'`: those that this side seals with. */
  direction: 'in' | 'out';
  /**
   * Which limit is near: `'integrity'`, so many forged records came (`in`); `'confidentiality'`, so much was sent, and
   * `'numbers'`, so many records were (`out`). The session ends at `'integrity'` and `'numbers'`, and goes on at
   * `'confidentiality'`.
   */
  limit: 'integrity' | 'confidentiality' | 'numbers';
}
