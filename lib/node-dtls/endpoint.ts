/** `DTLSEndpoint`: one UDP socket, and a server or one client on it. */
import { BlockList, isIP, type AddressInfo } from 'node:net';
import { X509Certificate } from 'node:crypto';

import {
  kBeginOn,
  kConnecting,
  kFreeze,
  kHelloQuestions,
  kListenOn,
  kListening,
  kMake,
  kOnClientHello,
} from '../base/internals';
import { asError } from '../errors/as-error';
import type { DTLSError } from '../errors/errors';
import { Endpoint } from '../endpoint/endpoint';
import { HelloQuestion, type ClientHello, type HelloAnswers } from '../handshake/hello';
import { invalidArgType, invalidArgValue } from '../errors/node-errors';
import type { ConnectOptions, ServerOptions } from '../options/types';
import { resolveConnectOptions } from '../options/connect';
import { DTLSServer } from '../server/server';
import { CLIENT, DTLSSocket } from '../socket/socket';
import type { EndpointStats } from '../core/stats';
import { noEndpointStats } from '../core/stats';
import { familyOf, isOwn } from '../transport/addresses';
import { bindNow, resolveUdp, type DTLSUdpOptions, type ResolvedUdp } from './bind';
import { checkFunction, checkObject, cryptoFailed, integer, noCallback, optionalInteger } from './checks';
import type { ContextRules } from './context';
import { Deferred } from './deferred';
import { nodeError } from './failure';
import { unwrapSession } from './kept-session';
import { DTLSSession, type SessionControl, type SessionShape } from './session';
import type { SniLookup } from './sni';
import { DTLSEndpointStats } from './stats';

export interface DTLSEndpointOptions extends DTLSUdpOptions {
  mtu?: number | undefined;
  handshakeTimeout?: number | undefined;
  maxSessions?: number | null | undefined;
  maxSessionsPerHost?: number | null | undefined;
  // Options of `createServer` that `node:dtls` does not have: they bound what strangers can take of a server.
  maxPendingHandshakes?: number | null | undefined;
  maxPendingHandshakesPerHost?: number | null | undefined;
  blockList?: BlockList | undefined;
  idleTimeout?: number | undefined;
}

/** Options that only a server has a use for. */
export const SERVER_LIMITS = [
  'maxSessions',
  'maxSessionsPerHost',
  'maxPendingHandshakes',
  'maxPendingHandshakesPerHost',
  'blockList',
] as const;

interface ResolvedEndpoint {
  readonly udp: ResolvedUdp;
  readonly mtu: number;
  readonly handshakeTimeout: number;
  readonly maxSessions: number;
  readonly maxSessionsPerHost: number;
  readonly maxPendingHandshakes: number;
  readonly maxPendingHandshakesPerHost: number;
  readonly blockList: BlockList | undefined;
  readonly idleTimeout: number;
}

/** A DTLS record has no more. */
const LARGEST_MTU = 16384;
/** Milliseconds that a timer can wait at most: 24 days. */
const LONGEST_TIMEOUT = 0x7fffffff;
const UINT32_MAX = 0xffffffff;

export function resolveEndpoint(options: DTLSEndpointOptions): ResolvedEndpoint {
  const limit = (name: keyof DTLSEndpointOptions, fallback: number): number =>
    integer(`options.${name}`, options[name] ?? fallback, 0, UINT32_MAX);
  const { blockList } = options;
  if (blockList !== undefined && !(blockList instanceof BlockList)) {
    throw invalidArgType('options.blockList', 'an instance of net.BlockList', blockList);
  }
  const maxPendingHandshakes = limit('maxPendingHandshakes', 0);
  return {
    udp: resolveUdp(options),
    mtu: Math.min(optionalInteger('options.mtu', options.mtu, 256, 65535) ?? 1200, LARGEST_MTU),
    handshakeTimeout: Math.min(
      optionalInteger('options.handshakeTimeout', options.handshakeTimeout, 0, Number.MAX_SAFE_INTEGER) ?? 60_000,
      LONGEST_TIMEOUT,
    ),
    maxSessions: limit('maxSessions', 10_000),
    maxSessionsPerHost: limit('maxSessionsPerHost', 1000),
    maxPendingHandshakes,
    maxPendingHandshakesPerHost: limit('maxPendingHandshakesPerHost', Math.ceil(maxPendingHandshakes / 4)),
    blockList,
    idleTimeout: optionalInteger('options.idleTimeout', options.idleTimeout, 0, LONGEST_TIMEOUT) ?? 0,
  };
}

