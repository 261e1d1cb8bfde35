import { alternate, row, rowsOfRates, sleep } from '../measure.mjs';
import { installPeers, PEERS } from '../peers.mjs';
import { start } from '../processes.mjs';

/** The only one that goes on after a gap of 64 messages, and that shakes hands by the same suite. */
const WHOLE = 'werift-dtls';

/**
 * The library beside other packages, all as clients of plain C: some of them are nothing else.
 */
export async function measure({ credentials, rounds, milliseconds }) {
  const missing = installPeers();
  if (missing !== undefined) {
    if (process.env.CI) throw new Error(missing);
    console.error(`peers: left out, the packages cannot be installed: ${missing}`);
    return [];
  }
  const names = Object.keys(PEERS);
  const label = (name) => `${name} ${PEERS[name]}`;
  const program = await start('native', credentials);
  const clients = {};
  for (const name of ['ours', ...names]) {
    const side = await start(name === 'ours' ? 'dtls' : 'peer', credentials);
    if (name !== 'ours') await side.call('use', name);
    const [sink, port] = await program.call('openSink');
    const accepted = program.call('accept', sink);
    await side.call('connect', port);
    await accepted;
    clients[name] = { side, sink };
  }
  /** Each client does `act` in its turn. */
  const inTurns = (which, act) =>
    alternate(
      rounds,
      Object.fromEntries(['ours', ...which].map((name) => [name, () => act(clients[name].side, clients[name].sink)])),
    );

  const rows = [];
  const compare = (name, unit, which, rates) => {
    for (const peer of which) {
      rows.push(...rowsOfRates({ name, unit, ours: rates.ours, reference: rates[peer], versus: label(peer) }));
    }
  };
  for (const size of [1200, 200]) {
    const sent = await inTurns(names, async (side, sink) => {
      const arrived = program.call('countDatagrams', sink, milliseconds + 100);
      const { clock } = await side.call('send', size, milliseconds);
      await arrived;
      return clock;
    });
    for (const peer of names) {
      const common = { name: `client sends ${size} bytes`, unit: 'messages/s' };
      rows.push(row({ ...common, ours: sent.ours, reference: sent[peer], versus: label(peer) }));
    }
  }
  // A few at a time, so that nothing is lost: see WHOLE.
  const echoed = await inTurns(names, async (side, sink) => {
    const echoing = program.call('echo', sink, milliseconds + 300);
    const rates = await side.call('echo', 200, milliseconds);
    await echoing;
    return rates;
  });
  compare('client of an echo server, 200 bytes, 32 under way', 'echoes', names, echoed);

  for (const name of ['ours', WHOLE]) await clients[name].side.call('hear');
  for (const size of [1200, 200]) {
    const received = await inTurns([WHOLE], async (side, sink) => {
      const sent = program.call('blast', sink, size, milliseconds + 300, true);
      await sleep(150);
      const rates = await side.call('received', milliseconds);
      await sent;
      return rates;
    });
    compare(`client receives ${size} bytes`, 'messages', [WHOLE], received);
  }

  const [door, port] = await program.call('openSink');
  const shaken = await inTurns([WHOLE], async (side) => {
    const serving = program.call('serveHandshakes', door, milliseconds);
    const rates = await side.call('shakeHands', milliseconds, port);
    await serving;
    return rates;
  });
  compare('handshakes of a client with plain C', 'handshakes', [WHOLE], shaken);

  for (const { side } of Object.values(clients)) side.stop();
  program.stop();
  return rows;
}
