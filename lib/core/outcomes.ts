/** What native code returns of a call. The numbers are those of the enums in src-native/core; test/unit compares them. */

export const SendOutcome = {
  Sent: 0,
  NotOpen: 1,
  /** Also of a message that another thread has grown since its size was looked at. */
  TooBig: 2,
  Failed: 3,
  Empty: 4,
} as const;
export type SendOutcome = (typeof SendOutcome)[keyof typeof SendOutcome];

export const HeartbeatOutcome = {
  Sent: 0,
  NotOpen: 1,
  NotNegotiated: 2,
  NotAllowed: 3,
  UnsupportedCipher: 4,
  Busy: 5,
  TooBig: 6,
  Failed: 7,
} as const;
export type HeartbeatOutcome = (typeof HeartbeatOutcome)[keyof typeof HeartbeatOutcome];

/** RFC 9147 section 8. */
export const KeyUpdateOutcome = {
  Sent: 0,
  NotOpen: 1,
  /** The one before has not been acknowledged yet. */
  UnderWay: 2,
  NotDtls13: 3,
  Failed: 4,
} as const;
export type KeyUpdateOutcome = (typeof KeyUpdateOutcome)[keyof typeof KeyUpdateOutcome];

/** What becomes of a session whose peer is to be at another address. */
export const MoveOutcome = {
  Moved: 0,
  NotOpen: 1,
  /** Another session has that address. */
  Taken: 2,
  /** That host has as many sessions, or handshakes, as it may. */
  HostFull: 3,
} as const;
export type MoveOutcome = (typeof MoveOutcome)[keyof typeof MoveOutcome];
