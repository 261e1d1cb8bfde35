/**
 * Protects: that the counters which lib/core/stats.ts types and src-native/core/*.def list are the same.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import { native } from '../../lib/core/native';
import {
  noEndpointStats,
  trafficStats,
  type EndpointStats,
  type TrafficStats,
} from '../../lib/core/stats';

// Typed, so that a counter which is added to or missing from the interfaces does not compile.
const traffic: Record<keyof TrafficStats, true> = {
  datagramsReceived: true,
  datagramsSent: true,
  bytesReceived: true,
  bytesSent: true,
  messagesReceived: true,
  messagesSent: true,
  messageBytesReceived: true,
  messageBytesSent: true,
  retransmissions: true,
  replays: true,
  badRecords: true,
  discardedRecords: true,
  alertsReceived: true,
  alertsSent: true,
  renegotiationsRefused: true,
  heartbeatsReceived: true,
  heartbeatsSent: true,
  heartbeatsDiscarded: true,
  packetsReceived: true,
  packetsSent: true,
  packetBytesReceived: true,
  packetBytesSent: true,
};
const endpoint: Record<
  Exclude<
    keyof EndpointStats,
    keyof TrafficStats | 'failures' | 'sessions' | 'transportErrors' | 'udp'
  >,
  true
> = {
  cookiesSent: true,
  cookiesAccepted: true,
  cookiesRefused: true,
  handshakesStarted: true,
  handshakesCompleted: true,
  handshakesFailed: true,
  sessionsRefused: true,
  handshakesDisplaced: true,
  hellosWhileBusy: true,
  hellosRefused: true,
  peersAsked: true,
  peersRefused: true,
  hellosWhileAsked: true,
  blockedDatagrams: true,
  nonDtlsDatagrams: true,
  emptyDatagrams: true,
  helloFragments: true,
  malformedDatagrams: true,
  unknownPeerDatagrams: true,
};

function listed(...files: string[]): string[] {
  const read = (file: string) => readFileSync(path.join(__dirname, '../../src-native/core/outbox', file), 'utf8');
  return [...files.map(read).join('').matchAll(/^DTLS_STAT\((\w+)\)/gm)].map(([, name = '']) => name);
}

describe('statistics', () => {
  it('of a session are typed as the core lists them', () => {
    expect(native.trafficCounters).to.deep.equal(listed('stats.def', 'seldom_stats.def'));
    expect(Object.keys(traffic)).to.have.members(native.trafficCounters as string[]);
    expect(Object.keys(trafficStats())).to.have.members(Object.keys(traffic));
  });

  it('of an endpoint are typed as the core lists them', () => {
    expect(native.endpointCounters).to.deep.equal(listed('endpoint_stats.def'));
    expect(Object.keys(endpoint)).to.have.members(native.endpointCounters as string[]);
    expect(Object.keys(noEndpointStats())).to.have.members([
      ...Object.keys(traffic),
      ...Object.keys(endpoint),
      'transportErrors',
      'sessions',
      'failures',
    ]);
  });

  it('begin at zero', () => {
    expect(new Set(Object.values(trafficStats()))).to.deep.equal(new Set([0]));
    expect(noEndpointStats().failures).to.deep.equal({});
  });
});
