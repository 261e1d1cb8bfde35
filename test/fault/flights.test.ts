// Protects retransmission: no single datagram of a handshake may be indispensable, flights are
// sent again at the pace that was asked for, and a handshake that cannot go on ends in time and
// says why.
import { expect } from 'chai';
import type { DTLSSocket } from '../../lib/index';
import { Link, type Transit } from '../../lib/lab/index';
import {
  accepted,
  clientError,
  CLIENT_PEER,
  closeAll,
  credentials,
  dial,
  exchange,
  failure,
  handshakeTypes,
  HELLO_VERIFY_REQUEST,
  isProtected,
  listen,
  opened,
  openPair,
  readFragment,
  readRecords,
  sameEnd,
  SERVER_HELLO,
  SERVER_PEER,
  until,
  writeFragment,
  writeRecord,
  type Authentication,
} from './support';

const fromServer = ({ from }: Transit): boolean => sameEnd(from, SERVER_PEER);
const fromClient = ({ from }: Transit): boolean => sameEnd(from, CLIENT_PEER);

/** One handshake in which the link keeps the `index`-th datagram of a direction. */
async function losingOne(
  authentication: Authentication,
  mtu: number,
  lost: { toServer: boolean; index: number } | undefined,
): Promise<{ toServer: number; toClient: number }> {
  const link = new Link('no chance is involved');
  link.intercept = (transit) =>
    lost?.index === transit.index && lost.toServer === fromClient(transit)
      ? null
      : transit.datagram;
  // Where nothing is lost nothing is repeated, however busy the machine is.
  const patient = lost === undefined ? { retransmission: { initial: 5000 } } : {};
  const pair = await openPair(link, await credentials(authentication), { mtu, ...patient });
  try {
    const { client, remote } = pair;
    const toServer = link.counters(CLIENT_PEER, SERVER_PEER).sent;
    const toClient = link.counters(SERVER_PEER, CLIENT_PEER).sent;
    await exchange(client, remote, 'to the server');
    await exchange(remote, client, 'to the client');
    const repeated = client.stats.retransmissions + remote.stats.retransmissions;
    expect(link.totals.swallowed).to.equal(lost === undefined ? 0 : 1);
    expect(repeated > 0, `${repeated} messages were sent again`).to.equal(lost !== undefined);
    return { toServer, toClient };
  } finally {
    await pair.close();
  }
}

