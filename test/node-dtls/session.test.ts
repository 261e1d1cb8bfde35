// Protects the life of a `node:dtls` session: when it is there, what it can send, and its promises, which always
// settle.
import dgram from 'node:dgram';
import { expect } from 'chai';
import { selfSigned } from '../helpers/certificates';
import { next, within } from '../helpers/pair';
import { listen as listenOwn, portOf as ownPort } from '../helpers/pair';
import { skip } from '../helpers/peers';
import {
  closeAll,
  connect,
  dtls,
  HOST,
  KEY,
  listen,
  message,
  open,
  pause,
  PSK,
  rejection,
  thrown,
} from './support';

const psk = { [PSK.identity]: KEY };

describe('node-dtls: sessions', () => {
  afterEach(closeAll);

  describe('onsession', () => {
    it('is called once per session, after the cookie is verified and before the handshake runs', async () => {
      const states: (string | undefined)[] = [];
      const endpoint = listen({ psk }, (session) => {
        states.push(session.authorizationError);
      });
      await within(connect(endpoint, { psk: PSK }).opened, 'the handshake');
      expect(states).to.deep.equal(['HANDSHAKE_INCOMPLETE']);
      expect(endpoint.stats.serverSessions).to.equal(1n);
    });

    it('with psk and without ciphers, suites of pre-shared keys are there, all but those of RSA key exchange', async () => {
      // An RSA certificate: without the default it would do for them.
      const { cert, key } = await selfSigned({ commonName: 'localhost', keyType: 'rsa-2048' });
      const endpoint = listen({ psk, cert, key });
      const answer = (ciphers?: string): Promise<string | undefined> => {
        const client = connect(endpoint, { psk: PSK, ...(ciphers === undefined ? {} : { ciphers }) });
        return within(
          client.opened.then(
            () => client.cipher?.name,
            (error: unknown) => String(error),
          ),
          'the handshake',
        );
      };
      for (const suite of ['PSK-AES128-GCM-SHA256', 'ECDHE-PSK-CHACHA20-POLY1305']) {
        expect(await answer(suite)).to.equal(suite);
      }
      expect(await answer('RSA-PSK-AES128-GCM-SHA256')).to.match(/handshake failure/);
      expect(await answer()).to.match(/^ECDHE-PSK-/);
    });

    it('a session destroyed in it is gone, and its client hears nothing', async () => {
      const endpoint = listen({ psk }, (session) => {
        session.destroy();
      });
      const client = connect(endpoint, { psk: PSK, handshakeTimeout: 300 });
      expect(await rejection(client.opened)).to.include({ code: 'ERR_INVALID_STATE' });
    });
  });

  describe('send', () => {
    it('takes a string, TypedArray, DataView or Buffer and returns the bytes', async () => {
      const { client, server } = await open();
      const received: string[] = [];
      server.onmessage = (data) => received.push(data.toString());
      const wide = new Uint16Array(new Uint8Array([97, 98, 99, 100]).buffer);
      expect(client.send('hé')).to.equal(3);
      expect(client.send(Buffer.from('buffer').subarray(1, 4))).to.equal(3);
      expect(client.send(wide)).to.equal(4);
      expect(client.send(new DataView(wide.buffer, 1, 2))).to.equal(2);
      await pause();
      expect(received).to.deep.equal(['hé', 'uff', 'abcd', 'bc']);
    });

    it('throws ERR_INVALID_ARG_TYPE for anything else, an ArrayBuffer too', async () => {
      const { client } = await open();
      for (const data of [1, null, undefined, {}, new ArrayBuffer(4)]) {
        expect(thrown(() => client.send(data as string)).code).to.equal('ERR_INVALID_ARG_TYPE');
      }
    });

    it('throws ERR_INVALID_STATE before the handshake completes, and when destroyed', async () => {
      const endpoint = listen({ psk });
      const client = connect(endpoint, { psk: PSK });
      const early = thrown(() => client.send('early'));
      expect(early.code).to.equal('ERR_INVALID_STATE');
      expect(early.message).to.include('Cannot send application data before the handshake completes');
      await client.opened;
      client.destroy();
      const late = thrown(() => client.send('late'));
      expect(late.code).to.equal('ERR_INVALID_STATE');
      expect(late.message).to.include('Session is destroyed');
    });

    it('throws ERR_OUT_OF_RANGE over 16384 bytes, and sends 16384', async () => {
      const { client, server } = await open();
      const error = thrown(() => client.send(Buffer.alloc(16385)));
      expect(error.code).to.equal('ERR_OUT_OF_RANGE');
      expect(error.message).to.equal(
        'data is 16385 bytes, which exceeds the 16384 byte maximum for a single DTLS record',
      );
      const arrived = message(server);
      expect(client.send(Buffer.alloc(16384, 'x'))).to.equal(16384);
      expect(await arrived).to.have.length(16384);
    });

    it('throws ERR_CRYPTO_OPERATION_FAILED for what OpenSSL makes no record of', async () => {
      const { client } = await open();
      expect(thrown(() => client.send('')).code).to.equal('ERR_CRYPTO_OPERATION_FAILED');
    });
  });

  describe('opened and closed', () => {
    it('opened resolves with the protocol', async () => {
      const { client, server } = await open();
      expect(await client.opened).to.deep.equal({ protocol: 'DTLSv1.2' });
      expect(await server.opened).to.deep.equal({ protocol: 'DTLSv1.2' });
    });

    it('close sends close_notify and does not wait for the peer', async () => {
      const { client, server } = await open();
      await within(client.close(), 'close');
      expect(client.destroyed).to.equal(true);
      await within(server.closed, "the server's end");
      expect(server.destroyed).to.equal(true);
    });

    it('close ends the session at once, with the close_notify on its way', async () => {
      const { client, server } = await open();
      const sent = client.endpoint.stats.packetsSent;
      void client.close();
      expect(client.destroyed).to.equal(true);
      expect(client.stats.isConnected).to.equal(false);
      expect(client.endpoint.stats.packetsSent).to.equal(sent + 1n);
      await within(server.closed, 'the server to hear of it');
      expect(client.protocol).to.equal(undefined);
      expect(client.cipher).to.equal(undefined);
      expect(client.authorized).to.equal(false);
      for (const call of [() => client.send({} as never), () => client.exportKeyingMaterial(0, 'x')]) {
        expect(thrown(call)).to.include({ code: 'ERR_INVALID_STATE' });
      }
    });

    it('destroy without an error resolves closed, null being none', async () => {
      const { client } = await open();
      client.destroy(null);
      await within(client.closed, 'closed');
    });

    it('close before the handshake completes rejects opened, and resolves closed', async () => {
      const client = connect(listen({ psk }), { psk: PSK });
      const closed = client.close();
      const error = await rejection(client.opened);
      expect(error.code).to.equal('ERR_INVALID_STATE');
      expect(error.message).to.include('Session was closed before the handshake completed');
      await within(closed, 'closed');
    });

    it('destroy with an error rejects closed with it, and opened before the handshake', async () => {
      const reason = new Error('enough');
      const early = connect(listen({ psk }), { psk: PSK });
      early.destroy(reason);
      expect(await rejection(early.opened)).to.equal(reason);
      expect(await rejection(early.closed)).to.equal(reason);
      const { client } = await open();
      client.destroy(reason);
      expect(await rejection(client.closed)).to.equal(reason);
      expect(await client.opened).to.deep.equal({ protocol: 'DTLSv1.2' });
    });

    it('destroy tells the peer nothing', async () => {
      const { client, server } = await open();
      client.destroy();
      await within(client.closed, 'closed');
      await pause();
      expect(server.destroyed).to.equal(false);
    });

    it('destroy in mid-handshake tells the peer nothing either', async () => {
      const endpoint = listen({ psk, handshakeTimeout: 400 }, (session) => {
        ends.push(rejection(session.opened));
        client.destroy();
      });
      const ends: Promise<Error>[] = [];
      const client = connect(endpoint, { psk: PSK });
      await rejection(client.opened);
      const sent = client.endpoint.stats.packetsSent;
      expect((await ends[0])?.message).to.include('DTLS handshake timeout');
      expect(client.endpoint.stats.packetsSent).to.equal(sent);
    });

    it('a failed handshake of a server: onerror, opened rejects, closed resolves, and the endpoint goes on', async () => {
      const order: string[] = [];
      const closed: Promise<unknown>[] = [];
      const endpoint = listen({ psk }, (session) => {
        session.onerror = () => order.push('onerror');
        session.opened.catch(() => order.push('opened'));
        closed.push(session.closed.then(() => order.push('closed')));
      });
      await rejection(connect(endpoint, { psk: { identity: 'nobody', key: KEY } }).opened);
      await within(Promise.all(closed), 'closed');
      expect(order).to.deep.equal(['onerror', 'opened', 'closed']);
      await within(connect(endpoint, { psk: PSK }).opened, 'the next session');
    });

    it('on a failed handshake: onerror, opened rejects, then closed resolves, and connect closes its endpoint', async () => {
      const order: string[] = [];
      const endpoint = listen({ psk });
      const client = connect(endpoint, { psk: { identity: 'nobody', key: KEY } });
      client.onerror = (error) => order.push(`onerror ${String((error as NodeJS.ErrnoException).code)}`);
      client.opened.catch(() => order.push('opened'));
      void client.closed.then(() => order.push('closed'));
      await within(client.closed, 'closed');
      await pause(0);
      expect(order).to.deep.equal(['onerror ERR_INVALID_STATE', 'opened', 'closed']);
      // The number is OpenSSL's for the alert: 1000 and the alert's own.
      expect((await rejection(client.opened)).message).to.match(/: error:0A00045B:SSL routines::\w.* alert unknown psk identity$/);
      await within(client.endpoint.closed, "the client's endpoint");
      expect(client.endpoint.destroyed).to.equal(true);
      expect(endpoint.destroyed).to.equal(false);
    });

    it('unobserved rejections are swallowed', async () => {
      const unhandled: unknown[] = [];
      const note = (reason: unknown): void => {
        unhandled.push(reason);
      };
      process.on('unhandledRejection', note);
      try {
        const client = connect(listen({ psk }), { psk: PSK });
        client.destroy(new Error('nobody looks'));
        await pause(20);
        expect(unhandled).to.deep.equal([]);
      } finally {
        process.off('unhandledRejection', note);
      }
    });

    it("a handshake timeout is ERR_INVALID_STATE 'DTLS handshake timeout'", async () => {
      const silent = dgram.createSocket('udp4');
      await new Promise<void>((resolve) => {
        silent.bind(0, HOST, resolve);
      });
      const client = connect(silent.address().port, { psk: PSK, handshakeTimeout: 100 });
      const error = await rejection(client.opened);
      silent.close();
      expect(error.code).to.equal('ERR_INVALID_STATE');
      expect(error.message).to.include('DTLS handshake timeout');
    });

    it('keys that differ end in a handshake timeout', async () => {
      const endpoint = listen({ psk });
      const other = Buffer.alloc(16, 8);
      const error = await rejection(
        connect(endpoint, { psk: { identity: PSK.identity, key: other }, handshakeTimeout: 300 }).opened,
      );
      expect(error).to.include({ code: 'ERR_INVALID_STATE' });
      expect(error.message).to.include('DTLS handshake timeout');
      expect(error.cause).to.include({ code: 'ERR_DTLS_PSK_MISMATCH' });
    });

    it('a first flight that cannot be sent has ended the session when connect returns', async function () {
      if (process.platform !== 'linux' || process.env.DGRAM_DTLS_TRANSPORT === 'dgram') {
        skip(this, 'over the native socket only: node:dgram tells of it later');
      }
      // Without SO_BROADCAST the system refuses such an address.
      const session = dtls.connect('255.255.255.255', 4433, { psk: PSK });
      expect(session.destroyed).to.equal(true);
      const error = await rejection(session.opened);
      expect(error).to.include({ code: 'ERR_INVALID_STATE' });
      expect(error.message).to.include('permission denied');
      expect(session.stats.retransmitCount).to.equal(0n);
      await within(session.endpoint.closed, "the session's endpoint");
    });

    it("an error of the system's is ERR_INVALID_STATE with its text", async () => {
      const nowhere = dgram.createSocket('udp4');
      await new Promise<void>((resolve) => {
        nowhere.bind(0, HOST, resolve);
      });
      const { port } = nowhere.address();
      await new Promise<void>((resolve) => {
        nowhere.close(resolve);
      });
      const error = await rejection(connect(port, { psk: PSK, handshakeTimeout: 300 }).opened);
      expect(error.code).to.equal('ERR_INVALID_STATE');
      // Over node:dgram an unconnected socket does not hear of it.
      expect(error.message).to.match(/connection refused|DTLS handshake timeout/);
    });

    it('[Symbol.asyncDispose] closes', async () => {
      const { client, server } = await open();
      await client[Symbol.asyncDispose]();
      await within(server.closed, "the server's end");
      expect(client.destroyed).to.equal(true);
    });
  });

  it('talks to the main entry of the package, both ways', async () => {
    const server = await listenOwn({ pskCallback: () => KEY });
    const accepted = next(server, 'secureConnection');
    const client = connect(ownPort(server), { psk: PSK });
    const [socket] = await accepted;
    await client.opened;
    const arrived = message(client);
    socket.send('from the other shape');
    expect(await arrived).to.equal('from the other shape');
    await client.close();
    server.close();
    await next(server, 'close');
  });
});
