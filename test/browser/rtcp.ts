/** The one thing of RTCP that it takes to send video on: whoever lacks a whole picture asks for one (RFC 4585). */

const FEEDBACK = 206;
const PICTURE_LOSS = 1;

/** RTCP on the port that RTP has (RFC 5761 section 4). */
export function isRtcp(packet: Buffer): boolean {
  const type = packet.readUInt8(1);
  return type >= 192 && type <= 223;
}

/** Whether a packet, which is mostly several in one, has a picture loss indication (RFC 4585 section 6.3.1). */
export function asksForPicture(compound: Buffer): boolean {
  for (let at = 0; at + 4 <= compound.length; at += 4 + 4 * compound.readUInt16BE(at + 2)) {
    if (compound.readUInt8(at + 1) === FEEDBACK && (compound.readUInt8(at) & 0x1f) === PICTURE_LOSS) return true;
  }
  return false;
}

/** That indication, from one source about another, behind the empty report that every such packet begins with. */
export function pictureLoss(sender: number, media: number): Buffer {
  const packet = Buffer.from('80c9000100000000' + '81ce00020000000000000000', 'hex');
  packet.writeUInt32BE(sender, 4);
  packet.writeUInt32BE(sender, 12);
  packet.writeUInt32BE(media, 16);
  return packet;
}
