/**
 * What happens to sessions, for those who watch from outside: channels of node:diagnostics_channel.
 * `NODE_DEBUG=dtls` and the qlog files are fed from the same events. Where nobody subscribes, an event
 * costs one comparison; messages of the application have no event at all.
 */
import { channel } from 'node:diagnostics_channel';
import { debuglog } from 'node:util';

import type { DTLSSocket } from '../base/dtls-socket';
import type { Peer } from '../base/peer';
import type { DTLSError } from '../errors/errors';
import type { TrafficStats } from '../core/stats';
import type { HeartbeatEvent, AlertEvent, HandshakeEvent, KeyLimitEvent } from './events';

export type SessionRole = 'client' | 'server';

/** Counters that grew while a datagram was handled, by how much: why something of it was dropped. */
export type DropReasons = Partial<
  Record<
    | 'replays'
    | 'badRecords'
    | 'discardedRecords'
    | 'heartbeatsDiscarded'
    | 'cookiesRefused'
    | 'sessionsRefused'
    | 'hellosWhileBusy'
    | 'hellosRefused'
    | 'peersRefused'
    | 'hellosWhileAsked'
    | 'blockedDatagrams'
    | 'malformedDatagrams'
    | 'unknownPeerDatagrams',
    number
  >
>;

/** The channels, by name, and what each one publishes. Times are in milliseconds. */
export interface DiagnosticsEvents {
  /** A client begins its handshake, or a server has verified a client's cookie. */
  'dgram-dtls.session.start': { socket: DTLSSocket; role: SessionRole; peer: Peer };
  /** The session goes on with its peer at another address (`setPeer`). */
  'dgram-dtls.session.move': { socket: DTLSSocket; from: Peer; peer: Peer };
  /** One message of a handshake, sent again or not. */
  'dgram-dtls.handshake.message': HandshakeEvent & { socket: DTLSSocket };
  /** The handshake is over. `duration`: since `session.start`. */
  'dgram-dtls.handshake.done': {
    socket: DTLSSocket;
    duration: number;
    protocol: string;
    cipher: string;
    authorized: boolean;
  };
  /** No session came of it: also when a host name was not found. */
  'dgram-dtls.handshake.failed': { socket: DTLSSocket; duration: number; error: DTLSError };
  /** A handshake message that this side sent again. */
  'dgram-dtls.retransmission': { socket: DTLSSocket; message: string; length: number };
  'dgram-dtls.alert': AlertEvent & { socket: DTLSSocket };
  'dgram-dtls.heartbeat': HeartbeatEvent & { socket: DTLSSocket };
  /** Three quarters of a limit of the session's keys have been reached. */
  'dgram-dtls.key.limit': KeyLimitEvent & { socket: DTLSSocket };
  /** The last event of a session. */
  'dgram-dtls.session.close': {
    socket: DTLSSocket;
    duration: number;
    error: DTLSError | undefined;
    stats: TrafficStats;
  };
  /** Something of one datagram was dropped. `socket`: the session of that peer, when there is one. */
  'dgram-dtls.dropped': {
    socket: DTLSSocket | undefined;
    peer: Peer;
    length: number;
    reasons: DropReasons;
  };
}

export type DiagnosticsChannelName = keyof DiagnosticsEvents;

/** A channel whose messages have a type. */
export interface TypedChannel<T> {
  readonly hasSubscribers: boolean;
  publish(event: T): void;
  subscribe(listener: (event: unknown, name: string | symbol) => void): void;
  unsubscribe(listener: (event: unknown, name: string | symbol) => void): unknown;
}

const typed = <K extends DiagnosticsChannelName>(name: K): TypedChannel<DiagnosticsEvents[K]> =>
  channel(name);

/** Held here for good: node:diagnostics_channel itself keeps only those that somebody holds. */
export const channels = {
  sessionStart: typed('dgram-dtls.session.start'),
  sessionMove: typed('dgram-dtls.session.move'),
  handshakeMessage: typed('dgram-dtls.handshake.message'),
  handshakeDone: typed('dgram-dtls.handshake.done'),
  handshakeFailed: typed('dgram-dtls.handshake.failed'),
  retransmission: typed('dgram-dtls.retransmission'),
  alert: typed('dgram-dtls.alert'),
  heartbeat: typed('dgram-dtls.heartbeat'),
  keyLimit: typed('dgram-dtls.key.limit'),
  sessionClose: typed('dgram-dtls.session.close'),
  dropped: typed('dgram-dtls.dropped'),
};

/** Calls `listener` with every event of every channel. */
export function subscribeToAll(
  listener: <K extends DiagnosticsChannelName>(name: K, event: DiagnosticsEvents[K]) => void,
): void {
  for (const one of Object.values(channels)) {
    one.subscribe((event, name) => {
      listener(name as DiagnosticsChannelName, event as never);
    });
  }
}

export const addressOf = ({ address, port, family }: Peer): string =>
  family === 'IPv6' ? `[${address}]:${String(port)}` : `${address}:${String(port)}`;

/** What an event says about itself, in the fields of a log: no objects of the program's. */
export function plainEvent(
  event: DiagnosticsEvents[DiagnosticsChannelName],
): Record<string, unknown> {
  const plain: Record<string, unknown> = { ...event };
  delete plain.socket;
  if ('peer' in event) plain.peer = addressOf(event.peer);
  if ('from' in event) plain.from = addressOf(event.from);
  if ('error' in event) {
    const { error } = event;
    plain.error =
      error === undefined
        ? undefined
        : { code: error.code, category: error.category, message: error.message, hint: error.hint };
  }
  return plain;
}

const debug = debuglog('dtls');
if (debug.enabled) {
  const numbers = new WeakMap<DTLSSocket, number>();
  let count = 0;
  subscribeToAll((name, event) => {
    let who = '-';
    if (event.socket !== undefined) {
      const number = numbers.get(event.socket) ?? ++count;
      numbers.set(event.socket, number);
      who = `#${String(number)}`;
    }
    debug('%s %s %j', who, name.replace('dgram-dtls.', ''), plainEvent(event));
  });
}
