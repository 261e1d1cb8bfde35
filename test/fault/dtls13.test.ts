// Protects DTLS 1.3 over bad paths, between two ends of this package: that a handshake of every kind completes over
// any usable path, that then exactly those messages arrive, once, that the path let through, that no single datagram of a handshake is
// one that must not be lost, and that both sides find the size of a path that drops what is long.
import { expect } from 'chai';
import type { ConnectOptions, DTLSServer, DTLSSocket, ServerOptions } from '../../lib/index';
import { Link, seededRandom, type LinkConditions, type Transit } from '../../lib/lab/index';
import { describe13, DTLS13 } from '../helpers/dtls13';
import { Account, makeMessage } from './account';
import {
  closeAll,
  credentials,
  dial,
  exchange,
  idle,
  listen,
  opened,
  pause,
  sameEnd,
  SERVER_PEER,
  until,
  type Credentials,
} from './support';

const LOSSES = [0, 0.1, 0.3, 0.5];
const MTUS = [300, 576, 1200, 1400];
const KINDS = ['certificate', 'mutual', 'psk', 'post-quantum', 'resumed'] as const;
type Kind = (typeof KINDS)[number];
const MESSAGES_EACH_WAY = 100;
/** So many messages in a row never outrun the replay window. */
const BURST = 10;
const OFTEN = 0.25;
const PACE = { ...DTLS13, retransmission: { initial: 40, max: 160 } } as const;

async function trustOf(kind: Kind, extraBytes = 0): Promise<Credentials> {
  const trust = await credentials(kind === 'mutual' || kind === 'psk' ? kind : 'certificate', extraBytes);
  if (kind !== 'post-quantum') return trust;
  const ecdhCurve = 'X25519MLKEM768';
  return { server: { ...trust.server, ecdhCurve }, client: { ...trust.client, ecdhCurve } as Credentials['client'] };
}

/** A ticket, from a session over the same link while nothing is lost on it. */
async function ticket(link: Link, trust: Credentials): Promise<Buffer> {
  let session: Buffer | undefined;
  const client = dial(link, { ...trust.client, ...PACE }, ['10.0.0.3', 40001]);
  client.on('session', (given: Buffer) => (session = given));
  try {
    await opened(client);
    await until(() => session !== undefined, 'a ticket');
  } finally {
    await closeAll(client);
  }
  if (session === undefined) throw new Error('no ticket');
  return session;
}

interface Ends {
  readonly server: DTLSServer;
  readonly client: DTLSSocket;
  readonly remote: DTLSSocket;
}

/** Opens a session of the kind while the conditions hold; `begin` is called when the handshake begins. */
async function openOver(
  link: Link,
  kind: Kind,
  conditions: LinkConditions,
  options: Pick<ServerOptions & ConnectOptions, 'mtu' | 'ALPNProtocols'> = {},
  begin = (): void => undefined,
  extraBytes = 0,
): Promise<Ends> {
  const trust = await trustOf(kind, extraBytes);
  const server = await listen(link, { ...trust.server, ...PACE, ...options });
  let client: DTLSSocket | undefined;
  try {
    const session = kind === 'resumed' ? await ticket(link, trust) : undefined;
    await until(() => [...server.sessions].length === 0, 'no session');
    await idle(link);
    link.conditions = conditions;
    begin();
    client = dial(link, { ...trust.client, ...PACE, ...options, ...(session && { session }) });
    await opened(client);
    await until(() => [...server.sessions].some((one) => one.readyState === 'open'), 'an open session', 20_000);
    const remote = [...server.sessions].find((one) => one.readyState === 'open');
    if (remote === undefined) throw new Error('the session is gone');
    expect(client.getProtocol()).to.equal('DTLSv1.3');
    expect(client.isSessionReused()).to.equal(kind === 'resumed');
    return { server, client, remote };
  } catch (error) {
    link.conditions = {};
    await closeAll(server, ...(client ? [client] : []));
    throw error;
  }
}

/**
 * Tickets and the last ACKs go on behind the handshake's end: until a while passes without any. Twice, as behind a pause
 * of the whole process this timer may come before those of the sessions.
 */
async function settled(link: Link): Promise<void> {
  for (let quiet = 0; quiet < 2; ) {
    const before = link.totals.sent;
    await pause(2 * PACE.retransmission.max);
    quiet = link.totals.sent === before ? quiet + 1 : 0;
  }
  await idle(link);
}

