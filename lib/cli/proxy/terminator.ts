/** DTLS in, plain UDP out: each session has a socket of its own to the target. */
import type { AddressInfo } from 'node:net';

import { kPeer } from '../../base/internals';
import type { Peer } from '../../base/peer';
import type { ServerOptions } from '../../options/types';
import type { SecureContext } from '../../identity/secure-context';
import { createServer, type DTLSServer } from '../../server/server';
import type { DTLSSocket } from '../../socket/socket';
import { bindDgram } from '../../transport/bind';
import type { Address } from '../arguments';
import { listening } from '../listen';
import { Relay, TransportLeg, udpOptions, type RelayLimits } from './relay';

export class Terminator extends Relay {
  readonly #server: DTLSServer;
  readonly #where: Address;
  readonly #syslog: boolean;
  #target: Peer;

  /** `options`: a server's, but for those of its context. */
  constructor(
    where: Address,
    target: Peer,
    context: SecureContext,
    options: ServerOptions,
    { syslog, ...limits }: RelayLimits & { readonly syslog: boolean },
  ) {
    super();
    this.#syslog = syslog;
    this.#where = where;
    this.#target = target;
    this.#server = createServer({ ...options, ...limits, secureContext: context });
    this.#server.on('secureConnection', (socket) => {
      this.#accept(socket);
    });
    this.#server.on('dtlsClientError', (error, socket) => {
      this.failed(socket[kPeer], error);
    });
  }

  async start(): Promise<AddressInfo> {
    await listening(this.#server, this.#where);
    this.#server.on('error', (error) => this.emit('error', error));
    const address = this.#server.address();
    if (address === null) throw new Error('the server was closed while it began to listen');
    return address;
  }

  replace(context: SecureContext, target: Peer): void {
    this.#server.setSecureContext(context);
    this.#target = target;
  }

  get pending(): number {
    let count = 0;
    for (const socket of this.#server.sessions) if (socket.connecting) count += 1;
    return count;
  }

  protected turnAway(): void {
    this.#server.busy = true;
  }

  async close(): Promise<void> {
    this.draining = true;
    await this.#server[Symbol.asyncDispose]();
  }

  #accept(socket: DTLSSocket): void {
    const target = this.#target;
    // Nothing in syslog is answered.
    const passage = { decrypts: true, syslog: this.#syslog, answers: !this.#syslog };
    const session = this.nextSession(socket[kPeer], socket, passage);
    this.opened(session);
    bindDgram(udpOptions(target), target, (error, transport) => {
      if (transport === undefined) {
        // No file descriptor is left, say: a session that leads nowhere is no use to its client.
        this.troubled(session, error ?? new Error('no socket to the target'));
        socket.close();
        return;
      }
      const leg = new TransportLeg(transport, target);
      transport.start({
        receive: (datagram) => {
          session.fromPlain(datagram);
        },
        drain: () => {
          leg.drained();
        },
        error: (cause) => {
          this.troubled(session, cause);
        },
        closed: () => undefined, // nobody else has this socket
      });
      session.attach(leg);
    });
  }
}
