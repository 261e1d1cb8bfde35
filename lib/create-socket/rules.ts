/** What a peer is held to: two answers of `peers` are the same rules where they say the same. */
import { types } from 'node:util';

import { late } from '../base/late';
import { bytesOf } from '../base/memory';
import { byAuthority, PROOFS } from '../options/proofs';
import type { ConnectOptions } from '../options/types';

/** What the peer of a session has had to prove, or would have to. */
export interface Rules {
  /** Equal for equal rules. Nothing that was given as a secret can be read from it. */
  readonly mark: string;
  /** The name that a certificate has to have, where it is not the one that `send` was called with. */
  readonly servername: string | undefined;
  readonly checkServerIdentity: ConnectOptions['checkServerIdentity'];
  /** `rejectUnauthorized: false`. */
  readonly anyPeer: boolean;
  /** `requestOCSP`: the certificate counts only with a response, which is asked for by who begins. */
  readonly stapled: boolean;
}

type Bag = Readonly<Record<string, unknown>>;

/** Options that say how a session behaves, and nothing of whom it is with; `servername` is compared apart. */
const OF_NOBODY: readonly string[] = [
  'servername', 'handshakeTimeout', 'retransmission', 'mtu', 'idleTimeout', 'replayWindow', 'borrowMessages', 'copyMessages',
  'heartbeat', 'maxFragmentLength', 'session', 'sessionTimeout', 'qlogDir', 'signal',
] satisfies readonly (keyof ConnectOptions)[];

/** What counts of the socket's options where an answer says nothing of it. */
export const beneath = <T>(answer: Bag, own: Readonly<Record<string, T>>): Readonly<Record<string, T>> =>
  byAuthority(answer, own)
    ? Object.fromEntries(Object.entries(own).filter(([name]) => !PROOFS.some((proof) => proof === name)))
    : own;

/** How deep lists and objects are compared by what is in them: `pfx` is a list of objects with bytes. */
const DEEPEST = 3;

/** Makes marks for the answers of one socket's `peers`. */
export class Marks {
  readonly #names: readonly string[];
  readonly #own: Readonly<Record<string, string>>;
  /** Keys are short and may be guessed: without this, which nobody else has, no mark tells anything. */
  readonly #secret = late.crypto.randomBytes(32);
  readonly #identities = new WeakMap<object, number>();
  #lastIdentity = 0;

  /** `own`: the options of the socket, which count where an answer says nothing. */
  constructor(names: readonly string[], own: Bag) {
    this.#names = names.filter((name) => !OF_NOBODY.includes(name));
    this.#own = this.#marksOf(own);
  }

  of(answer: Bag): string {
    const all = { ...beneath(answer, this.#own), ...this.#marksOf(answer) };
    return this.#names.map((name) => all[name] ?? '').join(' ');
  }

  #marksOf(options: Bag): Record<string, string> {
    const given = this.#names.filter((name) => options[name] !== undefined);
    return Object.fromEntries(
      given.map((name) => {
        const hash = late.crypto.createHmac('sha256', this.#secret);
        this.#write(options[name], DEEPEST, (part) => hash.update(part));
        return [name, hash.digest('base64')];
      }),
    );
  }

  /** Each value has its kind and its length in front: no two are written alike. */
  #write(value: unknown, depth: number, put: (part: string | Uint8Array) => void): void {
    if (ArrayBuffer.isView(value)) {
      const bytes = bytesOf(value);
      put(`bytes ${String(bytes.length)}:`);
      put(bytes);
    } else if (Array.isArray(value) && depth > 0) {
      put(`list ${String(value.length)}:`);
      for (const one of value as unknown[]) this.#write(one, depth - 1, put);
    } else if (isPlain(value) && depth > 0) {
      const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
      put(`object ${String(entries.length)}:`);
      for (const [name, one] of entries) {
        this.#write(name, 0, put);
        this.#write(one, depth - 1, put);
      }
    } else if ((typeof value === 'object' && value !== null) || typeof value === 'function') {
      put(`one ${String(this.#identityOf(value))}:`);
    } else {
      const text = String(value);
      put(`${typeof value} ${String(text.length)}:${text}`);
    }
  }

  #identityOf(value: object): number {
    const known = this.#identities.get(value);
    if (known !== undefined) return known;
    this.#lastIdentity += 1;
    this.#identities.set(value, this.#lastIdentity);
    return this.#lastIdentity;
  }
}

function isPlain(value: unknown): value is object {
  if (typeof value !== 'object' || value === null || types.isProxy(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
