// Protects the last flight of a handshake, with foreign peers in both roles: whoever sent it has nothing left to
// wait for, and so cannot know that it was lost. The other side repeats its own flight then, and gets the last one
// again (RFC 6347 section 4.2.4), however often it was lost, and also when messages have left behind it already.
// It is a server's in a full handshake, and a client's in a resumed one.
//
// No two records that leave here under the same keys have the same number, or the same explicit nonce, repeated
// flights, messages and alerts included: with AES-GCM that would give its authentication key away.
import { expect } from 'chai';
import type { Context } from 'mocha';
import { createAuthority, type Certificate } from '../helpers/certificates';
import { LossyPath, type Direction } from '../helpers/lossy-path';
import { patience } from '../helpers/patience';
import { cleanupAfterEach, requirePrograms, TemporaryFiles, type Cleanup, type PeerProcess } from '../helpers/peers';
import { ianaName, PROGRAMS, type Program } from '../helpers/programs';
import type { WatchedSocket } from '../helpers/watch';
import { FOREIGN, suite, type Foreign } from '../interop/foreign';
import { keepSessions, ourClient, ourServer } from '../interop/ours';
import { pause } from './support';

const LOSSES = 2;
const TIMER_MS = 300;
/** Longer than anybody here waits before a flight is sent again, but for the last times. */
const AGAIN_MS = 5 * TIMER_MS;
const LIMIT_MS = patience(20_000);
const SUITE = 'ECDHE-ECDSA-AES128-GCM-SHA256';
const OURS = { ciphers: SUITE, retransmission: { initial: TIMER_MS, max: 4 * TIMER_MS } } as const;

const CHANGE_CIPHER_SPEC = 20;
const HANDSHAKE = 22;
/** The messages with which our client, and our server, begin: client_hello, hello_verify_request. */
const BEGINNINGS = [1, 3];
const HEADER = 13;

const HOW = ['full', 'resumed'] as const;
type How = (typeof HOW)[number];

function recordsOf(datagram: Buffer): Buffer[] {
  const records: Buffer[] = [];
  for (let at = 0; at + HEADER <= datagram.length; ) {
    const end = at + HEADER + datagram.readUInt16BE(at + 11);
    records.push(datagram.subarray(at, end));
    at = end;
  }
  return records;
}

/** Loses the last flights of the handshakes on a path, each so often, and sees what leaves here. */
class LastFlights {
  /** Numbers and nonces of protected records that left here and were there before. */
  readonly usedAgain: string[] = [];
  readonly #ours: Direction;
  readonly #used = new Set<string>();
  #last: Direction = 'down';
  #left = 0;

  constructor(ours: Direction) {
    this.#ours = ours;
  }

  /** The next handshake is of this kind. */
  begin(how: How, losses: number): void {
    this.#last = how === 'full' ? 'down' : 'up';
    this.#left = losses;
  }

  get left(): number {
    return this.#left;
  }

