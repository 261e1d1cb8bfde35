/** The option `localAddress`: the address that a client's socket is bound to. */
import { late } from '../base/late';
import type { Peer } from '../base/peer';
import { hostMistake } from '../checks/host';
import { text } from '../checks/validate';
import { shown } from '../errors/as-error';
import { ioError, usageError, type DTLSError } from '../errors/errors';
import { errnoOf, systemError } from '../errors/system-error';

/** As net: an address, for which nothing is looked up; an empty text is none. */
export function resolveLocalAddress(given: string | undefined): string | undefined {
  const address = text('localAddress', given);
  if (address === undefined || address === '') return undefined;
  if (late.net.isIP(address) !== 0) return address;
  throw usageError(
    'ERR_INVALID_IP_ADDRESS',
    `'localAddress' is no IP address: ${shown(address)}`,
    hostMistake(address) ?? "It is one of this machine's own, such as '127.0.0.1': names are not looked up for it.",
  );
}

/** The error of a server that cannot be reached from the address that was asked for; undefined where it can. */
export function otherFamily(localAddress: string | undefined, localPort: number, peer: Peer): DTLSError | undefined {
  if (localAddress === undefined || late.net.isIPv6(localAddress) === (peer.family === 'IPv6')) return undefined;
  return ioError(
    systemError(errnoOf('EINVAL'), 'bind', localAddress, localPort),
    peer,
    `'localAddress' is of another version of IP than the server's address, ${peer.address}: give one of the same, or leave it out.`,
  );
}
