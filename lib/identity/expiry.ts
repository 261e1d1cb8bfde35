/** Says when a server's own certificates are about to expire: once for each. */
import type { X509Certificate } from 'node:crypto';

import { kNative } from '../base/internals';
import { late } from '../base/late';
import type { SecureContext } from './secure-context';

const LONGEST_TIMER = 0x7fffffff;
/** So many certificates of contexts in passing are known to have been announced: each handshake may have one of its own. */
const MOST_PASSING = 128;

export class ExpiryWatch {
  readonly #notice: number;
  readonly #announce: (certificate: X509Certificate, left: number) => void;
  /** Fingerprints of those that are watched, or were. */
  readonly #announced = new Set<string>();
  /** The same of contexts in passing, the oldest first. */
  readonly #announcedInPassing = new Set<string>();
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

  /** Watches these in place of those before, and announces in ticks of their own. */
  watch(contexts: Iterable<SecureContext>): void {
    if (this.#notice === 0) return;
    this.#certificates = [...contexts].flatMap(certificatesOf);
    if (this.#certificates.length > 0) this.#arm(0);
  }

  /**
   * A handshake uses a context that need not be one of those: it comes from `SNICallback`, or is a peer's. Nothing is kept
   * longer than the context itself, but for the last fingerprints: who has one made for each handshake pays no memory.
   */
  used(context: SecureContext): void {
    if (this.#stopped || this.#notice === 0 || Date.now() < (this.#due.get(context) ?? 0)) return;
    this.#due.set(context, Infinity);
    // Whoever is told does not run in the middle of a handshake.
    process.nextTick(this.#lookAt, context);
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

  /** One at a time, and the next look is sure to come before anybody is told: who is may throw, or have others watched. */
  #look(): void {
    const due = this.#firstDue(this.#certificates);
    if (due === undefined) {
      const wait = this.#untilNext(this.#certificates);
      if (wait !== Infinity) this.#arm(wait);
      return;
    }
    this.#arm(0);
    this.#announced.add(due.fingerprint256);
    this.#announce(due, leftOf(due));
  }

  /** The same for a context in passing; `left`: those of its certificates that have yet to be looked at, each once. */
  readonly #lookAt = (context: SecureContext, left = certificatesOf(context)): void => {
    if (this.#stopped) return;
    const due = this.#firstDue(left);
    if (due === undefined) {
      this.#due.set(context, Date.now() + this.#untilNext(certificatesOf(context)));
      return;
    }
    process.nextTick(this.#lookAt, context, left.slice(left.indexOf(due) + 1));
    this.#announcedInPassing.add(due.fingerprint256);
    if (this.#announcedInPassing.size > MOST_PASSING) {
      const [oldest = ''] = this.#announcedInPassing;
      this.#announcedInPassing.delete(oldest);
    }
    this.#announce(due, leftOf(due));
  };

  #isNews({ fingerprint256 }: X509Certificate): boolean {
    return !this.#announced.has(fingerprint256) && !this.#announcedInPassing.has(fingerprint256);
  }

  #firstDue(certificates: readonly X509Certificate[]): X509Certificate | undefined {
    return certificates.find((certificate) => this.#isNews(certificate) && leftOf(certificate) <= this.#notice);
  }

  /** In how many milliseconds the next one is due. */
  #untilNext(certificates: readonly X509Certificate[]): number {
    return Math.min(...certificates.filter((one) => this.#isNews(one)).map((one) => leftOf(one) - this.#notice), Infinity);
  }
}

/** Milliseconds that a certificate is still valid. */
const leftOf = ({ validTo }: X509Certificate): number => new Date(validTo).getTime() - Date.now();

/** Certificates are kept by context, since several servers may share one, or one watch it again: parsing takes longer than all the rest. */
const parsed = new WeakMap<SecureContext, readonly X509Certificate[]>();

function certificatesOf(context: SecureContext): readonly X509Certificate[] {
  const known = parsed.get(context);
  if (known !== undefined) return known;
  const certificates = context[kNative].ownCertificates().map((der) => new late.crypto.X509Certificate(der));
  parsed.set(context, certificates);
  return certificates;
}
