/** One peer of a socket: the session that is open, those in the making, and what waits for them. */
import type tls from 'node:tls';

import { kAsyncResource, kMessageLimit } from '../base/internals';
import { late } from '../base/late';
import type { Peer } from '../base/peer';
import { asError, wordsOf } from '../errors/as-error';
import { DTLSError } from '../errors/errors';
import { copyOf, sizeOf } from '../base/memory';
import { errnoOf } from '../errors/system-error';
import { MAX_MESSAGE } from '../options/types';
import { turns } from '../core/outbox';
import { inItsContext, tooBig } from '../socket/messages';
import type { DTLSSocket } from '../socket/socket';
import type { SendCallback } from './arguments';
import type { Hold } from './hold';

interface Waiting {
  readonly message: Buffer;
  readonly hostname: string | undefined;
  readonly callback: SendCallback | undefined;
}

/** What an association asks of its socket. */
export interface AssociationOwner {
  readonly maxQueueSize: number;
  /** This side would begin with a pre-shared key: it then has no names to go by. */
  readonly dialsWithKey: boolean;
  /** Each message that waits takes hold of it. */
  readonly hold: Hold;
  /** Begins a handshake; the session, or why there is none, comes later or at once. */
  dial(association: Association, hostname: string | undefined): void;
  onMessage(message: Buffer, session: DTLSSocket, identity: string | Buffer | null): void;
  /** Returns false where nobody listens. */
  onSecure(session: DTLSSocket): boolean;
  onPeerError(error: Error, peer: Peer): void;
  /** Calls `onPeerError` in the next tick. */
  later(error: Error, peer: Peer): void;
  /** What the callback of a message to this peer hears of an error. */
  heard(error: Error, peer: Peer): Error | null;
  /** Nothing is left of it. */
  onEmpty(association: Association): void;
}

type ServerIdentityCheck = typeof tls.checkServerIdentity;

export class Association {
  readonly peer: Peer;
  readonly #owner: AssociationOwner;
  #session: DTLSSocket | undefined;
  /** The peer began it. */
  #theirs = false;
  readonly #inTheMaking = new Set<DTLSSocket>();
  #dialling = false;
  #queue: Waiting[] = [];
  #queuedBytes = 0;
  #lastError: Error | undefined;
  /** Names that the open session's certificate is known to be good for. */
  #names = new Set<string>();
  #checkIdentity: ServerIdentityCheck | undefined;
  #anyName = false;

  constructor(owner: AssociationOwner, peer: Peer) {
    this.#owner = owner;
    this.peer = peer;
  }

  /** A handshake goes on, or is about to begin. */
  get handshaking(): boolean {
    return this.#dialling || this.#inTheMaking.size > 0;
  }

