/** Options of `createSocket`: dgram's own, and under `dtls` what an encrypted socket needs beside them. */
import type * as dgram from 'node:dgram';
import type { BlockList } from 'node:net';

import { kHasIdentity } from '../base/internals';
import type { Peer } from '../base/peer';
import { shown } from '../errors/as-error';
import { usageError, type DTLSError } from '../errors/errors';
import type { ConnectOptions, ServerOptions, UdpSocketOptions } from '../options/types';
import { bare, withoutObjectPrototype } from '../checks/no-inheritance';
import { CONNECT_OPTIONS, CONTEXT_OPTIONS, DGRAM_OPTIONS, SERVER_OPTIONS, SOCKET_OPTIONS } from '../checks/option-names';
import { OF_BYTES, ownOptions } from '../options/own-bytes';
import { clientPsk, plainCredentials, requireName, serverPsk } from '../options/psk';
import { resolveHandshakeTimeout } from '../options/session';
import { messageMemory, type MessageMemory } from '../endpoint/packet-events';
import type { DTLSSocket } from '../socket/socket';
import { ownKey } from './own-key';
import { beneath, Marks, type Rules } from './rules';
import { requireSecureContext, SecureContext } from '../identity/secure-context';
import { callable, checkNames, checkObject, flag, integer, misplaced, nearest, wrongType } from '../checks/validate';

/** Which handshakes a socket takes part in: those it begins, those its peers begin, or both. */
export type SocketRole = 'client' | 'server' | 'both';

type NotForSockets = keyof UdpSocketOptions | 'transport' | 'pskCallback' | 'cookieExchange' | 'blockList' | 'peers';

/** Options of the handshake with one peer, which this socket begins. */
export type SocketPeerOptions = Omit<
  ConnectOptions,
  NotForSockets | 'host' | 'port' | 'localAddress' | 'localPort' | 'lookup' | 'family'
>;

/** The `dtls` part of {@link SocketOptions}: the options of servers and clients, and these. */
export interface SocketDtlsOptions
  extends SocketPeerOptions, Omit<ServerOptions, NotForSockets | keyof SocketPeerOptions> {
  /** Default: `'both'` with a certificate or a pre-shared key, else `'client'`; where `dtls` says nothing at all it has to be given. */
  role?: SocketRole | undefined;
  /** Peers that shake hands with this socket. Default: `psk`'s identity is known, and no other. */
  pskCallback?: ServerOptions['pskCallback'];
  /** Ask peers that shake hands with this socket for a certificate. Default: true for role `'both'`. */
  requestCert?: boolean | undefined;
  /**
   * Called before this socket begins a handshake: returns options for that peer, undefined for none, or
   * null when there is to be no session with it. `hostname` is what `send` was called with, if not an
   * address. Called, too, before an open session is used for another name: it is, only where the answer says
   * what the session was made with.
   */
  peers?:
    | ((
        peer: Peer,
        hostname: string | undefined,
      ) => MaybePromise<SocketPeerOptions | null | undefined>)
    | undefined;
  /** Bytes of messages that may wait for the handshake with one peer. Default 65536. */
  maxQueueSize?: number | undefined;
  /** Send to multicast and broadcast addresses in clear instead of refusing to. Default false. */
  clearMulticast?: boolean | undefined;
}

type MaybePromise<T> = T | PromiseLike<T>;

/** The options of `dgram.createSocket`, and `dtls`. */
export interface SocketOptions extends dgram.SocketOptions {
  /** Datagrams from these addresses are dropped. dgram's option, here on every Node. */
  receiveBlockList?: BlockList | undefined;
  /** Nothing is sent to these addresses: `ERR_IP_BLOCKED`. dgram's option, here on every Node. */
  sendBlockList?: BlockList | undefined;
  dtls?: SocketDtlsOptions | undefined;
}

type Bag = Readonly<Record<string, unknown>>;
type Dialling = Omit<ConnectOptions, 'host' | 'port'>;

/** What `peers` has said, with copies: its object may say something else by the time that it counts. */
export interface PeerAnswer {
  /** The object itself, by which a context is found again. */
  readonly source: object;
  readonly given: Readonly<Record<string, unknown>>;
}

