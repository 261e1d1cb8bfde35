/** What a handshake has come to, as the SECURE record says it. */
import { fieldOf, isSet, RecordField } from '../core/record-fields';
import { wordsOf } from '../errors/as-error';
import { protocolName, verifyErrorName } from '../errors/names';
import { MAX_MESSAGE } from '../options/types';

export interface HandshakeResult {
  readonly protocol: string;
  /** The protocol that was agreed on; false where none was. */
  readonly alpnProtocol: string | false;
  /** The peer showed a certificate. */
  readonly peerCertificate: boolean;
  readonly verifyResult: number;
  /** The peer proved who it is, by a certificate that verified, or by a pre-shared key. */
  readonly authorized: boolean;
  readonly encryptThenMac: boolean;
  readonly extendedMasterSecret: boolean;
  readonly reused: boolean;
  /** Bytes of a record, by max_fragment_length (RFC 6066 section 4) or by DTLS itself. */
  readonly maxFragment: number;
}

/** A server's sessions come to few results, which they share. Peers have a say in them: there may not be more than so many. */
const MOST_SHARED = 64;
const shared = new Map<string, HandshakeResult>();

export function readHandshakeResult(
  what: number,
  verifyResult: number,
  alpnProtocol: Buffer,
): HandshakeResult {
  const key = `${String(what)} ${String(verifyResult)} ${alpnProtocol.toString('latin1')}`;
  let result = shared.get(key);
  if (result === undefined) {
    if (shared.size >= MOST_SHARED) shared.clear();
    shared.set(key, (result = read(what, verifyResult, alpnProtocol)));
  }
  return result;
}

function read(what: number, verifyResult: number, alpnProtocol: Buffer): HandshakeResult {
  const peerCertificate = isSet(what, RecordField.SecurePeerCertificate);
  const maxFragmentCode = fieldOf(what, RecordField.SecureMaxFragment);
  return {
    protocol: protocolName(fieldOf(what, RecordField.SecureVersion)),
    alpnProtocol: alpnProtocol.length === 0 ? false : alpnProtocol.toString('latin1'),
    peerCertificate,
    verifyResult,
    authorized: isSet(what, RecordField.SecurePsk) || (peerCertificate && verifyResult === 0),
    encryptThenMac: isSet(what, RecordField.SecureEncryptThenMac),
    extendedMasterSecret: isSet(what, RecordField.SecureExtendedMasterSecret),
    reused: isSet(what, RecordField.SecureReused),
    maxFragment: maxFragmentCode === 0 ? MAX_MESSAGE : 256 << maxFragmentCode,
  };
}

/** Why a peer that was asked for a certificate is not authorized. `cause`: what refused its name. */
export function authorizationError(result: HandshakeResult, cause: Error | undefined): string | null {
  if (result.authorized) return null;
  // The reason is, as in tls, the code of whoever refused, or else what it said.
  if (cause !== undefined) {
    const { code, message } = wordsOf(cause);
    return code ?? message;
  }
  return result.peerCertificate ? verifyErrorName(result.verifyResult) : 'UNABLE_TO_GET_ISSUER_CERT';
}
