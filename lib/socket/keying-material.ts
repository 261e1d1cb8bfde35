/** What `exportKeyingMaterial` derives, and why it does not. */
import type { NonSharedBuffer } from '../base/non-shared-buffer';
import type { CoreSession } from '../endpoint/core-session';
import { usageError } from '../errors/errors';

/** RFC 8446 section 7.1: a label's length is one byte, and "dtls13" stands in front of each. */
const MOST_LABEL_13 = 255 - 'dtls13'.length;

/** RFC 5869 section 2.3: HKDF gives 255 times as much as its hash. */
const mostBytes13 = (session: CoreSession): number =>
  255 * (session.cipher()?.standardName.endsWith('SHA384') === true ? 48 : 32);

/** TLS derives its own secrets by these (RFC 5705 section 4, RFC 7627 section 4). */
const RESERVED = ['client finished', 'server finished', 'master secret', 'extended master secret', 'key expansion'];

/** @throws For what DTLS 1.3 derives from no session, or from none with this suite. */
function checkFor13(session: CoreSession, length: number, label: string): void {
  const most = mostBytes13(session);
  if (length > most) {
    throw usageError(
      'ERR_OUT_OF_RANGE',
      `'length' must be between 1 and ${String(most)} in this session, not ${String(length)}`,
      "DTLS 1.3 exports at most 255 times the size of its suite's hash: 8160 bytes with SHA-256, 12240 with SHA-384. Ask again with another label or context for more.",
    );
  }
  const size = Buffer.byteLength(label);
  if (size > MOST_LABEL_13) {
    throw usageError(
      'ERR_OUT_OF_RANGE',
      `'label' must have at most ${String(MOST_LABEL_13)} bytes in this session, not ${String(size)}`,
      "DTLS 1.3 counts a label, with six bytes of its own, in one byte (RFC 8446 section 7.1): what is longer goes into 'context'.",
    );
  }
  if (label.includes('\0')) {
    throw usageError(
      'ERR_INVALID_ARG_VALUE',
      "'label' has a NUL byte",
      "A label of DTLS 1.3 is text, and would be cut there: other bytes go into 'context'.",
    );
  }
}

/** What OpenSSL has refused at DTLS 1.2 and before. */
function refusedAt12(label: string, size: number): Error {
  // Before 3.2 it has a buffer of 1024 bytes for label, context and the randoms of both sides.
  if (size > 900 && !RESERVED.some((own) => label.startsWith(own))) {
    return usageError(
      'ERR_INVALID_ARG_VALUE',
      `OpenSSL exports no keying material for ${String(size)} bytes of label and context`,
      "OpenSSL before 3.2 (Node 20) takes about 950 bytes of both: let 'context' be a hash of what it stands for, on both sides.",
    );
  }
  return usageError(
    'ERR_INVALID_ARG_VALUE',
    `OpenSSL exports no keying material for the label '${label}'`,
    `TLS's own labels are reserved (RFC 5705 section 4), and so is what begins with them: '${RESERVED.join("', '")}'. Choose another; those of your own begin with 'EXPERIMENTAL'.`,
  );
}

/** @throws For what this session cannot derive. */
export function exportKeys(
  session: CoreSession,
  protocol: string | undefined,
  [length, label, context]: readonly [length: number, label: string, context: Uint8Array | undefined],
): NonSharedBuffer {
  if (protocol === 'DTLSv1.3') checkFor13(session, length, label);
  const material = session.keyingMaterial(length, label, context);
  if (material === undefined) throw refusedAt12(label, Buffer.byteLength(label) + (context?.length ?? 0));
  return material;
}
