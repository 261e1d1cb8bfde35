// Protects WebRTC with the browsers that people have: Chromium and Firefox shake hands with this package behind ICE, in
// both DTLS roles, at DTLS 1.3 and 1.2, and each side takes the other's certificate by its fingerprint and no other.
// What either says of the session is the same, video is decrypted and comes back, and data channels carry messages of
// all sizes. So it is when the browser offers, and when it answers.
import { once } from 'node:events';
import { expect } from 'chai';
import { selfSigned } from '../helpers/certificates';
import { fingerprintOf } from './endpoint';
import { exchange, inBrowsers, inVersions, ROLES } from './suite';

/** As getStats has them. */
const TLS_VERSIONS = { 'DTLSv1.3': 'FEFC', 'DTLSv1.2': 'FEFD' } as const;
/** More than 100, at 30 in a second. */
const FRAMES = 101;
/** A second of them, where that has been seen. */
const SOME_FRAMES = 30;

inBrowsers((bench) => {
  inVersions((maxVersion) => {
    for (const role of ROLES) {
      describe(`we are the ${role}`, () => {
        it('opens, with video and data both ways, and each side says the same of the session', async () => {
          const pair = await bench.open({ role, maxVersion, video: true });
          const { theirs, endpoint } = pair;
          const socket = await endpoint.session();
          endpoint.returnVideo(socket);
          const facts = await theirs.call('settled');

          expect(facts).to.include({ dtls: 'connected', tlsVersion: TLS_VERSIONS[maxVersion] });
          expect(facts.dtlsRole).to.equal(role === 'server' ? 'client' : 'server');
          expect(socket.getProtocol()).to.equal(maxVersion);
          expect(facts.dtlsCipher).to.equal(socket.getCipher()?.standardName);
          // Chromium writes out the HMAC, which RFC 5764 does not.
          expect(facts.srtpCipher?.replace('_HMAC', '')).to.equal(socket.getSrtp()?.profile);
          expect(facts.fingerprint).to.equal(fingerprintOf(bench.identity));
          expect(socket.authorized).to.equal(true);
          const { fingerprint256 = '' } = socket.getPeerX509Certificate() ?? {};
          expect(`sha-256 ${fingerprint256}`).to.equal(endpoint.offer.fingerprint);

          await exchange(pair, [1, 1200, 16_384, 200_000]);
          await endpoint.came(FRAMES);
          expect(await theirs.call('decoded', FRAMES - 1)).to.be.at.least(FRAMES - 1);
          expect(endpoint.mediaErrors).to.deep.equal([]);
          expect(endpoint.reports).to.be.at.least(1);

          socket.close();
          expect(await theirs.call('closed')).to.equal('closed');
        });

        it('opens when we offer, with video and data both ways', async () => {
          const pair = await bench.openOurs({ role, maxVersion });
          const { theirs, endpoint } = pair;
          const socket = await endpoint.session();
          endpoint.returnVideo(socket);
          expect(endpoint.offer.setup).to.equal(role === 'server' ? 'active' : 'passive');
          const { dtls, dtlsRole, tlsVersion } = await theirs.call('settled');
          expect({ dtls, dtlsRole, tlsVersion }).to.deep.equal({
            dtls: 'connected',
            dtlsRole: role === 'server' ? 'client' : 'server',
            tlsVersion: TLS_VERSIONS[maxVersion],
          });
          await exchange(pair, [100, 20_000]);
          await endpoint.came(SOME_FRAMES);
          expect(await theirs.call('decoded', SOME_FRAMES - 1)).to.be.at.least(SOME_FRAMES - 1);
          expect(endpoint.mediaErrors).to.deep.equal([]);
        });

        it('is closed here when the browser closes', async () => {
          const pair = await bench.open({ role, maxVersion });
          const socket = await pair.endpoint.session();
          await exchange(pair, [100]);
          const closed = once(socket, 'close');
          await pair.theirs.call('shut');
          expect(await closed).to.deep.equal([false]);
        });

        it('refuses a browser with another fingerprint', async () => {
          const peerFingerprints = fingerprintOf(bench.identity);
          const { theirs, endpoint } = await bench.open({ role, maxVersion, peerFingerprints });
          const { code, out } = await endpoint.failure();
          expect({ code, out }).to.deep.equal({ code: 'ERR_DTLS_FINGERPRINT', out: ['bad_certificate'] });
          expect((await theirs.call('settled')).dtls).to.equal('failed');
        });

        it('is refused with another fingerprint', async () => {
          const stranger = await selfSigned({ commonName: 'stranger' });
          const { theirs, endpoint } = await bench.open({ role, maxVersion, fingerprint: fingerprintOf(stranger) });
          const alert = bench.name === 'Chromium' ? 'certificate_unknown' : 'bad_certificate';
          const { code, in: alerts } = await endpoint.failure();
          expect({ code, alerts }).to.deep.equal({
            code: `ERR_DTLS_ALERT_${alert.toUpperCase()}`,
            alerts: [alert],
          });
          expect((await theirs.call('settled')).dtls).to.equal('failed');
        });
      });
    }
  });
});
