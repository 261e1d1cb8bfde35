/** One handshake, and messages after it, over a simulated network in virtual time. */
import { connect } from '../../socket/connect';
import { VirtualClock } from '../../lab/clock';
import { Link } from '../../lab/link';
import type { LinkConditions, LinkCounters } from '../../lab/path';
import { seededRandom } from '../../lab/random';
import type { ConnectOptions, ServerOptions } from '../../options/types';
import { createServer, type DTLSServer } from '../../server/server';
import type { DTLSSocket } from '../../socket/socket';
import { Pacer, type Schedule } from './pacer';

export interface TrialPlan {
  readonly seed: string;
  readonly conditions: LinkConditions;
  /** Probability, for each datagram of the client's, that a NAT has given it a new port. */
  readonly rebind: number;
  readonly schedule: Schedule;
  /** Milliseconds that the handshake may take. */
  readonly timeout: number;
  readonly server: ServerOptions;
  readonly client: ConnectOptions;
  /** The client sends so many, which the server sends back. */
  readonly messages: number;
  /** Milliseconds between two of them. */
  readonly interval: number;
  readonly messageSize: number;
}

export interface TrialResult {
  /** Milliseconds until both ends were ready; undefined for a handshake that failed. */
  readonly time: number | undefined;
  /** An error's code. */
  readonly failure: string | undefined;
  readonly retransmissions: number;
  readonly link: LinkCounters;
  /** Messages that the server got. */
  readonly received: number;
  /** Milliseconds from a message to its echo. */
  readonly roundTrips: readonly number[];
  readonly session: Buffer | undefined;
}

export const SERVER_ADDRESS = '192.0.2.1';
const CLIENT_ADDRESS = '192.0.2.2';
const PORT = 5684;

/** OpenSSL's first wait in real milliseconds: long beside what a flight costs to make and to read. */
const REAL_WAIT_MS = 60;
const LONGEST_MS = 0x7fffffff;
/** A retransmission that does not come at all would be a bug. */
const STARVATION_MS = 60_000;

/** A trial whose server or client has slipped is run again, more slowly. */
const SLOWEST = 32;

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

class Trial {
  readonly #plan: TrialPlan;
  readonly #clock = new VirtualClock();
  readonly #link: Link;
  readonly #near: Pacer;
  readonly #far: Pacer;
  readonly #server: DTLSServer;
  readonly #client: DTLSSocket;
  #peer: DTLSSocket | undefined;
  #clientReady = false;
  #time: number | undefined;
  #failure: string | undefined;
  #sent = 0;
  #received = 0;
  readonly #sentAt: number[] = [];
  readonly #roundTrips: number[] = [];
  #session: Buffer | undefined;

