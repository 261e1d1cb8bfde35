import { alternate, row, sleep } from '../measure.mjs';
import { startPair, turns, VERSIONS, VERSUS, with13 } from '../versions.mjs';

/** What DTLS 1.3 is to reach of our own 1.2. */
const TARGET = 0.9;

const SUITES = {
  'AES-128-GCM': { newer: 'TLS_AES_128_GCM_SHA256', older: 'ECDHE-ECDSA-AES128-GCM-SHA256' },
  'ChaCha20-Poly1305': { newer: 'TLS_CHACHA20_POLY1305_SHA256', older: 'ECDHE-ECDSA-CHACHA20-POLY1305' },
};

/** Messages from a client to a server: what it takes to send them, and to receive those that come. */
export const measure = with13(async (settings) => {
  const { rounds, milliseconds } = turns(settings);
  const rows = [];
  for (const [suite, names] of Object.entries(SUITES)) {
    const [server, client] = await startPair(settings.credentials);
    const open = async (which) => {
      const port = await server.call('serve', VERSIONS[which], 'certificate', { ciphers: names[which] });
      const used = await client.call('connect', port, VERSIONS[which], 'certificate', { ciphers: names[which] });
      if (used !== names[which]) throw new Error(`${used} in place of ${names[which]}`);
      return port;
    };
    const ports = { newer: await open('newer'), older: await open('older') };
    for (const size of [1200, 200]) {
      const exchange = (which) => async () => {
        // The sender begins before the receiver counts, and ends after it.
        const sending = client.call('send', ports[which], size, milliseconds + 100);
        await sleep(50);
        const received = await server.call('received', ports[which], milliseconds);
        return { receive: received.cpu, send: (await sending).cpu };
      };
      const subjects = { newer: exchange('newer'), older: exchange('older') };
      await alternate(Math.ceil(rounds / 5), subjects);
      const { newer, older } = await alternate(rounds, subjects);
      for (const way of ['receive', 'send']) {
        rows.push(
          row({
            name: `1.3: ${way} ${size} bytes, ${suite}, by CPU time`,
            unit: 'messages/s',
            ours: newer.map((each) => each[way]),
            reference: older.map((each) => each[way]),
            versus: VERSUS,
            target: TARGET,
          }),
        );
      }
    }
    for (const side of [server, client]) side.stop();
  }
  return rows;
});
