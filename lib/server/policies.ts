/** By which rules a server's handshakes are made: its own, those for a name (SNI), and those for a peer. */
import type { DTLSSocket } from '../base/dtls-socket';
import type { NativeSessionPolicy } from '../core/native';
import { askHello, HelloQuestion, helloQuestions, type ClientHello, type HelloAnswers } from '../handshake/hello';
import { ServerNames, type NamedRules } from '../handshake/server-names';
import type { ExpiryWatch } from '../identity/expiry';
import type { SecureContext } from '../identity/secure-context';
import { resolvePeerOptions, type ResolvedPeer } from '../options/peer-rules';
import { resolveNamedOptions, type ResolvedServer } from '../options/server';
import type { NamedServerOptions, ServerOptions } from '../options/types';

/** What of a server its policies follow from. */
interface PolicySource {
  readonly options: ResolvedServer;
  readonly given: ServerOptions;
  readonly expiry: ExpiryWatch;
  /** Somebody listens for `keylog`. */
  keylog(): boolean;
  /** What the server wants to be asked of each hello. */
  helloQuestions(): number;
}

export class Policies {
  readonly #server: PolicySource;
  readonly #names = new ServerNames();
  #storeQuestions = 0;

  constructor(server: PolicySource) {
    this.#server = server;
  }

  /** Somebody begins to listen for this event. True: policies are others from now on. */
  onListener(event: unknown): boolean {
    const about =
      event === 'resumeSession'
        ? HelloQuestion.StoredSession
        : event === 'newSession'
          ? HelloQuestion.NewSession
          : 0;
    if (about === 0 || (this.#storeQuestions & about) !== 0) return false;
    this.#storeQuestions |= about;
    return true;
  }

  /** What counts for clients that ask for that name. */
  add(hostname: string, context: SecureContext | NamedServerOptions): void {
    const { given, options } = this.#server;
    this.#names.add(hostname, resolveNamedOptions(context, given, options.ticketKeys));
  }

  /** The contexts of all names. */
  contexts(): SecureContext[] {
    return [...this.#names.rules()].map(({ options }) => options.context);
  }

  /** What has to be asked of a hello, by the server's own options and names. */
  helloQuestions(): number {
    return helloQuestions(this.#server.options, this.#names);
  }

  forAll(keylog = this.#server.keylog()): NativeSessionPolicy {
    const policy = this.#server.options.policy(keylog);
    policy.setHelloQuestions(this.#server.helloQuestions() | this.#storeQuestions);
    return policy;
  }

  forPeer(rules: ResolvedPeer): NativeSessionPolicy {
    const policy = rules.policy(this.#server.keylog());
    policy.setHelloQuestions(helloQuestions(rules, this.#names) | this.#storeQuestions);
    policy.forOnePeer();
    return policy;
  }

  /** Answers a hello. `options`: what counts for the session. */
  answer(hello: ClientHello, socket: DTLSSocket, answers: HelloAnswers, options: ResolvedServer): void {
    const { expiry, options: own } = this.#server;
    const keylog = this.#server.keylog();
    const answered = 'answered' in options ? (options as ResolvedPeer).answered : undefined;
    // Rules with a certificate of their own stand alone: nobody gets around them by asking for a name.
    const names = answered?.hasContext === true ? new ServerNames() : this.#names;
    const overName =
      answered &&
      ((named: NamedRules) => {
        const rules = resolvePeerOptions(answered, named.given, named.options.context, own.ticketKeys);
        return { rules, policy: this.forPeer(rules) };
      });
    askHello({ options, names, keylog, overName }, hello, socket, {
      ...answers,
      accept: (answer) => {
        if (answer.context !== undefined) expiry.used(answer.context);
        answers.accept(answer);
      },
    });
  }
}
