/**
 * How long a test waits before it gives up. Where everything is slow, under an emulator for one, the
 * runner says so in `DGRAM_DTLS_TEST_PATIENCE`: a factor on all these limits, and on nothing else.
 */
const FACTOR = Number(process.env.DGRAM_DTLS_TEST_PATIENCE ?? 1);
if (!(FACTOR >= 1)) throw new Error('DGRAM_DTLS_TEST_PATIENCE is a factor of 1 or more');

/** A limit in milliseconds, given for a machine of the usual speed. */
export const patience = (milliseconds: number): number => milliseconds * FACTOR;

/** How long anything may take that another process is waited for, in milliseconds. */
export const PATIENCE_MS = patience(6000);
