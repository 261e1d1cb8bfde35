/** The peers of one socket: who has a session, who may have one, and how it begins. */
import type { AsyncResource } from 'node:async_hooks';
import type { AddressInfo } from 'node:net';

import { kAsyncResource, kBegin, kPackets, kPeer, kSharedResource } from '../base/internals';
import { once } from '../base/once';
import type { Peer } from '../base/peer';
import type { NonSharedBuffer } from '../base/non-shared-buffer';
import { Endpoint } from '../endpoint/endpoint';
import { blocked, inUse } from '../endpoint/moving';
import type { PacketHearer } from '../endpoint/packet-events';
import { asError } from '../errors/as-error';
import { DTLSError } from '../errors/errors';
import { plain } from '../errors/node-errors';
import type { ServerOptions } from '../options/types';
import { resolveConnectOptions } from '../options/connect';
import { DTLSServer } from '../server/server';
import { CLIENT, DTLSSocket } from '../socket/socket';
import { isOwn, spelling, withItself } from '../transport/addresses';
import { connectedElsewhere } from '../transport/dgram';
import type { DatagramTransport } from '../transport/transport';
import { keyOf } from './addresses';
import type { SendCallback } from './arguments';
import { Association, type AssociationOwner } from './association';
import { heard } from './heard';
import type { PeerAnswer, ResolvedSocket } from './options';
import { Questions } from './questions';
import type { Rules } from './rules';

/** The number of peers with sessions in the past that are remembered; the one whose last session is the oldest is forgotten first. */
const MOST_KNOWN = 10000;

/** What the peers ask of their socket. */
interface PeersHost extends Pick<AssociationOwner, 'onMessage' | 'onSecure' | 'onPeerError' | 'hold'> {
  /** Where the events of all sessions belong: they are events of one socket. */
  readonly asyncResource: AsyncResource;
  /** Holds the process. */
  referenced(): boolean;
  /** Is connected to that peer, as the kernel has it. */
  connectedTo(peer: Peer): boolean;
  /** Nothing may be sent there. */
  isBlocked(peer: Peer): boolean;
  /** Where it is bound. */
  address(): AddressInfo;
  /** Calls `then` once the socket is bound, or with the reason why it will not be. */
  whenBound(then: (error: Error | null) => void): void;
  /** Calls in the next tick, unless the socket is closed by then. */
  later(call: () => void): void;
  /** A peer that this socket serves has made a line for the key log. */
  readonly onKeylog: (line: NonSharedBuffer, session: DTLSSocket) => void;
  readonly onServerError: (error: Error) => void;
  /** What of the socket hears of what is none of DTLS. */
  readonly packets: PacketHearer;
}

/** Serves those who begin with a socket, and leaves what is none of DTLS to the socket. */
class PeersServer extends DTLSServer {
  readonly #host: PeersHost;

  constructor(options: ServerOptions, host: PeersHost) {
    super(options);
    this.#host = host;
  }

  override get [kAsyncResource](): AsyncResource {
    return this.#host.asyncResource;
  }

  protected override [kSharedResource](): AsyncResource {
    return this[kAsyncResource];
  }

  override get [kPackets](): PacketHearer {
    return this.#host.packets;
  }
}

export class Peers {
  /** Undefined for role `'client'`. */
  readonly server: DTLSServer | undefined;
  readonly #host: PeersHost;
  readonly #options: ResolvedSocket;
  readonly #wire: DatagramTransport;
  readonly #owner: AssociationOwner;
  readonly #associations = new Map<string, Association>();
  readonly #questions: Questions;
  readonly #known = new Set<string>();
  #handshaking = 0;
  #closed = false;