/** The server below: asks for every hello when there are names to choose from. */
class Server extends DTLSServer {
  readonly #sni: SniLookup | undefined;
  readonly #threw: (socket: DTLSSocket, value: unknown) => void;

  constructor(
    options: ServerOptions,
    sni: SniLookup | undefined,
    threw: (socket: DTLSSocket, value: unknown) => void,
  ) {
    super(options);
    this.#sni = sni;
    this.#threw = threw;
  }

  protected override [kHelloQuestions](): number {
    return this.#sni === undefined ? 0 : HelloQuestion.Always;
  }

  override [kOnClientHello](hello: ClientHello, socket: DTLSSocket, answers: HelloAnswers): void {
    const name = hello.servername === '' ? undefined : hello.servername;
    try {
      const context = this.#sni?.(name);
      if (context !== undefined) {
        answers.accept({ rules: undefined, context, policy: undefined, protocols: undefined });
        return;
      }
    } catch (error) {
      this.#threw(socket, error);
      answers.refuse('name', asError(error));
      return;
    }
    answers.refuse('name', new Error(`nobody is served under the name ${String(name)}`));
  }
}

type Class = DTLSEndpoint;
declare module './session' {
  // eslint-disable-next-line @typescript-eslint/no-empty-object-type -- the whole class, under the name that is known there
  interface SessionEndpoint extends Class {}
}

export type OnSession = (session: DTLSSession) => void;

/**
 * A UDP socket with its sessions. `new DTLSEndpoint()` makes one that does nothing: {@link listen} and
 * {@link connect} make those that work.
 */
export class DTLSEndpoint {
  readonly #options: ResolvedEndpoint;
  readonly #controls = new Map<DTLSSocket, SessionControl>();
  readonly #closed = new Deferred<undefined>();
  readonly #stats: DTLSEndpointStats;
  readonly #createdAt = process.hrtime.bigint();
  #destroyedAt = 0n;
  #serverSessions = 0n;
  #clientSessions = 0n;
  #server: Server | undefined;
  #client: { endpoint: Endpoint; session: SessionControl } | undefined;
  #onerror: ((error: unknown) => void) | undefined;
  #busy = false;
  #destroyed = false;
  #closing = false;

  /** @throws `ERR_INVALID_ARG_TYPE` or `ERR_OUT_OF_RANGE` for an option. */
  constructor(options: DTLSEndpointOptions = {}) {
    checkObject('options', options);
    this.#options = resolveEndpoint(options);
    this.#stats = new DTLSEndpointStats(() => this.#counters());
  }

  // ---- @internal: what makes it work ----

  /** @internal */
  static [kListening](
    onsession: OnSession,
    options: DTLSEndpointOptions,
    where: { host: string; port: number },
    rules: ContextRules,
  ): DTLSEndpoint {
    const endpoint = new DTLSEndpoint(options);
    endpoint.#listen(onsession, where, rules);
    return endpoint;
  }

  /** @internal */
  static [kConnecting](
    peer: { host: string; port: number },
    options: DTLSEndpointOptions,
    where: { host: string; port: number },
    rules: ContextRules,
    to: { servername: string | undefined; session: unknown },
  ): DTLSSession {
    return new DTLSEndpoint(options).#connect(peer, where, rules, to);
  }

