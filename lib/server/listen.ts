/** Reads the arguments of `listen`, and opens what they and the options say: a UDP socket that is bound, or another transport. */
import type * as dgram from 'node:dgram';

import { late } from '../base/late';
import { ioError, usageError, type DTLSError } from '../errors/errors';
import { native } from '../core/native';
import { hostMistake } from '../checks/host';
import { withoutObjectPrototype } from '../checks/no-inheritance';
import { LISTEN_OPTIONS } from '../checks/option-names';
import { checkReusePort, closedTransport, type ResolvedUdp } from '../options/udp';
import { bindUdp } from '../transport/bind';
import { bindingOf, DgramTransport, isShared, sharedTransport } from '../transport/dgram';
import type { Driver } from '../transport/driver';
import { isDgramSocket, isTransport, type DatagramTransport } from '../transport/transport';
import { TransportDriver } from '../transport/transport-driver';
import { abortSignal, checkNames, checkObject, flag, integer, port as checkPort, text, wrongType } from '../checks/validate';

/** What `listen` of `node:net` and `bind` of `node:dgram` take, as far as UDP has it. */
export interface ListenOptions {
  /** 0 to 65535, also as a string. Default 0: any that is free. */
  port?: number | string | null | undefined;
  /** Default: all addresses, IPv6 and IPv4. */
  host?: string | null | undefined;
  /** dgram's name for `host`. */
  address?: string | null | undefined;
  /**
   * The descriptor of a UDP socket that is bound already, as systemd passes one. Port and address are then
   * its own; it is closed with the server.
   */
  fd?: number | undefined;
  /** Is taken and changes nothing: in a worker of `node:cluster` the port is never shared with others. */
  exclusive?: boolean | undefined;
  /** In place of the server's option of that name. */
  ipv6Only?: boolean | undefined;
  /** In place of the server's option of that name. */
  reusePort?: boolean | undefined;
  /** A number, as in `node:net`, and without effect: UDP has no queue of connections. */
  backlog?: number | undefined;
  /** Closes the server. */
  signal?: AbortSignal | undefined;
}

/** Where to listen. */
interface ListenPlace {
  readonly port: number;
  /** Undefined: all addresses. */
  readonly host: string | undefined;
  readonly fd: { readonly descriptor: number; readonly family: 4 | 6 } | undefined;
  readonly ipv6Only: boolean;
  readonly reusePort: boolean;
}

interface ListenArguments {
  readonly place: ListenPlace;
  readonly signal: AbortSignal | undefined;
  readonly listener: (() => void) | undefined;
}

/** listen([port[, host]][, backlog][, callback]) or listen(options[, callback]) */
export function readListen(args: readonly unknown[], udp: ResolvedUdp): ListenArguments {
  const given = [...args];
  while (given.length > 0 && given.at(-1) === undefined) given.pop();
  const last = given.at(-1);
  let listener: (() => void) | undefined;
  if (typeof last === 'function') {
    listener = last as () => void;
    given.pop();
  }
  const [where, ...rest] = given;
  if (typeof where === 'object' && where !== null) {
    if (rest.length > 0) throw noCallback(rest, listener);
    return { ...readOptions(where, udp), listener };
  }
  const options: ListenOptions = { port: where as ListenOptions['port'] };
  if (typeof rest[0] !== 'number') options.host = text('host', (rest.shift() ?? undefined) as string | undefined, FORMS);
  options.backlog = (rest.shift() ?? undefined) as ListenOptions['backlog'];
  if (rest.length > 0) throw noCallback(rest, listener);
  return { ...readOptions(options, udp), listener };
}

const FORMS = 'listen([port[, host]][, backlog][, callback]), or listen(options[, callback]).';

/** What stands where the callback does, or behind it. */
function noCallback(rest: readonly unknown[], listener: ListenArguments['listener']): Error {
  const hint = FORMS;
  if (rest.length === 1 && listener === undefined) return wrongType('callback', 'a function', rest[0], hint);
  return usageError('ERR_INVALID_ARG_VALUE', 'listen() was given more arguments than it takes', hint);
}

