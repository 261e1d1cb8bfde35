// Protects a handshake under rules by peer whose hello comes in pieces: another hello under its address, which anybody can
// forge, takes none of them away, whatever becomes of the question that it has asked; and a client that begins anew is heard.
import { expect } from 'chai';
import type dgram from 'node:dgram';
import type { DTLSServer, PeerOptions } from '../../lib/index';
import { readFragment, readRecords, SERVER_HELLO, until } from '../fault/support';
import { clientHello } from '../helpers/hello';
import { closeStrangers, stranger } from '../helpers/packets';
import { closeEverything, listen, portOf, withCertificate } from '../helpers/pair';

const HEADERS = 25;
const KEPT_BACK = 8;

/** A hello in two datagrams. */
function pieces(whole: Buffer): [Buffer, Buffer] {
  const size = whole.length - HEADERS;
  const part = (from: number, to: number): Buffer => {
    const headers = Buffer.from(whole.subarray(0, HEADERS));
    headers.writeUInt16BE(12 + to - from, 11);
    headers.writeUIntBE(from, 19, 3);
    headers.writeUIntBE(to - from, 22, 3);
    return Buffer.concat([headers, whole.subarray(HEADERS + from, HEADERS + to)]);
  };
  return [part(0, size - KEPT_BACK), part(size - KEPT_BACK, size)];
}

describe('rules by peer, and a hello in pieces', () => {
  afterEach(async () => {
    closeStrangers();
    await closeEverything();
  });

  /** The first hello is admitted; the answer about a later one. */
  async function begun(answer: () => PeerOptions | null | Promise<PeerOptions>): Promise<{ server: DTLSServer; say: (datagram: Buffer) => void; heard: () => number; rest: Buffer }> {
    let asked = 0;
    const server = await listen(await withCertificate({ cookieExchange: false, peers: () => (asked++ === 0 ? {} : answer()) }));
    const peer: dgram.Socket = await stranger();
    let answers = 0;
    peer.on('message', (datagram: Buffer) => {
      if (readRecords(datagram).flatMap((record) => readFragment(record) ?? []).some(({ type }) => type === SERVER_HELLO)) answers += 1;
    });
    const say = (datagram: Buffer): void => { peer.send(datagram, portOf(server), '127.0.0.1'); };
    const [first, rest] = pieces(clientHello({ random: Buffer.alloc(32, 1) }));
    say(first);
    await until(() => server.stats.handshakesStarted === 1, 'a handshake that waits for the rest of its hello');
    return { server, say, heard: () => answers, rest };
  }

  for (const [what, answer] of [['is refused', () => null], ['is not answered', () => new Promise<PeerOptions>(() => undefined)]] as const) {
    it(`has its rest although another hello under its address ${what}`, async () => {
      const { server, say, heard, rest } = await begun(answer);
      say(clientHello({ random: Buffer.alloc(32, 2) }));
      await until(() => server.stats.peersAsked === 2, 'a question about the other hello');
      say(rest);
      await until(() => heard() === 1, 'the answer to the first one');
      expect(server.stats).to.include({ handshakesStarted: 1, handshakesFailed: 0 });
    });
  }

  it('is heard of a client that begins anew, in pieces, too, before the answer about it', async () => {
    let answered: ((options: PeerOptions) => void) | undefined;
    const { server, say, heard } = await begun(() => new Promise((resolve) => { answered = resolve; }));
    for (const piece of pieces(clientHello({ random: Buffer.alloc(32, 2) }))) say(piece);
    await until(() => answered !== undefined && server.stats.datagramsReceived === 3, 'both pieces');
    answered?.({});
    await until(() => heard() === 1, 'the answer to it');
    expect(server.stats).to.include({ handshakesStarted: 2 });
  });
});
