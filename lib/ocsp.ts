/** OCSP stapling (RFC 6066 section 8) on a server: the question that a handshake asks of `OCSPRequest`. */
import { DTLSError, usageError } from './errors';
import { settleOrCallBack } from './lookups';
import type { DTLSSocket } from './socket';
import { bytes } from './validate';

/** OpenSSL's clients take messages of one record, of which this one spends four bytes on itself. */
const MAX_RESPONSE = 16380;

export interface OcspQuestion {
  /** DER, of the own certificate that it is about. */
  certificate(): Buffer;
  issuer(): Buffer | null;
  answer(response: Buffer | undefined): void;
  refuse(cause: Error): void;
}

/** As in tls, with DER; null or undefined: none. */
export type OcspCallback = (
  error?: Error | null,
  response?: NodeJS.ArrayBufferView | null,
) => void;

/** `emit`: to whoever listens. */
export function askOcsp(
  socket: DTLSSocket,
  question: OcspQuestion,
  emit: (certificate: Buffer, issuer: Buffer | null, callback: OcspCallback) => void,
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

function checkResponse(given: unknown): Buffer {
  const response = bytes('the OCSP response', given);
  if (response.length === 0 || response.length > MAX_RESPONSE) {
    throw usageError(
      'ERR_OUT_OF_RANGE',
      `the OCSP response has ${String(response.length)} bytes; it needs 1 to ${String(MAX_RESPONSE)}`,
    );
  }
  return response;
}