export interface ResolvedSocket {
  readonly role: SocketRole;
  /** Undefined for role `'client'`. */
  readonly server: ServerOptions | undefined;
  /** What `connect` is to be called with for a peer; throws as `connect` does. */
  dialling(answer: PeerAnswer | undefined): Dialling;
  /** What the peer has to prove in such a handshake. */
  rulesOf(answer: PeerAnswer | undefined): Rules;
  /** A peer that began has shown the key with which this side would have begun, where `peers` gives no other. */
  hasOwnKey(session: DTLSSocket): boolean;
  readonly peers: SocketDtlsOptions['peers'];
  /** How many milliseconds an answer of `peers` may take; 0: for ever. */
  readonly peersTimeout: number;
  readonly maxQueueSize: number;
  readonly maxPeers: number;
  readonly maxDialling: number;
  readonly clearMulticast: boolean;
  /** In what memory packets come, as messages do. */
  readonly memory: MessageMemory;
}

/** Without a prototype: nothing comes back from there that was left out. */
const pick = (options: Bag, names: readonly string[]): Record<string, unknown> =>
  bare(names.filter((name) => options[name] !== undefined).map((name) => [name, options[name]]));

/** What a handshake with one peer may differ in. */
const PEER_OPTIONS: readonly string[] = CONNECT_OPTIONS.filter(
  (name) => name !== 'pskCallback' && SOCKET_OPTIONS.includes(name),
);

/** What an answer of `peers` says, also by its class or a prototype; what is undefined is left out, as everywhere. */
export function readAnswer(answer: SocketPeerOptions): PeerAnswer {
  checkObject('the answer of peers()', answer);
  checkNames(answer, PEER_OPTIONS);
  const own: Bag = ownOptions(answer as Bag, PEER_OPTIONS, [...OF_BYTES, ...CONTEXT_OPTIONS]);
  const psk = plainCredentials(own.psk);
  return { source: answer, given: pick(bare(Object.entries({ ...own, psk })), PEER_OPTIONS) };
}

const NO_ANSWER: PeerAnswer = { source: {}, given: bare([]) };

/** Everything that a context is made of is asked for once, whoever uses the context. */
function contextOf(given: Bag): SecureContext {
  const options = withoutObjectPrototype(given, [...CONTEXT_OPTIONS, 'secureContext']);
  const { secureContext } = options;
  if (secureContext === undefined) return new SecureContext(pick(options, CONTEXT_OPTIONS));
  requireSecureContext('secureContext', secureContext);
  const beside = CONTEXT_OPTIONS.find((name) => options[name] !== undefined);
  if (beside === undefined) return secureContext;
  throw usageError(
    'ERR_DTLS_CONFLICTING_OPTIONS',
    `'${beside}' has no effect beside 'secureContext'`,
    `Pass '${beside}' to createSecureContext, or leave 'secureContext' out.`,
  );
}

/** Who has which key among the peers that begin: `pskCallback` knows, or they have this side's own. */
function keysOf({ psk, pskCallback }: SocketDtlsOptions): ServerOptions['pskCallback'] {
  const given = callable('pskCallback', pskCallback);
  return given ?? (typeof psk === 'function' ? undefined : serverPsk(psk));
}

/** Options by which a socket without a key of its own could begin a handshake by certificates. */
const CERTIFICATES = [
  'ca', 'cert', 'pfx', 'rawPublicKey', 'secureContext', 'peerFingerprints', 'peerPublicKeys', 'checkServerIdentity',
  'rejectUnauthorized', 'requestOCSP', 'SNICallback',
] as const;

/** Options that make a server of a socket, or are to. */
const CREDENTIALS = ['cert', 'key', 'pfx', 'psk', 'pskCallback', 'secureContext', 'SNICallback'] as const;

/**
 * `dtls` that was to have credentials: it is there and says nothing, as what a Promise leaves when it is spread, or it names
 * some that are undefined, beside nothing by which a client would judge a server.
 */
const lostItsCredentials = (options: Bag): boolean => {
  const given = Object.keys(options).filter((name) => options[name] !== undefined);
  if (given.length === 0) return true;
  const named = CREDENTIALS.filter((name) => name in options);
  const lost = named.length > 0 && named.every((name) => options[name] === undefined);
  return lost && options.peers === undefined && nothingButKeys(options);
};

