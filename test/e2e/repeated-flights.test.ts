/**
 * Protects: that a flight which is sent again has the fragments that it had the first time, since some peers cannot
 * merge others; that no datagram of a handshake is longer than `mtu`; and that a peer that asks again is answered at
 * once, however slow this side's own timer is; and that a path below `mtu` lets a handshake through. In both roles.
 */
import { expect } from 'chai';
import type { ConnectOptions, ServerOptions } from '../../lib/index';
import { createAuthority } from '../helpers/certificates';
import { converse } from '../helpers/exchange';
import { closeEverything, dialTo, listen, next, portOf, type Pair } from '../helpers/pair';
import { patience } from '../helpers/patience';
import { Relay, type Direction } from '../helpers/relay';
import { HANDSHAKE, readFragment, readRecords, SERVER_HELLO, type WireRecord } from '../fault/support';

const CERTIFICATE = 11;
const CLIENT_KEY_EXCHANGE = 16;

/** Options of both sides, which show certificates with names of so many letters. */
async function mutual(letters: number, extraBytes = 0): Promise<{ server: ServerOptions; client: Partial<ConnectOptions> }> {
  const authority = await createAuthority();
  const commonName = 'n'.repeat(letters);
  const server = await authority.issue({ commonName, ipAddresses: ['127.0.0.1'], extraBytes });
  const client = await authority.issue({ commonName, clientAuth: true, extraBytes });
  return {
    server: { cert: server.cert, key: server.key, ca: client.ca, requestCert: true },
    client: { cert: client.cert, key: client.key, ca: server.ca },
  };
}

const fragmentsOf = (datagram: Buffer) => readRecords(datagram).flatMap((record) => readFragment(record) ?? []);

const hasFinished = (records: WireRecord[]): boolean =>
  records.some(({ type, epoch }) => type === HANDSHAKE && epoch === 1);

