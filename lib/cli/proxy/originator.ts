/** Plain UDP in, DTLS out: what the ways to do that have in common. */
import { lookup } from 'node:dns/promises';
import { isIPv6, type AddressInfo } from 'node:net';

import type { Peer } from '../../base/peer';
import { connect } from '../../socket/connect';
import { ioError } from '../../errors/errors';
import type { ConnectOptions } from '../../options/types';
import { resolveConnectOptions } from '../../options/connect';
import type { SecureContext } from '../../identity/secure-context';
import type { DTLSSocket } from '../../socket/socket';
import { bindDgram } from '../../transport/bind';
import type { DatagramTransport } from '../../transport/transport';
import type { Address } from '../arguments';
import { Relay, udpOptions } from './relay';

/** After a session that failed: no other one for so long, so that the target is not hammered. */
export const HOLD_BACK_MS = 1000;

export abstract class Originator extends Relay {
  protected target: Peer;
  protected transport: DatagramTransport | undefined;
  readonly #where: Address;
  readonly #options: ConnectOptions;
  #context: SecureContext;

  /** `options`: a client's, but for those of its context. */
  constructor(where: Address, target: Peer, context: SecureContext, options: ConnectOptions) {
    super();
    this.#where = where;
    this.target = target;
    this.#context = context;
    this.#options = options;
    // What is wrong with them is told now, and not by the first datagram.
    resolveConnectOptions({ ...options, secureContext: context });
  }

  protected abstract receive(datagram: Uint8Array, peer: Peer): void;
  /** The port takes datagrams again. */
  protected abstract drained(): void;
  protected abstract endSessions(): Promise<void>;

  async start(): Promise<AddressInfo> {
    // Whoever can send here speaks as this machine: other machines only where the user says so.
    const { address } = await lookup(this.#where.host ?? '127.0.0.1');
    const family = isIPv6(address) ? 'IPv6' : 'IPv4';
    const options = { ...udpOptions({ family }), address, port: this.#where.port, recvBufferSize: 1 << 20 };
    const transport = await new Promise<DatagramTransport>((resolve, reject) => {
      bindDgram(options, undefined, (error, bound) => {
        if (bound === undefined) reject(ioError(error ?? new Error('no socket')));
        else resolve(bound);
      });
    });
    this.transport = transport;
    transport.start({
      receive: (datagram, { address: from, port, family: version }) => {
        this.receive(datagram, { address: from, port, family: version });
      },
      drain: () => {
        this.drained();
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
    this.target = target;
  }

  protected turnAway(): void {
    this.draining = true;
  }

  async close(): Promise<void> {
    this.draining = true;
    await this.endSessions();
    await new Promise<void>((resolve) => {
      if (this.transport === undefined) resolve();
      else this.transport.close(resolve);
    });
  }

  /** A session with the target begins. */
  protected dial(): DTLSSocket {
    const { address, family } = this.target;
    return connect({
      ...this.#options,
      secureContext: this.#context,
      lookup: (_host, _options, done) => {
        done(null, address, family === 'IPv6' ? 6 : 4);
      },
    });
  }
}
