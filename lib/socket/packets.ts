/** What may be sent beside DTLS, and to whom. */
import { usageError, type DTLSError } from '../errors/errors';
import { sizeOf } from '../base/memory';
import { payload, port as checkPort, PORT_OF_A_NAME, wrongType } from '../checks/validate';
import { joined, type Message } from './messages';

/** Where a packet goes: a peer as the events give it, or any address and port. */
export interface PacketDestination {
  /** An IP address, or whatever names a peer on a transport of your own. */
  readonly address: string;
  readonly port: number;
}

/**
 * The bytes of a packet that the argument of `sendPacket` means; an array makes one packet of its parts.
 *
 * @throws For what is no bytes, and for what the other end would take for DTLS.
 */
export function readPacket(packet: Message | readonly Message[]): Uint8Array {
  const given = Array.isArray(packet) ? joined('packet', packet) : payload('packet', packet);
  const first = sizeOf(given) === 0 ? undefined : given[0];
  if (first !== undefined && first >= FIRST && first <= LAST) throw looksLikeDtls(first);
  return given;
}

/** First bytes of DTLS, RFC 7983 section 7. */
const FIRST = 20;
const LAST = 63;

const looksLikeDtls = (first: number): DTLSError =>
  usageError(
    'ERR_DTLS_NOT_A_PACKET',
    `a packet cannot begin with the byte ${String(first)}: on a port of DTLS 20 to 63 are the first bytes of its records (RFC 7983)`,
    'sendPacket() is for what shares the port: STUN, TURN channels, RTP and RTCP. What is to be protected is sent by send().',
  );

/** @throws For what names no peer. */
export function checkDestination(peer: PacketDestination, form = 'sendPacket(packet, peer[, callback])'): PacketDestination {
  const hint = `${form}: the peer is one that 'packet' gave, or { address, port }.`;
  if (typeof peer !== 'object' || (peer as unknown) === null) throw wrongType('peer', 'an object with an address and a port', peer, hint);
  const { address, port } = peer;
  if (typeof address !== 'string') throw wrongType('peer.address', 'a string', address, hint);
  // What was looked at: a getter may say something else the next time.
  return { address, port: typeof port === 'number' ? port : checkPort('peer.port', port, 0, PORT_OF_A_NAME) };
}
