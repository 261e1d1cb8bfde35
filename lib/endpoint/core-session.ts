import type { AddressInfo } from 'node:net';

import type { NonSharedBuffer } from '../base/non-shared-buffer';
import type { Peer } from '../base/peer';
import type { Endpoint } from './endpoint';
import type { Place } from './moving';
import type { NativeCipher, NativeEndpoint, NativeSrtp } from '../core/native';
import type { HeartbeatOutcome, KeyUpdateOutcome } from '../core/outcomes';

/**
 * One session of the core, by the slot and the generation that name it there. Of a session that has gone it
 * knows nothing, and to such a one it does nothing.
 */
export class CoreSession {
  readonly endpoint: Endpoint;
  readonly slot: number;
  readonly generation: number;

  constructor(endpoint: Endpoint, slot: number, generation: number) {
    this.endpoint = endpoint;
    this.slot = slot;
    this.generation = generation;
  }

  // ---- questions ----

  localAddress(): AddressInfo | undefined {
    try {
      return this.endpoint.address();
    } catch {
      return undefined; // the socket below has been closed by its owner
    }
  }
  /** For `trafficStats`. */
  counters(): Float64Array | undefined {
    return this.endpoint.core.sessionCounters(this.slot, this.generation);
  }
  cipher(): NativeCipher | undefined {
    return this.endpoint.core.cipher(this.slot, this.generation);
  }
  /** The certificate that this side sent, or would send, in DER. */
  certificate(): NonSharedBuffer | undefined {
    return this.endpoint.core.certificate(this.slot, this.generation);
  }
  certificateIssuer(): NonSharedBuffer | undefined {
    return this.endpoint.core.certificateIssuer(this.slot, this.generation);
  }
  peerCertificate(): NonSharedBuffer | undefined {
    return this.endpoint.core.peerCertificate(this.slot, this.generation);
  }
  peerChain(): NonSharedBuffer[] {
    return this.endpoint.core.peerChain(this.slot, this.generation);
  }
  /** SubjectPublicKeyInfo in DER. */
  peerPublicKey(): NonSharedBuffer | undefined {
    return this.endpoint.core.peerPublicKey(this.slot, this.generation);
  }
  peerIsHost(host: string, isAddress: boolean): boolean {
    return this.endpoint.core.peerIsHost(this.slot, this.generation, host, isAddress);
  }
  peerMayServe(): boolean {
    return this.endpoint.core.peerMayServe(this.slot, this.generation);
  }
  serverName(): string | undefined {
    return this.endpoint.core.serverName(this.slot, this.generation);
  }
  pskIdentity(): NonSharedBuffer | undefined {
    return this.endpoint.core.pskIdentity(this.slot, this.generation);
  }
  ephemeralKey(): { type?: string; name?: string; size?: number } | undefined {
    return this.endpoint.core.ephemeralKey(this.slot, this.generation);
  }
  sharedGroup(): string | undefined {
    return this.endpoint.core.sharedGroup(this.slot, this.generation);
  }
  sharedSigalgs(): string[] {
    return this.endpoint.core.sigalgs(this.slot, this.generation);
  }
  finished(peers: boolean): NonSharedBuffer | undefined {
    return this.endpoint.core.finished(this.slot, this.generation, peers);
  }
  /** The session in a form that a later connection can resume, bound to `name`. */
  resumable(name: string): NonSharedBuffer | undefined {
    return this.endpoint.core.packSession(this.slot, this.generation, name);
  }
  ticket(): NonSharedBuffer | undefined {
    return this.endpoint.core.sessionTicket(this.slot, this.generation);
  }
  keyingMaterial(length: number, label: string, context: Uint8Array | undefined): NonSharedBuffer | undefined {
    return this.endpoint.core.exportKeyingMaterial(this.slot, this.generation, length, label, context);
  }
  srtp(): NativeSrtp | undefined {
    return this.endpoint.core.srtp(this.slot, this.generation);
  }
  mtu(): number {
    return this.endpoint.core.mtu(this.slot, this.generation);
  }
  /** The largest message that makes a datagram within the MTU; the peers may have agreed on less. */
  maxMessageSize(): number {
    return this.endpoint.core.maxMessageSize(this.slot, this.generation);
  }

  // ---- calls of the user's: events wait until they have returned ----

  /** False when the session is not open. */
  setMtu(mtu: number): boolean {
    return this.endpoint.core.setMtu(this.slot, this.generation, mtu);
  }
  /** The peer is at another address from now on, and known as that; undefined where there is no session any more. */
  move(place: Place, check: ((peer: Peer) => void) | undefined): Peer | undefined {
    return this.endpoint.move(this.slot, this.generation, place, check);
  }
  /** What {@link move} has caused, once its caller has noted it. */
  moved(): void {
    this.endpoint.flushSoon();
  }
  /** RFC 9147 section 8. */
  updateKeys(both: boolean): KeyUpdateOutcome {
    const { slot, generation } = this;
    const outcome = this.endpoint.core.updateKeys(slot, generation, both);
    this.endpoint.flushSoon();
    return outcome;
  }
  /** Sends a request (RFC 6520). Returns a HeartbeatOutcome. */
  heartbeat(payload: Uint8Array, padding: number, timeout: number, retries: number): HeartbeatOutcome {
    const { slot, generation } = this;
    const outcome = this.endpoint.core.heartbeat(slot, generation, payload, padding, timeout, retries);
    this.endpoint.flushSoon();
    return outcome;
  }
  /** A client says by an alert that what the server stapled is bad (RFC 6066 section 8). */
  refuseStaple(): void {
    this.endpoint.core.answerOcsp(this.slot, this.generation, true, undefined);
    this.endpoint.flushSoon();
  }
  /** Ends the session; where `notify` says so, close_notify tells the peer. */
  close(notify: boolean): void {
    this.endpoint.core.close(this.slot, this.generation, notify);
    this.endpoint.flushSoon();
  }

  // ---- what follows from a record ----

  /** Calls down, and sees to what that causes: the answers to what a handshake asked. */
  answer(call: (core: NativeEndpoint, slot: number, generation: number) => void): void {
    call(this.endpoint.core, this.slot, this.generation);
    this.endpoint.flushSoon();
  }
  /** The CLOSE record has been seen. */
  release(): void {
    this.endpoint.release(this.slot, this.generation);
  }
}
