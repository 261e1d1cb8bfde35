/** Errors that a socket itself has to tell. */
import type { Peer } from '../base/peer';
import type { CloseRecord } from '../core/close-record';
import { errorFromClose } from '../core/failures';
import { KeyUpdateOutcome } from '../core/outcomes';
import { asError, wordsOf } from '../errors/as-error';
import { DTLSError, isReadable, usageError } from '../errors/errors';
import { printable } from '../errors/printable';

export function notOpen(what: string, hint = "Wait for 'secureConnect' before, and look for 'close' after."): DTLSError {
  return new DTLSError(`cannot ${what}: the session is not open`, {
    code: 'ERR_DTLS_NOT_OPEN',
    category: 'closed',
    hint,
  });
}

/** Why `updateKeys` cannot do it. */
export const notUpdated = (outcome: KeyUpdateOutcome, protocol: string | null): DTLSError =>
  outcome === KeyUpdateOutcome.NotDtls13
    ? usageError(
        'ERR_DTLS_KEY_UPDATE',
        `cannot update keys: the session is of ${protocol ?? 'an older version'}`,
        "Only DTLS 1.3 can: give both sides maxVersion: 'DTLSv1.3', or begin a new session for new keys.",
      )
    : usageError(
        'ERR_DTLS_KEY_UPDATE',
        'cannot update keys: this session has no more of them, or too many messages wait to be acknowledged',
        'Begin a new session.',
      );

export const illegalConstructor = (): DTLSError =>
  usageError(
    'ERR_ILLEGAL_CONSTRUCTOR',
    'new DTLSSocket() makes nothing: there is no session in it',
    'A client is made by connect(options), and a server makes the sockets of its clients.',
  );

export const queueFull = (peer: Peer | undefined): DTLSError =>
  new DTLSError('too many messages wait for the handshake', {
    code: 'ERR_DTLS_QUEUE_FULL',
    category: 'usage',
    hint: "Wait for 'secureConnect', or for 'drain' when send() returns false.",
    peer,
  });

export const aborted = (signal: AbortSignal): DTLSError =>
  new DTLSError('the operation was aborted', {
    code: 'ABORT_ERR',
    category: 'closed',
    hint: "Whoever has the 'signal' ended it: 'cause' is the reason that was given.",
    cause: signal.reason,
  });

/** What somebody destroyed a session with. */
export function asDtlsError(thrown: unknown, peer: Peer | undefined): DTLSError {
  const error = asError(thrown);
  if (isReadable(error)) return error;
  const { message, code = 'ERR_DTLS_DESTROYED' } = wordsOf(error);
  return new DTLSError(message, { code, category: 'closed', peer, cause: error });
}

const KEY_ALONE =
  "The server took none of the pre-shared key suites, and others were not offered: this client has a key, and nothing to judge a certificate by. Give the server the key ('psk' or 'pskCallback'), or this client 'ca' for a server that has a certificate only; compare 'ciphers', and versions (DTLS 1.0 has other suites), too.";

const ADDRESS_IS_NONE =
  "The certificate is valid, and is for no address: connect to a name that it has, or pass that as 'servername', or issue one with this address among its alternative names ('altNames' of generateCertificate).";

/** Codes of node:tls, and of OpenSSL as `dgram-dtls/node-dtls` has them, for a certificate of another host. */
const OTHER_NAMES = ['ERR_TLS_CERT_ALTNAME_INVALID', 'HOSTNAME_MISMATCH', 'IP_ADDRESS_MISMATCH'];

/** What to do about a name that was refused; tls ends its message with the names, or addresses, that there are. */
function nameHint(code: string, message: string): string {
  if (!OTHER_NAMES.includes(code)) {
    return "'checkServerIdentity' refused the server for a reason of its own: see 'cause'; it accepts by returning undefined.";
  }
  if (message.endsWith("is not in the cert's list: ")) return ADDRESS_IS_NONE;
  return message.endsWith(': ')
    ? "The certificate is valid, and has no name that a server goes by: issue one with the host among its alternative names ('altNames' of generateCertificate)."
    : "The certificate is valid, but for other names: connect to one of them, or pass it as 'servername'.";
}

/** Alerts of a peer that does not want what this side has shown. */
const REFUSALS = ['bad_certificate', 'unsupported_certificate', 'certificate_unknown', 'unknown_ca'].map(
  (alert) => `ERR_DTLS_ALERT_${alert.toUpperCase()}`,
);