function readOptions(given: ListenOptions, udp: ResolvedUdp): Omit<ListenArguments, 'listener'> {
  if (isDgramSocket(given) || isTransport(given)) {
    throw usageError(
      'ERR_INVALID_ARG_TYPE',
      'listen() takes no socket',
      "Pass a socket that is bound as 'transport' to createServer.",
    );
  }
  checkObject('options', given);
  checkNames(given, LISTEN_OPTIONS satisfies readonly (keyof ListenOptions)[]);
  const options = withoutObjectPrototype(given, LISTEN_OPTIONS);
  const signal = abortSignal('signal', options.signal);
  // Neither changes anything here.
  flag('exclusive', options.exclusive, true);
  if (typeof (options.backlog ?? 0) !== 'number') throw wrongType('backlog', 'a number', options.backlog, NO_BACKLOG);
  integer('backlog', options.backlog, 0, 0, 0xffffffff);
  const [host, address] = [
    text('host', options.host ?? undefined),
    text('address', options.address ?? undefined),
  ];
  if (host !== undefined && address !== undefined && host !== address) {
    throw usageError(
      'ERR_DTLS_CONFLICTING_OPTIONS',
      `'host' is ${host} and 'address' is ${address}`,
      "Both mean the local address: leave one out.",
    );
  }
  const place = host ?? address;
  return {
    place: {
      port: checkPort('port', options.port ?? 0, 0),
      host: place === '' ? undefined : place,
      fd: options.fd === undefined ? undefined : descriptorOf(options.fd, udp.transport),
      ipv6Only: flag('ipv6Only', options.ipv6Only, udp.ipv6Only),
      reusePort: checkReusePort(options.reusePort ?? udp.reusePort, udp.transport),
    },
    signal,
  };
}

const NO_BACKLOG = `UDP has no queue of connections: leave it out. ${FORMS}`;

const FD_IS_A_NUMBER =
  "A descriptor is a number, and a string that has one, of an environment or a command line, becomes it by Number(fd). systemd's first is 3.";

function descriptorOf(fd: number, transport: ResolvedUdp['transport']): ListenPlace['fd'] {
  if (typeof fd === 'string') throw wrongType('fd', 'a number', fd, FD_IS_A_NUMBER);
  if (fd === -1) {
    throw usageError('ERR_OUT_OF_RANGE', "'fd' is -1, by which the system says that there is none", FD_IS_A_NUMBER);
  }
  const descriptor = integer('fd', fd, undefined, 0, 0x7fffffff);
  const family = native.udpFamily(descriptor);
  if (family !== 0 && (descriptor !== 0 || transport === 'native')) return { descriptor, family };
  if (family !== 0) {
    throw usageError(
      'ERR_DTLS_UNSUPPORTED',
      "'fd' is 0, which node:dgram takes for none",
      "On Linux use 'transport: 'native'', or pass the socket under another number.",
    );
  }
  throw usageError(
    'ERR_INVALID_FD_TYPE',
    `'fd' is ${String(fd)}, which is no UDP socket of this process that is bound`,
    "Pass the descriptor of a socket of type SOCK_DGRAM that is bound: systemd's first is 3. TCP's are none: the unit needs ListenDatagram=, and systemd-socket-activate --datagram.",
  );
}

/**
 * A transport of the user's has its place already.
 *
 * @throws When it has none, or another one is asked for.
 */
export function checkPlaceOf(transport: dgram.Socket | DatagramTransport, place: ListenPlace): void {
  if (!isTransport(transport)) requireBinding(transport);
  const anotherPort = place.port !== 0 && place.port !== portOf(transport);
  if (place.fd === undefined && !anotherPort) return;
  const asked =
    place.fd === undefined ? `port ${String(place.port)}` : `the descriptor ${String(place.fd.descriptor)}`;
  throw usageError(
    'ERR_DTLS_CONFLICTING_OPTIONS',
    `this server has a 'transport' of its own, and cannot listen on ${asked}`,
    "Leave out one of the two: 'transport' of createServer, or what listen() is given.",
  );
}

