// Handshakes over a network that carries datagrams in steps, half a round trip each.

import { once } from 'node:events';
import { developmentCertificate } from '../../examples/certificate.mjs';
import { connect, createSecureContext, createServer } from 'dgram-dtls';

/** What was sent in one step arrives in the next. */
class Steps {
  #nodes = new Map();
  #sent = [];
  count = 0;

  transport(address, port) {
    const peer = { address, port, family: 'IPv4' };
    const key = `${address}:${port}`;
    return {
      start: (receiver) => this.#nodes.set(key, receiver),
      send: (datagrams, to, done) => {
        for (const datagram of datagrams) this.#sent.push([Buffer.from(datagram), peer, to]);
        if (done) process.nextTick(done, null);
        return true;
      },
      address: () => peer,
      close: (done) => {
        this.#nodes.delete(key);
        process.nextTick(done);
      },
    };
  }

  /** Carries datagrams until `over()`. */
  async carry(over) {
    for (;;) {
      // Whatever comes of a datagram comes within a few turns: nothing else is waited for here.
      for (let turn = 0; turn < 20; ++turn) await new Promise((resolve) => setImmediate(resolve));
      if (over()) return;
      if (this.count > 20) throw new Error('a handshake does not end');
      ++this.count;
      for (const [datagram, from, { address, port }] of this.#sent.splice(0)) {
        this.#nodes.get(`${address}:${port}`)?.receive(datagram, from);
      }
    }
  }
}

/** How many round trips pass between a client's first hello and the moment when it may send. */
export async function handshakeRoundTrips(version, how, cookieExchange) {
  const network = new Steps();
  const range = { minVersion: version, maxVersion: version, ecdhCurve: 'X25519:P-256' };
  const { cert, key, ca } = await developmentCertificate();
  const server = createServer({ ...range, cert, key, cookieExchange, transport: network.transport('10.0.0.1', 4433) });
  server.listen();
  await once(server, 'listening');
  const secureContext = createSecureContext({ ...range, ca });
  const open = async (port, session, what) => {
    const client = connect({
      host: '10.0.0.1',
      port: 4433,
      servername: 'localhost',
      secureContext,
      ...(session === undefined ? {} : { session }),
      transport: network.transport('10.0.0.2', port),
    });
    let came = false;
    let value;
    client.once(what, (given) => {
      came = true;
      value = given;
    });
    network.count = 0;
    await network.carry(() => came);
    const { count } = network;
    const reused = client.isSessionReused();
    let closed = false;
    client.once('close', () => {
      closed = true;
    });
    client.close();
    await network.carry(() => closed);
    return { value, count, reused };
  };
  const ticket = how === 'resumed' ? (await open(1024, undefined, 'session')).value : undefined;
  const { count, reused } = await open(1025, ticket, 'secureConnect');
  if (reused !== (how === 'resumed')) throw new Error(`${version}: isSessionReused() is ${reused}`);
  server.close();
  await once(server, 'close');
  return count / 2;
}
