/** Two transports that hand each other their datagrams, each under the name that the other end has at the moment. */
import type { AddressInfo } from 'node:net';
import type { DatagramReceiver, DatagramTransport, Peer } from '../../lib/index';

export class IceLike implements DatagramTransport {
  /** Whom datagrams come from. */
  otherIs: string;
  family: Peer['family'] = 'IPv4';
  readonly sentTo: string[] = [];
  readonly families: string[] = [];
  #receiver: DatagramReceiver | undefined;
  #other: IceLike | undefined;

  private constructor(otherIs: string) {
    this.otherIs = otherIs;
  }

  /** A client's, to whom the server has the first name, and a server's, to whom the client has the second. */
  static pair(server: string, client: string): [IceLike, IceLike] {
    const pair: [IceLike, IceLike] = [new IceLike(server), new IceLike(client)];
    [pair[0].#other, pair[1].#other] = [pair[1], pair[0]];
    return pair;
  }

  start(receiver: DatagramReceiver): void {
    this.#receiver = receiver;
  }

  send(datagrams: readonly Uint8Array[], peer: Peer, done?: (error: Error | null) => void): boolean {
    this.sentTo.push(peer.address);
    this.families.push(peer.family);
    for (const datagram of datagrams) {
      const copy = Buffer.from(datagram);
      setImmediate(() => {
        const other = this.#other;
        if (other === undefined || other.#receiver === undefined) return;
        other.#receiver.receive(copy, { address: other.otherIs, port: other.otherIs.includes('/relay') ? 0 : 1, family: other.family });
      });
    }
    if (done !== undefined) process.nextTick(done, null);
    return true;
  }

  address(): AddressInfo {
    return { address: 'ice', port: 1, family: this.family };
  }

  close(done: () => void): void {
    this.#receiver = undefined;
    process.nextTick(done);
  }
}
