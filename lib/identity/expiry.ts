/** Says when a server's own certificates are about to expire: once for each. */
import type { X509Certificate } from 'node:crypto';

import { kNative } from '../base/internals';
import { late } from '../base/late';
import type { SecureContext } from './secure-context';

const LONGEST_TIMER = 0x7fffffff;

export class ExpiryWatch {
  readonly #notice: number;
  readonly #announce: (certificate: X509Certificate, left: number) => void;
  readonly #announced = new Set<string>();
  // When to look at a context's certificates again.
  readonly #due = new WeakMap<SecureContext, number>();
  #certificates: X509Certificate[] = [];
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  /** `notice`: milliseconds before the end; 0: never. */
  constructor(notice: number, announce: (certificate: X509Certificate, left: number) => void) {
    this.#notice = notice;
    this.#announce = announce;
  }

  /** Watches these in place of those before, and announces in a tick of its own. */
  watch(contexts: Iterable<SecureContext>): void {
    if (this.#notice === 0) return;
    this.#certificates = [...contexts].flatMap(certificatesOf);
    if (this.#certificates.length > 0) this.#arm(0);
  }

  /**
   * A handshake uses a context that need not be one of those: it comes from `SNICallback`. Nothing is kept longer
   * than the context itself: who has one made for each handshake pays no memory.
   */
  used(context: SecureContext): void {
    if (this.#stopped || this.#notice === 0 || Date.now() < (this.#due.get(context) ?? 0)) return;
    // Whoever is told does not run in the middle of a handshake.
    process.nextTick(() => {
      if (this.#stopped) return;
      this.#due.set(context, Date.now() + this.#announceDue(certificatesOf(context)));
    });
  }

  /** Nothing is announced any more. */
  stop(): void {
    this.#stopped = true;
    this.#certificates = [];
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #arm(wait: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#look();
    }, Math.min(Math.max(wait, 0), LONGEST_TIMER));
    this.#timer.unref();
  }

  #look(): void {
    const next = this.#announceDue(this.#certificates);
    if (next !== Infinity) this.#arm(next);
  }

  /** Announces those that are due. Returns in how many milliseconds the next one is. */
  #announceDue(certificates: readonly X509Certificate[]): number {
    let next = Infinity;
    for (const certificate of certificates) {
      if (this.#announced.has(certificate.fingerprint256)) continue;
      const left = new Date(certificate.validTo).getTime() - Date.now();
      if (left > this.#notice) {
        next = Math.min(next, left - this.#notice);
        continue;
      }
      this.#announced.add(certificate.fingerprint256);
      this.#announce(certificate, left);
    }
    return next;
  }
}

/** Certificates are kept by context, since several servers may share one, or one watch it again: parsing takes longer than all the rest. */
const parsed = new WeakMap<SecureContext, readonly X509Certificate[]>();

function certificatesOf(context: SecureContext): readonly X509Certificate[] {
  const known = parsed.get(context);
  if (known !== undefined) return known;
  const certificates = context[kNative].ownCertificates().map((der) => new late.crypto.X509Certificate(der));
  parsed.set(context, certificates);
  return certificates;
}
