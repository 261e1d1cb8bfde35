import { types } from 'node:util';

import type { Peer } from '../base/peer';
import { asError, isA, wordsOf } from './as-error';
import { DTLSError, type DTLSErrorCategory } from './dtls-error';

export {
  DTLSError,
  usageError,
  type DTLSErrorCategory,
  type DTLSErrorDetails,
} from './dtls-error';

/** The hint for a client that was asked for a certificate and sent none, whichever alert, or silence, says that it will not do. */
export const CERTIFICATE_WITHHELD =
  "The server demands a certificate of its clients and got none: pass 'cert' and 'key', or 'pfx'; where they are given, they must be of a kind that the server takes (key type, 'sigalgs').";

/** Codes whose words alone say nothing. */
const HEADLINES: Readonly<Record<string, string>> = {
  ERR_DTLS_PASSPHRASE: 'the private key or PFX file cannot be decrypted',
  ERR_DTLS_PSK_MISMATCH: 'the Finished message could not be verified under the pre-shared key',
  ERR_DTLS_INVALID_SESSION: "'session' is none that can be resumed here",
  ERR_DTLS_EXTENDED_MASTER_SECRET: 'the peer does not do extended master secret',
  ERR_DTLS_FINGERPRINT: "the peer's certificate has none of the expected fingerprints",
  ERR_DTLS_PUBLIC_KEY: 'the peer showed none of the expected public keys',
  ERR_DTLS_PEER_IDENTITY: "the peer's certificate is not for the name that was asked for",
  ERR_DTLS_REPLACED: 'the peer began a new session in place of this one',
  ERR_DTLS_DISPLACED: 'the handshake gave way to another one',
};

/** The message of a code: ERR_DTLS_NO_SHARED_CIPHER → "no shared cipher". */
export const headline = (code: string): string =>
  HEADLINES[code] ?? code.replace(/^ERR_DTLS_/, '').replaceAll('_', ' ').toLowerCase();

const IO_HINTS: Readonly<Record<string, string>> = {
  ERR_DTLS_IO: "It has no code of its own: 'cause' is what a transport, or a function of yours, threw or gave.",
  ERR_DTLS_TRANSPORT_CLOSED:
    'Something else closed what carries the datagrams: close the sessions first, then the dgram.Socket that they use.',
  ECANCELED: 'The socket was closed before this message had left: close when the callback of send() has been called.',
  ECONNREFUSED:
    'The host answered that nothing listens on that UDP port: check the port, and that the server is running.',
  EADDRINUSE: "Another socket has this port: choose another, or 'reusePort' for several servers on one.",
  ERR_ACCESS_DENIED: "Node's permission model keeps this process from the network: start it with '--allow-net'.",
  EACCES: 'This port or address needs a privilege that the process does not have.',
  ERR_SOCKET_DGRAM_IS_CONNECTED:
    'The dgram.Socket that carries the datagrams was connected to one peer after a session had begun on it: connect() it before, or not at all.',
  EEXIST: 'Somebody in this thread reads from that descriptor already: give each server one of its own.',
  EAFNOSUPPORT: "The address is of a version of IP that this port does not have: listen on '::', or on no address, for both.",
  EADDRNOTAVAIL: 'This machine does not have that address.',
  EBADF: 'The descriptor of the socket is not open, or not bound: close sockets only by their own close(), and bind one before it is used as a transport.',
  EMSGSIZE: 'The datagram is larger than the path or the socket takes: send smaller messages.',
  ENETUNREACH: 'There is no route to that network.',
  EHOSTUNREACH: 'There is no route to that host.',
  ENETDOWN: 'The network interface is down.',
  EHOSTDOWN: 'The host does not answer on its own network.',
  ENOTFOUND: 'The host name does not resolve: check its spelling and the resolver.',
  EAI_AGAIN: 'The resolver gave no answer, which may change: try again, and check that this machine reaches its DNS servers.',
  EMFILE: "This process has as many descriptors as it may: close sockets that are done, or raise the limit ('ulimit -n'). Clients that share a 'transport' share its descriptor.",
  ENFILE: 'The system has as many open files as it may.',
  ENOBUFS: 'The system has no room for more datagrams: send later, or less at once.',
  ENOMEM: 'The system has no memory left for this.',
  EPERM: 'The system does not permit it: a firewall of this machine drops the datagram, as a rule.',
  EISCONN: 'The dgram.Socket that carries the datagrams is connected to another peer: disconnect() it, or use another one.',
};

/** What to do about an error of the system; undefined where nothing is known but its name. */
export const ioHint = (code: string): string | undefined => IO_HINTS[code];

/** dgram's word for an address of the other family is EINVAL, which may mean much else. */
export const hintOfSend = (error: Error, { family }: Peer): string | undefined =>
  family === 'IPv6' && wordsOf(error).code === 'EINVAL' ? IO_HINTS.EAFNOSUPPORT : undefined;

/**
 * An error of this package as it was made. What its owner has given getters since, or a Proxy in front, is
 * somebody else's, and may throw wherever it is read.
 */
export const isReadable = (error: Error): error is DTLSError =>
  !types.isProxy(error) &&
  isA(error, DTLSError) &&
  ['message', 'code', 'category', 'hint'].every((name) => {
    const own = Object.getOwnPropertyDescriptor(error, name);
    return own === undefined ? name === 'message' || name === 'hint' : typeof own.value === 'string';
  });

/** A system error of a socket or of a name lookup, with the same code. */
export function ioError(thrown: unknown, peer?: Peer, hint?: string): DTLSError {
  const error = asError(thrown);
  if (isReadable(error)) return error;
  const { message, code = 'ERR_DTLS_IO', errno, syscall } = wordsOf(error);
  return new DTLSError(message, { code, category: 'io', hint: hint ?? IO_HINTS[code], peer, errno, syscall, cause: error });
}

/** The error of a message whose socket was closed before the system had taken it. */
export const unsent = (): DTLSError =>
  ioError(Object.assign(new Error('the socket was closed'), { code: 'ECANCELED' }));

/** The transport was closed by somebody else. */
export const closedBelow = (): DTLSError =>
  ioError(Object.assign(new Error('the transport was closed'), { code: 'ERR_DTLS_TRANSPORT_CLOSED' }));

/** Runs a call of the addon's that throws what errors.def describes. `betterHint`: where more is known than there. */
export function withTypedErrors<T>(call: () => T, betterHint?: (thrown: { code: string; reason: string | undefined }) => string | undefined): T {
  try {
    return call();
  } catch (error) {
    if (error instanceof DTLSError) throw error;
    if (!(error instanceof Error) || !('category' in error) || !('code' in error)) throw error;
    const thrown = error as Error & { code: string; category: string } & Partial<
        Record<'hint' | 'reason' | 'library', string>
      >;
    const reason = thrown.reason === '' ? undefined : thrown.reason;
    throw new DTLSError(`${headline(thrown.code)}${reason === undefined ? '' : ` (${reason})`}`, {
      code: thrown.code,
      category: thrown.category as DTLSErrorCategory,
      hint: betterHint?.({ code: thrown.code, reason }) ?? thrown.hint,
      reason,
      library: thrown.library,
    });
  }
}
