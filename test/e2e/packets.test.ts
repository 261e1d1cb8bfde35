// Protects: that `packet` records are only made while somebody listens. Datagrams that are none of DTLS cost a record
// and a copy each, and anybody can send them: without a listener for `packet` they are counted, and nothing else.
import { expect } from 'chai';
import dgram from 'node:dgram';
import type { EventEmitter } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import { EndpointRecords } from '../../lib/endpoint/records';
import type { EndpointStats } from '../../lib/index';
import { RecordType } from '../../lib/core/outbox';
import { bound, closeSockets, PSK, secure } from '../dgram/support';
import { closeEverything, listen, portOf, PSK_SERVER } from '../helpers/pair';
import { patience } from '../helpers/patience';

const STUN = Buffer.from('000100002112a442', 'hex');

interface Receiver extends EventEmitter {
  readonly stats: EndpointStats;
}

const DOORS: readonly [string, () => Promise<{ receiver: Receiver; port: number }>][] = [
  [
    'createServer',
    async () => {
      const receiver = await listen(PSK_SERVER);
      return { receiver: receiver as unknown as Receiver, port: portOf(receiver) };
    },
  ],
  ...(['client', 'server', 'both'] as const).map(
    (role): (typeof DOORS)[number] => [
      `createSocket, role ${role}`,
      async () => {
        const receiver = await bound(secure({ ...PSK, role }));
        return { receiver, port: receiver.address().port };
      },
    ],
  ),
];

describe('packet records are only made while somebody listens', () => {
  // eslint-disable-next-line @typescript-eslint/unbound-method -- always called by apply
  const { dispatch } = EndpointRecords.prototype;
  let records = 0;
  let stranger: dgram.Socket;

  beforeEach(() => {
    records = 0;
    stranger = dgram.createSocket('udp4');
    EndpointRecords.prototype.dispatch = function (this: EndpointRecords, ...record) {
      if (record[0] === RecordType.Packet) records += 1;
      return dispatch.apply(this, record);
    };
  });

  afterEach(async () => {
    EndpointRecords.prototype.dispatch = dispatch;
    stranger.close();
    await closeEverything();
    await closeSockets();
  });

  for (const [door, open] of DOORS) {
    it(door, async () => {
      const { receiver, port } = await open();
      let heard = 0;
      /** Sends ten, and waits until they were heard or counted; over node:dgram a client's wire may have no core yet. */
      const send = async (): Promise<void> => {
        const before = heard + receiver.stats.nonDtlsDatagrams;
        for (let i = 0; i < 10; ++i) stranger.send(STUN, port, '127.0.0.1');
        const deadline = Date.now() + patience(300);
        while (heard + receiver.stats.nonDtlsDatagrams < before + 10 && Date.now() < deadline) await setTimeout(1);
      };
      await send();
      expect([heard, records], 'nobody listens').to.deep.equal([0, 0]);
      const listener = (): void => void (heard += 1);
      receiver.on('packet', listener);
      await send();
      await setTimeout(20);
      expect(heard, 'somebody listens').to.equal(10);
      receiver.removeAllListeners();
      records = 0;
      await send();
      expect([heard, records], 'nobody listens any more').to.deep.equal([10, 0]);
      receiver.on('packet', listener);
      await send();
      await setTimeout(20);
      expect(heard, 'somebody listens again').to.equal(20);
    });
  }
});