  constructor(plan: TrialPlan, slowness: number) {
    this.#plan = plan;
    const { seed, conditions, rebind, schedule } = plan;
    this.#link = new Link(seed, conditions, this.#clock);
    const nat = seededRandom(`${seed} nat`);
    const end = this.#link.attach(CLIENT_ADDRESS);
    this.#near = new Pacer(end, this.#clock, {
      schedule,
      isClient: true,
      beforeSending: () => {
        if (rebind > 0 && nat() < rebind) this.#link.rebind(end);
      },
    });
    this.#far = new Pacer(this.#link.attach(SERVER_ADDRESS, PORT), this.#clock, {
      schedule,
      isClient: false,
      beforeSending: () => undefined,
    });
    const scale = (REAL_WAIT_MS * slowness) / schedule.initial;
    const fast = {
      retransmission: {
        initial: schedule.initial * scale,
        max: Math.max(schedule.max * scale, REAL_WAIT_MS * slowness),
        backoff: schedule.backoff,
      },
      // The virtual clock has the deadline; without any, a client would not begin anew.
      handshakeTimeout: LONGEST_MS,
    };
    this.#server = createServer({ ...plan.server, ...fast, transport: this.#far });
    this.#server.listen();
    this.#watchServer();
    this.#client = connect({ ...plan.client, ...fast, host: SERVER_ADDRESS, port: PORT, transport: this.#near });
    this.#watchClient();
  }

  get slipped(): boolean {
    return this.#near.slipped || this.#far.slipped;
  }

  async run(): Promise<TrialResult> {
    this.#clock.after(this.#plan.timeout, () => {
      if (this.#time === undefined) this.#failure ??= 'ERR_DTLS_HANDSHAKE_TIMEOUT';
    });
    try {
      while (!this.#over()) {
        await this.#productions();
        if (this.#over() || !this.#clock.step()) break;
        await turn();
      }
    } finally {
      await this.#close();
    }
    return {
      time: this.#failure === undefined ? this.#time : undefined,
      failure: this.#failure,
      retransmissions: this.#near.repeated + this.#far.repeated,
      link: this.#link.totals,
      received: this.#received,
      roundTrips: this.#roundTrips,
      session: this.#session,
    };
  }

  /** Time stands still until OpenSSL has made what is due. */
  async #productions(): Promise<void> {
    for (const pacer of [this.#near, this.#far]) {
      while (!pacer.started && pacer === this.#near && this.#failure === undefined) await turn();
      while (pacer.starving && !this.slipped) {
        await new Promise<void>((resolve, reject) => {
          const timer = setTimeout(() => {
            reject(new Error('OpenSSL did not repeat a flight that was due'));
          }, STARVATION_MS);
          pacer.whenItSends(() => {
            clearTimeout(timer);
            setImmediate(resolve); // the rest of the flight comes in the same turn
          });
        });
        pacer.feed();
        await turn();
      }
    }
  }

  #over(): boolean {
    if (this.#failure !== undefined || this.slipped) return true;
    return this.#time !== undefined && this.#sent === this.#plan.messages && this.#link.inFlight === 0;
  }

  #watchServer(): void {
    this.#server.on('secureConnection', (peer) => {
      this.#peer = peer;
      this.#far.settle();
      peer.on('error', () => undefined);
      peer.on('message', (message) => {
        this.#received += 1;
        peer.send(message);
      });
      this.#ready();
    });
    // What it could not do the client is told, or finds out by waiting.
    this.#server.on('dtlsClientError', () => {
      this.#far.forget();
    });
    this.#server.on('error', (error) => {
      this.#failure ??= error.message;
    });
  }

  #watchClient(): void {
    this.#client.on('secureConnect', () => {
      this.#clientReady = true;
      this.#near.settle();
      this.#ready();
    });
    this.#client.on('session', (session) => {
      this.#session = session;
    });
    this.#client.on('error', (error) => {
      this.#failure ??= error.code;
    });
    this.#client.on('message', (message) => {
      const sentAt = this.#sentAt[message.readUInt32BE(0)];
      if (sentAt !== undefined) this.#roundTrips.push(this.#clock.now - sentAt);
    });
  }

  #ready(): void {
    if (!this.#clientReady || this.#peer === undefined || this.#time !== undefined) return;
    this.#time = this.#clock.now;
    this.#sendNext();
  }

  #sendNext(): void {
    if (this.#sent >= this.#plan.messages || this.#client.readyState !== 'open') return;
    const message = Buffer.alloc(this.#plan.messageSize);
    message.writeUInt32BE(this.#sent, 0);
    this.#sentAt.push(this.#clock.now);
    this.#sent += 1;
    this.#client.send(message);
    this.#clock.after(this.#plan.interval, () => {
      this.#sendNext();
    });
  }

  async #close(): Promise<void> {
    this.#near.silence();
    this.#far.silence();
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => {
        resolve();
      });
    });
    this.#client.destroy();
    for (const session of this.#server.sessions) session.destroy();
    await closed;
  }
}

export async function runTrial(plan: TrialPlan): Promise<TrialResult> {
  for (let slowness = 1; ; slowness *= 2) {
    const trial = new Trial(plan, slowness);
    const result = await trial.run();
    if (!trial.slipped) return result;
    if (slowness >= SLOWEST) throw new Error('this machine is too busy: OpenSSL gave up before it was due');
  }
}
