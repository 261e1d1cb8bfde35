/** What a handshake asks, and how the answers go down. */
import type { PeerCertificate } from 'node:tls';

import type { DTLSSocket } from '../base/dtls-socket';
import {
  kNative,
  kOnClientHello,
  kOnNewSession,
  kOnOcspRequest,
  kOnStoredSession,
  kSessionOptions,
} from '../base/internals';
import type { NonSharedBuffer } from '../base/non-shared-buffer';
import { readClientHello } from './hello';
import { askClientPsk, askPeerIdentity, askServerPsk, readableIdentity, type Answers } from './lookups';
import { askOcspVerdict } from './ocsp';
import { LookupKind } from '../core/outbox';
import { shown } from '../errors/as-error';
import type { ResolvedConnect } from '../options/connect';
import type { ResolvedServer } from '../options/server';
import { askStore, readNewSession, storeError, tellStore } from './resumption';
import type { CoreSession } from '../endpoint/core-session';
import type { SocketOwner } from './owner';

type Down = Parameters<CoreSession['answer']>[0];

/** An answer may come when the session is over. */
function answer(socket: DTLSSocket, session: CoreSession, call: Down): void {
  if (socket.readyState !== 'closed') session.answer(call);
}

const answersOf = (
  socket: DTLSSocket,
  session: CoreSession,
  because: (cause: Error) => void,
  unknown: Answers['unknown'] = () => undefined,
): Answers => ({
  psk: (identity, key) => {
    answer(socket, session, (core, slot, generation) => {
      core.answerPsk(slot, generation, identity, key);
    });
  },
  identity: (accepted) => {
    answer(socket, session, (core, slot, generation) => {
      core.answerIdentity(slot, generation, accepted);
    });
  },
  because,
  unknown,
});

/**
 * Answers the questions of a client's handshake: a pre-shared key, whether the certificate names the host, and whether what the
 * server stapled is good.
 */
export class ClientQuestions {
  readonly options: ResolvedConnect;
  readonly #socket: DTLSSocket;
  #cause: Error | undefined;
  #keptNameRefusal: Error | undefined;
  #judgesStaple = false;
  #offeredIdentity: string | undefined;

  constructor(socket: DTLSSocket, options: ResolvedConnect) {
    this.#socket = socket;
    this.options = options;
  }

  /** What a callback threw or returned: the cause of the failure to come. */
  get cause(): Error | undefined {
    return this.#cause;
  }

  /** The identity whose key was given for the handshake, in words: quoted, with what would not be seen in it escaped. */
  get offeredIdentity(): string | undefined {
    return this.#offeredIdentity;
  }

  /** What refused the server's name, in the handshake or for the session that it resumed. */
  nameRefusal(reused: boolean): Error | undefined {
    return reused ? this.#keptNameRefusal : this.#cause;
  }
  /** Listeners of `OCSPResponse` have it: who destroys the socket now refuses what the server stapled. */
  get judgesStaple(): boolean {
    return this.#judgesStaple;
  }

  ask(session: CoreSession, kind: number, about: NonSharedBuffer): void {
    if (kind === LookupKind.OcspVerdict) {
      this.#onStaple(session, about.length === 0 ? null : Buffer.from(about));
      return;
    }
    const answers = answersOf(this.#socket, session, (cause) => {
      // A kept session's server that is refused is no failure: the full handshake judges the real one.
      if (kind === LookupKind.SessionIdentity) this.#keptNameRefusal = cause;
      else this.#cause = cause;
    });
    if (kind === LookupKind.PskClient) {
      askClientPsk(this.options.pskCallback, about, {
        ...answers,
        psk: (identity, key) => {
          if (identity !== undefined) this.#offeredIdentity = shown(readableIdentity(Buffer.from(identity)));
          answers.psk(identity, key);
        },
      });
      return;
    }
    askPeerIdentity(
      this.options,
      (host, isAddress) => session.peerIsHost(host, isAddress),
      () => this.#socket.getPeerCertificate() as PeerCertificate,
      answers,
    );
  }

  #onStaple(session: CoreSession, response: NonSharedBuffer | null): void {
    this.#judgesStaple = true;
    askOcspVerdict(
      this.#socket,
      (waitUntil) => this.#socket.emit('OCSPResponse', response, waitUntil),
      (refusal) => {
        this.#judgesStaple = false;
        if (refusal !== undefined) this.#cause = refusal;
        answer(this.#socket, session, (core, slot, generation) => {
          core.answerOcsp(slot, generation, refusal !== undefined, undefined);
        });
      },
    );
  }
}

/**
 * Has the questions of a server's handshake answered, by callbacks or by listeners of the server that owns the socket.
 * Most handshakes ask nothing, so it is made for the first question.
 */
