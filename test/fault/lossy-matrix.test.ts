// Protects the promise that a handshake completes over any usable path, and that every message
// then arrives once and as it was sent, or was lost on the way: over all combinations of loss,
// reordering, duplication, path MTU and kind of authentication.
//
// OpenSSL gives a handshake up after 12 timeouts without progress, whatever they last: at 50 % loss
// about one in ten ends so by chance alone. A client then begins anew until its deadline, and the
// server's end of an earlier attempt may fail, or open and be replaced.
import { expect } from 'chai';
import type { DTLSServer, DTLSSocket } from '../../lib/index';
import { Link, seededRandom, type Transit } from '../../lib/lab/index';
import { Account, makeMessage } from './account';
import {
  APPLICATION_DATA,
  closeAll,
  credentials,
  dial,
  idle,
  listen,
  opened,
  pause,
  readRecords,
  SERVER_PEER,
  sameEnd,
  until,
  type Authentication,
  type Credentials,
} from './support';

const LOSSES = [0, 0.1, 0.3, 0.5];
const AUTHENTICATIONS: Authentication[] = ['certificate', 'mutual', 'psk'];
const MTUS = [256, 600, 1200];
const MESSAGES_EACH_WAY = 100;
/** So many messages in a row never outrun the replay window of 64 records. */
const BURST = 10;
const OFTEN = 0.25;

interface Combination {
  readonly seed: string;
  readonly authentication: Authentication;
  readonly loss: number;
  readonly reorder: boolean;
  readonly duplicate: boolean;
  readonly mtu: number;
}

const isData = (datagram: Uint8Array): boolean =>
  readRecords(datagram).some(({ type }) => type === APPLICATION_DATA);

async function run(combination: Combination): Promise<void> {
  const { seed, authentication, loss, reorder, duplicate, mtu } = combination;
  const link = new Link(seed, {
    loss,
    mtu,
    ...(reorder ? { reorder: OFTEN } : {}),
    ...(duplicate ? { duplicate: OFTEN } : {}),
  });
  const { server, client } = await dialPatiently(link, await credentials(authentication), mtu);
  try {
    const remote = await lastSession(server);
    expect(link.totals.tooBig, 'handshake datagrams above the MTU').to.equal(0);
    await idle(link);
    // Loss may have made a flight shrink, and mtu with it.
    for (const end of [client, remote]) end.setMtu(mtu);
    const toServer = new Account(remote);
    const toClient = new Account(client);
    link.observe = ({ datagram, to }: Transit, copies) => {
      if (isData(datagram)) (sameEnd(to, SERVER_PEER) ? toServer : toClient).left(copies);
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
    const { reordered, duplicated, tooBig } = link.totals;
    expect(tooBig).to.equal(2 * (MESSAGES_EACH_WAY / 10));
    expect(reordered > 0).to.equal(reorder);
    expect(duplicated > 0).to.equal(duplicate);
  } finally {
    link.conditions = {};
    await closeAll(server, client);
  }
}

/** A client that has until the test's end, on a server whose attempts may fail. */
async function dialPatiently(
  link: Link,
  trust: Credentials,
  mtu: number,
): Promise<{ server: DTLSServer; client: DTLSSocket }> {
  const both = { mtu, retransmission: { initial: 40, max: 160 } };
  const server = await listen(link, { ...trust.server, ...both });
  const client = dial(link, { ...trust.client, ...both });
  try {
    await opened(client);
    return { server, client };
  } catch (error) {
    await closeAll(server, client);
    throw error;
  }
}

/** The server's end of the client's session, once nothing of earlier attempts is left. */
async function lastSession(server: DTLSServer): Promise<DTLSSocket> {
  await until(() => [...server.sessions].length === 1, 'one session');
  const [remote] = server.sessions;
  if (remote?.readyState !== 'open') throw new Error('the session is not open');
  return remote;
}

function combinationsOf(loss: number, authentication: Authentication): Combination[] {
  const combinations: Combination[] = [];
  for (const mtu of MTUS) {
    for (const reorder of [false, true]) {
      for (const duplicate of [false, true]) {
        const seed = [authentication, loss, mtu, reorder, duplicate].join('/');
        combinations.push({ seed, authentication, loss, reorder, duplicate, mtu });
      }
    }
  }
  return combinations;
}

describe('lossy paths', function () {
  this.timeout(60_000);

  for (const loss of LOSSES) {
    for (const authentication of AUTHENTICATIONS) {
      const title =
        `${authentication}, ${loss * 100} % loss: every message arrives once or was lost ` +
        `(seeds '${authentication}/${loss}/<mtu>/<reorder>/<duplicate>')`;
      it(title, async () => {
        const outcomes = await Promise.allSettled(
          combinationsOf(loss, authentication).map((combination) =>
            run(combination).catch((error: unknown) => {
              throw new Error(`seed '${combination.seed}': ${String(error)}`, { cause: error });
            }),
          ),
        );
        const failed = outcomes.flatMap((outcome) =>
          outcome.status === 'rejected' ? [String(outcome.reason)] : [],
        );
        expect(failed).to.deep.equal([]);
      });
    }
  }
});
