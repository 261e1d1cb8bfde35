/** Whether an address is on a net.BlockList, as node:net and node:dgram ask it. */
import type { BlockList } from 'node:net';

import { late } from '../base/late';

let own: BlockList['check'] | undefined;

/** The method `check` of BlockList's own. What a subclass has in its place is not called: no user's code runs between two datagrams. */
function ownCheck(): BlockList['check'] {
  own ??= Object.getOwnPropertyDescriptor(late.net.BlockList.prototype, 'check')?.value as BlockList['check'];
  return own;
}

export function isBlocked(list: BlockList, address: string): boolean {
  const version = late.net.isIP(address);
  // What a transport of the user's calls its peers need not be an address.
  if (version === 0) return false;
  // The list knows addresses, and not the interface behind a link-local one.
  const [plain = ''] = address.split('%');
  return ownCheck().call(list, plain, version === 6 ? 'ipv6' : 'ipv4');
}
