import { BlockList, isIP, isIPv4, SocketAddress, type AddressInfo } from 'node:net';
import { networkInterfaces } from 'node:os';

import type { Peer } from '../base/peer';
import { destinationOf } from '../transport/destination';

export const familyOf = (address: string): 'IPv4' | 'IPv6' => (isIPv4(address) ? 'IPv4' : 'IPv6');

/** One spelling for each address, the one that the kernel's answers have. */
function canonical(address: string): string {
  if (isIPv4(address)) return address;
  const [host = address, zone] = address.split('%', 2);
  const spelt = new SocketAddress({ address: host, family: 'ipv6' }).address;
  return zone === undefined ? spelt : `${spelt}%${zone}`;
}

/** Peers by what one spells them; IPv6 has many spellings, of which few are in use at a time. */
const known = new Map<string, string>();

export function spelling(address: string): string {
  if (isIPv4(address)) return address;
  let spelt = known.get(address);
  if (spelt === undefined) {
    if (known.size > 10000) known.clear();
    spelt = canonical(address);
    known.set(address, spelt);
  }
  return spelt;
}

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

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/** Whether a socket that is bound to `local` would itself hear what it sends to `peer`. */
export function isOwn(peer: Peer, local: AddressInfo): boolean {
  if (peer.port !== local.port) return false;
  const own = spelling(local.address);
  if (own === peer.address) return true;
  if (own !== '0.0.0.0' && own !== '::') return false;
  const host = peer.address.replace(/^::ffff:/, '').replace(/%.*$/, '');
  if (loopback.check(host, isIPv4(host) ? 'ipv4' : 'ipv6')) return true;
  return Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === host));
}

const toNumber = (address: string): number =>
  address.split('.').reduce((sum, byte) => sum * 256 + Number(byte), 0);

function broadcastAddresses(): Set<string> {
  const found = new Set<string>();
  for (const { address, netmask, family } of Object.values(networkInterfaces()).flatMap((a) => a ?? [])) {
    if (family !== 'IPv4') continue;
    const all = (toNumber(address) | ~toNumber(netmask)) >>> 0;
    // A network of one host has no broadcast address.
    if (netmask === '255.255.255.255') continue;
    found.add([24, 16, 8, 0].map((shift) => (all >>> shift) & 255).join('.'));
  }
  return found;
}
