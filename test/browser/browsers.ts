/**
 * Chromium and Firefox as Debian has them, headless, each with a profile of its own that goes with it. No driver: the
 * browser opens a page of the test's, and that page asks by HTTP what to do.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { transformSync } from 'esbuild';
import type { Context } from 'mocha';
import { foreignEnvironment, lacks, PeerProcess } from '../helpers/peers';
import { patience } from '../helpers/patience';
import type { Answer, Call, Methods } from './page';

/** Of a browser with a new profile, on a machine that has much else to do. */
const START_MS = patience(60_000);
/** Of its page: a few seconds of video are the longest. */
const ANSWER_MS = patience(25_000);

interface Recipe {
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

/** The version, or why there is none. */
function version({ program }: Recipe): { version: string } | { missing: string } {
  const { error, stdout } = spawnSync(program, ['--version'], {
    env: foreignEnvironment,
    encoding: 'utf8',
    timeout: START_MS,
  });
  if (error !== undefined) return { missing: `${program} is not installed: ${error.message}` };
  return { version: stdout.trim() };
}

function html(): string {
  const { code } = transformSync(readFileSync(path.join(__dirname, 'page.ts'), 'utf8'), { loader: 'ts', target: 'es2022' });
  return `<!doctype html><meta charset="utf-8"><title>dgram-dtls</title><body><script type="module">${code}</script>`;
}

async function body(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request.setEncoding('utf8')) text += chunk as string;
  return text;
}

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** A browser that runs, and the page in it. */
export class Browser {
  readonly #server: Server;
  readonly #profile: string;
  readonly #process: PeerProcess;
  readonly #waiting = new Map<number, Waiting>();
  #calls: Call[] = [];
  #poll: ServerResponse | undefined;
  #made = 0;
  #peers = 0;

  private constructor(recipe: Recipe, server: Server) {
    this.#server = server;
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      void this.#serve(request, response);
    });
    this.#profile = mkdtempSync(path.join(tmpdir(), 'dgram-dtls-browser-'));
    for (const [name, content] of Object.entries(recipe.files)) writeFileSync(path.join(this.#profile, name), content);
    const { port } = server.address() as AddressInfo;
    // Neither writes into the home of whoever runs the tests.
    this.#process = new PeerProcess(recipe.program, recipe.args(this.#profile, `http://127.0.0.1:${port}/`), {
      HOME: this.#profile,
      MOZ_CRASHREPORTER_DISABLE: '1',
    });
  }

  /** Starts it, in a hook: a suite whose browser is missing is skipped. */
  static async start(context: Context, recipe: Recipe): Promise<Browser> {
    context.timeout(2 * START_MS);
    const found = version(recipe);
    if ('missing' in found) lacks(context, found.missing);
    console.log(`    ${found.version}`);
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const browser = new Browser(recipe, server);
    try {
      await browser.#within(new Promise<void>((resolve) => (browser.#asked = resolve)), 'page', START_MS);
    } catch (error) {
      await browser.stop();
      throw error;
    }
    return browser;
  }

  #asked: () => void = () => undefined;

  /** Has the page do something. */
  call<M extends keyof Methods>(
    method: M,
    args: Parameters<Methods[M]>,
    limit = ANSWER_MS,
  ): Promise<Awaited<ReturnType<Methods[M]>>> {
    const answer = new Promise<unknown>((resolve, reject) => {
      this.#waiting.set(this.#push(method, args), { resolve, reject });
    });
    return this.#within(answer as Promise<Awaited<ReturnType<Methods[M]>>>, `answer to ${method}`, limit);
  }

  /** A connection of the page's own, which `offer` makes. */
  peer(): PagePeer {
    return new PagePeer(this, `${++this.#peers}`);
  }

  /** Loads the page anew, as its user may at any time. Returns when it is there again. */
  async reload(): Promise<void> {
    const asked = new Promise<void>((resolve) => (this.#asked = resolve));
    this.#push('reload', []);
    await this.#within(asked, 'page', START_MS);
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
      const closed = once(this.#server, 'close');
      this.#server.close();
      this.#server.closeAllConnections();
      await closed;
      rmSync(this.#profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
    }
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    switch (`${request.method ?? ''} ${request.url ?? ''}`) {
      case 'GET /':
        response.setHeader('content-type', 'text/html').end(html());
        return;
      case 'POST /calls':
        this.#poll = response;
        this.#asked();
        this.#hand();
        return;
      case 'POST /answer': {
        const answer = JSON.parse(await body(request)) as Answer;
        response.end();
        const waiting = this.#waiting.get(answer.id);
        this.#waiting.delete(answer.id);
        if ('error' in answer) waiting?.reject(new Error(`the page: ${answer.error}`));
        else waiting?.resolve(answer.value);
        return;
      }
      default:
        response.writeHead(404).end();
    }
  }

  #push(method: keyof Methods, args: unknown[]): number {
    const id = ++this.#made;
    this.#calls.push({ id, method, args });
    this.#hand();
    return id;
  }

  #hand(): void {
    if (this.#poll === undefined || this.#calls.length === 0) return;
    this.#poll.end(JSON.stringify(this.#calls));
    this.#poll = undefined;
    this.#calls = [];
  }

  async #within<T>(promise: Promise<T>, what: string, limit: number): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(new Error(`no ${what} within ${limit} ms\n${this.describe()}`));
      }, limit);
    });
    try {
      return await Promise.race([promise, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}

type Later<T extends unknown[]> = T extends [unknown, ...infer Rest] ? Rest : never;

/** One RTCPeerConnection of the page. */
export class PagePeer {
  readonly #browser: Browser;
  readonly #name: string;

  constructor(browser: Browser, name: string) {
    this.#browser = browser;
    this.#name = name;
  }

  call<M extends keyof Methods>(
    method: M,
    ...args: Later<Parameters<Methods[M]>>
  ): Promise<Awaited<ReturnType<Methods[M]>>> {
    return this.#browser.call(method, [this.#name, ...args] as unknown as Parameters<Methods[M]>);
  }
}
