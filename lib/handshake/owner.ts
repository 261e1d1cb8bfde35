import type { DTLSSocket } from '../base/dtls-socket';
import type { DTLSError } from '../errors/errors';
import type { ClientHello, HelloAnswers } from './hello';
import type { OcspQuestion } from './ocsp';
import type { ResolvedServer } from '../options/server';
import type { ResumeSessionCallback } from './resumption';

/** What a server's socket needs to know of the server that made it. */
export interface SocketOwner {
  readonly sessionOptions: ResolvedServer;
  // The socket's events that are the owner's, too. False: nobody listens.
  onConnection(socket: DTLSSocket): boolean;
  onSecure(socket: DTLSSocket): boolean;
  onKeylog(line: Buffer, socket: DTLSSocket): boolean;
  /** True: it has heard of the failure, and the socket need not emit it. */
  onFailure(socket: DTLSSocket, error: DTLSError, completedHandshake: boolean): boolean;
  onClose(socket: DTLSSocket): void;
  // The questions of a handshake. False: nobody listens who could answer.
  onClientHello(hello: ClientHello, socket: DTLSSocket, answers: HelloAnswers): void;
  onStoredSession(id: Buffer, callback: ResumeSessionCallback): boolean;
  onNewSession(id: Buffer, session: Buffer, callback: () => void): boolean;
  onOcspRequest(socket: DTLSSocket, question: OcspQuestion): void;
}
