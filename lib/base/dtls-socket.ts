/**
 * A session's socket, as the rooms below `socket` know it: they hand it on, to callbacks and channels, and end it where an
 * answer was wrong. The class implements this, and adds itself to it (lib/socket/socket.ts), so that users see all of it.
 */
export interface DTLSSocket {
  readonly readyState: ReadyState;
  readonly destroyed: boolean;
  destroy(error?: Error): this;
}

export type ReadyState = 'opening' | 'open' | 'closing' | 'closed';
