// Protects CBC suites against others' implementations of them: with encrypt-then-MAC (RFC 7366) and
// without, with the extended master secret (RFC 7627) and without, in both roles, data goes both
// ways, forged records are dropped where OpenSSL alone would end the session, and who requires an
// extended master secret does not go on without.
import { expect } from 'chai';
import dgram from 'node:dgram';
import { once } from 'node:events';
import type { ConnectOptions, ServerOptions } from '../../lib/index';
import {
  cleanupAfterEach,
  requirePrograms,
  temporaryFiles,
  type PeerProcess,
} from '../helpers/peers';
import type { WatchedSocket } from '../helpers/watch';
import { FOREIGN, PSK_IDENTITY, PSK_KEY, serverCertificate, type Setup, type Suite } from './foreign';
import { ourClient, ourServer } from './ours';

/** A suite, and the MAC that GnuTLS's priority string has to name for it. */
interface CbcSuite extends Suite {
  readonly mac: string;
}

const SUITES: readonly CbcSuite[] = [
  {
    name: 'ECDHE-ECDSA-AES128-SHA',
    gnutls: 'ECDHE_ECDSA_AES_128_CBC_SHA1',
    cipher: 'AES-128-CBC',
    mac: 'SHA1',
    keyExchange: 'ECDHE-ECDSA',
    keyType: 'ecdsa-p256',
  },
  {
    name: 'ECDHE-RSA-AES256-SHA384',
    gnutls: 'ECDHE_RSA_AES_256_CBC_SHA384',
    cipher: 'AES-256-CBC',
    mac: 'SHA384',
    keyExchange: 'ECDHE-RSA',
    keyType: 'rsa-2048',
  },
  {
    name: 'PSK-AES128-CBC-SHA256',
    gnutls: 'PSK_AES_128_CBC_SHA256',
    cipher: 'AES-128-CBC',
    mac: 'SHA256',
    keyExchange: 'PSK',
  },
];

const [PLAIN] = SUITES as [CbcSuite, ...CbcSuite[]];
const SSL_OP_NO_ENCRYPT_THEN_MAC = 0x80000;
const HANDSHAKE_FAILURE = 'handshake_failure';

/** Between a client and a server; sends a forgery of each protected record before the record. */
async function forger(serverPort: number): Promise<{ port: number; close: () => void; forged: () => number }> {
  let forged = 0;
  let client: number | undefined;
  const near = dgram.createSocket('udp4').bind(0, '127.0.0.1');
  const far = dgram.createSocket('udp4').bind(0, '127.0.0.1');
  await Promise.all([once(near, 'listening'), once(far, 'listening')]);
  const pass = (socket: dgram.Socket, datagram: Buffer, port: number): void => {
    for (let at = 0; at + 13 <= datagram.length; ) {
      const end = at + 13 + datagram.readUInt16BE(at + 11);
      if (datagram.readUInt16BE(at + 3) !== 0) {
        const forgery = Buffer.from(datagram.subarray(at, end));
        forgery[forgery.length - 1] = (forgery.at(-1) ?? 0) ^ 1;
        socket.send(forgery, port, '127.0.0.1');
        forged += 1;
      }
      at = end;
    }
    socket.send(datagram, port, '127.0.0.1');
  };
  near.on('message', (datagram, { port }) => {
    client = port;
    pass(far, datagram, serverPort);
  });
  far.on('message', (datagram) => {
    if (client !== undefined) pass(near, datagram, client);
  });
  const close = (): void => {
    near.close();
    far.close();
  };
  return { port: near.address().port, close, forged: () => forged };
}

