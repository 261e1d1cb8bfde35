/** `DTLSSession`: a {@link DTLSSocket} with promises and one callback for each event. */
import type { X509Certificate } from 'node:crypto';
import type { AddressInfo } from 'node:net';

import { kAbandon, kCloseNow, kFreeze, kMake, kMessageLimit } from '../base/internals';
import type { DTLSError } from '../errors/errors';
import { bytesOf } from '../base/memory';
import type { NonSharedBuffer } from '../base/non-shared-buffer';
import { invalidArgType, outOfRange } from '../errors/node-errors';
import type { DTLSSocket } from '../socket/socket';
import { checkFunction, cryptoFailed, illegalConstructor, integer, invalidState, isView, noCallback, type View } from './checks';
import { Deferred } from './deferred';
import { nodeError } from './failure';
import { wrapSession } from './kept-session';
import { DTLSSessionStats } from './stats';

type OnMessage = (data: NonSharedBuffer) => void;
type OnError = (error: unknown) => void;
type OnHandshake = (protocol: string) => void;
type OnKeylog = (line: string) => void;

const MAX_EXPORT = 65536;
const TOKEN = Symbol('made by listen or connect');

/** What only this module's neighbours may do with a session. */
export interface SessionControl {
  readonly session: DTLSSession;
  /** What a callback of the user's threw: it ends the handshake, and is the error. */
  threw(value: unknown): void;
  /** The handshake failed, or the session had an error. */
  failed(error: DTLSError): void;
  /** Ended with the endpoint. */
  destroy(error?: unknown): void;
}

/** The endpoint of a session, as the session knows it: the class adds itself to this (endpoint.ts). */
export interface SessionEndpoint {
  readonly destroyed: boolean;
}

export interface SessionShape {
  readonly endpoint: SessionEndpoint;
  readonly socket: DTLSSocket;
  /** A client's: as what it verifies its server, and whether it has a session to resume. */
  readonly client: { readonly identity: string; readonly resuming: boolean } | undefined;
  /** Nothing is left of the session below either: called once, after its promises have settled. */
  readonly ended: () => void;
}

