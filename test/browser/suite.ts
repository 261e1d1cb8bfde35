/** A suite for each browser. It is started for the first one, and runs until the last test of all files is over. */
import { expect } from 'chai';
import { randomBytes } from 'node:crypto';
import type { Suite } from 'mocha';
import { features, type ProtocolVersion } from '../../lib/index';
import { selfSigned, type Certificate } from '../helpers/certificates';
import { cleanupAfterEach, skip, type Cleanup } from '../helpers/peers';
import { patience } from '../helpers/patience';
import { BROWSERS, requireBrowser, START_MS, type Recipe } from './browser-process';
import { Browser, type PagePeer } from './browsers';
import { INIT, INIT_ACK } from './data-channels';
import { Endpoint, type Setup } from './endpoint';

export const VERSIONS = ['DTLSv1.3', 'DTLSv1.2'] as const;
export const ROLES = ['client', 'server'] as const;

/** A connection of the page's, and our end of it. */
export interface Pair {
  readonly theirs: PagePeer;
  readonly endpoint: Endpoint;
}

export interface Opening extends Omit<Setup, 'identity'> {
  readonly identity?: Certificate;
  readonly video?: boolean;
}

/** What the tests of a browser have. */
export class Bench {
  readonly name: 'Chromium' | 'Firefox';
  readonly cleanup: Cleanup;
  #running: Running | undefined;

  constructor(name: 'Chromium' | 'Firefox', cleanup: Cleanup) {
    this.name = name;
    this.cleanup = cleanup;
  }

  set running(running: Running) {
    this.#running = running;
  }

  get browser(): Browser {
    if (this.#running === undefined) throw new Error('no browser');
    return this.#running.browser;
  }

  /** Ours, where a test has no other. */
  get identity(): Certificate {
    if (this.#running === undefined) throw new Error('no identity');
    return this.#running.identity;
  }

  /** A connection that the page has offered, and that we have answered. */
  async open({ video = false, ...setup }: Opening): Promise<Pair> {
    const { theirs, sdp } = await this.offer(video);
    const endpoint = await Endpoint.open(this.cleanup, sdp, { identity: this.identity, ...setup });
    await theirs.call('answer', endpoint.answer);
    return { theirs, endpoint };
  }

  /** A connection that we have offered, and that the page has answered. */
  async openOurs(setup: Opening): Promise<Pair> {
    const { offer, answered } = await Endpoint.offering(this.cleanup, { identity: this.identity, ...setup });
    const theirs = this.browser.peer();
    const answer = await theirs.call('accept', offer);
    this.cleanup.add(() => theirs.call('close'));
    return { theirs, endpoint: answered(answer) };
  }

  async offer(video = false): Promise<{ theirs: PagePeer; sdp: string }> {
    const theirs = this.browser.peer();
    const sdp = await theirs.call('offer', { video });
    this.cleanup.add(() => theirs.call('close'));
    return { theirs, sdp };
  }
}

/** Messages of these sizes to and fro, on a data channel of each side's. */
export async function exchange({ theirs, endpoint }: Pair, sizes: readonly number[]): Promise<void> {
  await endpoint.session();
  expect(await theirs.call('exchange', sizes)).to.deep.equal(sizes);
  const { channels } = endpoint;
  expect(channels.labels).to.deep.equal(['theirs']);
  // SCTP's first packets as our messages: the browser's INIT that we answer, or its answer to ours.
  const client = endpoint.role === 'client';
  expect(channels.left[0]).to.equal(client ? INIT : INIT_ACK);
  expect(channels.came).to.include(client ? INIT_ACK : INIT);
  const stream = client ? 100 : 101;
  await channels.channel(stream, 'ours');
  for (const size of sizes) {
    const message = randomBytes(size);
    expect(await channels.exchange(stream, message)).to.deep.equal(message);
  }
}

interface Running {
  readonly browser: Browser;
  readonly identity: Certificate;
}

const running = new Map<string, Promise<Running>>();

async function start(recipe: Recipe): Promise<Running> {
  return { browser: await Browser.start(recipe), identity: await selfSigned({ commonName: 'WebRTC' }) };
}

// Of mocha's root: behind all files.
after(async function () {
  this.timeout(patience(90_000));
  // One that did not start has told so, and has been stopped.
  for (const one of await Promise.allSettled(running.values())) {
    if (one.status === 'fulfilled') await one.value.browser.stop();
  }
});

/** A `describe` for each browser. One that is missing is skipped, for a reason that is told. */
export function inBrowsers(tests: (this: Suite, bench: Bench) => void): void {
  for (const recipe of BROWSERS) {
    describe(recipe.name, function () {
      this.timeout(patience(60_000));
      const bench = new Bench(recipe.name, cleanupAfterEach(this));
      before(async function () {
        this.timeout(2 * START_MS);
        requireBrowser(this, recipe);
        const started = running.get(recipe.name) ?? start(recipe);
        running.set(recipe.name, started);
        bench.running = await started;
      });
      tests.call(this, bench);
    });
  }
}

/** A `describe` for each version, of which this Node may not have the first. */
export function inVersions(tests: (maxVersion: ProtocolVersion & (typeof VERSIONS)[number]) => void): void {
  for (const maxVersion of VERSIONS) {
    describe(maxVersion, () => {
      before(function () {
        if (maxVersion === 'DTLSv1.3' && features.dtls13 === false) skip(this, features.dtls13Missing ?? 'no DTLS 1.3');
      });
      tests(maxVersion);
    });
  }
}
