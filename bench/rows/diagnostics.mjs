import { alternate, row } from '../measure.mjs';
import { start } from '../processes.mjs';

/** What it costs to be watched, and what it costs that one could be: handshakes in memory. */
export async function measure({ credentials, rounds, milliseconds }) {
  const side = await start('memory', credentials);
  const handshakes = async () => (await side.call('handshakes', milliseconds)).cpu;
  const watched = async (how) => {
    await side.call('watch', how);
    const rate = await handshakes();
    return { rate, events: await side.call('unwatch') };
  };
  await handshakes(); // The first ones compile what the later ones run.
  const { nobody, channels, metrics, checks } = await alternate(rounds, {
    nobody: handshakes,
    channels: () => watched('channels'),
    metrics: () => watched('metrics'),
    checks: () => side.call('checkTime', 10_000_000),
  });
  side.stop();
  const reference = nobody.map((rate) => 1e9 / rate);
  // Every event that somebody gets is a check where nobody does.
  const eventsEach = channels.map(({ rate, events }) => events / ((rate * milliseconds) / 1000));
  const common = { unit: 'ns/handshake', reference, versus: 'a handshake that nobody watches', lessIsBetter: true };
  return [
    row({
      ...common,
      name: 'checks whether anybody watches',
      ours: checks.map((time, round) => time * eventsEach[round]),
      target: 0.001,
    }),
    row({ ...common, name: 'handshake, all channels watched', ours: channels.map(({ rate }) => 1e9 / rate) }),
    row({ ...common, name: 'handshake, counted by metrics', ours: metrics.map(({ rate }) => 1e9 / rate) }),
  ];
}
