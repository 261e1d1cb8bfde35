/**
 * Protects: what becomes of an async listener that rejects where a program has Node watch for that
 * (`events.captureRejections`): the same as with node:tls, whose socket is destroyed and whose server goes on.
 */
import { expect } from 'chai';
import { EventEmitter, once } from 'node:events';
import type { AddressInfo } from 'node:net';
import tls from 'node:tls';
import { certificate, closeEverything, dial, listen, next, openPsk, PSK_CLIENT, PSK_SERVER, within } from '../helpers/pair';

describe('captureRejections', () => {
  before(() => {
    EventEmitter.captureRejections = true;
  });
  after(() => {
    EventEmitter.captureRejections = false;
  });
  afterEach(closeEverything);

  const broken = new Error('of the listener');
  const rejecting = (() => Promise.reject(broken)) as () => void;

  it('a listener of secureConnection ends the session, as in tls', async () => {
    const { cert, key, ca } = await certificate();
    const server = tls.createServer({ cert, key, maxVersion: 'TLSv1.2' });
    const atTls: unknown[] = [];
    server.on('secureConnection', (socket) => {
      socket.on('error', (error) => atTls.push(error));
    });
    server.on('secureConnection', rejecting);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const client = tls.connect({ host: '127.0.0.1', port: (server.address() as AddressInfo).port, ca });
    client.on('error', () => undefined);
    await within(new Promise((resolve) => client.once('close', resolve)), "tls's end");
    server.close();
    expect(atTls).to.deep.equal([broken]);

    for (const event of ['connection', 'secureConnection'] as const) {
      const ours = await listen(PSK_SERVER);
      ours.on(event, (socket) => {
        socket.on('error', () => undefined);
      });
      ours.on(event, rejecting);
      const told: unknown[] = [];
      ours.on('error', (error) => told.push(error));
      const failed = event === 'connection' ? next(ours, 'dtlsClientError') : undefined;
      const socket = await dial(ours, PSK_CLIENT);
      socket.on('error', () => undefined);
      await next(socket, 'close');
      if (failed !== undefined) expect((await failed)[0].cause).to.equal(broken);
      expect(told).to.deep.equal([]);
      expect(ours.listening).to.be.true;
    }
  });

  it("a socket's own listener ends it, as with streams", async () => {
    const { client, peer } = await openPsk();
    peer.on('message', rejecting);
    const failed = next(peer, 'error');
    client.send('message');
    expect((await failed)[0]).to.include({ code: 'ERR_DTLS_DESTROYED', cause: broken });
    await next(client, 'close');
    expect(peer.destroyed).to.be.true;
  });

  it("another listener of the server's is its error", async () => {
    const server = await listen(PSK_SERVER);
    server.on('dtlsClientError', rejecting);
    const failed = next(server, 'error');
    const client = await dial(server, { pskCallback: () => ({ identity: 'nobody', psk: Buffer.alloc(16, 1) }) });
    client.on('error', () => undefined);
    expect((await failed)[0]).to.equal(broken);
    await next(client, 'close');
  });
});
