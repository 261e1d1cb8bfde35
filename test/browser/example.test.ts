// Protects examples/media-gateway: started as the docs say, it brings pages of both browsers together, one of which comes
// later. Each decodes the video of each other one, which has gone through our port, out of one session's keys and into
// another's, and data channels echo. What it shows of the sessions is what they have.
import { expect } from 'chai';
import path from 'node:path';
import { features } from '../../lib/index';
import { cleanupAfterEach, PeerProcess } from '../helpers/peers';
import { BROWSERS, BrowserProcess, requireBrowser, START_MS } from './browser-process';

const FRAMES = 101;
const ECHOES = 3;
const LOOK_MS = 250;

/** As `GET /counters` has them. */
interface Counters {
  readonly gateway: Readonly<Record<'sessions' | 'handshakesFailed' | 'packetsReceived' | 'packetsSent', number>>;
  readonly viewers: readonly Viewer[];
}
interface Viewer {
  readonly name: string;
  readonly state: string;
  readonly version?: string;
  readonly suite?: string;
  readonly group?: string;
  readonly srtp?: string;
  readonly frames: number;
  readonly refused: number;
  readonly page: { readonly decoded?: Readonly<Record<string, number>>; readonly echoes?: number; readonly browser?: string };
}

/** Whether each sees all others. */
function allSeeAll({ viewers }: Counters, count: number): boolean {
  if (viewers.length !== count) return false;
  return viewers.every(({ name, page: { decoded = {}, echoes = 0 } }) => {
    const others = viewers.filter((other) => other.name !== name);
    return echoes >= ECHOES && others.every((other) => (decoded[other.name] ?? 0) >= FRAMES);
  });
}

describe('examples/media-gateway', function () {
  this.timeout(2 * START_MS);
  const cleanup = cleanupAfterEach(this);

  before(function () {
    for (const recipe of BROWSERS) requireBrowser(this, recipe);
  });

  async function start(): Promise<{ example: PeerProcess; url: string }> {
    // Under the Node that the tests have, whichever comes first otherwise.
    const PATH = [path.dirname(process.execPath), process.env.PATH].join(path.delimiter);
    const example = new PeerProcess('npm', ['run', 'example:media-gateway'], { PATH, PORT: '0' }, { group: true });
    cleanup.add(() => example.stop());
    const [, url = ''] = await example.sees(/^open +(\S+) in two windows$/m, START_MS);
    return { example, url };
  }

  function open(name: string, url: string): void {
    const recipe = BROWSERS.find((one) => one.name === name);
    if (recipe === undefined) throw new Error(`no ${name}`);
    const browser = new BrowserProcess(recipe, url);
    cleanup.add(() => browser.stop());
  }

  /** Looks at the counters until they are as expected, or tells what they are. */
  async function until(url: string, what: string, fits: (counters: Counters) => boolean): Promise<Counters> {
    const deadline = Date.now() + START_MS;
    for (;;) {
      const counters = (await (await fetch(new URL('/counters', url))).json()) as Counters;
      if (fits(counters)) return counters;
      if (Date.now() > deadline) throw new Error(`not ${what}: ${JSON.stringify(counters, null, 1)}`);
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }

  it('pages of both browsers see each other, and one that comes later', async () => {
    const { example, url } = await start();
    open('Chromium', url);
    open('Firefox', url);
    await until(url, 'two that see each other', (counters) => allSeeAll(counters, 2));
    open('Chromium', url);
    const { gateway, viewers } = await until(url, 'three that see each other', (counters) => allSeeAll(counters, 3));

    expect(viewers.map(({ page }) => /Firefox|Chrome/.exec(page.browser ?? '')?.[0]).sort()).to.deep.equal([
      'Chrome',
      'Chrome',
      'Firefox',
    ]);
    const dtls13 = features.dtls13 !== false;
    for (const { state, version, suite, group, srtp, frames, refused } of viewers) {
      expect({ state, version, srtp, refused }).to.deep.equal({
        state: 'open',
        version: dtls13 ? 'DTLSv1.3' : 'DTLSv1.2',
        srtp: 'SRTP_AEAD_AES_128_GCM',
        refused: 0,
      });
      expect(suite).to.equal(dtls13 ? 'TLS_AES_128_GCM_SHA256' : 'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256');
      if (dtls13) expect(group).to.equal('X25519MLKEM768');
      expect(frames).to.be.at.least(FRAMES);
    }
    expect(gateway).to.include({ sessions: 3, handshakesFailed: 0 });
    expect(gateway.packetsReceived).to.be.above(3 * FRAMES);
    expect(gateway.packetsSent).to.be.above(6 * FRAMES);

    // As Ctrl+C in its terminal.
    example.signal('SIGINT');
    await example.sees(/^closed$/m);
    await example.ends();
  });
});
