// Protects examples/media-gateway: started as the docs say, it brings pages of both browsers together, one of which comes
// later. Each decodes the video of each other one, which has gone through our port, out of one session's keys and into
// another's, and data channels echo. What it shows of the sessions is what they have. And when a router between gives all
// of them other addresses, everything goes on, in the same sessions. aiortc, a peer that is no browser, has the same; and one
// with another certificate than was signalled is refused. Who has not joined gets no answer, and what nobody can read ends
// nothing.
import { expect } from 'chai';
import { once } from 'node:events';
import path from 'node:path';
import { connect, features } from '../../lib/index';
import { PYTHON, requireAiortc } from '../helpers/aiortc';
import { fixture } from '../helpers/child';
import { Nat } from '../helpers/nat';
import { cleanupAfterEach, PeerProcess } from '../helpers/peers';
import { BROWSERS, BrowserProcess, requireBrowser, START_MS } from './browser-process';

const FRAMES = 101;
/** As many in a number. */
const HUNDREDS = '[1-9]\\d{2,}';
const ECHOES = 3;
const OTHER_FINGERPRINT = Array.from({ length: 32 }, () => 'AA').join(':');
/** So long a stranger tries: its first hello, and repetitions. */
const STRANGER_MS = 1500;
const LOOK_MS = 250;

const REFUSED = "failed: the peer's certificate has none of the expected fingerprints (certificate rejected)";

/** As `GET /counters` has them. */
interface Counters {
  readonly gateway: Readonly<Record<Names, number>>;
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

type Names = 'sessions' | 'handshakesCompleted' | 'handshakesFailed' | 'packetsReceived' | 'packetsSent';

/** Whether each of so many sees all others, and has more of each than it had. */
function allSeeAll({ viewers }: Counters, count: number, before?: Counters): boolean {
  if (viewers.length !== count) return false;
  return viewers.every(({ name, page: { decoded = {}, echoes = 0 } }) => {
    const had = before?.viewers.find((viewer) => viewer.name === name)?.page;
    const others = viewers.filter((other) => other.name !== name);
    return (
      echoes >= ECHOES + (had?.echoes ?? 0) &&
      others.every((other) => (decoded[other.name] ?? 0) >= FRAMES + (had?.decoded?.[other.name] ?? 0))
    );
  });
}

describe('examples/media-gateway', function () {
  this.timeout(2 * START_MS);
  const cleanup = cleanupAfterEach(this);

  before(function () {
    for (const recipe of BROWSERS) requireBrowser(this, recipe);
    requireAiortc(this);
  });

  async function start(nat?: Nat): Promise<{ example: PeerProcess; url: string; media: number }> {
    // Under the Node that the tests have, whichever comes first otherwise.
    const PATH = [path.dirname(process.execPath), process.env.PATH].join(path.delimiter);
    const env = { PATH, PORT: '0', ...(nat && { PUBLIC_PORT: `${nat.port}` }) };
    const example = new PeerProcess('npm', ['run', 'example:media-gateway'], env, { group: true });
    cleanup.add(() => example.stop());
    const [, port] = await example.sees(/^media +127\.0\.0\.1:(\d+)/m, START_MS);
    if (nat !== undefined) nat.target = Number(port);
    const [, url = ''] = await example.sees(/^open +(\S+) in two windows$/m, START_MS);
    return { example, url, media: Number(port) };
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

  it('pages of both browsers see each other, one comes later, and addresses change', async () => {
    const nat = await Nat.open();
    cleanup.add(() => {
      nat.close();
    });
    const { example, url } = await start(nat);
    open('Chromium', url);
    open('Firefox', url);
    await until(url, 'two that see each other', (counters) => allSeeAll(counters, 2));
    open('Chromium', url);
    const three = await until(url, 'three that see each other', (counters) => allSeeAll(counters, 3));
    const { gateway, viewers } = three;

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

    const ports = nat.ports;
    nat.forget();
    const moved = await until(url, 'three that go on', (counters) => allSeeAll(counters, 3, three));
    expect(nat.ports.filter((port) => ports.includes(port))).to.deep.equal([]);
    expect(moved.gateway).to.include({ sessions: 3, handshakesCompleted: 3, handshakesFailed: 0 });

    // As Ctrl+C in its terminal.
    example.signal('SIGINT');
    await example.sees(/^closed$/m);
    await example.ends();
  });

  it('a second one on the same port is told how to choose another, in a line', async () => {
    const { url } = await start();
    const { port } = new URL(url);
    const PATH = [path.dirname(process.execPath), process.env.PATH].join(path.delimiter);
    const second = new PeerProcess('npm', ['run', 'example:media-gateway'], { PATH, PORT: port }, { group: true });
    cleanup.add(() => second.stop());
    await second.sees(new RegExp(`^port ${port} of 127\\.0\\.0\\.1 is in use: choose another one by PORT=`, 'm'), START_MS);
    await second.ends();
    expect(second.output).not.to.match(/^ +at /m);
  });

  it('a page and aiortc see each other, and who has not joined, or is another, sees nobody', async () => {
    const { url, media } = await start();
    open('Chromium', url);
    const impostor = cleanup.start(PYTHON, [fixture('aiortc_viewer.py'), url, '1', OTHER_FINGERPRINT]);
    await impostor.sees(/^connection failed$/m, START_MS);
    const peer = cleanup.start(PYTHON, [fixture('aiortc_viewer.py'), '--noise', url, '1']);

    const socket = connect({ host: '127.0.0.1', port: media, rejectUnauthorized: false, handshakeTimeout: STRANGER_MS });
    cleanup.add(() => socket[Symbol.asyncDispose]());
    for (const first of [0, 1, 3, 128, 191]) socket.sendPacket(Buffer.alloc(100, first));
    const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException];
    expect(error.code).to.equal('ERR_DTLS_NO_RESPONSE');

    await peer.sees(/^echo over aiortc$/m, START_MS);
    await peer.sees(new RegExp(`^decoded ${HUNDREDS}`, 'm'), START_MS);

    const { gateway, viewers } = await until(url, 'a page that sees aiortc', (counters) =>
      counters.viewers.some(({ page: { decoded = {} } }) => Object.values(decoded).some((frames) => frames >= FRAMES)),
    );
    expect(gateway).to.include({ sessions: 2, handshakesCompleted: 2, handshakesFailed: 1 });
    const open12 = viewers.filter(({ state, version }) => state === 'open' && version === 'DTLSv1.2');
    expect(open12.map(({ srtp }) => srtp)).to.include('SRTP_AES128_CM_SHA1_80'); // which aiortc alone offers
    // What is no SCTP, and what is no RTP.
    expect(viewers.map(({ refused }) => refused).sort()).to.deep.equal([0, 0, 2]);
    for (const { frames, state } of viewers) {
      if (state.startsWith("failed")) expect({ state, frames }).to.deep.equal({ state: REFUSED, frames: 0 });
    }
  });
});
