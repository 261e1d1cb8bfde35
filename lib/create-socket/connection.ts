/** Whom a socket is connected to, by dgram's `connect`, and under which name. */
import type { Peer } from '../base/peer';
import { familyOf, spelling } from '../transport/addresses';
import { isLiteral } from './addresses';

export class Connection {
  readonly #remoteAddress: () => { readonly address: string; readonly port: number };
  #pending = false;
  #known: Peer | undefined;
  #name: string | undefined;

  /** `remoteAddress` throws where the socket is not connected. */
  constructor(remoteAddress: () => { readonly address: string; readonly port: number }) {
    this.#remoteAddress = remoteAddress;
  }

  /** `connect` was called, and dgram has yet to say that it has connected. */
  get pending(): boolean {
    return this.#pending;
  }

  /** The peer, as far as that was looked at. */
  get known(): Peer | undefined {
    return this.#known;
  }

  /** What `connect` called the peer, if not by its address: whoever sends means the one that can prove that name. */
  get name(): string | undefined {
    return this.#name;
  }

  /** The peer as of now: dgram connects before it says so. */
  peer(): Peer | undefined {
    if (this.#pending && this.#known === undefined) this.#known = this.#look();
    return this.#known;
  }

  /** `connect` was called, with this address. */
  begin(address: unknown): void {
    this.#pending = true;
    this.#name = typeof address === 'string' && address !== '' && !isLiteral(address) ? address : undefined;
  }

  /** dgram has connected. */
  made(): void {
    this.#known = this.#look();
    this.#pending = false;
  }

  end(): void {
    this.#known = undefined;
    this.#name = undefined;
    this.#pending = false;
  }

  /** Whether it is with that peer, however its address is spelt. */
  isWith({ address, port }: Peer): boolean {
    const to = this.#known;
    return to?.port === port && spelling(to.address) === spelling(address);
  }

  #look(): Peer | undefined {
    try {
      const { address, port } = this.#remoteAddress();
      const spelt = spelling(address);
      return { address: spelt, port, family: familyOf(spelt) };
    } catch {
      return undefined; // it is not connected yet
    }
  }
}
