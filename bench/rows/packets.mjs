import { alternate, rowsOfRates, sleep } from '../measure.mjs';
import { overDgram, start } from '../processes.mjs';

const SIZE = 1200;
const PLAIN = 'node:dgram, unencrypted';

/**
 * What is none of DTLS and shares its port: received and sent, against a plain socket and against messages; and in turns
 * with messages. Senders and sinks in C.
 */
export async function measure(settings) {
  return [...(await received(settings)), ...(await sent(settings))];
}

async function received({ credentials, rounds, milliseconds }) {
  const sides = await Promise.all([
    start('dtls', credentials),
    start('dtls', credentials),
    start('dtls', credentials),
    start('dtls', credentials, overDgram),
    start('plain', credentials),
    start('native', credentials),
  ]);
  const [dtls, batches, borrowing, dgram, plain, sender] = sides;
  const ports = {
    packets: [dtls, await dtls.call('servePackets')],
    batches: [batches, await batches.call('servePacketBatches')],
    borrowed: [borrowing, await borrowing.call('servePackets', { borrowMessages: true })],
    overDgram: [dgram, await dgram.call('servePackets')],
    plainly: [plain, await plain.call('serve')],
  };
  const whileSending = async (receiver, how, to) => {
    const sending = sender.call(how, to, SIZE, milliseconds + 300, true);
    await sleep(150);
    const rates = await receiver.call('received', milliseconds);
    await sending;
    return rates;
  };
  const subjects = {};
  for (const [name, [receiver, port]] of Object.entries(ports)) {
    const to = await sender.call('connectPlain', port);
    subjects[name] = () => whileSending(receiver, 'blast', to);
  }
  const session = await sender.call('connect', ports.packets[1]);
  subjects.messages = () => whileSending(dtls, 'blastBare', session);
  subjects.mixed = () => whileSending(dtls, 'blastMixed', session);
  const batchSession = await sender.call('connect', ports.batches[1]);
  subjects.batchMessages = () => whileSending(batches, 'blastBare', batchSession);
  subjects.mixedBatches = () => whileSending(batches, 'blastMixed', batchSession);
  const rates = await alternate(rounds, subjects);
  for (const side of sides) side.stop();

  const name = `receive packets of ${SIZE} bytes`;
  const mixed = `receive packets and messages of ${SIZE} bytes, 1:1`;
  const common = { unit: 'packets', reference: rates.plainly, versus: PLAIN };
  return [
    ...rowsOfRates({ ...common, name, ours: rates.packets, cpuTarget: 2 }),
    ...rowsOfRates({ ...common, name: `${name}, borrowed`, ours: rates.borrowed }),
    ...rowsOfRates({ ...common, name: `${name}, 'packets'`, ours: rates.batches }),
    ...rowsOfRates({ ...common, name: `${name}, transport 'dgram'`, ours: rates.overDgram }),
    ...rowsOfRates({ ...common, name, ours: rates.packets, reference: rates.messages, versus: "'message'", cpuTarget: 1 }),
    ...rowsOfRates({ ...common, name: `${name}, 'packets'`, ours: rates.batches, reference: rates.batchMessages, versus: "'messages'", cpuTarget: 1 }),
    ...rowsOfRates({ ...common, name: mixed, ours: rates.mixed, reference: rates.messages, versus: "'message' alone" }),
    ...rowsOfRates({ ...common, name: `${mixed}, in batches`, ours: rates.mixedBatches, reference: rates.batchMessages, versus: "'messages' alone" }),
  ];
}

async function sent({ credentials, rounds, milliseconds }) {
  const sides = await Promise.all([
    start('dtls', credentials),
    start('dtls', credentials, overDgram),
    start('dtls', credentials),
    start('plain', credentials),
    start('native', credentials),
  ]);
  const [dtls, dgram, client, plain, receiver] = sides;
  const sinkFor = async (make) => {
    const [sink, port] = await receiver.call('openSink');
    await make(port, sink);
    return sink;
  };
  const whileCounting = async (sink, sending) => {
    const arrived = receiver.call('countDatagrams', sink, milliseconds + 100);
    const rates = await sending();
    await arrived;
    return rates;
  };
  const dtlsSink = await sinkFor((port) => dtls.call('listenFor', port));
  const dgramSink = await sinkFor((port) => dgram.call('listenFor', port));
  const plainSink = await sinkFor((port) => plain.call('connect', port));
  const clientSink = await sinkFor(async (port, sink) => {
    const accepted = receiver.call('accept', sink);
    await client.call('connect', port);
    await accepted;
  });
  const rates = await alternate(rounds, {
    packets: () => whileCounting(dtlsSink, () => dtls.call('sendPackets', SIZE, milliseconds)),
    overDgram: () => whileCounting(dgramSink, () => dgram.call('sendPackets', SIZE, milliseconds)),
    plainly: () => whileCounting(plainSink, () => plain.call('send', SIZE, milliseconds)),
    messages: () => whileCounting(clientSink, () => client.call('send', SIZE, milliseconds)),
    mixed: () => whileCounting(clientSink, () => client.call('sendMixed', SIZE, milliseconds)),
  });
  for (const side of sides) side.stop();

  const name = `send packets of ${SIZE} bytes`;
  const common = { unit: 'packets', reference: rates.plainly, versus: PLAIN };
  return [
    ...rowsOfRates({ ...common, name, ours: rates.packets, cpuTarget: 3 }),
    ...rowsOfRates({ ...common, name: `${name}, transport 'dgram'`, ours: rates.overDgram }),
    ...rowsOfRates({ ...common, name, ours: rates.packets, reference: rates.messages, versus: "'send'", cpuTarget: 1 }),
    ...rowsOfRates({ ...common, name: `send packets and messages of ${SIZE} bytes, 1:1`, ours: rates.mixed, reference: rates.messages, versus: "'send' alone" }),
  ];
}