  constructor(options: ResolvedSocket, wire: DatagramTransport, host: PeersHost) {
    this.#host = host;
    this.#options = options;
    this.#wire = wire;
    this.#questions = new Questions(options.peers, options.peersTimeout);
    this.#owner = {
      begins: options.role !== 'server',
      maxQueueSize: options.maxQueueSize,
      hasOwnKey: options.hasOwnKey.bind(options),
      rules: options.rulesOf(undefined),
      servesChosenContexts: options.server?.SNICallback !== undefined,
      rulesFor: options.peers === undefined ? undefined : this.#rulesFor.bind(this),
      hold: host.hold,
      dial: this.#dial.bind(this),
      onMessage: host.onMessage.bind(host),
      onSecure: (session) => {
        this.#remember(session[kPeer]);
        return host.onSecure(session);
      },
      onPeerError: host.onPeerError.bind(host),
      later: this.#later.bind(this),
      heard: this.#heard.bind(this),
      checkMove: this.#checkMove.bind(this),
      onMove: this.#onMove.bind(this),
      onEmpty: ({ peer }) => {
        this.#associations.delete(keyOf(peer.address, peer.port));
      },
    };
    if (options.server !== undefined) this.server = this.#serve(options.server);
  }

  /** The sessions there are, those in the handshake included. */
  get sessions(): IterableIterator<DTLSSocket> {
    return sessionsOf(this.#associations.values());
  }

  /** Bytes, and messages, that wait for a handshake. */
  get queued(): readonly [bytes: number, messages: number] {
    let [bytes, messages] = [0, 0];
    for (const { queued } of this.#associations.values()) {
      bytes += queued[0];
      messages += queued[1];
    }
    return [bytes, messages];
  }

  find({ address, port }: Peer): Association | undefined {
    return this.#associations.get(keyOf(address, port));
  }

  /** Sends the first message to a peer that {@link find} has nothing for. */
  begin(message: Buffer, peer: Peer, hostname: string | undefined, callback: SendCallback | undefined): void {
    const refusal = this.#refusal(peer);
    if (refusal === undefined) {
      this.#associationWith(peer).send(message, hostname, callback);
      return;
    }
    this.#later(refusal, peer);
    if (callback === undefined) return;
    const told = this.#heard(refusal, peer);
    process.nextTick(callback, told, told === null ? message.length : 0);
  }

  #remember({ address, port }: Peer): void {
    const key = keyOf(spelling(address), port);
    this.#known.delete(key);
    this.#known.add(key);
    if (this.#known.size <= MOST_KNOWN) return;
    for (const oldest of this.#known) {
      this.#known.delete(oldest);
      break;
    }
  }

  #heard(error: Error, peer: Peer): Error | null {
    const { address, port } = peer;
    return heard(error, {
      known: this.#known.has(keyOf(address, port)),
      serves: this.#options.role === 'server',
      connected: this.#host.connectedTo(peer),
    });
  }

  #later(error: Error, peer: Peer): void {
    this.#host.later(() => {
      this.#host.onPeerError(error, peer);
    });
  }

  #checkMove({ peer }: Association, to: Peer): void {
    if (this.#host.connectedTo(peer)) throw connectedElsewhere(to);
    if (this.#host.isBlocked(to)) throw blocked(to);
    if (this.find(to) !== undefined) throw inUse(to);
  }

  #onMove(association: Association, from: Peer): void {
    const { address, port } = association.peer;
    this.#associations.delete(keyOf(from.address, from.port));
    this.#associations.set(keyOf(address, port), association);
    this.#remember(association.peer);
  }

  /** Tells every peer; what waits fails with `error`. */
  close(error: Error): void {
    this.#closed = true;
    this.#questions.close();
    for (const association of [...this.#associations.values()]) association.close(error);
    this.server?.close();
  }

  /** The socket is another to all peers now: no session can go on. */
  abandon(error: Error): void {
    for (const session of [...this.sessions]) session.destroy(error);
  }

  #refusal(peer: Peer): DTLSError | undefined {
    const { role, maxPeers, maxDialling } = this.#options;
    if (role === 'server') {
      return new DTLSError('there is no session with this peer, which may have left, and this socket begins none', {
        code: 'ERR_DTLS_NO_SESSION',
        category: 'usage',
        hint: "A client that has left misses its answer, as over UDP: nothing is to be done. Only a socket that is to shake hands with peers itself has another role, 'both' or 'client'.",
        peer,
      });
    }
    const full = maxPeers > 0 && this.#associations.size >= maxPeers;
    if (!full && (maxDialling === 0 || this.#handshaking < maxDialling)) return undefined;
    return new DTLSError(full ? 'too many sessions' : 'too many handshakes at once', {
      code: 'ERR_DTLS_TOO_MANY_SESSIONS',
      category: 'usage',
      hint: full ? "Raise 'maxSessions', or set 'idleTimeout'." : "Raise 'maxPendingHandshakes'.",
      peer,
    });
  }

  #associationWith(peer: Peer): Association {
    const key = keyOf(peer.address, peer.port);
    let association = this.#associations.get(key);
    if (association === undefined) {
      association = new Association(this.#owner, Object.freeze({ ...peer }));
      this.#associations.set(key, association);
    }
    return association;
  }

  // ---- those who begin with us ----

  #serve(options: NonNullable<ResolvedSocket['server']>): DTLSServer {
    const server = new PeersServer({ ...options, transport: this.#wire }, this.#host);
    server.on('connection', (session) => {
      const { address, port, family } = session[kPeer];
      this.#associationWith({ address: spelling(address), port, family }).adopt(session);
    });
    server.on('dtlsClientError', (error, session) => {
      const { address, port, family } = session[kPeer];
      this.find({ address: spelling(address), port, family })?.lost(session, error);
    });
    server.on('keylog', this.#host.onKeylog);
    server.on('error', this.#host.onServerError);
    server.on('listening', () => {
      if (!this.#host.referenced()) Endpoint.on(this.#wire)?.unref();
    });
    return server;
  }

  // ---- those with whom we begin ----

  #dial(association: Association, hostname: string | undefined): void {
    const { role } = this.#options;
    if (role === 'server') {
      const refusal = this.#refusal(association.peer) ?? notRunning();
      this.#host.later(() => { association.refuse(refusal); }); // who sends is not told within the call
      return;
    }
    this.#handshaking += 1;
    const settled = once(() => {
      this.#handshaking -= 1;
    });
    const refuse = (error: unknown): void => {
      settled();
      if (this.#closed) return;
      const failure = asError(error);
      this.#host.later(() => {
        association.refuse(failure);
      });
    };
    this.#host.whenBound((error) => {
      if (error !== null) {
        refuse(error);
        return;
      }
      if (isOwn(association.peer, this.#host.address())) {
        refuse(withItself(association.peer));
        return;
      }
      this.#questions
        .ask(association.peer, hostname)
        .then((answer) => {
          if (this.#closed || !association.dialWanted()) settled();
          else if (answer === null) refuse(notWanted(association.peer));
          else this.#connect(association, hostname, answer, settled);
        })
        .catch(refuse);
    });
  }

  /** What a handshake with that name would hold the peer to. */
  async #rulesFor(peer: Peer, hostname: string): Promise<Rules> {
    const answer = await this.#questions.ask(peer, hostname);
    if (answer === null) throw notWanted(peer);
    return this.#options.rulesOf(answer);
  }

  #connect(
    association: Association,
    hostname: string | undefined,
    answer: PeerAnswer | undefined,
    settled: () => void,
  ): void {
    const { address, port } = association.peer;
    const options = this.#options.dialling(answer);
    const rules = this.#options.rulesOf(answer);
    const servername = rules.servername ?? hostname;
    const resolved = resolveConnectOptions({
      ...options,
      ...(servername === undefined ? {} : { servername }),
      host: address,
      port,
      transport: this.#wire,
    });
    const session = new DTLSSocket(CLIENT, undefined, undefined, this.#host.asyncResource);
    session[kBegin](resolved);
    if (!this.#host.referenced()) session.unref();
    session.once('secureConnect', settled);
    session.once('error', settled);
    session.once('close', settled);
    association.adopt(session, { hostname, rules });
  }
}

export const notRunning = (): Error => plain('ERR_SOCKET_DGRAM_NOT_RUNNING', 'Not running');

const notWanted = (peer: Peer): DTLSError =>
  new DTLSError('peers() wants no session with this peer', {
    code: 'ERR_DTLS_NO_SESSION',
    category: 'usage',
    hint: "Nothing was sent: that is what 'peers' says by null. For a session with this peer it returns options, or undefined.",
    peer,
  });

function* sessionsOf(associations: Iterable<Association>): Generator<DTLSSocket> {
  for (const association of associations) yield* association.sessions();
}
