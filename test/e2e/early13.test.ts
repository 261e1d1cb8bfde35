// Protects the beginning of a handshake of DTLS 1.3, before there are keys: a cookie that is refused (a fleet without a
// shared secret, a server that restarts or has changed its mind) costs a client a hello, what anybody may say in clear
// does not end its handshake, it goes on until its deadline at a pace with a floor, and tells nothing of what it has
// come to before that is proved.
import { expect } from 'chai';
import dgram from 'node:dgram';
import { once } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import type { ConnectOptions, DTLSServer, DTLSSocket, ServerOptions } from '../../lib/index';
import { Capture } from '../helpers/capture';
import { describe13, DTLS13, UP_TO_DTLS13 } from '../helpers/dtls13';
import { converse } from '../helpers/exchange';
import { certificate, closeEverything, dial, dialTo, failure, listen, next, portOf, withCertificate } from '../helpers/pair';

/** Longer than any test: whatever arrives has not been sent twice. */
const PATIENT = { retransmission: { initial: 60_000 } };
/** A fatal alert in clear, under the number of a client's second hello. */
const ILLEGAL_PARAMETER = Buffer.from('15fefd0000000000000001000202' + '2f', 'hex');

describe13('before there are keys of DTLS 1.3', () => {
  const captures: Capture[] = [];
  const sockets: dgram.Socket[] = [];

  afterEach(async () => {
    await closeEverything();
    await Promise.all(captures.splice(0).map((capture) => capture.close()));
    for (const socket of sockets.splice(0)) socket.close();
  });

  async function captureTo(server: DTLSServer): Promise<Capture> {
    const capture = await Capture.to(portOf(server));
    captures.push(capture);
    return capture;
  }

  const server13 = async (options: ServerOptions = {}): Promise<DTLSServer> =>
    listen(await withCertificate({ ...DTLS13, ...PATIENT, ...options }));

  async function client13(port: number, options: Partial<ConnectOptions> = {}): Promise<DTLSSocket> {
    const { ca } = await certificate();
    return dialTo({ host: '127.0.0.1', port, ca, ...DTLS13, ...PATIENT, handshakeTimeout: 0, ...options });
  }

  /** Somebody who is no server, and answers each datagram so. */
  async function somebody(answer: (datagram: Buffer) => Buffer | undefined): Promise<number> {
    const socket = dgram.createSocket('udp4').bind(0, '127.0.0.1');
    sockets.push(socket);
    await once(socket, 'listening');
    socket.on('message', (datagram, { port, address }) => {
      const said = answer(datagram);
      if (said !== undefined) socket.send(said, port, address);
    });
    return socket.address().port;
  }

  describe('a cookie that is refused', () => {
    it('is no dead end in a fleet without a shared secret', async () => {
      const [one, other] = [await server13(), await server13()];
      const capture = await captureTo(one);
      let hellos = 0;
      capture.forward = (datagram, fromClient) => {
        if (fromClient && ++hellos === 2) capture.serverPort = portOf(other);
        return [datagram];
      };
      const accepted = next(other, 'secureConnection');
      const client = await client13(capture.port);
      await next(client, 'secureConnect');
      await converse({ client, peer: (await accepted)[0] });
      expect(one.stats).to.include({ cookiesSent: 1, cookiesAccepted: 0 });
      expect(other.stats).to.include({ cookiesSent: 1, cookiesRefused: 1, cookiesAccepted: 1 });
    });

    it('is no dead end for a server without cookie exchange, nor with a pre-shared key', async () => {
      const psk = Buffer.alloc(16, 7);
      let asked = 0;
      const one = await server13({ pskCallback: () => psk });
      const other = await server13({ cookieExchange: false, pskCallback: () => psk });
      const capture = await captureTo(one);
      capture.forward = (datagram, fromClient) => {
        if (!fromClient) capture.serverPort = portOf(other);
        return [datagram];
      };
      const accepted = next(other, 'secureConnection');
      const client = await client13(capture.port, {
        pskCallback: () => {
          ++asked;
          return { identity: 'x', psk };
        },
      });
      await next(client, 'secureConnect');
      await accepted;
      expect(client.pskIdentity).to.equal('x');
      expect(asked).to.equal(1);
      expect(other.stats).to.include({ cookiesSent: 0, cookiesRefused: 1, handshakesCompleted: 1 });
    });

    it('is no dead end where it came too late', async () => {
      const server = await server13({ cookieLifetime: 100 });
      const capture = await captureTo(server);
      let hellos = 0;
      capture.forward = (datagram, fromClient) => {
        if (!fromClient || ++hellos !== 2) return [datagram];
        void setTimeout(150).then(() => {
          capture.ask(datagram);
        });
        return [];
      };
      await next(await client13(capture.port), 'secureConnect');
      expect(server.stats).to.include({ cookiesSent: 2, cookiesRefused: 1, cookiesAccepted: 1 });
    });

    it('is told twice, and counts once', async () => {
      const [one, other] = [await server13(), await server13()];
      const capture = await captureTo(one);
      let hellos = 0;
      capture.forward = (datagram, fromClient) => {
        if (fromClient && ++hellos === 2) capture.serverPort = portOf(other);
        return !fromClient && datagram[0] === ILLEGAL_PARAMETER[0] ? [datagram, datagram, datagram] : [datagram];
      };
      await next(await client13(capture.port), 'secureConnect');
      expect(other.stats).to.include({ cookiesSent: 1, cookiesRefused: 1, cookiesAccepted: 1 });
    });

    it('is refused without end: the client gives up, after a few hellos', async () => {
      const server = await server13();
      const capture = await captureTo(server);
      capture.forward = (datagram, fromClient) => {
        if (!fromClient || datagram.readUInt16BE(17) === 0) return [datagram];
        capture.reply(ILLEGAL_PARAMETER);
        return [];
      };
      const error = await failure(await client13(capture.port));
      expect(error).to.include({ code: 'ERR_DTLS_ALERT_ILLEGAL_PARAMETER' });
      expect(server.stats.cookiesSent).to.equal(6);
    });
  });

  describe('what anybody says in clear', () => {
    for (const versions of [DTLS13, UP_TO_DTLS13]) {
      it(`ends no handshake: the own hello, words, zeros; offering ${'minVersion' in versions ? '1.3' : '1.2 and 1.3'}`, async () => {
        for (const answer of [(hello: Buffer) => hello, () => Buffer.from('hello'), () => Buffer.alloc(20)]) {
          const client = await client13(await somebody(answer), {
            ...versions,
            retransmission: { initial: 50, max: 100 },
            handshakeTimeout: 500,
          });
          const error = await failure(client);
          expect(error).to.include({ code: 'ERR_DTLS_NO_RESPONSE', category: 'timeout' });
          expect(error.hint).to.match(/not in DTLS/);
        }
      });
    }

    it('does not come between a client and its server', async () => {
      const server = await server13();
      const capture = await captureTo(server);
      capture.forward = (datagram, fromClient) => {
        if (!fromClient) return [datagram];
        // As it would come from a client that dials us at the same time, for each message that is awaited.
        const theirs = Buffer.from(datagram);
        theirs.fill(0x5a, 27, 59);
        for (const type of [1, 11, 20, 8]) {
          theirs[13] = type;
          capture.reply(theirs);
        }
        return [datagram];
      };
      const client = await client13(capture.port);
      await next(client, 'secureConnect');
      expect(client.getProtocol()).to.equal('DTLSv1.3');
    });
  });

  describe('a server that is late', () => {
    it('is waited for until the deadline, however often the hello was repeated', async () => {
      const server = await server13();
      const capture = await captureTo(server);
      let hellos = 0;
      // 24 in a row are the most that is repeated without a deadline.
      capture.forward = (datagram, fromClient) => (fromClient && ++hellos <= 30 ? [] : [datagram]);
      const client = await client13(capture.port, { retransmission: { initial: 20, max: 20 }, handshakeTimeout: 20_000 });
      await next(client, 'secureConnect');
      expect(client.stats.retransmissions).to.be.at.least(29);
    });

    it('hears a hello every 20 milliseconds at most', async () => {
      let heard = 0;
      const port = await somebody(() => {
        ++heard;
        return undefined;
      });
      const client = await client13(port, { retransmission: { initial: 1, max: 1 }, handshakeTimeout: 400 });
      expect((await failure(client)).code).to.equal('ERR_DTLS_NO_RESPONSE');
      expect(heard).to.be.within(2, 400 / 20 + 1);
    });
  });

  it('a socket has no cipher and no version yet', async () => {
    const server = await server13({ requestCert: true, rejectUnauthorized: false });
    const began = next(server, 'connection');
    const accepted = next(server, 'secureConnection');
    const client = await dial(server, { ...DTLS13, ...PATIENT });
    const connected = next(client, 'secureConnect');
    const [peer] = await began;
    for (const socket of [client, peer]) expect([socket.getCipher(), socket.getProtocol()]).to.deep.equal([null, null]);
    await Promise.all([accepted, connected]);
    for (const socket of [client, peer]) expect(socket.getCipher()?.name).to.equal('TLS_AES_128_GCM_SHA256');
  });
});
