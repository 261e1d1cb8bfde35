import type { AddressInfo } from 'node:net';

import { kOverUdp, kSendAside } from '../base/internals';
import type { Peer } from '../base/peer';
import { noteRefusal } from '../transport/dgram';
import type { DatagramReceiver, DatagramTransport } from '../transport/transport';

/** The UDP side of a socket that encrypts. */
interface RawSocket {
  send(datagram: Uint8Array, peer: Peer, done: (error: Error | null) => void): void;
  address(): AddressInfo;
}

/** The transport under such a socket. The socket is the user's to close. */
export class Wire implements DatagramTransport {
  readonly [kOverUdp] = true;
  readonly #raw: RawSocket;
  receiver: DatagramReceiver | undefined;

  constructor(raw: RawSocket) {
    this.#raw = raw;
  }

  start(receiver: DatagramReceiver): void {
    this.receiver = receiver;
  }

  send(
    datagrams: readonly Uint8Array[],
    peer: Peer,
    done?: (error: Error | null) => void,
  ): boolean {
    let failure: Error | null = null;
    let left = datagrams.length;
    for (const datagram of datagrams) {
      this.#raw.send(datagram, peer, (error) => {
        if (error !== null) {
          failure ??= error;
          noteRefusal(error);
          this.receiver?.error(error, peer);
        }
        left -= 1;
        if (left === 0) done?.(failure);
      });
    }
    // Nobody has to wait, as with plain dgram: what the kernel does not take at once waits in the socket, getSendQueueSize() tells.
    return true;
  }

  [kSendAside](datagram: Uint8Array, peer: Peer, done: (error: Error | null) => void): boolean {
    this.#raw.send(datagram, peer, done);
    return true;
  }

  address(): AddressInfo {
    return this.#raw.address();
  }

  close(done: () => void): void {
    this.receiver = undefined;
    process.nextTick(done);
  }
}
