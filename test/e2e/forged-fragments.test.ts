// Protects: that a forged fragment of a message that is awaited costs a handshake a repetition at most. The genuine
// message, or its repetition, takes its place, whoever was first, in both roles.
import { expect } from 'chai';
import { readFragment, readRecords, HANDSHAKE, writeFragment, writeRecord, type WireFragment } from '../fault/support';
import { Capture } from '../helpers/capture';
import { converse } from '../helpers/exchange';
import { certificate, closeEverything, dialTo, listen, next, portOf } from '../helpers/pair';
import { patience } from '../helpers/patience';

const [CLIENT_HELLO, HELLO_VERIFY_REQUEST, CERTIFICATE] = [1, 3, 11];

/** What somebody says of a message in the name of who sends it. */
const FORGERIES: Readonly<Record<string, (fragment: WireFragment) => WireFragment>> = {
  'with other bytes': (fragment) => ({ ...fragment, body: Buffer.from(fragment.body.map((byte) => byte ^ 0xff)) }),
  'of another length': (fragment) => ({ ...fragment, messageLength: fragment.messageLength + 1 }),
  'of a length that is too great to hold': (fragment) => ({ ...fragment, messageLength: 100_000 }),
  'of another type': (fragment) => ({ ...fragment, type: fragment.type === CERTIFICATE ? 20 : CERTIFICATE }),
};

describe('a forged fragment of a message that is awaited', () => {
  let captures: Capture[] = [];

  afterEach(async () => {
    await closeEverything();
    await Promise.all(captures.map((capture) => capture.close()));
    captures = [];
  });

  /** Handshakes with certificates on both sides, each message in many fragments, past `forward`. */
  async function handshake(forward: (of: readonly WireFragment[], datagram: Buffer, fromClient: boolean) => Buffer[]): Promise<void> {
    const own = await certificate();
    const theirs = await certificate({ commonName: 'client', clientAuth: true });
    const server = await listen({ ...own, requestCert: true, mtu: 256, retransmission: { initial: patience(80) } });
    const capture = await Capture.to(portOf(server));
    captures.push(capture);
    capture.forward = (datagram, fromClient) =>
      forward(
        readRecords(datagram).flatMap((record) => readFragment(record) ?? []),
        datagram,
        fromClient,
      );
    const client = dialTo({
      ...theirs,
      ca: own.ca,
      host: '127.0.0.1',
      port: capture.port,
      mtu: 256,
      // A hello of several fragments.
      ALPNProtocols: Array.from({ length: 40 }, (_, index) => `a-long-protocol-${index}`),
      retransmission: { initial: patience(80) },
    });
    const accepted = next(server, 'secureConnection');
    await next(client, 'secureConnect');
    await converse({ client, peer: (await accepted)[0] });
  }

  for (const [what, forge] of Object.entries(FORGERIES)) {
    for (const where of ['before', 'behind'] as const) {
      for (const role of ['client', 'server'] as const) {
        it(`does not stall the ${role}: ${what}, ${where} the genuine one`, async () => {
          const done = new Set<string>();
          let number = 1000;
          await handshake((fragments, datagram, fromClient) => {
            if (fromClient !== (role === 'server')) return [datagram];
            const forgeries = fragments.flatMap((fragment) => {
              const { type, messageSequence, offset, body } = fragment;
              const key = `${messageSequence} ${offset}`;
              // A hello's own front is the endpoint's, before there is a session; what has no bytes cannot be forged in part.
              const hello = type === CLIENT_HELLO && offset === 0;
              if (done.has(key) || hello || type === HELLO_VERIFY_REQUEST || body.length < 16) return [];
              done.add(key);
              const forged = writeFragment(forge({ ...fragment, body: body.subarray(0, 8) }));
              return [writeRecord({ type: HANDSHAKE, epoch: 0, sequence: ++number, body: forged })];
            });
            return where === 'before' ? [...forgeries, datagram] : [datagram, ...forgeries];
          });
          expect(done.size).to.be.above(5);
        });
      }
    }
  }

  it('a ServerHello that answers no hello does not stall a client', async () => {
    let number = 1000;
    await handshake((fragments, datagram, fromClient) => {
      if (fromClient || !fragments.some(({ type }) => type === HELLO_VERIFY_REQUEST)) return [datagram];
      const forged = [0, 1, 2, 5, 9].map((messageSequence) => {
        const body = Buffer.alloc(messageSequence < 2 ? 40 : 80, 1);
        const fragment = { type: 2, messageSequence, messageLength: 80, offset: 0, body };
        return writeRecord({ type: HANDSHAKE, epoch: 0, sequence: ++number, body: writeFragment(fragment) });
      });
      return [...forged, datagram, ...forged];
    });
  });
});
