/**
 * The shape of Node core's experimental `node:dtls`, on every Node from 20 on.
 *
 * @packageDocumentation
 */
import { isIP } from 'node:net';

import { kConnecting, kListening } from '../base/internals';
import { invalidArgType, invalidArgValue } from '../errors/node-errors';
import {
  address,
  checkFunction,
  checkObject,
  checkString,
  integer,
  missingArgs,
  noCallback,
  optionalInteger,
  optionalString,
  orUndefined,
} from './checks';
import {
  CONTEXT_OPTIONS,
  DTLSSecureContext,
  resolveContext,
  rulesOf,
  type ContextRules,
  type DTLSContextOptions,
} from './context';
import { destinationOf } from '../transport/destination';
import { DTLSEndpoint, resolveEndpoint, SERVER_LIMITS, type DTLSEndpointOptions, type OnSession } from './endpoint';
import type { ClientPskOption, ServerPskOption } from './psk';
import type { DTLSSession } from './session';

export { createSecureContext, DTLSSecureContext, type DTLSContextOptions } from './context';
export { DTLSEndpoint, type DTLSEndpointOptions, type OnSession } from './endpoint';
export { DTLSSession } from './session';
export type { ClientPsk, ClientPskOption, ServerPskOption } from './psk';
export type { SniIdentity, SniOption } from './context';
export type { DTLSEndpointStats, DTLSSessionStats } from './stats';

interface SharedContext {
  /** A context that stands in place of all options of {@link DTLSContextOptions}. */
  secureContext?: DTLSSecureContext | undefined;
}

export interface DTLSListenOptions
  extends DTLSEndpointOptions,
    Omit<DTLSContextOptions, 'isServer' | 'psk'>,
    SharedContext {
  psk?: ServerPskOption | undefined;
  port: number;
  /** An IP address. Default `'0.0.0.0'`. */
  host?: string | null | undefined;
}

export interface DTLSConnectOptions
  extends Omit<DTLSEndpointOptions, (typeof SERVER_LIMITS)[number]>,
    Omit<DTLSContextOptions, 'isServer' | 'psk'>,
    SharedContext {
  psk?: ClientPskOption | undefined;
  /** Default: `host`. `''`: no SNI, and the certificate is checked against `host`. */
  servername?: string | undefined;
  /** What `session.session` gave on an earlier connection to the same identity: to be resumed. */
  session?: Buffer | undefined;
  bindHost?: string | undefined;
  bindPort?: number | undefined;
}

/** The rules of the context that was given, or of the options in its place. */
function contextRules(options: DTLSContextOptions & SharedContext, isServer: boolean): ContextRules {
  const { secureContext } = options;
  if (secureContext === undefined) return resolveContext(options, isServer);
  if (!(secureContext instanceof DTLSSecureContext)) {
    throw invalidArgType('options.secureContext', 'an instance of DTLSSecureContext', secureContext);
  }
  if (secureContext.isServer !== isServer) {
    throw invalidArgValue(
      'options.secureContext',
      isServer ? 'must have been made with isServer: true' : 'must not have been made with isServer: true',
      secureContext,
    );
  }
  const beside = CONTEXT_OPTIONS.find((name) => options[name] !== undefined);
  if (beside !== undefined) {
    throw invalidArgValue(`options.${beside}`, "cannot be combined with 'secureContext'", options[beside]);
  }
  return rulesOf(secureContext);
}

/**
 * Serves DTLS on a UDP port, which is bound when the call returns.
 *
 * @param onsession - Called for each session when its peer's cookie was verified, before the handshake.
 * @throws `ERR_INVALID_ARG_TYPE`, `ERR_MISSING_ARGS`, `ERR_INVALID_ARG_VALUE`, `ERR_OUT_OF_RANGE`, and errors of
 * `bind` with `code`, `errno` and `syscall`.
 */
export function listen(onsession: OnSession, options: DTLSListenOptions): DTLSEndpoint;
export function listen(...args: [OnSession, DTLSListenOptions, ...unknown[]]): DTLSEndpoint {
  const [onsession, options, ...surplus] = args;
  noCallback('listen', surplus);
  checkFunction('onsession', onsession);
  checkObject('options', options);
  if (options.secureContext === undefined && options.psk === undefined) {
    if (options.cert === undefined) throw missingArgs('options.cert');
    if (options.key === undefined) throw missingArgs('options.key');
  }
  if ((options.port as number | undefined) === undefined) throw missingArgs('options.port');
  const host = optionalString('options.host', orUndefined(options.host)) ?? '0.0.0.0';
  const port = integer('options.port', options.port, 0, 65535);
  const rules = contextRules(options, true);
  resolveEndpoint(options);
  const bindHost = address('options.host', 'Invalid address', host);
  return DTLSEndpoint[kListening](onsession, options, { host: bindHost, port }, rules);
}

/**
 * Begins a handshake; the ClientHello has left when the call returns.
 *
 * @param host - An IP address.
 * @throws As {@link listen}.
 */
export function connect(host: string, port: number, options?: DTLSConnectOptions): DTLSSession;
export function connect(...args: [string, number, DTLSConnectOptions?, ...unknown[]]): DTLSSession {
  const [host, port, options = {}, ...surplus] = args;
  noCallback('connect', surplus);
  checkString('host', host);
  integer('port', port, 0, 65535);
  checkObject('options', options);
  const bindHost =
    orUndefined(optionalString('options.bindHost', options.bindHost)) ?? (isIP(host) === 6 ? '::' : '0.0.0.0');
  const bindPort = optionalInteger('options.bindPort', options.bindPort, 0, 65535) ?? 0;
  const rules = contextRules(options, false);
  // It has one session: as in `node:dtls`, limits are not even read.
  const own: DTLSEndpointOptions = { ...options, ...Object.fromEntries(SERVER_LIMITS.map((name) => [name, undefined])) };
  resolveEndpoint(own);
  const where = { host: address('options.bindHost', 'Invalid address', bindHost), port: bindPort };
  const servername = optionalString('options.servername', options.servername);
  const peer = { host: destinationOf(address('host', 'Invalid remote address', host)), port };
  return DTLSEndpoint[kConnecting](peer, own, where, rules, { servername, session: options.session });
}
