/** Binds the UDP socket that the options ask for. */
import type * as dgram from 'node:dgram';

import { late } from '../base/late';
import type { Peer } from '../base/peer';
import { DgramTransport } from './dgram';
import type { Driver } from './driver';
import { NativeDriver } from './native-udp';
import { TransportDriver } from './transport-driver';
import type { UdpOptions, DatagramTransport } from './transport';

// Peers are IP addresses by the time they get here. dgram's own lookup would defer each send to a later
// tick and let them overtake one another.
const lookupLiteral: dgram.SocketOptions['lookup'] = (hostname, _options, callback) => {
  callback(null, hostname, late.net.isIPv6(hostname) ? 6 : 4);
};

/** Binds a UDP socket, and connects it when it is to talk to one peer only. */
export function bindUdp(
  options: UdpOptions,
  connectTo: Peer | undefined,
  done: (error: Error | null, driver?: Driver) => void,
): void {
  if (options.transport === 'native') {
    process.nextTick(() => {
      let bound: NativeDriver | undefined;
      let failure: Error | null = null;
      try {
        bound = NativeDriver.bind(options);
        if (connectTo !== undefined) bound.connect(connectTo);
      } catch (error) {
        failure = error as Error;
      }
      if (failure === null) done(null, bound);
      else {
        bound?.close(() => undefined);
        done(failure);
      }
    });
    return;
  }
  bindDgram(options, connectTo, (error, transport) => {
    done(error, transport === undefined ? undefined : new TransportDriver(transport));
  });
}

/** Does what {@link bindUdp} does, by a socket of node:dgram whatever `transport` says. */
export function bindDgram(
  options: UdpOptions,
  connectTo: Peer | undefined,
  done: (error: Error | null, transport?: DatagramTransport) => void,
): void {
  const socket = late.dgram.createSocket({
    type: options.family === 6 ? 'udp6' : 'udp4',
    lookup: lookupLiteral,
    ipv6Only: options.ipv6Only,
    reuseAddr: options.reuseAddr,
    ...(options.reusePort ? { reusePort: true } : {}),
    ...(options.recvBufferSize === undefined ? {} : { recvBufferSize: options.recvBufferSize }),
    ...(options.sendBufferSize === undefined ? {} : { sendBufferSize: options.sendBufferSize }),
  });
  const fail = (error: Error): void => {
    socket.off('error', fail);
    socket.close();
    done(error);
  };
  socket.on('error', fail);
  const ready = (): void => {
    socket.off('error', fail);
    // All of this is synchronous with a literal address: the caller has not returned to its user yet.
    process.nextTick(done, null, new DgramTransport(socket, true, connectTo, options.address === undefined));
  };
  const bound = (): void => {
    if (connectTo === undefined) {
      ready();
      return;
    }
    // A connected socket hears of ICMP refusals, and of nobody but its peer.
    socket.connect(connectTo.port, connectTo.address, (error?: Error) => {
      if (error === undefined || (error as Error | null) === null) ready();
      else fail(error);
    });
  };
  const where =
    options.fd !== undefined
      ? { fd: options.fd }
      : { port: options.port, ...(options.address === undefined ? {} : { address: options.address }) };
  // An address needs no lookup, so that bind would end before the caller can listen for its end.
  process.nextTick(() => {
    try {
      socket.bind({ ...where, exclusive: true }, bound);
    } catch (error) {
      fail(error as Error); // a descriptor that was closed meanwhile
    }
  });
}
