/**
 * Protects programs in which something has been put into `Object.prototype`, as a merge of somebody's JSON does: it is no
 * option of anything, and above all it switches no verification off. What a class or a prototype of the options' own has counts.
 */
import { expect } from 'chai';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSecureContext, createServer, createSocket, generateCertificate, type ConnectOptions, type SecureDgramSocket } from '../../lib/index';
import { closeEverything, dialTo, failure, listen, next, portOf } from '../helpers/pair';
import { closeSockets, codeOf, sent, track } from '../dgram/support';

/** Meanwhile all objects seem to have this. */
async function everywhere<T>(name: string, value: unknown, run: () => T | Promise<T>): Promise<T> {
  const prototype = Object.prototype as unknown as Record<string, unknown>;
  prototype[name] = value;
  try {
    return await run();
  } finally {
    Reflect.deleteProperty(prototype, name);
  }
}

const REFUSED = 'DEPTH_ZERO_SELF_SIGNED_CERT';

describe('what Object.prototype has', () => {
  afterEach(closeSockets);
  afterEach(closeEverything);

  it('lets connect take nobody whom it would refuse', async () => {
    const own = await generateCertificate();
    const server = await listen(own);
    server.on('dtlsClientError', () => undefined);
    const to: ConnectOptions = { host: '127.0.0.1', port: portOf(server) };
    for (const [name, value] of [
      ['rejectUnauthorized', false],
      ['ca', own.cert],
      ['checkServerIdentity', () => undefined],
      ['servername', 'localhost'],
      ['lookup', 5],
      ['peerFingerprints', 'none'],
    ] as const) {
      const client = await everywhere(name, value, () => dialTo(to));
      expect((await failure(client)).code, name).to.equal(REFUSED);
    }
  });

  it('lets a socket of createSocket take nobody whom it would refuse, whatever peers() answers', async () => {
    const own = await generateCertificate();
    const server = await listen(own);
    server.on('dtlsClientError', () => undefined);
    const to = { port: portOf(server), address: '127.0.0.1' };
    for (const peers of [undefined, () => undefined, () => ({})]) {
      const outcome = await everywhere('rejectUnauthorized', false, () =>
        sent(track(createSocket({ type: 'udp4', dtls: { role: 'client', ...(peers === undefined ? {} : { peers }) } })), 'hello', to),
      );
      expect(codeOf(outcome)).to.equal(REFUSED);
    }
    const plain = await everywhere('dtls', { rejectUnauthorized: false }, () => sent(track(createSocket('udp4')), 'hello', to));
    expect(codeOf(plain)).to.equal(REFUSED);
  });

  it('lets a server take nobody whom it would refuse, and ends no program', async () => {
    const [own, stranger] = [await generateCertificate(), await generateCertificate()];
    const server = await everywhere('rejectUnauthorized', false, () => listen({ ...own, ca: own.cert, requestCert: true }));
    const refused = next(server, 'dtlsClientError');
    const client = dialTo({ host: '127.0.0.1', port: portOf(server), ca: own.cert, cert: stranger.cert, key: stranger.key, servername: 'localhost' });
    client.on('error', () => undefined);
    expect((await refused)[0].code).to.equal(REFUSED);
    await everywhere('blockList', 1, () => {
      createServer(own).close();
      const socket: SecureDgramSocket = track(createSocket({ type: 'udp4', dtls: { role: 'client' } }));
      socket.close();
    });
  });

  it('is no option of a certificate that is made, nor of one that is watched', async () => {
    const own = await everywhere('ca', true, () => generateCertificate());
    expect(new X509Certificate(own.cert).ca).to.be.false;
    const folder = mkdtempSync(join(tmpdir(), 'dgram-dtls-'));
    try {
      const [certFile, keyFile] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
      writeFileSync(certFile, own.cert);
      writeFileSync(keyFile, own.key);
      const server = await listen(own);
      await everywhere('minVersion', 'DTLSv1', () => {
        server.watchSecureContext({ certFile, keyFile }).close();
      });
      // Its versions would be others than the server's.
      server.setSecureContext(createSecureContext({ cert: own.cert, key: own.key }));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('takes nothing from a prototype of the options themselves', async () => {
    const own = await generateCertificate();
    const server = await listen(own);
    class Settings {
      readonly #strict = false;
      get rejectUnauthorized(): boolean {
        return this.#strict;
      }
      host = '127.0.0.1';
      port = portOf(server);
    }
    const client = await everywhere('somebody', 1, () => dialTo(new Settings()));
    await next(client, 'secureConnect');
    expect(client.authorized).to.equal(false);
  });
});
