/** What the callback of `send` hears of a message that no session took. */
import { isReadable } from '../errors/errors';

/** Where the message was to go. */
interface Destination {
  /** The peer has had a session with this socket before. */
  readonly known: boolean;
  /** The kernel tells a connected socket that nobody listens there, and dgram passes it on. */
  readonly connected: boolean;
}

/** The host said by ICMP that there is nobody, or its neighbours did. */
const UNREACHABLE = ['ECONNREFUSED', 'EHOSTUNREACH'];
/** What this side said wrongly, whoever the peer is. */
const OWN = ['EMSGSIZE', 'ERR_DTLS_EMPTY_MESSAGE', 'ERR_DTLS_MESSAGE_TOO_BIG', 'ERR_DTLS_MULTICAST'];

/**
 * Programs over dgram take an error of this callback for one of their own socket, and may end by it. So of a peer
 * that is not there, or not any more, they hear what they would hear over UDP: nothing (null). `peerError` says it.
 * A peer that came by itself could end the program by its refusal, too.
 */
export function heard(error: Error, { known, connected }: Destination): Error | null {
  if (!isReadable(error)) return error; // the system's, dgram's, or what a function of the user's threw
  if (OWN.includes(error.code)) return error;
  if (error.category === 'io') return UNREACHABLE.includes(error.code) && !connected ? null : error;
  // A function of this program's that gives no answer is none of the peer's silence.
  const silent = error.category === 'timeout' && error.code !== 'ERR_DTLS_LOOKUP_TIMEOUT';
  const gone = silent || error.category === 'closed';
  return gone || known ? null : error;
}
