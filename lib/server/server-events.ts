/** What a server emits. */
import type { X509Certificate } from 'node:crypto';

import type { Peer } from '../base/peer';
import type { NonSharedBuffer } from '../base/non-shared-buffer';
import type { DTLSError } from '../errors/errors';
import type { OcspCallback } from '../handshake/ocsp';
import type { ResumeSessionCallback } from '../handshake/resumption';
import type { SecureContext } from '../identity/secure-context';
import type { DTLSSocket } from '../socket/socket';

export interface DTLSServerEvents {
  listening: [];
  /** A peer's cookie was verified and its handshake begins. */
  connection: [socket: DTLSSocket];
  secureConnection: [socket: DTLSSocket];
  /** A handshake failed, or a session had an error that its socket has no listener for. */
  dtlsClientError: [error: DTLSError, socket: DTLSSocket];
  /** `peers` threw, gave what are no rules, or did not answer in time: the peer is refused. Without a listener: one process warning. */
  peerError: [error: DTLSError, peer: Peer];
  keylog: [line: NonSharedBuffer, socket: DTLSSocket];
  /**
   * A session without a ticket, to be stored under its id. It goes on when `callback` is called. The
   * session holds its master secret.
   */
  newSession: [id: NonSharedBuffer, session: NonSharedBuffer, callback: () => void];
  /** A client wants to resume the session of that id. */
  resumeSession: [id: NonSharedBuffer, callback: ResumeSessionCallback];
  /**
   * A client asks for an OCSP response (RFC 6066 section 8): DER of the certificate and of its issuer, if that is
   * known. The handshake waits until one listener has called back, with DER or null. A server with several
   * certificates is asked for each.
   */
  OCSPRequest: [certificate: NonSharedBuffer, issuer: NonSharedBuffer | null, callback: OcspCallback];
  /**
   * A certificate of the server's own, or of `addContext`, expires within `certificateExpiryNotice`; `left`: in so many
   * milliseconds, negative when it has expired. Once for each certificate, while the server listens. Of a context
   * that `SNICallback` gave: when a handshake uses it.
   */
  certificateExpiring: [certificate: X509Certificate, left: number];
  /** `watchSecureContext` has read the files anew: new handshakes use what is in them. */
  secureContextReload: [context: SecureContext];
  /** What `watchSecureContext` found is of no use; the context stays as it was. Without a listener: a process warning. */
  secureContextError: [error: DTLSError];
  /**
   * A datagram on the same port that is not DTLS (RFC 7983): STUN, RTP, … Of one address it is always the same object that
   * says from whom, as long as anybody has it: that of the session's messages, where there is one.
   */
  packet: [message: NonSharedBuffer, info: Peer];
  /** All packets of one peer that one wake-up brought; with a listener, `packet` is not emitted. */
  packets: [packets: NonSharedBuffer[], info: Peer];
  /** `sendPacket` has returned false, and the transport takes more again. */
  drain: [];
  error: [error: DTLSError];
  close: [];
}
