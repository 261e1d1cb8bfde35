/** Server names as `node:dtls` serves them: only those that are listed, `'*'` being all others and none. */
import { invalidArgType, invalidArgValue } from '../errors/node-errors';
import type { SecureContext } from '../identity/secure-context';
import { checkObject } from './checks';
import { DTLSSecureContext, resolveContext, rulesOf, type ContextRules, type DTLSContextOptions } from './context';

export type SniIdentity = DTLSSecureContext | DTLSContextOptions;
export type SniOption =
  | Readonly<Record<string, SniIdentity>>
  | ((servername: string | undefined) => SniIdentity | null | undefined);

/** Undefined: the name is refused. */
export type SniLookup = (servername: string | undefined) => SecureContext | undefined;

function rulesFor(name: string, identity: unknown): ContextRules {
  if (identity instanceof DTLSSecureContext) {
    const rules = rulesOf(identity);
    if (!rules.isServer) throw invalidArgValue(name, 'must have been made with isServer: true', identity);
    return rules;
  }
  if (typeof identity !== 'object' || identity === null) {
    throw invalidArgType(name, 'an instance of DTLSSecureContext or Object', identity);
  }
  return resolveContext(identity, true);
}

/** `requestCert`: the endpoint's, which holds for all its names. */
export function resolveSni(option: unknown, requestCert: boolean): SniLookup {
  const contextOf = (name: string, identity: unknown): SecureContext => {
    const rules = rulesFor(name, identity);
    return requestCert ? rules.asking() : rules.context;
  };
  if (typeof option === 'function') {
    const ask = option as (servername: string | undefined) => unknown;
    return (servername) => {
      const identity = ask(servername);
      return identity === undefined || identity === null
        ? undefined
        : contextOf('the identity that sni returned', identity);
    };
  }
  checkObject('options.sni', option);
  const entries = Object.entries(option);
  if (entries.length === 0) throw invalidArgValue('options.sni', 'must not be empty', option);
  const contexts = new Map(
    entries.map(([name, identity]) => [name, contextOf(`options.sni['${name}']`, identity)]),
  );
  return (servername) =>
    (servername === undefined ? undefined : contexts.get(servername)) ?? contexts.get('*');
}
