// Protects the answers to what a client's handshake asks: who can write in clear has a client of both versions go back to DTLS 1.2,
// and return to 1.3; an answer about what one of the two handshakes came to counts for no other.
import dgram from 'node:dgram';
import { once } from 'node:events';
import { expect } from 'chai';
import type { DTLSServer, ServerOptions } from '../../lib/index';
import { pause } from '../fault/support';
import { describe13, DTLS13, UP_TO_DTLS13 } from '../helpers/dtls13';
import { certificate, closeEverything, dial, failure, listen, portOf } from '../helpers/pair';

const GOOD = 'the certificate is good';
const REVOKED = 'the certificate is revoked';
/** A HelloVerifyRequest with a cookie of four bytes. */
const VERIFY_REQUEST = Buffer.from('16feff00000000000000000013030000070000000000000007feff0401020304', 'hex');
/** What supported_versions of a client with DTLS 1.3 begins with. */
const OFFERS_13 = Buffer.from('002b0005', 'hex');

/** Between a client and two servers of different versions, of which it lets the client hear what it likes. */
class Between {
  readonly #outer = dgram.createSocket('udp4');
  readonly #inner = { old: dgram.createSocket('udp4'), new: dgram.createSocket('udp4') };
  readonly #kept: Buffer[] = [];
  #client = 0;
  #older = true;

  static async two(old: DTLSServer, newer: DTLSServer): Promise<Between> {
    const between = new Between();
    const sockets = [between.#outer, ...Object.values(between.#inner)];
    await Promise.all(
      sockets.map((socket) => {
        socket.bind(0, '127.0.0.1');
        return once(socket, 'listening');
      }),
    );
    between.#inner.old.connect(portOf(old), '127.0.0.1');
    between.#inner.new.connect(portOf(newer), '127.0.0.1');
    await Promise.all(Object.values(between.#inner).map((socket) => once(socket, 'connect')));
    between.#begin();
    return between;
  }

  #begin(): void {
    this.#outer.on('message', (datagram, { port }) => {
      this.#client = port;
      const of13 = datagram.includes(OFFERS_13);
      this.#inner[of13 || !this.#older ? 'new' : 'old'].send(datagram);
      if (of13 && this.#older) this.#toClient(VERIFY_REQUEST);
    });
    this.#inner.old.on('message', (datagram) => {
      if (this.#older) this.#toClient(datagram);
    });
    this.#inner.new.on('message', (datagram) => {
      if (this.#older) this.#kept.push(datagram);
      else this.#toClient(datagram);
    });
  }

  #toClient(datagram: Buffer): void {
    this.#outer.send(datagram, this.#client, '127.0.0.1');
  }

  /** From now on the client hears the newer server alone, and first what that has said already. */
  goOnWithNewer(): void {
    this.#older = false;
    for (const datagram of this.#kept) this.#toClient(datagram);
  }

  get port(): number {
    return this.#outer.address().port;
  }

  close(): void {
    for (const socket of [this.#outer, ...Object.values(this.#inner)]) socket.close();
  }
}

describe13('what a client is asked while somebody changes the version under it', () => {
  let between: Between | undefined;

  afterEach(async () => {
    between?.close();
    await closeEverything();
  });

  async function stapling(response: string, options: ServerOptions): Promise<DTLSServer> {
    const { cert, key } = await certificate();
    const server = await listen({ cert, key, cookieExchange: false, retransmission: { initial: 100 }, ...options });
    server.on('OCSPRequest', (_certificate, _issuer, callback) => { callback(null, Buffer.from(response)); });
    server.on('dtlsClientError', () => undefined);
    return server;
  }

  it('a verdict on what the one server stapled is none on what the other did', async () => {
    const old = await stapling(GOOD, { maxVersion: 'DTLSv1.2' });
    const path = between = await Between.two(old, await stapling(REVOKED, DTLS13));
    const client = await dial(old, { ...UP_TO_DTLS13, port: path.port, requestOCSP: true });
    const ended = failure(client);
    const seen: string[] = [];
    let accept = (): void => undefined;
    client.on('secureConnect', () => { seen.push(`connected: ${String(client.getProtocol())}`); });
    client.on('OCSPResponse', (response, waitUntil) => {
      seen.push(String(response));
      if (seen.length > 1) {
        waitUntil(pause(300).then(() => Promise.reject(new Error('revoked'))));
        accept(); // in the middle of the other question, where both are open
        return;
      }
      waitUntil(new Promise((resolve) => { accept = resolve; }));
      path.goOnWithNewer();
      setTimeout(accept, 300);
    });
    expect((await ended).code).to.equal('ERR_DTLS_OCSP_RESPONSE');
    expect(seen).to.deep.equal([GOOD, REVOKED]);
  });
});
