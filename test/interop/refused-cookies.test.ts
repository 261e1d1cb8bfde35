// Protects: foreign clients go on when a cookie is refused: ours is the server, and somebody forges
// the first HelloVerifyRequest, or the client's second hello comes to another server.
import { Capture } from '../helpers/capture';
import { cleanupAfterEach, requirePrograms, TemporaryFiles } from '../helpers/peers';
import { FOREIGN, serverCertificate } from './foreign';
import { ourServer } from './ours';

const COOKIE_AT = 13 + 12 + 3;

for (const foreign of FOREIGN) {
  describe(`a refused cookie of ${foreign.clientName}`, function () {
    const cleanup = cleanupAfterEach(this);
    let files: TemporaryFiles;

    before(function () {
      files = new TemporaryFiles();
      requirePrograms(this, ...foreign.programs);
    });
    after(() => {
      files.remove();
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
}
