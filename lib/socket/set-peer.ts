/** A session goes on with its peer at another address. */
import type { Peer } from '../base/peer';
import { wrongType } from '../checks/validate';
import type { SessionFacts } from './session-info';
import { notOpen } from './socket-errors';

/**
 * Where the peer was before; undefined where it is there already.
 *
 * @throws Where that cannot be: the session goes on as it was.
 */
export function setPeer(known: SessionFacts, address: string, port: number): Peer | undefined {
  if (typeof address !== 'string') throw wrongType('address', 'a string', address);
  const { state, session, peer: from } = known;
  if (session === undefined || from === undefined || (state !== 'opening' && state !== 'open')) {
    throw notOpen('set the peer');
  }
  const to = session.move({ address, port });
  if (to === undefined) throw notOpen('set the peer');
  const moves = to.address !== from.address || to.port !== from.port;
  if (moves) known.peer = to;
  session.moved();
  return moves ? from : undefined;
}
