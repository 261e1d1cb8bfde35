/**
 * Protects what both ends tell of one session, for each kind of session: the same where it is the same, each the
 * other's where it is the other's; and that all of it stays as it is while messages, heartbeats and other sessions go
 * by, until the session closes.
 */
import { constants, generateKeyPairSync, type KeyObject, type X509Certificate } from 'node:crypto';
import { expect } from 'chai';
import { features, type ConnectOptions, type DTLSServer, type DTLSSocket, type SecureContextOptions, type ServerOptions } from '../../lib/index';
import {
  certificate,
  closeEverything,
  listen,
  messages,
  next,
  openOn,
  PSK,
  PSK_CLIENT,
  PSK_SERVER,
  type Pair,
} from '../helpers/pair';

interface Kind {
  readonly ciphers: string;
  readonly server?: ServerOptions;
  readonly client?: Partial<ConnectOptions>;
  /** What a record adds to a message; undefined for CBC, where it depends on the message. */
  readonly overhead?: number;
  readonly rawKeys?: boolean;
  /** The server's other context. */
  readonly named?: SecureContextOptions;
}

const GCM = 13 + 8 + 16;
const CHACHA = 13 + 16;
const CCM = 13 + 8 + 16;
const CCM_8 = 13 + 8 + 8;
const PSK_SUITE = { server: PSK_SERVER, client: PSK_CLIENT };
const LEVEL_0 = ':@SECLEVEL=0';
const NO_TICKET = { secureOptions: constants.SSL_OP_NO_TICKET };