for (const foreign of FOREIGN) {
  describe(`CBC suites with ${foreign.name}`, function () {
    const cleanup = cleanupAfterEach(this);
    const files = temporaryFiles(this);

    before(function () {
      requirePrograms(this, ...foreign.programs);
    });

    async function setupOf(suite: CbcSuite, more: { etm?: boolean; ems?: boolean }): Promise<Setup> {
      const { etm = true, ems = true } = more;
      const openssl = foreign.name === 'OpenSSL';
      return {
        suite,
        priority: [
          `-MAC-ALL:+${suite.mac}`,
          ...(etm ? [] : ['%NO_ETM']),
          ...(ems ? [] : ['%NO_SESSION_HASH']),
        ],
        ...(openssl && !etm ? { extra: ['-no_etm'] } : {}),
        ...(suite.keyType === undefined
          ? { psk: { identity: PSK_IDENTITY, key: PSK_KEY } }
          : { certificate: await serverCertificate(suite.keyType) }),
      };
    }

    async function withServer(
      suite: CbcSuite,
      setup: Setup,
      options: Partial<ConnectOptions> = {},
      through?: (port: number) => Promise<number>,
    ): Promise<{ peer: PeerProcess; ours: WatchedSocket }> {
      const { peer, port } = await foreign.server(cleanup, files, setup);
      const { client } = ourClient(cleanup, {
        port: (await through?.(port)) ?? port,
        ciphers: suite.name,
        ...(suite.keyType === undefined
          ? { pskCallback: () => ({ identity: PSK_IDENTITY, psk: PSK_KEY }) }
          : { ca: setup.certificate?.ca }),
        ...options,
      });
      return { peer, ours: client };
    }

    async function withClient(
      suite: CbcSuite,
      setup: Setup,
      options: Partial<ServerOptions> = {},
      through?: (port: number) => Promise<number>,
    ): Promise<{ peer: PeerProcess; ours: WatchedSocket }> {
      const { cert, key, ca } = await serverCertificate(suite.keyType);
      const { watched, port } = await ourServer(cleanup, {
        ciphers: suite.name,
        ...(suite.keyType === undefined ? { pskCallback: () => PSK_KEY } : { cert, key }),
        ...options,
      });
      const peer = foreign.client(cleanup, files, (await through?.(port)) ?? port, {
        ...setup,
        certificate: undefined,
        ...(suite.keyType === undefined ? {} : { trust: ca }),
      });
      return { peer, ours: await watched.connection() };
    }

    async function converse(peer: PeerProcess, ours: WatchedSocket, echoes: boolean): Promise<void> {
      for (const text of ['one', 'a second message', 'x'.repeat(200)]) {
        ours.socket.send(`${text}\n`);
        if (!echoes) {
          await peer.sees(new RegExp(`^${text}$`, 'm'));
          peer.write(`${text}\n`);
        }
        expect((await ours.message()).toString()).to.equal(`${text}\n`);
      }
      expect(ours.socket.readyState).to.equal('open');
    }

    for (const suite of SUITES) {
      for (const etm of [true, false]) {
        const how = etm ? 'encrypt-then-MAC' : 'MAC-then-encrypt';

        it(`${foreign.serverName} and our client, ${suite.name}, ${how}`, async () => {
          const { peer, ours } = await withServer(suite, await setupOf(suite, { etm }));
          await ours.secure();
          expect(ours.socket.getCipher()?.name).to.equal(suite.name);
          expect(ours.socket.encryptThenMac).to.equal(etm);
          expect(ours.socket.extendedMasterSecret).to.equal(true);
          await converse(peer, ours, foreign.serverEchoes);
          expect(ours.socket.stats).to.include({ badRecords: 0, discardedRecords: 0 });
        });

        it(`${foreign.clientName} and our server, ${suite.name}, ${how}`, async () => {
          const { peer, ours } = await withClient(suite, await setupOf(suite, { etm }));
          await ours.secure();
          expect(ours.socket.getCipher()?.name).to.equal(suite.name);
          expect(ours.socket.encryptThenMac).to.equal(etm);
          expect(ours.socket.extendedMasterSecret).to.equal(true);
          await converse(peer, ours, false);
          expect(ours.socket.stats).to.include({ badRecords: 0, discardedRecords: 0 });
        });
      }
    }

    it('ours may do without encrypt-then-MAC', async () => {
      const setup = await setupOf(PLAIN, {});
      const options = { secureOptions: SSL_OP_NO_ENCRYPT_THEN_MAC };
      const { peer, ours } = await withServer(PLAIN, setup, options);
      await ours.secure();
      expect(ours.socket.encryptThenMac).to.equal(false);
      await converse(peer, ours, foreign.serverEchoes);
    });

    if (foreign.name === 'GnuTLS') {
      // OpenSSL ends a session for one of these: its programs cannot stand in the middle.
      it('forged records on the way do neither side harm, our client', async () => {
        let forgeries = (): number => 0;
        const { peer, ours } = await withServer(PLAIN, await setupOf(PLAIN, {}), {}, async (port) => {
          const { close, forged, ...middle } = await forger(port);
          cleanup.add(close);
          forgeries = forged;
          return middle.port;
        });
        await ours.secure();
        expect(ours.socket.encryptThenMac).to.equal(true);
        await converse(peer, ours, foreign.serverEchoes);
        expect(forgeries()).to.be.at.least(8);
        // The Finished among them.
        expect(ours.socket.stats).to.include({ badRecords: 4, alertsSent: 0, alertsReceived: 0 });
      });

      it('forged records on the way do neither side harm, our server', async () => {
        const { peer, ours } = await withClient(PLAIN, await setupOf(PLAIN, {}), {}, async (port) => {
          const { close, ...middle } = await forger(port);
          cleanup.add(close);
          return middle.port;
        });
        await ours.secure();
        expect(ours.socket.encryptThenMac).to.equal(true);
        await converse(peer, ours, false);
        expect(ours.socket.stats).to.include({ badRecords: 4, alertsSent: 0, alertsReceived: 0 });
      });

      it('without extended master secret, where nobody requires it', async () => {
        const { peer, ours } = await withServer(PLAIN, await setupOf(PLAIN, { ems: false }));
        await ours.secure();
        expect(ours.socket.extendedMasterSecret).to.equal(false);
        await converse(peer, ours, foreign.serverEchoes);
      });

      it('without extended master secret, our client may refuse', async () => {
        const { peer, ours } = await withServer(PLAIN, await setupOf(PLAIN, { ems: false }), {
          requireExtendedMasterSecret: true,
        });
        const error = await ours.error();
        expect(error).to.include({ code: 'ERR_DTLS_EXTENDED_MASTER_SECRET', alert: HANDSHAKE_FAILURE });
        await peer.sees(foreign.received(HANDSHAKE_FAILURE));
      });

      it('without extended master secret, our server may refuse', async () => {
        const { peer, ours } = await withClient(PLAIN, await setupOf(PLAIN, { ems: false }), {
          requireExtendedMasterSecret: true,
        });
        const error = await ours.error();
        expect(error).to.include({ code: 'ERR_DTLS_EXTENDED_MASTER_SECRET', alert: HANDSHAKE_FAILURE });
        await peer.sees(foreign.received(HANDSHAKE_FAILURE));
      });
    }

    it('with extended master secret, who requires it goes on', async () => {
      const setup = await setupOf(PLAIN, {});
      const required = { requireExtendedMasterSecret: true };
      const { ours } = await withServer(PLAIN, setup, required);
      await ours.secure();
      const there = await withClient(PLAIN, setup, required);
      await there.ours.secure();
      expect([ours, there.ours].map(({ socket }) => socket.extendedMasterSecret)).to.deep.equal([
        true,
        true,
      ]);
    });
  });
}
