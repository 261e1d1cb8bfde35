// Protects resumption under rules by peer: a session that was won under the rules of one peer is not taken up under those of
// another, whatever they differ in; under the same rules it is.
import { expect } from 'chai';
import type { ConnectOptions, DTLSServer, PeerOptions } from '../../lib/index';
import { selfSigned, type Certificate } from '../helpers/certificates';
import { describeVersions } from '../helpers/dtls13';
import { certificate, closeEverything, dial, failure, listen, next, openOn, PSK, PSK_CLIENT, withCertificate } from '../helpers/pair';
import { fingerprintOf, identityOf, inTurn } from '../helpers/peer-rules';

describeVersions('resumption under rules by peer', (only, is13) => {
  afterEach(closeEverything);

  let mine: Certificate;
  let other: Certificate;
  before(async () => {
    [mine, other] = [await selfSigned({ commonName: 'mine' }), await selfSigned({ commonName: 'other' })];
  });

  /** A server whose peers have these rules, one after the other. */
  const serve = async (...answers: PeerOptions[]): Promise<DTLSServer> =>
    listen(await withCertificate({ ...only, peers: inTurn(...answers) }));

  /** A first session, closed; what its client kept of it. */
  async function kept(server: DTLSServer, options: Partial<ConnectOptions>): Promise<Buffer> {
    const { client } = await openOn(server, options);
    let session = client.getSession();
    if (is13 && session === undefined) [session] = await next(client, 'session');
    client.close();
    await next(client, 'close');
    if (session === undefined) throw new Error('there is nothing to resume');
    return session;
  }

  /** The first handshake has the first rules, the second one the other; whether that one was resumed. */
  async function resumes(first: PeerOptions, second: PeerOptions, options: Partial<ConnectOptions> = {}): Promise<boolean> {
    const server = await serve(first, second);
    const client = { ...only, ...options };
    const session = await kept(server, client);
    const pair = await openOn(server, { ...client, session });
    expect(pair.client.isSessionReused()).to.equal(pair.peer.isSessionReused());
    return pair.peer.isSessionReused();
  }

  const cases: readonly [string, () => [PeerOptions, PeerOptions], boolean, (() => Partial<ConnectOptions>)?][] = [
    ['the same rules', () => [{}, {}], true],
    ['the same fingerprints', () => [{ peerFingerprints: fingerprintOf(mine) }, { peerFingerprints: fingerprintOf(mine) }], true, () => identityOf(mine)],
    ['other limits', () => [{ idleTimeout: 1e6 }, { handshakeTimeout: 1e6, mtu: 1000 }], true],
    ['other fingerprints', () => [{ peerFingerprints: fingerprintOf(mine) }, { peerFingerprints: [fingerprintOf(mine), fingerprintOf(other)] }], false, () => identityOf(mine)],
    ['a certificate that has to be shown', () => [{}, { requestCert: true, rejectUnauthorized: false }], false],
    ['none that has to be', () => [{ requestCert: true, rejectUnauthorized: false }, {}], false],
    ['a tolerance', () => [{ requestCert: true, rejectUnauthorized: false }, { peerFingerprints: fingerprintOf(mine) }], false, () => identityOf(mine)],
  ];
  for (const [what, rules, expected, client] of cases) {
    it(`${expected ? 'goes on with' : 'stops at'} ${what}`, async () => {
      expect(await resumes(...rules(), client?.())).to.equal(expected);
    });
  }

  it("stops at another certificate of the server's own, and goes on with the same in another context", async () => {
    const [one, two] = [await certificate({ commonName: 'one' }), await certificate({ commonName: 'two' })];
    expect(await resumes({ ...identityOf(one) }, { ...identityOf(two) })).to.equal(false);
    expect(await resumes({ ...identityOf(one) }, { ...identityOf(one) })).to.equal(true);
  });

  it('stops at another sessionIdContext, by which peers with the same rules are kept apart', async () => {
    const one = identityOf(await certificate());
    expect(await resumes({ ...one, sessionIdContext: 'a' }, { ...one, sessionIdContext: 'b' })).to.equal(false);
    expect(await resumes({ ...one, sessionIdContext: 'a' }, { ...one, sessionIdContext: 'a' })).to.equal(true);
  });

  it('by a pre-shared key goes on with that key, and stops where the peer is held to another one', async () => {
    expect(await resumes({ psk: PSK }, { psk: PSK }, PSK_CLIENT)).to.equal(true);
    const server = await listen({ ...only, peers: inTurn({ psk: PSK }, { psk: { identity: 'another', psk: PSK.psk } }) });
    const client = { ...only, ...PSK_CLIENT };
    const session = await kept(server, client);
    await failure(await dial(server, { ...client, session }));
    expect(server.stats).to.include({ handshakesCompleted: 1, handshakesFailed: 1 });
  });
});
