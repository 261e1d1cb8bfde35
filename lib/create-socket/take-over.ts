import type * as dgram from 'node:dgram';

import { ioError, type DTLSError } from '../errors/errors';
import { errnoOf, systemError } from '../errors/system-error';
import { handleOf } from '../transport/dgram';
import { NativeDriver } from '../transport/native-udp';
import { automaticTransport } from '../options/udp';

/**
 * The native UDP socket on the descriptor of a dgram socket that is bound. From then on datagrams pass dgram
 * by, and only what is set on the socket goes through it. Undefined where there is none (the socket then sends
 * and receives through dgram itself): on other platforms, when `DGRAM_DTLS_TRANSPORT=dgram` says so, where
 * Node keeps its handle elsewhere, or without a second descriptor.
 */
export function takeOver(socket: dgram.Socket): NativeDriver | undefined {
  if (automaticTransport() !== 'native') return undefined;
  const handle = handleOf(socket);
  if (handle === undefined || typeof handle.recvStop !== 'function') return undefined;
  if (typeof handle.fd !== 'number' || handle.fd < 0) return undefined;
  let taken: NativeDriver;
  try {
    taken = NativeDriver.share(handle.fd);
  } catch {
    return undefined; // the process has no descriptor left: dgram has one, and goes on with it
  }
  handle.recvStop();
  return taken;
}

/** Binds a dgram socket that has lost its port to it again. Returns why that cannot be. */
export function bindAgain(socket: dgram.Socket & { readonly type: dgram.SocketType }, address: string, port: number): DTLSError | undefined {
  const handle = handleOf(socket);
  const errno = socket.type === 'udp6' ? handle?.bind6?.(address, port, 0) : handle?.bind?.(address, port, 0);
  if (errno === 0) return undefined;
  return ioError(systemError(errno ?? errnoOf('EADDRNOTAVAIL'), 'bind', address, port), undefined, PORT_LOST);
}

const PORT_LOST =
  'The system took the port back on disconnect(), and the peers know their sessions by it: bind the socket to a port of your choice before connect().';
