// Protects: that a client which begins anew from its port opens, though repetitions of the server's flight for its last, half
// handshake are on their way. They come under the same message numbers as those that it waits for (RFC 6347 section 4.2.8).
import { expect } from 'chai';
import type { ConnectOptions, ServerOptions } from '../../lib/index';
import { CLIENT_HELLO, HELLO_VERIFY_REQUEST, readFragment, readRecords, SERVER_HELLO } from '../fault/support';
import { Capture } from '../helpers/capture';
import { converse } from '../helpers/exchange';
import { certificate, closeEverything, dialTo, listen, next, portOf } from '../helpers/pair';
import { patience } from '../helpers/patience';

const psk = Buffer.alloc(16, 7);

const firstOf = (datagram: Buffer) => readRecords(datagram).flatMap((record) => readFragment(record) ?? [])[0];

/** The random of the ServerHello with which a datagram begins. */
const serverRandom = (datagram: Buffer): string | undefined => {
  const first = firstOf(datagram);
  return first?.type === SERVER_HELLO ? first.body.subarray(2, 34).toString('hex') : undefined;
};

describe('flights for a handshake that was begun before, from the same port', () => {
  let capture: Capture | undefined;

  afterEach(async () => {
    await closeEverything();
    await capture?.close();
    capture = undefined;
  });

  /** A client of `options` that begins is lost; then another one from its port. `say` has the old flight come again. */
  async function secondLife(
    server: ServerOptions,
    options: Partial<ConnectOptions>,
    place: (datagram: Buffer, fromClient: boolean, say: () => void, later: () => void) => boolean,
  ): Promise<void> {
    const serving = await listen({ ...server, retransmission: { initial: patience(60) } });
    const relay = (capture = await Capture.to(portOf(serving)));
    const begun: Buffer[] = [];
    let told = (): void => undefined;
    const repeated = new Promise<void>((resolve) => (told = resolve));
    relay.forward = (datagram, fromClient) => {
      if (fromClient || firstOf(datagram)?.type === HELLO_VERIFY_REQUEST) return [datagram];
      begun.push(datagram);
      if (begun.length === 2) told();
      return []; // nothing of it arrives
    };
    const where = { host: '127.0.0.1', port: relay.port, retransmission: { initial: patience(5000) }, ...options };
    const first = dialTo({ ...where, localPort: 0 });
    await repeated;
    const old = begun[1] ?? Buffer.alloc(0);
    const { localPort } = first;
    relay.forward = () => []; // and nothing of its end either
    const closed = next(first, 'close');
    first.destroy();
    await closed;
    let again = 0;
    const say = (): void => {
      again += 1;
      relay.reply(old);
    };
    relay.forward = (datagram, fromClient) => {
      if (!fromClient && serverRandom(datagram) === serverRandom(old)) return [];
      const later = (): void => {
        setTimeout(() => {
          relay.reply(datagram);
        }, patience(100));
      };
      return place(datagram, fromClient, say, later) ? [datagram] : [];
    };
    const accepted = next(serving, 'secureConnection');
    const client = dialTo({ ...where, localPort });
    await next(client, 'secureConnect');
    const [peer] = await accepted;
    await converse({ client, peer });
    expect(again).to.equal(1);
  }

  for (const transport of ['auto', 'dgram'] as const) {
    for (const [what, server, client] of [
      ['certificates', undefined, undefined],
      ['pre-shared keys', { pskCallback: () => psk }, { pskCallback: () => ({ identity: 'device', psk }) }],
    ] as const) {
      const options = async (): Promise<[ServerOptions, Partial<ConnectOptions>]> => {
        if (server !== undefined) return [{ ...server, transport }, { ...client, transport }];
        const own = await certificate();
        return [{ ...own, transport }, { ca: own.ca, transport }];
      };

      it(`are not taken before the HelloVerifyRequest: ${what}, transport ${transport}`, async () => {
        await secondLife(...(await options()), (datagram, fromClient, say, later) => {
          if (fromClient || firstOf(datagram)?.type !== HELLO_VERIFY_REQUEST) return true;
          say();
          later();
          return false;
        });
      });

      it(`are not taken before the ServerHello: ${what}, transport ${transport}`, async () => {
        await secondLife(...(await options()), (datagram, fromClient, say, later) => {
          const first = firstOf(datagram);
          if (fromClient && first?.type === CLIENT_HELLO && first.messageSequence === 1) say();
          if (fromClient || first?.type !== HELLO_VERIFY_REQUEST) return true;
          later();
          return false;
        });
      });
    }
  }
});
