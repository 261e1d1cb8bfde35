/** OCSP stapling (RFC 6066 section 8): what a handshake asks of `OCSPRequest`, and of `OCSPResponse`. */
import type { DTLSSocket } from '../base/dtls-socket';
import type { NonSharedBuffer } from '../base/non-shared-buffer';
import { isThenable } from '../base/thenable';
import { asError } from '../errors/as-error';
import { DTLSError, usageError } from '../errors/errors';
import { asRefusal, settleOrCallBack } from './lookups';
import { bytes, wrongType } from '../checks/validate';

/** OpenSSL's clients take messages of one record, of which this one spends four bytes on itself. */
const MAX_RESPONSE = 16380;

export interface OcspQuestion {
  /** DER, of the own certificate that it is about. */
  certificate(): NonSharedBuffer;
  issuer(): NonSharedBuffer | null;
  answer(response: Buffer | undefined): void;
  refuse(cause: Error): void;
}

/** The callback that tls has, with a response in DER; null or undefined staples none. */
export type OcspCallback = (
  error?: Error | null,
  response?: NodeJS.ArrayBufferView | null,
) => void;

/** `emit`: to whoever listens. */
export function askOcsp(
  socket: DTLSSocket,
  question: OcspQuestion,
  emit: (certificate: NonSharedBuffer, issuer: NonSharedBuffer | null, callback: OcspCallback) => void,
): void {
  settleOrCallBack<NodeJS.ArrayBufferView | null>(
    (done) => {
      emit(question.certificate(), question.issuer(), done);
    },
    () => false, // listeners return nothing
    (given) => {
      question.answer(given === null || given === undefined ? undefined : checkResponse(given));
    },
    (cause) => {
      question.refuse(cause);
    },
    (cause) => {
      socket.destroy(
        new DTLSError("a listener of 'OCSPRequest' answered more than once", {
          code: 'ERR_MULTIPLE_CALLBACK',
          category: 'usage',
          hint: 'Call back once for each event; of several listeners only one may.',
          cause,
        }),
      );
    },
  );
}

/**
 * `emit`: to whoever listens. `answer`: that the handshake goes on, or why it does not; at once where no
 * listener asked to wait.
 */
export function askOcspVerdict(
  socket: DTLSSocket,
  emit: (waitUntil: (verdict: PromiseLike<void>) => void) => void,
  answer: (refusal: Error | undefined) => void,
): void {
  const verdicts: Promise<void>[] = [];
  let listening = true;
  // A listener may catch what is thrown at it, and must not have accepted by that.
  const refuse = (misuse: Error): void => {
    const refused: Promise<void> = Promise.reject(misuse);
    refused.catch(() => undefined);
    if (listening) verdicts.push(refused);
  };
  const waitUntil = (verdict: PromiseLike<void>): void => {
    if (!isThenable(verdict)) {
      const misuse = wrongType('the verdict for waitUntil', 'a Promise', verdict, VERDICT_HINT);
      refuse(misuse);
      throw misuse;
    }
    const judged = judge(verdict);
    judged.catch(() => undefined); // whoever is late with a refusal need not end the process
    if (!listening) {
      throw usageError(
        'ERR_INVALID_STATE',
        "waitUntil was called after the listeners of 'OCSPResponse' had returned",
        'Call it in the listener itself, with a Promise of the verdict.',
      );
    }
    verdicts.push(judged);
  };
  try {
    emit(waitUntil);
  } catch (error) {
    if (socket.destroyed) throw error; // it has its verdict, and this is about something else
    answer(asError(error));
    return;
  } finally {
    listening = false;
  }
  if (verdicts.length === 0) {
    answer(undefined);
    return;
  }
  Promise.all(verdicts).then(
    () => {
      answer(undefined);
    },
    (error: unknown) => {
      answer(asError(error));
    },
  );
}

const VERDICT_HINT =
  "Give waitUntil a Promise: one that fulfils with undefined accepts what the server stapled, one that rejects refuses it; a listener that has decided already returns, or throws.";

async function judge(verdict: PromiseLike<unknown>): Promise<void> {
  const refusal = asRefusal('the verdict for waitUntil', 'a Promise of nothing', await verdict, VERDICT_HINT);
  if (refusal !== undefined) throw refusal;
}

function checkResponse(given: unknown): Buffer {
  const response = bytes('the OCSP response', given);
  if (response.length === 0 || response.length > MAX_RESPONSE) {
    throw usageError(
      'ERR_OUT_OF_RANGE',
      `the OCSP response has ${String(response.length)} bytes; it needs 1 to ${String(MAX_RESPONSE)}`,
      'Call back with null to go on without one.',
    );
  }
  return response;
}
