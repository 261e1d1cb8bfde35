// Protects: that a peer hears of a session that the other side ends before its handshake is over, also where the peer has
// an open session by then: a client's of one that is resumed, a server's whose client leaves behind its Finished.
import { expect } from 'chai';
import { setTimeout } from 'node:timers/promises';
import { kAbandon } from '../../lib/base/internals';
import type { ConnectOptions, DTLSServer, DTLSSocket, ServerOptions } from '../../lib/index';
import { APPLICATION_DATA, CHANGE_CIPHER_SPEC, readRecords } from '../fault/support';
import { Capture } from '../helpers/capture';
import {
  closeEverything,
  dial,
  ending,
  listen,
  next,
  openOn,
  ORDERLY,
  portOf,
  PSK_CLIENT,
  PSK_SERVER,
  withCertificate,
} from '../helpers/pair';

const WAYS: Readonly<Record<string, (socket: DTLSSocket) => void>> = {
  'destroy()': (socket) => socket.destroy(),
  'close()': (socket) => {
    socket.close();
  },
};

/** What a handshake waits for before the server has sent anything of its own. */
const ASKING: readonly [what: string, server: Partial<ServerOptions>, client: Partial<ConnectOptions>][] = [
  ['asks for an OCSP response', {}, { requestOCSP: true }],
  ['names a server', { SNICallback: () => undefined }, { servername: 'localhost' }],
  [
    'has ALPN protocols that a callback chooses from',
    { ALPNCallback: () => new Promise<string>(() => undefined) },
    { ALPNProtocols: ['coap'] },
  ],
  ['has a pre-shared key', { pskCallback: () => new Promise<Buffer>(() => undefined) }, PSK_CLIENT],
];

const SUITES = {
  'AES-GCM': 'ECDHE-ECDSA-AES128-GCM-SHA256',
  'AES-CCM': 'ECDHE-ECDSA-AES128-CCM',
  'ChaCha20-Poly1305': 'ECDHE-ECDSA-CHACHA20-POLY1305',
  'a suite without AEAD': 'ECDHE-ECDSA-AES128-SHA256',
};

describe('a side that ends a session before its handshake is over', () => {
  let capture: Capture | undefined;

  afterEach(async () => {
    await closeEverything();
    await capture?.close();
    capture = undefined;
  });

  /** Every further client is ended in `connection`. */
  function banning(server: DTLSServer, end: (socket: DTLSSocket) => void): Promise<DTLSSocket> {
    return new Promise((resolve) => {
      server.once('connection', (socket) => {
        end(socket);
        resolve(socket);
      });
    });
  }

  for (const [how, end] of Object.entries(WAYS)) {
    it(`tells the client: ${how} in connection, of a full handshake`, async () => {
      const server = await listen(await withCertificate());
      const banned = banning(server, end);
      const { errors } = await ending(await dial(server));
      expect(errors.map(({ code }) => code)).to.deep.equal(['ERR_DTLS_ALERT_CLOSE_NOTIFY']);
      expect((await banned).readyState).to.equal('closed');
      expect(server.stats.sessions).to.equal(0);
    });

    for (const [what, ciphers] of Object.entries(SUITES)) {
      it(`tells the client: ${how} in connection, of a resumed session, by ${what}`, async () => {
        const server = await listen(await withCertificate({ ciphers }));
        const { client } = await openOn(server, { ciphers });
        const session = client.getSession();
        const ended = ending(client);
        client.close();
        await ended;
        const banned = banning(server, end);
        const again = await dial(server, { ciphers, session });
        const over = ending(again);
        await next(again, 'secureConnect');
        expect(again.isSessionReused()).to.equal(true);
        const { errors, hadError } = await over;
        expect(errors.map(({ code }) => code)).to.deep.equal(
          what.includes('without') ? ['ERR_DTLS_ALERT_UNEXPECTED_MESSAGE'] : [],
        );
        expect(hadError).to.equal(errors.length > 0);
        expect((await banned).readyState).to.equal('closed');
        expect(server.stats).to.include({ sessions: 0, badRecords: 0 });
      });
    }

    it(`tells the client: ${how} in connection, while its hello waits for an answer`, async () => {
      const server = await listen({ ...PSK_SERVER, ...(await withCertificate()), SNICallback: () => undefined });
      const banned = banning(server, end);
      const { errors } = await ending(await dial(server, { servername: 'localhost' }));
      expect(errors.map(({ code }) => code)).to.deep.equal(['ERR_DTLS_ALERT_CLOSE_NOTIFY']);
      await banned;
    });

    for (const [what, serverOptions, clientOptions] of ASKING) {
      it(`tells the client: ${how} in connection, where it ${what}`, async () => {
        const server = await listen({ ...PSK_SERVER, ...(await withCertificate()), ...serverOptions });
        const banned = banning(server, end);
        const { errors } = await ending(await dial(server, clientOptions));
        expect(errors.map(({ code }) => code)).to.deep.equal(['ERR_DTLS_ALERT_CLOSE_NOTIFY']);
        expect((await banned).readyState).to.equal('closed');
        expect(server.stats.alertsSent).to.equal(1);
      });
    }

    it(`tells the server: ${how} of a client whose Finished has left`, async () => {
      const server = await listen(PSK_SERVER);
      capture = await Capture.to(portOf(server));
      const accepted = next(server, 'secureConnection');
      const client = await dial(server, { ...PSK_CLIENT, port: capture.port });
      capture.forward = (data, fromClient) => {
        const changes = readRecords(data).some(({ type }) => type === CHANGE_CIPHER_SPEC);
        if (fromClient || !changes) return [data];
        end(client);
        return []; // the server's Finished is lost
      };
      const [peer] = await accepted;
      expect(await ending(peer)).to.deep.equal(ORDERLY);
    });
  }

  for (const event of ['message', 'messages'] as const) {
    it(`and closes with the Finished of its peer has no '${event}' out of the same datagram`, async () => {
      const server = await listen(PSK_SERVER);
      server.on('secureConnection', (socket) => socket.send('too late'));
      const proxy = (capture = await Capture.to(portOf(server)));
      let flight: Buffer | undefined;
      proxy.forward = (data, fromClient) => {
        const types = fromClient ? [] : readRecords(data).map(({ type }) => type);
        if (types.includes(CHANGE_CIPHER_SPEC)) flight = data;
        else if (!types.includes(APPLICATION_DATA) || flight === undefined) return [data];
        else return [Buffer.concat([flight, data])];
        return [];
      };
      const client = await dial(server, { ...PSK_CLIENT, port: proxy.port });
      const events: string[] = [];
      client.on('secureConnect', () => events.push('secureConnect'));
      client.on(event, () => events.push(event));
      client.on('handshake', ({ direction, message }) => {
        if (direction === 'in' && message === 'finished') client.close();
      });
      expect(await ending(client)).to.deep.equal(ORDERLY);
      expect(client.stats.messagesReceived).to.equal(1); // it did come
      expect(events).to.deep.equal([]);
    });
  }

  it('says nothing where it leaves without a word', async () => {
    const server = await listen(await withCertificate());
    const { client } = await openOn(server);
    const session = client.getSession();
    const ended = ending(client);
    client.close();
    await ended;
    const banned = banning(server, (socket) => socket[kAbandon]());
    const again = await dial(server, { session });
    await next(again, 'secureConnect');
    await banned;
    await setTimeout(20);
    expect(again.readyState).to.equal('open');
  });
});
