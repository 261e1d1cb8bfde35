// Protects pre-shared keys as `node:dtls` takes them: who is asked, when, and what becomes of a bad answer.
import { expect } from 'chai';
import { within } from '../helpers/pair';
import { closeAll, connect, dtls, KEY, listen, open, pause, PSK, rejection } from './support';

const psk = { [PSK.identity]: KEY };

describe('node-dtls: pre-shared keys', () => {
  afterEach(closeAll);

  it('a function on either side is asked during the handshake', async () => {
    const asked: unknown[] = [];
    const { server } = await open(
      {
        psk: (identity) => {
          asked.push(identity);
          return KEY;
        },
        pskIdentityHint: 'hint',
      },
      {
        psk: (hint) => {
          asked.push(hint);
          return PSK;
        },
      },
    );
    expect(asked).to.deep.equal(['hint', PSK.identity]);
    expect(server.authorized).to.equal(true);
  });

  it('undefined refuses', async () => {
    const endpoint = listen({ psk: () => undefined });
    expect(await rejection(connect(endpoint, { psk: PSK }).opened)).to.include({ code: 'ERR_INVALID_STATE' });
  });

  it('a throw fails that handshake, and the thrown value itself reaches onerror and opened', async () => {
    const reason = { not: 'an Error' };
    const seen: unknown[] = [];
    const endpoint = listen(
      {
        psk: () => {
          // eslint-disable-next-line @typescript-eslint/only-throw-error -- what is thrown must come through
          throw reason;
        },
      },
      (session) => {
        session.onerror = (error) => seen.push(error);
        session.opened.catch((error: unknown) => seen.push(error));
      },
    );
    await rejection(connect(endpoint, { psk: PSK }).opened);
    await pause();
    expect(seen).to.deep.equal([reason, reason]);
    expect(seen[0]).to.equal(reason);
    const client = connect(listen({ psk }), {
      psk: () => {
        throw new RangeError('mine');
      },
    });
    expect(await rejection(client.opened)).to.be.instanceOf(RangeError);
  });

  it("a client's function is called with undefined where there is no hint", async () => {
    const hints: unknown[] = [];
    await open(
      { psk },
      {
        psk: (hint) => {
          hints.push(hint);
          return PSK;
        },
      },
    );
    expect(hints).to.deep.equal([undefined]);
  });

  it("a server's map knows its identities and no other, not even those of every object", async () => {
    const endpoint = listen({ psk });
    for (const identity of ['toString', '__proto__', 'nobody']) {
      const error = await rejection(connect(endpoint, { psk: { identity, key: KEY } }).opened);
      expect(error.message, identity).to.include('alert unknown psk identity');
    }
  });

  it('keys are views: what they cover counts, and is copied', async () => {
    const memory = new Uint8Array(32).fill(9);
    memory.set(KEY, 8);
    const key = new DataView(memory.buffer, 8, 16);
    const endpoint = listen({ psk: { [PSK.identity]: new Uint16Array(memory.buffer, 8, 8) } });
    const secureContext = dtls.createSecureContext({ psk: { identity: PSK.identity, key } });
    memory.fill(0);
    await within(connect(endpoint, { secureContext }).opened, 'the handshake');
    await within(connect(endpoint, { psk: PSK }).opened, 'the same key');
  });

  for (const [what, answer, text] of [
    ['a string', 'key', 'must return a TypedArray'],
    ['a Promise', Promise.resolve(KEY), 'must return a TypedArray'],
    ['a long key', Buffer.alloc(513), 'key is too long'],
  ] as [string, unknown, string][]) {
    it(`a server's function that returns ${what} fails the handshake with a TypeError`, async () => {
      const failures: Promise<Error>[] = [];
      const endpoint = listen({ psk: () => answer as never }, (session) => {
        failures.push(rejection(session.opened));
      });
      await rejection(connect(endpoint, { psk: PSK }).opened);
      const [failure] = failures;
      expect(await failure).to.be.instanceOf(TypeError);
      expect((await failure)?.message).to.include(text);
    });
  }

  const bad: [string, unknown, string][] = [
    ['nothing', undefined, 'The psk callback must return an object'],
    ['null', null, 'The psk callback must return an object'],
    ['a Promise', Promise.resolve(PSK), "with a string 'identity' and a TypedArray or DataView 'key'"],
    ['an identity that is no string', { identity: 1, key: KEY }, "with a string 'identity' and a TypedArray or DataView 'key'"],
    ['no key', { identity: 'a' }, "with a string 'identity' and a TypedArray or DataView 'key'"],
    ['a long identity', { identity: 'a'.repeat(257), key: KEY }, 'identity is too long'],
    ['a long key', { identity: 'a', key: Buffer.alloc(513) }, 'key is too long'],
  ];
  for (const [what, answer, text] of bad) {
    it(`a client's function that returns ${what} fails the handshake with a TypeError`, async () => {
      const client = connect(listen({ psk }), { psk: () => answer as never });
      const error = await rejection(client.opened);
      expect(error).to.be.instanceOf(TypeError);
      expect(error.message).to.include(text);
    });
  }
});
