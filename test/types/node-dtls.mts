/** Protects: the types of `dgram-dtls/node-dtls`. Checked by tsc, never run. */
import type { NonSharedBuffer } from '../../lib/base/non-shared-buffer.js';
import type { DTLSEndpoint} from '../../lib/node-dtls/index.mjs';
import { connect, createSecureContext, listen, type DTLSSession } from '../../lib/node-dtls/index.mjs';
import { expectType } from './expect.js';

const key = new Uint8Array(16);
export const endpoint: DTLSEndpoint = listen(
  (session) => {
    expectType<DTLSSession>()(session);
    session.onmessage = (data) => {
      expectType<NonSharedBuffer>()(data);
    };
  },
  { port: 0, psk: (identity) => (identity === 'device' ? key : undefined) },
);
export const session: DTLSSession = connect('127.0.0.1', 5684, { psk: { identity: 'device', key } });
export const sent: number = session.send('x');
export const protocol: Promise<{ protocol: string }> = session.opened;
export const count: bigint = endpoint.stats.packetsSent;
export const isServer: boolean = createSecureContext({ isServer: true }).isServer;
export const kept: Buffer | undefined = session.session;
connect('127.0.0.1', 5684, { psk: { identity: 'device', key }, session: kept });
export const reused: boolean = session.reused;

// @ts-expect-error a server has no identity of its own
listen(() => undefined, { port: 0, psk: { identity: 'device', key: 'text' } });
// @ts-expect-error the port is required
listen(() => undefined, {});
