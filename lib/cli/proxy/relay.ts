/** What both directions of a proxy have in common: its sessions, its events, and a clean end. */
import { EventEmitter } from 'node:events';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

import type { Peer } from '../../base/peer';
import type { SecureContext } from '../../identity/secure-context';
import type { DTLSSocket } from '../../socket/socket';
import { PLAIN_UDP, type DatagramTransport, type UdpOptions } from '../../transport/transport';
import { RelayCounters, RelaySession, type Passage, type PlainLeg } from './session';

interface RelayEvents {
  /** A session's handshake is over. */
  open: [session: RelaySession];
  /** A session that was open is not any more; with the error that ended it. */
  shut: [session: RelaySession, error: Error | undefined];
  /** A handshake failed. */
  failed: [peer: Peer, error: Error];
  /** Something of a session's plain side; it goes on. */
  trouble: [session: RelaySession, error: Error];
  /** As many messages as may wait for the shared session (`waiting`) do: what comes now is lost. */
  overflow: [waiting: number];
  /** No message waits any more; `lost` of them have been lost since `overflow`. */
  caughtUp: [lost: number];
  /** The proxy cannot go on. */
  error: [error: Error];
}

export interface RelayLimits {
  readonly maxSessions: number;
  /** Where DTLS comes in. Undefined: a tenth of `maxSessions`. */
  readonly maxSessionsPerHost: number | undefined;
  readonly maxPendingHandshakes: number;
  /** Where DTLS comes in. Undefined: a quarter of `maxPendingHandshakes`. */
  readonly maxPendingHandshakesPerHost: number | undefined;
}

/** Whether the proxy can do its work. */
export interface Health {
  readonly ok: boolean;
  /** A shared session is `open`, `idle` (the next message begins one), `dialing`, or `waiting` (before it is dialled). */
  readonly state: 'listening' | 'draining' | 'open' | 'idle' | 'dialing' | 'waiting';
  /** Why the shared session was not opened. */
  readonly code?: string;
}

/** A session that is drained ends after so long without a datagram: an answer may be on its way. */
const QUIET_MS = 1000;
const DRAIN_TURN_MS = 50;

export const udpOptions = (peer: Pick<Peer, 'family'>): UdpOptions => ({
  ...PLAIN_UDP,
  family: peer.family === 'IPv6' ? 6 : 4,
  address: undefined,
});

export abstract class Relay extends EventEmitter<RelayEvents> {
  readonly counters = new RelayCounters();
  readonly sessions = new Set<RelaySession>();
  protected draining = false;
  /** Messages that wait for a session, the first one first. */
  protected readonly waiting: Buffer[] = [];
  #nextId = 1;

  /** Binds the port. */
  abstract start(): Promise<AddressInfo>;
  /** Sessions that begin from now on have these; those that are open keep theirs. */
  abstract replace(context: SecureContext, target: Peer): void;
  /** Handshakes under way. */
  abstract get pending(): number;
  get queued(): number {
    return this.waiting.length;
  }
  get health(): Health {
    return this.draining ? { ok: false, state: 'draining' } : { ok: true, state: 'listening' };
  }
  /** No new sessions from now on. */
  protected abstract turnAway(): void;
  /** Ends all sessions with close_notify, and gives the port back. */
  abstract close(): Promise<void>;

  /** Turns new clients away, ends each session when it is quiet, and all of them after `limit` milliseconds. */
  async drain(limit: number): Promise<void> {
    this.draining = true;
    this.turnAway();
    const deadline = performance.now() + limit;
    while (this.sessions.size + this.pending > 0 && performance.now() < deadline) {
      for (const session of this.sessions) if (session.quietFor >= QUIET_MS) session.socket.close();
      await sleep(DRAIN_TURN_MS);
    }
    await this.close();
  }

  protected nextSession(peer: Peer, socket: DTLSSocket, passage: Passage): RelaySession {
    return new RelaySession(this.#nextId++, peer, socket, passage, this.counters);
  }

  /** The session is open, until its socket closes. */
  protected opened(session: RelaySession): void {
    this.sessions.add(session);
    this.counters.sessionsOpened += 1;
    let failure: Error | undefined;
    session.socket.on('error', (error) => {
      failure = error;
    });
    session.socket.once('close', () => {
      this.sessions.delete(session);
      this.emit('shut', session, failure);
    });
    this.emit('open', session);
  }

  protected failed(peer: Peer, error: Error): void {
    this.counters.sessionsFailed += 1;
    this.emit('failed', peer, error);
  }

  protected troubled(session: RelaySession, error: Error): void {
    this.counters.plainErrors += 1;
    this.emit('trouble', session, error);
  }
}

/** A leg that drops while the transport asks to wait. */
export class TransportLeg implements PlainLeg {
  readonly #transport: DatagramTransport;
  readonly #peer: Peer;
  #congested = false;

  constructor(transport: DatagramTransport, peer: Peer) {
    this.#transport = transport;
    this.#peer = peer;
  }

  send(datagram: Uint8Array): boolean {
    if (this.#congested) return false;
    this.#congested = !this.#transport.send([datagram], this.#peer);
    return true;
  }

  drained(): void {
    this.#congested = false;
  }

  close(): void {
    this.#transport.close(() => undefined);
  }
}
