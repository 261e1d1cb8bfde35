/** What a server's `peers` may answer, and what becomes of it: the options of a server for one peer. */
import { kHasIdentity } from '../base/internals';
import { usageError } from '../errors/errors';
import { checkNames, checkObject } from '../checks/validate';
import { CONTEXT_OPTIONS, PEER_OPTIONS } from '../checks/option-names';
import { requireNoNewerVersion, requireSameVersions, SecureContext } from '../identity/secure-context';
import type { NativeTicketKeys } from '../core/native';
import { OF_BYTES, ownOptions } from './own-bytes';
import { byAuthority, PROOFS } from './proofs';
import { resolveServerOptions, type ResolvedServer } from './server';
import type { PeerOptions, ServerOptions } from './types';

/** An answer of `peers`, read once: its object may say something else by the time that it counts. */
export interface AnsweredOptions {
  readonly own: Readonly<Record<string, unknown>>;
  /** It names a certificate, or whom to trust: then it stands alone, whatever name the client asks for. */
  readonly hasContext: boolean;
}

/** @throws For what no rules are. */
export function readPeerOptions(answer: PeerOptions): AnsweredOptions {
  checkObject('the answer of peers()', answer, undefined, { 'a SecureContext': 'Return { secureContext }, with one that createSecureContext() of this package has made.' });
  checkNames(answer, PEER_OPTIONS);
  const read = Object.entries(ownOptions(answer, PEER_OPTIONS, OF_BYTES));
  const own: Record<string, unknown> = Object.fromEntries(read.filter(([, value]) => value !== undefined));
  const hasContext = own.secureContext !== undefined || CONTEXT_OPTIONS.some((name) => own[name] !== undefined);
  return { own, hasContext };
}

export interface ResolvedPeer extends ResolvedServer {
  /** To be laid over the rules of a name that the peer asks for. */
  readonly answered: AnsweredOptions;
}

/** Options of which one takes the place of all others that stand beside it. */
const IN_PLACE_OF: readonly (readonly [one: readonly string[], others: readonly string[]])[] = [
  [['psk', 'pskCallback'], ['psk', 'pskCallback']],
  [['ALPNProtocols', 'ALPNCallback'], ['ALPNProtocols', 'ALPNCallback']],
  // Who has other proofs to give is asked for a certificate where these need one.
  [['peerFingerprints', 'peerPublicKeys'], ['peerFingerprints', 'peerPublicKeys', 'requestCert']],
  [['copyMessages', 'borrowMessages'], ['copyMessages', 'borrowMessages']],
];

/** The server's certificate does not stand in for one that is missing beside an authority, a version, … of the answer. */
const apart = (named: readonly string[]): Error =>
  usageError(
    'ERR_DTLS_NO_CREDENTIALS',
    `the rules for this peer have '${named.join("', '")}', and no certificate`,
    "Credentials are one thing: where an answer names any option of a context, those of the server do not count. Give 'cert' and 'key' as well, or a 'secureContext' that has all of it.",
  );

/**
 * The options that count for the peer. `beneath`: those of the server, or of a name, which count where the answer says
 * nothing; `context`: theirs.
 *
 * @throws As `createServer`.
 */
export function resolvePeerOptions(
  answered: AnsweredOptions,
  beneath: ServerOptions,
  context: SecureContext,
  ticketKeys: NativeTicketKeys,
): ResolvedPeer {
  const { own, hasContext } = answered;
  const replaced = IN_PLACE_OF.flatMap(([one, others]) => (one.some((name) => name in own) ? others : []));
  const judged = byAuthority(own, { ...beneath });
  if (judged || own.requestCert === false) replaced.push(...PROOFS);
  if (hasContext) replaced.push('SNICallback'); // its contexts trust whom they will
  const options: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(beneath)) if (!replaced.includes(name)) options[name] = value;
  if (judged) options.requestCert = true;
  Object.assign(options, own);
  if (!hasContext) options.secureContext = context;
  else if (own.secureContext === undefined) {
    // Made here, as it has the versions of the server's where it names none.
    const ofContext = CONTEXT_OPTIONS.filter((name) => name in own).map((name) => [name, own[name]] as const);
    for (const [name] of ofContext) Reflect.deleteProperty(options, name);
    const made = new SecureContext(Object.fromEntries(ofContext), undefined, context);
    if (!made[kHasIdentity] && context[kHasIdentity] && !['psk', 'pskCallback'].some((name) => options[name] !== undefined)) {
      throw apart(ofContext.map(([name]) => name));
    }
    options.secureContext = made;
  }
  const resolved = resolveServerOptions(options, ticketKeys);
  if (hasContext) {
    requireSameVersions(resolved.context, context);
    requireNoNewerVersion(resolved.context, context);
  }
  if (!('psk' in own)) return { ...resolved, answered };
  // The key is the server's copy of it.
  const kept = Object.fromEntries(Object.entries(own).filter(([name]) => name !== 'psk'));
  return { ...resolved, answered: { own: { ...kept, pskCallback: resolved.pskCallback }, hasContext } };
}
