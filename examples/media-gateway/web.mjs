// The page, and signalling: how offers and answers go, which WebRTC leaves to its user. Who may join is decided here; this
// example takes everybody who reaches the page.
//
// POST   /viewers             an offer: { sdp }              201, { id, name, sdp }
// POST   /viewers/ID          a later offer                  200, { sdp }
// GET    /viewers/ID/events   server-sent events, twice a second and at changes: { streams, counters }
// GET    /counters            the same counters, for who watches the gateway

import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';

const LONGEST_OFFER = 200_000;
const UPDATE_MS = 500;

const FILES = {
  '/': ['index.html', 'text/html'],
  '/page.js': ['page.js', 'text/javascript'],
  '/picture.js': ['picture.js', 'text/javascript'],
  '/table.js': ['table.js', 'text/javascript'],
  '/style.css': ['style.css', 'text/css'],
};

export async function serve(gateway, { host, port }) {
  const server = createServer((request, response) => {
    handle(gateway, request, response).catch((error) => {
      const status = error instanceof Refusal ? error.status : 500;
      if (status === 500) console.error(error);
      response.writeHead(status, { 'content-type': 'text/plain' }).end(`${error.message}\n`);
    });
  });
  server.listen(port, host);
  await once(server, 'listening');
  return server;
}

class Refusal extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function handle(gateway, request, response) {
  const { pathname } = attempt(() => new URL(request.url, 'http://localhost'));
  const [, id, events] = /^\/viewers\/([\w-]+)(\/events)?$/.exec(pathname) ?? [];
  const viewer = id === undefined ? undefined : gateway.viewer(id);
  const is = (method, matches) => request.method === method && matches;

  if (is('GET', pathname in FILES)) {
    const [name, type] = FILES[pathname];
    response.setHeader('content-type', type).end(await readFile(new URL(`page/${name}`, import.meta.url)));
  } else if (is('GET', pathname === '/counters')) {
    json(response, 200, gateway.counters());
  } else if (is('POST', pathname === '/viewers')) {
    const { sdp } = await read(request);
    const joined = attempt(() => gateway.join(sdp));
    json(response, 201, { id: joined.id, name: joined.name, sdp: joined.answer(gateway.transport) });
  } else if (id !== undefined && viewer === undefined) {
    throw new Refusal(404, 'no such viewer');
  } else if (is('POST', viewer && !events)) {
    const { sdp } = await read(request);
    attempt(() => viewer.take(sdp));
    json(response, 200, { sdp: viewer.answer(gateway.transport) });
    viewer.settle();
  } else if (is('GET', viewer && events)) {
    follow(gateway, viewer, response);
  } else {
    throw new Refusal(404, 'not found');
  }
}

/** What an offer is refused for is the page's to read. */
function attempt(what) {
  try {
    return what();
  } catch (error) {
    throw new Refusal(400, error.message);
  }
}

async function read(request) {
  let text = '';
  for await (const chunk of request.setEncoding('utf8')) {
    text += chunk;
    if (text.length > LONGEST_OFFER) throw new Refusal(413, 'too long');
  }
  // What is no object has no offer in it, which is refused as any that is none.
  return attempt(() => JSON.parse(text)) ?? {};
}

function json(response, status, value) {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
}

function follow(gateway, viewer, response) {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
  const tell = () => {
    response.write(`data: ${JSON.stringify({ streams: viewer.streams, ...gateway.counters() })}\n\n`);
  };
  const timer = setInterval(tell, UPDATE_MS);
  const end = () => response.end();
  viewer.on('change', tell);
  viewer.once('close', end);
  response.once('close', () => {
    clearInterval(timer);
    viewer.off('change', tell);
    viewer.off('close', end);
  });
  tell();
}
