/** Workers that are terminated while datagrams come in for them. */
import type { Context } from 'mocha';
import { skip } from './peers';

/**
 * Skips where Node itself aborts the process. When a worker is terminated while promise jobs run after a `message` of
 * node:dgram, Node 20 reads the next datagram all the same, and finds that it cannot store the address: "FATAL ERROR:
 * v8::FromJust Maybe value is Nothing" in `node::AddressToJS`. A worker with a plain node:dgram socket and a promise in
 * its handler shows it within seconds; Node 22 and later do not.
 */
export function skipWhereNodeAborts(context: Context, transport: string | undefined): void {
  const [major = 0] = process.versions.node.split('.').map(Number);
  if (transport === 'dgram' && major < 22) skip(context, 'node:dgram of Node 20 aborts when its worker is terminated');
}
