import type { DTLSSocket } from '../base/dtls-socket';
import type {
  kOnClientHello,
  kOnClose,
  kOnConnection,
  kOnFailure,
  kOnKeylog,
  kOnNewSession,
  kOnOcspRequest,
  kOnSecure,
  kOnStoredSession,
  kSessionOptions,
} from '../base/internals';
import type { NonSharedBuffer } from '../base/non-shared-buffer';
import type { DTLSError } from '../errors/errors';
import type { ClientHello, HelloAnswers } from './hello';
import type { OcspQuestion } from './ocsp';
import type { ResolvedServer } from '../options/server';
import type { ResumeSessionCallback } from './resumption';

/** What a server's socket needs to know of the server that made it. */
export interface SocketOwner {
  readonly [kSessionOptions]: ResolvedServer;
  // The socket's events that are the owner's, too. False: nobody listens.
  [kOnConnection](socket: DTLSSocket): boolean;
  [kOnSecure](socket: DTLSSocket): boolean;
  [kOnKeylog](line: NonSharedBuffer, socket: DTLSSocket): boolean;
  /** True: it has heard of the failure, and the socket need not emit it. */
  [kOnFailure](socket: DTLSSocket, error: DTLSError, completedHandshake: boolean): boolean;
  [kOnClose](socket: DTLSSocket): void;
  // The questions of a handshake. False: nobody listens who could answer.
  /** `rules`: what counts for the session. */
  [kOnClientHello](hello: ClientHello, socket: DTLSSocket, answers: HelloAnswers, rules: ResolvedServer): void;
  [kOnStoredSession](id: NonSharedBuffer, callback: ResumeSessionCallback): boolean;
  [kOnNewSession](id: NonSharedBuffer, session: NonSharedBuffer, callback: () => void): boolean;
  [kOnOcspRequest](socket: DTLSSocket, question: OcspQuestion): void;
}
