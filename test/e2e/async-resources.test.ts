/**
 * Protects whoever watches resources by `node:async_hooks`, as jest's --detectOpenHandles does: what has closed is
 * destroyed, as a handle of Node's is, and is not taken for open.
 */
import { createHook } from 'node:async_hooks';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { createServer } from '../../lib/index';
import { hasNativeUdp } from '../../lib/transport/native-udp';
import * as nodeDtls from '../../lib/node-dtls/index';
import { bound, closeSockets, received, secure, sent } from '../dgram/support';
import { closeEverything, dialTo, listen, messages, next, portOf, PSK_CLIENT, PSK_SERVER, within } from '../helpers/pair';

const transports = hasNativeUdp ? (['native', 'dgram'] as const) : (['dgram'] as const);

/** Our resources that were made while it watches, and have not been destroyed; with how many there were of each type. */
class Watch {
  readonly #open = new Map<number, string>();
  readonly #made = new Map<string, number>();
  readonly #hook = createHook({
    init: (id, type) => {
      if (!type.startsWith('DGRAM_DTLS_')) return;
      this.#open.set(id, type);
      this.#made.set(type, (this.#made.get(type) ?? 0) + 1);
    },
    destroy: (id) => {
      this.#open.delete(id);
    },
  }).enable();

  made(type: string): number {
    return this.#made.get(type) ?? 0;
  }

  /** Those that are open when hooks have run, which is a turn of the loop after the end of a resource. */
  async left(): Promise<string[]> {
    for (let turn = 0; turn < 50 && this.#open.size > 0; ++turn) await sleep(2);
    this.#hook.disable();
    return [...this.#open.values()];
  }
}

describe('resources of async_hooks', () => {
  afterEach(closeEverything);
  afterEach(closeSockets);

  for (const transport of transports) {
    describe(`over ${transport}`, () => {
      let before: string | undefined;
      beforeEach(() => {
        before = process.env.DGRAM_DTLS_TRANSPORT;
        process.env.DGRAM_DTLS_TRANSPORT = transport;
      });
      afterEach(() => {
        if (before === undefined) delete process.env.DGRAM_DTLS_TRANSPORT;
        else process.env.DGRAM_DTLS_TRANSPORT = before;
      });

      it('those of a server, its sockets and a client end with them', async () => {
        const watch = new Watch();
        const server = await listen(PSK_SERVER);
        const arrived = next(server, 'secureConnection');
        const client = dialTo({ ...PSK_CLIENT, host: '127.0.0.1', port: portOf(server) });
        await next(client, 'secureConnect');
        const [peer] = await arrived;
        const got = messages(peer, 1);
        await new Promise<void>((resolve) => {
          client.send('x', () => {
            resolve();
          });
        });
        await got;
        const closed = Promise.all([next(client, 'close'), next(server, 'close')]);
        // A handler may close, in the middle of a callback of the socket's.
        peer.once('close', () => server.close());
        client.close();
        await closed;
        expect(watch.made('DGRAM_DTLS_SERVER')).to.equal(1);
        expect(watch.made('DGRAM_DTLS_SOCKET')).to.equal(2);
        expect(watch.made('DGRAM_DTLS_SEND')).to.equal(1);
        if (transport === 'native') expect(watch.made('DGRAM_DTLS_UDP')).to.equal(2);
        expect(await watch.left()).to.deep.equal([]);
      });

      it('those of sockets of createSocket end with them', async () => {
        const watch = new Watch();
        const [one, other] = [await bound(secure()), await bound(secure())];
        const got = received(one);
        await sent(other, 'x', one);
        await got;
        const closed = Promise.all([once(one, 'close'), once(other, 'close')]);
        one.close();
        other.close();
        await within(closed, "'close'");
        const never = secure(); // not bound
        const gone = once(never, 'close');
        never.close();
        await within(gone, "'close'");
        expect(watch.made('DGRAM_DTLS_SOCKET')).to.equal(3);
        expect(await watch.left()).to.deep.equal([]);
      });

      it('those of node-dtls end with its endpoints', async () => {
        const watch = new Watch();
        const psk = Buffer.alloc(16, 1);
        const endpoint = nodeDtls.listen(() => undefined, { host: '127.0.0.1', port: 0, psk: { device: psk } });
        const session = nodeDtls.connect('127.0.0.1', endpoint.address?.port ?? 0, { psk: { identity: 'device', key: psk } });
        await within(session.opened, 'the handshake');
        await within(session.close(), 'the session to close');
        await within(endpoint.close(), 'the endpoint to close');
        expect(watch.made('DGRAM_DTLS_SOCKET')).to.equal(2);
        expect(await watch.left()).to.deep.equal([]);
      });
    });
  }

  it('a server that never listened, and one that could not, have none that is open', async () => {
    const taken = await listen(PSK_SERVER);
    const watch = new Watch();
    createServer(PSK_SERVER);
    const second = createServer(PSK_SERVER);
    await within(once(second.listen(portOf(taken), '127.0.0.1'), 'error'), "'error'");
    expect(await watch.left()).to.deep.equal([]);
  });
});
