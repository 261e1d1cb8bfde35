import { alternate, row } from '../measure.mjs';
import { handshakeRoundTrips } from '../sides/steps.mjs';
import { startPair, turns, VERSIONS, VERSUS, with13 } from '../versions.mjs';

/** What DTLS 1.3 is to reach of our own 1.2. */
const TARGET = 0.8;

const NAMES = {
  certificate: 'handshakes by certificate (P-256)',
  psk: 'handshakes by pre-shared key',
  resumed: 'handshakes by ticket',
};

/** Handshakes of both versions, up to the first message from the server; and how far they go. */
export const measure = with13(async (settings) => {
  const { rounds, milliseconds } = turns(settings);
  const [server, client] = await startPair(settings.credentials);
  const rows = [];
  for (const how of Object.keys(NAMES)) {
    const shakeHands = async (version) => {
      const port = await server.call('serve', version, how);
      return async () => {
        const before = await server.call('cpuTime');
        const { count, cpu } = await client.call('handshakes', port, version, how, milliseconds);
        const there = (await server.call('cpuTime')) - before;
        return { both: count / (cpu + there), server: count / there, client: count / cpu };
      };
    };
    const subjects = {
      newer: await shakeHands(VERSIONS.newer),
      older: await shakeHands(VERSIONS.older),
    };
    // The first handshakes of a process compile what the later ones run.
    await alternate(Math.ceil(rounds / 5), subjects);
    const { newer, older } = await alternate(rounds, subjects);
    for (const [where, target] of [['both', TARGET], ['server'], ['client']]) {
      rows.push(
        row({
          name: `1.3: ${NAMES[how]}, ${where === 'both' ? 'both ends' : `the ${where}`}, by CPU time`,
          unit: 'handshakes/s',
          ours: newer.map((each) => each[where]),
          reference: older.map((each) => each[where]),
          versus: VERSUS,
          target,
        }),
      );
    }
  }
  for (const side of [server, client]) side.stop();
  return [...rows, ...(await roundTrips())];
});

/** Counted, not measured: how often something goes there and back before a message may leave. */
async function roundTrips() {
  const rows = [];
  for (const cookieExchange of [true, false]) {
    for (const how of ['certificate', 'resumed']) {
      const ours = await handshakeRoundTrips(VERSIONS.newer, how, cookieExchange);
      const reference = await handshakeRoundTrips(VERSIONS.older, how, cookieExchange);
      rows.push(
        row({
          name: `1.3: round trips of a handshake by ${how === 'resumed' ? 'ticket' : how}, ${cookieExchange ? 'with' : 'without'} a cookie`,
          unit: 'round trips',
          ours: [ours],
          reference: [reference],
          versus: VERSUS,
          lessIsBetter: true,
        }),
      );
    }
  }
  return rows;
}
