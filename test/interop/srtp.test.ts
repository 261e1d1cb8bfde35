// Protects DTLS-SRTP (RFC 5764) and the exporter (RFC 5705) against others' accounts of them: in
// either role OpenSSL's and GnuTLS's programs agree on the profile, and the keying material that
// they print is ours, byte for byte, in the order of RFC 5764 section 4.2.
import { expect } from 'chai';
import type { DTLSSocket, SrtpKeys, SrtpProfile } from '../../lib/index';
import { cleanupAfterEach, requirePrograms, temporaryFiles } from '../helpers/peers';
import type { PeerProcess } from '../helpers/peers';
import { FOREIGN, PSK_IDENTITY, PSK_KEY, suite, type Setup } from './foreign';
import { ourClient, ourServer } from './ours';

const SIZES: Record<SrtpProfile, { key: number; salt: number }> = {
  SRTP_AES128_CM_SHA1_80: { key: 16, salt: 14 },
  SRTP_AES128_CM_SHA1_32: { key: 16, salt: 14 },
  SRTP_AEAD_AES_128_GCM: { key: 16, salt: 12 },
  SRTP_AEAD_AES_256_GCM: { key: 32, salt: 12 },
};

/** How a program is told to negotiate SRTP and to print keying material, and how it does. */
interface Exporter {
  readonly profiles: readonly SrtpProfile[];
  offer(profiles: readonly SrtpProfile[]): string[];
  exporting(label: string, size: number): string[];
  readonly material: RegExp;
  /** Its server prints any: gnutls-serv never does over UDP. */
  readonly serverPrints: boolean;
}

const EXPORTERS: Record<'OpenSSL' | 'GnuTLS', Exporter> = {
  OpenSSL: {
    profiles: Object.keys(SIZES) as SrtpProfile[],
    offer: (profiles) => ['-use_srtp', profiles.join(':')],
    exporting: (label, size) => ['-keymatexport', label, '-keymatexportlen', `${size}`],
    material: /Keying material: ([0-9A-Fa-f]+)/,
    serverPrints: true,
  },
  GnuTLS: {
    // Those of RFC 5764: it has none of RFC 7714.
    profiles: ['SRTP_AES128_CM_SHA1_80', 'SRTP_AES128_CM_SHA1_32'],
    offer: (profiles) => [
      `--srtp-profiles=${profiles.map((it) => it.replace('CM_', 'CM_HMAC_')).join(':')}`,
    ],
    exporting: (label, size) => [`--keymatexport=${label}`, `--keymatexportsize=${size}`],
    material: /Key material: ([0-9A-Fa-f]+)/,
    serverPrints: false,
  },
};

function exporterOf(name: string): Exporter {
  if (name !== 'OpenSSL' && name !== 'GnuTLS') throw new Error(`no exporter of ${name}`);
  return EXPORTERS[name];
}

const SRTP_LABEL = 'EXTRACTOR-dtls_srtp';
const setup = (extra: string[]): Setup => ({
  suite: suite('PSK-AES128-GCM-SHA256'),
  psk: { identity: PSK_IDENTITY, key: PSK_KEY },
  extra,
});
const pskClient = { pskCallback: () => ({ identity: PSK_IDENTITY, psk: PSK_KEY }) };

/** RFC 5764 section 4.2, from this side's view. */
function inOrder(keys: SrtpKeys, role: 'client' | 'server'): Buffer {
  const { localKey, localSalt, remoteKey, remoteSalt } = keys;
  return Buffer.concat(
    role === 'client'
      ? [localKey, remoteKey, localSalt, remoteSalt]
      : [remoteKey, localKey, remoteSalt, localSalt],
  );
}

function agreed(socket: DTLSSocket, profile: SrtpProfile): SrtpKeys {
  const keys = socket.getSrtp();
  if (keys === null) throw new Error('no SRTP was negotiated');
  const { key, salt } = SIZES[profile];
  expect(keys.profile).to.equal(profile);
  expect([keys.localKey, keys.remoteKey].map((it) => it.length)).to.deep.equal([key, key]);
  expect([keys.localSalt, keys.remoteSalt].map((it) => it.length)).to.deep.equal([salt, salt]);
  return keys;
}