  /** Bytes, and messages, that wait. */
  get queued(): readonly [bytes: number, messages: number] {
    return [this.#queuedBytes, this.#queue.length];
  }

  *sessions(): Generator<DTLSSocket> {
    if (this.#session !== undefined) yield this.#session;
    yield* this.#inTheMaking;
  }

  /** `hostname`: what the peer was called, if not by its address. */
  send(message: Buffer, hostname: string | undefined, callback: SendCallback | undefined): void {
    const refusal = refusalOf(message, this.peer);
    if (refusal !== undefined) {
      this.#refuse(message, callback, refusal);
    } else if (this.#session !== undefined) {
      this.#write(this.#session, { message, hostname, callback });
    } else if (this.#queuedBytes + sizeOf(message) > this.#owner.maxQueueSize) {
      this.#refuse(
        message,
        callback,
        new DTLSError('too many messages wait for the handshake with this peer', {
          code: 'ERR_DTLS_QUEUE_FULL',
          category: 'usage',
          hint: "Send less before the first callback, or raise 'maxQueueSize'.",
          peer: this.peer,
        }),
      );
    } else {
      // The caller may reuse its memory.
      const copy = copyOf(message);
      this.#queue.push({ message: copy, hostname, callback: inItsContext(callback) });
      this.#owner.hold.take();
      this.#queuedBytes += copy.length;
      if (this.handshaking) return;
      this.#dialling = true;
      this.#owner.dial(this, hostname);
    }
  }

  /** The socket's dial can go on: nothing has come meanwhile that makes it needless. Without one there is nothing to wait for. */
  dialWanted(): boolean {
    if (this.#session === undefined && this.#queue.length > 0) return true;
    this.#dialling = false;
    this.#settle();
    return false;
  }

  /** A session with this peer begins. For one that this side began: what it is verified with. */
  adopt(
    session: DTLSSocket,
    verified?: { hostname: string | undefined; check: ServerIdentityCheck | undefined; any: boolean },
  ): void {
    // One that the peer begins ends no dial: it may be given up, and what waits then waits for ours.
    if (verified !== undefined) this.#dialling = false;
    this.#inTheMaking.add(session);
    session.on('secureConnect', () => {
      this.#inTheMaking.delete(session);
      this.#session = session;
      this.#theirs = verified === undefined;
      identity = session.pskIdentity;
      this.#names = new Set(verified?.hostname === undefined ? [] : [verified.hostname]);
      this.#checkIdentity = verified?.check;
      this.#anyName = verified?.any ?? false;
      this.#flush(session);
      turns.add(() => this.#owner.onSecure(session), session[kAsyncResource]);
    });
    let identity: string | Buffer | null = null;
    session.on('message', (message) => {
      this.#owner.onMessage(message, session, identity);
    });
    session.on('error', (error) => {
      this.lost(session, error);
    });
    session.on('close', () => {
      this.lost(session);
    });
  }

  /** A session is over. It may be heard of twice, and whoever sends after the first time begins a new one. */
  lost(session: DTLSSocket, error?: Error): void {
    const known = this.#inTheMaking.delete(session) || this.#session === session;
    if (this.#session === session) this.#session = undefined;
    try {
      if (error !== undefined) this.failed(error);
    } finally {
      if (known) this.#settle();
    }
  }

  /** A handshake failed, or an open session did. */
  failed(error: Error): void {
    // The other end dialled at the same time, or has restarted: another session goes on.
    if (wordsOf(error).code === 'ERR_DTLS_REPLACED') return;
    this.#lastError = error;
    this.#owner.onPeerError(error, this.peer);
  }

  /** There will be no session for what waits. */
  refuse(error: Error): void {
    this.#dialling = false;
    try {
      this.failed(error);
    } finally {
      this.#settle();
    }
  }

  /** The socket closes. */
  close(error: Error): void {
    this.#dialling = false;
    this.#fail(error);
    for (const session of [...this.sessions()]) session.close();
  }

  #settle(): void {
    if (this.#session !== undefined || this.handshaking) return;
    this.#fail(this.#lastError ?? closed(this.peer));
    this.#lastError = undefined;
    this.#owner.onEmpty(this);
  }

  #flush(session: DTLSSocket): void {
    const queue = this.#queue;
    this.#queue = [];
    this.#queuedBytes = 0;
    for (const waiting of queue) {
      this.#write(session, waiting);
      this.#owner.hold.release();
    }
  }

  #fail(error: Error): void {
    const queue = this.#queue;
    this.#queue = [];
    this.#queuedBytes = 0;
    for (const { message, callback } of queue) {
      this.#report(message, callback, error);
      this.#owner.hold.release();
    }
  }

  #write(session: DTLSSocket, { message, hostname, callback }: Waiting): void {
    const mismatch = hostname === undefined ? undefined : this.#nameMismatch(session, hostname);
    if (mismatch !== undefined) {
      this.#owner.later(mismatch, this.peer);
      if (callback !== undefined) process.nextTick(callback, mismatch, 0);
    } else if (sizeOf(message) > session[kMessageLimit]) {
      const length = sizeOf(message);
      // A limit that the peer has asked for is no error of this side's.
      if (this.#theirs && callback !== undefined) process.nextTick(callback, null, length);
      this.#refuse(message, this.#theirs ? undefined : callback, tooBig(length, session[kMessageLimit]));
    } else if (callback === undefined) {
      session.send(message);
    } else {
      const length = sizeOf(message);
      const { hold } = this.#owner;
      hold.take();
      session.send(message, (error) => {
        hold.release();
        const told = error === null ? null : this.#owner.heard(error, this.peer);
        callback(told, told === null ? length : 0);
      });
    }
  }

  /**
   * The session may have begun under another name, or by the peer: whoever sends to a name means the one
   * that can prove that name.
   */
  #nameMismatch(session: DTLSSocket, hostname: string): Error | undefined {
    if (this.#anyName || this.#names.has(hostname)) return undefined;
    // With a pre-shared key there are no names; but a peer that began with one is not whom this side would have
    // asked for a certificate.
    if (session.pskIdentity !== null && (!this.#theirs || this.#owner.dialsWithKey)) return undefined;
    const certificate = session.getPeerCertificate();
    const refusal =
      'subject' in certificate
        ? this.#judge(hostname, certificate as tls.PeerCertificate)
        : new Error(`the peer of this session has shown no certificate, and '${hostname}' was meant`);
    if (refusal === undefined) {
      this.#names.add(hostname);
      return undefined;
    }
    const { message, code = 'ERR_DTLS_PEER_IDENTITY' } = wordsOf(refusal);
    return new DTLSError(message, {
      code,
      category: 'certificate',
      hint: 'The open session with this address is not with that name.',
      peer: this.peer,
      cause: refusal,
    });
  }

  /** What the check throws is a refusal, as in a handshake. */
  #judge(hostname: string, certificate: tls.PeerCertificate): Error | undefined {
    try {
      return (this.#checkIdentity ?? late.tls.checkServerIdentity)(hostname, certificate);
    } catch (error) {
      return asError(error);
    }
  }

  /** Refuses a message: by its callback, and by the event `peerError`, except for EMSGSIZE, which callbacks of dgram say as well. */
  #refuse(message: Buffer, callback: SendCallback | undefined, error: DTLSError): void {
    if (error.code !== 'EMSGSIZE') this.#owner.later(error, this.peer);
    this.#report(message, callback, error);
  }

  #report(message: Buffer, callback: SendCallback | undefined, error: Error): void {
    if (callback === undefined) return;
    const told = this.#owner.heard(error, this.peer);
    process.nextTick(callback, told, told === null ? sizeOf(message) : 0);
  }
}

function refusalOf(message: Buffer, peer: Peer): DTLSError | undefined {
  const size = sizeOf(message);
  if (size === 0) {
    return new DTLSError('OpenSSL sends no records without content', {
      code: 'ERR_DTLS_EMPTY_MESSAGE',
      category: 'usage',
      hint: 'Send at least one byte.',
      peer,
    });
  }
  if (size <= MAX_MESSAGE) return undefined;
  const error = new DTLSError(`a message of ${String(size)} bytes is above the ${String(MAX_MESSAGE)} of one DTLS record`, {
    code: 'EMSGSIZE',
    category: 'usage',
    hint: 'DTLS does not split messages: divide it, or send it another way.',
    errno: errnoOf('EMSGSIZE'),
    syscall: 'send',
    peer,
  });
  return Object.assign(error, { address: peer.address, port: peer.port });
}

const closed = (peer: Peer): DTLSError =>
  new DTLSError('the session ended before the message was sent', {
    code: 'ERR_DTLS_NOT_OPEN',
    category: 'closed',
    peer,
  });
