/** Contexts and rules of a server for the names that clients ask for (SNI). */
import { late } from '../base/late';
import { hostMistake } from '../checks/host';
import { shown } from '../errors/as-error';
import { usageError } from '../errors/errors';
import type { NativeSessionPolicy } from '../core/native';
import type { NamedOptions, ResolvedServer } from '../options/server';
import type { ServerOptions } from '../options/types';

/** What counts for sessions that ask for a name. */
export class NamedRules {
  readonly options: ResolvedServer;
  /** What they were made of, but for the credentials: what a peer's own rules may be laid over. */
  readonly given: ServerOptions;
  readonly #policies = new Map<boolean, NativeSessionPolicy>();

  constructor({ resolved, given }: NamedOptions) {
    this.options = resolved;
    this.given = given;
  }

  policy(keylog: boolean): NativeSessionPolicy {
    let policy = this.#policies.get(keylog);
    if (policy === undefined) this.#policies.set(keylog, (policy = this.options.policy(keylog)));
    return policy;
  }
}

/** @throws For what no client can ask for: RFC 6066 section 3 has names of hosts only. */
export function checkServerName(hostname: string): void {
  const isAddress = late.net.isIP(hostname) !== 0;
  if (!isAddress && !/[\s\0/\\:[\]]/.test(hostname)) return;
  throw usageError(
    'ERR_INVALID_ARG_VALUE',
    `'hostname' is ${shown(hostname)}, which no client can ask for`,
    isAddress
      ? "Clients ask for names, and for no address (RFC 6066 section 3): who dials an address gets the server's own context."
      : (hostMistake(hostname) ?? "Names look like 'coap.example' or '*.devices.example': without port, scheme, path or spaces."),
  );
}

interface Entry {
  readonly order: number;
  readonly rules: NamedRules;
}

interface Wildcard extends Entry {
  readonly name: string;
  readonly pattern: RegExp;
}

/**
 * Names are compared as in tls: `*` stands for any characters but dots, and of several entries that match the one added last
 * counts. Names are compared without regard to case (RFC 6066 section 3).
 */
export class ServerNames {
  readonly #exact = new Map<string, Entry>();
  #wildcards: Wildcard[] = []; // the newest first
  #added = 0;

  get empty(): boolean {
    return this.#added === 0;
  }

  add(hostname: string, options: NamedOptions): void {
    const rules = new NamedRules(options);
    const name = hostname.toLowerCase();
    const order = ++this.#added;
    if (!name.includes('*')) {
      this.#exact.set(name, { order, rules });
      return;
    }
    const escaped = name.replace(/[.^$+?\-\\[\](){}|]/g, '\\$&').replaceAll('*', '[^.]*');
    const others = this.#wildcards.filter((wildcard) => wildcard.name !== name);
    this.#wildcards = [{ order, rules, name, pattern: new RegExp(`^${escaped}$`) }, ...others];
  }

  /** The rules of all names there are. */
  *rules(): Generator<NamedRules> {
    for (const { rules } of this.#exact.values()) yield rules;
    for (const { rules } of this.#wildcards) yield rules;
  }

  find(servername: string): NamedRules | undefined {
    const name = servername.toLowerCase();
    const exact = this.#exact.get(name);
    const wildcard = this.#wildcards.find(({ pattern }) => pattern.test(name));
    if (exact === undefined || wildcard === undefined) return (exact ?? wildcard)?.rules;
    return (exact.order > wildcard.order ? exact : wildcard).rules;
  }
}
