/** Plain UDP in, DTLS out: each address and port that sends something has a session of its own with the target. */
import type { Peer } from '../../base/peer';
import type { ConnectOptions } from '../../options/types';
import type { SecureContext } from '../../identity/secure-context';
import type { Address } from '../arguments';
import { HOLD_BACK_MS, Originator } from './originator';
import { TransportLeg, type RelayLimits } from './relay';
import type { DropReason, RelaySession } from './session';

export class SenderSessions extends Originator {
  readonly #limits: RelayLimits;
  readonly #syslog: boolean;
  readonly #byPeer = new Map<string, RelaySession>();
  readonly #legs = new Set<TransportLeg>();
  #pending = 0;
  #holdUntil = 0;

  constructor(
    where: Address,
    target: Peer,
    context: SecureContext,
    options: ConnectOptions,
    { syslog, ...limits }: RelayLimits & { readonly syslog: boolean },
  ) {
    super(where, target, context, options);
    this.#limits = limits;
    this.#syslog = syslog;
  }

  get pending(): number {
    return this.#pending;
  }

  protected drained(): void {
    for (const leg of this.#legs) leg.drained();
  }

  protected async endSessions(): Promise<void> {
    const sessions = [...this.#byPeer.values()];
    await Promise.all(sessions.map(({ socket }) => socket[Symbol.asyncDispose]()));
  }

  protected receive(datagram: Uint8Array, peer: Peer): void {
    const key = `${peer.address} ${String(peer.port)}`;
    const session = this.#byPeer.get(key) ?? this.#begin(key, peer);
    session?.fromPlain(datagram);
  }

  #begin(key: string, peer: Peer): RelaySession | undefined {
    const refusal = this.#refusal();
    if (refusal !== undefined) {
      this.counters.dropped[refusal] += 1;
      return undefined;
    }
    const socket = this.dial();
    const passage = { decrypts: false, syslog: this.#syslog, answers: !this.#syslog };
    const session = this.nextSession(peer, socket, passage);
    this.#byPeer.set(key, session);
    this.#pending += 1;
    let opened = false;
    socket.once('secureConnect', () => {
      opened = true;
      this.#pending -= 1;
      this.opened(session);
    });
    socket.on('error', (error) => {
      if (opened) return;
      this.#holdUntil = performance.now() + HOLD_BACK_MS;
      this.failed(peer, error);
    });
    socket.once('close', () => {
      if (!opened) this.#pending -= 1;
      this.#byPeer.delete(key);
    });
    this.#attach(session);
    return session;
  }

  #attach(session: RelaySession): void {
    const transport = this.transport;
    if (transport === undefined) return;
    const leg = new TransportLeg(transport, session.peer);
    // The socket is everybody's: a session that ends only lets it go.
    leg.close = () => this.#legs.delete(leg);
    this.#legs.add(leg);
    session.attach(leg);
  }

  #refusal(): DropReason | undefined {
    if (this.draining) return 'not_ready';
    if (performance.now() < this.#holdUntil) return 'held_back';
    const { maxSessions, maxPendingHandshakes } = this.#limits;
    if (this.#byPeer.size >= maxSessions || this.#pending >= maxPendingHandshakes) return 'limit';
    return undefined;
  }
}
