/** How a session ended, in the words of errors.def, which the addon has: the error that its user gets. */
import type { Peer } from '../base/peer';
import { wordsOf } from '../errors/as-error';
import { DTLSError, type DTLSErrorCategory, type DTLSErrorDetails } from '../errors/dtls-error';
import { headline, CERTIFICATE_WITHHELD } from '../errors/errors';
import { alertName, verifyErrorName } from '../errors/names';
import { printable } from '../errors/printable';
import type { CloseRecord } from './close-record';
import { native } from './native';

const VERIFY_HINTS: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED:
    "Renew the peer's certificate; if its dates are right, check the clock of this machine.",
  CERT_NOT_YET_VALID:
    "Check the clock of this machine, and the 'not before' date of the peer's certificate.",
  DEPTH_ZERO_SELF_SIGNED_CERT:
    "The peer's certificate is self-signed, and is none of those in 'ca', where one of the same name is not enough: pass this very one as 'ca' when it is the one you expect.",
  SELF_SIGNED_CERT_IN_CHAIN:
    "The chain ends at an authority that is not trusted here: pass that authority as 'ca' when you trust it.",
  UNABLE_TO_GET_ISSUER_CERT:
    "The chain is incomplete: pass its authority as 'ca', or have the peer send its intermediates.",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    "No trusted authority issued this certificate: pass the right one as 'ca', or have the peer send its intermediates.",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    "No trusted authority issued this certificate: pass the right one as 'ca', or have the peer send its intermediates.",
  CERT_REVOKED: "The peer's certificate was revoked by its authority: the peer needs a new one.",
  INVALID_PURPOSE:
    "The peer's certificate is not meant for this role: look at its extended key usage.",
  EE_KEY_TOO_SMALL:
    "The key is too small for the security level: issue a larger one, or lower it with '@SECLEVEL=…' in 'ciphers'.",
  CA_MD_TOO_WEAK:
    'The chain is signed with a digest below the security level: issue it anew with SHA-256.',
};

const ALERT_HINTS: Readonly<Record<string, string>> = {
  close_notify: 'The peer gave up before the handshake was over: its own log says why.',
  handshake_failure:
    "The peer found no acceptable parameters: compare versions, cipher suites (those of DTLS 1.0 and 1.2 differ), groups, signature algorithms, and whether it wants a client certificate or a pre-shared key; the peer's own log says more.",
  protocol_version:
    "The peer does not speak the versions offered here: compare 'minVersion' and 'maxVersion'.",
  insufficient_security:
    'The peer wants stronger parameters than were offered: compare the cipher lists.',
  unknown_ca:
    "The peer does not trust the authority of this side's certificate: give the peer that authority, or send the intermediates in 'cert'.",
  bad_certificate:
    "The peer refused what this side showed. If that was a certificate, check that its names cover the host the peer connected to, and that the chain in 'cert' is whole; where the peer expects a fingerprint or a raw public key, that it is that of this side.",
  certificate_expired: "This side's certificate has expired, or the peer's clock is wrong.",
  certificate_revoked: "This side's certificate was revoked: get a new one.",
  certificate_unknown: "The peer could not accept this side's certificate: its own log says why.",
  unsupported_certificate:
    "The peer cannot use this side's certificate: check its key type and extended key usage.",
  unknown_psk_identity:
    'The server has no key for the identity that was sent: check its spelling and that it is registered.',
  decrypt_error:
    'The peer could not verify a signature or Finished message: with a pre-shared key, the keys differ.',
  bad_record_mac:
    'The peer could not decrypt a record: with a pre-shared key, the keys differ most likely.',
  certificate_required: "The server asks for a client certificate: pass 'cert' and 'key'.",
  unrecognized_name: "The server has no certificate for the name sent: check 'servername'.",
  no_application_protocol:
    'The peer wants an application protocol (ALPN) that was not offered.',
  access_denied: 'The peer knows who this is and does not allow it.',
  internal_error: 'The peer failed for a reason of its own: its log says which.',
};

/** Codes that say whose answer was no use. */
const CALLBACKS: Readonly<Record<string, string>> = {
  ERR_DTLS_SNI_CALLBACK: 'SNICallback',
  ERR_DTLS_ALPN_CALLBACK: 'ALPNCallback',
  ERR_DTLS_PSK_REQUIRED: 'pskCallback',
  ERR_DTLS_OCSP_CALLBACK: "a listener of 'OCSPRequest'",
  ERR_DTLS_OCSP_RESPONSE: "a listener of 'OCSPResponse'",
};

/** The numbers in errors.def for which a close needs more than its row. */
const kindOf = (code: string): number => {
  const kind = native.failures.findIndex((row) => row.code === code);
  if (kind < 0) throw new Error(`errors.def has no ${code}`);
  return kind;
};

const CERTIFICATE_REJECTED = kindOf('ERR_DTLS_CERTIFICATE');

const ALERT_RECEIVED = kindOf('ERR_DTLS_ALERT');

/** The error for a session that ended badly. `cause`: what a callback of the user's threw or returned. */
export function errorFromClose(
  record: CloseRecord,
  peer: Peer | undefined,
  cause: Error | undefined,
): DTLSError {
  const row = native.failures[record.kind];
  if (row === undefined) throw new RangeError(`no failure kind ${String(record.kind)}`);
  const alert = record.alert === undefined ? undefined : alertName(record.alert);
  const details: DTLSErrorDetails = {
    code: row.code,
    category: row.category as DTLSErrorCategory,
    hint: row.hint,
    reason: record.reason,
    library: record.library,
    openssl: record.openssl,
    alert,
    peer,
    cause,
  };
  let message = headline(row.code);
  const callback = CALLBACKS[row.code];
  if (record.kind === CERTIFICATE_REJECTED) {
    details.code = verifyErrorName(record.verifyResult);
    details.hint = VERIFY_HINTS[details.code] ?? `OpenSSL says: ${record.reason}.`;
    message = `the peer's certificate was refused: ${record.reason}`;
  } else if (record.kind === ALERT_RECEIVED && alert !== undefined) {
    details.code = `ERR_DTLS_ALERT_${alert.toUpperCase()}`;
    details.hint = ALERT_HINTS[alert] ?? "The peer ended the session: its own log says why.";
    message =
      alert === 'close_notify'
        ? 'the peer closed in mid-handshake'
        : `the peer sent the fatal alert ${alert}`;
  } else if (callback !== undefined && cause !== undefined) {
    message = `${callback} failed: ${printable(wordsOf(cause).message)}`;
  } else if (record.reason !== '' && record.reason !== message) {
    message += ` (${record.reason})`;
  }
  if (record.certificateWithheld) details.hint = CERTIFICATE_WITHHELD;
  if (record.detail !== '') message += `: ${record.detail}`;
  return new DTLSError(message, details);
}
