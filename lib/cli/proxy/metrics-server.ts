/** A proxy's metrics and health over HTTP, by prom-client. Loaded only where somebody wants them. */
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { collectDefaultMetrics, Counter, Gauge, Registry } from 'prom-client';

import { metrics } from '../../metrics/index';
import type { Address } from '../arguments';
import type { Relay } from './relay';

/** What only the command knows. */
export interface ProxyState {
  readonly reloads: { readonly ok: number; readonly failed: number };
  readonly validTo: Date | undefined;
}

/** Scrapers are few, and come every few seconds. */
const MAX_CONNECTIONS = 16;
const REQUEST_TIMEOUT_MS = 5000;

export interface MetricsServer {
  readonly address: AddressInfo;
  close(): Promise<void>;
}

export async function serveMetrics(where: Address, relay: Relay, state: () => ProxyState): Promise<MetricsServer> {
  const register = makeRegister(relay, state);
  const pages: Record<string, (response: ServerResponse) => void> = {
    '/metrics': (response) => {
      register.metrics().then(
        (text) => {
          reply(response, 200, register.contentType, text);
        },
        (error: unknown) => {
          reply(response, 500, 'text/plain', `${String(error)}\n`);
        },
      );
    },
    '/healthz': (response) => {
      const { health, sessions, queued } = relay;
      const text = JSON.stringify({ ...health, sessions: sessions.size, queued });
      response.setHeader('cache-control', 'no-store');
      reply(response, health.ok ? 200 : 503, 'application/json', `${text}\n`);
    },
  };
  const server = createServer({ requestTimeout: REQUEST_TIMEOUT_MS, connectionsCheckingInterval: 1000 }, (request, response) => {
    const path = request.url?.replace(/\?.*$/, '') ?? '';
    const page = Object.hasOwn(pages, path) ? pages[path] : undefined;
    if (page === undefined) {
      reply(response, 404, 'text/plain', 'Metrics are at /metrics, and whether all is well at /healthz.\n');
    } else if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.setHeader('allow', 'GET, HEAD');
      reply(response, 405, 'text/plain', '');
    } else {
      page(response);
    }
  });
  server.maxConnections = MAX_CONNECTIONS;
  await listenOn(server, where);
  return {
    address: server.address() as AddressInfo,
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      }),
  };
}

/** Answers a request. Node itself sends the headers alone where it was HEAD. */
function reply(response: ServerResponse, status: number, type: string, text: string): void {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(text) }).end(text);
}

function listenOn(server: Server, { host = '127.0.0.1', port }: Address): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function makeRegister(relay: Relay, state: () => ProxyState): Registry {
  const register = new Registry();
  const registers = [register];
  collectDefaultMetrics({ register });
  metrics(register);
  const { counters, sessions } = relay;
  const counter = (name: string, help: string, label: string, values: () => Record<string, number>): void => {
    new Counter({
      ...{ name: `dtls_proxy_${name}`, help, labelNames: label === '' ? [] : [label], registers },
      collect() {
        this.reset();
        for (const [value, count] of Object.entries(values())) {
          this.inc(label === '' ? {} : { [label]: value }, count);
        }
      },
    });
  };
  const gauge = (name: string, help: string, value: () => number | undefined): void => {
    new Gauge({
      ...{ name: `dtls_proxy_${name}`, help, registers },
      collect() {
        const now = value();
        // A gauge begins at 0, and an expiry of 0 is one of 1970: where there is nothing to tell, there is no series.
        if (now === undefined) this.remove();
        else this.set(now);
      },
    });
  };
  const { toTarget, fromTarget } = counters;
  gauge('sessions', 'Sessions that the proxy has open.', () => sessions.size);
  gauge('queued', 'Messages that wait for the shared session.', () => relay.queued);
  counter('sessions_total', 'Sessions that were opened, or whose handshake failed.', 'result', () => ({
    opened: counters.sessionsOpened,
    failed: counters.sessionsFailed,
  }));
  counter('datagrams_total', 'Datagrams that were passed on.', 'direction', () => ({
    to_target: toTarget.datagrams,
    from_target: fromTarget.datagrams,
  }));
  counter('bytes_total', 'What the datagrams held that were passed on, in bytes.', 'direction', () => ({
    to_target: toTarget.bytes,
    from_target: fromTarget.bytes,
  }));
  counter('dropped_total', 'Datagrams that were not passed on.', 'reason', () => counters.dropped);
  counter('plain_errors_total', 'Errors of the plain side, such as ICMP refusals.', '', () => ({
    '': counters.plainErrors,
  }));
  counter('reloads_total', 'How often certificates, keys and addresses were read again.', 'result', () => ({
    ...state().reloads,
  }));
  gauge('certificate_expiry_timestamp_seconds', 'When the own certificate ends, in seconds since 1970.', () => {
    const { validTo } = state();
    return validTo === undefined ? undefined : validTo.getTime() / 1000;
  });
  return register;
}
