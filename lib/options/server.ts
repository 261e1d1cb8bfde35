/**
 * Checks a server's options and fills in defaults: everything is validated here, once. What comes out is complete
 * and right, so nobody further down asks again.
 */
import type { BlockList } from 'node:net';

import { late } from '../base/late';
import { usageError } from '../errors/errors';
import { Secret, sizeOf } from '../base/memory';
import type { NativeTicketKeys } from '../core/native';
import { makeTicketKeys } from './resumption';
import {
  MAX_PSK_IDENTITY,
  type ALPNCallback,
  type NamedServerOptions,
  type ServerOptions,
  type ServerPskCallback,
  type SNICallback,
} from './types';
import { SecureContext } from '../identity/secure-context';
import { HOW_TO_BLOCK, holdBlockLists } from '../transport/block-list';
import { callable, checkNames, checkObject, flag, inRange, integer, lendBytes, text, wrongType } from '../checks/validate';
import { withoutObjectPrototype } from '../checks/no-inheritance';
import { CONTEXT_OPTIONS, NAMED_OPTIONS, SERVER_OPTIONS } from '../checks/option-names';
import { OF_BYTES, ownOptions } from './own-bytes';
import { byAuthority, PROOFS } from './proofs';
import { oneOf, requireName, serverPsk } from './psk';
import { requireCredentials, requireKeysFor, resolveContext, resolveHandshakeTimeout, resolveSession, type ResolvedSession } from './session';
import { resolveUdp, type ResolvedUdp } from './udp';

export interface ResolvedServer extends ResolvedSession, ResolvedUdp {
  readonly ticketKeys: NativeTicketKeys;
  readonly requestCert: boolean;
  readonly certificateExpiryNotice: number;
  readonly SNICallback: SNICallback | undefined;
  readonly ALPNCallback: ALPNCallback | undefined;
  readonly pskCallback: ServerPskCallback | undefined;
  readonly cookieExchange: boolean;
  readonly cookieLifetime: number;
  readonly cookieSecret: Secret | undefined;
  readonly maxSessions: number;
  readonly maxPendingHandshakes: number;
  readonly maxSessionsPerHost: number;
  readonly maxPendingHandshakesPerHost: number;
  readonly blockList: BlockList | undefined;
  readonly peers: ServerOptions['peers'];
  /** Milliseconds for an answer of `peers`, which has an end where a handshake has none. */
  readonly peersTimeout: number;
}

/** Whoever comes from net has no options, and a listener in their place. */
const FORM =
  "createServer(options[, secureConnectionListener]): a server needs 'cert' and 'key', or 'psk', or 'pskCallback' in its options, which stand in front.";

/** Whoever has a registry of peers may think of passing that. */
const PEERS_FORM = "peers: (peer) => options is called with each peer; of a Map by address, (peer) => map.get(peer.address).";

function checkCookieSecret(given: Uint8Array): Secret {
  const size = sizeOf(given);
  if (size >= 32) return new Secret(given);
  throw usageError(
    'ERR_OUT_OF_RANGE',
    `'cookieSecret' has ${String(size)} bytes and needs 32 or more`,
    'Make one with crypto.randomBytes(32) and give it to every server of the fleet.',
  );
}

