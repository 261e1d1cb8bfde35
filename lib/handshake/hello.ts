/**
 * What a server's handshake asks at the ClientHello: which context and rules for the name (SNI), which of
 * the protocols (ALPN). Nothing is asked that no callback and no `addContext` is there to answer.
 */
import type { DTLSSocket } from '../base/dtls-socket';
import { decodeProtocols, onlyProtocol } from '../options/alpn';
import { DTLSError, usageError } from '../errors/errors';
import { printable } from '../errors/printable';
import { settle, settleOrCallBack } from './lookups';
import type { NativeSessionPolicy } from '../core/native';
import type { ResolvedServer } from '../options/server';
import { SecureContext } from '../identity/secure-context';
import type { NamedRules, ServerNames } from './server-names';
import { wrongType } from '../checks/validate';

/** What SessionPolicy::hello_questions in src-native/core/session/session.h has, bit by bit; test/unit compares them. */
export const HelloQuestion = {
  ServerName: 1,
  Protocols: 2,
  Always: 4,
  StoredSession: 8,
  NewSession: 16,
} as const;

export interface ClientHello {
  readonly sessionId: Buffer;
  /** Empty: the client named none. */
  readonly servername: string;
  /** The protocols in the form that the wire has. */
  readonly protocols: Buffer;
}

/** What counts for the session. Undefined: what the server was made with. */
interface HelloAnswer {
  readonly rules: ResolvedServer | undefined;
  readonly context: SecureContext | undefined;
  readonly policy: NativeSessionPolicy | undefined;
  /** The answer in the form that the wire has; empty where none of the client's will do. */
  readonly protocols: Buffer | undefined;
}

/** How a socket takes the answer; only the first counts. */
export interface HelloAnswers {
  accept(answer: HelloAnswer): void;
  refuse(about: 'name' | 'protocol', cause: Error): void;
  /** A callback has answered again, after the session went on with its first answer. */
  again(cause: DTLSError): void;
}

/** Reads what src-native/core/wire/client_hello.cc, pack_client_hello, writes. */
export function readClientHello(bytes: Buffer): ClientHello {
  const nameAt = 1 + bytes.readUInt8(0);
  const protocolsAt = nameAt + 2 + bytes.readUInt16BE(nameAt);
  return {
    sessionId: bytes.subarray(1, nameAt),
    servername: bytes.toString('utf8', nameAt + 2, protocolsAt),
    protocols: bytes.subarray(protocolsAt),
  };
}

export function helloQuestions(options: ResolvedServer, names: ServerNames): number {
  return (
    (options.SNICallback !== undefined || !names.empty ? HelloQuestion.ServerName : 0) |
    (options.ALPNCallback !== undefined ? HelloQuestion.Protocols : 0)
  );
}

/** What there is to answer with. */
interface HelloRules {
  readonly options: ResolvedServer;
  readonly names: ServerNames;
  readonly keylog: boolean;
  /** Lays what counts for the peer over what counts for a name. */
  readonly overName?: ((named: NamedRules) => { rules: ResolvedServer; policy: NativeSessionPolicy }) | undefined;
}

/** `SNICallback` comes first; a name for which it has nothing may be one of `addContext`'s. */
export function askHello(
  { options, names, keylog, overName }: HelloRules,
  hello: ClientHello,
  socket: DTLSSocket,
  answers: HelloAnswers,
): void {
  const { SNICallback } = options;
  const { servername } = hello;
  const goOn = (given: SecureContext | undefined): void => {
    const named = given === undefined && servername !== '' ? names.find(servername) : undefined;
    let rules = named?.options;
    let policy: NativeSessionPolicy | undefined;
    if (named !== undefined && overName !== undefined) ({ rules, policy } = overName(named));
    else policy = named?.policy(keylog);
    const context = given ?? rules?.context;
    askProtocol(
      rules ?? options,
      hello,
      socket,
      (protocols) => {
        answers.accept({ rules, context, policy, protocols });
      },
      (cause) => {
        answers.refuse('protocol', cause);
      },
    );
  };
  if (SNICallback === undefined || servername === '') {
    settle(() => undefined, goOn, (cause) => {
      answers.refuse('name', cause);
    });
    return;
  }
  const takesCallback = SNICallback.length >= 2;
  settleOrCallBack<unknown>(
    (done) => SNICallback.call(socket, servername, done),
    // The callback style returns anything, as in tls: what is no context is no answer.
    (returned) => !takesCallback || returned instanceof SecureContext,
    (context) => {
      if (context === null || context === undefined) goOn(undefined);
      else if (context instanceof SecureContext) goOn(context);
      else throw wrongType('the answer of SNICallback', 'a SecureContext, null or undefined', context, 'createSecureContext() of this package makes one; null is for the context of the server.');
    },
    (cause) => {
      answers.refuse('name', cause);
    },
    (cause) => {
      answers.again(
        new DTLSError('SNICallback answered more than once', {
          code: 'ERR_MULTIPLE_CALLBACK',
          category: 'usage',
          hint: 'Call back once, or return the context; not both.',
          cause,
        }),
      );
    },
  );
}

function askProtocol(
  { ALPNCallback }: ResolvedServer,
  { servername, protocols }: ClientHello,
  socket: DTLSSocket,
  accept: (protocols: Buffer | undefined) => void,
  refuse: (cause: Error) => void,
): void {
  if (ALPNCallback === undefined || protocols.length === 0) {
    accept(undefined);
    return;
  }
  const offered = decodeProtocols(protocols);
  settle<unknown>(
    () =>
      ALPNCallback.call(socket, {
        servername: servername === '' ? null : servername,
        protocols: [...offered],
      }),
    (chosen) => {
      if (chosen === null || chosen === undefined) {
        accept(Buffer.alloc(0));
        return;
      }
      if (typeof chosen !== 'string') {
        throw wrongType('the answer of ALPNCallback', 'a string or undefined', chosen, "One of 'protocols' is chosen by its name; undefined refuses the client.");
      }
      if (!offered.includes(chosen)) {
        throw usageError(
          'ERR_INVALID_RETURN_VALUE',
          `ALPNCallback chose '${chosen}', and the client offers ${offered.map(printable).join(', ')}`,
          'Return one of the protocols given, or undefined to refuse them all.',
        );
      }
      accept(onlyProtocol(chosen));
    },
    refuse,
  );
}
