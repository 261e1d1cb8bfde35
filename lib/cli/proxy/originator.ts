/** Plain UDP in, DTLS out: each address and port that sends something has a session of its own with the target. */
import { lookup } from 'node:dns/promises';
import { isIPv6, type AddressInfo } from 'node:net';

import { connect } from '../../connect';
import { ioError } from '../../errors';
import type { ConnectOptions } from '../../options';
import { resolveConnectOptions } from '../../resolve/connect';
import type { SecureContext } from '../../secure-context';
import { bindUdp, type DatagramTransport, type Peer } from '../../transport';
import type { Address } from '../arguments';
import { Relay, TransportLeg, udpOptions, type RelayLimits } from './relay';
import type { DropReason, RelaySession } from './session';

/** After a session that failed: no other one for so long, so that the target is not hammered. */
const HOLD_BACK_MS = 1000;

export class Originator extends Relay {
  readonly #where: Address;
  readonly #options: ConnectOptions;
  readonly #limits: RelayLimits;
  readonly #byPeer = new Map<string, RelaySession>();
  #target: Peer;
  #context: SecureContext;
  #transport: DatagramTransport | undefined;
  #pending = 0;
  #holdUntil = 0;
  readonly #legs = new Set<TransportLeg>();

  /** `options`: a client's, but for those of its context. */
  constructor(where: Address, target: Peer, context: SecureContext, options: ConnectOptions, limits: RelayLimits) {
    super();
    this.#where = where;
    this.#target = target;
    this.#context = context;
    this.#options = options;
    this.#limits = limits;
    // What is wrong with them is told now, and not by the first datagram.
    resolveConnectOptions({ ...options, secureContext: context });
  }

  async start(): Promise<AddressInfo> {
    // Whoever can send here speaks as this machine: other machines only where the user says so.
    const { address } = await lookup(this.#where.host ?? '127.0.0.1');
    const family = isIPv6(address) ? 'IPv6' : 'IPv4';
    const options = { ...udpOptions({ family }), address, port: this.#where.port, recvBufferSize: 1 << 20 };
    const transport = await new Promise<DatagramTransport>((resolve, reject) => {
      bindUdp(options, undefined, (error, bound) => {
        if (bound === undefined) reject(ioError(error ?? new Error('no socket')));
        else resolve(bound);
      });
    });
    this.#transport = transport;
    transport.start({
      receive: (datagram, { address: from, port, family: version }) => {
        this.#receive(datagram, { address: from, port, family: version });
      },
      drain: () => {
        for (const leg of this.#legs) leg.drained();
      },
      error: () => {
        this.counters.plainErrors += 1;
      },
      closed: () => this.emit('error', new Error('the socket was closed')),
    });
    return transport.address();
  }

  replace(context: SecureContext, target: Peer): void {
    this.#context = context;
    this.#target = target;
  }

  get pending(): number {
    return this.#pending;
  }

  protected turnAway(): void {
    this.draining = true;
  }

  async close(): Promise<void> {
    this.draining = true;
    const sessions = [...this.#byPeer.values()];
    await Promise.all(sessions.map(({ socket }) => socket[Symbol.asyncDispose]()));
    await new Promise<void>((resolve) => {
      if (this.#transport === undefined) resolve();
      else this.#transport.close(resolve);
    });
  }

  #receive(datagram: Uint8Array, peer: Peer): void {
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
    const { address, family } = this.#target;
    const socket = connect({
      ...this.#options,
      secureContext: this.#context,
      lookup: (_host, _options, done) => {
        done(null, address, family === 'IPv6' ? 6 : 4);
      },
    });
    const session = this.nextSession(peer, socket, false);
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
    const transport = this.#transport;
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
