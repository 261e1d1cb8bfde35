// Protects handshakes with pion, JSSE and Mbed TLS over a path that loses, repeats, delays and
// reorders, in both roles: they come to their end in time, whatever of a flight has to be sent
// again, and messages then come through. pion and JSSE put a message together only from fragments
// that are cut where the others of it were cut.
//
// So that no seed has an easy path, the datagram of its number is lost in any case: together the
// seeds lose each one of a handshake.
import type { WatchedSocket } from '../helpers/watch';
import { createAuthority, type Certificate } from '../helpers/certificates';
import { patience } from '../helpers/patience';
import { cleanupAfterEach, TemporaryFiles } from '../helpers/peers';
import { PROGRAMS, type Program } from '../helpers/programs';
import { LossyPath } from '../helpers/lossy-path';
import { ourClient, ourServer } from '../interop/ours';
import { pause } from './support';

const SEEDS = Array.from({ length: 12 }, (_, index) => index + 1);
const CONDITIONS = { loss: 0.05, duplicate: 0.05, reorder: 0.05, delay: [0, 10] } as const;
const TIMER_MS = 200;
const OURS = { retransmission: { initial: TIMER_MS, max: 4 * TIMER_MS } } as const;
const LIMIT_MS = patience(15_000);
const NAME = 'server.example';

/** RSA: so long that messages take fragments. */
async function issue(clientAuth: boolean): Promise<Certificate> {
  const authority = await createAuthority('rsa authority', 'rsa-2048');
  return authority.issue({
    commonName: clientAuth ? 'client' : 'server',
    keyType: 'rsa-2048',
    clientAuth,
    ...(clientAuth ? {} : { dnsNames: [NAME] }),
  });
}

/** A message goes over, and comes back: until one does, others are sent. */
async function echo({ socket, messages }: WatchedSocket): Promise<void> {
  const deadline = performance.now() + LIMIT_MS;
  while (!messages.some((message) => message.toString() === 'echo')) {
    if (performance.now() > deadline) throw new Error('no message came back');
    socket.send('echo');
    await pause(TIMER_MS / 4);
  }
}

function lossySessionsWith(program: Program): void {
  describe(`lossy paths with ${program.name}`, function () {
    this.timeout(3 * LIMIT_MS);
    const cleanup = cleanupAfterEach(this);
    const files = new TemporaryFiles();
    before(function () {
      program.require(this);
    });
    after(() => {
      files.remove();
    });

    const pathTo = async (port: number, theirRole: 'client' | 'server', seed: number): Promise<LossyPath> => {
      const path = await LossyPath.to(port, {
        seed: `${theirRole} ${seed}`,
        drop: seed,
        conditions: CONDITIONS,
        inOrder: theirRole === 'server' && program.serverNeedsOrder,
      });
      cleanup.add(() => {
        path.close();
      });
      return path;
    };

    /** Throws what has failed, with all that has become of its datagrams. */
    const onEach = async (paths: readonly LossyPath[], session: (index: number) => Promise<void>): Promise<void> => {
      const outcomes = await Promise.allSettled(paths.map((_, index) => session(index)));
      const failures = outcomes.flatMap((outcome, index) =>
        outcome.status === 'rejected'
          ? [`seed ${SEEDS[index] ?? 0}: ${String(outcome.reason)}\n${paths[index]?.log ?? ''}\n`]
          : [],
      );
      if (failures.length > 0) throw new Error(failures.join('\n'));
    };

    const theirs = { timer: TIMER_MS, patience: LIMIT_MS };

    it(`its client and our server, seeds 1 to ${SEEDS.length}`, async () => {
      const [own, other] = [await issue(false), await issue(true)];
      const { watched, port } = await ourServer(cleanup, {
        ...OURS,
        cert: own.cert,
        key: own.key,
        ca: other.ca,
        requestCert: true,
      });
      const paths = await Promise.all(SEEDS.map((seed) => pathTo(port, 'client', seed)));
      const options = { ...theirs, ...files.identity(other), trust: files.file(own.ca), name: NAME };
      const peer = program.client(
        cleanup,
        paths.map((path) => ({ ...options, port: path.port })),
      );
      await onEach(paths, async (index) => {
        const [outcome] = await peer.sees(new RegExp(`^${index + 1} (secure|failed).*`, 'm'), LIMIT_MS);
        if (outcome.includes('failed')) throw new Error(outcome);
        const end = watched.sockets.find(({ socket }) => socket.remotePort === paths[index]?.farPort);
        if (end === undefined) throw new Error('the server has no such session');
        await end.secure(LIMIT_MS);
        await echo(end);
      });
    });

    it(`its server and our client, seeds 1 to ${SEEDS.length}`, async () => {
      const [own, other] = [await issue(true), await issue(false)];
      const options = { ...theirs, ...files.identity(other), trust: files.file(own.ca) };
      const { ports } = await program.server(cleanup, SEEDS.map(() => options));
      const paths = await Promise.all(
        SEEDS.map((seed, index) => pathTo(ports[index] ?? 0, 'server', seed)),
      );
      await onEach(paths, async (index) => {
        const { client } = ourClient(cleanup, {
          ...OURS,
          cert: own.cert,
          key: own.key,
          ca: other.ca,
          servername: NAME,
          port: paths[index]?.port ?? 0,
        });
        await client.secure(LIMIT_MS);
        await echo(client);
      });
    });
  });
}

for (const program of PROGRAMS) lossySessionsWith(program);
