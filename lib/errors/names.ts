/** Numbers of the protocol and their names, as the RFCs and OpenSSL spell them. */
import { CHANGE_CIPHER_SPEC_MESSAGE, HandshakeType, Version } from '../base/protocol';

/** RFC 5246 section 7.4, RFC 6347 section 4.3.2, RFC 9147 section 5.2, and the ChangeCipherSpec between them. */
const HANDSHAKE_MESSAGES: Readonly<Record<number, string>> = {
  [HandshakeType.HelloRequest]: 'hello_request',
  [HandshakeType.ClientHello]: 'client_hello',
  [HandshakeType.ServerHello]: 'server_hello',
  [HandshakeType.HelloVerifyRequest]: 'hello_verify_request',
  [HandshakeType.NewSessionTicket]: 'new_session_ticket',
  [HandshakeType.EndOfEarlyData]: 'end_of_early_data',
  [HandshakeType.EncryptedExtensions]: 'encrypted_extensions',
  [HandshakeType.RequestConnectionId]: 'request_connection_id',
  [HandshakeType.NewConnectionId]: 'new_connection_id',
  [HandshakeType.Certificate]: 'certificate',
  [HandshakeType.ServerKeyExchange]: 'server_key_exchange',
  [HandshakeType.CertificateRequest]: 'certificate_request',
  [HandshakeType.ServerHelloDone]: 'server_hello_done',
  [HandshakeType.CertificateVerify]: 'certificate_verify',
  [HandshakeType.ClientKeyExchange]: 'client_key_exchange',
  [HandshakeType.Finished]: 'finished',
  [HandshakeType.CertificateStatus]: 'certificate_status',
  [HandshakeType.KeyUpdate]: 'key_update',
  [HandshakeType.CompressedCertificate]: 'compressed_certificate',
  [CHANGE_CIPHER_SPEC_MESSAGE]: 'change_cipher_spec',
  // A message that OpenSSL does not send: a peer may.
  21: 'certificate_url',
};

/** IANA's TLS alert registry. */
const ALERTS: Readonly<Record<number, string>> = {
  0: 'close_notify',
  10: 'unexpected_message',
  20: 'bad_record_mac',
  21: 'decryption_failed',
  22: 'record_overflow',
  30: 'decompression_failure',
  40: 'handshake_failure',
  41: 'no_certificate',
  42: 'bad_certificate',
  43: 'unsupported_certificate',
  44: 'certificate_revoked',
  45: 'certificate_expired',
  46: 'certificate_unknown',
  47: 'illegal_parameter',
  48: 'unknown_ca',
  49: 'access_denied',
  50: 'decode_error',
  51: 'decrypt_error',
  60: 'export_restriction',
  70: 'protocol_version',
  71: 'insufficient_security',
  80: 'internal_error',
  86: 'inappropriate_fallback',
  90: 'user_canceled',
  100: 'no_renegotiation',
  109: 'missing_extension',
  110: 'unsupported_extension',
  111: 'certificate_unobtainable',
  112: 'unrecognized_name',
  113: 'bad_certificate_status_response',
  114: 'bad_certificate_hash_value',
  115: 'unknown_psk_identity',
  116: 'certificate_required',
  120: 'no_application_protocol',
};

/** X509_V_ERR_… of openssl/x509_vfy.h, without the prefix, as node:tls reports them. */
const VERIFY_ERRORS: Readonly<Record<number, string>> = {
  1: 'UNSPECIFIED',
  2: 'UNABLE_TO_GET_ISSUER_CERT',
  3: 'UNABLE_TO_GET_CRL',
  4: 'UNABLE_TO_DECRYPT_CERT_SIGNATURE',
  5: 'UNABLE_TO_DECRYPT_CRL_SIGNATURE',
  6: 'UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY',
  7: 'CERT_SIGNATURE_FAILURE',
  8: 'CRL_SIGNATURE_FAILURE',
  9: 'CERT_NOT_YET_VALID',
  10: 'CERT_HAS_EXPIRED',
  11: 'CRL_NOT_YET_VALID',
  12: 'CRL_HAS_EXPIRED',
  13: 'ERROR_IN_CERT_NOT_BEFORE_FIELD',
  14: 'ERROR_IN_CERT_NOT_AFTER_FIELD',
  15: 'ERROR_IN_CRL_LAST_UPDATE_FIELD',
  16: 'ERROR_IN_CRL_NEXT_UPDATE_FIELD',
  17: 'OUT_OF_MEM',
  18: 'DEPTH_ZERO_SELF_SIGNED_CERT',
  19: 'SELF_SIGNED_CERT_IN_CHAIN',
  20: 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  21: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  22: 'CERT_CHAIN_TOO_LONG',
  23: 'CERT_REVOKED',
  24: 'INVALID_CA',
  25: 'PATH_LENGTH_EXCEEDED',
  26: 'INVALID_PURPOSE',
  27: 'CERT_UNTRUSTED',
  28: 'CERT_REJECTED',
  62: 'HOSTNAME_MISMATCH',
  63: 'EMAIL_MISMATCH',
  64: 'IP_ADDRESS_MISMATCH',
  66: 'EE_KEY_TOO_SMALL',
  67: 'CA_KEY_TOO_SMALL',
  68: 'CA_MD_TOO_WEAK',
  79: 'INVALID_CA',
};

const PROTOCOLS: Readonly<Record<number, string>> = {
  [Version.Dtls1]: 'DTLSv1',
  [Version.Dtls12]: 'DTLSv1.2',
  [Version.Dtls13]: 'DTLSv1.3',
};

const numbered = (kind: string, value: number): string => `${kind}_${String(value)}`;

export const handshakeMessageName = (type: number): string =>
  HANDSHAKE_MESSAGES[type] ?? numbered('handshake', type);

export const alertName = (description: number): string =>
  ALERTS[description] ?? numbered('alert', description);

export const verifyErrorName = (result: number): string =>
  VERIFY_ERRORS[result] ?? numbered('X509_V_ERR', result);

export const protocolName = (version: number): string =>
  PROTOCOLS[version] ?? numbered('DTLS', version);
