/** The names to which an open session may be used: those that its peer has proved, under the rules that go with each. */
import type tls from 'node:tls';

import { kMayServe } from '../base/internals';
import type { Peer } from '../base/peer';
import { wordsOf } from '../errors/as-error';
import { DTLSError } from '../errors/errors';
import { printable } from '../errors/printable';
import { identityRefusal } from '../handshake/lookups';
import type { DTLSSocket } from '../socket/socket';
import type { Rules } from './rules';

/** How a session that this side began was made. */
export interface Dialled {
  /** What the peer was called, if not by its address. */
  readonly hostname: string | undefined;
  readonly rules: Rules;
}

/** What a socket is told for all its sessions. */
interface OwnRules {
  /** They hold for sessions that the peer began, too. */
  readonly rules: Rules;
  hasOwnKey(session: DTLSSocket): boolean;
  readonly servesChosenContexts: boolean;
}

/** The session may be one of somebody who was at this address before. */
const MAKE_WAY = "Close that session (it is among the socket's 'sessions', and the error names its peer) for a handshake with that name.";

export class ProvenNames {
  readonly #session: DTLSSocket;
  /** Where it was made. */
  readonly #madeAt: Peer;
  #peer: Peer;
  readonly #dialled: Dialled | undefined;
  readonly #own: OwnRules;
  readonly #names = new Set<string>();

  /** `dialled`: undefined where the peer began. */
  constructor(session: DTLSSocket, peer: Peer, dialled: Dialled | undefined, own: OwnRules) {
    this.#session = session;
    this.#madeAt = this.#peer = peer;
    this.#dialled = dialled;
    this.#own = own;
    if (dialled?.hostname !== undefined) this.#names.add(dialled.hostname);
  }

  /** It goes on there. */
  moved(peer: Peer): void {
    this.#peer = peer;
  }

  /** The peer began it. */
  get theirs(): boolean {
    return this.#dialled === undefined;
  }

  has(hostname: string): boolean {
    return this.#names.has(hostname);
  }

  /**
   * Why this session is not for that name; undefined, and the name is known from then on, where it is: whoever sends to a name
   * means the one that can prove it, by what `rules` ask of that name.
   */
  refusal(hostname: string, rules: Rules): Error | undefined {
    const made = this.#dialled?.rules ?? this.#own.rules;
    if (made.mark !== rules.mark) {
      return this.#refused(
        new Error(`the session with ${this.#peer.address} was not made under the rules that 'peers' has for '${hostname}'`),
        `There is one session with an address. It is used for another name, or where the peer began it, only if 'peers' returns for that name what the session was made with. ${MAKE_WAY}`,
      );
    }
    const refusal = this.#mismatch(hostname, rules);
    if (refusal !== undefined) return this.#refused(refusal, `The open session with this address is not with that name. ${MAKE_WAY}`);
    this.#names.add(hostname);
    return undefined;
  }

  #refused(cause: Error, hint: string): DTLSError {
    const { message, code = 'ERR_DTLS_PEER_IDENTITY' } = wordsOf(cause);
    // The names that it quotes are any text that the certificate has.
    return new DTLSError(printable(message), { code, category: 'certificate', hint, peer: this.#peer, cause });
  }

  #mismatch(hostname: string, rules: Rules): Error | undefined {
    if (!this.theirs && rules.anyPeer) return undefined;
    if (this.theirs && this.#own.servesChosenContexts && (this.#session.servername ?? '') !== '') {
      return new Error(`'SNICallback' may have chosen by whom this peer was verified, and '${hostname}' was meant`);
    }
    // With a pre-shared key there are no names; but a peer that began with another key than this side would have is not
    // whom it would have reached, nor whom it would have asked for a certificate.
    if (this.#session.pskIdentity !== null && (!this.theirs || this.#own.hasOwnKey(this.#session))) return undefined;
    const name = nameFor(hostname, rules, this.#peer);
    if (this.#dialled !== undefined && name === nameFor(this.#dialled.hostname, this.#dialled.rules, this.#madeAt)) return undefined;
    const certificate = this.#session.getPeerCertificate();
    if (!('subject' in certificate)) {
      return new Error(`the peer of this session has shown no certificate, and '${hostname}' was meant`);
    }
    if (this.theirs && !this.#session[kMayServe]) {
      return new Error(`the certificate of this peer, who began, is for clients only, and '${hostname}' was meant`);
    }
    if (this.theirs && rules.stapled) {
      return new Error(`'requestOCSP' asks servers only, this peer began, and '${hostname}' was meant`);
    }
    return identityRefusal(rules.checkServerIdentity, name, () => certificate as tls.PeerCertificate);
  }
}

/** What a handshake under these rules verifies. */
function nameFor(hostname: string | undefined, { servername = hostname }: Rules, { address }: Peer): string {
  return servername === undefined || servername === '' ? address : servername;
}
