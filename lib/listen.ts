/** From the arguments of `listen` to a UDP socket that is bound. */
import dns from 'node:dns';
import { isIP } from 'node:net';

import { ioError, type DTLSError } from './errors';
import type { ResolvedUdp } from './resolve/udp';
import { bindUdp, type DatagramTransport } from './transport';
import { port as checkPort, wrongType } from './validate';

export interface ListenOptions {
  port?: number | undefined;
  host?: string | undefined;
}

/** All forms of `listen`'s arguments. */
export function readListen(
  where: number | ListenOptions | (() => void) | undefined,
  hostOrCallback: string | (() => void) | undefined,
  callback: (() => void) | undefined,
): { port: number; host: string | undefined; listener: (() => void) | undefined } {
  const options: ListenOptions =
    typeof where === 'object' ? where : typeof where === 'number' ? { port: where } : {};
  const port = checkPort('port', options.port ?? 0, 0);
  const host = typeof hostOrCallback === 'string' ? hostOrCallback : options.host;
  const listener = [where, hostOrCallback, callback].find(
    (argument): argument is () => void => typeof argument === 'function',
  );
  if (host !== undefined && typeof host !== 'string') throw wrongType('host', 'a string', host);
  return { port, host, listener };
}

/** Without a host: all addresses, as net does it. `done` is called later, once. */
export function bindHost(
  options: ResolvedUdp,
  host: string | undefined,
  port: number,
  done: (error: DTLSError | null, bound?: DatagramTransport) => void,
): void {
  const bind = (address: string, family: 4 | 6, failed: (error: DTLSError) => void): void => {
    bindUdp({ ...options, family, address, port }, undefined, (error, bound) => {
      if (bound === undefined) failed(ioError(error ?? new Error('no socket')));
      else done(null, bound);
    });
  };
  if (host === undefined) {
    // IPv6 for both, or IPv4 where the machine has no IPv6.
    bind('::', 6, (error) => {
      if (error.code === 'EAFNOSUPPORT' || error.code === 'EADDRNOTAVAIL') bind('0.0.0.0', 4, done);
      else done(error);
    });
    return;
  }
  const literal = isIP(host);
  if (literal !== 0) {
    bind(host, literal === 6 ? 6 : 4, done);
    return;
  }
  dns.lookup(host, (error, address, family) => {
    if (error !== null) done(ioError(error));
    else bind(address, family === 6 ? 6 : 4, done);
  });
}