  #listen(onsession: OnSession, where: { host: string; port: number }, rules: ContextRules): void {
    const { udp, ...limits } = this.#options;
    const threw = (socket: DTLSSocket, value: unknown): void => {
      this.#controls.get(socket)?.threw(value);
    };
    const { serverPsk } = rules;
    const server = withCryptoErrors(
      () =>
        new Server(
          {
            secureContext: rules.context,
            ...limits,
            requestCert: rules.requestCert,
            rejectUnauthorized: rules.rejectUnauthorized,
            ...(rules.alpn === undefined ? {} : { ALPNProtocols: rules.alpn }),
            ...(rules.srtp === undefined ? {} : { srtpProfiles: rules.srtp }),
            ...(rules.pskIdentityHint === undefined ? {} : { pskIdentityHint: rules.pskIdentityHint }),
            ...(serverPsk === undefined
              ? {}
              : {
                  pskCallback: (socket, identity) => {
                    try {
                      return typeof identity === 'string' ? serverPsk(identity) : undefined;
                    } catch (error) {
                      threw(socket, error);
                      throw error;
                    }
                  },
                }),
          },
          rules.sni,
          threw,
        ),
    );
    const driver = bindNow(where.host, where.port, udp);
    this.#server = server;
    server.on('connection', (socket) => {
      this.#serverSessions += 1n;
      const control = this.#control(socket, () => undefined);
      onsession(control.session);
    });
    server.on('dtlsClientError', (error, socket) => {
      this.#controls.get(socket)?.failed(error);
    });
    // Lines leave native code only as bytes; a session with onkeylog makes a string of them.
    server.on('keylog', () => undefined);
    server.on('error', (error) => {
      this.#onError(error);
    });
    server.on('close', () => {
      this.#finish();
    });
    server[kListenOn](driver);
  }

  #connect(
    peer: { host: string; port: number },
    where: { host: string; port: number },
    rules: ContextRules,
    { servername, session }: { servername: string | undefined; session: unknown },
  ): DTLSSession {
    const { udp, mtu, handshakeTimeout, idleTimeout } = this.#options;
    const identity = servername === undefined || servername === '' ? peer.host : servername;
    const name = servername === '' || isIP(identity) !== 0 ? undefined : identity;
    const kept = session === undefined ? undefined : unwrapSession(session, identity);
    const { clientPsk } = rules;
    const threw = (value: unknown): void => {
      this.#controls.get(socket)?.threw(value);
    };
    const options: ConnectOptions = {
      ...peer,
      secureContext: rules.context,
      mtu,
      handshakeTimeout,
      idleTimeout,
      rejectUnauthorized: rules.rejectUnauthorized,
      servername: name ?? '',
      checkServerIdentity: (_host, { raw }) => identityError(identity, new X509Certificate(raw)),
      ...(kept === undefined ? {} : { session: kept }),
      ...(rules.alpn === undefined ? {} : { ALPNProtocols: rules.alpn }),
      ...(rules.srtp === undefined ? {} : { srtpProfiles: rules.srtp }),
      ...(clientPsk === undefined
        ? {}
        : {
            pskCallback: (hint) => {
              try {
                return clientPsk(hint ?? undefined);
              } catch (error) {
                threw(error);
                throw error;
              }
            },
          }),
    };
    const resolved = withCryptoErrors(() => resolveConnectOptions(options));
    const driver = bindNow(where.host, where.port, udp);
    const family = familyOf(peer.host);
    if (isOwn({ address: peer.host, port: peer.port, family }, driver.address())) {
      driver.close(() => undefined);
      throw invalidArgValue('port', 'is that of this endpoint itself', peer.port);
    }
    const socket = new DTLSSocket(CLIENT);
    const endpoint = Endpoint.over(() => driver);
    const control = this.#control(
      socket,
      () => {
        this.#finish();
      },
      { identity, resuming: kept !== undefined },
    );
    this.#client = { endpoint, session: control };
    this.#clientSessions += 1n;
    socket[kBeginOn](resolved, { endpoint, peer: { address: peer.host, port: peer.port, family } });
    return control.session;
  }

  #control(socket: DTLSSocket, ended: () => void, client?: SessionShape['client']): SessionControl {
    const control = DTLSSession[kMake]({
      endpoint: this,
      socket,
      client,
      ended: () => {
        this.#controls.delete(socket);
        ended();
      },
    });
    this.#controls.set(socket, control);
    return control;
  }

  // ---- public ----

  /** Undefined from `close` on, and before there is one. */
  get address(): AddressInfo | undefined {
    if (this.#closing || this.#destroyed) return undefined;
    return this.#server?.address() ?? this.#client?.endpoint.address();
  }

  get stats(): DTLSEndpointStats {
    return this.#stats;
  }

  /** Whether new handshakes are dropped, in silence, and counted in `stats.serverBusyCount`. */
  get busy(): boolean {
    return this.#busy;
  }
  set busy(busy: unknown) {
    this.#busy = Boolean(busy);
    if (this.#server !== undefined) this.#server.busy = this.#busy;
  }

  /** Errors of the socket. */
  get onerror(): ((error: unknown) => void) | undefined {
    return this.#onerror;
  }
  set onerror(callback: ((error: unknown) => void) | null | undefined) {
    if (callback !== null && callback !== undefined) checkFunction('onerror', callback);
    this.#onerror = callback ?? undefined;
  }

  get destroyed(): boolean {
    return this.#destroyed;
  }

  /** Settles always: rejects only with the error of a `destroy`. */
  get closed(): Promise<undefined> {
    return this.#closed.promise;
  }

  /** close_notify to every session, then the socket is closed. */
  close(): Promise<undefined>;
  close(...surplus: unknown[]): Promise<undefined> {
    noCallback('close', surplus);
    if (!this.#closing && !this.#destroyed) {
      this.#closing = true;
      for (const { session } of [...this.#controls.values()]) void session.close();
      if (this.#server !== undefined) this.#server.close();
      else if (this.#client === undefined) this.#finish();
    }
    return this.#closed.promise;
  }

  /** Ends every session, with that error, and the socket; tells the peers nothing. */
  destroy(error?: unknown): void {
    if (this.#destroyed) return;
    this.#closing = true;
    if (error !== undefined && error !== null) this.#closed.reject(error);
    for (const control of [...this.#controls.values()]) control.destroy(error);
    this.#server?.close();
    this.#finish();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  // ---- plumbing ----

  #onError(error: DTLSError): void {
    this.#onerror?.call(this, nodeError(error));
  }

  #finish(): void {
    if (this.#destroyed) return;
    this.#destroyedAt = process.hrtime.bigint();
    this.#stats[kFreeze]();
    this.#destroyed = true;
    this.#closed.resolve(undefined);
  }

  #counters(): Readonly<Record<string, bigint>> {
    const own: EndpointStats =
      this.#server?.stats ?? this.#client?.endpoint.stats() ?? noEndpointStats();
    return {
      createdAt: this.#createdAt,
      destroyedAt: this.#destroyedAt,
      bytesReceived: BigInt(own.bytesReceived),
      bytesSent: BigInt(own.bytesSent),
      packetsReceived: BigInt(own.datagramsReceived),
      packetsSent: BigInt(own.datagramsSent),
      serverSessions: this.#serverSessions,
      clientSessions: this.#clientSessions,
      serverBusyCount: BigInt(own.hellosWhileBusy),
      serverRejectedCount: BigInt(
        own.nonDtlsDatagrams - own.emptyDatagrams + own.malformedDatagrams + own.unknownPeerDatagrams,
      ),
      serverRefusedCount: BigInt(own.sessionsRefused),
    };
  }
}

/** Compares names as OpenSSL does for SSL_set1_host and SSL_set1_ip. */
function identityError(identity: string, certificate: X509Certificate): Error | undefined {
  const isAddress = isIP(identity) !== 0;
  const matches = isAddress
    ? certificate.checkIP(identity)
    : certificate.checkHost(identity, { partialWildcards: false });
  if (matches !== undefined) return undefined;
  const code = isAddress ? 'IP_ADDRESS_MISMATCH' : 'HOSTNAME_MISMATCH';
  return Object.assign(new Error(`the certificate is not for ${identity}`), { code });
}

/** What our own checks refuse, OpenSSL would have refused: names that are too long, profiles it has not. */
function withCryptoErrors<T>(make: () => T): T {
  try {
    return make();
  } catch (error) {
    throw cryptoFailed(asError(error).message);
  }
}
