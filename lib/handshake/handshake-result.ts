/** What a handshake has come to, as the SECURE record says it. */
import { wordsOf } from '../errors/as-error';
import { protocolName, verifyErrorName } from '../errors/names';
import { MAX_MESSAGE } from '../options/types';

export interface HandshakeResult {
  readonly protocol: string;
  /** False: none was agreed on. */
  readonly alpnProtocol: string | false;
  /** The peer showed one. */
  readonly peerCertificate: boolean;
  readonly verifyResult: number;
  /** By a certificate that verified, or by a pre-shared key. */
  readonly authorized: boolean;
  readonly encryptThenMac: boolean;
  readonly extendedMasterSecret: boolean;
  readonly reused: boolean;
  /** Bytes of a record, by max_fragment_length (RFC 6066 section 4) or by DTLS itself. */
  readonly maxFragment: number;
}

// As kSecure… in src-native/core/outbox/outbox.h; the version is in the low 16 bits.
const PEER_CERTIFICATE = 1 << 16;
const PSK = 1 << 17;
const REUSED = 1 << 18;
const ENCRYPT_THEN_MAC = 1 << 20;
const EXTENDED_MASTER_SECRET = 1 << 21;
const MAX_FRAGMENT_SHIFT = 24;

export function readHandshakeResult(
  what: number,
  verifyResult: number,
  alpnProtocol: Buffer,
): HandshakeResult {
  const peerCertificate = (what & PEER_CERTIFICATE) !== 0;
  const maxFragmentCode = (what >>> MAX_FRAGMENT_SHIFT) & 7;
  return {
    protocol: protocolName(what & 0xffff),
    alpnProtocol: alpnProtocol.length === 0 ? false : alpnProtocol.toString('latin1'),
    peerCertificate,
    verifyResult,
    authorized: (what & PSK) !== 0 || (peerCertificate && verifyResult === 0),
    encryptThenMac: (what & ENCRYPT_THEN_MAC) !== 0,
    extendedMasterSecret: (what & EXTENDED_MASTER_SECRET) !== 0,
    reused: (what & REUSED) !== 0,
    maxFragment: maxFragmentCode === 0 ? MAX_MESSAGE : 256 << maxFragmentCode,
  };
}

/** Why a peer that was asked for a certificate is not authorized. `cause`: what refused its name. */
export function authorizationError(result: HandshakeResult, cause: Error | undefined): string | null {
  if (result.authorized) return null;
  // As in tls: the code of whoever refused, or else what it said.
  if (cause !== undefined) {
    const { code, message } = wordsOf(cause);
    return code ?? message;
  }
  return result.peerCertificate ? verifyErrorName(result.verifyResult) : 'UNABLE_TO_GET_ISSUER_CERT';
}
