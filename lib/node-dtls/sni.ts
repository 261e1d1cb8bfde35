/** Server names as `node:dtls` serves them: only those that are listed, `'*'` being all others and none. */
import { invalidArgValue } from '../errors/node-errors';
import type { SecureContext } from '../identity/secure-context';
import { checkObject } from './checks';

/** Finds the context of a name; undefined refuses the name. */
export type SniLookup = (servername: string | undefined) => SecureContext | undefined;

/** What an identity is read as. */
interface NamedRules {
  readonly context: SecureContext;
  /** The same, with a question for the client's certificate. */
  asking(): SecureContext;
}

/** `requestCert`: the endpoint's, which holds for all its names. `rulesFor` reads one identity. */
export function resolveSni(
  option: unknown,
  requestCert: boolean,
  rulesFor: (name: string, identity: unknown) => NamedRules,
): SniLookup {
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
