/**
 * The numbers of DTLS that more than one room reads. Those of src-native/core/wire/wire.h have the same names there;
 * test/unit/protocol.test.ts compares them.
 */

/** The versions as the wire has them: they count downwards. */
export const Version = { Dtls1: 0xfeff, Dtls12: 0xfefd, Dtls13: 0xfefc } as const;

/** The content types of records: RFC 5246 section 6.2.1, RFC 6520 for heartbeats, RFC 9147 section 4 for ACKs. */
export const ContentType = {
  ChangeCipherSpec: 20,
  Alert: 21,
  Handshake: 22,
  ApplicationData: 23,
  Heartbeat: 24,
  Ack: 26,
} as const;

/** The types of handshake messages: RFC 5246 section 7.4, RFC 8446 section 4, and the RFCs of what came later. */
export const HandshakeType = {
  HelloRequest: 0,
  ClientHello: 1,
  ServerHello: 2,
  HelloVerifyRequest: 3,
  NewSessionTicket: 4,
  EndOfEarlyData: 5,
  EncryptedExtensions: 8,
  RequestConnectionId: 9,
  NewConnectionId: 10,
  Certificate: 11,
  ServerKeyExchange: 12,
  CertificateRequest: 13,
  ServerHelloDone: 14,
  CertificateVerify: 15,
  ClientKeyExchange: 16,
  Finished: 20,
  CertificateStatus: 22,
  KeyUpdate: 24,
  CompressedCertificate: 25,
} as const;

/** A ChangeCipherSpec where it is told of among the handshake messages, of which it is none. */
export const CHANGE_CIPHER_SPEC_MESSAGE = 254;

/** RFC 5246 section 7.2. */
export const AlertLevel = { Warning: 1, Fatal: 2 } as const;

/** RFC 6520 section 3. */
export const HeartbeatType = { Request: 1, Response: 2 } as const;
