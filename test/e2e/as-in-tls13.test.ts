// Protects what node:tls users know of a session, at DTLS 1.3: each getter has the shape and, for the same
// configuration, the value that a TLS 1.3 socket of Node's own has, on both sides, in full handshakes and in
// resumed ones. What differs is in the table at the end, and nothing else does.
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import tls from 'node:tls';
import { expect } from 'chai';
import type { DTLSSocket } from '../../lib/index';
import type { KeyType } from '../helpers/certificates';
import { describe13, DTLS13 } from '../helpers/dtls13';
import { certificate, closeEverything, listen, next, openOn } from '../helpers/pair';

interface Configuration {
  readonly keyType: KeyType;
  readonly ciphers: string;
  readonly ecdhCurve: string;
  readonly sigalgs?: string;
  /** The server asks for a certificate, and gets one. */
  readonly mutual?: true;
  readonly ALPNProtocols?: string[];
}

const CONFIGURATIONS: readonly Configuration[] = [
  { keyType: 'ecdsa-p256', ciphers: 'TLS_AES_128_GCM_SHA256', ecdhCurve: 'X25519' },
  { keyType: 'ecdsa-p256', ciphers: 'TLS_AES_256_GCM_SHA384', ecdhCurve: 'P-384', mutual: true },
  { keyType: 'rsa-2048', ciphers: 'TLS_CHACHA20_POLY1305_SHA256', ecdhCurve: 'P-256', sigalgs: 'RSA-PSS+SHA384:RSA-PSS+SHA256' },
  { keyType: 'ecdsa-p256', ciphers: 'TLS_AES_128_CCM_SHA256', ecdhCurve: 'P-521:P-256', ALPNProtocols: ['coap', 'other'] },
  { keyType: 'ed25519', ciphers: 'TLS_AES_128_GCM_SHA256', ecdhCurve: 'ffdhe2048', sigalgs: 'ed25519' },
  { keyType: 'ecdsa-p256', ciphers: 'TLS_AES_128_GCM_SHA256', ecdhCurve: 'X25519MLKEM768' },
];

type Socket = tls.TLSSocket | DTLSSocket;

/** Lengths, labels and contexts of exporters: the last two are refused by both. */
const EXPORTERS: readonly (readonly [length: number, label: string, context?: Buffer])[] = [
  [32, 'EXPORTER-test'],
  [100, 'EXPORTER-test', Buffer.alloc(0)],
  [16, 'EXPORTER-test', Buffer.from('context')],
  [32, 'client finished'],
  [32, 'x'.repeat(300)],
];

/** As both take it; the types of Node have no call without a context. */
type Export = (length: number, label: string, context?: Buffer) => Buffer;

const exporterOf = (socket: Socket): Export => (socket.exportKeyingMaterial as Export).bind(socket);

function exported(socket: Socket, [length, label, context]: (typeof EXPORTERS)[number]): number | 'refused' {
  try {
    return exporterOf(socket)(length, label, context).length;
  } catch {
    return 'refused';
  }
}

const told = (socket: Socket): object => ({
  cipher: socket.getCipher(),
  // Node 24 has `name: undefined` for DH.
  ephemeralKey: JSON.parse(JSON.stringify(socket.getEphemeralKeyInfo())) as object | null,
  sigalgs: socket.getSharedSigalgs(),
  finished: [socket.getFinished()?.length, socket.getPeerFinished()?.length],
  reused: socket.isSessionReused(),
  authorized: socket.authorized,
  alpn: socket.alpnProtocol,
  own: socket.getX509Certificate()?.subject,
  exporters: EXPORTERS.map((exporter) => exported(socket, exporter)),
});

/** That of a resumed client is not there in node:tls, and Node 22 has no fields of a TLS 1.3 client's. */
const peerCertificate = (socket: Socket): string | undefined => socket.getPeerX509Certificate()?.subject;

function exportTheSame(client: Socket, peer: Socket): void {
  const of = (socket: Socket, context?: Buffer): string => exporterOf(socket)(32, 'EXPORTER-x', context).toString('hex');
  expect(of(client)).to.equal(of(peer));
  // RFC 8446 section 7.5: no context is an empty one.
  expect(of(client)).to.equal(of(peer, Buffer.alloc(0)));
  expect(of(client)).not.to.equal(of(peer, Buffer.from('x')));
}

