// Protects WebRTC with the browsers that people have: Chromium and Firefox shake hands with this package behind ICE, in
// both DTLS roles, at DTLS 1.3 and 1.2, and each side takes the other's certificate by its fingerprint and no other.
// What either says of the session is the same, video is decrypted and comes back, and data channels carry messages of
// all sizes. Their first hello comes in two datagrams, for the post-quantum share in it, which may be lost or swapped.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { expect } from 'chai';
import { features } from '../../lib/index';
import { CLIENT_HELLO, HELLO_VERIFY_REQUEST, SERVER_HELLO } from '../fault/support';
import { selfSigned, type Certificate } from '../helpers/certificates';
import { cleanupAfterEach, skip } from '../helpers/peers';
import { patience } from '../helpers/patience';
import { Browser, BROWSERS, type PagePeer } from './browsers';
import { INIT, INIT_ACK } from './data-channels';
import { Endpoint, fingerprintOf, type Setup } from './endpoint';
import type { Filter } from './ice-lite';
import { fragments, isRetry, messages, offersGroup, serverGroup, X25519MLKEM768 } from './wire';

const VERSIONS = [
  { maxVersion: 'DTLSv1.3', tlsVersion: 'FEFC' },
  { maxVersion: 'DTLSv1.2', tlsVersion: 'FEFD' },
] as const;

/** More than 100, at 30 in a second. */
const FRAMES = 101;

interface Pair {
  readonly theirs: PagePeer;
  readonly endpoint: Endpoint;
}

/** What becomes of the two datagrams; those that the browser repeats arrive. */
const FATES: Record<string, () => Filter> = {
  'as it comes': () => (datagram) => [datagram],
  'the second before the first': () => {
    let first: Buffer | undefined;
    let count = 0;
    return (datagram) => {
      count++;
      if (count === 1) first = datagram;
      if (count === 2 && first !== undefined) return [datagram, first];
      return count === 1 ? [] : [datagram];
    };
  },
  'the first lost': () => losing(1),
  'the second lost': () => losing(2),
  'each three times': () => {
    let count = 0;
    return (datagram) => (++count <= 2 ? [datagram, datagram, datagram] : [datagram]);
  },
};

function losing(lost: number): Filter {
  let count = 0;
  return (datagram) => (++count === lost ? [] : [datagram]);
}

