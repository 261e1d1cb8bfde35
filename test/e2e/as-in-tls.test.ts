// Protects what node:tls users know of a session: ephemeral keys, signature algorithms, Finished messages
// and the suite have the same shape and, for the same configuration, the same values as a TLS 1.2 socket
// of Node's own has, on both sides.
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
  readonly dhparam?: 'auto';
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
    it(Object.values(configuration).join(', '), async () => {
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
