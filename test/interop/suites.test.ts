// Protects what DTLS is for: that this package understands implementations other than itself.
// Server and client against OpenSSL's and GnuTLS's own programs, in every AEAD suite, with a
// certificate, with certificates on both sides and with pre-shared keys: the suite that was meant
// is negotiated by both sides' account, data goes both ways, and the end of the session is heard.
import { expect } from 'chai';
import {
  cleanupAfterEach,
  requirePrograms,
  temporaryFiles,
  type PeerProcess,
} from '../helpers/peers';
import type { WatchedSocket } from '../helpers/watch';
import {
  CERTIFICATE_SUITES,
  clientCertificate,
  FOREIGN,
  PSK_HINT,
  PSK_IDENTITY,
  PSK_KEY,
  PSK_SUITES,
  serverCertificate,
  type Foreign,
  type Setup,
  type Suite,
} from './foreign';
import { ciphersFor, ourClient, ourServer } from './ours';

const MODES = ['certificate', 'mutual certificates', 'pre-shared key'] as const;
type Mode = (typeof MODES)[number];

const suitesOf = (mode: Mode): readonly Suite[] =>
  mode === 'pre-shared key' ? PSK_SUITES : CERTIFICATE_SUITES;

/**
 * Foreign clients close in some tests and hear us close in the others. Foreign servers never close
 * first: gnutls-serv has no way to, and s_server closes its UDP socket before it would say so.
 */
const weClose = (mode: Mode): boolean => mode === 'mutual certificates';

/** gnutls-cli 3.7 crashes when it prints an ECDHE-PSK session, gnutls-serv's included. */
const crashesAfterHandshake = (foreign: Foreign, suite: Suite): boolean =>
  foreign.clientName === 'gnutls-cli' && suite.keyExchange === 'ECDHE-PSK';

async function foreignSetup(suite: Suite, mode: Mode, role: 'client' | 'server'): Promise<Setup> {
  if (mode === 'pre-shared key') {
    const hint = role === 'server' ? { hint: PSK_HINT } : {};
    return { suite, psk: { identity: PSK_IDENTITY, key: PSK_KEY, ...hint } };
  }
  const mutual = mode === 'mutual certificates';
  const issue = role === 'server' ? serverCertificate : clientCertificate;
  const certificate = await issue(suite.keyType);
  return {
    suite,
    ...(role === 'server' || mutual ? { certificate } : {}),
    ...(role === 'client' || mutual ? { trust: certificate.ca } : {}),
  };
}

/** After the handshake, in either role. */
async function converse(
  foreign: Foreign,
  peer: PeerProcess,
  ours: WatchedSocket,
  suite: Suite,
  peerOnlyEchoes: boolean,
  closer: 'we' | 'the peer',
): Promise<void> {
  const { socket } = ours;
  expect(socket.getProtocol()).to.equal('DTLSv1.2');
  expect(socket.getCipher()?.name).to.equal(suite.name);

  socket.send('from here\n');
  if (!peerOnlyEchoes) {
    await peer.sees(/^from here$/m);
    peer.write('from there\n');
  }
  const message = (await ours.message()).toString();
  expect(message).to.equal(peerOnlyEchoes ? 'from here\n' : 'from there\n');

  if (closer === 'we') {
    socket.close();
    await peer.sees(foreign.received('close_notify'));
  } else {
    peer.end();
  }
  expect(await ours.closed()).to.equal(false);
  if (closer === 'the peer') expect(ours.alertNames('in')).to.deep.equal(['close_notify']);
  expect(ours.alertNames('out')).to.deep.equal(['close_notify']);
  expect(await foreign.cipher(peer)).to.equal(foreign.cipherName(suite));
}

for (const foreign of FOREIGN) {
  describe(`suites with ${foreign.name}`, function () {
    const cleanup = cleanupAfterEach(this);
    const files = temporaryFiles(this);

    before(function () {
      requirePrograms(this, ...foreign.programs);
    });

    for (const mode of MODES) {
      const psk = mode === 'pre-shared key';
      const mutual = mode === 'mutual certificates';

      describe(`our server, ${foreign.clientName}, ${mode}`, () => {
        for (const suite of suitesOf(mode)) {
          it(suite.name, async () => {
            // The suite decides which of the certificates is used.
            const certificates = [
              await serverCertificate('rsa-2048'),
              await serverCertificate('ecdsa-p256'),
            ];
            const setup = await foreignSetup(suite, mode, 'client');
            const identities: (string | Buffer)[] = [];
            const { watched, port } = await ourServer(cleanup, {
              ...ciphersFor(suite),
              ...(psk
                ? {
                    pskIdentityHint: PSK_HINT,
                    pskCallback: (_socket, identity) => {
                      identities.push(identity);
                      return PSK_KEY;
                    },
                  }
                : {
                    cert: certificates.map(({ cert }) => cert),
                    key: certificates.map(({ key }) => key),
                  }),
              ...(mutual ? { ca: setup.trust, requestCert: true } : {}),
            });
            const peer = foreign.client(cleanup, files, port, setup);
            const ours = await watched.connection();
            await ours.secure();
            expect(ours.socket.authorized).to.equal(psk || mutual);
            expect(ours.socket.pskIdentity).to.equal(psk ? PSK_IDENTITY : null);
            expect(identities).to.deep.equal(psk ? [PSK_IDENTITY] : []);
            expect(ours.socket.getPeerX509Certificate()?.subject).to.equal(
              mutual ? 'CN=interop client' : undefined,
            );
            if (crashesAfterHandshake(foreign, suite)) {
              expect(ours.socket.getCipher()?.name).to.equal(suite.name);
              expect(await foreign.cipher(peer)).to.equal(foreign.cipherName(suite));
              return;
            }
            if (psk) await peer.sees(new RegExp(`PSK (identity )?hint:? '?${PSK_HINT}`));
            const closer = weClose(mode) ? 'we' : 'the peer';
            await converse(foreign, peer, ours, suite, false, closer);
          });
        }
      });

      describe(`our client, ${foreign.serverName}, ${mode}`, () => {
        for (const suite of suitesOf(mode)) {
          it(suite.name, async () => {
            const setup = await foreignSetup(suite, mode, 'server');
            const { peer, port } = await foreign.server(cleanup, files, setup);
            const hints: (string | null)[] = [];
            const identity = await clientCertificate(suite.keyType);
            const { client } = ourClient(cleanup, {
              port,
              ...ciphersFor(suite),
              ca: identity.ca,
              ...(mutual ? { cert: identity.cert, key: identity.key } : {}),
              ...(psk
                ? {
                    pskCallback: (hint) => {
                      hints.push(hint);
                      return { identity: PSK_IDENTITY, psk: PSK_KEY };
                    },
                  }
                : {}),
            });
            await client.secure();
            expect(client.socket.authorized).to.equal(true);
            expect(client.socket.pskIdentity).to.equal(psk ? PSK_IDENTITY : null);
            expect(hints).to.deep.equal(psk ? [PSK_HINT] : []);
            expect(client.socket.getPeerX509Certificate()?.subject).to.equal(
              psk ? undefined : 'CN=interop server',
            );
            await converse(foreign, peer, client, suite, foreign.serverEchoes, 'we');
          });
        }
      });
    }
  });
}
