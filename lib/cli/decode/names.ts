/** IANA's names for what hellos and records hold. */
import { ContentType, Version } from '../../base/protocol';
import { hex } from './reader';

type Names = Readonly<Record<number, string>>;

const CONTENT_TYPES: Names = {
  [ContentType.ChangeCipherSpec]: 'change_cipher_spec',
  [ContentType.Alert]: 'alert',
  [ContentType.Handshake]: 'handshake',
  [ContentType.ApplicationData]: 'application_data',
  [ContentType.Heartbeat]: 'heartbeat',
  25: 'tls12_cid',
  [ContentType.Ack]: 'ACK',
};

/** The extensions that this program reads or asks for; IANA has their numbers. */
export const ExtensionType = {
  ServerName: 0,
  MaxFragmentLength: 1,
  SupportedGroups: 10,
  EcPointFormats: 11,
  SignatureAlgorithms: 13,
  UseSrtp: 14,
  Heartbeat: 15,
  Alpn: 16,
  EncryptThenMac: 22,
  ExtendedMasterSecret: 23,
  RecordSizeLimit: 28,
  SessionTicket: 35,
  SupportedVersions: 43,
  KeyShare: 51,
  ConnectionId: 54,
  RenegotiationInfo: 0xff01,
} as const;

export const EXTENSIONS: Names = {
  [ExtensionType.ServerName]: 'server_name',
  [ExtensionType.MaxFragmentLength]: 'max_fragment_length',
  2: 'client_certificate_url',
  3: 'trusted_ca_keys',
  4: 'truncated_hmac',
  5: 'status_request',
  8: 'cert_type',
  9: 'user_mapping',
  [ExtensionType.SupportedGroups]: 'supported_groups',
  [ExtensionType.EcPointFormats]: 'ec_point_formats',
  12: 'srp',
  [ExtensionType.SignatureAlgorithms]: 'signature_algorithms',
  [ExtensionType.UseSrtp]: 'use_srtp',
  [ExtensionType.Heartbeat]: 'heartbeat',
  [ExtensionType.Alpn]: 'application_layer_protocol_negotiation',
  17: 'status_request_v2',
  18: 'signed_certificate_timestamp',
  19: 'client_certificate_type',
  20: 'server_certificate_type',
  21: 'padding',
  [ExtensionType.EncryptThenMac]: 'encrypt_then_mac',
  [ExtensionType.ExtendedMasterSecret]: 'extended_master_secret',
  24: 'token_binding',
  25: 'cached_info',
  27: 'compress_certificate',
  [ExtensionType.RecordSizeLimit]: 'record_size_limit',
  34: 'delegated_credential',
  [ExtensionType.SessionTicket]: 'session_ticket',
  41: 'pre_shared_key',
  42: 'early_data',
  [ExtensionType.SupportedVersions]: 'supported_versions',
  44: 'cookie',
  45: 'psk_key_exchange_modes',
  47: 'certificate_authorities',
  48: 'oid_filters',
  49: 'post_handshake_auth',
  50: 'signature_algorithms_cert',
  [ExtensionType.KeyShare]: 'key_share',
  53: 'connection_id (deprecated)',
  [ExtensionType.ConnectionId]: 'connection_id',
  57: 'quic_transport_parameters',
  61: 'ext_sc',
  0xfe0d: 'encrypted_client_hello',
  [ExtensionType.RenegotiationInfo]: 'renegotiation_info',
};

export const GROUPS: Names = {
  14: 'sect571r1',
  19: 'secp192r1',
  21: 'secp224r1',
  22: 'secp256k1',
  23: 'secp256r1',
  24: 'secp384r1',
  25: 'secp521r1',
  26: 'brainpoolP256r1',
  27: 'brainpoolP384r1',
  28: 'brainpoolP512r1',
  29: 'x25519',
  30: 'x448',
  256: 'ffdhe2048',
  257: 'ffdhe3072',
  258: 'ffdhe4096',
  259: 'ffdhe6144',
  260: 'ffdhe8192',
  4587: 'SecP256r1MLKEM768',
  4588: 'X25519MLKEM768',
};

const SIGNATURES: Names = {
  0x0101: 'rsa_pkcs1_md5',
  0x0201: 'rsa_pkcs1_sha1',
  0x0202: 'dsa_sha1',
  0x0203: 'ecdsa_sha1',
  0x0301: 'rsa_pkcs1_sha224',
  0x0302: 'dsa_sha224',
  0x0303: 'ecdsa_sha224',
  0x0401: 'rsa_pkcs1_sha256',
  0x0402: 'dsa_sha256',
  0x0403: 'ecdsa_secp256r1_sha256',
  0x0501: 'rsa_pkcs1_sha384',
  0x0502: 'dsa_sha384',
  0x0503: 'ecdsa_secp384r1_sha384',
  0x0601: 'rsa_pkcs1_sha512',
  0x0602: 'dsa_sha512',
  0x0603: 'ecdsa_secp521r1_sha512',
  0x0804: 'rsa_pss_rsae_sha256',
  0x0805: 'rsa_pss_rsae_sha384',
  0x0806: 'rsa_pss_rsae_sha512',
  0x0807: 'ed25519',
  0x0808: 'ed448',
  0x0809: 'rsa_pss_pss_sha256',
  0x080a: 'rsa_pss_pss_sha384',
  0x080b: 'rsa_pss_pss_sha512',
};

const SRTP_PROFILES: Names = {
  1: 'SRTP_AES128_CM_SHA1_80',
  2: 'SRTP_AES128_CM_SHA1_32',
  5: 'SRTP_NULL_SHA1_80',
  6: 'SRTP_NULL_SHA1_32',
  7: 'SRTP_AEAD_AES_128_GCM',
  8: 'SRTP_AEAD_AES_256_GCM',
};

const VERSIONS: Names = {
  0x0100: 'DTLS 0.9',
  [Version.Dtls1]: 'DTLS 1.0',
  [Version.Dtls12]: 'DTLS 1.2',
  [Version.Dtls13]: 'DTLS 1.3',
};

export const contentTypeName = (type: number): string => CONTENT_TYPES[type] ?? `unknown (${String(type)})`;
/** RFC 8701: values that mean nothing, so that servers do not trip over what they do not know. */
const isGrease = (value: number): boolean => (value & 0x0f0f) === 0x0a0a && value >> 8 === (value & 0xff);
const named = (names: Names, value: number): string => names[value] ?? (isGrease(value) ? 'GREASE' : hex(value));
export const extensionName = (type: number): string => named(EXTENSIONS, type);
export const groupName = (group: number): string => named(GROUPS, group);
export const signatureName = (algorithm: number): string => named(SIGNATURES, algorithm);
export const srtpName = (profile: number): string => named(SRTP_PROFILES, profile);
export const versionName = (version: number): string => named(VERSIONS, version);
