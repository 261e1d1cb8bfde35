// Protects sessions against renegotiation (RFC 9325 section 3.5): whoever asks for one in an open session
// is told no by the warning alert no_renegotiation, it is counted, and the session goes on, whether a
// client asks our server by a ClientHello or a server our client by a HelloRequest. (OpenSSL's programs
// do not take a no: they end the session themselves.)
import { setTimeout } from 'node:timers/promises';
import { expect } from 'chai';
import { PATIENCE_MS } from '../helpers/patience';
import {
  cleanupAfterEach,
  requirePrograms,
  temporaryFiles,
  type PeerProcess,
} from '../helpers/peers';
import type { WatchedSocket } from '../helpers/watch';
import { FOREIGN, PSK_IDENTITY, PSK_KEY, suite, type Foreign } from './foreign';
import { ourClient, ourServer } from './ours';

const psk = { suite: suite('PSK-AES128-GCM-SHA256'), psk: { identity: PSK_IDENTITY, key: PSK_KEY } };

/** The alert went out, and nothing ended. */
async function refused(ours: WatchedSocket, times: number): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  const sent = (): number => ours.alertNames('out').filter((it) => it === 'no_renegotiation').length;
  while (sent() < times && Date.now() < deadline) await setTimeout(5);
  expect(ours.alerts.filter((it) => it.direction === 'out')).to.deep.equal(
    Array.from({ length: times }, () => ({
      direction: 'out',
      level: 'warning',
      description: 'no_renegotiation',
      code: 100,
    })),
  );
  expect(ours.socket.stats.renegotiationsRefused).to.equal(times);
}

async function endedByThePeer(ours: WatchedSocket, peer: PeerProcess): Promise<void> {
  await peer.sees(/SSL3 alert read:warning:no renegotiation/);
  expect((await ours.error()).code).to.equal('ERR_DTLS_ALERT_HANDSHAKE_FAILURE');
}

describe('renegotiation', function () {
  const cleanup = cleanupAfterEach(this);
  const [openssl, gnutls] = FOREIGN as [Foreign, Foreign];
  const files = temporaryFiles(this);

  before(function () {
    requirePrograms(this, ...openssl.programs, ...gnutls.programs);
  });

  it('openssl s_client asks our server', async () => {
    const { watched, port } = await ourServer(cleanup, { pskCallback: () => PSK_KEY });
    const peer = openssl.client(cleanup, files, port, psk);
    const ours = await watched.connection();
    await ours.secure();
    peer.write('before\n');
    expect((await ours.message()).toString()).to.equal('before\n');
    peer.write('R\n');
    await peer.sees(/RENEGOTIATING/);
    await refused(ours, 1);
    await endedByThePeer(ours, peer);
  });

  it('openssl s_server asks our client', async () => {
    const { peer, port } = await openssl.server(cleanup, files, psk);
    const { client } = ourClient(cleanup, {
      port,
      pskCallback: () => ({ identity: PSK_IDENTITY, psk: PSK_KEY }),
    });
    await client.secure();
    client.socket.send('before\n');
    await peer.sees(/^before$/m);
    peer.write('r\n');
    await refused(client, 1);
    await endedByThePeer(client, peer);
  });

  it('gnutls-cli asks our server', async () => {
    const { watched, port } = await ourServer(cleanup, { pskCallback: () => PSK_KEY });
    const peer = gnutls.client(cleanup, files, port, { ...psk, extra: ['--rehandshake'] });
    const ours = await watched.connection();
    await ours.secure();
    await refused(ours, 1);
    // It asks again and again, and never gets to anything else.
    await peer.sees(/(TLS warning alert has been received[^]*){2}/);
    expect(ours.alerts.every(({ description }) => description === 'no_renegotiation')).to.equal(true);
    expect(ours.socket.readyState).to.equal('open');
  });
});
