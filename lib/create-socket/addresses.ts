import { BlockList, isIP } from 'node:net';
import { networkInterfaces } from 'node:os';

import type { Peer } from '../base/peer';
import { DTLSError } from '../errors/errors';
import { printable } from '../errors/printable';
import { spelling } from '../transport/addresses';
import { destinationOf } from '../transport/destination';

/** Where a message to this address goes. */
export const destination = (address: string): string => spelling(destinationOf(address));

export const keyOf = (address: string, port: number): string => `${String(port)} ${address}`;

export const isLiteral = (host: string): boolean => isIP(host) !== 0;

const multicast = new BlockList();
multicast.addSubnet('224.0.0.0', 4, 'ipv4');
multicast.addSubnet('ff00::', 8, 'ipv6');

/** Whether more than one host may hear what is sent to an address: there is nobody to shake hands with. */
export function isManyfold(peer: Peer, mayBroadcast: boolean): boolean {
  const family = peer.family === 'IPv4' ? 'ipv4' : 'ipv6';
  if (peer.address === '255.255.255.255') return true;
  const [host = ''] = peer.address.split('%');
  if (multicast.check(host, family)) return true;
  // Without SO_BROADCAST the kernel refuses these itself.
  return mayBroadcast && family === 'ipv4' && broadcastAddresses().has(peer.address);
}

const toNumber = (address: string): number =>
  address.split('.').reduce((sum, byte) => sum * 256 + Number(byte), 0);

function broadcastAddresses(): Set<string> {
  const found = new Set<string>();
  for (const { address, netmask, family } of Object.values(networkInterfaces()).flatMap((a) => a ?? [])) {
    if (family !== 'IPv4') continue;
    const all = (toNumber(address) | ~toNumber(netmask)) >>> 0;
    // A network of one host has no broadcast address, nor has one of two (RFC 3021 section 2.1).
    if (netmask === '255.255.255.255' || netmask === '255.255.255.254') continue;
    found.add([24, 16, 8, 0].map((shift) => (all >>> shift) & 255).join('.'));
  }
  return found;
}

/** DTLS is between two. `hostname`: what was looked up. */
export const notUnicast = (peer: Peer, hostname: string | undefined): DTLSError =>
  new DTLSError(`DTLS is unicast: nothing was sent to ${peer.address}${hostname === undefined ? '' : `, which is what '${printable(hostname)}' resolves to`}`, {
    code: 'ERR_DTLS_MULTICAST',
    category: 'usage',
    hint:
      hostname === undefined
        ? "Send to each peer, or set 'clearMulticast' to send to groups without any protection."
        : 'A name never stands for a group, as DNS can be forged: see what it resolves to, or name a group by its address.',
    peer,
  });