  loses(datagram: Buffer, direction: Direction): boolean {
    const records = recordsOf(datagram);
    if (direction === this.#ours) for (const record of records) this.#note(record);
    if (direction !== this.#last || this.#left === 0) return false;
    if (!records.some((record) => record[0] === CHANGE_CIPHER_SPEC)) return false;
    --this.#left;
    return true;
  }

  #note(record: Buffer): void {
    if (record.readUInt16BE(3) === 0) {
      // What leaves behind it is under other keys.
      if (record[0] === HANDSHAKE && BEGINNINGS.includes(record.readUInt8(HEADER))) this.#used.clear();
      return;
    }
    const number = `number ${record.toString('hex', 3, 11)}`;
    const nonce = `nonce ${record.toString('hex', HEADER, HEADER + 8)}`;
    for (const value of [number, nonce]) {
      if (this.#used.has(value)) this.usedAgain.push(value);
      this.#used.add(value);
    }
  }
}

interface Path {
  readonly flights: LastFlights;
  readonly path: LossyPath;
}

async function pathTo(cleanup: Cleanup, port: number, ours: Direction): Promise<Path> {
  const flights = new LastFlights(ours);
  const drop = (datagram: Buffer, direction: Direction): boolean => flights.loses(datagram, direction);
  const path = await LossyPath.to(port, { seed: 'last flights', conditions: {}, drop });
  cleanup.add(() => {
    path.close();
  });
  return { flights, path };
}

/** Waits until it holds; what is to bring it about is done again and again, since the other end may not be there. */
async function until(holds: () => boolean, act: () => void): Promise<void> {
  const deadline = performance.now() + LIMIT_MS;
  while (!holds()) {
    if (performance.now() > deadline) throw new Error('no message came over');
    act();
    // Others begin the wait for an answer to their flight anew with each datagram that comes.
    await pause(AGAIN_MS);
  }
}

interface Peers {
  readonly name: string;
  readonly serverName: string;
  readonly clientName: string;
  readonly require: (context: Context) => void;
  /** Two clients, one after the other, or one that comes twice; the second resumes the first one's session. */
  readonly clients: (cleanup: Cleanup, files: TemporaryFiles, port: number, ca: string) => readonly (() => PeerProcess)[];
  readonly server: (
    cleanup: Cleanup,
    files: TemporaryFiles,
    certificate: Certificate,
  ) => Promise<{ peer: PeerProcess; port: number }>;
  /** So often its last flight may be lost, in each role. */
  readonly losses: { readonly client: number; readonly server: number };
  /** It leaves as soon as it is there, to come back. */
  readonly clientLeaves: boolean;
  /** What came in there comes back, by itself. */
  readonly clientEchoes: boolean;
  readonly serverEchoes: boolean;
}

/** A message goes over, and one comes back. */
async function converse(peer: PeerProcess, ours: WatchedSocket, echoes: boolean, word: string): Promise<void> {
  const { socket, messages } = ours;
  const came = (): boolean => messages.some((message) => message.toString() === `${word}\n`);
  const say = (): boolean => socket.send(`${word}\n`);
  if (echoes) {
    await until(came, say);
    return;
  }
  await until(() => peer.output.includes(word), say);
  await until(came, () => {
    peer.write(`${word}\n`);
  });
}

const ofProgram = (program: Program): Peers => {
  const options = { suite: ianaName(SUITE), timer: TIMER_MS, patience: LIMIT_MS, sessions: 2 };
  return {
    name: program.name,
    serverName: `${program.name}'s server`,
    clientName: `${program.name}'s client`,
    require: (context) => {
      program.require(context);
    },
    clients: (cleanup, files, port, ca) => {
      const peer = program.client(cleanup, [{ ...options, trust: files.file(ca), name: 'localhost', port }]);
      return [() => peer, () => peer];
    },
    server: async (cleanup, files, certificate) => {
      const { peer, ports } = await program.server(cleanup, [{ ...options, ...files.identity(certificate) }]);
      return { peer, port: ports[0] ?? 0 };
    },
    losses: {
      client: program.forgetsLastFlight.includes('client') ? 0 : LOSSES,
      server: program.forgetsLastFlight.includes('server') ? 0 : LOSSES,
    },
    clientLeaves: false,
    clientEchoes: true,
    serverEchoes: true,
  };
};

const ofForeign = (foreign: Foreign): Peers => ({
  ...foreign,
  require: (context) => {
    requirePrograms(context, ...foreign.programs);
  },
  clients: (cleanup, files, port) => {
    const start = (...extra: string[]): PeerProcess =>
      foreign.client(cleanup, files, port, { suite: suite(SUITE), extra });
    if (foreign.name === 'GnuTLS') {
      const peer = start('--resume');
      return [() => peer, () => peer];
    }
    const session = files.file('');
    return [() => start('-sess_out', session), () => start('-sess_in', session)];
  },
  server: (cleanup, files, certificate) => {
    const twice = foreign.name === 'OpenSSL' ? ['-naccept', '2'] : [];
    return foreign.server(cleanup, files, { suite: suite(SUITE), certificate, extra: twice });
  },
  losses: { client: LOSSES, server: LOSSES },
  clientLeaves: foreign.name === 'GnuTLS',
  clientEchoes: false,
});

for (const peers of [...FOREIGN.map(ofForeign), ...PROGRAMS.map(ofProgram)]) {
  describe(`the last flight, lost ${LOSSES} times, with ${peers.name}`, function () {
    this.timeout(3 * LIMIT_MS);
    const cleanup = cleanupAfterEach(this);
    const files = new TemporaryFiles();
    before(function () {
      peers.require(this);
    });
    after(() => {
      files.remove();
    });

    async function issue(): Promise<Certificate> {
      const authority = await createAuthority();
      return authority.issue({ commonName: 'localhost', dnsNames: ['localhost'], ipAddresses: ['127.0.0.1'] });
    }

    /** Every record that was sent is one of its own; where it fails, with all that went over the path. */
    async function onPath({ flights, path }: Path, act: () => Promise<void>): Promise<void> {
      try {
        await act();
        expect(flights.left).to.equal(0);
        expect(flights.usedAgain).to.deep.equal([]);
      } catch (error) {
        throw new Error(`${String(error)}\n${path.log}`, { cause: error });
      }
    }

    it(`${peers.clientName} and our server: ours in a full handshake, theirs in a resumed one`, async () => {
      const { cert, key, ca } = await issue();
      const { server, watched, port } = await ourServer(cleanup, { ...OURS, cert, key });
      keepSessions(server);
      const way = await pathTo(cleanup, port, 'down');
      way.flights.begin('full', LOSSES);
      for (const [index, client] of peers.clients(cleanup, files, way.path.port, ca).entries()) {
        const peer = client();
        await onPath(way, async () => {
          const ours = await watched.connection(index);
          ours.socket.once('secureConnect', () => {
            ours.socket.send('behind it\n');
          });
          await ours.secure(LIMIT_MS);
          expect(ours.socket.isSessionReused()).to.equal(index === 1);
          if (index === 0 && peers.clientLeaves) await ours.closed();
          else await converse(peer, ours, peers.clientEchoes, `word ${index}`);
        });
        way.flights.begin('resumed', peers.losses.client);
        const { socket } = watched.sockets[index] ?? {};
        if (peers.clientEchoes) socket?.send('bye');
        else if (!peers.clientLeaves) socket?.close();
      }
    });

    it(`${peers.serverName} and our client: theirs in a full handshake, ours in a resumed one`, async () => {
      const certificate = await issue();
      const { peer, port } = await peers.server(cleanup, files, certificate);
      const way = await pathTo(cleanup, port, 'up');
      let session: Buffer | undefined;
      for (const [index, how] of HOW.entries()) {
        way.flights.begin(how, how === 'full' ? peers.losses.server : LOSSES);
        await onPath(way, async () => {
          const { client } = ourClient(cleanup, {
            ...OURS,
            ca: certificate.ca,
            servername: 'localhost',
            port: way.path.port,
            session,
          });
          client.socket.once('secureConnect', () => {
            client.socket.send('behind it\n');
          });
          await client.secure(LIMIT_MS);
          expect(client.socket.isSessionReused()).to.equal(how === 'resumed');
          await converse(peer, client, peers.serverEchoes, `word ${index}`);
          session = client.socket.getSession();
          client.socket.close();
          await client.closed();
        });
      }
    });
  });
}
