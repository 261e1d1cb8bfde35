// Protects the key log: with the lines of our client's or our server's `keylog` events, Wireshark's
// dissector, which knows nothing of this package, decrypts what went over the wire; and so it does
// with the file that SSLKEYLOGFILE names.
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { connect } from '../../lib/index';
import { Capture } from '../helpers/capture';
import { cleanupAfterEach, requirePrograms, temporaryFiles } from '../helpers/peers';
import { WatchedSocket } from '../helpers/watch';
import {
  FOREIGN,
  PSK_IDENTITY,
  PSK_KEY,
  serverCertificate,
  suite,
  type Foreign,
  type Suite,
} from './foreign';
import { ciphersFor, ourClient, ourServer } from './ours';

const run = promisify(execFile);

// Not ChaCha20-Poly1305: Wireshark 4.0 does not decrypt it in DTLS, whoever wrote the key log.
const SUITES = [
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES128-CCM8',
  'PSK-AES256-GCM-SHA384',
].map(suite);

const SAID = ['the first message', 'and its answer'];

describe('key log', function () {
  const cleanup = cleanupAfterEach(this);
  const [openssl] = FOREIGN as [Foreign, ...Foreign[]];
  const files = temporaryFiles(this);
  let folder: string;

  before(function () {
    folder = mkdtempSync(join(tmpdir(), 'dgram-dtls-keylog-'));
    requirePrograms(this, 'openssl', 'tshark');
  });
  after(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  /** The application data that tshark finds in a capture, in order. */
  async function decrypted(
    capture: Capture,
    serverPort: number,
    keylog: readonly string[],
  ): Promise<string[]> {
    const pcap = files.file(capture.pcap());
    const { stdout } = await run('tshark', [
      ...['-r', pcap],
      ...['-o', `tls.keylog_file:${files.file(keylog.join(''))}`],
      ...['-d', `udp.port==${serverPort},dtls`],
      ...['-Y', 'data'],
      ...['-T', 'fields', '-e', 'data.data'],
    ]);
    return stdout
      .split('\n')
      .filter(Boolean)
      .map((hex) => Buffer.from(hex, 'hex').toString());
  }

  for (const one of SUITES) {
    const psk = one.keyType === undefined;

    it(`of our client, ${one.name}`, async () => {
      const certificate = await serverCertificate();
      const { peer, port } = await openssl.server(cleanup, files, {
        suite: one,
        ...(psk ? { psk: { identity: PSK_IDENTITY, key: PSK_KEY } } : { certificate }),
      });
      const capture = await Capture.to(port);
      cleanup.add(() => capture.close());
      const { client, keylog } = ourClient(cleanup, {
        port: capture.port,
        ca: certificate.ca,
        ...ciphersFor(one),
        ...(psk ? { pskCallback: () => ({ identity: PSK_IDENTITY, psk: PSK_KEY }) } : {}),
      });
      await client.secure();
      client.socket.send(`${SAID[0]}\n`);
      await peer.sees(/the first message/);
      peer.write(`${SAID[1]}\n`);
      await client.message();
      expectLines(keylog);
      expect(await decrypted(capture, port, keylog)).to.deep.equal(SAID.map((it) => `${it}\n`));
      expect(await decrypted(capture, port, [])).to.deep.equal([]);
    });

    it(`of our server, ${one.name}`, async () => {
      const { cert, key, ca } = await serverCertificate();
      const { watched, port, keylog } = await ourServer(cleanup, {
        ...ciphersFor(one),
        ...(psk ? { pskCallback: () => PSK_KEY } : { cert, key }),
      });
      const capture = await Capture.to(port);
      cleanup.add(() => capture.close());
      const peer = openssl.client(cleanup, files, capture.port, {
        suite: one,
        ...(psk ? { psk: { identity: PSK_IDENTITY, key: PSK_KEY } } : { trust: ca }),
      });
      const ours = await watched.connection();
      await ours.secure();
      peer.write(`${SAID[0]}\n`);
      await ours.message();
      ours.socket.send(`${SAID[1]}\n`);
      await peer.sees(/and its answer/);
      expectLines(keylog);
      expect(await decrypted(capture, port, keylog)).to.deep.equal(SAID.map((it) => `${it}\n`));
    });
  }

  it('of our client, by SSLKEYLOGFILE', async () => {
    const [one] = SUITES as [Suite, ...Suite[]];
    const file = join(folder, 'keys.log');
    const certificate = await serverCertificate();
    const { peer, port } = await openssl.server(cleanup, files, { suite: one, certificate });
    const capture = await Capture.to(port);
    cleanup.add(() => capture.close());
    process.env.SSLKEYLOGFILE = file;
    cleanup.add(() => {
      delete process.env.SSLKEYLOGFILE;
    });
    const socket = connect({ host: '127.0.0.1', port: capture.port, ca: certificate.ca });
    cleanup.add(() => socket[Symbol.asyncDispose]());
    const client = new WatchedSocket(socket);
    await client.secure();
    socket.send(`${SAID[0]}\n`);
    await peer.sees(/the first message/);
    peer.write(`${SAID[1]}\n`);
    await client.message();
    const keylog = readFileSync(file, 'utf8');
    expectLines([keylog]);
    expect(await decrypted(capture, port, [keylog])).to.deep.equal(SAID.map((it) => `${it}\n`));
  });

  function expectLines(keylog: readonly string[]): void {
    expect(keylog).to.have.length(1);
    expect(keylog[0]).to.match(/^CLIENT_RANDOM [0-9a-f]{64} [0-9a-f]{96}\n$/i);
  }
});
