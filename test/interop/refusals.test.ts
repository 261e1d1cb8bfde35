// Protects the handshakes that must fail: with a foreign implementation on the other side, both
// sides hear of it, ours by an error code that says why and the peer by the right alert.
import { expect } from 'chai';
import { createAuthority, selfSigned, type Certificate } from '../helpers/certificates';
import { cleanupAfterEach, requirePrograms, temporaryFiles } from '../helpers/peers';
import {
  clientCertificate,
  FOREIGN,
  PSK_IDENTITY,
  PSK_KEY,
  serverCertificate,
  suite,
  type Alert,
} from './foreign';
import { ourClient, ourServer } from './ours';

const WRONG_KEY = Buffer.from('00000000000000000000000000000001', 'hex');
const PSK_SUITE = suite('PSK-AES128-GCM-SHA256');
/** For what shows only by silence: long enough for a slow peer to get there. */
const TIMEOUT_MS = 1200;
const LONG_AGO = {
  notBefore: new Date('2001-01-01T00:00:00Z'),
  notAfter: new Date('2002-01-01T00:00:00Z'),
};

interface Refusal {
  readonly title: string;
  readonly certificate: () => Promise<Certificate>;
  readonly code: string;
  readonly alert: Alert;
}

async function elsewhere(clientAuth: boolean): Promise<Certificate> {
  const authority = await createAuthority('an authority that nobody here trusts');
  return authority.issue({ commonName: 'stranger', ipAddresses: ['127.0.0.1'], clientAuth });
}

/** Of foreign servers, by our client. */
const SERVER_CERTIFICATES: readonly Refusal[] = [
  {
    title: 'expired',
    certificate: () => serverCertificate('ecdsa-p256', LONG_AGO),
    code: 'CERT_HAS_EXPIRED',
    alert: 'certificate_expired',
  },
  {
    title: 'of an unknown authority',
    certificate: () => elsewhere(false),
    code: 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
    alert: 'unknown_ca',
  },
  {
    title: 'self-signed',
    certificate: () => selfSigned({ commonName: 'alone', ipAddresses: ['127.0.0.1'] }),
    code: 'DEPTH_ZERO_SELF_SIGNED_CERT',
    alert: 'unknown_ca',
  },
  {
    title: 'for another name',
    certificate: async () =>
      (await createAuthority()).issue({ commonName: 'other', dnsNames: ['other.example'] }),
    code: 'ERR_TLS_CERT_ALTNAME_INVALID',
    alert: 'bad_certificate',
  },
];

/** Of foreign clients, by our server. */
const CLIENT_CERTIFICATES: readonly Refusal[] = [
  {
    title: 'expired',
    certificate: () => clientCertificate('ecdsa-p256', LONG_AGO),
    code: 'CERT_HAS_EXPIRED',
    alert: 'certificate_expired',
  },
  {
    title: 'of an unknown authority',
    certificate: () => elsewhere(true),
    code: 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
    alert: 'unknown_ca',
  },
];

