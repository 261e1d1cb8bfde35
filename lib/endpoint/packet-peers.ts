import { late } from '../base/late';
import type { Peer } from '../base/peer';
import { port as checkPort, PORT_OF_A_NAME } from '../checks/validate';
import { shown } from '../errors/as-error';
import { usageError, type DTLSError } from '../errors/errors';

/** So many peers are known by their numbers; then all are forgotten, and known again when they are next heard of. */
const MOST = 32768;

/**
 * The peers of packets, one object for each address: it stays the same while anybody has it, and while the peer is among
 * those that are known by a number. The core numbers them, so that a packet costs no text of an address.
 */
export class PacketPeers {
  #byNumber: (Peer | undefined)[] = [];
  // Numbers of those to whom packets are sent, by address and port.
  readonly #numbers = new Map<string, Map<number, number>>();
  readonly #living = new Map<string, WeakRef<Peer>>();

  /** It is time to forget numbers. */
  get crowded(): boolean {
    return this.#byNumber.length > MOST;
  }

  /** The peer with that number; undefined until {@link keep}. */
  at(number: number): Peer | undefined {
    return this.#byNumber[number];
  }

  /** Somebody's packets, from now on, are of this peer, or of the object that there is of it. */
  keep(number: number, found: Peer): Peer {
    const key = keyOf(found);
    let peer = this.#living.get(key)?.deref();
    if (peer === undefined) {
      peer = found;
      this.#living.set(key, new WeakRef(peer));
    }
    this.#byNumber[number] = peer;
    return peer;
  }

  /** The object that there is of a peer from whom packets have come. */
  living(peer: Peer): Peer | undefined {
    return this.#living.size === 0 ? undefined : this.#living.get(keyOf(peer))?.deref();
  }

  numberOf(address: string, port: number): number | undefined {
    return this.#numbers.get(address)?.get(port);
  }

  setNumber(address: string, port: number, number: number): void {
    const ports = this.#numbers.get(address);
    if (ports === undefined) this.#numbers.set(address, new Map([[port, number]]));
    else ports.set(port, number);
  }

  /** The core has forgotten all numbers. */
  forget(): void {
    this.#byNumber = [];
    this.#numbers.clear();
    for (const [key, peer] of this.#living) if (peer.deref() === undefined) this.#living.delete(key);
  }
}

const keyOf = ({ address, port }: Peer): string => `${String(port)} ${address}`;

/** Bytes that may name a peer on a transport of the user's: PeerAddress::kMaxHost. */
const LONGEST_NAME = 61;

type Destination = Pick<Peer, 'address' | 'port'>;

/** @throws For what is no IP address, or no port that somebody can have. */
export function checkUdpDestination<T extends Destination>(peer: T): T {
  checkPort('peer.port', peer.port, 1);
  if (late.net.isIP(peer.address) === 0) throw notAnAddress(peer.address);
  return peer;
}

/** The same on a transport of the user's, where any text may be a name. */
export function checkNamedDestination({ address, port }: Destination): void {
  checkPort('peer.port', port, 0, PORT_OF_A_NAME);
  checkName('peer.address', address);
}

/** @throws For what is too long for a name on a transport of the user's. */
export function checkName(what: string, name: string): void {
  if (Buffer.byteLength(name) > LONGEST_NAME) throw notAnAddress(name, what);
}

const notAnAddress = (address: string, what = 'peer.address'): DTLSError =>
  usageError(
    'ERR_INVALID_IP_ADDRESS',
    `'${what}' is no address on this transport: ${shown(address)}`,
    'Over UDP it is an IP address, since nothing is looked up here: ask node:dns before. A name on a transport of your own has at most 61 bytes.',
  );
