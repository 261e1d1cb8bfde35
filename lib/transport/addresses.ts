/** Addresses of UDP: how they are spelt, and which of them are a socket's own. */
import type dgram from 'node:dgram';
import type { AddressInfo, BlockList } from 'node:net';
import type { NetworkInterfaceInfo } from 'node:os';

import { late } from '../base/late';
import type { Peer } from '../base/peer';
import { DTLSError, ioError } from '../errors/errors';
import { errnoOf, systemError } from '../errors/system-error';

// Each message of createSocket asks: a module that has been loaded is not asked for again.
let loaded: typeof late.net | undefined;
const net = (): typeof late.net => (loaded ??= late.net);

export const familyOf = (address: string): 'IPv4' | 'IPv6' => (net().isIPv4(address) ? 'IPv4' : 'IPv6');

/**
 * The family of a peer on a transport of the user's, where any text may be a name. As on a socket of dgram's a peer has the
 * family of the socket: a name is of neither version of IP.
 */
export function familyOn(transport: { address(): AddressInfo }, name: string): 'IPv4' | 'IPv6' {
  if (net().isIP(name) !== 0) return familyOf(name);
  try {
    return transport.address().family === 'IPv6' ? 'IPv6' : 'IPv4';
  } catch {
    return 'IPv4'; // one without an address has peers all the same
  }
}

/** One spelling for each address, the one that the kernel's answers have. */
function canonical(address: string): string {
  if (net().isIPv4(address)) return address;
  const [host = address, zone] = address.split('%', 2);
  const spelt = new (net().SocketAddress)({ address: host, family: 'ipv6' }).address;
  // RFC 4007 section 11: 0 is the default zone, and a zone says something of link-local addresses and groups only.
  const isZoned = zone !== undefined && !/^0+$/.test(zone) && /^(fe[89ab]|ff)/.test(spelt);
  return isZoned ? `${spelt}%${zoneName(zone)}` : spelt;
}

/** The kernel's answers name a zone by its interface; `os.networkInterfaces()` has numbers, too (RFC 4007 section 11.2). */
function zoneName(zone: string): string {
  if (!/^\d+$/.test(zone)) return zone;
  const ofZone = ({ family, scopeid }: NetworkInterfaceInfo): boolean => family === 'IPv6' && scopeid === Number(zone);
  const found = Object.entries(late.os.networkInterfaces()).find(([, addresses]) => addresses?.some(ofZone));
  return found?.[0] ?? zone;
}

/** Peers by what one spells them; IPv6 has many spellings, of which few are in use at a time. */
const known = new Map<string, string>();

export function spelling(address: string): string {
  if (net().isIPv4(address)) return address;
  let spelt = known.get(address);
  if (spelt === undefined) {
    if (known.size > 10000) known.clear();
    spelt = canonical(address);
    known.set(address, spelt);
  }
  return spelt;
}

/**
 * The spelling that an address has in what a socket hears. One of IPv6 that hears IPv4, too, has it in mapped addresses (RFC 4291
 * section 2.5.5.2).
 */
export function heardAs(address: string, ofIPv6: boolean): string {
  const spelt = spelling(address);
  if (!ofIPv6) return spelt.replace(/^::ffff:(?=\d+\.)/, '');
  return net().isIPv4(spelt) ? `::ffff:${spelt}` : spelt;
}

let loopback: BlockList | undefined;

function isLoopback(address: string): boolean {
  if (loopback === undefined) {
    loopback = new (net().BlockList)();
    loopback.addSubnet('127.0.0.0', 8, 'ipv4');
    loopback.addAddress('::1', 'ipv6');
  }
  return loopback.check(address, net().isIPv4(address) ? 'ipv4' : 'ipv6');
}

/** Whether a socket that is bound to `local` would itself hear what it sends to `peer`. */
export function isOwn(peer: Peer, local: AddressInfo): boolean {
  if (peer.port !== local.port) return false;
  const own = spelling(local.address);
  const to = spelling(peer.address);
  if (own === to) return true;
  if (own !== '0.0.0.0' && own !== '::') return false;
  const host = to.replace(/^::ffff:/, '').replace(/%.*$/, '');
  if (isLoopback(host)) return true;
  return Object.values(late.os.networkInterfaces()).some((all) => all?.some(({ address }) => address === host));
}

/** Nobody is there to answer a socket that sends to itself. */
export const withItself = (peer: Peer): DTLSError =>
  new DTLSError('this is the address of the socket itself, and DTLS is between two', {
    code: 'ERR_DTLS_NO_SESSION',
    category: 'usage',
    hint: 'Send to another socket, or hand the message over without one.',
    peer,
  });

/** The family of a socket of dgram's, which its types do not show. */
export const typeOf = (socket: dgram.Socket): dgram.SocketType => (socket as dgram.Socket & { type: dgram.SocketType }).type;

/** The type that a socket of dgram's of that family has. */
export const typeOfFamily = (family: string): dgram.SocketType => (family === 'IPv6' ? 'udp6' : 'udp4');

/** What to do where a socket of this type cannot reach that address, for want of its family. */
export function familyHint(type: dgram.SocketType, address: string): string | undefined {
  if (net().isIP(address) === 0 || (type === 'udp6') === (familyOf(address) === 'IPv6')) return undefined;
  return type === 'udp6'
    ? `A socket of type 'udp6' sends to IPv6 addresses: use one of type 'udp4', or '::ffff:${address}' where the socket is not ipv6Only.`
    : "A socket of type 'udp4' sends to IPv4 addresses: use one of type 'udp6'.";
}

/** What a socket of dgram's says of an address of the other family; undefined where it is none. `advice`: in place of dgram's. */
export function wrongFamily(type: dgram.SocketType, { address, port, family }: Peer, advice?: string): DTLSError | undefined {
  const hint = familyHint(type, address);
  if (hint === undefined) return undefined;
  return ioError(systemError(errnoOf('EINVAL'), 'send', address, port), { address, port, family }, advice ?? hint);
}