const noCredentials = (): DTLSError =>
  usageError(
    'ERR_DTLS_NO_CREDENTIALS',
    "'dtls' has no certificate and no key, and does not say that this socket is a client's",
    "To serve, pass 'cert' and 'key', 'psk' or 'pskCallback'; those of generateCertificate() come with a Promise: await it. A client that trusts whom node:tls trusts leaves 'dtls' out, or says role: 'client'.",
  );

const nothingButKeys = (options: Bag): boolean => CERTIFICATES.every((name) => options[name] === undefined);

const notOfAClient = (): DTLSError =>
  usageError(
    'ERR_DTLS_CONFLICTING_OPTIONS',
    "'pskCallback' has no effect beside role: 'client': it gives the keys of peers that begin",
    "Pass 'psk', which may be a function, as connect's 'pskCallback': hint => ({ identity, psk }).",
  );

const noKeyOfItsOwn = (): DTLSError =>
  usageError(
    'ERR_DTLS_NO_CREDENTIALS',
    "this socket has no key for handshakes that it begins: 'pskCallback' gives those of peers that begin",
    "Pass 'psk' beside it ({ identity, psk }, or a function that returns it), or have peers() return it.",
  );

const ofServers = (): DTLSError =>
  usageError(
    'ERR_DTLS_UNKNOWN_OPTION',
    "unknown option 'blockList'",
    "A socket has dgram's: 'receiveBlockList' and 'sendBlockList', beside 'dtls'.",
  );

/** Short names are near to many words, which may be anybody's. */
const UNMISTAKABLE = ['dtls', ...SOCKET_OPTIONS.filter((name) => name.length > 5)];

/** Names that dgram does not know are left out, as it does; but what belongs into `dtls` must not be lost in silence. */
function checkSocketNames(options: object): void {
  for (const name of Object.keys(options)) {
    if (name === 'dtls' || DGRAM_OPTIONS.includes(name)) continue;
    if (SOCKET_OPTIONS.includes(name)) throw misplaced(name);
    if (name === 'blockList') throw ofServers();
    const { candidate, distance } = nearest(name, UNMISTAKABLE);
    if (distance > 1) continue;
    const where = candidate === 'dtls' ? '' : ", which belongs to 'dtls'";
    throw usageError('ERR_DTLS_UNKNOWN_OPTION', `unknown option '${name}'`, `Did you mean '${candidate}'${where}?`);
  }
}

