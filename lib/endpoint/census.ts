/** The endpoints there are in this thread, for those who count: nobody else is told anything. */
import type { DTLSSocket } from '../base/dtls-socket';
import type { EndpointStats } from '../core/stats';

export interface CountedEndpoint {
  /** A server listens on it, or has listened. */
  readonly serves: boolean;
  stats(): EndpointStats;
  sockets(): Iterable<DTLSSocket>;
}

class Census {
  readonly living = new Set<CountedEndpoint>();
  /** Called with an endpoint that closes, while it can still tell its counters. */
  readonly mourners = new Set<(endpoint: CountedEndpoint) => void>();

  bury(endpoint: CountedEndpoint): void {
    if (!this.living.delete(endpoint)) return;
    for (const mourn of this.mourners) mourn(endpoint);
  }
}

export const census = new Census();