/** Certificates below an intermediate authority, so that there is a chain to tell of. */
const ecdsa = async (): Promise<Pick<SecureContextOptions, 'cert' | 'key'>> => {
  const { cert, key } = await certificate({ intermediate: true });
  return { cert, key };
};
const rsa = async (): Promise<ServerOptions> => {
  const { cert, key } = await certificate({ keyType: 'rsa-2048', intermediate: true });
  return { cert, key };
};
const ofClient = async (): Promise<Partial<ConnectOptions>> => {
  const { cert, key } = await certificate({ commonName: 'a client', clientAuth: true, intermediate: true });
  return { cert, key };
};
const SRTP = { srtpProfiles: ['SRTP_AEAD_AES_128_GCM'] } as const;
const GCM_SUITE = { ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256', overhead: GCM };
const PSK_GCM = { ciphers: 'PSK-AES128-GCM-SHA256', overhead: GCM, ...PSK_SUITE };
/** Each end with a key alone, and the other's. */
const rawKeys = (): Kind => {
  const [theirs, mine] = [0, 1].map(() => {
    const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    return { key: pair.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string, publicKey: pair.publicKey };
  }) as [{ key: string; publicKey: KeyObject }, { key: string; publicKey: KeyObject }];
  return {
    ...GCM_SUITE,
    rawKeys: true,
    server: { key: theirs.key, rawPublicKey: true, peerPublicKeys: mine.publicKey },
    client: { key: mine.key, rawPublicKey: true, peerPublicKeys: theirs.publicKey, ca: undefined },
  };
};

const KINDS: Record<string, () => Kind | Promise<Kind>> = {
  'ECDSA, AES-GCM': async () => ({ ...GCM_SUITE, server: await ecdsa() }),
  'ECDSA, ChaCha20-Poly1305': async () => ({
    ciphers: 'ECDHE-ECDSA-CHACHA20-POLY1305',
    overhead: CHACHA,
    server: await ecdsa(),
  }),
  'ECDSA, CCM': async () => ({ ciphers: 'ECDHE-ECDSA-AES256-CCM', overhead: CCM, server: await ecdsa() }),
  'ECDSA, CCM-8': async () => ({
    ciphers: `ECDHE-ECDSA-AES128-CCM8${LEVEL_0}`,
    overhead: CCM_8,
    server: await ecdsa(),
  }),
  'ECDSA, CBC': async () => ({ ciphers: 'ECDHE-ECDSA-AES128-SHA256', server: await ecdsa() }),
  'RSA, AES-GCM': async () => ({ ciphers: 'ECDHE-RSA-AES256-GCM-SHA384', overhead: GCM, server: await rsa() }),
  'DTLS 1.0': async () => ({
    ciphers: `ECDHE-ECDSA-AES128-SHA${LEVEL_0}`,
    server: { ...(await ecdsa()), minVersion: 'DTLSv1' },
    client: { minVersion: 'DTLSv1', maxVersion: 'DTLSv1' },
  }),
  'a client certificate': async () => ({
    ...GCM_SUITE,
    server: { ...(await ecdsa()), ca: (await certificate()).ca, requestCert: true },
    client: await ofClient(),
  }),
  'a client certificate that nobody trusts': async () => ({
    ...GCM_SUITE,
    server: { ...(await ecdsa()), ca: [], requestCert: true, rejectUnauthorized: false },
    client: await ofClient(),
  }),
  'a pre-shared key, AES-GCM': () => PSK_GCM,
  'a pre-shared key, CCM-8': () => ({ ...PSK_GCM, ciphers: `PSK-AES256-CCM8${LEVEL_0}`, overhead: CCM_8 }),
  'a pre-shared key, CBC': () => ({ ciphers: 'PSK-AES256-CBC-SHA384', ...PSK_SUITE }),
  'ECDHE-PSK': () => ({ ...PSK_GCM, ciphers: 'ECDHE-PSK-CHACHA20-POLY1305', overhead: CHACHA }),
  OCSP: async () => ({ ...GCM_SUITE, server: await ecdsa(), client: { requestOCSP: true } }),
  SRTP: () => ({ ...PSK_GCM, server: { ...PSK_SERVER, ...SRTP }, client: { ...PSK_CLIENT, ...SRTP } }),
  ALPN: async () => ({
    ...GCM_SUITE,
    server: { ...(await ecdsa()), ALPNProtocols: ['coap', 'x'] },
    client: { ALPNProtocols: ['x', 'coap'] },
  }),
  'a context by SNI': async () => ({
    ...GCM_SUITE,
    ciphers: 'ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256',
    server: await ecdsa(),
    named: { ...(await ecdsa()), ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256' },
    client: { servername: 'named.example', checkServerIdentity: () => undefined },
  }),
  max_fragment_length: async () => ({ ...GCM_SUITE, server: await ecdsa(), client: { maxFragmentLength: 512 } }),
};

const EXPORTS: readonly [number, string, Buffer?][] = [
  [60, 'EXTRACTOR-dtls_srtp'],
  [32, 'EXPERIMENTAL'],
  [32, 'EXPERIMENTAL', Buffer.alloc(0)],
  [200, 'EXPERIMENTAL', Buffer.from('context')],
];

/** All that does not depend on the end that is asked. */
const common = (socket: DTLSSocket) => ({
  protocol: socket.getProtocol(),
  cipher: socket.getCipher(),
  alpnProtocol: socket.alpnProtocol,
  reused: socket.isSessionReused(),
  pskIdentity: socket.pskIdentity,
  encryptThenMac: socket.encryptThenMac,
  extendedMasterSecret: socket.extendedMasterSecret,
  mtu: socket.mtu,
  maxMessageSize: socket.maxMessageSize,
  exported: EXPORTS.map(([length, label, context]) => socket.exportKeyingMaterial(length, label, context)),
  srtpProfile: socket.getSrtp()?.profile,
});

const shown = (of: X509Certificate | undefined): string | undefined => of?.fingerprint256;

/** What one end says of itself and the other, with a name for which it is. */
const own = (socket: DTLSSocket) => ({
  finished: socket.getFinished(),
  peerFinished: socket.getPeerFinished(),
  certificate: socket.getCertificate(),
  peerCertificate: socket.getPeerCertificate(),
  chain: socket.getPeerCertificate(true),
  peerX509: shown(socket.getPeerX509Certificate()),
  x509: shown(socket.getX509Certificate()),
  peerKey: socket.getPeerPublicKey()?.export({ type: 'spki', format: 'der' }),
  servername: socket.servername,
  authorized: socket.authorized,
  authorizationError: socket.authorizationError,
  ephemeralKey: socket.getEphemeralKeyInfo(),
  sharedGroup: socket.getSharedGroup(),
  sharedSigalgs: socket.getSharedSigalgs(),
  session: socket.getSession(),
  ticket: socket.getTLSTicket(),
  srtp: socket.getSrtp(),
});

async function exchange({ client, peer }: Pair): Promise<void> {
  const there = messages(peer, 1);
  client.send('there');
  expect(String((await there)[0])).to.equal('there');
  const back = messages(client, 1);
  peer.send('back');
  expect(String((await back)[0])).to.equal('back');
}

/** The two ends of a session that has just opened, against each other. */
function compare({ client, peer }: Pair, kind: Kind, again: boolean): void {
  expect(common(client)).to.deep.equal(common(peer));
  const [ours, theirs] = [own(client), own(peer)];
  expect(ours.finished).to.be.an.instanceOf(Buffer).with.lengthOf(12);
  expect(ours.finished).to.deep.equal(theirs.peerFinished);
  expect(ours.peerFinished).to.deep.equal(theirs.finished);
  expect(ours.finished).to.not.deep.equal(ours.peerFinished);
  if (kind.rawKeys !== true) {
    // Resumed, a server's certificate is that of the session, and the client's is not shown again.
    expect(ours.peerX509 ?? theirs.x509).to.equal(theirs.x509);
    if (theirs.peerX509 !== undefined) expect(theirs.peerX509).to.equal(ours.x509);
  }
  expect(ours.srtp === null).to.equal(kind.client?.srtpProfiles === undefined);
  if (ours.srtp !== null) {
    expect(ours.srtp.localKey).to.deep.equal(theirs.srtp?.remoteKey);
    expect(ours.srtp.localSalt).to.deep.equal(theirs.srtp?.remoteSalt);
    expect(ours.srtp.remoteKey).to.deep.equal(theirs.srtp?.localKey);
    expect(ours.srtp.remoteSalt).to.deep.equal(theirs.srtp?.localSalt);
  }
  const leaf = client.getPeerX509Certificate();
  if (leaf !== undefined) {
    expect(client.getPeerPublicKey()?.equals(leaf.publicKey)).to.equal(true);
    expect(Buffer.from(leaf.raw)).to.deep.equal(client.getPeerCertificate().raw);
    const { issuerCertificate } = leaf as X509Certificate & { issuerCertificate?: X509Certificate };
    if (issuerCertificate !== undefined) expect(leaf.checkIssued(issuerCertificate)).to.equal(true);
    // Through the intermediate, as long as OpenSSL knows the chain.
    if (!again) expect(issuerCertificate).to.not.equal(undefined);
  }
  const psk = kind.server === PSK_SERVER || kind.server?.pskCallback !== undefined;
  expect(client.pskIdentity).to.equal(psk ? PSK.identity : null);
  expect(ours.ticket === undefined || ours.session?.includes(ours.ticket)).to.equal(true);
  expect(theirs.ticket).to.equal(undefined);
  expect(theirs.session).to.be.an.instanceOf(Buffer);
  expect(client.isSessionReused()).to.equal(again);
  if (kind.overhead !== undefined && kind.client?.maxFragmentLength === undefined) {
    for (const socket of [client, peer]) expect(socket.mtu - socket.maxMessageSize).to.equal(kind.overhead);
  }
}

/** Everything stays as it was; and what was sent here is what came there. */
async function stays(pair: Pair, kind: Kind, server: DTLSServer): Promise<void> {
  const { client, peer } = pair;
  const answers = (): unknown[] => [client, peer].map((socket) => [common(socket), own(socket)]);
  const before = answers();
  await exchange(pair);
  expect(answers()).to.deep.equal(before);
  if (kind.overhead !== undefined) {
    await client.heartbeat('ping');
    await peer.heartbeat('pong');
    expect(answers()).to.deep.equal(before);
  }
  const other = await openOn(server, options(kind));
  await exchange(other);
  other.client.close();
  expect(answers()).to.deep.equal(before);
  for (const socket of [client, peer]) {
    const { mtu, maxMessageSize } = socket;
    socket.setMtu(mtu - 96);
    if (kind.client?.maxFragmentLength === undefined) {
      expect(socket.maxMessageSize).to.equal(maxMessageSize - 96);
    }
    socket.setMtu(mtu);
  }
  expect(answers()).to.deep.equal(before);
  for (const label of ['client finished', 'server finished', 'master secret', 'key expansion', 'master secrets']) {
    for (const socket of [client, peer]) {
      expect(() => socket.exportKeyingMaterial(20, label), label)
        .to.throw()
        .with.property('code', 'ERR_INVALID_ARG_VALUE');
    }
  }
  const heartbeats = kind.overhead === undefined ? 0 : 2; // a request and an answer
  for (const [from, to] of [
    [client.stats, peer.stats],
    [peer.stats, client.stats],
  ] as const) {
    expect(from).to.include({ messagesSent: 1, messagesReceived: 1, badRecords: 0, replays: 0 });
    expect(from.messageBytesSent).to.equal(to.messageBytesReceived);
    expect(from).to.include({ heartbeatsSent: heartbeats, alertsSent: 0, heartbeatsDiscarded: 0 });
    expect(from.heartbeatsSent).to.equal(to.heartbeatsReceived);
  }
}

/** What is known of a session that has closed: what the handshake came to, and the counters. */
async function ends({ client, peer }: Pair): Promise<void> {
  const lasting = (socket: DTLSSocket): unknown => [
    socket.getProtocol(),
    socket.alpnProtocol,
    socket.authorized,
    socket.isSessionReused(),
    socket.extendedMasterSecret,
    socket.encryptThenMac,
    socket.mtu,
  ];
  const before = [client, peer].map(lasting);
  const closed = Promise.all([next(client, 'close'), next(peer, 'close')]);
  client.close();
  await closed;
  expect([client, peer].map(lasting)).to.deep.equal(before);
  for (const socket of [client, peer]) {
    expect([socket.getCipher(), socket.getSrtp()]).to.deep.equal([null, null]);
    expect([socket.getPeerCertificate(), socket.getPeerCertificate(true), socket.getCertificate()]).to.deep.equal([{}, {}, {}]);
    expect([
      socket.getPeerX509Certificate(),
      socket.getX509Certificate(),
      socket.getPeerPublicKey(),
      socket.getFinished(),
      socket.getPeerFinished(),
      socket.getSession(),
      socket.getTLSTicket(),
    ]).to.deep.equal(Array(7).fill(undefined));
    expect(socket.getSharedSigalgs()).to.deep.equal([]);
    expect(socket.maxMessageSize).to.equal(0);
    expect(() => socket.setMtu(600)).to.throw().with.property('code', 'ERR_DTLS_NOT_OPEN');
    expect(socket.stats.messagesSent).to.equal(1);
  }
}

const ANY = { timeout: 5000 };

const options = (kind: Kind): Partial<ConnectOptions> => ({
  heartbeat: ANY,
  ciphers: kind.ciphers,
  ...kind.client,
});

async function serverOf(kind: Kind): Promise<DTLSServer> {
  const common = { heartbeat: ANY, ciphers: kind.ciphers };
  const server = await listen({ ...common, ...kind.server });
  if (kind.named !== undefined) server.addContext('named.example', kind.named);
  server.on('OCSPRequest', (_certificate, _issuer, callback) => {
    callback(null, Buffer.from('a response'));
  });
  const sessions = new Map<string, Buffer>();
  server.on('newSession', (id, session, callback) => {
    sessions.set(id.toString('hex'), session);
    callback();
  });
  server.on('resumeSession', (id, callback) => {
    callback(null, sessions.get(id.toString('hex')) ?? null);
  });
  return server;
}

describe('what both ends tell of a session', () => {
  afterEach(closeEverything);

  for (const [name, make] of Object.entries(KINDS)) {
    for (const [way, more] of [
      ['by ticket', {}],
      ['by id', NO_TICKET],
    ] as const) {
      it(`with ${name}, and resumed ${way}, agrees and stays`, async () => {
        const kind = await make();
        const server = await serverOf(kind);
        const first = await openOn(server, { ...options(kind), ...more });
        compare(first, kind, false);
        await stays(first, kind, server);
        const session = first.client.getSession();
        await ends(first);
        const again = await openOn(server, { ...options(kind), ...more, session });
        compare(again, kind, true);
        await stays(again, kind, server);
        await ends(again);
      });
    }
  }

  if (features.rawPublicKeys) {
    it('with raw public keys, agrees and stays', async () => {
      const kind = rawKeys();
      const server = await serverOf(kind);
      const first = await openOn(server, options(kind));
      compare(first, kind, false);
      await stays(first, kind, server);
      await ends(first);
    });
  }
});
