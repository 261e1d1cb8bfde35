// Protects the handshake's flights against foreign implementations: certificates in many small
// fragments, certificates of 20 KB, and the cookie exchange that comes before all of it.
import { expect } from 'chai';
import { Capture } from '../helpers/capture';
import {
  cleanupAfterEach,
  requirePrograms,
  temporaryFiles,
  type PeerProcess,
} from '../helpers/peers';
import type { WatchedSocket } from '../helpers/watch';
import { clientCertificate, FOREIGN, serverCertificate, type Foreign } from './foreign';
import { ourClient, ourServer } from './ours';

const SMALL_MTU = 256;
const BIG = { extraBytes: 20_000 };

/** How often a handshake message went in one direction, repetitions aside. */
function count(ours: WatchedSocket, direction: 'in' | 'out', message: string): number {
  return ours.handshake.filter(
    (it) => it.direction === direction && it.message === message && !it.retransmit,
  ).length;
}

async function oneMessage(
  foreign: Foreign,
  peer: PeerProcess,
  ours: WatchedSocket,
  role: 'client' | 'server',
): Promise<void> {
  ours.socket.send('after the flights\n');
  await peer.sees(/^(.*command: )?after the flights$/m);
  if (role === 'client' && foreign.serverEchoes) return;
  peer.write('understood\n');
  expect((await ours.message()).toString()).to.equal('understood\n');
}

for (const foreign of FOREIGN) {
  describe(`flights with ${foreign.name}`, function () {
    const cleanup = cleanupAfterEach(this);
    const files = temporaryFiles(this);

    before(function () {
      requirePrograms(this, ...foreign.programs);
    });

    it('fragments both certificates of a mutual handshake, our server', async () => {
      const [own, theirs] = [await serverCertificate('rsa-2048'), await clientCertificate()];
      const server = await ourServer(cleanup, { ...own, requestCert: true, mtu: SMALL_MTU });
      const capture = await Capture.to(server.port);
      cleanup.add(() => capture.close());
      const setup = { certificate: theirs, trust: own.ca, mtu: SMALL_MTU };
      const peer = foreign.client(cleanup, files, capture.port, setup);
      const ours = await server.watched.connection();
      await ours.secure();
      expect(ours.socket.authorized).to.equal(true);
      await oneMessage(foreign, peer, ours, 'server');
      expectSmall(capture, ours);
    });

    it('fragments both certificates of a mutual handshake, our client', async () => {
      const [own, theirs] = [await clientCertificate(), await serverCertificate('rsa-2048')];
      const setup = { certificate: theirs, trust: own.ca, mtu: SMALL_MTU };
      const { peer, port } = await foreign.server(cleanup, files, setup);
      const capture = await Capture.to(port);
      cleanup.add(() => capture.close());
      const { client } = ourClient(cleanup, { ...own, port: capture.port, mtu: SMALL_MTU });
      await client.secure();
      expect(client.socket.authorized).to.equal(true);
      await oneMessage(foreign, peer, client, 'client');
      expectSmall(capture, client);
    });

    it('sends and takes certificates of 20 KB, our server', async () => {
      const own = await serverCertificate('ecdsa-p256', BIG);
      const theirs = await clientCertificate('ecdsa-p256', BIG);
      const server = await ourServer(cleanup, { ...own, requestCert: true });
      const setup = { certificate: theirs, trust: own.ca };
      const peer = foreign.client(cleanup, files, server.port, setup);
      const ours = await server.watched.connection();
      await ours.secure();
      expect(ours.socket.authorized).to.equal(true);
      expectBig(ours);
      await oneMessage(foreign, peer, ours, 'server');
    });

    it('sends and takes certificates of 20 KB, our client', async () => {
      const own = await clientCertificate('ecdsa-p256', BIG);
      const theirs = await serverCertificate('ecdsa-p256', BIG);
      const setup = { certificate: theirs, trust: own.ca };
      const { peer, port } = await foreign.server(cleanup, files, setup);
      const { client } = ourClient(cleanup, { ...own, port });
      await client.secure();
      expect(client.socket.authorized).to.equal(true);
      expectBig(client);
      await oneMessage(foreign, peer, client, 'client');
    });

    for (const cookieExchange of [true, false]) {
      it(`our server ${cookieExchange ? 'asks' : 'does not ask'} for a cookie`, async () => {
        const own = await serverCertificate();
        const server = await ourServer(cleanup, { ...own, cookieExchange });
        const capture = await Capture.to(server.port);
        cleanup.add(() => capture.close());
        const peer = foreign.client(cleanup, files, capture.port, { trust: own.ca });
        const ours = await server.watched.connection();
        await ours.secure();
        // Handshake record, message of type 3: hello_verify_request.
        const asked = capture.datagrams.filter(({ data }) => data[0] === 22 && data[13] === 3);
        expect(asked.map(({ fromClient }) => fromClient)).to.deep.equal(
          cookieExchange ? [false] : [],
        );
        await oneMessage(foreign, peer, ours, 'server');
      });
    }
  });

  function expectSmall(capture: Capture, ours: WatchedSocket): void {
    for (const fromClient of [true, false]) {
      const sizes = capture.sizes(fromClient);
      expect(Math.max(...sizes)).to.be.at.most(SMALL_MTU);
      // A certificate alone is larger than that.
      expect(sizes.filter((size) => size > SMALL_MTU - 60).length).to.be.at.least(2);
    }
    for (const direction of ['in', 'out'] as const) {
      expect(count(ours, direction, 'certificate')).to.equal(1);
    }
  }

  function expectBig(ours: WatchedSocket): void {
    for (const direction of ['in', 'out'] as const) {
      const certificate = ours.handshake.find(
        (it) => it.direction === direction && it.message === 'certificate',
      );
      expect(certificate?.length).to.be.above(BIG.extraBytes);
      // GnuTLS rests for 50 ms after each datagram: we may have to send it again meanwhile.
      expect(count(ours, direction, 'certificate')).to.equal(1);
    }
  }
}

describe('cookies of foreign servers', function () {
  const cleanup = cleanupAfterEach(this);
  const [openssl, gnutls] = FOREIGN as [Foreign, Foreign];
  const cases = [
    { title: 'openssl s_server', foreign: openssl, extra: [], cookie: true },
    { title: 'openssl s_server -listen', foreign: openssl, extra: ['-listen'], cookie: true },
    { title: 'gnutls-serv', foreign: gnutls, extra: [], cookie: true },
    { title: 'gnutls-serv --nocookie', foreign: gnutls, extra: ['--nocookie'], cookie: false },
  ];
  const files = temporaryFiles(this);

  before(function () {
    requirePrograms(this, ...openssl.programs, ...gnutls.programs);
  });

  for (const { title, foreign, extra, cookie } of cases) {
    it(`${title}: ${cookie ? 'sent back' : 'none'}`, async () => {
      const certificate = await serverCertificate();
      const { peer, port } = await foreign.server(cleanup, files, { certificate, extra });
      const { client } = ourClient(cleanup, { port, ca: certificate.ca });
      await client.secure();
      expect(count(client, 'in', 'hello_verify_request')).to.equal(cookie ? 1 : 0);
      expect(count(client, 'out', 'client_hello')).to.equal(cookie ? 2 : 1);
      await oneMessage(foreign, peer, client, 'client');
    });
  }
});
