/** As much of SDP as it takes to agree with a browser on one video track and a data channel, whoever offers. */
import type { Credentials } from './stun';

export interface Section {
  readonly kind: 'video' | 'application';
  readonly mid: string;
  /** Of VP8, in a section of video. */
  readonly payloadType: number | undefined;
}

/** What a browser has offered, or answered. */
export interface Offer {
  readonly ice: Credentials;
  /** Of the first section that has one: `sha-256 AB:CD:…`. */
  readonly fingerprint: string;
  readonly setup: string;
  readonly sections: readonly Section[];
}

function find(text: string, pattern: RegExp): string {
  const found = pattern.exec(text)?.[1];
  if (found === undefined) throw new Error(`an offer without ${String(pattern)}:\n${text}`);
  return found;
}

export function readOffer(sdp: string): Offer {
  return {
    ice: { ufrag: find(sdp, /^a=ice-ufrag:(\S+)/m), pwd: find(sdp, /^a=ice-pwd:(\S+)/m) },
    fingerprint: find(sdp, /^a=fingerprint:(.+?)\r?$/m),
    setup: find(sdp, /^a=setup:(\S+)/m),
    sections: sdp
      .split(/^(?=m=)/m)
      .slice(1)
      .map((section) => {
        const kind = find(section, /^m=(video|application) /) as Section['kind'];
        return {
          kind,
          mid: find(section, /^a=mid:(\S+)/m),
          payloadType: kind === 'video' ? Number(find(section, /^a=rtpmap:(\d+) VP8\/90000/m)) : undefined,
        };
      }),
  };
}

/** What we offer. */
export const OUR_SECTIONS: readonly Section[] = [
  { kind: 'video', mid: '0', payloadType: 96 },
  { kind: 'application', mid: '1', payloadType: undefined },
];

export interface Describing {
  readonly sections: readonly Section[];
  readonly ice: Credentials;
  readonly setup: 'active' | 'passive' | 'actpass';
  readonly fingerprint: string;
  readonly port: number;
  /** Of the video that is sent back. */
  readonly ssrc: number;
}

/** An answer to sections of the browser's, or an offer of ours. */
export function writeDescription({ sections, ice, setup, fingerprint, port, ssrc }: Describing): string {
  const transport = [
    `a=ice-ufrag:${ice.ufrag}`,
    `a=ice-pwd:${ice.pwd}`,
    `a=fingerprint:${fingerprint}`,
    `a=setup:${setup}`,
    `a=candidate:1 1 udp 2130706431 127.0.0.1 ${port} typ host`,
    'a=end-of-candidates',
  ];
  const lines = sections.flatMap(({ kind, mid, payloadType }) => [
    ...(kind === 'video'
      ? [
          `m=video 9 UDP/TLS/RTP/SAVPF ${payloadType ?? 0}`,
          'c=IN IP4 127.0.0.1',
          'a=rtcp-mux',
          'a=sendrecv',
          `a=rtpmap:${payloadType ?? 0} VP8/90000`,
          `a=rtcp-fb:${payloadType ?? 0} nack pli`,
          'a=msid:ours video',
          `a=ssrc:${ssrc} cname:ours`,
        ]
      : [
          'm=application 9 UDP/DTLS/SCTP webrtc-datachannel',
          'c=IN IP4 127.0.0.1',
          'a=sctp-port:5000',
          'a=max-message-size:262144',
        ]),
    `a=mid:${mid}`,
    ...transport,
  ]);
  return [
    'v=0',
    'o=- 1 1 IN IP4 127.0.0.1',
    's=-',
    't=0 0',
    'a=ice-lite',
    `a=group:BUNDLE ${sections.map(({ mid }) => mid).join(' ')}`,
    'a=msid-semantic:WMS *',
    ...lines,
    '',
  ].join('\r\n');
}
