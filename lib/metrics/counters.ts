/** Which counters are metrics, under which names and labels. All of an endpoint's are here or in TOLD_BY_EVENTS. */
import type { UdpStats } from '../core/native';
import type { EndpointStats } from '../core/stats';

type Counter = {
  [K in keyof EndpointStats]-?: EndpointStats[K] extends number ? K : never;
}[keyof EndpointStats];
type UdpCounter = {
  [K in keyof UdpStats]-?: UdpStats[K] extends number | undefined ? K : never;
}[keyof UdpStats];

interface CounterMetric {
  readonly name: string;
  readonly help: string;
  /** The label whose values are the keys of `of`. */
  readonly label?: string;
  readonly of: Readonly<Record<string, Counter | `udp.${UdpCounter}`>>;
}

export const COUNTERS: readonly CounterMetric[] = [
  {
    name: 'datagrams_total',
    help: 'UDP datagrams that came in or left.',
    label: 'direction',
    of: { in: 'datagramsReceived', out: 'datagramsSent' },
  },
  {
    name: 'datagram_bytes_total',
    help: 'UDP payload that came in or left, in bytes.',
    label: 'direction',
    of: { in: 'bytesReceived', out: 'bytesSent' },
  },
  {
    name: 'messages_total',
    help: 'Messages of the application.',
    label: 'direction',
    of: { in: 'messagesReceived', out: 'messagesSent' },
  },
  {
    name: 'message_bytes_total',
    help: 'What the messages of the application held, in bytes.',
    label: 'direction',
    of: { in: 'messageBytesReceived', out: 'messageBytesSent' },
  },
  {
    name: 'packets_total',
    help: 'Datagrams beside DTLS that somebody listened for, or that sendPacket has sent.',
    label: 'direction',
    of: { in: 'packetsReceived', out: 'packetsSent' },
  },
  {
    name: 'packet_bytes_total',
    help: 'What those datagrams beside DTLS held, in bytes.',
    label: 'direction',
    of: { in: 'packetBytesReceived', out: 'packetBytesSent' },
  },
  {
    name: 'heartbeats_total',
    help: 'Heartbeat requests and responses (RFC 6520).',
    label: 'direction',
    of: { in: 'heartbeatsReceived', out: 'heartbeatsSent' },
  },
  {
    name: 'handshakes_started_total',
    help: 'Handshakes that began; on a server, after the cookie.',
    of: { '': 'handshakesStarted' },
  },
  {
    name: 'handshakes_displaced_total',
    help: 'Handshakes that gave way to others because a limit was reached.',
    of: { '': 'handshakesDisplaced' },
  },
  {
    name: 'retransmissions_total',
    help: 'Handshake messages that were sent again.',
    of: { '': 'retransmissions' },
  },
  {
    name: 'cookies_total',
    help: 'Cookies of the stateless exchange (RFC 6347 section 4.2.1).',
    label: 'what',
    of: { sent: 'cookiesSent', accepted: 'cookiesAccepted', refused: 'cookiesRefused' },
  },
  {
    name: 'peers_asked_total',
    help: 'How often the rules of a peer were asked for.',
    of: { '': 'peersAsked' },
  },
  {
    name: 'dropped_total',
    help: 'Records, hellos and datagrams that were dropped.',
    label: 'reason',
    of: {
      replay: 'replays',
      bad_record: 'badRecords',
      discarded_record: 'discardedRecords',
      heartbeat: 'heartbeatsDiscarded',
      limit: 'sessionsRefused',
      busy: 'hellosWhileBusy',
      refused: 'hellosRefused',
      peer_refused: 'peersRefused',
      while_asked: 'hellosWhileAsked',
      blocked: 'blockedDatagrams',
      malformed: 'malformedDatagrams',
      unknown_peer: 'unknownPeerDatagrams',
      truncated: 'udp.truncated',
    },
  },
  {
    name: 'non_dtls_datagrams_total',
    help: 'Datagrams that are not DTLS, whoever listens for packets.',
    of: { '': 'nonDtlsDatagrams' },
  },
  {
    name: 'empty_datagrams_total',
    help: 'Those among the datagrams that are not DTLS that are empty.',
    of: { '': 'emptyDatagrams' },
  },
  {
    name: 'hello_fragments_total',
    help: 'Datagrams behind the first of a ClientHello, of peers that have no handshake yet.',
    of: { '': 'helloFragments' },
  },
  {
    name: 'renegotiations_refused_total',
    help: 'Renegotiations that peers asked for and were refused.',
    of: { '': 'renegotiationsRefused' },
  },
  {
    name: 'transport_errors_total',
    help: 'Errors of sockets: datagrams that could not be sent, ICMP messages.',
    of: { '': 'transportErrors' },
  },
  {
    name: 'udp_calls_total',
    help: 'System calls of the native socket that brought or took datagrams.',
    label: 'direction',
    of: { in: 'udp.receiveCalls', out: 'udp.sendCalls' },
  },
  {
    name: 'udp_merged_datagrams_total',
    help: 'Datagrams of the native socket that came or left merged with others (GRO, GSO).',
    label: 'direction',
    of: { in: 'udp.receivedMerged', out: 'udp.sentMerged' },
  },
  {
    name: 'udp_buffers_dropped_total',
    help: 'Buffers that the system dropped because that of the native socket was full: a datagram each, or several merged ones.',
    of: { '': 'udp.buffersDropped' },
  },
  {
    name: 'udp_send_errors_total',
    help: 'Datagrams that the system refused to send.',
    of: { '': 'udp.sendErrors' },
  },
];

/** These have metrics with more labels than a counter has, or are no counters. */
export const TOLD_BY_EVENTS: readonly Counter[] = [
  'alertsReceived',
  'alertsSent',
  'handshakesCompleted',
  'handshakesFailed',
  'sessions',
];