/** `undefined`: none were given, and the socket is a client's. */
export function resolveSocketOptions(given: SocketDtlsOptions = { role: 'client' }): ResolvedSocket {
  checkObject('dtls', given);
  if ('blockList' in withoutObjectPrototype(given, ['blockList'])) throw ofServers();
  checkNames(given, SOCKET_OPTIONS);
  // Some are read again for each peer that it begins with, and those of the context where `peers` gives others.
  const ofBytes = given.peers === undefined ? OF_BYTES : [...OF_BYTES, ...CONTEXT_OPTIONS];
  const options = ownOptions(given, SOCKET_OPTIONS, ofBytes);
  const bag = options as Bag;
  const served = keysOf(options);
  const canServe =
    options.cert !== undefined || options.secureContext?.[kHasIdentity] === true || served !== undefined ||
    bag.pfx !== undefined || bag.SNICallback !== undefined;
  if (options.role === undefined && !canServe && lostItsCredentials(bag)) throw noCredentials();
  const role = options.role ?? (canServe ? 'both' : 'client');
  if (!(['client', 'server', 'both'] as string[]).includes(role)) {
    throw usageError(
      'ERR_INVALID_ARG_VALUE',
      `'dtls.role' cannot be ${shown(role)}`,
      "Use 'client', 'server' or 'both'.",
    );
  }
  if (role !== 'client' && !canServe) {
    throw usageError(
      'ERR_DTLS_NO_CREDENTIALS',
      `a socket of role '${role}' needs a certificate or pre-shared keys`,
      "Pass 'cert' and 'key', 'psk' or 'pskCallback', or role: 'client'.",
    );
  }
  if (role === 'client' && options.pskCallback !== undefined) throw notOfAClient();
  const context = contextOf(bag);
  const own = clientPsk(options.psk);
  requireName(options.psk, context);
  const { pskCallback, isShownBy } =
    options.pskCallback === undefined
      ? { pskCallback: served, isShownBy: () => own !== undefined }
      : ownKey(options.pskCallback, options.psk, own);
  const keysOfPeersAlone = options.pskCallback !== undefined && nothingButKeys(bag);
  const shared = { ...pick(bag, CONNECT_OPTIONS), ...pick({ secureContext: context }, ['secureContext']) };
  const plainShared = Object.fromEntries(
    Object.entries(shared).filter(
      ([name]) => !(CONTEXT_OPTIONS as readonly string[]).includes(name) && name !== 'psk' && name !== 'pskCallback',
    ),
  );
  const contexts = new WeakMap<object, { mark: string; context: SecureContext }>();
  const marks = options.peers === undefined ? undefined : new Marks(CONNECT_OPTIONS, bag);
  return {
    role,
    server:
      role === 'client'
        ? undefined
        : ({
            ...Object.fromEntries(
              Object.entries(pick(bag, SERVER_OPTIONS)).filter(
                // `peers` of a socket is asked about those with whom it begins.
                ([name]) => !(CONTEXT_OPTIONS as readonly string[]).includes(name) && name !== 'psk' && name !== 'peers',
              ),
            ),
            secureContext: context,
            requestCert: options.requestCert ?? role === 'both',
            pskCallback,
          }),
    dialling({ source, given } = NO_ANSWER) {
      let secureContext = (given.secureContext as SecureContext | undefined) ?? context;
      if (CONTEXT_OPTIONS.some((name) => given[name] !== undefined)) {
        // An answer that is given again may say something else by now.
        const mark = marks?.of(given) ?? '';
        const made = contexts.get(source);
        secureContext =
          made?.mark === mark
            ? made.context
            : contextOf(
                given.secureContext === undefined && options.secureContext === undefined
                  ? { ...bag, ...given }
                  : given,
              );
        contexts.set(source, { mark, context: secureContext });
      }
      const psk = given.psk === undefined ? own : clientPsk(given.psk as SocketPeerOptions['psk']);
      if (keysOfPeersAlone && psk === undefined && nothingButKeys(given)) throw noKeyOfItsOwn();
      const rest = Object.fromEntries(
        Object.entries(given).filter(
          ([name]) => name !== 'psk' && !(CONTEXT_OPTIONS as readonly string[]).includes(name),
        ),
      );
      return {
        ...beneath(given, plainShared),
        ...rest,
        secureContext,
        ...(psk === undefined ? {} : { pskCallback: psk }),
      };
    },
    rulesOf({ given: bagOf } = NO_ANSWER) {
      const given = bagOf as SocketPeerOptions;
      return {
        mark: marks?.of(bagOf) ?? '',
        servername: given.servername ?? options.servername,
        checkServerIdentity: given.checkServerIdentity ?? options.checkServerIdentity,
        anyPeer: (given.rejectUnauthorized ?? options.rejectUnauthorized) === false,
        stapled: (given.requestOCSP ?? options.requestOCSP) === true,
      };
    },
    hasOwnKey: isShownBy,
    peers: callable('peers', options.peers),
    peersTimeout: resolveHandshakeTimeout(options),
    maxQueueSize: integer('maxQueueSize', options.maxQueueSize, 65536, 0, 0xffffffff),
    maxPeers: integer('maxSessions', options.maxSessions, 10000, 0, 0xffffffff),
    maxDialling: integer('maxPendingHandshakes', options.maxPendingHandshakes, 1000, 0, 0xffffffff),
    clearMulticast: flag('clearMulticast', options.clearMulticast, false),
    memory: messageMemory(options),
  };
}

/** As dgram has it a type may stand in place of the options. What types there are dgram says itself. */
export const FORMS = "createSocket({ type: 'udp4', dtls: { … } }[, listener]), or createSocket(type[, listener]).";

/** What `createSocket` is given, as far as it is known by its names. */
export function checkedOptions(given: SocketOptions | dgram.SocketType): SocketOptions {
  if (typeof given === 'string') return { type: given };
  if (typeof given !== 'object' || (given as unknown) === null) {
    throw wrongType('options', "an object with 'type' and 'dtls', or a type", given, FORMS);
  }
  checkObject('options', given);
  checkSocketNames(given);
  return withoutObjectPrototype(given, ['dtls', ...DGRAM_OPTIONS]);
}
