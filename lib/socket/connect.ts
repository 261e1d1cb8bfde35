import { kBegin } from '../base/internals';
import type { ConnectOptions } from '../options/types';
import { resolveConnectOptions } from '../options/connect';
import { readConnect } from '../options/connect-arguments';
import { CLIENT, DTLSSocket } from './socket';

/** Options of a client whose port, and perhaps host, are arguments. */
type OtherOptions = Omit<ConnectOptions, 'port'> & Partial<Pick<ConnectOptions, 'port'>>;

/**
 * Begins a handshake with a server and returns at once.
 *
 * @param secureConnectListener - Added to `secureConnect`.
 * @throws {@link DTLSError} of category `usage` for an option that is unknown, of a wrong type or out of range, and for
 * arguments that contradict one another, or that are too many.
 */
export function connect(options: ConnectOptions, secureConnectListener?: () => void): DTLSSocket;
export function connect(
  port: number | string,
  host?: string | null,
  options?: OtherOptions,
  secureConnectListener?: () => void,
): DTLSSocket;
export function connect(port: number | string, host: string | null | undefined, secureConnectListener: () => void): DTLSSocket;
export function connect(port: number | string, options: OtherOptions, secureConnectListener?: () => void): DTLSSocket;
export function connect(port: number | string, secureConnectListener: () => void): DTLSSocket;
export function connect(...args: unknown[]): DTLSSocket {
  const { options, listener } = readConnect(args);
  const resolved = resolveConnectOptions(options);
  const socket = new DTLSSocket(CLIENT);
  if (listener !== undefined) socket.once('secureConnect', listener);
  socket[kBegin](resolved);
  return socket;
}
