/**
 * Chromium and Firefox as Debian has them, headless, each with a profile of its own that goes with it.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Context } from 'mocha';
import { foreignEnvironment, lacks, PeerProcess } from '../helpers/peers';
import { patience } from '../helpers/patience';

/** Of a browser with a new profile, on a machine that has much else to do. */
export const START_MS = patience(60_000);

export interface Recipe {
  readonly name: 'Chromium' | 'Firefox';
  readonly program: string;
  readonly args: (profile: string, url: string) => string[];
  /** Of the profile, by name. */
  readonly files: Record<string, string>;
}

const FIREFOX_SETTINGS = {
  'media.peerconnection.ice.loopback': true,
  // Whoever may not use a camera is not told of loopback addresses, which are those that a test is at.
  'permissions.default.camera': 1,
  'app.update.enabled': false,
  'browser.shell.checkDefaultBrowser': false,
  'datareporting.policy.dataSubmissionEnabled': false,
  'toolkit.telemetry.enabled': false,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
  'services.settings.server': 'http://127.0.0.1:9', // the discard port: nothing is asked of the network
};

export const BROWSERS: readonly Recipe[] = [
  {
    name: 'Chromium',
    program: 'chromium',
    args: (profile, url) => [
      '--headless',
      ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []), // its sandbox refuses root
      `--user-data-dir=${profile}`,
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-gpu',
      '--disable-dev-shm-usage', // containers have little of it
      '--allow-loopback-in-peer-connection',
      '--autoplay-policy=no-user-gesture-required',
      url,
    ],
    files: {},
  },
  {
    name: 'Firefox',
    program: 'firefox-esr',
    args: (profile, url) => ['--headless', '--no-remote', '--profile', profile, url],
    files: {
      'user.js': Object.entries(FIREFOX_SETTINGS)
        .map(([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`)
        .join(''),
    },
  },
];

type Found = { readonly version: string } | { readonly missing: string };
const found = new Map<string, Found>();

/** The version, or why there is none. */
function version({ program }: Recipe): Found {
  const known = found.get(program);
  if (known !== undefined) return known;
  const asked = askVersion(program);
  found.set(program, asked);
  return asked;
}

function askVersion(program: string): Found {
  const { error, stdout } = spawnSync(program, ['--version'], {
    env: foreignEnvironment,
    encoding: 'utf8',
    timeout: START_MS,
  });
  if (error !== undefined) return { missing: `${program} is not installed: ${error.message}` };
  return { version: stdout.trim() };
}

/** Says which one runs, in a hook: a suite whose browser is missing is skipped. */
export function requireBrowser(context: Context, recipe: Recipe): void {
  const one = version(recipe);
  if ('missing' in one) lacks(context, one.missing);
  console.log(`    ${one.version}`);
}

/** One that has been started, at an address. */
export class BrowserProcess {
  readonly #profile: string;
  readonly #process: PeerProcess;

  constructor(recipe: Recipe, url: string) {
    this.#profile = mkdtempSync(path.join(tmpdir(), 'dgram-dtls-browser-'));
    for (const [name, content] of Object.entries(recipe.files)) writeFileSync(path.join(this.#profile, name), content);
    // Neither writes into the home of whoever runs the tests.
    this.#process = new PeerProcess(recipe.program, recipe.args(this.#profile, url), {
      HOME: this.#profile,
      MOZ_CRASHREPORTER_DISABLE: '1',
    });
  }

  /** What it printed. */
  describe(): string {
    return this.#process.describe();
  }

  async stop(): Promise<void> {
    // Its own processes end with it, and hold the pipes until they have.
    this.#process.signal('SIGTERM');
    try {
      await this.#process.ends(START_MS);
    } finally {
      await this.#process.stop();
      rmSync(this.#profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
    }
  }
}
