/** Where a session's peer may be from now on, and why it may not. */
import type { AddressInfo } from 'node:net';

import { late } from '../base/late';
import type { Peer } from '../base/peer';
import { port as checkPort, PORT_OF_A_NAME } from '../checks/validate';
import { MoveOutcome } from '../core/outcomes';
import { shown } from '../errors/as-error';
import { DTLSError, usageError } from '../errors/errors';
import { isOwn, spelling, typeOfFamily, withItself, wrongFamily } from '../transport/addresses';
import { destinationOf } from '../transport/destination';
import { checkName } from './packet-peers';

/** An address as somebody has written it, and a port of which nothing is known. */
export interface Place {
  readonly address: string;
  readonly port: number;
}

/** An IPv4 address is one on a socket of IPv6, too, so that this is a session's over IPv4. */
const ONE_FAMILY =
  "The session's socket is of IPv4 ('udp4') and stays so: a server that is to have peers of both versions of IP listens on '::', or on no address.";

/**
 * The peer of a UDP socket that is bound to `local`, spelt as events name it.
 *
 * @throws For what is no IP address, or no port that somebody can have, or cannot be reached by that socket.
 */
export function placeOverUdp({ address, port }: Place, local: AddressInfo): Peer {
  const checked = checkPort('port', port, 1);
  if (late.net.isIP(address) === 0) {
    throw usageError(
      'ERR_INVALID_IP_ADDRESS',
      `'address' is no IP address: ${shown(address)}`,
      'setPeer() waits for no lookup, as a session cannot be between two addresses: ask node:dns before.',
    );
  }
  const literal = spelling(destinationOf(address));
  const peer: Peer = late.net.isIPv6(literal)
    ? { address: literal, port: checked, family: 'IPv6' }
    : local.family === 'IPv6'
      ? { address: `::ffff:${literal}`, port: checked, family: 'IPv6' }
      : { address: literal, port: checked, family: 'IPv4' };
  const refusal = wrongFamily(typeOfFamily(local.family), peer, ONE_FAMILY) ?? (isOwn(peer, local) ? withItself(peer) : undefined);
  if (refusal !== undefined) throw refusal;
  return peer;
}

/**
 * The same on a transport of the user's, where any text may be a name.
 *
 * @throws For a name that is too long, or no port.
 */
export function placeByName({ address, port }: Place): Peer {
  const checked = checkPort('port', port, 0, PORT_OF_A_NAME);
  checkName('address', address);
  return { address, port: checked, family: late.net.isIPv4(address) ? 'IPv4' : 'IPv6' };
}

/** A list of the server's, or socket's, has it. */
export const blocked = (peer: Peer): DTLSError =>
  new DTLSError(`IP(${peer.address}) is blocked by net.BlockList`, {
    code: 'ERR_IP_BLOCKED',
    category: 'usage',
    hint: "A block list has this address: nothing would be heard from there, or could be sent.",
    peer,
  });

export const inUse = (peer: Peer): DTLSError =>
  new DTLSError('another session has this address', {
    code: 'ERR_DTLS_PEER_IN_USE',
    category: 'usage',
    hint: 'There is one session with an address: close the other one (its remotePeer says which), or move it first.',
    peer,
  });

/**
 * False where there is no session that could move.
 *
 * @throws Where that peer's address cannot be the session's.
 */
export function mayMove(outcome: MoveOutcome, peer: Peer): boolean {
  switch (outcome) {
    case MoveOutcome.Taken:
      throw inUse(peer);
    case MoveOutcome.HostFull:
      throw new DTLSError('this host has as many sessions as it may', {
        code: 'ERR_DTLS_TOO_MANY_SESSIONS',
        category: 'usage',
        hint: "Raise 'maxSessionsPerHost', or 'maxPendingHandshakesPerHost' where the handshake is not over, or close a session of that host.",
        peer,
      });
    default:
      return outcome === MoveOutcome.Moved;
  }
}
