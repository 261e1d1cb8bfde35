/** What native code packs into the numbers `a` and `b` of a record. */

/** Where a field begins, and of how many bits it is. As src-native/core/outbox/record_fields.h has them. */
export const RecordField = {
  Out: [0, 1],
  TransmitPeer: [0, 31],
  TransmitPacket: [31, 1],
  Retransmit: [1, 1],
  MessageType: [8, 8],
  AlertLevel: [8, 8],
  AlertDescription: [16, 8],
  HeartbeatType: [8, 8],
  SecureVersion: [0, 16],
  SecurePeerCertificate: [16, 1],
  SecurePsk: [17, 1],
  SecureReused: [18, 1],
  SecureEncryptThenMac: [20, 1],
  SecureExtendedMasterSecret: [21, 1],
  SecureMaxFragment: [24, 3],
  CloseAlert: [0, 8],
  CloseVerifyResult: [8, 16],
  CloseCertificateWithheld: [30, 1],
  CloseCompletedHandshake: [31, 1],
  TransportBroke: [0, 1],
  TransportRefused: [1, 1],
} as const;

/** What is in CloseAlert where there was no alert. */
export const NO_ALERT = 255;

type Field = readonly [shift: number, bits: number];

export const fieldOf = (packed: number, [shift, bits]: Field): number =>
  (packed >>> shift) & ((1 << bits) - 1);

export const isSet = (packed: number, field: Field): boolean => fieldOf(packed, field) !== 0;

/** Which way a message, an alert or a heartbeat went. */
export const directionOf = (packed: number): 'in' | 'out' =>
  isSet(packed, RecordField.Out) ? 'out' : 'in';
