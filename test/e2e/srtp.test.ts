// Protects DTLS-SRTP between two ends of this package: both hold the same keys, each the other's
// way round, under the profile that the server prefers; and options that cannot be are refused.
import { expect } from 'chai';
import { connect, createServer, DTLSError, type SrtpProfile } from '../../lib/index';
import { native } from '../../lib/core/native';
import {
  clientFailure,
  closeEverything,
  dial,
  listen,
  openOn,
  openPsk,
  PSK_CLIENT, PSK_SERVER } from '../helpers/pair';

describe('SRTP', () => {
  afterEach(closeEverything);

  for (const profile of native.srtpProfiles as SrtpProfile[]) {
    it(`${profile}: both ends have the same keys`, async () => {
      const { client, peer } = await openPsk({ srtpProfiles: [profile] }, { srtpProfiles: [profile] });
      const [ours, theirs] = [client.getSrtp(), peer.getSrtp()];
      expect(ours?.profile).to.equal(profile);
      expect(ours?.localKey).to.deep.equal(theirs?.remoteKey);
      expect(ours?.localSalt).to.deep.equal(theirs?.remoteSalt);
      expect(ours?.remoteKey).to.deep.equal(theirs?.localKey);
      expect(ours?.remoteSalt).to.deep.equal(theirs?.localSalt);
      expect(ours?.localKey).to.not.deep.equal(ours?.remoteKey);
      expect(ours?.localSalt).to.not.deep.equal(ours?.remoteSalt);
    });
  }

  it('a resumed session has keys of its own', async () => {
    const srtpProfiles = ['SRTP_AEAD_AES_128_GCM'] as const;
    const first = await openPsk({ srtpProfiles }, { srtpProfiles });
    const session = first.client.getSession();
    const again = await openOn(first.server, { ...PSK_CLIENT, srtpProfiles, session });
    expect(again.client.isSessionReused()).to.equal(true);
    expect(again.client.getSrtp()?.profile).to.equal(srtpProfiles[0]);
    expect(again.client.getSrtp()?.localKey).to.deep.equal(again.peer.getSrtp()?.remoteKey);
    expect(again.client.getSrtp()?.localKey).to.not.deep.equal(first.client.getSrtp()?.localKey);
  });

  it('is there under every name of a server', async () => {
    const srtpProfiles = ['SRTP_AEAD_AES_128_GCM'] as const;
    const server = await listen({ ...PSK_SERVER, srtpProfiles, requireExtendedMasterSecret: true });
    server.addContext('media.example', { ciphers: 'PSK-AES256-GCM-SHA384' });
    const named = { ...PSK_CLIENT, srtpProfiles, servername: 'media.example' };
    const { client, peer } = await openOn(server, named);
    expect(client.getCipher()?.name).to.equal('PSK-AES256-GCM-SHA384');
    expect(client.getSrtp()?.localKey).to.be.instanceOf(Buffer);
    expect(client.getSrtp()?.localKey).to.deep.equal(peer.getSrtp()?.remoteKey);
    const refused = clientFailure(server);
    const lacking = await dial(server, { ...named, secureOptions: 1 }); // no extended master secret
    lacking.on('error', () => undefined);
    expect((await refused).code).to.equal('ERR_DTLS_EXTENDED_MASTER_SECRET');
  });

  it("the server's order counts", async () => {
    const order = [...(native.srtpProfiles as SrtpProfile[])];
    const { client, peer } = await openPsk(
      { srtpProfiles: order },
      { srtpProfiles: [...order].reverse() },
    );
    expect(client.getSrtp()?.profile).to.equal(order[0]);
    expect(peer.getSrtp()?.profile).to.equal(order[0]);
  });

  for (const [what, server, client] of [
    ['asked for by the server alone', ['SRTP_AES128_CM_SHA1_80'], undefined],
    ['asked for by the client alone', undefined, ['SRTP_AES128_CM_SHA1_80']],
    ['with nothing in common', ['SRTP_AES128_CM_SHA1_80'], ['SRTP_AEAD_AES_128_GCM']],
  ] as [string, SrtpProfile[] | undefined, SrtpProfile[] | undefined][]) {
    it(`${what} is not there, and nobody minds`, async () => {
      const pair = await openPsk({ srtpProfiles: server }, { srtpProfiles: client });
      expect(pair.client.getSrtp()).to.equal(null);
      expect(pair.peer.getSrtp()).to.equal(null);
    });
  }

  it('is there for an open session only', async () => {
    const { client } = await openPsk(
      { srtpProfiles: ['SRTP_AEAD_AES_128_GCM'] },
      { srtpProfiles: ['SRTP_AEAD_AES_128_GCM'] },
    );
    client.close();
    expect(client.getSrtp()).to.equal(null);
  });

  for (const [srtpProfiles, code] of [
    ['SRTP_AES128_CM_SHA1_80', 'ERR_INVALID_ARG_TYPE'],
    [{}, 'ERR_INVALID_ARG_TYPE'],
    [[7], 'ERR_INVALID_ARG_TYPE'],
    [[], 'ERR_INVALID_ARG_VALUE'],
    [['SRTP_AES128_CM_HMAC_SHA1_80'], 'ERR_INVALID_ARG_VALUE'],
    [['SRTP_AES128_CM_SHA1_80:SRTP_AES128_CM_SHA1_32'], 'ERR_INVALID_ARG_VALUE'],
    [['SRTP_AES128_CM_SHA1_80', 'SRTP_AES128_CM_SHA1_80'], 'ERR_INVALID_ARG_VALUE'],
  ] as [never, string][]) {
    it(`srtpProfiles: ${JSON.stringify(srtpProfiles)} is refused`, () => {
      for (const make of [
        () => createServer({ ...PSK_SERVER, srtpProfiles }),
        () => connect({ port: 1, ...PSK_CLIENT, srtpProfiles }),
      ]) {
        expect(make).to.throw(DTLSError, /'srtpProfiles'/).with.property('code', code);
      }
    });
  }
});