describe('flights', function () {
  this.timeout(20_000);

  for (const [authentication, mtu] of [
    ['certificate', 1200],
    ['certificate', 256],
    ['mutual', 600],
    ['psk', 1200],
  ] as const) {
    it(`${authentication}, mtu ${mtu}: completes without any one of its datagrams`, async () => {
      const whole = await losingOne(authentication, mtu, undefined);
      expect(whole.toServer).to.be.least(3);
      expect(whole.toClient).to.be.least(3);
      const runs: Promise<unknown>[] = [];
      for (let index = 0; index < whole.toServer; ++index) {
        runs.push(losingOne(authentication, mtu, { toServer: true, index }));
      }
      for (let index = 0; index < whole.toClient; ++index) {
        runs.push(losingOne(authentication, mtu, { toServer: false, index }));
      }
      const outcomes = await Promise.allSettled(runs);
      const failed = outcomes.flatMap((outcome, run) =>
        outcome.status === 'rejected' ? [`run ${run}: ${String(outcome.reason)}`] : [],
      );
      expect(failed).to.deep.equal([]);
    });
  }

  it("recovers the server's last flight, and keeps data that came before it", async () => {
    const link = new Link('no chance is involved');
    let lost = 0;
    link.intercept = ({ from, datagram }) => {
      // The server speaks under its keys first with its Finished.
      const last = sameEnd(from, SERVER_PEER) && isProtected(datagram) && lost === 0;
      lost += last ? 1 : 0;
      return last ? null : datagram;
    };
    const trust = await credentials('certificate');
    const server = await listen(link, trust.server);
    const client = dial(link, trust.client);
    try {
      const messages: string[] = [];
      client.on('message', (message) => messages.push(message.toString()));
      const remote = await accepted(server);
      expect(client.readyState).to.equal('opening');
      remote.send('early');
      await opened(client);
      expect(lost).to.equal(1);
      expect(client.stats.retransmissions).to.be.least(1);
      expect(remote.stats.retransmissions).to.be.least(1);
      await exchange(client, remote, 'to the server');
      await exchange(remote, client, 'to the client');
      expect(messages).to.deep.equal(['early', 'to the client']);
    } finally {
      await closeAll(client, server);
    }
  });

  it('answers each ClientHello with one HelloVerifyRequest, and never on its own', async () => {
    const link = new Link('no chance is involved');
    const requests: number[] = [];
    link.intercept = ({ from, datagram, index }) => {
      const types = handshakeTypes(datagram);
      if (types.includes(HELLO_VERIFY_REQUEST)) {
        requests.push(index);
        return null;
      }
      // The first and the third get through.
      return sameEnd(from, CLIENT_PEER) && ![0, 2].includes(index) ? null : datagram;
    };
    const trust = await credentials('certificate');
    const server = await listen(link, trust.server);
    const client = dial(link, trust.client);
    try {
      await until(() => link.counters(CLIENT_PEER, SERVER_PEER).sent >= 6, 'six ClientHellos');
      expect(requests).to.have.length(2);
      expect(server.stats.cookiesSent).to.equal(2);
      expect(server.stats.sessions).to.equal(0);
    } finally {
      await closeAll(client, server);
    }
  });

  describe('retransmission intervals', () => {
    /** Checks the pauses between bursts of datagrams. */
    function checkPauses(times: readonly number[], expected: readonly number[]): void {
      const pauses = times
        .slice(1)
        .map((time, index) => time - (times[index] ?? 0))
        .filter((between) => between > 30);
      expected.forEach((interval, index) => {
        // OpenSSL takes a timer with less than 15 ms left as expired.
        expect(pauses[index], `interval ${index}`).to.be.within(interval - 17, interval + 80);
      });
    }
    const retransmission = { initial: 100, max: 400, backoff: 2 };
    const expected = [100, 200, 400, 400];

    it('of a client double from initial to max', async () => {
      const link = new Link('no chance is involved');
      const times: number[] = [];
      link.observe = () => times.push(performance.now());
      const client = dial(link, { ...(await credentials('psk')).client, retransmission });
      await until(() => times.length > expected.length, 'five ClientHellos');
      await closeAll(client);
      checkPauses(times, expected);
    });

    it('of a server double from initial to max, and the MTU stays', async () => {
      const link = new Link('no chance is involved');
      const times: number[] = [];
      const sizes: number[] = [];
      link.intercept = (transit) => {
        const { datagram } = transit;
        if (fromServer(transit) && !handshakeTypes(datagram).includes(HELLO_VERIFY_REQUEST)) {
          times.push(performance.now());
          sizes.push(datagram.length);
          return null;
        }
        return datagram;
      };
      const trust = await credentials('certificate');
      const server = await listen(link, { ...trust.server, retransmission, mtu: 300 });
      // It does not repeat itself: the server would answer at once, and not at its own pace.
      const client = dial(link, { ...trust.client, mtu: 300, retransmission: { initial: 20_000 } });
      await until(() => (times.at(-1) ?? 0) - (times[0] ?? 0) > 1050, 'four retransmissions');
      await closeAll(client, server);
      checkPauses(times, expected);
      expect(Math.max(...sizes)).to.be.within(250, 300);
    });
  });

  describe('handshakeTimeout', () => {
    it('ends a client that hears nothing with ERR_DTLS_NO_RESPONSE', async () => {
      const link = new Link('no chance is involved');
      const begun = performance.now();
      const { client: trust } = await credentials('certificate');
      const client = dial(link, { ...trust, handshakeTimeout: 300 });
      const error = await failure(client);
      expect(performance.now() - begun).to.be.within(290, 700);
      expect(error.code).to.equal('ERR_DTLS_NO_RESPONSE');
      expect(error.category).to.equal('timeout');
      expect(error.hint).to.match(/UDP is not blocked/);
      expect(error.peer).to.deep.equal(SERVER_PEER);
    });

    it("says so too when OpenSSL's own limit comes first", async () => {
      const link = new Link('no chance is involved');
      const { client: trust } = await credentials('certificate');
      const retransmission = { initial: 20, max: 20 };
      const client = dial(link, { ...trust, handshakeTimeout: 0, retransmission });
      const error = await failure(client);
      expect(error.code).to.equal('ERR_DTLS_NO_RESPONSE');
      expect(error.category).to.equal('timeout');
      expect(link.totals.sent, 'the ClientHello, and 12 times again').to.equal(13);
    });

    it('ends both sides of a handshake that stalls with ERR_DTLS_HANDSHAKE_TIMEOUT', async () => {
      const link = new Link('no chance is involved');
      let answered = false;
      link.intercept = (transit) => {
        answered ||= handshakeTypes(transit.datagram).includes(SERVER_HELLO);
        return answered && fromClient(transit) ? null : transit.datagram;
      };
      const trust = await credentials('certificate');
      const limit = { handshakeTimeout: 400 };
      const server = await listen(link, { ...trust.server, ...limit });
      const client = dial(link, { ...trust.client, ...limit });
      try {
        const errors = await Promise.all([failure(client), clientError(server)]);
        for (const error of errors) {
          expect(error.code).to.equal('ERR_DTLS_HANDSHAKE_TIMEOUT');
          expect(error.category).to.equal('timeout');
          expect(error.hint).to.match(/fell silent/);
        }
        expect(server.stats.failures).to.deep.equal({ ERR_DTLS_HANDSHAKE_TIMEOUT: 1 });
        expect(server.stats.sessions).to.equal(0);
      } finally {
        await closeAll(client, server);
      }
    });

    it("ends it likewise when OpenSSL's own limit comes first", async () => {
      const link = new Link('no chance is involved');
      let answered = false;
      link.intercept = (transit) => {
        answered ||= handshakeTypes(transit.datagram).includes(SERVER_HELLO);
        return answered && fromClient(transit) ? null : transit.datagram;
      };
      const trust = await credentials('certificate');
      const endless = { handshakeTimeout: 0, retransmission: { initial: 20, max: 20 } };
      const server = await listen(link, { ...trust.server, ...endless });
      const client = dial(link, { ...trust.client, ...endless });
      try {
        const errors = await Promise.all([failure(client), clientError(server)]);
        for (const error of errors) {
          expect(error.code).to.equal('ERR_DTLS_HANDSHAKE_TIMEOUT');
          expect(error.reason).to.equal('read timeout expired');
        }
      } finally {
        await closeAll(client, server);
      }
    });
  });

  describe('flights of 20 KB through an MTU of 256', () => {
    const BIG = 20_000;

    async function checkBig(link: Link): Promise<void> {
      const pair = await openPair(link, await credentials('mutual', BIG), {
        mtu: 256,
        retransmission: { initial: 100, max: 400 },
      });
      try {
        const { client, remote } = pair;
        for (const socket of [client, remote] satisfies DTLSSocket[]) {
          const { raw } = socket.getPeerX509Certificate() ?? {};
          expect(raw?.length, "the peer's certificate").to.be.within(BIG, BIG + 1000);
          expect(socket.authorized).to.be.true;
        }
        link.conditions = {}; // nobody repeats a message
        await exchange(client, remote, 'to the server');
        await exchange(remote, client, 'to the client');
      } finally {
        await pair.close();
      }
    }

    it('arrive in order', async () => {
      const link = new Link('no chance is involved', { mtu: 256 });
      await checkBig(link);
      expect(link.totals.tooBig).to.equal(0);
      expect(link.totals.sent).to.be.least(2 * Math.floor(BIG / 256));
    });

    for (const seed of ['big 1', 'big 2', 'big 3']) {
      it(`arrive out of order, twice, and with gaps (seed '${seed}')`, async () => {
        const link = new Link(seed, { reorder: 0.4, duplicate: 0.3, loss: 0.05, mtu: 256 });
        await checkBig(link);
        const { reordered, duplicated, lost, tooBig } = link.totals;
        expect(reordered).to.be.least(20);
        expect(duplicated).to.be.least(20);
        expect(lost).to.be.least(1);
        expect(tooBig).to.equal(0);
      });
    }

    it("arrive in fragments that overlap (seed 'overlap')", async () => {
      const link = new Link('overlap', { reorder: 0.3, duplicate: 0.2 });
      const messages = new Map<string, Buffer>();
      let overlapping = 0;
      link.intercept = ({ from, datagram }) => {
        const parts = readRecords(datagram).map((record) => {
          const fragment = readFragment(record);
          if (fragment === undefined) return writeRecord(record);
          const name = `${from.port} ${fragment.messageSequence}`;
          const message = messages.get(name) ?? Buffer.alloc(fragment.messageLength);
          messages.set(name, message);
          fragment.body.copy(message, fragment.offset);
          // Fragments leave in order, so that what lies before this one is known.
          const offset = Math.max(fragment.offset - 50, 0);
          overlapping += offset < fragment.offset ? 1 : 0;
          const body = message.subarray(offset, fragment.offset + fragment.body.length);
          return writeRecord({ ...record, body: writeFragment({ ...fragment, offset, body }) });
        });
        return Buffer.concat(parts);
      };
      await checkBig(link);
      expect(overlapping).to.be.least(100);
    });
  });
});
