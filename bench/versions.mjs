// DTLS 1.3 against our own 1.2, both between a server and a client of ours. The two processes are the
// same for both versions, which take turns that are shorter than what else the machine does.

import { features } from 'dgram-dtls';
import { start } from './processes.mjs';

export const VERSIONS = { newer: 'DTLSv1.3', older: 'DTLSv1.2' };
export const VERSUS = 'DTLS 1.2';

/** A measurement that says why it is left out where there is no DTLS 1.3. */
export const with13 = (measure) => (settings) => {
  if (features.dtls13 !== false) return measure(settings);
  console.error(`DTLS 1.3 is left out: ${features.dtls13Missing}`);
  return [];
};

/** A server and a client. */
export const startPair = (credentials, options = {}) =>
  Promise.all([start('versions', credentials, options), start('versions', credentials, options)]);

/** Short turns, and more of them. */
export const turns = ({ rounds, milliseconds }) => ({ rounds: 5 * rounds, milliseconds: milliseconds / 5 });