async function run(seed: string, kind: Kind, conditions: LinkConditions & { loss: number; mtu: number }): Promise<void> {
  const { loss, mtu, reorder, duplicate } = conditions;
  const link = new Link(seed, {});
  const { server, client, remote } = await openOver(link, kind, conditions, { mtu });
  try {
    link.conditions = { mtu };
    await settled(link);
    expect(link.totals.tooBig, 'handshake datagrams above the MTU').to.equal(0);
    link.conditions = conditions;
    // Loss may have made a flight shrink, and mtu with it.
    for (const end of [client, remote]) end.setMtu(mtu);
    const toServer = new Account(remote);
    const toClient = new Account(client);
    // Nothing else is on its way: all records are alike from outside.
    link.observe = ({ to }: Transit, copies) => {
      (sameEnd(to, SERVER_PEER) ? toServer : toClient).left(copies);
    };
    const random = seededRandom(`${seed} messages`);
    for (let index = 0; index < MESSAGES_EACH_WAY; ++index) {
      for (const [from, account] of [[client, toServer], [remote, toClient]] as const) {
        const message = makeMessage(random, index, from.maxMessageSize);
        account.sent(message);
        from.send(message);
      }
      if (index % BURST === BURST - 1) await pause(1);
    }
    await idle(link);
    toServer.check(loss);
    toClient.check(loss);
    expect(link.totals.tooBig).to.equal(2 * (MESSAGES_EACH_WAY / 10));
    expect(link.totals.reordered > 0).to.equal(reorder !== 0);
    expect(link.totals.duplicated > 0).to.equal(duplicate !== 0);
  } finally {
    link.conditions = {};
    await closeAll(server, client);
  }
}

/** A handshake that loses the datagram of that index; tells how many there were until it was over. */
async function losing(kind: Kind, lost: number): Promise<number> {
  const link = new Link(`${kind} ${lost}`, {});
  let sent = 0;
  const { server, client, remote } = await openOver(link, kind, {}, {}, () => {
    link.intercept = ({ datagram }) => (sent++ === lost ? null : datagram);
  });
  try {
    const repeated = (): number => client.stats.retransmissions + remote.stats.retransmissions;
    if (lost >= 0) await until(() => repeated() > 0, 'messages that are sent again', 20_000);
    await settled(link);
    link.intercept = undefined;
    await exchange(client, remote, 'there');
    await exchange(remote, client, 'and back');
    if (lost >= 0) expect(sent, 'the datagram was sent').to.be.greaterThan(lost);
    return sent;
  } finally {
    await closeAll(server, client);
  }
}

async function allOf(runs: [string, Promise<void>][]): Promise<void> {
  const outcomes = await Promise.allSettled(runs.map(([, outcome]) => outcome));
  const failed = outcomes.flatMap((outcome, index) =>
    outcome.status === 'rejected' ? [`${runs[index]?.[0] ?? ''}: ${String(outcome.reason)}`] : [],
  );
  expect(failed).to.deep.equal([]);
}

describe13('DTLS 1.3 on lossy paths', function () {
  this.timeout(60_000);

  for (const loss of LOSSES) {
    for (const kind of KINDS) {
      it(`${kind}, ${loss * 100} % loss: every message arrives once or was lost`, async () => {
        const runs: [string, Promise<void>][] = [];
        for (const mtu of MTUS) {
          for (const reorder of [0, OFTEN]) {
            for (const duplicate of [0, OFTEN]) {
              const seed = [kind, loss, mtu, reorder, duplicate].join('/');
              runs.push([seed, run(seed, kind, { loss, mtu, reorder, duplicate })]);
            }
          }
        }
        await allOf(runs);
      });
    }
  }

  for (const kind of KINDS) {
    it(`${kind}: every single datagram of the handshake may be lost, in both directions`, async () => {
      const count = await losing(kind, -1);
      expect(count, 'datagrams of a handshake').to.be.greaterThan(3);
      await allOf(
        Array.from({ length: count }, (_, index) => [
          `datagram ${index}`,
          losing(kind, index).then(() => undefined),
        ]),
      );
    });

    // All that a side says first is too long for the path, and so is a certificate.
    it(`${kind}: a path that keeps whatever is longer than 800 bytes is noticed by those who say more`, async () => {
      const link = new Link(`${kind} black hole`, {});
      const ALPNProtocols = Array.from({ length: 15 }, (_, index) => `${index}`.padEnd(100, 'p'));
      const { server, client, remote } = await openOver(link, kind, { mtu: 800 }, { mtu: 1200, ALPNProtocols }, undefined, 1500);
      try {
        await exchange(client, remote, 'there');
        await exchange(remote, client, 'and back');
        await settled(link);
        expect(link.totals.tooBig, 'datagrams that were kept').to.be.greaterThan(0);
        expect(client.mtu, "the client's hello").to.be.below(800);
        const says = kind !== 'psk' && kind !== 'resumed';
        if (says) expect(remote.mtu, "the server's certificate").to.be.below(800);
        else expect(remote.mtu).to.equal(1200);
      } finally {
        await closeAll(server, client);
      }
    });
  }
});