export class ServerQuestions {
  readonly #socket: DTLSSocket;
  readonly #owner: SocketOwner;
  #rules: ResolvedServer;
  #servername: string | undefined;
  #cause: Error | undefined;
  #unknownIdentity: string | undefined;

  /** `rules`: of the peer, in place of the server's own. */
  constructor(socket: DTLSSocket, owner: SocketOwner, rules = owner[kSessionOptions]) {
    this.#socket = socket;
    this.#owner = owner;
    this.#rules = rules;
  }

  /** The server's options, or those for the peer, or for the name that the client asked for. */
  get options(): ResolvedServer {
    return this.#rules;
  }
  /** The name that the client asked for, where something was asked at its hello. */
  get servername(): string | undefined {
    return this.#servername;
  }
  /** What a callback threw: the cause of the failure to come. */
  get cause(): Error | undefined {
    return this.#cause;
  }
  /** The identity for which there was no key, in words: quoted, with what would not be seen in it escaped. */
  get unknownIdentity(): string | undefined {
    return this.#unknownIdentity;
  }
  /** Nothing was answered that counts after the handshake. */
  get forgettable(): boolean {
    return this.#servername === undefined && this.#rules === this.#owner[kSessionOptions];
  }

  ask(session: CoreSession, kind: number, about: NonSharedBuffer): void {
    switch (kind) {
      case LookupKind.ClientHello:
        this.#onClientHello(session, about);
        return;
      case LookupKind.StoredSession:
        this.#onStoredSession(session, about);
        return;
      case LookupKind.NewSession:
        this.#onNewSession(session, about);
        return;
      case LookupKind.OcspResponse:
        this.#onOcspRequest(session);
        return;
      case LookupKind.PskServer:
        askServerPsk(
          this.#rules.pskCallback,
          this.#socket,
          about,
          answersOf(
            this.#socket,
            session,
            (cause) => {
              this.#cause = cause;
            },
            (identity, cause) => {
              this.#unknownIdentity = shown(identity);
              // The one before may have been about the session that the client wanted to resume.
              this.#cause = cause;
            },
          ),
        );
        return;
      default:
        throw new Error(`a server's session asks a client's question ${String(kind)}`);
    }
  }

  #onClientHello(session: CoreSession, about: NonSharedBuffer): void {
    const hello = readClientHello(about);
    if (hello.servername !== '') this.#servername = hello.servername;
    this.#owner[kOnClientHello](hello, this.#socket, {
      accept: ({ rules, context, policy, protocols }) => {
        this.#rules = rules ?? this.#rules;
        answer(this.#socket, session, (core, slot, generation) => {
          core.answerHello(slot, generation, context?.[kNative], policy, protocols);
        });
      },
      refuse: (what, cause) => {
        this.#cause = cause;
        answer(this.#socket, session, (core, slot, generation) => {
          core.refuseHello(slot, generation, what === 'name');
        });
      },
      again: (cause) => {
        this.#socket.destroy(cause);
      },
    }, this.#rules);
  }

  #onStoredSession(session: CoreSession, id: NonSharedBuffer): void {
    const found = (stored: Buffer | undefined, refused: boolean): void => {
      answer(this.#socket, session, (core, slot, generation) => {
        core.answerSession(slot, generation, stored, refused);
      });
    };
    askStore((done) => this.#owner[kOnStoredSession](Buffer.from(id), done), {
      answer: (stored) => {
        found(stored, false);
      },
      refuse: (cause) => {
        this.#cause = cause;
        found(undefined, true);
      },
      again: (error) => {
        this.#socket.destroy(error);
      },
    });
  }

  #onNewSession(session: CoreSession, about: NonSharedBuffer): void {
    const made = readNewSession(about);
    tellStore((done) => this.#owner[kOnNewSession](made.id, made.session, done), {
      answer: () => {
        answer(this.#socket, session, (core, slot, generation) => {
          core.answerNewSession(slot, generation);
        });
      },
      refuse: (cause) => {
        this.#socket.destroy(storeError(cause));
      },
    });
  }

  #onOcspRequest(session: CoreSession): void {
    const respond = (refused: boolean, response: Buffer | undefined): void => {
      answer(this.#socket, session, (core, slot, generation) => {
        core.answerOcsp(slot, generation, refused, response);
      });
    };
    this.#owner[kOnOcspRequest](this.#socket, {
      certificate: () => session.certificate() ?? Buffer.alloc(0),
      issuer: () => session.certificateIssuer() ?? null,
      answer: (response) => {
        respond(false, response);
      },
      refuse: (cause) => {
        this.#cause = cause;
        respond(true, undefined);
      },
    });
  }
}
