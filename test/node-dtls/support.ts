/** What the tests of `dgram-dtls/node-dtls` share. */
import * as dtls from '../../lib/node-dtls/index';
import type { DTLSConnectOptions, DTLSEndpoint, DTLSListenOptions, DTLSSession } from '../../lib/node-dtls/index';
import { createAuthority, type Certificate } from '../helpers/certificates';
import { within } from '../helpers/pair';

export const HOST = '127.0.0.1';
export const KEY = Buffer.alloc(16, 7);
export const PSK = { identity: 'device', key: KEY };

/** From Node 24.5 and 22.19 on: newer than the types of Node 20. */
export interface DefaultAuthorities {
  getCACertificates: (type: 'default') => string[];
  setDefaultCACertificates: (pem: readonly string[]) => void;
}

const endpoints = new Set<DTLSEndpoint>();
const sessions = new Set<DTLSSession>();

/** For the address that the tests use, and for the names given. */
export async function certificate(...dnsNames: string[]): Promise<Certificate> {
  const authority = await createAuthority();
  return authority.issue({ commonName: 'server', ipAddresses: [HOST], dnsNames });
}

export async function clientCertificate(): Promise<Certificate> {
  return (await createAuthority()).issue({ commonName: 'client', clientAuth: true });
}

export function listen(
  options: Partial<DTLSListenOptions>,
  onsession: (session: DTLSSession) => void = () => undefined,
): DTLSEndpoint {
  const endpoint = dtls.listen(onsession, { host: HOST, port: 0, ...options });
  endpoints.add(endpoint);
  return endpoint;
}

export function portOf(endpoint: DTLSEndpoint): number {
  const { port } = endpoint.address ?? {};
  if (port === undefined) throw new Error('the endpoint has no address');
  return port;
}

export function connect(to: DTLSEndpoint | number, options: DTLSConnectOptions = {}): DTLSSession {
  const session = dtls.connect(HOST, typeof to === 'number' ? to : portOf(to), options);
  sessions.add(session);
  return session;
}

export interface Pair {
  readonly endpoint: DTLSEndpoint;
  readonly client: DTLSSession;
  readonly server: DTLSSession;
}

/** A session that is open on both sides. */
export async function open(
  serverOptions: Partial<DTLSListenOptions> = { psk: { [PSK.identity]: KEY } },
  clientOptions: DTLSConnectOptions = { psk: PSK },
): Promise<Pair> {
  let server: DTLSSession | undefined;
  const endpoint = listen(serverOptions, (session) => {
    server = session;
  });
  const client = connect(endpoint, clientOptions);
  await within(client.opened, 'the handshake');
  if (server === undefined) throw new Error('onsession was not called');
  await within(server.opened, "the server's end of the handshake");
  return { endpoint, client, server };
}

/** What a promise rejects with; fails when it resolves. */
export async function rejection(promise: Promise<unknown>): Promise<NodeJS.ErrnoException> {
  const [outcome] = await within(Promise.allSettled([promise]), 'a promise to settle');
  if (outcome.status === 'fulfilled') throw new Error('the promise was resolved');
  return outcome.reason as NodeJS.ErrnoException;
}

/** What a call throws. */
export function thrown(call: () => unknown): NodeJS.ErrnoException {
  try {
    call();
  } catch (error) {
    return error as NodeJS.ErrnoException;
  }
  throw new Error('nothing was thrown');
}

/** The next message of a session. */
export const message = (session: DTLSSession): Promise<string> =>
  within(
    new Promise((resolve) => {
      session.onmessage = (data) => {
        resolve(data.toString());
      };
    }),
    'a message',
  );

/** For afterEach. */
export async function closeAll(): Promise<void> {
  for (const session of sessions) session.destroy();
  sessions.clear();
  await within(Promise.allSettled([...endpoints].map((endpoint) => endpoint.close())), 'endpoints to close');
  endpoints.clear();
}

/** Long enough for whatever was going to happen on loopback. */
export const pause = (ms = 50): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

export { dtls };