for (const recipe of BROWSERS) {
  describe(recipe.name, function () {
    this.timeout(patience(60_000));
    const cleanup = cleanupAfterEach(this);
    let browser: Browser | undefined;
    let identity: Certificate;

    before(async function () {
      browser = await Browser.start(this, recipe);
      identity = await selfSigned({ commonName: 'WebRTC' });
    });
    after(function () {
      this.timeout(patience(90_000));
      return browser?.stop();
    });

    /** A connection in the page, which has offered and been answered. */
    async function open(
      setup: Omit<Setup, 'identity'>,
      { video = false } = {},
    ): Promise<Pair> {
      if (browser === undefined) throw new Error('no browser');
      const theirs = browser.peer();
      const offer = await theirs.call('offer', { video });
      cleanup.add(() => theirs.call('close'));
      const endpoint = await Endpoint.open(cleanup, offer, { identity, ...setup });
      await theirs.call('answer', endpoint.answer);
      return { theirs, endpoint };
    }

    /** Messages of these sizes to and fro, on a data channel of each side's. */
    async function exchange({ theirs, endpoint }: Pair, role: Setup['role'], sizes: readonly number[]): Promise<void> {
      await endpoint.session();
      expect(await theirs.call('exchange', sizes)).to.deep.equal(sizes);
      const { channels } = endpoint;
      expect(channels.labels).to.deep.equal(['theirs']);
      // SCTP's first packets as our messages: its INIT that we answer, or the answer to ours.
      if (role === 'server') expect([channels.came[0], channels.left[0]]).to.deep.equal([INIT, INIT_ACK]);
      else expect([channels.left[0], channels.came.includes(INIT_ACK)]).to.deep.equal([INIT, true]);
      const stream = role === 'client' ? 100 : 101;
      await channels.channel(stream, 'ours');
      for (const size of sizes) {
        const message = randomBytes(size);
        expect(await channels.exchange(stream, message)).to.deep.equal(message);
      }
    }

    for (const { maxVersion, tlsVersion } of VERSIONS) {
      describe(maxVersion, () => {
        before(function () {
          if (maxVersion === 'DTLSv1.3' && features.dtls13 === false) skip(this, features.dtls13Missing ?? '');
        });

        for (const role of ['client', 'server'] as const) {
          describe(`we are the ${role}`, () => {
            it('opens, with video and data both ways, and each side says the same of the session', async () => {
              const pair = await open({ role, maxVersion }, { video: true });
              const { theirs, endpoint } = pair;
              const socket = await endpoint.session();
              endpoint.returnVideo(socket);
              const facts = await theirs.call('settled');

              expect(facts).to.include({ connection: 'connected', dtls: 'connected', tlsVersion });
              expect(facts.dtlsRole).to.equal(role === 'server' ? 'client' : 'server');
              expect(socket.getProtocol()).to.equal(maxVersion);
              expect(facts.dtlsCipher).to.equal(socket.getCipher()?.standardName);
              // Chromium writes out the HMAC, which RFC 5764 does not.
              expect(facts.srtpCipher?.replace('_HMAC', '')).to.equal(socket.getSrtp()?.profile);
              expect(facts.fingerprint).to.equal(fingerprintOf(identity));
              expect(socket.authorized).to.equal(true);
              const { fingerprint256 = '' } = socket.getPeerX509Certificate() ?? {};
              expect(`sha-256 ${fingerprint256}`).to.equal(endpoint.offer.fingerprint);

              await exchange(pair, role, [1, 1200, 16_384, 200_000]);
              await endpoint.came(FRAMES);
              expect(await theirs.call('decoded', FRAMES - 1)).to.be.at.least(FRAMES - 1);
              expect(endpoint.mediaErrors).to.deep.equal([]);
              expect(endpoint.reports).to.be.at.least(1);

              socket.close();
              expect(await theirs.call('closed')).to.equal('closed');
            });

            it('is closed here when the browser closes', async () => {
              const pair = await open({ role, maxVersion });
              const socket = await pair.endpoint.session();
              await exchange(pair, role, [100]);
              const closed = once(socket, 'close');
              await pair.theirs.call('shut');
              expect(await closed).to.deep.equal([false]);
            });

            it('refuses a browser with another fingerprint', async () => {
              const { theirs, endpoint } = await open({ role, maxVersion, peerFingerprints: fingerprintOf(identity) });
              const { code, out } = await endpoint.failure();
              expect({ code, out }).to.deep.equal({ code: 'ERR_DTLS_FINGERPRINT', out: ['bad_certificate'] });
              expect((await theirs.call('settled')).dtls).to.equal('failed');
            });

            it('is refused with another fingerprint', async () => {
              const stranger = await selfSigned({ commonName: 'stranger' });
              const { theirs, endpoint } = await open({ role, maxVersion, fingerprint: fingerprintOf(stranger) });
              const { code, in: alerts } = await endpoint.failure();
              const alert = recipe.name === 'Chromium' ? 'certificate_unknown' : 'bad_certificate';
              expect(alerts).to.deep.equal([alert]);
              expect(code).to.equal(`ERR_DTLS_ALERT_${alert.toUpperCase()}`);
              expect((await theirs.call('settled')).dtls).to.equal('failed');
            });
          });
        }

        describe('a first hello in two datagrams', () => {
          for (const cookieExchange of [true, false]) {
            for (const [fate, filter] of Object.entries(FATES)) {
              it(`${cookieExchange ? 'with' : 'without'} a cookie exchange, ${fate}`, async () => {
                const pair = await open({ role: 'server', maxVersion, filter: filter(), more: { cookieExchange } });
                await exchange(pair, 'server', [100]);
                const { heard, said } = pair.endpoint.ice;
                const hellos = messages(heard, CLIENT_HELLO);
                expect(hellos).to.have.length(cookieExchange ? 2 : 1);
                expect(fragments(heard.slice(0, 2), CLIENT_HELLO).map(({ offset }) => offset > 0)).to.deep.equal([false, true]);
                expect(offersGroup(hellos[0] ?? Buffer.alloc(0), X25519MLKEM768)).to.equal(true);
                const retries = maxVersion === 'DTLSv1.2' ? messages(said, HELLO_VERIFY_REQUEST) : messages(said, SERVER_HELLO).filter(isRetry);
                expect(retries).to.have.length(cookieExchange ? 1 : 0);
                if (maxVersion === 'DTLSv1.3') {
                  // OpenSSL 3.5 has the group, too, and prefers it.
                  const [hello = Buffer.alloc(0)] = messages(said, SERVER_HELLO).filter((message) => !isRetry(message));
                  expect(serverGroup(hello)).to.equal(X25519MLKEM768);
                }
              });
            }
          }
        });
      });
    }
  });
}
