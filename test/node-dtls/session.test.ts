// Protects the life of a `node:dtls` session: its promises, which always settle, its callbacks, what it can send and
// export, and what can be read of it while it lives and afterwards.
import { X509Certificate } from 'node:crypto';
import dgram from 'node:dgram';
import tls from 'node:tls';
import { expect } from 'chai';
import type { DTLSSession } from '../../lib/node-dtls/index';
import { createAuthority, selfSigned } from '../helpers/certificates';
import { next, within } from '../helpers/pair';
import { listen as listenOwn, portOf as ownPort } from '../helpers/pair';
import {
  certificate,
  clientCertificate,
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

/** Newer than the types of Node 20. */
interface CertificateSettings {
  getCACertificates: (type: 'default') => string[];
  setDefaultCACertificates: (pem: readonly string[]) => void;
}

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
      // node:dgram tells of it later.
      if (process.platform !== 'linux' || process.env.DGRAM_DTLS_TRANSPORT === 'dgram') this.skip();
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

  describe('callbacks', () => {
    it('are functions or null, undefined until set, bound to the session', async () => {
      const { client, server } = await open();
      for (const name of ['onmessage', 'onerror', 'onhandshake', 'onkeylog'] as const) {
        const fresh = name === 'onmessage' ? client[name] : server[name];
        expect(fresh, name).to.equal(undefined);
        expect(thrown(() => (client[name] = 1 as never)).code, name).to.equal('ERR_INVALID_ARG_TYPE');
        client[name] = () => undefined;
        expect(client[name], name).to.be.a('function');
        client[name] = null;
        expect(client[name], name).to.equal(undefined);
      }
      const self = new Promise<unknown>((resolve) => {
        server.onmessage = function (this: DTLSSession) {
          resolve(this);
        };
      });
      client.send('x');
      expect(await within(self, 'the message')).to.equal(server);
    });

    it('data arriving with no onmessage is counted and dropped, never replayed', async () => {
      const { client, server } = await open();
      client.send('lost');
      await pause();
      expect(server.stats.messagesReceived).to.equal(1n);
      const arrived = message(server);
      client.send('seen');
      expect(await arrived).to.equal('seen');
    });

    it('onhandshake has the protocol, onkeylog lines in NSS format', async () => {
      const endpoint = listen({ psk });
      const client = connect(endpoint, { psk: PSK });
      const seen: string[] = [];
      client.onhandshake = (protocol) => seen.push(protocol);
      client.onkeylog = (line) => seen.push(line);
      await client.opened;
      expect(seen.find((text) => /^CLIENT_RANDOM [0-9a-f]{64} [0-9a-f]{96}$/.test(text))).to.be.a('string');
      expect(seen).to.include('DTLSv1.2');
    });

    it('a throw in onkeylog fails that handshake, and the thrown value itself reaches onerror and opened', async () => {
      const client = connect(listen({ psk }), { psk: PSK });
      const told: unknown[] = [];
      const thrownThere = new Error('the disk is full');
      client.onerror = (error) => told.push(error);
      client.onkeylog = () => {
        throw thrownThere;
      };
      expect(await rejection(client.opened)).to.equal(thrownThere);
      expect(told).to.deep.equal([thrownThere]);
      await within(Promise.all([client.closed, client.endpoint.closed]), 'the end of both');
    });

    it('a session closed in onmessage hears of no further message', async () => {
      const { client, server } = await open();
      const heard: string[] = [];
      server.onmessage = (data) => {
        heard.push(data.toString());
        void server.close();
      };
      for (const text of ['one', 'two', 'three']) client.send(text);
      await within(client.closed, 'the client to hear of it');
      await pause();
      expect(heard).to.deep.equal(['one']);
    });

    it('a session may be destroyed in any of its callbacks', async () => {
      for (const name of ['onhandshake', 'onmessage', 'onkeylog'] as const) {
        let server: DTLSSession | undefined;
        const endpoint = listen({ psk }, (session) => {
          server = session;
          session[name] = () => {
            session.destroy();
          };
        });
        const client = connect(endpoint, { psk: PSK, handshakeTimeout: 500 });
        await client.opened.then(
          () => client.send('x'),
          () => undefined,
        );
        while (server === undefined) await pause(5);
        await within(server.closed, name);
        expect(server.destroyed, name).to.equal(true);
        client.destroy();
      }
    });
  });

  describe('properties', () => {
    it('tell of an open session, and are undefined or false after it', async () => {
      const { cert, key, ca } = await certificate('device.example');
      const { client } = await open({ cert, key }, { ca, servername: 'device.example' });
      expect(client.protocol).to.equal('DTLSv1.2');
      expect(client.cipher).to.have.all.keys('name', 'standardName', 'version');
      expect(client.servername).to.equal('device.example');
      expect(client.remoteAddress).to.include({ address: HOST, family: 'IPv4' });
      expect(client.authorized).to.equal(true);
      expect(client.authorizationError).to.equal(undefined);
      expect(client.peerX509Certificate).to.be.instanceOf(X509Certificate);
      expect(client.peerX509Certificate).to.equal(client.peerX509Certificate);
      expect(client.peerCertificate).to.equal(client.peerX509Certificate?.toString());
      expect(client.alpnProtocol).to.equal(undefined);
      expect(client.srtpProfile).to.equal(undefined);
      await client.close();
      const gone = [
        'protocol',
        'cipher',
        'servername',
        'remoteAddress',
        'authorizationError',
        'peerCertificate',
      ] as const;
      for (const name of gone) expect(client[name], name).to.equal(undefined);
      expect(client.authorized).to.equal(false);
      expect(client.destroyed).to.equal(true);
    });

    it('authorizationError is HANDSHAKE_INCOMPLETE before the handshake', () => {
      const client = connect(listen({ psk }), { psk: PSK });
      expect(client.authorizationError).to.equal('HANDSHAKE_INCOMPLETE');
      expect(client.authorized).to.equal(false);
    });

    it('no certificate is UNABLE_TO_GET_ISSUER_CERT, a pre-shared key counts as authorized', async () => {
      const { cert, key, ca } = await certificate();
      const { server } = await open({ cert, key }, { ca });
      expect(server.authorized).to.equal(false);
      expect(server.authorizationError).to.equal('UNABLE_TO_GET_ISSUER_CERT');
      const byKey = await open();
      expect(byKey.server.authorized).to.equal(true);
      expect(byKey.client.authorized).to.equal(true);
      expect(byKey.client.peerCertificate).to.equal(undefined);
    });

    it('session.endpoint is the listener, or one of its own for a client', async () => {
      const { endpoint, client, server } = await open();
      expect(server.endpoint).to.equal(endpoint);
      expect(client.endpoint).to.not.equal(endpoint);
      await server.close();
      expect(endpoint.destroyed).to.equal(false);
    });
  });

  describe('certificates', () => {
    it('the identity is servername, by default the host; a mismatch is an error', async () => {
      const { cert, key, ca } = await certificate('device.example');
      const endpoint = listen({ cert, key });
      await connect(endpoint, { ca }).opened;
      await connect(endpoint, { ca, servername: 'device.example' }).opened;
      const error = await rejection(connect(endpoint, { ca, servername: 'other.example' }).opened);
      expect(error.code).to.equal('ERR_INVALID_STATE');
      expect(error.message).to.include('error:0A000086:SSL routines::certificate verify failed');
      expect(error.cause).to.include({ code: 'HOSTNAME_MISMATCH' });
    });

    it('the same X509Certificate is returned on every access, and leads to its issuer', async () => {
      const authority = await createAuthority();
      const { cert, key, ca } = await authority.issue({
        commonName: 'server',
        ipAddresses: [HOST],
        intermediate: true,
      });
      const { client } = await open({ cert, key }, { ca });
      const leaf = client.peerX509Certificate;
      expect(leaf?.subject).to.include('server');
      expect(leaf?.issuerCertificate?.subject).to.include('intermediate');
      await client.close();
      expect(client.peerX509Certificate).to.equal(leaf);
      expect(client.peerCertificate).to.equal(undefined);
    });

    it('a client without ca trusts the default authorities of tls, as they are set now', async function () {
      // From Node 24.5 and 22.19 on.
      const { getCACertificates, setDefaultCACertificates } = tls as Partial<CertificateSettings>;
      if (getCACertificates === undefined || setDefaultCACertificates === undefined) this.skip();
      const { cert, key, ca } = await certificate();
      const endpoint = listen({ cert, key });
      await rejection(connect(endpoint).opened);
      const before = getCACertificates('default');
      setDefaultCACertificates([ca]);
      try {
        await within(connect(endpoint).opened, 'a session with the new authority');
      } finally {
        setDefaultCACertificates(before);
      }
      await rejection(connect(endpoint).opened);
    });

    it("servername '' sends no SNI and checks the host; an IP literal is not sent", async () => {
      const { cert, key, ca } = await certificate('device.example');
      const names: (string | undefined)[] = [];
      const endpoint = listen({ cert, key }, (session) => {
        session.onhandshake = () => names.push(session.servername);
      });
      await connect(endpoint, { ca, servername: '' }).opened;
      await connect(endpoint, { ca, servername: HOST }).opened;
      await connect(endpoint, { ca, servername: 'device.example' }).opened;
      await pause();
      expect(names).to.deep.equal([undefined, undefined, 'device.example']);
    });

    it('rejectUnauthorized false completes, and tells what is wrong', async () => {
      const { cert, key, ca } = await certificate('device.example');
      const endpoint = listen({ cert, key });
      const untrusted = connect(endpoint, { rejectUnauthorized: false });
      await untrusted.opened;
      expect(untrusted.authorized).to.equal(false);
      expect(untrusted.authorizationError).to.match(/^[A-Z_]+$/);
      const misnamed = connect(endpoint, { ca, servername: 'other.example', rejectUnauthorized: false });
      await misnamed.opened;
      expect(misnamed.authorizationError).to.equal('HOSTNAME_MISMATCH');
    });

    it('a server with requestCert refuses a client without one; with rejectUnauthorized false it only tells', async () => {
      const { cert, key, ca } = await certificate();
      const strict = listen({ cert, key, ca, requestCert: true });
      await rejection(connect(strict, { ca }).opened);
      const mild = await open({ cert, key, ca, requestCert: true, rejectUnauthorized: false }, { ca });
      expect(mild.server.authorizationError).to.equal('UNABLE_TO_GET_ISSUER_CERT');
      const own = await clientCertificate();
      const mutual = await open(
        { cert, key, ca, requestCert: true },
        { ca, cert: own.cert, key: own.key },
      );
      expect(mutual.server.authorized).to.equal(true);
      expect(mutual.server.peerX509Certificate?.subject).to.include('client');
    });
  });

  describe('alpn and srtp', () => {
    it('the server picks by its own order', async () => {
      const { client, server } = await open({ psk, alpn: ['b', 'a'] }, { psk: PSK, alpn: ['a', 'b'] });
      expect(client.alpnProtocol).to.equal('b');
      expect(server.alpnProtocol).to.equal('b');
    });

    it('no overlap is a fatal no_application_protocol; no alpn on the server declines', async () => {
      const error = await rejection(connect(listen({ psk, alpn: ['a'] }), { psk: PSK, alpn: ['z'] }).opened);
      expect(error.message).to.match(/application protocol/);
      const { client } = await open({ psk }, { psk: PSK, alpn: Buffer.from('\x01z', 'latin1') });
      expect(client.alpnProtocol).to.equal(undefined);
    });

    it('srtp is a colon list, and its keys are exported', async () => {
      const { client, server } = await open(
        { psk, srtp: 'SRTP_AEAD_AES_128_GCM:SRTP_AES128_CM_SHA1_80' },
        { psk: PSK, srtp: 'SRTP_AES128_CM_SHA1_80' },
      );
      expect(client.srtpProfile).to.equal('SRTP_AES128_CM_SHA1_80');
      expect(server.srtpProfile).to.equal('SRTP_AES128_CM_SHA1_80');
      const label = 'EXTRACTOR-dtls_srtp';
      expect(client.exportKeyingMaterial(60, label)).to.deep.equal(server.exportKeyingMaterial(60, label));
      expect(thrown(() => connect(9, { psk: PSK, srtp: 'NO_SUCH_PROFILE' })).code).to.equal(
        'ERR_CRYPTO_OPERATION_FAILED',
      );
    });

    it('exportKeyingMaterial judges its arguments and its moment', async () => {
      const { client } = await open();
      expect(thrown(() => client.exportKeyingMaterial(0, 'x')).code).to.equal('ERR_OUT_OF_RANGE');
      expect(thrown(() => client.exportKeyingMaterial(65537, 'x')).code).to.equal('ERR_OUT_OF_RANGE');
      expect(thrown(() => client.exportKeyingMaterial(1, 1 as unknown as string)).code).to.equal(
        'ERR_INVALID_ARG_TYPE',
      );
      expect(client.exportKeyingMaterial(20, 'x', Buffer.from('context'))).to.have.length(20);
      client.destroy();
      expect(thrown(() => client.exportKeyingMaterial(1, 'x')).code).to.equal('ERR_INVALID_STATE');
    });
  });

  describe('psk', () => {
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

    const bad: [string, unknown, string][] = [
      ['nothing', undefined, 'The psk callback must return an object'],
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

  describe('sni', () => {
    it("matches exactly, with '*' as the fallback, and gives each name its certificate", async () => {
      const [a, b] = await Promise.all([certificate('a.example'), certificate('b.example')]);
      const { cert, key, ca } = await certificate();
      const endpoint = listen({
        cert,
        key,
        sni: { 'a.example': { cert: a.cert, key: a.key }, '*': { cert: b.cert, key: b.key } },
      });
      const named = async (servername: string): Promise<string | undefined> => {
        const client = connect(endpoint, { ca, servername, rejectUnauthorized: false });
        await client.opened;
        return client.peerX509Certificate?.subjectAltName;
      };
      expect(await named('a.example')).to.include('a.example');
      expect(await named('A.example'), 'case-sensitive').to.include('b.example');
      expect(await named('x.a.example')).to.include('b.example');
      expect(await named(''), 'no name at all').to.include('b.example');
    });

    it("unmatched without '*', or declined, is a fatal unrecognized_name", async () => {
      const a = await certificate('a.example');
      for (const sni of [{ 'a.example': { cert: a.cert, key: a.key } }, () => undefined, () => null]) {
        const endpoint = listen({ cert: a.cert, key: a.key, sni });
        for (const servername of ['other.example', '']) {
          const error = await rejection(connect(endpoint, { ca: a.ca, servername }).opened);
          expect(error.message).to.match(/unrecognized name/);
        }
      }
    });

    it('a function gets the name, or undefined, and may give a context', async () => {
      const a = await certificate('a.example');
      const asked: unknown[] = [];
      const endpoint = listen({
        cert: a.cert,
        key: a.key,
        sni: (servername) => {
          asked.push(servername);
          return { cert: a.cert, key: a.key };
        },
      });
      await connect(endpoint, { ca: a.ca, servername: 'a.example' }).opened;
      await connect(endpoint, { ca: a.ca, servername: '' }).opened;
      expect(asked).to.deep.equal(['a.example', undefined]);
    });

    it('a throw fails that handshake with the thrown value', async () => {
      const a = await certificate('a.example');
      const reason = new Error('no such tenant');
      let seen: unknown;
      const endpoint = listen(
        {
          cert: a.cert,
          key: a.key,
          sni: () => {
            throw reason;
          },
        },
        (session) => {
          session.onerror = (error) => (seen = error);
        },
      );
      await rejection(connect(endpoint, { ca: a.ca, servername: 'a.example' }).opened);
      await pause();
      expect(seen).to.equal(reason);
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
