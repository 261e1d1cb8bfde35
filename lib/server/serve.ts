/** Makes an endpoint a server's, as its options say. */
import { kNative } from '../base/internals';
import type { NonSharedBuffer } from '../base/non-shared-buffer';
import type { Endpoint } from '../endpoint/endpoint';
import type { SecureContext } from '../identity/secure-context';
import type { ResolvedServer } from '../options/server';
import type { Policies } from './policies';

/** Milliseconds for which the core waits longer for an answer of `peers` than this side. */
const PEERS_GRACE = 1000;

export function serve(endpoint: Endpoint, options: ResolvedServer, context: SecureContext, policies: Policies): void {
  const begin = (cookieSecret: NonSharedBuffer | undefined): void => {
    endpoint.core.listen(
      context[kNative],
      policies.forAll(),
      options.cookieExchange,
      options.cookieLifetime,
      cookieSecret,
    );
    endpoint.core.setLimits(
      options.maxSessions,
      options.maxPendingHandshakes,
      options.maxSessionsPerHost,
      options.maxPendingHandshakesPerHost,
    );
  };
  if (options.cookieSecret === undefined) begin(undefined);
  else options.cookieSecret.handDown(begin);
  if (options.peers !== undefined) endpoint.core.askPeers(options.peersTimeout + PEERS_GRACE);
}
