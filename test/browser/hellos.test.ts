// Protects the first hello of a browser: it has a post-quantum share and comes in two datagrams. They may come in any
// order, twice, or one of them not at all; a server answers either with a cookie exchange or without, and the group is
// taken where OpenSSL has it. Whatever else browsers offer: suites, groups, kinds of keys, small datagrams.
import { expect } from 'chai';
import { CLIENT_HELLO, HELLO_VERIFY_REQUEST, SERVER_HELLO } from '../fault/support';
import { selfSigned } from '../helpers/certificates';
import type { Filter } from './ice-lite';
import { exchange, inBrowsers, inVersions, ROLES } from './suite';
import { fragments, isRetry, messages, offersGroup, serverGroup, X25519MLKEM768 } from './wire';

/** What becomes of the first two datagrams; those that the browser repeats arrive. */
const FATES: Record<string, () => Filter> = {
  'as they come': () => counting((datagram) => [datagram]),
  'the second before the first': () => {
    const held: Buffer[] = [];
    return counting((datagram, count) => {
      if (count === 1) held.push(datagram);
      return count === 1 ? [] : [datagram, ...held.splice(0)];
    });
  },
  'the first lost': () => counting((datagram, count) => (count === 1 ? [] : [datagram])),
  'the second lost': () => counting((datagram, count) => (count === 2 ? [] : [datagram])),
  'each three times': () => counting((datagram, count) => (count <= 2 ? [datagram, datagram, datagram] : [datagram])),
};

function counting(fate: (datagram: Buffer, count: number) => readonly Buffer[]): Filter {
  let count = 0;
  return (datagram) => fate(datagram, ++count);
}

/** Of DTLS 1.3 alone; the same suites of DTLS 1.2 go by other names. */
const ONLY_13 = { minVersion: 'DTLSv1.3' } as const;
const SUITES_13 = ['TLS_AES_128_GCM_SHA256', 'TLS_CHACHA20_POLY1305_SHA256']; // Firefox offers no other for WebRTC
const SUITES_12 = ['ECDHE-ECDSA-AES128-GCM-SHA256', 'ECDHE-ECDSA-CHACHA20-POLY1305', 'ECDHE-ECDSA-AES128-SHA'];

inBrowsers((bench) => {
  inVersions((maxVersion) => {
    describe('the two datagrams of a first hello', () => {
      for (const cookieExchange of [true, false]) {
        for (const [fate, filter] of Object.entries(FATES)) {
          it(`${cookieExchange ? 'with' : 'without'} a cookie exchange, ${fate}`, async () => {
            const pair = await bench.open({ role: 'server', maxVersion, filter: filter(), more: { cookieExchange } });
            await exchange(pair, [100]);
            const { heard, said } = pair.endpoint.ice;
            const parts = fragments(heard.slice(0, 2), CLIENT_HELLO);
            expect(parts.map(({ offset }) => offset > 0)).to.deep.equal([false, true]);
            const hellos = messages(heard, CLIENT_HELLO);
            expect(hellos).to.have.length(cookieExchange ? 2 : 1);
            expect(hellos.every((hello) => offersGroup(hello, X25519MLKEM768))).to.equal(true);
            const answers = messages(said, SERVER_HELLO);
            const retries =
              maxVersion === 'DTLSv1.2' ? messages(said, HELLO_VERIFY_REQUEST) : answers.filter(isRetry);
            expect(retries).to.have.length(cookieExchange ? 1 : 0);
            if (maxVersion === 'DTLSv1.3') {
              const groups = answers.filter((answer) => !isRetry(answer)).map(serverGroup);
              expect(groups).to.deep.equal([X25519MLKEM768]);
            }
          });
        }
      }
    });

    for (const role of ROLES) {
      describe(`we are the ${role}`, () => {
        const groups = maxVersion === 'DTLSv1.3' ? ['X25519', 'P-256', 'P-384', 'P-256:X25519'] : ['P-256', 'P-256:X25519'];
        for (const ecdhCurve of groups) {
          it(`with the groups ${ecdhCurve}`, async () => {
            await exchange(await bench.open({ role, maxVersion, more: { ecdhCurve } }), [100]);
          });
        }

        it('without a group in common', async () => {
          const { theirs, endpoint } = await bench.open({ role, maxVersion, more: { ecdhCurve: 'P-521' } });
          if (role === 'client') {
            expect((await endpoint.failure()).code).to.equal('ERR_DTLS_ALERT_HANDSHAKE_FAILURE');
          } else if (maxVersion === 'DTLSv1.2') {
            const { code, message } = await endpoint.failure();
            expect(code).to.equal('ERR_DTLS_NO_SHARED_PARAMETERS');
            expect(message).to.match(/groups of the client: X25519MLKEM768, X25519, P-256/);
          }
          expect((await theirs.call('settled')).dtls).to.equal('failed');
        });

        for (const ciphers of maxVersion === 'DTLSv1.3' ? SUITES_13 : SUITES_12) {
          it(`with ${ciphers}`, async () => {
            const more = { ciphers, ...(maxVersion === 'DTLSv1.3' ? ONLY_13 : {}) };
            const pair = await bench.open({ role, maxVersion, more });
            await exchange(pair, [100, 20_000]);
            const cipher = (await pair.endpoint.session()).getCipher();
            expect(cipher?.name).to.equal(ciphers);
            expect((await pair.theirs.call('settled')).dtlsCipher).to.equal(cipher?.standardName);
          });
        }

        it('with an RSA key', async () => {
          const identity = await selfSigned({ commonName: 'WebRTC', keyType: 'rsa-2048' });
          await exchange(await bench.open({ role, maxVersion, identity }), [100]);
        });

        it('in datagrams of 300 bytes', async () => {
          const pair = await bench.open({ role, maxVersion, more: { mtu: 300 } });
          const opened = pair.endpoint.session().then(() => pair.endpoint.ice.said.map(({ length }) => length));
          expect(Math.max(...(await opened))).to.be.at.most(300);
          await exchange(pair, [100, 20_000]);
        });
      });
    }
  });
});
