/** A session goes on with its peer at another address. */
import type { Peer } from '../base/peer';
import { wrongType } from '../checks/validate';
import type { DTLSError } from '../errors/errors';
import type { SessionFacts } from './session-info';
import { notOpen } from './socket-errors';

const FORM = 'setPeer(address, port): of a peer as events give it, setPeer(peer.address, peer.port).';

const noSession = (): DTLSError =>
  notOpen(
    'set the peer',
    "A session has a peer from the first datagram of its handshake, which on a client leaves when the server's name has been looked up, and until 'close'.",
  );

/** Whoever knows sessions by their peers' addresses. */
export interface MoveWatch {
  /** @throws Where the session may not go there. */
  check(to: Peer): void;
  /** It is there. */
  moved(to: Peer): void;
}

/**
 * Where the peer was before; undefined where it is there already.
 *
 * @throws Where that cannot be: the session goes on as it was.
 */
export function setPeer(known: SessionFacts, address: string, port: number, watch: MoveWatch | undefined): Peer | undefined {
  if (typeof address !== 'string') throw wrongType('address', 'a string', address, FORM);
  const { state, session, peer: from } = known;
  if (session === undefined || from === undefined || (state !== 'opening' && state !== 'open')) {
    throw noSession();
  }
  const differs = (to: Peer): boolean => to.address !== from.address || to.port !== from.port;
  const to = session.move({ address, port }, watch && ((peer) => { if (differs(peer)) watch.check(peer); }));
  if (to === undefined) throw noSession();
  const moves = differs(to);
  if (moves) {
    known.peer = to;
    watch?.moved(to);
  }
  session.moved();
  return moves ? from : undefined;
}
