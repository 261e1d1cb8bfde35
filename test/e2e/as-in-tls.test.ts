// Protects what node:tls users know of a session: ephemeral keys, signature algorithms, Finished messages
// and the suite have the same shape and, for the same configuration, the same values as a TLS 1.2 socket
// of Node's own has, on both sides.
import { getDiffieHellman } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import tls from 'node:tls';
import { expect } from 'chai';
import type { KeyType } from '../helpers/certificates';
import { certificate, closeEverything, open } from '../helpers/pair';

interface Configuration {
  readonly keyType: KeyType;
  readonly ciphers: string;
  readonly ecdhCurve?: string;
  readonly sigalgs?: string;
  readonly dhparam?: string;
}

/** A group of RFC 3526 as PEM: a SEQUENCE of two INTEGERs (RFC 2631). */
function dhParameters(group: string): string {
  const parameters = getDiffieHellman(group);
  const tagged = (tag: number, content: Buffer): Buffer => {
    const size = content.length;
    const length = size < 128 ? [size] : size < 256 ? [0x81, size] : [0x82, size >> 8, size & 0xff];
    return Buffer.concat([Buffer.from([tag, ...length]), content]);
  };
  const integers = [parameters.getPrime(), parameters.getGenerator()].map((bytes) => {
    // A leading zero keeps an INTEGER positive, and must not be there for nothing.
    const negative = (bytes[0] ?? 0) >= 0x80;
    return tagged(2, negative ? Buffer.concat([Buffer.alloc(1), bytes]) : bytes);
  });
  const base64 = tagged(0x30, Buffer.concat(integers)).toString('base64').replace(/.{64}/g, '$&\n');
  return `-----BEGIN DH PARAMETERS-----\n${base64}\n-----END DH PARAMETERS-----\n`;
}

const CONFIGURATIONS: readonly Configuration[] = [
  { keyType: 'ecdsa-p256', ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256' },
  { keyType: 'ecdsa-p256', ciphers: 'ECDHE-ECDSA-AES256-GCM-SHA384', ecdhCurve: 'P-384:P-256' },
  {
    keyType: 'rsa-2048',
    ciphers: 'ECDHE-RSA-CHACHA20-POLY1305',
    ecdhCurve: 'X25519',
    sigalgs: 'RSA-PSS+SHA256:RSA+SHA384',
  },
  {
    keyType: 'ecdsa-p256',
    ciphers: 'ECDHE-ECDSA-AES128-SHA',
    ecdhCurve: 'P-256',
    sigalgs: 'ECDSA+SHA256:ed25519:RSA+SHA512',
  },
  { keyType: 'rsa-2048', ciphers: 'DHE-RSA-AES128-GCM-SHA256', dhparam: 'auto' },
  { keyType: 'rsa-2048', ciphers: 'DHE-RSA-AES128-GCM-SHA256', dhparam: dhParameters('modp15') },
];

/** What both kinds of sockets have. */
interface Told {
  getCipher(): { name: string; standardName: string } | null;
  getEphemeralKeyInfo(): object | null;
  getSharedSigalgs(): string[];
  getFinished(): Buffer | undefined;
  getPeerFinished(): Buffer | undefined;
}

const told = (socket: Told): object => ({
  suite: [socket.getCipher()?.name, socket.getCipher()?.standardName],
  // Node 24 has `name: undefined` for DH.
  ephemeralKey: JSON.parse(JSON.stringify(socket.getEphemeralKeyInfo())) as object | null,
  sigalgs: socket.getSharedSigalgs(),
  finished: [socket.getFinished()?.length, socket.getPeerFinished()?.length],
});

describe('as in node:tls', () => {
  const closing: (() => void)[] = [];

  afterEach(async () => {
    for (const close of closing.splice(0)) close();
    await closeEverything();
  });

  /** Both ends of a TLS 1.2 connection. */
  async function tlsPair(options: tls.SecureContextOptions, ca: string): Promise<tls.TLSSocket[]> {
    const server = tls.createServer({ ...options, maxVersion: 'TLSv1.2' }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const accepted = once(server, 'secureConnection') as Promise<[tls.TLSSocket]>;
    const { ciphers, ecdhCurve, sigalgs } = options;
    const client = tls.connect({
      host: '127.0.0.1',
      port: (server.address() as AddressInfo).port,
      ca,
      ...(ciphers === undefined ? {} : { ciphers }),
      ...(ecdhCurve === undefined ? {} : { ecdhCurve }),
      ...(sigalgs === undefined ? {} : { sigalgs }),
      maxVersion: 'TLSv1.2',
    });
    const [[peer]] = await Promise.all([accepted, once(client, 'secureConnect')]);
    closing.push(() => {
      client.destroy();
      peer.destroy();
      server.close();
    });
    return [client, peer];
  }

  for (const { keyType, ...configuration } of CONFIGURATIONS) {
    it(Object.values(configuration).join(', ').replace(/-----BEGIN[^]*$/, 'parameters in PEM'), async () => {
      const { cert, key, ca } = await certificate({ keyType });
      const { dhparam, ...both } = configuration;
      const server = { cert, key, ...both, ...(dhparam === undefined ? {} : { dhparam }) };
      const [client, peer] = (await tlsPair(server, ca)) as [tls.TLSSocket, tls.TLSSocket];
      const ours = await open(server, { ...both, ca });
      expect(told(ours.client)).to.deep.equal(told(client));
      expect(told(ours.peer)).to.deep.equal(told(peer));
      // And both ends agree.
      expect(ours.client.getFinished()).to.deep.equal(ours.peer.getPeerFinished());
      expect(ours.peer.getFinished()).to.deep.equal(ours.client.getPeerFinished());
      expect(ours.client.getCipher()).to.deep.equal(ours.peer.getCipher());
      expect(Object.keys(ours.client.getCipher() ?? {})).to.deep.equal(
        Object.keys(client.getCipher()),
      );
    });
  }
});
