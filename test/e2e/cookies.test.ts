// Protects the cookie options of a server as its user sees them: a cookie is good on every server that has the
// same `cookieSecret` and on no other, for as long as `cookieLifetime` says, and only where it is asked for.
import { expect } from 'chai';
import { setTimeout } from 'node:timers/promises';
import type { DTLSServer, ServerOptions } from '../../lib/index';
import { Link } from '../helpers/link';
import { closeEverything, dial, listen, next, portOf, PSK_CLIENT, PSK_SERVER, within } from '../helpers/pair';
import { patience } from '../helpers/patience';

const SECRET = 'a secret that a fleet of servers shares';

interface Hello {
  /** Sends the ClientHello with its cookie to a server, from where it was made. */
  sendTo(server: DTLSServer): void;
}

/** A ClientHello with a cookie from `server`, which itself never gets it. */
async function helloFor(server: DTLSServer): Promise<Hello> {
  const link = await Link.bound();
  const hellos: Buffer[] = [];
  const second = new Promise<Buffer>((resolve) => {
    link.outgoing = (datagram) => {
      if (hellos.push(datagram) === 1) return [datagram];
      resolve(datagram);
      return [];
    };
  });
  await dial(server, { ...PSK_CLIENT, transport: link, handshakeTimeout: 0 });
  const hello = await within(second, 'a hello with a cookie');
  return {
    sendTo: (other) => {
      link.socket.send(hello, portOf(other), '127.0.0.1');
    },
  };
}

const server = (options: ServerOptions): Promise<DTLSServer> => listen({ ...PSK_SERVER, ...options });

/** Waits until a server has judged a hello with a cookie. */
async function judged(one: DTLSServer): Promise<{ accepted: number; refused: number }> {
  const deadline = Date.now() + patience(5000);
  const verdict = (): { accepted: number; refused: number } => {
    const { cookiesAccepted, cookiesRefused } = one.stats;
    return { accepted: cookiesAccepted, refused: cookiesRefused };
  };
  while (verdict().accepted + verdict().refused === 0 && Date.now() < deadline) await setTimeout(5);
  return verdict();
}

const ACCEPTED = { accepted: 1, refused: 0 };
const REFUSED = { accepted: 0, refused: 1 };

describe('cookies', () => {
  afterEach(closeEverything);

  it('are good on every server with the same cookieSecret', async () => {
    const [one, other] = [await server({ cookieSecret: SECRET }), await server({ cookieSecret: Buffer.from(SECRET) })];
    const hello = await helloFor(one);
    const began = next(other, 'connection');
    hello.sendTo(other);
    await began;
    expect(await judged(other)).to.deep.equal(ACCEPTED);
    expect(one.stats).to.include({ cookiesSent: 1, cookiesAccepted: 0 });
  });

  it('are made with the cookieSecret that was given, though its owner wipes it or takes it away at once', async () => {
    const wipe = (secret: Buffer): unknown => secret.fill(0);
    const detach = (secret: Buffer): unknown => structuredClone(secret, { transfer: [secret.buffer as ArrayBuffer] });
    for (const lose of [wipe, detach]) {
      const cookieSecret = Buffer.from(new ArrayBuffer(SECRET.length));
      cookieSecret.write(SECRET);
      const listening = server({ cookieSecret });
      lose(cookieSecret);
      const other = await server({ cookieSecret: SECRET });
      (await helloFor(await listening)).sendTo(other);
      expect(await judged(other)).to.deep.equal(ACCEPTED);
    }
  });

  it("are not good on a server with another, or with secrets of its own", async () => {
    const one = await server({ cookieSecret: SECRET });
    for (const options of [{ cookieSecret: `${SECRET}, but another one` }, {}]) {
      const other = await server(options);
      (await helloFor(one)).sendTo(other);
      expect(await judged(other)).to.deep.equal(REFUSED);
      expect([...other.sessions]).to.deep.equal([]);
    }
  });

  it('are good for no longer than cookieLifetime', async () => {
    const short = await server({ cookieSecret: SECRET, cookieLifetime: 100 });
    const hello = await helloFor(short);
    await setTimeout(150);
    hello.sendTo(short);
    expect(await judged(short)).to.deep.equal(REFUSED);
  });

  it('are good for longer by default', async () => {
    const long = await server({});
    const hello = await helloFor(long);
    await setTimeout(150);
    hello.sendTo(long);
    expect(await judged(long)).to.deep.equal(ACCEPTED);
  });
});