/** One association with a peer. Made by {@link listen} and {@link connect}. */
export class DTLSSession {
  readonly #endpoint: SessionEndpoint;
  readonly #socket: DTLSSocket;
  readonly #client: SessionShape['client'];
  readonly #ended: () => void;
  readonly #opened = new Deferred<{ protocol: string }>();
  readonly #closed = new Deferred<undefined>();
  readonly #stats: DTLSSessionStats;
  readonly #times = {
    createdAt: process.hrtime.bigint(),
    destroyedAt: 0n,
    closingAt: 0n,
    handshakeCompletedAt: 0n,
  };
  #onmessage: OnMessage | undefined;
  #onerror: OnError | undefined;
  #onhandshake: OnHandshake | undefined;
  #onkeylog: OnKeylog | undefined;
  #settledOpened = false;
  #destroyed = false;
  #thrown: { value: unknown } | undefined;
  #certificate: X509Certificate | undefined;

  constructor(token: unknown, shape: SessionShape, give: (control: SessionControl) => void) {
    if (token !== TOKEN) throw illegalConstructor();
    this.#endpoint = shape.endpoint;
    this.#socket = shape.socket;
    this.#client = shape.client;
    this.#ended = shape.ended;
    this.#stats = new DTLSSessionStats(() => this.#counters());
    give({
      session: this,
      threw: (value) => {
        this.#thrown ??= { value };
      },
      failed: (error) => {
        this.#fail(error);
      },
      destroy: (error) => {
        this.#destroy(error);
      },
    });
    this.#listen();
  }

  /** @internal */
  static [kMake](shape: SessionShape): SessionControl {
    let control: SessionControl | undefined;
    new DTLSSession(TOKEN, shape, (given) => {
      control = given;
    });
    return control as unknown as SessionControl;
  }

  #listen(): void {
    const socket = this.#socket;
    socket.on('secureConnect', () => {
      this.#times.handshakeCompletedAt = process.hrtime.bigint();
      const protocol = socket.getProtocol() ?? '';
      this.#settleOpened(() => {
        this.#opened.resolve({ protocol });
      });
      this.#onhandshake?.(protocol);
    });
    socket.on('message', (message) => {
      // What came along with the message whose handler closed the session is nobody's any more.
      if (!this.#destroyed) this.#onmessage?.(message);
    });
    socket.on('keylog', (line) => {
      // Secrets become a string only when somebody wants them.
      if (this.#onkeylog === undefined || this.#destroyed) return;
      try {
        this.#onkeylog(line.toString('latin1').trimEnd());
      } catch (thrown) {
        this.#failWith(thrown);
        this.#destroy(undefined);
      }
    });
    socket.on('error', (error) => {
      this.#fail(error);
    });
    socket.on('close', () => {
      this.#finish();
      this.#ended();
    });
  }

  // ---- callbacks; each is called with the session as `this` ----

  /** What the peer sends. Without it messages are decrypted, counted, and dropped. */
  get onmessage(): OnMessage | undefined {
    return this.#onmessage;
  }
  set onmessage(callback: OnMessage | null | undefined) {
    this.#onmessage = this.#bound('onmessage', callback);
  }
  get onerror(): OnError | undefined {
    return this.#onerror;
  }
  set onerror(callback: OnError | null | undefined) {
    this.#onerror = this.#bound('onerror', callback);
  }
  get onhandshake(): OnHandshake | undefined {
    return this.#onhandshake;
  }
  set onhandshake(callback: OnHandshake | null | undefined) {
    this.#onhandshake = this.#bound('onhandshake', callback);
  }
  /** Lines in NSS format. */
  get onkeylog(): OnKeylog | undefined {
    return this.#onkeylog;
  }
  set onkeylog(callback: OnKeylog | null | undefined) {
    this.#onkeylog = this.#bound('onkeylog', callback);
  }

  #bound<T extends (...args: never[]) => void>(name: string, callback: T | null | undefined): T | undefined {
    if (callback === null || callback === undefined) return undefined;
    checkFunction(name, callback);
    return callback.bind(this) as T;
  }

  // ---- calls ----

  /**
   * Sends one message as one datagram.
   *
   * @returns The bytes written.
   * @throws `ERR_INVALID_ARG_TYPE`; `ERR_INVALID_STATE` outside an open session; `ERR_OUT_OF_RANGE` above 16384 bytes;
   * `ERR_CRYPTO_OPERATION_FAILED` for no bytes at all, of which OpenSSL makes no record.
   */
  send(data: string | View): number;
  send(...args: [string | View, ...unknown[]]): number {
    const [data, ...surplus] = args;
    noCallback('send', surplus);
    if (this.#destroyed) throw invalidState('Session is destroyed');
    if (typeof data !== 'string' && !isView(data)) {
      throw invalidArgType('data', 'of type string or an instance of Buffer, TypedArray, or DataView', data);
    }
    if (this.#socket.readyState === 'opening') {
      throw invalidState('Cannot send application data before the handshake completes');
    }
    if (this.#socket.readyState !== 'open') throw invalidState('Session is destroyed');
    const bytes = typeof data === 'string' ? Buffer.from(data) : bytesOf(data);
    const { [kMessageLimit]: messageLimit } = this.#socket;
    if (bytes.length > messageLimit) {
      const error = outOfRange('data', `<= ${String(messageLimit)}`, bytes.length);
      error.message =
        `data is ${String(bytes.length)} bytes, which exceeds the ${String(messageLimit)} byte maximum ` +
        'for a single DTLS record';
      throw error;
    }
    if (bytes.length === 0) throw cryptoFailed('OpenSSL makes no record without content');
    this.#socket.send(bytes);
    return bytes.length;
  }

  /** Sends close_notify and ends the session, at once; does not wait for the peer's. Resolves as `closed`. */
  close(): Promise<undefined>;
  close(...surplus: unknown[]): Promise<undefined> {
    noCallback('close', surplus);
    if (!this.#destroyed) {
      this.#times.closingAt = process.hrtime.bigint();
      this.#socket[kCloseNow]();
      this.#finish();
    }
    return this.#closed.promise;
  }

  /** Ends the session at once and tells the peer nothing. */
  destroy(error?: unknown): void {
    this.#destroy(error);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  // ---- state; what belongs to the connection is gone with it ----

  get destroyed(): boolean {
    const { readyState } = this.#socket;
    return this.#destroyed || readyState === 'closing' || readyState === 'closed';
  }
  get endpoint(): SessionEndpoint {
    return this.#endpoint;
  }
  /** Settles always: rejects when the session ends before its handshake has. */
  get opened(): Promise<{ protocol: string }> {
    return this.#opened.promise;
  }
  /** Settles always: rejects only with the error of a `destroy`. */
  get closed(): Promise<undefined> {
    return this.#closed.promise;
  }
  get stats(): DTLSSessionStats {
    return this.#stats;
  }
  get servername(): string | undefined {
    return this.#live((socket) => socket.servername);
  }
  get remoteAddress(): AddressInfo | undefined {
    return this.#live(({ remoteAddress, remoteFamily, remotePort }) =>
      remoteAddress === undefined || remotePort === undefined
        ? undefined
        : { address: remoteAddress, family: remoteFamily ?? 'IPv4', port: remotePort },
    );
  }
  get protocol(): string | undefined {
    return this.#live((socket) => socket.getProtocol());
  }
  get cipher(): { name: string; standardName: string; version: string } | undefined {
    return this.#live((socket) => socket.getCipher());
  }
  /** PEM. */
  get peerCertificate(): string | undefined {
    return this.#live(() => this.peerX509Certificate?.toString());
  }
  /** The same object each time; once read, it stays. */
  get peerX509Certificate(): X509Certificate | undefined {
    return (this.#certificate ??= this.#live((socket) => socket.getPeerX509Certificate()));
  }
  /**
   * A client's session, for the option `session` of a later {@link connect} to the same identity. It holds the
   * session's master secret. Undefined on a server, before the handshake, and when it cannot be resumed.
   */
  get session(): NonSharedBuffer | undefined {
    const client = this.#client;
    if (client === undefined) return undefined;
    const session = this.#live((socket) => socket.getSession());
    return session === undefined ? undefined : wrapSession(session, client.identity);
  }
  /** An earlier session was resumed. */
  get reused(): boolean {
    return this.#live((socket) => socket.isSessionReused()) ?? false;
  }
  get authorized(): boolean {
    return this.#live((socket) => socket.authorized) ?? false;
  }
  get authorizationError(): string | undefined {
    if (this.#destroyed) return undefined;
    const socket = this.#socket;
    if (socket.getProtocol() === null) return 'HANDSHAKE_INCOMPLETE';
    if (socket.authorized) return undefined;
    return socket.authorizationError ?? 'UNABLE_TO_GET_ISSUER_CERT';
  }
  get alpnProtocol(): string | undefined {
    const chosen = this.#live((socket) => socket.alpnProtocol);
    return typeof chosen === 'string' ? chosen : undefined;
  }
  get srtpProfile(): string | undefined {
    return this.#live((socket) => (socket.readyState === 'open' ? socket.getSrtp()?.profile : undefined));
  }

  /**
   * RFC 5705.
   * @throws `ERR_OUT_OF_RANGE` for a length outside 1 to 65536; `ERR_INVALID_STATE` outside an open session.
   */
  exportKeyingMaterial(length: number, label: string, context?: View): NonSharedBuffer {
    if (this.#destroyed) throw invalidState('Session is destroyed');
    integer('length', length, 1, MAX_EXPORT);
    if (typeof label !== 'string') throw invalidArgType('label', 'of type string', label);
    if (context !== undefined && !isView(context)) {
      throw invalidArgType('context', 'an instance of Buffer, TypedArray, or DataView', context);
    }
    if (this.#socket.readyState !== 'open') throw invalidState('The handshake is not complete');
    return this.#socket.exportKeyingMaterial(length, label, context);
  }

  // ---- plumbing ----

  #live<T>(read: (socket: DTLSSocket) => T | null | undefined): T | undefined {
    return this.#destroyed ? undefined : (read(this.#socket) ?? undefined);
  }

  #settleOpened(settle: () => void): void {
    if (this.#settledOpened) return;
    this.#settledOpened = true;
    settle();
  }

  #fail(error: DTLSError): void {
    if (this.#destroyed) return;
    this.#failWith(nodeError(error, { thrown: this.#thrown, resuming: this.#client?.resuming }));
  }

  #failWith(cause: unknown): void {
    try {
      this.#onerror?.(cause);
    } finally {
      this.#settleOpened(() => {
        this.#opened.reject(cause);
      });
    }
  }

  #destroy(error: unknown): void {
    if (this.#destroyed) return;
    if (error !== undefined && error !== null) {
      this.#settleOpened(() => {
        this.#opened.reject(error);
      });
      this.#closed.reject(error);
    }
    this.#socket[kAbandon]();
    this.#finish();
  }

  #finish(): void {
    if (this.#destroyed) return;
    this.#destroyed = true;
    this.#times.destroyedAt = process.hrtime.bigint();
    this.#stats[kFreeze]();
    this.#settleOpened(() => {
      this.#opened.reject(invalidState('Session was closed before the handshake completed'));
    });
    this.#closed.resolve(undefined);
  }

  #counters(): Readonly<Record<string, bigint>> {
    const stats = this.#socket.stats;
    return {
      ...this.#times,
      bytesReceived: BigInt(stats.messageBytesReceived),
      bytesSent: BigInt(stats.messageBytesSent),
      messagesReceived: BigInt(stats.messagesReceived),
      messagesSent: BigInt(stats.messagesSent),
      retransmitCount: BigInt(stats.retransmissions),
    };
  }
}
