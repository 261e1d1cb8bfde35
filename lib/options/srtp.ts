/** DTLS-SRTP (RFC 5764): keys for RTP that goes beside DTLS over the same port. */
import type { NonSharedBuffer } from '../base/non-shared-buffer';
import { usageError } from '../errors/errors';
import { native } from '../core/native';
import { wrongForm } from '../checks/validate';

/** Names as OpenSSL has them: RFC 5764 section 4.1.2, and RFC 7714 section 14.2 for the AEAD ones. */
export type SrtpProfile =
  | 'SRTP_AEAD_AES_256_GCM'
  | 'SRTP_AEAD_AES_128_GCM'
  | 'SRTP_AES128_CM_SHA1_80'
  | 'SRTP_AES128_CM_SHA1_32';

/** What `getSrtp` gives: master keys and salts for SRTP and SRTCP. */
export interface SrtpKeys {
  profile: SrtpProfile;
  /** 16 or 32 bytes: protects what this side sends. */
  localKey: NonSharedBuffer;
  /** 14 bytes; 12 for the AEAD profiles. */
  localSalt: NonSharedBuffer;
  /** The key of what the peer sends. */
  remoteKey: NonSharedBuffer;
  remoteSalt: NonSharedBuffer;
}

/** Checks the option and gives what native code takes: names with colons between them. */
export function resolveSrtpProfiles(profiles: readonly SrtpProfile[] | undefined): string {
  if (profiles === undefined) return '';
  const known = `Use some of ${native.srtpProfiles.join(', ')}, the preferred one first.`;
  if (!Array.isArray(profiles)) {
    throw wrongForm('srtpProfiles', 'an array of profile names', profiles, known);
  }
  if (profiles.length === 0) {
    throw usageError('ERR_INVALID_ARG_VALUE', "'srtpProfiles' is empty", known);
  }
  for (const profile of profiles as unknown[]) {
    if (typeof profile !== 'string') throw wrongForm('srtpProfiles', 'an array of strings', profile, known);
    if (!native.srtpProfiles.includes(profile)) {
      throw usageError('ERR_INVALID_ARG_VALUE', `'srtpProfiles' cannot have '${profile}'`, known);
    }
  }
  if (new Set(profiles).size !== profiles.length) {
    throw usageError('ERR_INVALID_ARG_VALUE', "'srtpProfiles' names a profile twice", known);
  }
  return profiles.join(':');
}
