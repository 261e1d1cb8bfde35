// Protects allowPartialTrustChain, on both sides: an intermediate authority, or the peer's own certificate, is
// enough to trust where that is said, and nowhere else; and a session does not carry that trust elsewhere.
import { randomBytes } from 'node:crypto';
import { expect } from 'chai';
import type { ConnectOptions, ServerOptions } from '../../lib/index';
import { createAuthority } from '../helpers/certificates';
import { certificate, clientFailure, closeEverything, dial, failure, listen, open, openOn, withCertificate } from '../helpers/pair';

const split = (pem: string): string[] => pem.match(/-----BEGIN[^]*?-----END CERTIFICATE-----\n?/g) ?? [];

const ALLOWED = { allowPartialTrustChain: true };

describe('allowPartialTrustChain', () => {
  afterEach(closeEverything);

  const anchors: [string, number][] = [
    ["the server's own certificate", 0],
    ['an intermediate authority', 1],
  ];
  for (const [anchor, index] of anchors) {
    it(`has a client trust ${anchor}, if that is all it has`, async () => {
      const { cert, key } = await certificate({ intermediate: true });
      const ca = split(cert)[index] ?? '';
      const server = await listen({ cert, key });
      const error = await failure(await dial(server, { ca }));
      expect(error.code).to.match(/^UNABLE_TO_GET_ISSUER_CERT/);
      const { client } = await openOn(server, { ca, ...ALLOWED });
      expect(client.authorized).to.equal(true);
      const session = client.getSession();
      const again = await openOn(server, { ca, ...ALLOWED, session });
      expect([again.client.isSessionReused(), again.client.authorized]).to.deep.equal([true, true]);
      // The same session, where a chain has to be whole.
      expect((await failure(await dial(server, { ca, session }))).code).to.equal(error.code);
    });
  }

  it('has a server trust an intermediate authority of its clients, and binds their sessions to that', async () => {
    const authority = await createAuthority();
    const own = await authority.issue({ commonName: 'client', clientAuth: true, intermediate: true });
    const identity: Partial<ConnectOptions> = { cert: own.cert, key: own.key };
    const rules: ServerOptions = {
      requestCert: true,
      ca: split(own.cert)[1],
      ticketKeys: randomBytes(48),
    };
    const { server, client, peer } = await open(await withCertificate({ ...rules, ...ALLOWED }), identity);
    expect(peer.authorized).to.equal(true);
    const session = client.getSession();
    expect((await openOn(server, { ...identity, session })).peer.isSessionReused()).to.equal(true);

    const strict = await listen(await withCertificate(rules));
    const refused = clientFailure(strict);
    const late = await dial(strict, { ...identity, session });
    late.on('error', () => undefined);
    expect((await refused).code).to.match(/^UNABLE_TO_GET_ISSUER_CERT/);
  });
});