for (const foreign of FOREIGN) {
  describe(`refusals with ${foreign.name}`, function () {
    const cleanup = cleanupAfterEach(this);
    const files = temporaryFiles(this);

    before(function () {
      requirePrograms(this, ...foreign.programs);
    });

    describe(`our client refuses a certificate of ${foreign.serverName}`, () => {
      for (const { title, certificate, code, alert } of SERVER_CERTIFICATES) {
        it(title, async () => {
          const { certificatePem } = await createAuthority();
          const setup = { certificate: await certificate() };
          const { peer, port } = await foreign.server(cleanup, files, setup);
          const { client } = ourClient(cleanup, { port, ca: certificatePem });
          const error = await client.error();
          expect(error).to.include({ code, category: 'certificate', alert });
          expect(error.hint).to.be.a('string');
          expect(await client.closed()).to.equal(true);
          await peer.sees(foreign.received(alert));
        });
      }
    });

    describe(`our server refuses a certificate of ${foreign.clientName}`, () => {
      for (const { title, certificate, code, alert } of CLIENT_CERTIFICATES) {
        it(title, async () => {
          const own = await serverCertificate();
          const server = await ourServer(cleanup, { ...own, requestCert: true });
          const peer = foreign.client(cleanup, files, server.port, {
            certificate: await certificate(),
            trust: own.ca,
          });
          const ours = await server.watched.connection();
          expect(await ours.error()).to.include({ code, category: 'certificate', alert });
          expect(await ours.closed()).to.equal(true);
          await peer.sees(foreign.received(alert));
        });
      }

      it('that it does not have', async () => {
        const own = await serverCertificate();
        const server = await ourServer(cleanup, { ...own, requestCert: true });
        const peer = foreign.client(cleanup, files, server.port, { trust: own.ca });
        const ours = await server.watched.connection();
        expect(await ours.error()).to.include({
          code: 'ERR_DTLS_PEER_CERTIFICATE_MISSING',
          category: 'certificate',
          alert: 'handshake_failure',
        });
        await peer.sees(foreign.received('handshake_failure'));
      });
    });

    it(`${foreign.clientName} refuses our certificate`, async () => {
      const server = await ourServer(cleanup, await elsewhere(false));
      const { certificatePem } = await createAuthority();
      const peer = foreign.client(cleanup, files, server.port, { trust: certificatePem });
      const ours = await server.watched.connection();
      const error = await ours.error();
      expect(error.category).to.equal('alert');
      expect(error.code).to.equal(`ERR_DTLS_ALERT_${foreign.clientDistrust.toUpperCase()}`);
      expect(error.alert).to.equal(foreign.clientDistrust);
      await peer.sees(foreign.sent(foreign.clientDistrust));
    });

    it(`${foreign.serverName} misses our certificate`, async () => {
      const certificate = await serverCertificate();
      const setup = { certificate, trust: certificate.ca };
      const { peer, port } = await foreign.server(cleanup, files, setup);
      const { client } = ourClient(cleanup, {
        port,
        ca: certificate.ca,
        handshakeTimeout: TIMEOUT_MS,
      });
      const error = await client.error();
      if (foreign.missingCertificate === undefined) {
        await peer.sees(/No certificate was found/);
        expect(error).to.include({ code: 'ERR_DTLS_HANDSHAKE_TIMEOUT', category: 'timeout' });
        expect(error.hint).to.match(/demands a certificate of its clients/);
        return;
      }
      await peer.sees(foreign.sent(foreign.missingCertificate));
      expect(error.category).to.equal('alert');
      expect(error.alert).to.equal(foreign.missingCertificate);
      expect(error.hint).to.match(/demands a certificate of its clients/);
    });

    it(`our server does not know the identity of ${foreign.clientName}`, async () => {
      const asked: (string | Buffer)[] = [];
      const server = await ourServer(cleanup, {
        pskCallback: (_socket, identity) => {
          asked.push(identity);
          return null;
        },
      });
      const psk = { identity: 'nobody', key: PSK_KEY };
      const setup = { suite: PSK_SUITE, psk };
      const peer = foreign.client(cleanup, files, server.port, setup);
      const ours = await server.watched.connection();
      expect(await ours.error()).to.include({
        code: 'ERR_DTLS_PSK_IDENTITY_UNKNOWN',
        category: 'protocol',
        alert: 'unknown_psk_identity',
      });
      expect(asked).to.deep.equal(['nobody']);
      await peer.sees(foreign.received('unknown_psk_identity'));
    });

    it(`our server and ${foreign.clientName} hold different keys`, async () => {
      const server = await ourServer(cleanup, {
        handshakeTimeout: TIMEOUT_MS,
        pskCallback: () => PSK_KEY,
      });
      const psk = { identity: PSK_IDENTITY, key: WRONG_KEY };
      foreign.client(cleanup, files, server.port, { suite: PSK_SUITE, psk });
      const ours = await server.watched.connection();
      // Records that do not decrypt are dropped (RFC 6347 section 4.1.2.7): nobody sends an alert.
      const error = await ours.error();
      expect(error).to.include({ code: 'ERR_DTLS_PSK_MISMATCH', category: 'protocol' });
      expect(await ours.closed()).to.equal(true);
    });

    it(`our client and ${foreign.serverName} hold different keys`, async () => {
      const setup = { suite: PSK_SUITE, psk: { identity: PSK_IDENTITY, key: WRONG_KEY } };
      const { port } = await foreign.server(cleanup, files, setup);
      const { client } = ourClient(cleanup, {
        port,
        handshakeTimeout: TIMEOUT_MS,
        pskCallback: () => ({ identity: PSK_IDENTITY, psk: PSK_KEY }),
      });
      const error = await client.error();
      expect(error).to.include({ code: 'ERR_DTLS_PSK_MISMATCH', category: 'protocol' });
      expect(await client.closed()).to.equal(true);
    });

    if (!foreign.serverKnowsIdentities) return;

    it(`${foreign.serverName} does not know our identity`, async () => {
      const setup = { suite: PSK_SUITE, psk: { identity: PSK_IDENTITY, key: PSK_KEY } };
      const { port } = await foreign.server(cleanup, files, setup);
      const { client } = ourClient(cleanup, {
        port,
        handshakeTimeout: TIMEOUT_MS,
        pskCallback: () => ({ identity: 'nobody', psk: PSK_KEY }),
      });
      // As RFC 4279 section 2 allows, it hides who is known: the key it goes on with is random.
      const error = await client.error();
      expect(error).to.include({ code: 'ERR_DTLS_PSK_MISMATCH', category: 'protocol' });
    });
  });
}