const OTHER_KEY_EXPECTED =
  "The peer refused the public key that this side showed: it expects another one, or a certificate. Compare its 'peerPublicKeys' with the public half of 'key' here.";

/** What is known of a handshake beside what its end says. */
export interface CloseFacts {
  /** What a callback of the user's threw or returned. */
  readonly cause: Error | undefined;
  readonly offersKeyAlone: boolean;
  /** In words, the identity whose key a client has offered. */
  readonly offeredIdentity: string | undefined;
  /** In words, the identity for which a server has no key. */
  readonly unknownIdentity: string | undefined;
  /** This side has a raw public key to show, and no certificate. */
  readonly showsKeyAlone: boolean;
}

/** What to do where more is known than the code says; undefined where nothing is. */
function betterHint({ code, category, hint = '' }: DTLSError, facts: CloseFacts): string | undefined {
  const { offersKeyAlone, offeredIdentity, unknownIdentity, showsKeyAlone } = facts;
  if (REFUSALS.includes(code) && showsKeyAlone) return OTHER_KEY_EXPECTED;
  // In DTLS 1.3 a side that does not have, or take, the key goes on with certificates.
  if (REFUSALS.includes(code) && unknownIdentity !== undefined) {
    return `The client offered a pre-shared key of the identity ${unknownIdentity}, for which there is none here, and did not take a certificate in its place: check how the client spells it, and whether it is registered. If the certificate is to do: ${hint}`;
  }
  if (category === 'certificate' && offeredIdentity !== undefined) {
    return `The server did not take the pre-shared key of the identity ${offeredIdentity}, which this client offered, and showed a certificate: check its spelling, and that the server has the key. If the certificate is to do: ${hint}`;
  }
  if (code !== 'ERR_DTLS_ALERT_HANDSHAKE_FAILURE') return undefined;
  const alone = offersKeyAlone ? KEY_ALONE : undefined;
  if (offeredIdentity === undefined) return alone;
  return `If the pre-shared key was to do: the server did not take that of the identity ${offeredIdentity}, so check its spelling, and that the server has the key. ${alone ?? hint}`;
}

type Details = Partial<ConstructorParameters<typeof DTLSError>[1]>;

/** The same error in other words. */
function reworded(error: DTLSError, words: Details & { readonly message?: string }): DTLSError {
  const { code, category, hint, reason, library, openssl, alert, peer, cause } = error;
  const { message = error.message, ...changed } = words;
  return new DTLSError(message, { code, category, hint, reason, library, openssl, alert, peer, cause, ...changed });
}

/** What a CLOSE record says, and in its words what checkServerIdentity said. */
function describedClose(record: CloseRecord, peer: Peer | undefined, cause: Error | undefined): DTLSError {
  const close = errorFromClose(record, peer, cause);
  if (close.code !== 'ERR_DTLS_PEER_IDENTITY' || cause === undefined) return close;
  const { message, code = close.code } = wordsOf(cause);
  // What checkServerIdentity says is more than that it said no. Its reasons need not be names, which may be any text.
  return reworded(close, { message: printable(message), code, category: 'certificate', hint: nameHint(code, message) });
}

/** The error of a session that ended badly. */
export function closeError(record: CloseRecord, peer: Peer | undefined, facts: CloseFacts): DTLSError {
  const { cause, unknownIdentity } = facts;
  const close = describedClose(record, peer, cause);
  const hint = betterHint(close, facts);
  if (hint !== undefined) return reworded(close, { hint });
  if (unknownIdentity !== undefined && close.code === 'ERR_DTLS_PSK_IDENTITY_UNKNOWN') {
    const what =
      cause === undefined
        ? `no key for the PSK identity ${unknownIdentity}`
        : `pskCallback failed for the PSK identity ${unknownIdentity}: ${printable(wordsOf(cause).message)}`;
    return reworded(close, { message: what });
  }
  return close;
}

/** The error of a client whose host answers, but by no DTLS. */
export const notDtls = ({ code, category, peer }: DTLSError): DTLSError =>
  new DTLSError('no response: what came back is no answer of a DTLS server', {
    code,
    category,
    hint: 'Something answers on that port, and not in DTLS: check the port, and that the server speaks DTLS there, not plain UDP, QUIC or DTLS 1.3 alone.',
    peer,
  });