describe13('as in node:tls at TLS 1.3', function () {
  this.timeout(20_000);
  const closing: (() => void)[] = [];

  afterEach(async () => {
    for (const close of closing.splice(0)) close();
    await closeEverything();
  });

  interface Both {
    readonly client: Socket;
    readonly peer: Socket;
    readonly session: Buffer;
    /** `session` events. */
    readonly sessions: number;
    /** What getSession() had when the handshake was over. */
    readonly early: boolean;
  }

  /** A TLS server, and how to make a connection to it. */
  async function overTls(server: tls.TlsOptions, client: tls.ConnectionOptions): Promise<(session?: Buffer) => Promise<Both>> {
    const versions = { minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3' } as const;
    const listener = tls.createServer({ ...server, ...versions }).listen(0, '127.0.0.1');
    closing.push(() => { listener.close(); });
    await once(listener, 'listening');
    return async (session) => {
      const accepted = once(listener, 'secureConnection') as Promise<[tls.TLSSocket]>;
      const { port } = listener.address() as AddressInfo;
      const socket = tls.connect({ ...client, ...versions, host: '127.0.0.1', port, ...(session === undefined ? {} : { session }) });
      let kept = Buffer.alloc(0);
      let sessions = 0;
      const tickets = new Promise<void>((resolve) => {
        socket.on('session', (one) => {
          kept = one;
          sessions += 1;
          if (sessions === 2) resolve();
        });
      });
      const [[peer]] = await Promise.all([accepted, once(socket, 'secureConnect')]);
      closing.push(() => { socket.destroy(); peer.destroy(); });
      const early = socket.getSession() !== undefined;
      peer.write('x');
      // Node 22 tells of tickets in a later turn than of the data that came with them, and none of them of one that
      // comes where a session was resumed.
      await Promise.all([session === undefined ? tickets : undefined, once(socket, 'data')]);
      return { client: socket, peer, session: kept, sessions, early };
    };
  }

  async function overDtls(server: object, client: object): Promise<(session?: Buffer) => Promise<Both>> {
    const listener = await listen({ ...server, ...DTLS13 });
    return async (session) => {
      let kept = Buffer.alloc(0);
      let sessions = 0;
      const pair = await openOn(listener, { ...client, ...DTLS13, ...(session === undefined ? {} : { session }) });
      const early = pair.client.getSession() !== undefined;
      pair.client.on('session', (one) => { kept = one; sessions += 1; });
      await next(pair.client, 'session');
      return { client: pair.client, peer: pair.peer, session: kept, sessions, early };
    };
  }

  const both = async ({ keyType, mutual, ...lists }: Configuration): Promise<[ours: Both, theirs: Both, oursAgain: Both, theirsAgain: Both]> => {
    const { cert, key, ca } = await certificate({ keyType });
    const device = await certificate({ commonName: 'device', clientAuth: true });
    const server = { cert, key, ca, ...lists, requestCert: mutual === true };
    const client = { ca, ...lists, ...(mutual === undefined ? {} : { cert: device.cert, key: device.key }) };
    const dtls = await overDtls(server, client);
    const dialTls = await overTls(server, client);
    const ours = await dtls();
    const theirs = await dialTls();
    return [ours, theirs, await dtls(ours.session), await dialTls(theirs.session)];
  };

  for (const configuration of CONFIGURATIONS) {
    it(Object.values(configuration).join(', '), async () => {
      const [ours, theirs, oursAgain, theirsAgain] = await both(configuration);
      const hybrid = configuration.ecdhCurve.includes('MLKEM');
      for (const [one, other] of [[ours, theirs], [oursAgain, theirsAgain]] as const) {
        const expected = told(other.client);
        // Node 22 has nothing to say of these groups.
        if (hybrid) Object.assign(expected, { ephemeralKey: { type: 'TLSGroup', name: configuration.ecdhCurve } });
        expect(told(one.client)).to.deep.equal(expected);
        expect(told(one.peer)).to.deep.equal(told(other.peer));
        expect(peerCertificate(one.peer)).to.deep.equal(peerCertificate(other.peer));
        // And both ends agree.
        expect(one.client.getFinished()).to.deep.equal(one.peer.getPeerFinished());
        expect(one.peer.getFinished()).to.deep.equal(one.client.getPeerFinished());
        exportTheSame(one.client, one.peer);
        exportTheSame(other.client, other.peer);
      }
      expect(oursAgain.client.isSessionReused()).to.equal(true);
      expect(peerCertificate(ours.client)).to.deep.equal(peerCertificate(theirs.client));
      for (const { client } of [ours, theirs]) {
        expect(client.getTLSTicket()?.length).to.be.above(32);
        expect(client.getSession()?.length).to.be.above(client.getTLSTicket()?.length ?? Infinity);
      }
    });
  }

  it('but for these', async () => {
    const [ours, theirs, oursAgain, theirsAgain] = await both({ keyType: 'ecdsa-p256', ciphers: 'TLS_AES_128_GCM_SHA256', ecdhCurve: 'X25519' });
    const table = (full: Both, resumed: Both): object => ({
      protocol: full.client.getProtocol(),
      // One ticket is enough: each is a datagram, and acknowledged.
      tickets: full.sessions,
      // There is nothing to be resumed before the ticket is there.
      sessionBeforeTicket: full.early,
      // Who resumes a session is told again whose it is.
      resumedPeer: resumed.client.getPeerX509Certificate()?.subject,
    });
    expect(table(ours, oursAgain)).to.deep.equal({
      protocol: 'DTLSv1.3', tickets: 1, sessionBeforeTicket: false, resumedPeer: 'CN=localhost',
    });
    expect(table(theirs, theirsAgain)).to.deep.equal({
      protocol: 'TLSv1.3', tickets: 2, sessionBeforeTicket: true, resumedPeer: undefined,
    });
  });
});
