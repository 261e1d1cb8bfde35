// Protects: a handshake goes on when a cookie is refused. Foreign clients: somebody forges our
// server's first HelloVerifyRequest, or the second hello comes to another server of ours. Foreign
// servers: somebody forges one to our client, before the genuine one, behind it, or in its place.
import { Capture } from '../helpers/capture';
import { cleanupAfterEach, requirePrograms, temporaryFiles } from '../helpers/peers';
import { FOREIGN, serverCertificate } from './foreign';
import { ourClient, ourServer } from './ours';

const COOKIE_AT = 13 + 12 + 3;

for (const foreign of FOREIGN) {
  describe(`a refused cookie of ${foreign.clientName}`, function () {
    const cleanup = cleanupAfterEach(this);
    const files = temporaryFiles(this);

    before(function () {
      requirePrograms(this, ...foreign.programs);
    });

    it('that somebody forged', async () => {
      const own = await serverCertificate();
      const server = await ourServer(cleanup, own);
      const capture = await Capture.to(server.port);
      cleanup.add(() => capture.close());
      let first = true;
      capture.forward = (data, fromClient) => {
        if (fromClient || !first) return [data];
        first = false;
        return [Buffer.from(data).fill(7, COOKIE_AT)];
      };
      foreign.client(cleanup, files, capture.port, { trust: own.ca });
      await (await server.watched.connection()).secure();
    });

    it('that is from another server', async () => {
      const own = await serverCertificate();
      const [one, other] = [await ourServer(cleanup, own), await ourServer(cleanup, own)];
      const capture = await Capture.to(one.port);
      cleanup.add(() => capture.close());
      capture.forward = (data, fromClient) => {
        if (!fromClient) capture.serverPort = other.port;
        return [data];
      };
      foreign.client(cleanup, files, capture.port, { trust: own.ca });
      await (await other.watched.connection()).secure();
    });
  });

  describe(`a refused cookie of ${foreign.serverName}`, function () {
    const cleanup = cleanupAfterEach(this);
    const files = temporaryFiles(this);

    before(function () {
      requirePrograms(this, ...foreign.programs);
    });

    for (const [what, arriving] of [
      ['in place of the genuine one', (_it, other) => [other]],
      ['before the genuine one', (it, other) => [other, it]],
      ['behind the genuine one', (it, other) => [it, other]],
    ] as [string, (genuine: Buffer, forged: Buffer) => Buffer[]][]) {
      it(`that somebody forged ${what}`, async () => {
        const theirs = await serverCertificate();
        const extra = foreign.name === 'OpenSSL' ? ['-listen'] : [];
        const { port } = await foreign.server(cleanup, files, { certificate: theirs, extra });
        const capture = await Capture.to(port);
        cleanup.add(() => capture.close());
        let first = true;
        capture.forward = (data, fromClient) => {
          if (fromClient || !first || data[13] !== 3) return [data];
          first = false;
          return arriving(data, Buffer.from(data).fill(7, COOKIE_AT));
        };
        const { client } = ourClient(cleanup, {
          ca: theirs.ca,
          port: capture.port,
          retransmission: { initial: 60_000 },
        });
        await client.secure();
      });
    }
  });
}
