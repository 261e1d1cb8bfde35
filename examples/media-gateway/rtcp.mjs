// As much of RTCP as it takes to forward video: who lacks a whole picture asks its sender for one (RFC 4585).

import {
  PictureLossIndication,
  RtcpPacketConverter,
  RtcpPayloadSpecificFeedback,
  RtcpRrPacket,
  isRtcp,
} from 'werift-rtp';

export { isRtcp };

/** The sources of whose pictures a packet, which is mostly several in one, asks for a whole one. */
export function picturesAskedFor(compound) {
  return RtcpPacketConverter.deSerialize(compound)
    .filter((packet) => packet instanceof RtcpPayloadSpecificFeedback)
    .map(({ feedback }) => feedback)
    .filter((feedback) => feedback instanceof PictureLossIndication)
    .map(({ mediaSsrc }) => mediaSsrc);
}

/** Asks the sender of a source for a whole picture. A report goes before it, though an empty one (RFC 3550 6.1). */
export function askForPicture(senderSsrc, mediaSsrc) {
  const feedback = new PictureLossIndication({ senderSsrc, mediaSsrc });
  return Buffer.concat([
    new RtcpRrPacket({ ssrc: senderSsrc }).serialize(),
    new RtcpPayloadSpecificFeedback({ feedback }).serialize(),
  ]);
}
