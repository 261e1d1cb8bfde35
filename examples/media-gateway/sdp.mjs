// A browser's offer, and the answer to it (RFC 8829). Video is VP8, which all browsers have, and plain: no
// retransmission, no header extensions, no simulcast. What is not offered in the answer is not used.

import { parse, write } from 'sdp-transform';

import { SCTP_PORT } from './data-channels.mjs';

/** Throws where it is not what this gateway can answer. */
export function readOffer(sdp) {
  if (typeof sdp !== 'string') throw new Error('an offer without SDP');
  const { fingerprint, media } = parse(sdp);
  const { type, hash } = fingerprint ?? media.find((section) => section.fingerprint)?.fingerprint ?? {};
  if (type !== 'sha-256') throw new Error('an offer without a fingerprint by sha-256');
  return { fingerprint: hash.toUpperCase(), sections: media.map(readSection) };
}

function readSection({ type, mid, protocol, direction, rtp, port, bundleOnly }) {
  const vp8 = rtp?.find(({ codec, rate }) => codec === 'VP8' && rate === 90000);
  const usable = type === 'video' ? vp8 !== undefined : type === 'application';
  return {
    mid: String(mid),
    type,
    protocol,
    /** A section that is refused has port 0 in the answer. So has one that was stopped, in the offer. */
    kind: usable && (port !== 0 || bundleOnly !== undefined) ? type : 'refused',
    payloadType: vp8?.payload,
    sends: direction === 'sendonly' || direction === 'sendrecv',
    receives: direction === 'recvonly' || direction === 'sendrecv',
  };
}

/** We are passive: the browser begins with DTLS, as soon as ICE has a path. */
export function writeAnswer({ sections }, { address, port, fingerprint, credentials, slots }) {
  const transport = {
    iceUfrag: credentials.ufrag,
    icePwd: credentials.pwd,
    fingerprint: { type: 'sha-256', hash: fingerprint },
    setup: 'passive',
    candidates: [{ foundation: '1', component: 1, transport: 'udp', priority: 2130706431, ip: address, port, type: 'host' }],
    endOfCandidates: 'end-of-candidates',
  };
  return write({
    version: 0,
    origin: { username: '-', sessionId: '1', sessionVersion: 1, netType: 'IN', ipVer: 4, address: '127.0.0.1' },
    name: '-',
    timing: { start: 0, stop: 0 },
    icelite: 'ice-lite',
    groups: [{ type: 'BUNDLE', mids: sections.filter(({ kind }) => kind !== 'refused').map(({ mid }) => mid).join(' ') }],
    media: sections.map((section) => ({
      type: section.type,
      protocol: section.protocol,
      mid: section.mid,
      connection: { version: 4, ip: '0.0.0.0' },
      ...(section.kind === 'refused' ? { port: 0, payloads: '0', direction: 'inactive', rtp: [], fmtp: [] } : {}),
      ...(section.kind === 'video' ? { port: 9, ...transport, ...video(section, slots) } : {}),
      ...(section.kind === 'application' ? { port: 9, ...transport, ...data } : {}),
    })),
  });
}

function video({ mid, payloadType, sends, receives }, slots) {
  const slot = slots.find((one) => one.mid === mid);
  return {
    payloads: String(payloadType),
    rtp: [{ payload: payloadType, codec: 'VP8', rate: 90000 }],
    fmtp: [],
    rtcpFb: [{ payload: payloadType, type: 'nack', subtype: 'pli' }],
    rtcpMux: 'rtcp-mux',
    direction: sends && receives ? 'sendrecv' : sends ? 'recvonly' : 'sendonly',
    ...(slot === undefined
      ? {}
      : {
          msid: [{ id: `slot-${mid}`, appdata: 'video' }],
          ssrcs: [{ id: slot.ssrc, attribute: 'cname', value: 'gateway' }],
        }),
  };
}

const data = { payloads: 'webrtc-datachannel', rtp: [], fmtp: [], sctpPort: SCTP_PORT, maxMessageSize: 262144 };
