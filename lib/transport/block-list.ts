/** Whether an address is on a net.BlockList, as node:net and node:dgram ask it. */
import type net from 'node:net';
import type { BlockList } from 'node:net';

import { late } from '../base/late';
import { applied, before } from '../base/untouched';

interface Own {
  readonly check: BlockList['check'];
  readonly isIP: typeof net.isIP;
}

let own: Own | undefined;

/**
 * Node's own functions, as they are when the first list is seen. What a subclass has in the place of `check` is not
 * called, nor what a program puts in their place later: no code of a user's runs for a datagram.
 */
export function holdBlockLists(): Own {
  own ??= {
    check: Object.getOwnPropertyDescriptor(late.net.BlockList.prototype, 'check')?.value as BlockList['check'],
    isIP: late.net.isIP,
  };
  return own;
}

/** What to do about something else in its place. */
export const HOW_TO_BLOCK = 'It is made by new BlockList(), of node:net, and filled by its addAddress(), addRange() and addSubnet().';

export function isBlocked(list: BlockList, address: string): boolean {
  const { check, isIP } = holdBlockLists();
  const version = isIP(address);
  // What a transport of the user's calls its peers need not be an address.
  if (version === 0) return false;
  // The list knows addresses, and not the interface behind a link-local one.
  return applied(check, list, [before(address, '%'), version === 6 ? 'ipv6' : 'ipv4']);
}