describe('flights over a path', () => {
  let relay: Relay | undefined;

  afterEach(async () => {
    relay?.close();
    relay = undefined;
    await closeEverything();
  });

  /** A session whose datagrams go through `passes`. */
  async function openThrough(
    passes: (datagram: Buffer, direction: Direction) => boolean,
    forServer: ServerOptions,
    forClient: Partial<ConnectOptions>,
  ): Promise<Pair> {
    const server = await listen(forServer);
    relay?.close();
    relay = await Relay.to(portOf(server));
    relay.passes = passes;
    const accepted = next(server, 'secureConnection');
    const client = dialTo({ host: '127.0.0.1', port: relay.port, ...forClient });
    const connected = next(client, 'secureConnect');
    const [[peer]] = await Promise.all([accepted, connected]);
    return { server, client, peer };
  }

  for (const [side, direction] of [
    ['server', 'toClient'],
    ['client', 'toServer'],
  ] as const) {
    for (const mtu of [300, 700, 1200]) {
      it(`a ${side}'s flight that is repeated keeps its cuts, mtu ${String(mtu)}`, async () => {
        const both = { mtu, retransmission: { initial: patience(60) } };
        const { server, client } = await mutual(9, 1500);
        const cuts = new Map<string, number>();
        const lengths = new Map<number, number>();
        let lost = 0;
        const pair = await openThrough(
          (datagram, way) => {
            if (way !== direction) return true;
            const fragments = fragmentsOf(datagram);
            for (const { type, offset, body, messageLength } of fragments) {
              if (type === 1 || type === 3) continue;
              lengths.set(type, messageLength);
              const cut = `${String(type)}:${String(offset)}+${String(body.length)}`;
              cuts.set(cut, (cuts.get(cut) ?? 0) + 1);
            }
            // The last piece of the certificate, once.
            const last = fragments.some(
              ({ type, offset, body, messageLength }) =>
                type === CERTIFICATE && offset + body.length === messageLength,
            );
            return !last || ++lost > 1;
          },
          { ...server, ...both },
          { ...client, ...both },
        );
        await converse(pair);
        expect(lost).to.be.least(2);
        expect(pair[side === 'server' ? 'peer' : 'client'].stats.retransmissions).to.be.least(1);
        for (const [type, length] of lengths) {
          const pieces = [...cuts].filter(([cut]) => cut.startsWith(`${String(type)}:`));
          // Every byte of a message was in one fragment only, which came each time.
          const bytes = pieces.reduce((sum, [cut]) => sum + Number(cut.split('+')[1]), 0);
          expect(bytes, `${String(type)}: ${pieces.join(' ')}`).to.equal(length);
          expect(new Set(pieces.map(([, times]) => times)).size, pieces.join(' ')).to.equal(1);
        }
        expect(cuts.size).to.be.above(lengths.size);
      });
    }
  }

  it('a path that drops datagrams above 800 bytes lets a handshake through, and socket.mtu tells on both sides', async function () {
    this.timeout(patience(20_000));
    const { server, client } = await mutual(9, 1500);
    // The server hears nothing until the client's flight has shrunk, too, and would shrink its own once more meanwhile.
    const slow = { retransmission: { initial: patience(300), max: patience(300) } };
    const fast = { retransmission: { initial: patience(60), max: patience(60) } };
    let dropped = 0;
    const pair = await openThrough(
      (datagram) => {
        const passes = datagram.length <= 800;
        dropped += passes ? 0 : 1;
        return passes;
      },
      { ...server, ...slow },
      { ...client, ...fast },
    );
    await converse(pair);
    expect(dropped).to.be.least(4);
    expect([pair.peer.mtu, pair.client.mtu]).to.deep.equal([548, 548]);
    expect(pair.client.maxMessageSize).to.be.below(548);
  });

  it('a flight that is short stays whole and leaves mtu alone, however often it is lost', async () => {
    const { server, client } = await mutual(9);
    let lost = 0;
    const lengths = new Set<number>();
    const pair = await openThrough(
      (datagram, way) => {
        if (way === 'toServer' && lost < 5) lengths.add(datagram.length);
        return ++lost > 5;
      },
      server,
      { ...client, retransmission: { initial: patience(30), max: patience(30) } },
    );
    expect(lengths.size).to.equal(1);
    expect([pair.peer.mtu, pair.client.mtu]).to.deep.equal([1200, 1200]);
  });

  const FAST = { retransmission: { initial: patience(50) } };
  const SLOW = { retransmission: { initial: 20_000 } };

  for (const [name, slow, lose] of [
    ["a server's flight: the ClientHello comes again", 'server', (types) => types.includes(SERVER_HELLO)],
    ["a client's flight: the server's comes again", 'client', (types) => types.includes(CLIENT_KEY_EXCHANGE)],
    ["a server's last flight: the client's comes again", 'server', (_, records) => hasFinished(records)],
  ] satisfies [string, 'server' | 'client', (types: number[], records: WireRecord[]) => boolean][]) {
    it(`answered at once is a peer that asks again for ${name}`, async () => {
      const { server, client } = await mutual(9);
      let lost = 0;
      const from = slow === 'server' ? 'toClient' : 'toServer';
      const begun = performance.now();
      const pair = await openThrough(
        (datagram, way) => {
          const types = fragmentsOf(datagram).map(({ type }) => type);
          return way !== from || !lose(types, readRecords(datagram)) || ++lost > 1;
        },
        { ...server, ...(slow === 'server' ? SLOW : FAST) },
        { ...client, ...(slow === 'client' ? SLOW : FAST) },
      );
      expect(performance.now() - begun).to.be.below(patience(2000));
      expect(lost).to.be.least(2);
      await converse(pair);
      expect(pair[slow === 'server' ? 'peer' : 'client'].stats.retransmissions).to.be.least(1);
    });
  }

  for (const slow of ['server', 'client'] as const) {
    it(`answered at once is a peer that asks again for a ${slow}'s flight of a resumed session`, async () => {
      const { server, client } = await mutual(9);
      const first = await openThrough(() => true, server, client);
      await converse(first);
      const session = first.client.getSession();
      expect(session).to.be.instanceOf(Buffer);
      let lost = 0;
      const from = slow === 'server' ? 'toClient' : 'toServer';
      const ticketKeys = first.server.getTicketKeys();
      const begun = performance.now();
      const pair = await openThrough(
        // Of either side it is the flight with the Finished.
        (datagram, way) => way !== from || !hasFinished(readRecords(datagram)) || ++lost > 1,
        { ...server, ticketKeys, ...(slow === 'server' ? SLOW : FAST) },
        { ...client, session, ...(slow === 'client' ? SLOW : FAST) },
      );
      expect(pair.client.isSessionReused()).to.equal(true);
      expect(performance.now() - begun).to.be.below(patience(2000));
      expect(lost).to.be.least(2);
      await converse(pair);
    });
  }

  for (const mtu of [256, 1200]) {
    it(`no datagram of a handshake is longer than mtu ${String(mtu)}, whatever the certificates' names`, async function () {
      this.timeout(60_000);
      let longest = 0;
      let number = 0;
      for (let letters = 1; letters <= 60; ++letters) {
        const { server, client } = await mutual(letters, mtu === 1200 ? 500 : 0);
        await openThrough(
          (datagram) => {
            longest = Math.max(longest, datagram.length);
            number += 1;
            return true;
          },
          { ...server, mtu },
          { ...client, mtu },
        );
        expect(longest, `names of ${String(letters)} letters`).to.be.most(mtu);
        await closeEverything();
      }
      expect(number).to.be.above(60 * 5);
      expect(longest).to.be.above(mtu - 40);
    });
  }
});
