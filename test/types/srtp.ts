/** For SRTP and what a session tells of its protection: nothing in it runs, tsc alone judges it. */
import type { NonSharedBuffer } from '../../lib/base/non-shared-buffer';
import { connect, createServer, type SrtpKeys, type SrtpProfile } from '../../lib/index';
import { expectType } from './expect';

const socket = connect({
  port: 5684,
  srtpProfiles: ['SRTP_AEAD_AES_128_GCM', 'SRTP_AES128_CM_SHA1_80'],
  requireExtendedMasterSecret: true,
});
const keys = socket.getSrtp();
expectType<SrtpKeys | null>()(keys);
if (keys !== null) {
  expectType<SrtpProfile>()(keys.profile);
  expectType<NonSharedBuffer>()(keys.localKey);
}
expectType<boolean>()(socket.encryptThenMac);
expectType<boolean>()(socket.extendedMasterSecret);
expectType<number>()(socket.stats.renegotiationsRefused);

const profiles = ['SRTP_AES128_CM_SHA1_32'] as const;
createServer({ srtpProfiles: profiles });
// @ts-expect-error -- GnuTLS's name for it
createServer({ srtpProfiles: ['SRTP_AES128_CM_HMAC_SHA1_80'] });
// @ts-expect-error -- an array, also of one
createServer({ srtpProfiles: 'SRTP_AES128_CM_SHA1_80' });
// @ts-expect-error -- not to be set
socket.encryptThenMac = true;
