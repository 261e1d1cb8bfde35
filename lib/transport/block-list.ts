/** Whether an address is on a net.BlockList, as node:net and node:dgram ask it. */
import { BlockList, isIP } from 'node:net';

/** Not what a subclass has in its place: nobody's code runs between two datagrams. */
const check = Object.getOwnPropertyDescriptor(BlockList.prototype, 'check')?.value as BlockList['check'];

export function isBlocked(list: BlockList, address: string): boolean {
  const version = isIP(address);
  // What a transport of the user's calls its peers need not be an address.
  if (version === 0) return false;
  // The list knows addresses, and not the interface behind a link-local one.
  const [plain = ''] = address.split('%');
  return check.call(list, plain, version === 6 ? 'ipv6' : 'ipv4');
}
