// Protects a handshake under rules by peer whose hello comes in pieces: another hello under its address, which anybody can
// forge, takes none of them away, whatever becomes of the question that it has asked; and a client that begins anew is heard.
import { expect } from 'chai';
import type { DTLSServer, PeerOptions } from '../../lib/index';
import { until } from '../fault/support';
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

interface Begun {
  readonly server: DTLSServer;
  readonly say: (datagram: Buffer) => void;
  /** Handshakes that have said their ServerHello, the first is 1. */
  readonly answered: readonly number[];
  readonly rest: Buffer;
}

describe('rules by peer, and a hello in pieces', () => {
  afterEach(async () => {
    closeStrangers();
    await closeEverything();
  });

  /** The first hello is admitted; the answer about a later one. */
  async function begun(answer: () => PeerOptions | null | Promise<PeerOptions>): Promise<Begun> {
    let asked = 0;
    const answered: number[] = [];
    let connections = 0;
    const server = await listen(await withCertificate({ cookieExchange: false, peers: () => (asked++ === 0 ? {} : answer()) }));
    server.on('connection', (socket) => {
      const which = ++connections;
      socket.on('handshake', ({ message, direction }) => { if (message === 'server_hello' && direction === 'out') answered.push(which); });
    });
    const peer = await stranger();
    const say = (datagram: Buffer): void => { peer.send(datagram, portOf(server), '127.0.0.1'); };
    const [first, rest] = pieces(clientHello({ random: Buffer.alloc(32, 1) }));
    say(first);
    await until(() => server.stats.handshakesStarted === 1, 'a handshake that waits for the rest of its hello');
    return { server, say, answered, rest };
  }

  for (const [what, answer] of [['is refused', () => null], ['is not answered', () => new Promise<PeerOptions>(() => undefined)]] as const) {
    it(`has its rest although another hello under its address ${what}`, async () => {
      const { server, say, answered, rest } = await begun(answer);
      say(clientHello({ random: Buffer.alloc(32, 2) }));
      await until(() => server.stats.peersAsked === 2, 'a question about the other hello');
      say(rest);
      await until(() => answered.includes(1), 'the answer to the first one');
      expect(server.stats).to.include({ handshakesStarted: 1, handshakesFailed: 0 });
    });
  }

  it('is heard of a client that begins anew, in pieces, too, before the answer about it', async () => {
    let answer: ((options: PeerOptions) => void) | undefined;
    const { server, say, answered } = await begun(() => new Promise((resolve) => { answer = resolve; }));
    for (const piece of pieces(clientHello({ random: Buffer.alloc(32, 2) }))) say(piece);
    await until(() => answer !== undefined && server.stats.datagramsReceived === 3, 'both pieces');
    answer?.({});
    await until(() => answered.includes(2), 'the answer to it');
  });
});
