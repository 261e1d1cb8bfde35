/** What the callback of `send` hears of a message that no session took. */
import { isReadable } from '../errors/errors';

/** Where the message was to go. */
interface Destination {
  /** The peer has had a session with this socket before. */
  readonly known: boolean;
  /** This side begins no session, and its clients may have left. */
  readonly serves: boolean;
  /** To this peer: the kernel tells a connected socket that nobody listens there, and dgram passes it on. */
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
export function heard(error: Error, { known, serves, connected }: Destination): Error | null {
  if (!isReadable(error)) return error; // the system's, dgram's, or what a function of the user's threw
  if (OWN.includes(error.code)) return error;
  if (error.category === 'io') return UNREACHABLE.includes(error.code) && !connected ? null : error;
  // What a function of this program's says, or does not say in time, is none of the peer's silence.
  if (error.code === 'ERR_DTLS_LOOKUP_TIMEOUT') return error;
  // UDP loses what a server sends to clients that have left, and says nothing.
  if (error.code === 'ERR_DTLS_NO_SESSION') return serves ? null : error;
  const gone = error.category === 'timeout' || error.category === 'closed';
  return gone || known ? null : error;
}