for (const foreign of FOREIGN) {
  describe(`SRTP and keying material with ${foreign.name}`, function () {
    const cleanup = cleanupAfterEach(this);
    const exporter = exporterOf(foreign.name);
    const files = temporaryFiles(this);

    before(function () {
      requirePrograms(this, ...foreign.programs);
    });

    async function withServer(
      extra: string[],
      srtpProfiles?: readonly SrtpProfile[],
    ): Promise<{ peer: PeerProcess; socket: DTLSSocket }> {
      const { peer, port } = await foreign.server(cleanup, files, setup(extra));
      const { client } = ourClient(cleanup, { port, srtpProfiles, ...pskClient });
      await client.secure();
      return { peer, socket: client.socket };
    }

    async function withClient(
      extra: string[],
      srtpProfiles?: readonly SrtpProfile[],
    ): Promise<{ peer: PeerProcess; socket: DTLSSocket }> {
      const { watched, port } = await ourServer(cleanup, {
        srtpProfiles,
        pskCallback: () => PSK_KEY,
      });
      const peer = foreign.client(cleanup, files, port, setup(extra));
      const ours = await watched.connection();
      await ours.secure();
      return { peer, socket: ours.socket };
    }

    async function printed(peer: PeerProcess): Promise<string> {
      const [, hex = ''] = await peer.sees(exporter.material);
      return hex.toLowerCase();
    }

    for (const profile of exporter.profiles) {
      const { key, salt } = SIZES[profile];
      const extra = [...exporter.offer([profile]), ...exporter.exporting(SRTP_LABEL, 2 * (key + salt))];
      // Ours would prefer another one.
      const ours = [...(Object.keys(SIZES) as SrtpProfile[]).reverse()];

      it(`${foreign.serverName} and our client, ${profile}`, async () => {
        const { peer, socket } = await withServer(extra, ours);
        const keys = inOrder(agreed(socket, profile), 'client').toString('hex');
        if (exporter.serverPrints) expect(keys).to.equal(await printed(peer));
      });

      it(`${foreign.clientName} and our server, ${profile}`, async () => {
        const { peer, socket } = await withClient(extra, ours);
        const keys = inOrder(agreed(socket, profile), 'server').toString('hex');
        expect(keys).to.equal(await printed(peer));
      });
    }

    it('our server takes the first of its own profiles that the client has', async () => {
      const both = ['SRTP_AES128_CM_SHA1_80', 'SRTP_AES128_CM_SHA1_32'] as const;
      const { socket } = await withClient(exporter.offer(both), [...both].reverse());
      agreed(socket, 'SRTP_AES128_CM_SHA1_32');
    });

    it('without a profile in common the handshake goes on without SRTP', async () => {
      const extra = exporter.offer(['SRTP_AES128_CM_SHA1_80']);
      const { socket } = await withClient(extra, ['SRTP_AES128_CM_SHA1_32']);
      expect(socket.getSrtp()).to.equal(null);
      expect(socket.readyState).to.equal('open');
    });

    it('a peer that knows nothing of SRTP has none', async () => {
      const { socket } = await withServer([], ['SRTP_AES128_CM_SHA1_80']);
      expect(socket.getSrtp()).to.equal(null);
    });

    for (const size of [1, 20, 32, 100]) {
      const extra = exporter.exporting('EXPERIMENTAL of ours', size);

      if (exporter.serverPrints) {
        it(`${foreign.serverName} and our client export the same ${size} bytes`, async () => {
          const { peer, socket } = await withServer(extra);
          const material = socket.exportKeyingMaterial(size, 'EXPERIMENTAL of ours');
          expect(material.toString('hex')).to.equal(await printed(peer));
        });
      }

      it(`${foreign.clientName} and our server export the same ${size} bytes`, async () => {
        const { peer, socket } = await withClient(extra);
        const material = socket.exportKeyingMaterial(size, 'EXPERIMENTAL of ours');
        expect(material.toString('hex')).to.equal(await printed(peer));
      });
    }
  });
}
