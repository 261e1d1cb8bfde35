/** What a handshake asks of a store of sessions (docs/resumption.md). */
import { asError } from '../errors/as-error';
import { DTLSError } from '../errors/errors';
import { settleOrCallBack } from './lookups';
import { secretCopy } from '../base/memory';
import type { NonSharedBuffer } from '../base/non-shared-buffer';
import { bytes, wrongForm } from '../checks/validate';

/** `resumeSession`: the stored session, or null or nothing: then the handshake is a full one. */
export type ResumeSessionCallback = (error?: Error | null, session?: NodeJS.ArrayBufferView | null) => void;

/** How a socket takes the answer to a question of a session store. */
interface StoreAnswers<T> {
  answer(value: T): void;
  refuse(cause: Error): void;
  again(error: DTLSError): void;
}

/** `emit`: false when nobody listens. What a listener throws is an answer, too. */
export function askStore(
  emit: (done: ResumeSessionCallback) => boolean,
  answers: StoreAnswers<Buffer | undefined>,
): void {
  settleOrCallBack<NodeJS.ArrayBufferView | null>(
    (done) => {
      if (!emit(done)) done();
    },
    () => false,
    (session) => {
      if (session === null || session === undefined) answers.answer(undefined);
      else if (ArrayBuffer.isView(session)) answers.answer(bytes('session', session));
      else throw wrongForm('the session that resumeSession gave', 'a Buffer, TypedArray or DataView', session, "It is what 'newSession' gave to be stored; null where there is none.");
    },
    (cause) => {
      answers.refuse(cause);
    },
    (cause) => {
      answers.again(
        new DTLSError('a listener of resumeSession answered more than once', {
          code: 'ERR_MULTIPLE_CALLBACK',
          category: 'usage',
          hint: 'Call back once, and let only one listener do so.',
          cause,
        }),
      );
    },
  );
}

/** `newSession`: the session goes on when it is stored. Further calls back mean nothing, as in tls. */
export function tellStore(
  emit: (done: () => void) => boolean,
  answers: Pick<StoreAnswers<void>, 'answer' | 'refuse'>,
): void {
  let answered = false;
  const once = (answer: () => void): void => {
    if (answered) return;
    answered = true;
    answer();
  };
  const done = (): void => {
    once(() => {
      answers.answer();
    });
  };
  try {
    if (!emit(done)) done();
  } catch (error) {
    const cause = asError(error);
    once(() => {
      answers.refuse(cause);
    });
  }
}

export const storeError = (cause: Error): DTLSError =>
  new DTLSError('a listener of newSession threw', {
    code: 'ERR_DTLS_SESSION_CALLBACK',
    category: 'usage',
    hint: "The session could not be stored: see 'cause'.",
    cause,
  });

/** Reads what Session::tell_new_session of src-native/core writes. */
export function readNewSession(bytes: NonSharedBuffer): { id: NonSharedBuffer; session: NonSharedBuffer } {
  const at = 1 + bytes.readUInt8(0);
  // Copies: they are kept, and must not pin what came with them.
  const made = { id: Buffer.from(bytes.subarray(1, at)), session: secretCopy(bytes.subarray(at)) };
  bytes.fill(0);
  return made;
}
