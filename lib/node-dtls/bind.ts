/** A UDP socket that is bound when the call returns, as `node:dtls` has it. */
import * as dgram from 'node:dgram';
import { isIPv6 } from 'node:net';

import { DgramTransport } from '../transport/dgram';
import { NativeDriver } from '../transport/native-udp';
import { checkNetPermission } from '../transport/permission';
import { automaticTransport } from '../options/udp';
import type { Driver } from '../transport/driver';
import { TransportDriver } from '../transport/transport-driver';
import { optionalBoolean, optionalInteger } from './checks';

export interface DTLSUdpOptions {
  ipv6Only?: boolean | undefined;
  reusePort?: boolean | undefined;
  udpReceiveBufferSize?: number | undefined;
  udpSendBufferSize?: number | undefined;
  udpTTL?: number | undefined;
}

export interface ResolvedUdp {
  readonly ipv6Only: boolean;
  readonly reusePort: boolean;
  readonly receiveBufferSize: number | undefined;
  readonly sendBufferSize: number | undefined;
  readonly ttl: number | undefined;
}

const UINT32_MAX = 0xffffffff;

export function resolveUdp(options: DTLSUdpOptions): ResolvedUdp {
  return {
    ipv6Only: optionalBoolean('options.ipv6Only', options.ipv6Only, false),
    reusePort: optionalBoolean('options.reusePort', options.reusePort, false),
    receiveBufferSize: optionalInteger(
      'options.udpReceiveBufferSize',
      options.udpReceiveBufferSize,
      1,
      UINT32_MAX,
    ),
    sendBufferSize: optionalInteger('options.udpSendBufferSize', options.udpSendBufferSize, 1, UINT32_MAX),
    ttl: optionalInteger('options.udpTTL', options.udpTTL, 1, 255),
  };
}

// dgram binds before it returns where the address needs no lookup that takes time.
const lookupLiteral: dgram.SocketOptions['lookup'] = (hostname, _options, callback) => {
  callback(null, hostname, isIPv6(hostname) ? 6 : 4);
};

/** @throws What the system says, with `code` (`EADDRINUSE`, …), `errno` and `syscall`; `ERR_ACCESS_DENIED`. */
export function bindNow(host: string, port: number, udp: ResolvedUdp): Driver {
  if (automaticTransport() === 'native') {
    const driver = NativeDriver.bind({
      address: host,
      family: isIPv6(host) ? 6 : 4,
      port,
      ipv6Only: udp.ipv6Only,
      reuseAddr: false,
      reusePort: udp.reusePort,
      recvBufferSize: udp.receiveBufferSize,
      sendBufferSize: udp.sendBufferSize,
    });
    if (udp.ttl !== undefined) driver.setTtl(udp.ttl);
    return driver;
  }
  checkNetPermission(host); // dgram would tell of it a moment later
  const socket = dgram.createSocket({
    type: isIPv6(host) ? 'udp6' : 'udp4',
    lookup: lookupLiteral,
    ipv6Only: udp.ipv6Only,
    ...(udp.reusePort ? { reusePort: true } : {}),
    ...(udp.receiveBufferSize === undefined ? {} : { recvBufferSize: udp.receiveBufferSize }),
    ...(udp.sendBufferSize === undefined ? {} : { sendBufferSize: udp.sendBufferSize }),
  });
  const failures: Error[] = [];
  const note = (error: Error): void => {
    failures.push(error);
  };
  socket.on('error', note);
  try {
    socket.bind({ address: host, port, exclusive: true });
    const [failure] = failures;
    if (failure !== undefined) throw failure;
    if (udp.ttl !== undefined) socket.setTTL(udp.ttl);
  } catch (error) {
    socket.close();
    throw error;
  }
  socket.off('error', note);
  return new TransportDriver(new DgramTransport(socket, true));
}
