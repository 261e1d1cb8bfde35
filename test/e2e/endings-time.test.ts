/**
 * Protects: that silence and AbortSignals end what they are to end, and nothing else.
 */
import { expect } from 'chai';
import dgram from 'node:dgram';
import { once } from 'node:events';
import { createServer } from '../../lib/index';
import {
  clientFailure,
  closeEverything,
  dial,
  dialTo,
  ending,
  failure,
  listen,
  next,
  openOn,
  openPsk,
  ORDERLY,
  PSK_CLIENT,
  PSK_SERVER,
} from '../helpers/pair';

describe('endings', () => {
  afterEach(closeEverything);

  describe('time', () => {
    it('idleTimeout ends a session that is silent, on both sides', async () => {
      const { client, peer } = await openPsk({}, { idleTimeout: 60 });
      const atPeer = ending(peer);
      const error = await failure(client);
      expect(error).to.include({ code: 'ERR_DTLS_IDLE_TIMEOUT', category: 'timeout' });
      expect(error.hint).to.be.a('string').that.is.not.empty;
      expect(await atPeer).to.deep.equal(ORDERLY);
    });

    it('a retransmission shorter than OpenSSL can wait sends no burst, and hurts no handshake', async () => {
      const retransmission = { initial: 1, max: 1 };
      const silent = dgram.createSocket('udp4').bind(0, '127.0.0.1');
      await once(silent, 'listening');
      let heard = 0;
      silent.on('message', () => (heard += 1));
      try {
        const client = dialTo({ ...PSK_CLIENT, host: '127.0.0.1', port: silent.address().port, retransmission, handshakeTimeout: 400 });
        expect((await failure(client)).code).to.equal('ERR_DTLS_NO_RESPONSE');
      } finally {
        silent.close();
      }
      expect(heard).to.be.within(2, 400 / 20 + 1);
      const server = await listen({ ...PSK_SERVER, retransmission });
      await openOn(server, { ...PSK_CLIENT, retransmission });
    });

    it("a client that gives up is no refused connection in the server's eyes", async () => {
      const server = await listen({ pskCallback: () => Buffer.alloc(16, 9), retransmission: { initial: 60 }, handshakeTimeout: 1000 });
      const error = clientFailure(server);
      const client = await dial(server, { ...PSK_CLIENT, handshakeTimeout: 200 });
      await failure(client);
      expect((await error).code).to.equal('ERR_DTLS_PSK_MISMATCH');
    });

    it("idleTimeout of a server's session is the socket's error when heard", async () => {
      const { client, peer } = await openPsk({ idleTimeout: 60 });
      const atClient = ending(client);
      expect((await failure(peer)).code).to.equal('ERR_DTLS_IDLE_TIMEOUT');
      expect(await atClient).to.deep.equal(ORDERLY);
    });

    it("idleTimeout of a server's session is dtlsClientError otherwise", async () => {
      const { server, client } = await openPsk({ idleTimeout: 60 });
      const atClient = ending(client);
      expect((await clientFailure(server)).code).to.equal('ERR_DTLS_IDLE_TIMEOUT');
      await atClient;
    });

    it('idleTimeout waits while there is traffic', async () => {
      const { client, peer } = await openPsk({}, { idleTimeout: 120 });
      const start = performance.now();
      const error = failure(client);
      peer.on('message', (message) => {
        setTimeout(() => peer.send(message), 20);
      });
      let rounds = 0;
      client.on('message', () => {
        if (++rounds < 8) client.send('again');
      });
      client.send('first');
      expect((await error).code).to.equal('ERR_DTLS_IDLE_TIMEOUT');
      expect(rounds).to.equal(8);
      expect(performance.now() - start).to.be.above(8 * 20 + 100);
    });

    it('setTimeout tells of silence and ends nothing', async () => {
      const { client } = await openPsk();
      let calls = 0;
      client.setTimeout(30, () => ++calls);
      await next(client, 'timeout');
      await next(client, 'timeout');
      expect(calls).to.equal(1);
      expect(client.readyState).to.equal('open');
      client.setTimeout(0);
      const closed = next(client, 'close');
      client.on('timeout', () => {
        throw new Error('switched off');
      });
      setTimeout(() => client.close(), 60);
      await closed;
    });

    it('setTimeout in its own handler takes the place of the timer that was there', async () => {
      const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
      const { client } = await openPsk();
      client.on('timeout', () => client.setTimeout(5));
      client.setTimeout(5);
      await next(client, 'timeout');
      const before = timers();
      // With a second timer left behind each time there would be one more for each. The endpoints have theirs, too.
      for (let i = 0; i < 8; ++i) await next(client, 'timeout');
      expect(timers()).to.be.below(before + 4);
    });

    it('setTimeout goes on where its listener throws', async () => {
      const { client } = await openPsk();
      const others = process.listeners('uncaughtException');
      process.removeAllListeners('uncaughtException');
      try {
        const uncaught = new Promise<Error>((resolve) => process.once('uncaughtException', resolve));
        client.setTimeout(5, () => {
          throw new Error('of the listener');
        });
        expect((await uncaught).message).to.equal('of the listener');
        await next(client, 'timeout');
      } finally {
        for (const listener of others) process.on('uncaughtException', listener);
      }
    });

    it('setTimeout does not go by a clock that somebody sets', async () => {
      const { client } = await openPsk();
      const { now } = Date;
      try {
        client.setTimeout(20);
        Date.now = () => now() - 3_600_000;
        await next(client, 'timeout');
      } finally {
        Date.now = now;
      }
    });
  });

  describe('AbortSignal', () => {
    it('destroys a client, in the handshake and after', async () => {
      const server = await listen(PSK_SERVER);
      for (const early of [true, false]) {
        const controller = new AbortController();
        const options = { ...PSK_CLIENT, signal: controller.signal };
        const client = early
          ? await dial(server, options)
          : (await openOn(server, options)).client;
        const error = failure(client);
        controller.abort(new Error('changed my mind'));
        expect(await error).to.include({ code: 'ABORT_ERR', category: 'closed' });
        expect((await error).cause).to.have.property('message', 'changed my mind');
      }
    });

    it('has no error for a client that closes already', async () => {
      const controller = new AbortController();
      const { client } = await openOn(await listen(PSK_SERVER), { ...PSK_CLIENT, signal: controller.signal });
      const end = ending(client);
      client.close();
      controller.abort();
      expect(await end).to.deep.equal(ORDERLY);
    });

    it('that was aborted before lets nothing begin', async () => {
      const client = dialTo({ port: 5684, ...PSK_CLIENT, signal: AbortSignal.abort() });
      expect((await failure(client)).code).to.equal('ABORT_ERR');
      expect(client.stats.datagramsSent).to.equal(0);
    });

    it('closes a server', async () => {
      const controller = new AbortController();
      const { server, client } = await openPsk({ signal: controller.signal });
      const closed = Promise.all([next(server, 'close'), ending(client)]);
      controller.abort();
      expect((await closed)[1]).to.deep.equal(ORDERLY);
    });

    it('that was aborted before lets no server begin', async () => {
      const server = createServer({ ...PSK_SERVER, signal: AbortSignal.abort() });
      const closed = next(server, 'close');
      server.on('listening', () => {
        throw new Error('it listens');
      });
      server.listen(0, '127.0.0.1');
      await closed;
    });
  });
});