export function resolveServerOptions(
  given: ServerOptions,
  sharedKeys?: NativeTicketKeys,
): ResolvedServer {
  checkObject('options', given, FORM);
  checkNames(given, SERVER_OPTIONS);
  const options = withoutObjectPrototype(given, SERVER_OPTIONS);
  const pskCallback = oneOf(options.pskCallback, serverPsk(options.psk));
  const hint = text('pskIdentityHint', options.pskIdentityHint) ?? '';
  if (Buffer.byteLength(hint) > MAX_PSK_IDENTITY || hint.includes('\0')) {
    throw usageError(
      'ERR_INVALID_ARG_VALUE',
      `'pskIdentityHint' has at most ${String(MAX_PSK_IDENTITY)} bytes and no NUL`,
      'OpenSSL would cut it: shorten it, or leave it out.',
    );
  }
  const { cookieSecret } = options;
  const secret = cookieSecret === undefined ? undefined : lendBytes('cookieSecret', cookieSecret, checkCookieSecret);
  const expected = (['peerFingerprints', 'peerPublicKeys'] as const).find(
    (name) => options[name] !== undefined,
  );
  const requestCert = flag('requestCert', options.requestCert, expected !== undefined);
  if (!requestCert && expected !== undefined) {
    throw usageError(
      'ERR_DTLS_CONFLICTING_OPTIONS',
      `'${expected}' has no effect when 'requestCert' is false`,
      'Leave one of them out.',
    );
  }
  const alpnCallback = callable('ALPNCallback', options.ALPNCallback);
  if (alpnCallback !== undefined && options.ALPNProtocols !== undefined) {
    throw usageError(
      'ERR_DTLS_CONFLICTING_OPTIONS',
      "'ALPNProtocols' has no effect beside 'ALPNCallback'",
      'Leave one of them out.',
    );
  }
  if (options.blockList !== undefined && !(options.blockList instanceof late.net.BlockList)) {
    throw wrongType('blockList', 'a BlockList of node:net', options.blockList, HOW_TO_BLOCK);
  }
  if (options.blockList !== undefined) holdBlockLists();
  const maxSessions = integer('maxSessions', options.maxSessions, 10000, 0, 0xffffffff);
  const maxPendingHandshakes = integer(
    'maxPendingHandshakes',
    options.maxPendingHandshakes,
    1000,
    0,
    0xffffffff,
  );
  const peers = callable('peers', options.peers, PEERS_FORM);
  const context = resolveContext(options, 'server', pskCallback !== undefined || peers !== undefined);
  requireName(options.psk, context);
  // SNICallback may choose another context for each client, and so may `peers`.
  if (options.SNICallback === undefined && peers === undefined) {
    requireCredentials(context, pskCallback !== undefined);
    requireKeysFor(context, pskCallback !== undefined);
  }
  const ticketKeys = sharedKeys ?? makeTicketKeys(context);
  const session = resolveSession(options, context, {
    requestCert,
    askPsk: pskCallback !== undefined,
    askIdentity: false,
    serverName: '',
    pskIdentityHint: hint,
    more: (policy) => {
      policy.setTicketKeys(ticketKeys);
    },
  });
  return {
    ...resolveUdp(options),
    ...session,
    ticketKeys,
    requestCert,
    certificateExpiryNotice: inRange(
      'certificateExpiryNotice',
      options.certificateExpiryNotice,
      14 * 86400000,
      0,
      Number.MAX_SAFE_INTEGER,
    ),
    SNICallback: callable('SNICallback', options.SNICallback),
    ALPNCallback: alpnCallback,
    pskCallback,
    cookieExchange: flag('cookieExchange', options.cookieExchange, true),
    cookieLifetime: inRange('cookieLifetime', options.cookieLifetime, 30000, 100, 86400000),
    cookieSecret: secret,
    maxSessions,
    maxPendingHandshakes,
    maxSessionsPerHost: integer(
      'maxSessionsPerHost',
      options.maxSessionsPerHost,
      Math.ceil(maxSessions / 10),
      0,
      0xffffffff,
    ),
    maxPendingHandshakesPerHost: integer(
      'maxPendingHandshakesPerHost',
      options.maxPendingHandshakesPerHost,
      Math.ceil(maxPendingHandshakes / 4),
      0,
      0xffffffff,
    ),
    blockList: options.blockList,
    peers,
    peersTimeout: resolveHandshakeTimeout(options) || 30000,
  };
}

/** What names of a server have from it where they do not say otherwise. */
export function inheritable(server: ServerOptions, { pskCallback }: ResolvedServer): ServerOptions {
  // Names have credentials of their own, and the secret has been handed down; the key is the server's copy of it.
  const own: readonly string[] = [...CONTEXT_OPTIONS, 'secureContext', 'cookieSecret', 'psk', 'pskCallback', 'peers'];
  const inherited = ownOptions(server, SERVER_OPTIONS.filter((name) => !own.includes(name)), OF_BYTES);
  return pskCallback === undefined ? inherited : { ...inherited, pskCallback };
}

/** What counts for a name, and what it was made of without the credentials. */
export interface NamedOptions {
  readonly resolved: ResolvedServer;
  readonly given: ServerOptions;
}

/** A name of a server's with these `inheritable` options: what it does not say is as there, but no credentials. */
export function resolveNamedOptions(
  options: NamedServerOptions | SecureContext,
  server: ServerOptions,
  ticketKeys: NativeTicketKeys,
): NamedOptions {
  const named = options instanceof SecureContext ? { secureContext: options } : options;
  checkObject('context', named);
  checkNames(named, NAMED_OPTIONS);
  const own = withoutObjectPrototype(named, NAMED_OPTIONS);
  const replaced: string[] = [];
  if (own.ALPNProtocols !== undefined || own.ALPNCallback !== undefined) {
    replaced.push('ALPNProtocols', 'ALPNCallback');
  }
  if (own.psk !== undefined || own.pskCallback !== undefined) replaced.push('psk', 'pskCallback');
  const judged = byAuthority({ ...own }, { ...server });
  if (judged) replaced.push(...PROOFS);
  const inherited = Object.entries(server).filter(([name]) => !replaced.includes(name));
  const all: ServerOptions = { ...Object.fromEntries(inherited), ...(judged ? { requestCert: true } : {}), ...own };
  const resolved = resolveServerOptions(all, ticketKeys);
  return { resolved, given: inheritable(all, resolved) };
}
