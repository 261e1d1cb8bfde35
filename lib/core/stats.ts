import { native, type NativeEndpoint, type UdpStats } from './native';

/** Counters of one session; all count from its beginning. */
export interface TrafficStats {
  datagramsReceived: number;
  datagramsSent: number;
  /** UDP payload, with records' headers and padding. */
  bytesReceived: number;
  bytesSent: number;
  messagesReceived: number;
  messagesSent: number;
  /** What the messages held. */
  messageBytesReceived: number;
  messageBytesSent: number;
  /** Handshake messages that this side sent again. */
  retransmissions: number;
  /** Protected records dropped because their number had been seen (RFC 6347 section 4.1.2.6). */
  replays: number;
  /** Protected records dropped because they could not be authenticated, or were too short. */
  badRecords: number;
  /**
   * Records that have no place in the session, and are dropped: of an unknown type or of an epoch that is not in use,
   * application data in clear, anything in clear once the session is open, malformed ones, what did not parse as a
   * record, and what came while too much waited.
   */
  discardedRecords: number;
  alertsReceived: number;
  alertsSent: number;
  /** The peer asked for a renegotiation and was told no (RFC 5246 section 7.2.2). */
  renegotiationsRefused: number;
  /** RFC 6520: requests and responses that were valid. */
  heartbeatsReceived: number;
  heartbeatsSent: number;
  /** Authentic, but malformed, unasked for or not allowed: dropped in silence. */
  heartbeatsDiscarded: number;
  /** Datagrams beside DTLS (RFC 7983) that somebody listened for: of a session, those of its peer. */
  packetsReceived: number;
  /** The same that `sendPacket` has sent. */
  packetsSent: number;
  packetBytesReceived: number;
  packetBytesSent: number;
}

/** Counters of a server, or of a transport that several clients share. */
export interface EndpointStats extends TrafficStats {
  cookiesSent: number;
  cookiesAccepted: number;
  /** Cookies that were too old, or not ours. */
  cookiesRefused: number;
  handshakesStarted: number;
  handshakesCompleted: number;
  handshakesFailed: number;
  /** ClientHellos with a valid cookie that a limit (`maxSessions`, …) kept out. */
  sessionsRefused: number;
  /** Handshakes that their client did not go on with, and that gave way to another one. */
  handshakesDisplaced: number;
  hellosWhileBusy: number;
  /**
   * ClientHellos that have no version, suite or group in common with a server that has DTLS 1.3: each was answered with
   * an alert, and nothing of it was kept. And those of this endpoint's own that somebody sent back to it.
   */
  hellosRefused: number;
  /** How often a server's `peers` was called. */
  peersAsked: number;
  /** Datagrams of peers that `peers` has refused: dropped in silence. */
  peersRefused: number;
  /** Repetitions of hellos, and what was too much of one, while `peers` was being asked about their peer. */
  hellosWhileAsked: number;
  /** Datagrams from addresses on the server's `blockList`. */
  blockedDatagrams: number;
  /** Datagrams that are none of DTLS, whoever listens. */
  nonDtlsDatagrams: number;
  /** Datagrams without content, which nonDtlsDatagrams counts, too. */
  emptyDatagrams: number;
  /**
   * What a ClientHello of several datagrams has behind the first one, from a peer that has no handshake: the first was answered by
   * a cookie, and nothing is kept. A server with DTLS 1.3 puts hellos together, and counts none.
   */
  helloFragments: number;
  malformedDatagrams: number;
  /** DTLS records from peers that have no session. */
  unknownPeerDatagrams: number;
  /** Errors of the socket: datagrams that could not be sent, ICMP messages about those of a session. */
  transportErrors: number;
  /** Sessions there are now. */
  sessions: number;
  /** handshakesFailed by error code. */
  failures: Record<string, number>;
  /** Counters of the native UDP socket, where that carries the datagrams. */
  udp?: UdpStats;
}

/** An object of counters. Native code gives names and values in the same order; test/unit/stats.test.ts holds the names to the types above. */
function named(names: readonly string[], values: Float64Array): object {
  return Object.fromEntries(names.map((name, index) => [name, values[index] ?? 0]));
}

const allCounters = [...native.trafficCounters, ...native.endpointCounters];

/** What a session has counted; all zero where there is none. */
export function trafficStats(counters: Float64Array = new Float64Array(0)): TrafficStats {
  return named(native.trafficCounters, counters) as TrafficStats;
}

/** Datagrams that are none of DTLS, that nobody listened for, and that the core has not heard of. */
export class Unheard {
  #datagrams = 0;
  #empty = 0;
  #bytes = 0;

  count(size: number): void {
    this.#datagrams += 1;
    this.#bytes += size;
    if (size === 0) this.#empty += 1;
  }

  addTo(stats: EndpointStats): EndpointStats {
    stats.datagramsReceived += this.#datagrams;
    stats.bytesReceived += this.#bytes;
    stats.nonDtlsDatagrams += this.#datagrams;
    stats.emptyDatagrams += this.#empty;
    return stats;
  }
}

export function endpointStats(
  core: NativeEndpoint,
  transportErrors: number,
  udp: UdpStats | undefined,
): EndpointStats {
  const failures: Record<string, number> = {};
  core.failures().forEach((count, kind) => {
    const code = native.failures[kind]?.code;
    if (count > 0 && code !== undefined) failures[code === '' ? 'closed' : code] = count;
  });
  return {
    ...named(allCounters, core.counters()),
    transportErrors,
    sessions: core.sessionCount(),
    failures,
    ...(udp === undefined ? {} : { udp }),
  } as EndpointStats;
}

export function noEndpointStats(): EndpointStats {
  return {
    ...named(allCounters, new Float64Array(0)),
    transportErrors: 0,
    sessions: 0,
    failures: {},
  } as EndpointStats;
}
