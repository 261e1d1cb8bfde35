/** Makes of a host name and options an endpoint on which a client's session can begin. */
import type dgram from 'node:dgram';
import type { LookupFunction } from 'node:net';

import { late } from '../base/late';
import type { Peer } from '../base/peer';
import { Endpoint } from '../endpoint/endpoint';
import { shown } from '../errors/as-error';
import { ioError, usageError, type DTLSError } from '../errors/errors';
import type { ResolvedConnect } from '../options/connect';
import { otherFamily } from '../options/local-address';
import { bindUdp } from '../transport/bind';
import { hostMistake } from '../checks/host';
import { familyOf, familyOn, isOwn, spelling, typeOf, withItself, wrongFamily } from '../transport/addresses';
import { destinationOf } from '../transport/destination';
import { bindingOf, DgramTransport, elsewhere, isShared, sharedTransport } from '../transport/dgram';
import type { Driver } from '../transport/driver';
import { isTransport } from '../transport/transport';
import { TransportDriver } from '../transport/transport-driver';

export interface Dialled {
  endpoint: Endpoint;
  peer: Peer;
}

type Done = (error: DTLSError | null, dialled?: Dialled) => void;

/**
 * Calls `done` once, never before it has returned: the user gets the socket, and may listen, before
 * anything happens. When nobody wants the result any more `done` is not called, and nothing is left open.
 */
export function dial(
  options: ResolvedConnect,
  stillWanted: () => boolean,
  done: Done,
): void {
  const { host, port, transport } = options;
  if (isTransport(transport)) {
    process.nextTick(() => {
      if (!stillWanted()) return;
      const peer = { address: host, port, family: familyOn(transport, host) };
      begin(peer, done, () => new TransportDriver(transport), transport);
    });
    return;
  }
  const lookup = options.lookup ?? late.dns.lookup;
  const fail = (error: unknown): void => {
    process.nextTick(done, ioError(error, undefined, hostMistake(host)));
  };
  let answered = false;
  const found: Parameters<LookupFunction>[2] = (error, address) => {
    // The first answer counts.
    if (answered || !stillWanted()) return;
    answered = true;
    const given: unknown = Array.isArray(address) ? address[0]?.address : address;
    if ((error as unknown) !== null && (error as unknown) !== undefined) {
      fail(error);
      return;
    }
    if (given === undefined) {
      process.nextTick(done, ioError(new Error(`no address for ${host}`), undefined, "'lookup' called back without one: callback(null, address, family), as dns.lookup does it."));
      return;
    }
    if (typeof given !== 'string' || late.net.isIP(given) === 0) {
      fail(notAnAddress(host, given));
      return;
    }
    const literal = spelling(destinationOf(given));
    const peer = { address: literal, port, family: familyOf(literal) };
    if (transport === 'dgram' || transport === 'native') {
      bind(options, peer, stillWanted, done);
      return;
    }
    process.nextTick(() => {
      if (!stillWanted()) return;
      const refusal = refusalBy(transport, peer);
      if (refusal !== undefined) done(refusal);
      else begin(peer, done, () => new TransportDriver(new DgramTransport(transport, false)), transport);
    });
  };
  try {
    lookup(host, { family: familyToAskFor(options), all: false }, found);
  } catch (thrown) {
    fail(thrown);
  }
}

/** A socket of the user's has its family, and so has an address to bind. */
function familyToAskFor({ family, transport, localAddress }: ResolvedConnect): number {
  if (family !== 0) return family;
  if (typeof transport === 'string') return localAddress === undefined ? 0 : late.net.isIP(localAddress);
  return !isTransport(transport) && typeOf(transport) === 'udp6' ? 6 : 4;
}

const notAnAddress = (host: string, given: unknown): DTLSError =>
  usageError(
    'ERR_INVALID_IP_ADDRESS',
    `the lookup of '${host}' gave no IP address: ${shown(given)}`,
    "Have 'lookup' call back with an address, as dns.lookup does.",
  );

/** Why a socket of the user's is no way to that peer; undefined where it may be one. */
function refusalBy(socket: dgram.Socket, peer: Peer): DTLSError | undefined {
  if (isShared(socket)) return sharedTransport();
  const wrong = wrongFamily(typeOf(socket), peer);
  if (wrong !== undefined) return wrong;
  const connected = elsewhere(socket, peer);
  if (connected !== undefined) return connected;
  return bindingOf(socket) === 'bound' && isOwn(peer, socket.address()) ? withItself(peer) : undefined;
}

function begin(peer: Peer, done: Done, make: () => Driver, key?: object): void {
  let endpoint: Endpoint;
  try {
    endpoint = Endpoint.over(make, key);
  } catch (error) {
    done(ioError(error, peer));
    return;
  }
  done(null, { endpoint, peer });
}

function bind(
  options: ResolvedConnect,
  peer: Peer,
  stillWanted: () => boolean,
  done: Done,
): void {
  const family = peer.family === 'IPv6' ? 6 : 4;
  const unreachable = otherFamily(options.localAddress, options.localPort, peer);
  if (unreachable !== undefined) {
    process.nextTick(() => {
      if (stillWanted()) done(unreachable);
    });
    return;
  }
  const { transport, localAddress, localPort, reuseAddr, reusePort, ipv6Only, recvBufferSize, sendBufferSize } = options;
  const buffers = { recvBufferSize, sendBufferSize };
  const where = { transport, family, address: localAddress, port: localPort, reuseAddr, reusePort, ipv6Only, ...buffers } as const;
  bindUdp(where, peer, (error, bound) => {
    if (bound === undefined) {
      done(ioError(error ?? new Error('no socket'), peer));
    } else if (stillWanted() && isOwn(peer, bound.address())) {
      bound.close(() => undefined);
      done(withItself(peer));
    } else if (stillWanted()) {
      begin(peer, done, () => bound);
    } else {
      bound.close(() => undefined);
    }
  });
}