/** A socket that is being bound will have a place. */
function requireBinding(socket: dgram.Socket): void {
  const binding = bindingOf(socket);
  if (binding === 'unbound') {
    throw usageError(
      'ERR_DTLS_TRANSPORT_NOT_BOUND',
      "the dgram.Socket given as 'transport' is not bound",
      "Call its bind() before listen(): the server's port is the socket's.",
    );
  }
  if (binding === 'closed') throw closedTransport();
}

/** The port of a transport; undefined while it is being bound. */
function portOf(transport: dgram.Socket | DatagramTransport): number | undefined {
  if (!isTransport(transport)) return bindingOf(transport) === 'bound' ? transport.address().port : undefined;
  try {
    return transport.address().port;
  } catch (error) {
    throw ioError(error); // as a transport over a socket of dgram's that is not bound says it
  }
}

/** Calls `done` later, when the socket is bound, or will not be. */
function whenBound(socket: dgram.Socket, done: (error: DTLSError | null) => void): void {
  const checked = (): DTLSError | null => (isShared(socket) ? sharedTransport() : null);
  if (bindingOf(socket) !== 'binding') {
    process.nextTick(done, checked());
    return;
  }
  const end = (error: DTLSError | null): void => {
    socket.off('listening', bound);
    socket.off('error', failed);
    socket.off('close', closed);
    done(error);
  };
  const bound = (): void => {
    end(checked());
  };
  const failed = (error: Error): void => {
    end(ioError(error));
  };
  const closed = (): void => {
    end(closedTransport());
  };
  socket.on('listening', bound);
  socket.on('error', failed);
  socket.on('close', closed);
}

/** Binds a socket there; without a host to all addresses, as net does it. `done` is called later, once. */
function bindPlace(
  udp: ResolvedUdp,
  place: ListenPlace,
  done: (error: DTLSError | null, bound?: Driver) => void,
): void {
  const { host, fd, ...rest } = place;
  const bind = (
    where: { address: string | undefined; family: 4 | 6; fd?: number },
    failed: (error: DTLSError) => void,
  ): void => {
    bindUdp({ ...udp, ...rest, ...where }, undefined, (error, bound) => {
      if (bound === undefined) failed(ioError(error ?? new Error('no socket')));
      else done(null, bound);
    });
  };
  if (fd !== undefined) {
    bind({ address: undefined, family: fd.family, fd: fd.descriptor }, done);
    return;
  }
  if (host === undefined) {
    // IPv6 for both, or IPv4 where the machine has no IPv6.
    bind({ address: '::', family: 6 }, (error) => {
      if (error.code === 'EAFNOSUPPORT' || error.code === 'EADDRNOTAVAIL') {
        bind({ address: '0.0.0.0', family: 4 }, done);
      } else done(error);
    });
    return;
  }
  const literal = late.net.isIP(host);
  if (literal !== 0) {
    bind({ address: host, family: literal === 6 ? 6 : 4 }, done);
    return;
  }
  try {
    late.dns.lookup(host, (error, address, family) => {
      if (error !== null) done(ioError(error, undefined, hostMistake(host)));
      else bind({ address, family: family === 6 ? 6 : 4 }, done);
    });
  } catch (thrown) {
    process.nextTick(done, ioError(thrown));
  }
}

/**
 * Opens what a server is to listen on. One of the two is called later: `opened` with what makes a driver of it, and with what
 * the user knows the transport by, if it is the user's.
 */
export function openTransport(
  udp: ResolvedUdp,
  place: ListenPlace,
  opened: (make: () => Driver, key?: object) => void,
  failed: (error: DTLSError) => void,
): void {
  const { transport } = udp;
  if (transport === 'dgram' || transport === 'native') {
    bindPlace(udp, place, (error, bound) => {
      if (bound !== undefined) opened(() => bound);
      else if (error !== null) failed(error);
    });
  } else if (isTransport(transport)) {
    process.nextTick(() => {
      opened(() => new TransportDriver(transport), transport);
    });
  } else {
    whenBound(transport, (error) => {
      if (error === null) opened(() => new TransportDriver(new DgramTransport(transport, false)), transport);
      else failed(error);
    });
  }
}
