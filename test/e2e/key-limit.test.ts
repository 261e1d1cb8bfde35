// Protects the warning before a session's keys are used up: an event of the socket and a channel, from the record that
// the core writes. When it writes one: test/native/dropped_test.cc, where nobody sends a million records.
import diagnostics from 'node:diagnostics_channel';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { kOnRecord } from '../../lib/base/internals';
import { KeyLimit, RecordType } from '../../lib/core/outbox';
import type { DTLSSocket, KeyLimitEvent } from '../../lib/index';
import { converse } from '../helpers/exchange';
import { closeEverything, openPsk } from '../helpers/pair';

const IN = 0;
const OUT = 1;

/** As the endpoint does with a record of the core. */
const tell = (socket: DTLSSocket, out: number, limit: number): boolean =>
  socket[kOnRecord](RecordType.KeyLimit, out, limit, Buffer.alloc(0));

describe('keyLimit', () => {
  afterEach(closeEverything);

  it('says which keys are nearly used up and by what, on either side, and the session goes on', async () => {
    const pair = await openPsk();
    for (const socket of [pair.client, pair.peer]) {
      const events: KeyLimitEvent[] = [];
      socket.on('keyLimit', (event) => events.push(event));
      expect(tell(socket, IN, KeyLimit.Integrity)).to.equal(true);
      tell(socket, OUT, KeyLimit.Confidentiality);
      tell(socket, OUT, KeyLimit.Numbers);
      expect(events).to.deep.equal([
        { direction: 'in', limit: 'integrity' },
        { direction: 'out', limit: 'confidentiality' },
        { direction: 'out', limit: 'numbers' },
      ]);
    }
    await converse(pair);
  });

  it('runs nobody without a listener, and comes no more after destroy()', async () => {
    const { client } = await openPsk();
    expect(tell(client, IN, KeyLimit.Integrity)).to.equal(false);
    let called = 0;
    client.on('keyLimit', () => (called += 1));
    client.destroy();
    tell(client, IN, KeyLimit.Integrity);
    expect(called).to.equal(0);
  });

  it('is on the channel before the event, and in the qlog', async () => {
    const qlogDir = mkdtempSync(path.join(tmpdir(), 'dtls-qlog-'));
    const order: unknown[] = [];
    const listener = (event: unknown): void => {
      order.push(event);
    };
    diagnostics.subscribe('dgram-dtls.key.limit', listener);
    try {
      const { client } = await openPsk({}, { qlogDir });
      client.on('keyLimit', (event) => order.push(event));
      tell(client, OUT, KeyLimit.Confidentiality);
      const event = { direction: 'out', limit: 'confidentiality' };
      expect(order).to.deep.equal([{ socket: client, ...event }, event]);
      const [file = ''] = readdirSync(qlogDir);
      const logged = readFileSync(path.join(qlogDir, file), 'utf8')
        .split('\u001e')
        .filter((text) => text.includes('"dtls:key_limit"'))
        .map((text) => (JSON.parse(text) as { data: unknown }).data);
      expect(logged).to.deep.equal([event]);
    } finally {
      diagnostics.unsubscribe('dgram-dtls.key.limit', listener);
      rmSync(qlogDir, { recursive: true });
    }
  });
});
