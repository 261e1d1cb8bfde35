/** Questions that a handshake waits for: pre-shared keys, and whether a certificate names the host. */
import type { PeerCertificate } from 'node:tls';
import { types } from 'node:util';

import type { DTLSSocket } from '../base/dtls-socket';
import { late } from '../base/late';
import type { NonSharedBuffer } from '../base/non-shared-buffer';
import { isThenable } from '../base/thenable';
import { asError, isA } from '../errors/as-error';
import { usageError } from '../errors/errors';
import { MAX_PSK, MAX_PSK_IDENTITY, NO_KEY, type ClientPskCallback, type ServerPskCallback } from '../options/types';
import type { ResolvedConnect } from '../options/connect';
import { bytes, wrongType } from '../checks/validate';

/** How a socket takes the answers. */
export interface Answers {
  /**
   * Gives the key; undefined: nobody has that identity, or this side has none. Null: that cannot be said, and no
   * certificate is to stand in for the key. A server passes no identity.
   */
  psk(identity: Buffer | undefined, key: Buffer | undefined | null): void;
  identity(accepted: boolean): void;
  /** A server has no key for this identity; `cause`: what a callback threw, or gave in place of one. */
  unknown(identity: string | Buffer, cause?: Error): void;
  /** What a callback of the user's threw or returned: the cause of the failure to come. */
  because(cause: Error): void;
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** A string, or the bytes when they are not UTF-8. */
export function readableIdentity(identity: NonSharedBuffer): string | NonSharedBuffer {
  try {
    return utf8.decode(identity);
  } catch {
    return identity;
  }
}

export function askServerPsk(
  callback: ServerPskCallback | undefined,
  socket: DTLSSocket,
  identity: NonSharedBuffer,
  answers: Answers,
): void {
  const readable = readableIdentity(identity);
  settle(
    () => callback?.(socket, readable),
    (key) => {
      const checked =
        key === null || key === undefined
          ? undefined
          : sized('the key from pskCallback', key, MAX_PSK);
      if (checked === undefined) answers.unknown(readable);
      answers.psk(undefined, checked);
      wipeIfOurs(key, checked);
    },
    (cause) => {
      answers.unknown(readable, cause);
      answers.psk(undefined, null);
    },
  );
}

export function askClientPsk(
  callback: ClientPskCallback | undefined,
  hint: Buffer,
  answers: Answers,
): void {
  settle(
    () => callback?.(hint.length === 0 ? null : hint.toString()),
    (answer) => {
      if (answer === null || answer === undefined) {
        answers.psk(undefined, undefined);
        return;
      }
      if (typeof answer !== 'object') {
        throw wrongType('the answer of pskCallback', 'an object { identity, psk }', answer, "A client's has both the name of its key and the key; a server's, which is asked for one, is the key alone.");
      }
      const key = sized('psk', answer.psk, MAX_PSK);
      const identity = sized('identity', answer.identity, MAX_PSK_IDENTITY, 0);
      if (identity.includes(0)) {
        throw usageError(
          'ERR_DTLS_PSK_IDENTITY_INVALID',
          'a PSK identity with a NUL byte cannot be sent: OpenSSL would cut it',
          'Use another identity.',
        );
      }
      answers.psk(identity, key);
      wipeIfOurs(answer.psk, key);
    },
    (cause) => {
      answers.because(cause);
      answers.psk(undefined, null);
    },
  );
}

/**
 * A host name on which OpenSSL and tls cannot disagree. Not one that ends in a number: that is an address in other
 * words to inet_aton, OpenSSL and newer Nodes, not always the same one. Nor one with an A-label, which is converted.
 */
const PLAIN_NAME = /^(?!.*xn--)(?:[a-z0-9-]+\.)*[a-z][a-z0-9-]*$/i;

/**
 * `namesHost`: OpenSSL finds that host in the certificate. It is asked first because the copy of the
 * certificate that tls wants to look at costs a fifth of a handshake; only its yes counts.
 */
export function askPeerIdentity(
  options: ResolvedConnect,
  namesHost: (host: string, isAddress: boolean) => boolean,
  certificate: () => PeerCertificate,
  answers: Answers,
): void {
  const { checkServerIdentity } = options;
  const host = options.verifiedName;
  const isAddress = late.net.isIP(host) !== 0;
  if (checkServerIdentity === undefined && (isAddress || PLAIN_NAME.test(host)) && namesHost(host, isAddress)) {
    answers.identity(true);
    return;
  }
  const refusal = identityRefusal(checkServerIdentity, host, certificate);
  if (refusal !== undefined) answers.because(refusal);
  answers.identity(refusal === undefined);
}

/** Why a certificate is not for that host; undefined where it is. What the check throws is a refusal. */
export function identityRefusal(
  check: ResolvedConnect['checkServerIdentity'],
  host: string,
  certificate: () => PeerCertificate,
): Error | undefined {
  try {
    const answer: unknown = (check ?? late.tls.checkServerIdentity)(host, certificate());
    // It would come too late; what it rejects with is not to end the process.
    if (types.isPromise(answer)) answer.catch(() => undefined);
    return asRefusal('the answer of checkServerIdentity', 'an Error or undefined, at once', answer);
  } catch (error) {
    return asError(error);
  }
}

/** Makes an Error of an answer that refuses. Nothing accepts, as in tls. What is neither nothing nor an Error refuses, too: it may mean anything. */
export function asRefusal(name: string, expected: string, answer: unknown, hint?: string): Error | undefined {
  if (answer === undefined || answer === null) return undefined;
  return isA(answer, Error) ? answer : wrongType(name, expected, answer, hint);
}

/** Asks now; answers now, or when the Promise settles. What either throws goes to `failed`. */
export function settle<T>(
  ask: () => T | PromiseLike<T>,
  answer: (value: T) => void,
  failed: (cause: Error) => void,
): void {
  const answered = (value: T): void => {
    try {
      answer(value);
    } catch (error) {
      failed(asError(error));
    }
  };
  try {
    const given = ask();
    if (isThenable(given)) {
      Promise.resolve(given).then(answered, (error: unknown) => {
        failed(asError(error));
      });
    } else answered(given);
  } catch (error) {
    failed(asError(error));
  }
}

/**
 * Does what `settle` does, for a question that can also be answered by calling `done`. `counts`: whether a returned
 * value, or that of a Promise, is an answer. `again`: a second answer came, or an error after the first.
 */
export function settleOrCallBack<T>(
  ask: (done: (error?: Error | null, value?: T) => void) => unknown,
  counts: (returned: unknown) => boolean,
  answer: (value: T | undefined) => void,
  failed: (cause: Error) => void,
  again: (cause: Error | undefined) => void,
): void {
  let answered = false;
  const done = (error?: Error | null, value?: T): void => {
    const cause = error === null || error === undefined ? undefined : asError(error);
    if (answered) {
      again(cause);
      return;
    }
    answered = true;
    if (cause !== undefined) {
      failed(cause);
      return;
    }
    try {
      answer(value);
    } catch (thrown) {
      failed(asError(thrown));
    }
  };
  settle<unknown>(
    () => ask(done),
    (returned) => {
      if (counts(returned)) done(null, returned as T);
    },
    done,
  );
}

/** Bytes that were made of a string. */
function wipeIfOurs(given: unknown, key: Buffer | undefined): void {
  if (typeof given === 'string') key?.fill(0);
}

function sized(name: string, value: unknown, max: number, min = 1): Buffer {
  const checked = bytes(name, value);
  if (checked.length < min || checked.length > max) {
    throw usageError(
      'ERR_OUT_OF_RANGE',
      `${name} has ${String(checked.length)} bytes; it needs ${String(min)} to ${String(max)}`,
      checked.length === 0 ? NO_KEY : undefined,
    );
  }
  return checked;
}
