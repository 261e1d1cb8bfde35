// Media under the keys of a DTLS session (RFC 5764), by werift's SRTP.

import {
  ProtectionProfileAeadAes128Gcm,
  ProtectionProfileAes128CmHmacSha1_80,
  RtpPacket,
  SrtcpSession,
  SrtpSession,
} from 'werift-rtp';

/** Those that werift has, by the names that the library has for them, the preferred one first. */
const PROFILES = {
  SRTP_AEAD_AES_128_GCM: ProtectionProfileAeadAes128Gcm,
  SRTP_AES128_CM_SHA1_80: ProtectionProfileAes128CmHmacSha1_80,
};
export const srtpProfiles = /** @type {(keyof typeof PROFILES)[]} */ (Object.keys(PROFILES));

export class Srtp {
  #rtp;
  #rtcp;

  /** Of what `socket.getSrtp()` gives in an open session. */
  constructor({ profile, localKey, localSalt, remoteKey, remoteSalt }) {
    const keys = {
      localMasterKey: localKey,
      localMasterSalt: localSalt,
      remoteMasterKey: remoteKey,
      remoteMasterSalt: remoteSalt,
    };
    const config = { keys, profile: PROFILES[profile] };
    this.#rtp = new SrtpSession(config);
    this.#rtcp = new SrtcpSession(config);
  }

  /** Throws where the packet is not authentic. */
  openRtp(packet) {
    return RtpPacket.deSerialize(this.#rtp.decrypt(packet));
  }

  sealRtp(header, payload) {
    return this.#rtp.encrypt(payload, header);
  }

  /** Throws where the packet is not authentic. */
  openRtcp(packet) {
    return this.#rtcp.decrypt(packet);
  }

  sealRtcp(packet) {
    return this.#rtcp.encrypt(packet);
  }
}
