import type { ConnectOptions } from '../options/types';
import { resolveConnectOptions } from '../options/connect';
import { DTLSSocket } from './socket';

/**
 * Begins a handshake with a server and returns at once.
 *
 * @param secureConnectListener - Added to `secureConnect`.
 * @throws {@link DTLSError} of category `usage` for an option that is unknown, of a wrong type or out of range.
 */
export function connect(options: ConnectOptions, secureConnectListener?: () => void): DTLSSocket;
export function connect(
  port: number,
  host?: string,
  options?: Omit<ConnectOptions, 'port' | 'host'>,
  secureConnectListener?: () => void,
): DTLSSocket;
export function connect(
  optionsOrPort: ConnectOptions | number,
  hostOrListener?: string | (() => void),
  options?: Omit<ConnectOptions, 'port' | 'host'>,
  secureConnectListener?: () => void,
): DTLSSocket {
  const given =
    typeof optionsOrPort === 'number'
      ? {
          ...options,
          port: optionsOrPort,
          ...(typeof hostOrListener === 'string' ? { host: hostOrListener } : {}),
        }
      : optionsOrPort;
  const listener = typeof hostOrListener === 'function' ? hostOrListener : secureConnectListener;
  const resolved = resolveConnectOptions(given);
  const socket = new DTLSSocket(undefined);
  if (listener !== undefined) socket.once('secureConnect', listener);
  socket.begin(resolved);
  return socket;
}
