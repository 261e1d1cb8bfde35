/** A browser with a page of the test's. No driver: that page asks by HTTP what to do. */
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { transformSync } from 'esbuild';
import { patience } from '../helpers/patience';
import { BrowserProcess, START_MS, type Recipe } from './browser-process';
import type { Answer, Call, Methods } from './page';

/** Of a page: a few seconds of video are the longest. */
const ANSWER_MS = patience(25_000);

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
  readonly #process: BrowserProcess;
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
    const { port } = server.address() as AddressInfo;
    this.#process = new BrowserProcess(recipe, `http://127.0.0.1:${port}/`);
  }

  static async start(recipe: Recipe): Promise<Browser> {
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
    try {
      await this.#process.stop();
    } finally {
      const closed = once(this.#server, 'close');
      this.#server.close();
      this.#server.closeAllConnections();
      await closed;
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
